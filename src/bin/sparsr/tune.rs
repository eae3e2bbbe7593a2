//! `sparsr tune`: which kernels are fastest on a GPU, measured, shown and remembered.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use sparsr::Gpu;
use sparsr::low_level::plan::Choices;
use sparsr::low_level::probe::tune::{Measured, Outcome};

use crate::engine::Choice;
use crate::tuning::{Known, seconds, wanted};
use crate::{Result, terminal};

/// Measure which kernels are fastest on a GPU, and remember it
///
/// For every kind of convolution that the network needs each kernel that can compute it is timed; one whose result
/// differs from the plain one's is excluded. On an adapter in software this takes minutes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr tune
  sparsr tune -m network.pth --device 1
  sparsr tune --seconds 10 --size 160x120")]
pub struct Args {
    /// The size of pictures that it is measured for
    #[arg(long, value_name = "WxH", default_value = "960x540", value_parser = crate::bench::size)]
    size: [usize; 2],

    /// The time after which nothing new is begun
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,

    /// The scale: chooses among those of a checkpoint that has several, and is checked otherwise
    #[arg(long, value_name = "N")]
    scale: Option<usize>,

    #[command(flatten)]
    choice: Choice,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let model = args.choice.model(args.scale)?;
    let adapter = args.choice.adapter("tune")?;
    let gpu = Gpu::open(&adapter)?;
    let wanted = wanted(&gpu, &model, args.size)?;
    let mut known = Known::of(&gpu);
    let measured = known.measure(&gpu, &wanted, args.seconds)?;
    let shipped = Choices::shipped(gpu.limits());

    let mut text = format!("{} on {}\n", model.name(), gpu.identity());
    measured.iter().for_each(|measured| text += &table(measured, &shipped));
    let unreached = wanted.len() - measured.len();
    if unreached > 0 {
        writeln!(text, "\n{unreached} kinds were not reached: they are computed as shipped")?;
    }
    if let Some(path) = known.path().filter(|path| path.exists()) {
        writeln!(text, "\nremembered in {}", path.display())?;
    }
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(measured: &Measured, shipped: &Choices) -> String {
    let shipped = shipped.ranking(measured.class)[0].candidate;
    let chosen = measured.ranking[0].candidate;
    let best =
        measured.trials.iter().filter_map(|trial| nanoseconds(trial.outcome)).fold(f64::INFINITY, f64::min);
    let mut text = format!("\n{}\n", measured.class);
    let mut trials = measured.trials.clone();
    let time = |outcome| nanoseconds(outcome).unwrap_or(f64::INFINITY);
    trials.sort_by(|a, b| time(a.outcome).total_cmp(&time(b.outcome)));
    for trial in trials {
        let found = match trial.outcome {
            Outcome::Nanoseconds(time) => format!("{:>9.2} ns a pixel  {:>6.2}", time / 16.0, time / best),
            Outcome::Wrong => "a wrong result: excluded".into(),
            Outcome::Refused => "refused by the device".into(),
            Outcome::Unreached => "not reached".into(),
        };
        let chosen = if trial.candidate == chosen { "  chosen" } else { "" };
        let shipped = if trial.candidate == shipped { "  shipped" } else { "" };
        text += &format!("  {:<22} {found}{chosen}{shipped}\n", trial.candidate);
    }
    text
}

fn nanoseconds(outcome: Outcome) -> Option<f64> {
    if let Outcome::Nanoseconds(time) = outcome { Some(time) } else { None }
}
