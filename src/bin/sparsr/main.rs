//! The `sparsr` program: pictures enlarged, measured, and what it runs explained.
//!
//! Results go to standard output, everything said to a person to standard error. Every failure is one
//! sentence, `error: …`, and a non-zero exit; no file is left half-written.

mod bench;
mod convert;
mod devices;
mod doctor;
mod engine;
mod eval;
mod files;
mod inspect;
mod models;
mod profile;
mod scene;
mod terminal;
mod tune;
mod tuning;
mod upscale;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Errors are sentences for a person.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Enlarges pictures with super-resolution networks on any GPU.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  sparsr upscale photo.jpg                      photo-x2.png, here
  sparsr upscale scans/*.tif -o large           a folder of PNGs
  sparsr upscale face.png -o face.webp --device cpu
  sparsr models                                 what it knows of networks
  sparsr devices                                what it can run on
  sparsr doctor                                 whether that works
  sparsr bench                                  how fast it is

SPARSR_LOG=debug shows what is planned and chosen."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Upscale(upscale::Args),
    Eval(eval::Args),
    Inspect(inspect::Args),
    Models(models::Args),
    Convert(convert::Args),
    Devices(devices::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Tune(tune::Args),
}

fn main() -> ExitCode {
    hush_mesa();
    let cli = Cli::parse();
    terminal::start_log();
    let outcome = match cli.command {
        Command::Upscale(args) => upscale::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Tune(args) => tune::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        terminal::complain(&error.to_string());
        ExitCode::FAILURE
    })
}

/// Where there is no desktop session, Mesa's device-select layer complains about that on standard error,
/// each time adapters are listed. It chooses a default among GPUs, which sparsr does itself.
fn hush_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first thing that the program does, so no other thread reads the environment.
        #[expect(unsafe_code, reason = "the layer is told through the environment alone")]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}
