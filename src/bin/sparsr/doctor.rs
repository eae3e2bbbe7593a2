//! `sparsr doctor`: whether everything that could compute a picture here computes it rightly.
//!
//! ```text
//! every adapter × every tier: known answers, the built-in network against the CPU engine ─► table ─► advice
//! the CPU engine: known answers, the built-in network's pixels
//! ```

mod advice;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use sparsr::low_level::probe::selftest::{self, Outcome, Report as Test};
use sparsr::{
    AdapterInfo, Device, DeviceChoice, Feature, Gpu, Model, Options, Pixels, Precision, Samples, Tier,
    Upscaled, Upscaler,
};

use crate::devices::Adapter;
use crate::scene::scene;
use crate::{Result, terminal};

/// The picture of the test from end to end, and samples of it enlarged by the built-in network, as the f64 oracle makes them.
const SIZE: [usize; 2] = [40, 28];
#[rustfmt::skip]
const SAMPLES: &[(usize, u8)] = &[
    (0, 68), (1000, 133), (2500, 154), (4001, 208), (6007, 194), (8123, 70), (9999, 185), (12345, 89), (13439, 70),
];

/// Check that this machine computes the right pictures
///
/// Every adapter, or the one that is named, runs small tests whose answers are known: the kernels that every device
/// runs, then those that need a feature, tier by tier; and the built-in network on a small picture, which must be the
/// CPU engine's. The CPU engine is tested too. Fails if anything is wrong. A driver that has never run sparsr
/// compiles all of its kernels first, which one in software takes a minute or two for.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr doctor
  sparsr doctor --device 1
  sparsr doctor --json > doctor.json            to send along with a report")]
pub struct Args {
    /// Test one device alone: `auto`, `cpu`, or one of `sparsr devices` by number or part of its name
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// sparsr's.
    version: &'static str,
    system: String,
    devices: Vec<Checked>,
    cpu: Vec<Row>,
    /// Whether nothing is wrong.
    healthy: bool,
    advice: Vec<String>,
}

/// A device and its tests.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    device: Adapter,
    /// Bytes that sparsr uses of its memory where nothing else is asked for.
    memory: u64,
    tests: Vec<Row>,
}

/// A line of the table.
#[derive(Serialize)]
struct Row {
    tier: String,
    /// What was tested; nothing where the tier is absent.
    test: String,
    result: Verdict,
    /// What was expected and found, where that is not right.
    reason: Option<String>,
    /// The largest difference, and the largest that is allowed.
    apart: Option<f32>,
    allowed: Option<f32>,
    ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Wrong,
    Absent,
    Failed,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let adapters = match &args.device {
        Some(DeviceChoice::Cpu) => vec![],
        None => sparsr::adapters(),
        Some(choice) => match choice.select(&sparsr::adapters())?.device {
            Device::Cpu => vec![],
            Device::Gpu(adapter) => vec![adapter],
        },
    };
    let all = args.device.is_none();
    let progress = terminal::progress(1 + adapters.len());
    progress.set_message("the CPU engine");
    let model = Model::builtin("smsr-x2")?;
    let (expected, cpu) = check_cpu(&model)?;
    progress.inc(1);
    let check = |adapter: &AdapterInfo| {
        progress.set_message(adapter.name.clone());
        let checked = check(adapter, &model, &expected);
        progress.inc(1);
        checked
    };
    let devices: Vec<Checked> = adapters.iter().map(check).collect();
    progress.finish_and_clear();

