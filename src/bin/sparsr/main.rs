//! The `sparsr` program: pictures and video enlarged, measured, networks trained and pruned, and what it runs explained.
//!
//! Results go to standard output, everything said to a person to standard error. Every failure is one
//! sentence, `error: …`, and a non-zero exit; no file is left half-written.

mod batch;
mod bench;
mod convert;
mod devices;
mod doctor;
mod engine;
mod eval;
mod files;
mod inspect;
mod ladder;
mod memory;
mod models;
mod profile;
mod prune;
mod scene;
mod svg;
mod terminal;
mod train;
mod tune;
mod tuning;
mod upscale;
mod verdict;
mod video;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// Errors are sentences for a person.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Enlarges pictures with super-resolution networks on any GPU.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  sparsr photo.jpg                              photo-x2.png, here: short for sparsr upscale
  sparsr upscale scans/*.tif -o large           a folder of PNGs
  sparsr upscale face.png -o face.webp --device cpu
  sparsr video clip.y4m                         clip-x2.y4m; - is a pipe's end
  sparsr train edsr.toml                        a network of your own, from a folder of pictures
  sparsr prune edsr.pth -o half.safetensors --keep 0.5    a smaller network
  sparsr ladder a.pth b.pth -o l.safetensors --pictures photos    small networks for easy parts
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
    Video(video::Args),
    Eval(eval::Args),
    Inspect(inspect::Args),
    Models(models::Args),
    Convert(convert::Args),
    Devices(devices::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Prune(prune::Args),
    Ladder(ladder::Args),
    Train(train::Args),
    Distil(train::Distil),
    Search(train::Search),
    Tune(tune::Args),
    Completions(Completions),
    Man(Man),
}

/// Print what makes a shell complete this program's commands and options
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sparsr completions bash > ~/.local/share/bash-completion/completions/sparsr"
)]
struct Completions {
    shell: Shell,
}

/// Print a manual page: of the program, or of one of its commands
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sparsr man > sparsr.1\n  sparsr man upscale | man -l -")]
struct Man {
    command: Option<String>,
}

fn main() -> ExitCode {
    hush_mesa();
    let cli = Cli::parse_from(with_command(std::env::args_os().collect()));
    terminal::start_log();
    let outcome = memory::start_threads().and_then(|()| run(&cli.command));
    outcome.unwrap_or_else(|error| {
        terminal::complain(&error.to_string());
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Upscale(args) => upscale::run(args),
        Command::Video(args) => video::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Models(args) => models::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Prune(args) => prune::run(args),
        Command::Ladder(args) => ladder::run(args),
        Command::Train(args) => train::run(args),
        Command::Distil(args) => train::distil(args),
        Command::Search(args) => train::search(args),
        Command::Tune(args) => tune::run(args),
        Command::Completions(args) => args.print(),
        Command::Man(args) => args.print(),
    }
}

/// Pictures dropped on the program's icon come without a command: they are to be enlarged.
fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let is_picture = |first: &OsString| {
        let is_command = first.to_str().is_some_and(|name| Cli::command().find_subcommand(name).is_some());
        !is_command && !first.as_encoded_bytes().starts_with(b"-") && Path::new(first).exists()
    };
    if args.get(1).is_some_and(is_picture) {
        args.insert(1, "upscale".into());
    }
    args
}

impl Completions {
    fn print(&self) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "sparsr", &mut script);
        terminal::print(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    fn print(&self) -> Result<ExitCode> {
        let mut program = Cli::command();
        program.build();
        let command = match &self.command {
            None => program,
            Some(name) => {
                let found = program.find_subcommand(name).cloned();
                let found =
                    found.ok_or_else(|| format!("no command `{name}`: `sparsr --help` lists them"))?;
                found.display_name(format!("sparsr-{name}"))
            }
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        terminal::print(&page)?;
        Ok(ExitCode::SUCCESS)
    }
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
