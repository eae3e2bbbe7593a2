//! The table of a GPU: every figure that has a bar, and what explains it, as one Markdown record.
//!
//! ```text
//! peaks   first picture   convolutions   a masked layer over densities   SMSR: dense, sparse, auto   a sprite
//! ```
//!
//! `gpu.sh` runs it, or an executable of it that was carried to the machine: it needs no file. Everything is held
//! against the CPU engine before it is timed, and what is compared takes turns. On a software adapter, or with
//! `--quick`, sizes are small: then it shows that it works, and nothing else.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use criterion::Throughput;
use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Peak;
use sparsr::low_level::graph::{Builder, Conv2d, Graph, MaskedConv2d};
use sparsr::low_level::plan::{Algorithm, Candidate, Choices, Options as PlanOptions, Plan, Sparsity};
use sparsr::low_level::tensor::{Shape, packed_len};
use sparsr::{Feature, Gpu, Model, Options, Pixels, Precision, Samples, Upscaler};
use support::rounds::Rounds;
use support::{Machine, Timed, masks, pictures};

/// Of the peak in f32, and of the cooperative matrices' one.
const BAR_F32: f64 = 0.60;
const BAR_COOPERATIVE: f64 = 0.25;
/// What a sparse time may be above the share of the multiply-adds that it needs.
const BAR_SPARSE: f64 = 0.05;

const CHANNELS: usize = 64;
const ROUNDS: usize = 7;

/// Precisions of a network, one row each, and the code values that they and flipped mask pixels may move a picture.
/// What f16 stands for includes products by cooperative matrices, where the device has them.
fn precisions(gpu: &Gpu) -> impl Iterator<Item = (Precision, u8)> {
    [(Precision::F32, 2)].into_iter().chain(gpu.limits().f16.then_some((Precision::F16, 8)))
}

/// Of the largest number, what a single operator in f16 may differ by.
const CLOSE_F16: f32 = 1e-2;

#[derive(Default)]
struct Arguments {
    quick: bool,
    model: Option<PathBuf>,
    revision: Option<String>,
    /// The best PyTorch variant's time for SMSR ×2 on 640×360.
    torch_seconds: Option<f64>,
}

fn main() {
    let Some(arguments) = Arguments::parse() else {
        return println!("gpu: a filter or a baseline was asked for, and this is a table");
    };
    let adapter = support::adapter();
    println!("# {}: the GPU table\n\n```text", adapter.name);
    let machine = Machine::open();
    println!("commit   {}\n```", arguments.revision.as_deref().unwrap_or("unknown"));
    let quick = arguments.quick || support::testing() || machine.software;
    if quick {
        println!(
            "\nSmall sizes: this shows that the table can be made. None of its figures is a measurement."
        );
    }
    first_picture(quick);
    convolutions(&machine, quick);
    masked_layer(&machine, quick);
    networks(&machine, quick, &arguments);
    sprite(&machine);
}

impl Arguments {
    /// `None` if it is asked for what it does not know: `cargo bench -- <filter>` asks every bench.
    fn parse() -> Option<Self> {
        let mut parsed = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" | "--test" => {}
                "--quick" => parsed.quick = true,
                "--model" => parsed.model = Some(arguments.next()?.into()),
                "--revision" => parsed.revision = Some(arguments.next()?),
                "--torch-seconds" => parsed.torch_seconds = Some(arguments.next()?.parse().ok()?),
                _ => return None,
            }
        }
        Some(parsed)
    }
}

/// One where nothing is to be timed.
fn rounds() -> usize {
    if support::testing() { 1 } else { ROUNDS }
}

/// `met`, or by how much of the bar it was missed.
fn bar(is_met: bool, missing: f64) -> String {
    if is_met { "met".into() } else { format!("missed by {missing:.3}") }
}

/// On the wall, from nothing: the device opened, the network read and planned, pipelines and buffers made.
fn first_picture(quick: bool) {
    println!(
        "\n## First picture\n\nThe built-in network, from opening the device on; the driver may have pipelines"
    );
    println!("of earlier runs on disk.\n\n| picture | first, ms | second, ms |\n|---|---:|---:|");
    for (width, height) in if quick { vec![(64, 64)] } else { vec![(64, 64), (640, 360)] } {
        let picture = pictures::mirrored(&pictures::harbour(), width, height);
        let mut begin = Instant::now();
        let gpu = Gpu::open(&support::adapter()).expect("an adapter that opens");
        let mut upscaler = upscaler(&gpu, &builtin(), Sparsity::Auto, Precision::Auto);
        let mut run = || {
            upscaler.upscale_pixels(&picture).expect("the device is there");
            let milliseconds = 1e3 * begin.elapsed().as_secs_f64();
            begin = Instant::now();
            milliseconds
        };
        println!("| {width}x{height} | {:.1} | {:.1} |", run(), run());
    }
}