    let rows = || devices.iter().flat_map(|checked| &checked.tests).chain(&cpu);
    let healthy = rows().all(|row| matches!(row.result, Verdict::Ok | Verdict::Absent));
    let advice = advice::all(&adapters, &devices, &cpu, all);
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let report = Report { version: env!("CARGO_PKG_VERSION"), system, devices, cpu, healthy, advice };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The CPU engine's tests, and its picture of the last.
fn check_cpu(model: &Model) -> Result<(Upscaled, Vec<Row>)> {
    let mut rows: Vec<Row> =
        selftest::run_cpu()?.into_iter().map(|test| Row::new("cpu".into(), test)).collect();
    let start = Instant::now();
    let upscaled = enlarged(&mut Upscaler::on_cpu(model, Options::default())?)?;
    let samples = bytes(&upscaled.pixels);
    let apart = SAMPLES.iter().map(|(at, expected)| samples[*at].abs_diff(*expected)).max().unwrap_or(0);
    let outcome = within(1, apart, "some of its pixels are not what they always were");
    rows.push(Row::new("cpu".into(), whole_network(outcome, start.elapsed())));
    Ok((upscaled, rows))
}

/// An adapter's tests, tier by tier.
fn check(adapter: &AdapterInfo, model: &Model, expected: &Upscaled) -> Checked {
    let (mut memory, mut tests) = (0, Vec::new());
    if adapter.refusal().is_some() {
        tests.push(Row { result: Verdict::Absent, ..Row::failed(Tier::Portable, "", "not used") });
        return Checked { device: adapter.clone().into(), memory, tests };
    }
    match Gpu::open(adapter) {
        Err(error) => tests.push(Row::failed(Tier::Portable, "opening it", &error.to_string())),
        Ok(gpu) => {
            memory = gpu.memory();
            for tier in Tier::all() {
                let withheld = adapter.withheld.iter().find(|(feature, _)| tier == Tier::Needs(*feature));
                match withheld {
                    Some((_, reason)) => tests.push(Row::absent(tier, reason)),
                    None => tests.extend(check_tier(&gpu, tier, model, expected)),
                }
            }
        }
    }
    Checked { device: adapter.clone().into(), memory, tests }
}

fn check_tier(gpu: &Gpu, tier: Tier, model: &Model, expected: &Upscaled) -> Vec<Row> {
    if let Some(reason) = selftest::absent(gpu.limits(), tier) {
        return vec![Row::absent(tier, &reason)];
    }
    let mut rows: Vec<Row> = match selftest::run(gpu, tier) {
        Ok(tests) => tests.into_iter().map(|test| Row::new(tier.to_string(), test)).collect(),
        Err(error) => vec![Row::failed(tier, "planning", &error.to_string())],
    };
    let start = Instant::now();
    let rounded = tier >= Tier::Needs(Feature::F16);
    let mut options = Options::default();
    options.precision = if rounded { Precision::F16 } else { Precision::F32 };
    let upscaled = Upscaler::new(&selftest::up_to(gpu, tier), model, options)
        .map_err(Into::into)
        .and_then(|mut upscaler| enlarged(&mut upscaler));
    let outcome = match upscaled {
        Err(error) => Outcome::Failed(error.to_string()),
        // In f16 a logit may come to lie on the other side of another.
        Ok(found) if !rounded && !same_masks(&found, expected) => Outcome::Wrong {
            apart: 255.0,
            tolerance: 1.0,
            reason: "its masks are not the CPU engine's".into(),
        },
        Ok(found) => {
            let pairs = bytes(&found.pixels).iter().zip(bytes(&expected.pixels));
            let apart = pairs.map(|(found, expected)| found.abs_diff(*expected)).max().unwrap_or(0);
            let tolerance = if rounded { IN_F16 } else { 1 };
            within(tolerance, apart, "its picture is not the CPU engine's")
        }
    };
    rows.push(Row::new(tier.to_string(), whole_network(outcome, start.elapsed())));
    rows
}

fn enlarged(upscaler: &mut Upscaler) -> Result<Upscaled> {
    Ok(upscaler.upscale_pixels(&scene(SIZE[0], SIZE[1])?)?)
}

fn same_masks(found: &Upscaled, expected: &Upscaled) -> bool {
    let pairs = found.masks.iter().zip(&expected.masks);
    found.masks.len() == expected.masks.len() && pairs.into_iter().all(|(a, b)| a.active == b.active)
}

fn bytes(pixels: &Pixels) -> &[u8] {
    match pixels.samples() {
        Samples::U8(samples) => samples,
        Samples::U16(_) => unreachable!("8 bits stay 8 bits"),
    }
}

/// Code values by which a picture made in f16 may be off, where a mask's pixel flips.
const IN_F16: u8 = 8;

/// In code values, where one may be rounded the other way.
fn within(tolerance: u8, apart: u8, reason: &str) -> Outcome {
    let (apart, tolerance) = (f32::from(apart), f32::from(tolerance));
    if apart <= tolerance {
        Outcome::Right { apart, tolerance }
    } else {
        Outcome::Wrong { apart, tolerance, reason: reason.into() }
    }
}

fn whole_network(outcome: Outcome, time: Duration) -> Test {
    Test { name: format!("smsr-x2 on {}x{}, in code values", SIZE[0], SIZE[1]), outcome, time }
}

impl Row {
    fn new(tier: String, Test { name, outcome, time }: Test) -> Self {
        let (result, apart, allowed, reason) = match outcome {
            Outcome::Right { apart, tolerance } => (Verdict::Ok, Some(apart), Some(tolerance), None),
            Outcome::Wrong { apart, tolerance, reason } => {
                (Verdict::Wrong, Some(apart), Some(tolerance), Some(reason))
            }
            Outcome::Failed(reason) => (Verdict::Failed, None, None, Some(reason)),
        };
        Self { tier, test: name, result, reason, apart, allowed, ms: 1e3 * time.as_secs_f64() }
    }

