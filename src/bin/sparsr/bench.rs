//! `sparsr bench`: what skipping work gains on this machine, in figures that can be passed on.
//!
//! ```text
//! picture ─► CPU engine ─► expected ─► each way on the GPU verified ─► timed in turns ─► medians
//! ```

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use sparsr::low_level::metrics::psnr_y;
use sparsr::low_level::tensor::Shape;
use sparsr::{
    AdapterKind, Gpu, Mask, Model, Options, Peak, Pixels, Precision, Samples, Sparsity, Upscaled, Upscaler,
};

use crate::devices::Adapter;
use crate::engine::{self, Choice};
use crate::profile::describe;
use crate::scene::scene;
use crate::tuning::Tuning;
use crate::{Result, files, terminal};

/// The most rounds, and the time after which none begins.
const ROUNDS: usize = 25;
const BUDGET: Duration = Duration::from_secs(100);

/// dB that separate rounding from a mistake.
const CLOSE: f64 = 80.0;
const CLOSE_IN_F16: f64 = 55.0;

/// The longest side of a picture made here.
const LONGEST: usize = 4096;

/// Measure how fast a GPU enlarges a picture, skipping work and not
///
/// The picture goes through the GPU in three ways that take turns: `dense` computes every pixel, `sparse` skips
/// what the network's masks leave out, `auto` decides part by part. Each must give the CPU engine's picture before
/// it is timed. Times are medians, from samples in the computer's memory to samples there; on an adapter in
/// software the processor's time counts. Takes at most about two minutes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr bench
  sparsr bench --json > results.json            to compare machines
  sparsr bench --device 1 --size 960x540
  sparsr bench --picture photo.jpg -m network.pth")]
pub struct Args {
    /// The size of the built-in picture
    #[arg(long, value_name = "WxH", default_value = "480x270", value_parser = size)]
    size: [usize; 2],

    /// A picture to measure on in place of the built-in one; taken as 8-bit RGB
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    picture: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// How the GPU keeps numbers
    #[arg(long, value_name = "auto|f32|f16", default_value_t)]
    precision: Precision,

    /// The scale: chooses among those of a checkpoint that has several, and is checked otherwise
    #[arg(long, value_name = "N")]
    scale: Option<usize>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    tuning: Tuning,
}

#[derive(Serialize)]
struct Report {
    /// sparsr's.
    version: &'static str,
    system: String,
    model: String,
    device: Adapter,
    /// By the clock that counts; null where it could not be measured.
    #[serde(serialize_with = "rates")]
    peak: Option<Peak>,
    /// How it keeps numbers.
    precision: String,
    picture: Picture,
    /// The share of active pixels of each module's mask.
    densities: Vec<f64>,
    /// The dense network's multiply-adds.
    macs: u64,
    /// The share of them that the masks left.
    macs_kept: f64,
    /// How often each of the GPU's times was taken; the CPU engine's once.
    rounds: usize,
    results: Vec<Measured>,
}

/// What the device can do at best.
#[derive(Serialize)]
struct Rates {
    multiply_adds_per_second: f64,
    f16_multiply_adds_per_second: Option<f64>,
    cooperative_multiply_adds_per_second: Option<f64>,
    bytes_per_second: f64,
}

#[derive(Serialize)]
struct Picture {
    name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct Measured {
    /// What `--sparsity` calls it, or `cpu`.
    name: String,
    wall_ms: f64,
    /// Of all the process's threads; only where the adapter is software.
    processor_ms: Option<f64>,
    /// The time that counts over that of `dense`: the processor's where it is there.
    ratio_to_dense: f64,
    /// Multiply-adds that it needed, a second of the time that counts.
    macs_per_second: f64,
    /// The same as a share of the device's peak in f32; null for the CPU engine. Winograd's algorithm makes do with
    /// fewer, so more than 1 is possible.
    of_peak: Option<f64>,
    /// dB; equal pictures have no number (JSON's null).
    psnr_y_to_cpu: f64,
    /// In code values of 255.
    largest_difference: u8,
}

/// What a run took, on the wall and of the processors.
#[derive(Clone, Copy)]
struct Time {
    wall: Duration,
    processor: Duration,
}

/// One way to enlarge the picture on the GPU.
struct Way {
    sparsity: Sparsity,
    upscaler: Upscaler,
    first: Upscaled,
    times: Vec<Time>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let begin = Instant::now();
    let model = args.choice.model(args.scale)?;
    let adapter = args.choice.adapter("bench")?;
    let (name, picture) = match &args.picture {
        Some(path) => (path.display().to_string(), files::rgb8(path)?),
        None => ("built-in".to_owned(), scene(args.size[0], args.size[1])?),
    };