/// A kernel, or several, that compute one operator.
struct Way {
    name: String,
    plan: Plan,
    kind: Kind,
}

/// What its multiply-adds are of.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    F32,
    F16,
    Cooperative,
}

impl Kind {
    fn of(plan: &Plan) -> Self {
        let needs = |feature| plan.steps.iter().any(|step| step.dispatch.kernel.needs.contains(&feature));
        match (needs(Feature::CooperativeMatrices), needs(Feature::F16)) {
            (true, _) => Self::Cooperative,
            (false, true) => Self::F16,
            (false, false) => Self::F32,
        }
    }

    /// Its peak, and the bar for a dense 3×3 convolution.
    fn peak(self, peak: &Peak) -> (Option<f64>, Option<f64>) {
        match self {
            Self::F32 => (Some(peak.multiply_adds_per_second), Some(BAR_F32)),
            Self::F16 => (peak.f16, None),
            Self::Cooperative => (peak.cooperative, Some(BAR_COOPERATIVE)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Cooperative => "cooperative",
        }
    }
}

/// Dense convolutions by every kernel that can do them.
fn convolutions(machine: &Machine, quick: bool) {
    println!("\n## Dense convolutions, {CHANNELS}→{CHANNELS}\n");
    println!(
        "`of peak` is of the peak of that kind. The bar is for the best of a kind: {BAR_F32} of the peak in f32,"
    );
    println!(
        "{BAR_COOPERATIVE} of the cooperative matrices'. Winograd's algorithm needs fewer multiply-adds than are counted.\n"
    );
    println!(
        "| kernel | size | by | kind | ms | GMAC/s | of peak | bar |\n|---|---|---|---|---:|---:|---:|---|"
    );
    let sizes: &[(usize, usize)] =
        if quick { &[(32, 32), (64, 48)] } else { &[(128, 128), (256, 256), (512, 512), (1920, 1080)] };
    for kernel in [3, 1] {
        for (width, height) in sizes {
            convolution(machine, kernel, Shape::new(1, CHANNELS, *height, *width));
        }
    }
}

fn convolution(machine: &Machine, kernel: usize, shape: Shape) {
    let label = format!("{kernel}×{kernel} | {}x{}", shape.width, shape.height);
    let weight = support::seeded::parameter([CHANNELS, CHANNELS, kernel, kernel], 2);
    let bias = support::seeded::parameter([CHANNELS], 3);
    let (mut b, x) = Builder::new("convolution", shape, 1.0);
    let weights = support::seeded::weighted(&mut b, "conv2d", &weight, Some(&bias)).expect("two names");
    let y = b.conv2d("conv2d", x, weights, Conv2d::same(kernel)).expect("channels match");
    let (graph, parameters) = b.finish(y).unwrap();
    let bytes = 4 * packed_len(shape) as u64;
    if bytes > machine.gpu.limits().binding_bytes {
        return println!("| {label} | larger than a binding of the device | | | | | |");
    }
    let ways = ways(machine, &graph);
    // A session has input, output, two buffers up and two down; Winograd's algorithm something between.
    if 8 * bytes * ways.len() as u64 > machine.gpu.memory() {
        return println!("| {label} | more than the device's memory | | | | | |");
    }
    let input = support::seeded::noise(shape, 1);
    let expected = cpu::run(&graph, &parameters, &input).expect("the input has the graph's shape");
    let ready = |way: &Way| {
        let mut timed = machine.timed(&way.plan, &parameters);
        let found = timed.session.run_tensor(&input).expect("the device is there");
        let close = if way.kind == Kind::F32 { 1e-5 } else { CLOSE_F16 };
        support::assert_within(close, &found, &expected, &format!("{label} by {}", way.name));
        timed
    };
    let mut timed: Vec<Timed> = ways.iter().map(ready).collect();
    let rounds = Rounds::measure(timed.len(), rounds(), |at, iterations| timed[at].run(iterations));
    let seconds: Vec<f64> = (0..ways.len()).map(|at| rounds.seconds(at)).collect();
    for (way, time) in ways.iter().zip(&seconds) {
        let others = ways.iter().zip(&seconds).filter(|(other, _)| other.kind == way.kind);
        let is_best = others.map(|(_, time)| *time).fold(f64::INFINITY, f64::min) == *time;
        print_way(machine, &label, way, *time, graph.macs().total() as f64, is_best && kernel == 3);
    }
}

fn print_way(machine: &Machine, label: &str, way: &Way, seconds: f64, macs: f64, has_bar: bool) {
    let (peak, wanted) = machine.peak.map_or((None, None), |peak| way.kind.peak(&peak));
    let share = peak.map(|peak| macs / seconds / peak);
    let verdict = share.zip(wanted).filter(|_| has_bar);
    println!(
        "| {label} | {} | {} | {:.3} | {:.0} | {} | {} |",
        way.name,
        way.kind.name(),
        1e3 * seconds,
        macs / seconds / 1e9,
        share.map_or("unknown".into(), |share| format!("{share:.2}")),
        verdict.map_or(String::new(), |(share, wanted)| bar(share >= wanted, wanted - share)),
    );
}

/// Whatever the planner makes of an operator for this device, and for one that lacks some of its features; on a GPU
/// with every tile that a kernel has.
fn ways(machine: &Machine, graph: &Graph) -> Vec<Way> {
    let all = *machine.gpu.limits();
    let limits = [all].into_iter().chain(Feature::ALL.map(|feature| all.without(feature)));
    let algorithms = [Algorithm::Auto, Algorithm::Direct, Algorithm::Winograd, Algorithm::Cooperative];
    let candidates = Candidate::all().filter(|_| !machine.software).map(|candidate| PlanOptions {
        choices: Some(Arc::new(Choices::only(candidate))),
        ..PlanOptions::default()
    });
    let options = algorithms.map(|algorithm| PlanOptions { algorithm, ..PlanOptions::default() });
    let options: Vec<PlanOptions> = options.into_iter().chain(candidates).collect();
    let (mut ways, mut listings): (Vec<Way>, Vec<String>) = (Vec::new(), Vec::new());
    for limits in limits {
        for options in &options {
            let plan = support::rerunnable(graph, options, &limits);
            let listing = plan.to_string();
            if !listings.contains(&listing) {
                listings.push(listing);
                let kernels: Vec<String> = (plan.steps.iter().map(|step| &step.dispatch))
                    .map(|dispatch| format!("{} {}", dispatch.kernel.name, dispatch.specialization))
                    .collect();
                ways.push(Way { name: kernels.join(", "), kind: Kind::of(&plan), plan });
            }
        }
    }
    ways
}

/// What takes turns, dense first.
const SPARSITIES: [Sparsity; 3] = [Sparsity::Dense, Sparsity::Sparse, Sparsity::Auto];

/// One 3×3 convolution that is all under a mask. Making the mask's lists is part of the sparse time.
fn masked_layer(machine: &Machine, quick: bool) {
    let (width, height) = if quick { (64, 48) } else { (512, 512) };
    let shape = Shape::new(1, CHANNELS, height, width);
    println!("\n## A masked 3×3 convolution, {CHANNELS}→{CHANNELS}, {width}x{height}, masks of blobs\n");
    println!("The bar: sparse / dense is at most the density and {BAR_SPARSE}.\n");
    println!("| density | dense, ms | sparse, ms | auto, ms | sparse / dense | auto / dense | bar |");
    println!("|---:|---:|---:|---:|---:|---:|---|");
    for density in [0.1, 0.3, 0.5, 0.7, 0.9] {
        let mask = masks::blobs(shape, density);
        let (mut b, x) = Builder::new("masked convolution", shape, 1.0);
        let m = b.constant("mask", mask.clone()).expect("a constant has its own shape");
        let weight = support::seeded::parameter([CHANNELS, CHANNELS, 3, 3], 2);
        let bias = support::seeded::parameter([CHANNELS], 3);
        let weights =
            support::seeded::weighted(&mut b, "masked_conv2d", &weight, Some(&bias)).expect("two names");
        let op = MaskedConv2d { kernel: 3, dense_inputs: 0, dense_outputs: 0 };
        let y = b.masked_conv2d("masked_conv2d", x, m, weights, op).expect("channels match");
        let (graph, parameters) = b.finish(y).unwrap();
        let input = support::seeded::noise(shape, 1);
        let expected = cpu::run(&graph, &parameters, &input).expect("the input has the graph's shape");
        let mut timed = SPARSITIES.map(|sparsity| {
            let options = PlanOptions { sparsity, ..PlanOptions::default() };
            let plan = support::rerunnable(&graph, &options, machine.gpu.limits());
            let mut timed = machine.timed(&plan, &parameters);
            let found = timed.session.run_tensor(&input).expect("the device is there");
            support::assert_close(&found, &expected, &format!("density {density}, {sparsity}"));
            timed
        });
        let rounds = Rounds::measure(timed.len(), rounds(), |at, iterations| timed[at].run(iterations));
        println!("| {} |", sparse_columns(&rounds, masks::density(&mask)).join(" | "));
    }
}

/// The share that is kept, the three times, the two ratios, the bar.
fn sparse_columns(rounds: &Rounds, kept: f64) -> [String; 7] {
    let milliseconds = |at| format!("{:.3}", 1e3 * rounds.seconds(at));
    let (sparse, auto) = (rounds.ratio(1, 0), rounds.ratio(2, 0));
    let most = kept + BAR_SPARSE;
    [
        format!("{kept:.2}"),
        milliseconds(0),
        milliseconds(1),
        milliseconds(2),
        format!("{sparse:.2}"),
        format!("{auto:.2}"),
        bar(sparse <= most, sparse - most),
    ]
}

/// SMSR from pixels to pixels, with upload and readback.
fn networks(machine: &Machine, quick: bool, arguments: &Arguments) {
    println!("\n## SMSR ×2, a call of the library\n");
    println!(
        "The bars: sparse / dense is at most what is kept and {BAR_SPARSE}, in f32; at 640x360 the fastest is faster"
    );
    println!("than PyTorch's fastest.\n");
    println!(
        "| network | picture | precision | kept | dense, ms | sparse, ms | auto, ms | sparse / dense | auto / dense \
         | bar | dense, of peak | PyTorch |"
    );
    println!("|---|---|---|---:|---:|---:|---:|---:|---:|---|---:|---|");
    let asked =
        arguments.model.as_ref().map(|path| Model::load(path).expect("a checkpoint that can be read"));
    let compared = if asked.is_some() { 1 } else { 0 }; // PyTorch ran the one that was asked for
    let sizes = if quick { vec![(64, 36)] } else { vec![(640, 360), (1280, 720)] };
    for (at, model) in [builtin()].into_iter().chain(asked).enumerate() {
        for (width, height) in &sizes {
            let picture = pictures::mirrored(&pictures::harbour(), *width, *height);
            let torch = arguments.torch_seconds.filter(|_| (at, *width, *height) == (compared, 640, 360));
            network(machine, &model, &picture, torch);
        }
    }
}

fn network(machine: &Machine, model: &Model, picture: &Pixels, torch_seconds: Option<f64>) {
    let (width, height) = (picture.width(), picture.height());
    let mut cpu = Upscaler::on_cpu(model, Options::default()).expect("the CPU engine takes any model");
    let expected = cpu.upscale_pixels(picture).expect("the CPU engine takes any picture");
    let shape = Shape::new(1, 3, height, width);
    let macs = model.graph(shape).expect("an even size").macs().total();
    for (precision, close) in precisions(&machine.gpu) {
        let mut upscalers = SPARSITIES.map(|sparsity| {
            let mut upscaler = upscaler(&machine.gpu, model, sparsity, precision);
            let found = upscaler.upscale_pixels(picture).expect("the device is there").pixels;
            let largest = largest_difference(&found, &expected.pixels);
            assert!(largest <= close, "{precision}, {sparsity}: {largest} code values off");
            upscaler
        });
        let rounds = Rounds::measure(upscalers.len(), rounds(), |at, iterations| {
            let run = || upscalers[at].upscale_pixels(picture).expect("the device is there");
            machine.clock.time(iterations, run)
        });
        let fastest = (0..upscalers.len()).map(|at| rounds.seconds(at)).fold(f64::INFINITY, f64::min);
        let torch = torch_seconds.map_or(String::new(), |torch| {
            format!("{:.3} ms: {}", 1e3 * torch, bar(fastest < torch, fastest / torch - 1.0))
        });
        println!(
            "| {} | {width}x{height} | {precision} | {} | {} | {torch} |",
            model.name(),
            sparse_columns(&rounds, expected.macs_kept).join(" | "),
            machine.of_peak(Throughput::Elements(2 * macs), rounds.seconds(0)),
        );
    }
}

/// A small picture again and again, as a game or a browser has them.
fn sprite(machine: &Machine) {
    let picture = pictures::middle(&pictures::harbour(), 64, 64);
    let mut upscaler = upscaler(&machine.gpu, &builtin(), Sparsity::Auto, Precision::Auto);
    let mut run = || upscaler.upscale_pixels(&picture).expect("the device is there");
    run();
    let rounds = Rounds::measure(1, rounds(), |_, iterations| machine.clock.time(iterations, &mut run));
    println!(
        "\n## A sprite of 64x64\n\nThe built-in network, warm, from pixels to pixels: {:.3} ms.",
        1e3 * rounds.seconds(0)
    );
}

fn builtin() -> Model {
    Model::builtin("smsr-x2").expect("the model is part of the program")
}

fn upscaler(gpu: &Gpu, model: &Model, sparsity: Sparsity, precision: Precision) -> Upscaler {
    let mut options = Options::default();
    (options.sparsity, options.precision) = (sparsity, precision);
    Upscaler::new(gpu, model, options).expect("the device takes any model")
}

fn largest_difference(found: &Pixels, expected: &Pixels) -> u8 {
    let (Samples::U8(found), Samples::U8(expected)) = (found.samples(), expected.samples()) else {
        panic!("a picture of 8 bits stays one")
    };
    found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max().unwrap_or(0)
}