    fn failed(tier: Tier, test: &str, reason: &str) -> Self {
        let outcome = Outcome::Failed(reason.into());
        Self::new(tier.to_string(), Test { name: test.into(), outcome, time: Duration::ZERO })
    }

    /// What stands for the tests of a tier that is not used.
    fn absent(tier: Tier, reason: &str) -> Self {
        Self { result: Verdict::Absent, ..Self::failed(tier, "", reason) }
    }

    fn to_text(&self) -> String {
        let Self { tier, test, result, reason, apart, allowed, ms } = self;
        let reason = reason.as_deref().unwrap_or_default();
        if *result == Verdict::Absent {
            return format!("     {tier:<21} absent: {reason}\n");
        }
        let word = format!("{result:?}").to_lowercase();
        let exponent = |number: &Option<f32>| number.map_or(String::new(), |number| format!("{number:.0e}"));
        let (apart, allowed) = (exponent(apart), exponent(allowed));
        let reason = if reason.is_empty() { String::new() } else { format!("  {reason}") };
        format!("     {tier:<21} {test:<42} {word:<7} {apart:>5} {allowed:>8} {ms:>9.1}{reason}\n")
    }
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = format!("sparsr {} on {}\n", self.version, self.system);
        let table = |rows: &[Row]| {
            let head = ["tier", "test", "result", "apart", "allowed", "ms"];
            let [tier, test, result, apart, allowed, ms] = head;
            let head = format!("     {tier:<21} {test:<42} {result:<7} {apart:>5} {allowed:>8} {ms:>9}\n");
            head + &rows.iter().map(Row::to_text).collect::<String>()
        };
        for Checked { device, memory, tests } in &self.devices {
            let memory = memory >> 20;
            text += &format!(
                "\n{}     memory that sparsr uses: {memory} MiB\n\n{}",
                device.to_text(),
                table(tests)
            );
        }
        text += &format!("\ncpu  every machine's\n\n{}\n", table(&self.cpu));
        self.advice.iter().for_each(|sentence| text += &format!("{sentence}\n"));
        text + if self.healthy { "Nothing is wrong.\n" } else { "Something is wrong: see above.\n" }
    }
}

#[cfg(test)]
mod tests {
    use sparsr::low_level::oracle;
    use sparsr::low_level::tensor::{Shape, Tensor};

    use super::*;

    /// Whoever puts another network in the place of the built-in one finds its samples here.
    #[test]
    fn the_samples_are_the_oracles() {
        let ([width, height], model) = (SIZE, Model::builtin("smsr-x2").unwrap());
        let small = scene(width, height).unwrap();
        let shape = Shape::new(1, 3, height, width);
        let picture = Tensor::from_fn(shape, |_, c, y, x| f32::from(bytes(&small)[3 * (y * width + x) + c]));
        let graph = model.net().graph(shape).unwrap();
        let made = oracle::run(&graph, model.net().numbers(), &[&picture]).unwrap();
        let large = made[graph.output().index()].to_tensor();
        let sample = |at: usize| {
            let (pixel, c) = (at / 3, at % 3);
            let number = large.values()[c * large.shape().pixels() + pixel];
            (at, number.round().clamp(0.0, 255.0) as u8)
        };
        let found: Vec<(usize, u8)> = SAMPLES.iter().map(|(at, _)| sample(*at)).collect();
        assert_eq!(found, SAMPLES);
    }
}