    let progress = terminal::progress(ROUNDS);
    progress.set_message("verified against the CPU engine");
    let mut cpu = Upscaler::on_cpu(&model, Options::default())?;
    let (expected, cpu_time) = timed(|| cpu.upscale_pixels(&picture))?;
    let gpu = engine::open(&adapter)?;
    let choices = args.tuning.choices(&gpu, &model, [picture.width(), picture.height()])?;
    let ways = [Sparsity::Dense, Sparsity::Sparse, Sparsity::Auto];
    let ways = ways.map(|sparsity| {
        let mut options = Options::default();
        (options.sparsity, options.precision, options.choices) = (sparsity, args.precision, choices.clone());
        Way::verified(options, &gpu, &model, &picture, &expected)
    });
    let mut ways: Vec<Way> = ways.into_iter().collect::<Result<_>>()?;

    progress.set_message("timed in turns");
    for _ in 0..ROUNDS {
        let round = Instant::now();
        ways.iter_mut().try_for_each(|way| way.time(&picture))?;
        progress.inc(1);
        if begin.elapsed() + round.elapsed() > BUDGET {
            break;
        }
    }
    progress.finish_and_clear();

    let software = adapter.kind == AdapterKind::Software && cfg!(unix);
    let counts = |time: Time| if software { time.processor } else { time.wall }.as_secs_f64();
    let dense = counts(median(&ways[0].times));
    let peak = if software { gpu.peak_by(&mut processor_time_of) } else { gpu.peak() };
    let macs = macs(&model, &picture)?;
    let needed = |sparsity| if sparsity == Sparsity::Dense { 1.0 } else { expected.macs_kept } * macs as f64;
    let measured = |name: String, time: Time, found: &Pixels, macs: f64, peak: Option<Peak>| Measured {
        name,
        wall_ms: 1e3 * time.wall.as_secs_f64(),
        processor_ms: software.then_some(1e3 * time.processor.as_secs_f64()),
        ratio_to_dense: counts(time) / dense,
        macs_per_second: macs / counts(time),
        of_peak: peak.map(|peak| macs / counts(time) / peak.multiply_adds_per_second),
        psnr_y_to_cpu: psnr_y(found, &expected.pixels, 0),
        largest_difference: largest_difference(found, &expected.pixels),
    };
    let of_way = |way: &Way| {
        let (name, macs) = (way.sparsity.to_string(), needed(way.sparsity));
        measured(name, median(&way.times), &way.first.pixels, macs, peak)
    };
    let cpu = measured("cpu".into(), cpu_time, &expected.pixels, needed(Sparsity::Sparse), None);
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        model: model.name().into(),
        device: adapter.into(),
        peak,
        precision: ways[0].upscaler.precision().to_string(),
        picture: Picture { name, width: picture.width(), height: picture.height() },
        densities: expected.masks.iter().map(Mask::density).collect(),
        macs,
        macs_kept: expected.macs_kept,
        rounds: ways[0].times.len(),
        results: ways.iter().map(of_way).chain([cpu]).collect(),
    };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Way {
    /// Its first run, which makes pipelines and buffers, must give the CPU engine's picture.
    fn verified(
        options: Options,
        gpu: &Gpu,
        model: &Model,
        picture: &Pixels,
        expected: &Upscaled,
    ) -> Result<Self> {
        let sparsity = options.sparsity;
        let mut upscaler = Upscaler::new(gpu, model, options)?;
        let first = upscaler.upscale_pixels(picture)?;
        let psnr = psnr_y(&first.pixels, &expected.pixels, 0);
        let close = if upscaler.precision() == Precision::F16 { CLOSE_IN_F16 } else { CLOSE };
        if psnr < close {
            let device = upscaler.device();
            return Err(format!(
                "{device}, {sparsity}: expected the CPU engine's picture to {close} dB or better, found \
                 {psnr:.1} dB; this is a mistake of sparsr's or of the driver's, please report it"
            )
            .into());
        }
        Ok(Self { sparsity, upscaler, first, times: vec![] })
    }

    fn time(&mut self, picture: &Pixels) -> Result<()> {
        let (_, time) = timed(|| self.upscaler.upscale_pixels(picture))?;
        self.times.push(time);
        Ok(())
    }
}

/// The dense network's multiply-adds for a picture.
fn macs(model: &Model, picture: &Pixels) -> Result<u64> {
    let [width, height] = model.extended([picture.width(), picture.height()]);
    Ok(model.graph(Shape::new(1, 3, height, width))?.macs().total())
}

/// Calls, and tells what all threads of the process spent meanwhile.
fn processor_time_of(run: &mut dyn FnMut()) -> Duration {
    let before = processor_time();
    run();
    processor_time().saturating_sub(before)
}

fn timed(run: impl FnOnce() -> sparsr::Result<Upscaled>) -> Result<(Upscaled, Time)> {
    let (wall, processor) = (Instant::now(), processor_time());
    let upscaled = run()?;
    Ok((upscaled, Time { wall: wall.elapsed(), processor: processor_time().saturating_sub(processor) }))
}

/// What all threads of the process have spent so far.
#[cfg(unix)]
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.try_into().expect("a process has spent no negative time")
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO // never shown
}

/// Each clock's own; of an even number the later one.
fn median(times: &[Time]) -> Time {
    let median = |clock: fn(&Time) -> Duration| {
        let mut times: Vec<Duration> = times.iter().map(clock).collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    Time { wall: median(|time| time.wall), processor: median(|time| time.processor) }
}

fn largest_difference(found: &Pixels, expected: &Pixels) -> u8 {
    let (Samples::U8(found), Samples::U8(expected)) = (found.samples(), expected.samples()) else {
        unreachable!("8 bits stay 8 bits")
    };
    found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max().unwrap_or(0)
}

/// `480x270`.
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=LONGEST).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some([side(width)?, side(height)?]));
    sides.ok_or_else(|| format!("expected WIDTHxHEIGHT, each 1 to {LONGEST}, found `{text}`"))
}

fn rates<S: Serializer>(peak: &Option<Peak>, serializer: S) -> Result<S::Ok, S::Error> {
    let rates = |peak: &Peak| Rates {
        multiply_adds_per_second: peak.multiply_adds_per_second,
        f16_multiply_adds_per_second: peak.f16,
        cooperative_multiply_adds_per_second: peak.cooperative,
        bytes_per_second: peak.bytes_per_second,
    };
    peak.as_ref().map(rates).serialize(serializer)
}

impl Report {
    fn to_text(&self) -> String {
        let Self { version, system, model, device, precision, picture, rounds, .. } = self;
        let Picture { name, width, height } = picture;
        let densities: String = self.densities.iter().map(|density| format!(" {density:.2}")).collect();
        let clock =
            if self.results[0].processor_ms.is_some() { "processor time counts" } else { "wall time" };
        let mut text = format!(
            "sparsr {version} on {system}\n\
             device   {} ({}, {}, {}), in {precision}\n\
             peak     {}\n\
             model    {model}\n\
             picture  {name}, {width}x{height}; masks' densities{densities}: {:.0} % of the multiply-adds kept\n\
             times    medians of {rounds}, {clock}; the CPU engine once\n\n\
             {:<6}  {:>9}  {:>12}  {:>8}  {:>7}  {:>7}  from the CPU engine's picture\n",
            device.name,
            device.kind,
            device.backend,
            device.driver,
            describe(self.peak.as_ref()),
            100.0 * self.macs_kept,
            "",
            "wall ms",
            "processor ms",
            "to dense",
            "GMAC/s",
            "of peak",
        );
        for result in &self.results {
            let Measured { name, wall_ms, ratio_to_dense, psnr_y_to_cpu, largest_difference, .. } = result;
            let rate = result.macs_per_second / 1e9;
            let share = result.of_peak.map_or(String::new(), |share| format!("{:.1}%", 100.0 * share));
            let processor = result.processor_ms.map_or(String::new(), |ms| format!("{ms:.1}"));
            let apart = if name == "cpu" {
                String::new()
            } else {
                format!("{psnr_y_to_cpu:.1} dB, at most {largest_difference} of 255")
            };
            writeln!(
                text,
                "{name:<6}  {wall_ms:>9.1}  {processor:>12}  {ratio_to_dense:>8.2}  {rate:>7.1}  {share:>7}  {apart}"
            )
            .expect("a string takes all");
        }
        text += "\nGMAC/s are of multiply-adds needed, and Winograd's algorithm makes do with fewer: more than 100 % is \
                 possible\n";
        text
    }
}
