//! One masked 3×3 convolution, sparse against dense: over density, over masks of different character, over channels
//! and sizes. Where do the curves cross?
//!
//! ```text
//! layers      fully masked: no channel is wanted everywhere, as in most layers of SMSR
//!             half masked: half the inputs and half the outputs are, so a quarter of the work is never saved
//! masks       blobs, edges, salt (see `support/masks.rs`); found: those that SMSR finds in pictures
//! lowerings   dense ones, which compute every pixel and then mask; sparse ones; auto
//! ```
//!
//! Every lowering's output is held against the CPU engine before it is timed, and once more afterwards. Making a
//! mask's lists is part of a sparse lowering's time: a network makes them once for several convolutions.
//!
//! Asked for nothing, the bench prints tables: the lowerings of a case take turns, and ratios are medians over
//! rounds. With a filter or a baseline criterion times the same cases, one lowering after the other.

#[path = "sparse_conv/figure.rs"]
mod figure;
mod support;

use criterion::{Criterion, Throughput};
use figure::{Figure, Line};
use sparsr::low_level::cpu;
use sparsr::low_level::graph::{Builder, Graph, MaskedConv2d, Parameters};
use sparsr::low_level::plan::{Algorithm, Options, Sparsity, Units};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Model, Pixels};
use support::rounds::Rounds;
use support::{Machine, masks, pictures};

const DENSITIES: &[f64] = &[0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0];
const FEW_DENSITIES: &[f64] = &[0.1, 0.3, 0.5, 0.7, 0.9];

/// The variable that asks for the whole product of layers, masks, channels and sizes.
const SWEEP: &str = "SPARSR_SWEEP";

const ROUNDS: usize = 9;

/// How a masked convolution can be computed.
struct Lowering {
    name: &'static str,
    sparsity: Sparsity,
    units: Units,
    algorithm: Algorithm,
}

const LOWERINGS: &[Lowering] = &[
    lowering("dense direct", Sparsity::Dense, Units::Mixed, Algorithm::Direct),
    lowering("dense winograd", Sparsity::Dense, Units::Mixed, Algorithm::Winograd),
    lowering("sparse mixed", Sparsity::Sparse, Units::Mixed, Algorithm::Winograd),
    lowering("sparse tiles", Sparsity::Sparse, Units::Tiles, Algorithm::Winograd),
    lowering("sparse pixels", Sparsity::Sparse, Units::Pixels, Algorithm::Direct),
    lowering("sparse workgroups", Sparsity::Sparse, Units::Workgroups, Algorithm::Direct),
    lowering("sparse tiles, direct", Sparsity::Sparse, Units::Tiles, Algorithm::Direct),
    lowering("auto", Sparsity::Auto, Units::Mixed, Algorithm::Auto),
];

/// So many of them, the first ones, compute every pixel. The others are compared with these.
const DENSE: usize = 2;

const fn lowering(name: &'static str, sparsity: Sparsity, units: Units, algorithm: Algorithm) -> Lowering {
    Lowering { name, sparsity, units, algorithm }
}

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    let all = std::env::var_os(SWEEP).is_some_and(|value| value == "all");
    let sweep = sweep(all);
    if !support::plain() {
        sweep.iter().flat_map(|series| &series.cases).for_each(|case| case.bench(&mut criterion, &machine));
        return criterion.final_summary();
    }
    for series in &sweep {
        let measured = series.measure(&machine);
        if series.is_curve {
            print_crossings(&series.cases, &measured);
        }
        if series.name == FIGURE {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sparse_conv.svg");
            std::fs::write(path, figure(&machine, series, &measured).to_string())
                .expect("a writable target/");
            println!("\nfigure   {path}");
        }
    }
}

/// Cases that are read together.
struct Series {
    name: String,
    cases: Vec<Case>,
    /// Whether densities ascend and nothing else changes.
    is_curve: bool,
}

/// The series that is drawn.
const FIGURE: &str = "blobs 64→64 128x128, fully masked";

/// One convolution under one mask.
struct Case {
    name: String,
    mask: Tensor,
    graph: Graph,
    parameters: Parameters,
    input: Tensor,
}

/// A layer's channels, and how many of them are wanted everywhere, on both sides.
#[derive(Clone, Copy)]
struct Layer {
    channels: usize,
    dense: usize,
}

const FULLY_MASKED: Layer = Layer { channels: 64, dense: 0 };
const HALF_MASKED: Layer = Layer { channels: 64, dense: 32 };

/// A character of masks, by name.
type Made = (&'static str, fn(Shape, f64) -> Tensor);

const BLOBS: Made = ("blobs", masks::blobs);
const EDGES: Made = ("edges", masks::edges);
const SALT: Made = ("salt", masks::salt);

/// What is measured: some series, or all.
fn sweep(all: bool) -> Vec<Series> {
    let small = if support::testing() { (29, 37) } else { (128, 128) };
    let large = if support::testing() { (34, 31) } else { (256, 256) };
    let narrow = |layer: Layer| Layer { channels: layer.channels / 2, dense: layer.dense / 2 };
    let mut sweep = Vec::new();
    if all {
        for made in [BLOBS, EDGES, SALT] {
            for layer in [FULLY_MASKED, HALF_MASKED] {
                for layer in [layer, narrow(layer)] {
                    for size in [small, large] {
                        sweep.push(Series::made(made, layer, size, DENSITIES));
                    }
                }
            }
        }
    } else {
        sweep.extend([
            Series::made(BLOBS, FULLY_MASKED, small, DENSITIES),
            Series::made(EDGES, FULLY_MASKED, small, FEW_DENSITIES),
            Series::made(SALT, FULLY_MASKED, small, FEW_DENSITIES),
            Series::made(BLOBS, HALF_MASKED, small, DENSITIES),
            Series::made(BLOBS, narrow(FULLY_MASKED), small, FEW_DENSITIES),
            Series::made(BLOBS, FULLY_MASKED, large, FEW_DENSITIES),
        ]);
    }
    sweep.extend(found(small, all));
    sweep
}

/// The masks of every module in our picture, and in the authors' pictures those of the middle one, or of all.
fn found((width, height): (usize, usize), all: bool) -> Vec<Series> {
    let masks =
        |model: &Model, picture: &Pixels| masks::found(model, &pictures::middle(picture, width, height));
    let named = |picture: &str, module: usize, mask| (format!("{picture} body.{module}"), mask);

    let ours = Model::builtin("smsr-x2").expect("the model is part of the program");
    let harbour = masks(&ours, &pictures::harbour()).into_iter().enumerate();
    let harbour = harbour.map(|(module, mask)| named("harbour", module, mask)).collect();
    let mut series = vec![Series::found("smsr-x2", harbour)];

    if let Some((model, pictures)) = pictures::authors("sparse_conv under the masks of the authors' network")
    {
        let mut set5 = Vec::new();
        for (name, picture) in pictures {
            let of_picture = masks(&model, &picture).into_iter().enumerate();
            let wanted = of_picture.filter(|(module, _)| all || *module == 2);
            set5.extend(wanted.map(|(module, mask)| named(name, module, mask)));
        }
        series.push(Series::found("the authors' x2", set5));
    }
    series
}

impl Series {
    fn made(
        (character, mask): Made,
        layer: Layer,
        (width, height): (usize, usize),
        densities: &[f64],
    ) -> Self {
        let shape = Shape::new(1, layer.channels, height, width);
        let Layer { channels, dense } = layer;
        let masked = if dense == 0 { "fully masked" } else { "half masked" };
        let name = format!("{character} {channels}→{channels} {width}x{height}, {masked}");
        let case = |density: &f64| Case::new(format!("{name}, {density}"), layer, mask(shape, *density));
        Self { cases: densities.iter().map(case).collect(), name, is_curve: true }
    }

    fn found(model: &str, masks: Vec<(String, Tensor)>) -> Self {
        let name = format!("found by {model} 64→64, fully masked");
        let case = |(at, mask)| Case::new(format!("{name}, {at}"), FULLY_MASKED, mask);
        Self { cases: masks.into_iter().map(case).collect(), name, is_curve: false }
    }

    /// Measures its cases, and prints each as it is done.
    fn measure(&self, machine: &Machine) -> Vec<Rounds> {
        println!("\n### {}\n", self.name);
        println!(
            "| mask | density | 4×4 tiles | lowering | ms | GMAC/s | of peak | / dense direct | / dense winograd |"
        );
        println!("|---|---:|---:|---|---:|---:|---:|---:|---:|");
        let measure = |case: &Case| {
            let rounds = case.measure(machine);
            case.print(machine, &rounds, self.name.len());
            rounds
        };
        self.cases.iter().map(measure).collect()
    }
}

impl Case {
    fn new(name: String, layer: Layer, mask: Tensor) -> Self {
        let Layer { channels, dense } = layer;
        let shape = mask.shape().with_channels(channels);
        let (mut b, x) = Builder::new("masked convolution", shape, 1.0);
        let m = b.constant("mask", mask.clone()).expect("a constant has its own shape");
        let weight = support::seeded::parameter([channels, channels, 3, 3], 2);
        let bias = support::seeded::parameter([channels], 3);
        let weights =
            support::seeded::weighted(&mut b, "masked_conv2d", &weight, Some(&bias)).expect("two names");
        let op = MaskedConv2d { kernel: 3, dense_inputs: dense, dense_outputs: dense };
        let y = b.masked_conv2d("masked_conv2d", x, m, weights, op).expect("channels match");
        let (graph, parameters) = b.finish(y).unwrap();
        Self { name, mask, graph, parameters, input: support::seeded::noise(shape, 1) }
    }

    fn plan(&self, lowering: &Lowering, machine: &Machine) -> sparsr::low_level::plan::Plan {
        let Lowering { sparsity, units, algorithm, .. } = *lowering;
        let options = Options { sparsity, units, algorithm, ..Options::default() };
        support::rerunnable(&self.graph, &options, machine.gpu.limits())
    }

    fn expected(&self) -> Tensor {
        cpu::run(&self.graph, &self.parameters, &self.input).expect("the input has the graph's shape")
    }

    /// The rounds of all lowerings, each verified before and after.
    fn measure(&self, machine: &Machine) -> Rounds {
        let expected = self.expected();
        let verify = |found: &Tensor, lowering: &Lowering| {
            support::assert_close(found, &expected, &format!("{} by {}", self.name, lowering.name));
        };
        let ready = |lowering: &Lowering| {
            let mut timed = machine.timed(&self.plan(lowering, machine), &self.parameters);
            verify(&timed.session.run_tensor(&self.input).expect("the device is there"), lowering);
            timed
        };
        let mut timed: Vec<_> = LOWERINGS.iter().map(ready).collect();
        let rounds = Rounds::measure(timed.len(), ROUNDS, |at, iterations| timed[at].run(iterations));
        for (timed, lowering) in timed.iter_mut().zip(LOWERINGS) {
            verify(&timed.session.kept()[0], lowering);
        }
        rounds
    }

    fn print(&self, machine: &Machine, rounds: &Rounds, series: usize) {
        let (mask, density) = (self.name[series + 2..].to_string(), masks::density(&self.mask));
        let (tiles, macs) = (masks::active_tiles(&self.mask), self.graph.macs().total() as f64);
        for (at, lowering) in LOWERINGS.iter().enumerate() {
            let seconds = rounds.seconds(at);
            println!(
                "| {mask} | {density:.2} | {tiles:.2} | {} | {:.1} | {:.1} | {} | {:.2} | {:.2} |",
                lowering.name,
                1e3 * seconds,
                1e-9 * macs / seconds,
                machine.of_peak(Throughput::Elements(2 * macs as u64), seconds),
                rounds.ratio(at, 0),
                rounds.ratio(at, 1)
            );
        }
    }

    /// Criterion's way.
    fn bench(&self, criterion: &mut Criterion, machine: &Machine) {
        let expected = std::cell::OnceCell::new();
        let mut group = support::group(criterion, &self.name);
        let work = Throughput::Elements(2 * self.graph.macs().total());
        for lowering in LOWERINGS {
            machine.bench(
                &mut group,
                lowering.name,
                work.clone(),
                (&self.plan(lowering, machine), &self.parameters),
                |session| {
                    let found = session.run_tensor(&self.input).expect("the device is there");
                    let expected = expected.get_or_init(|| self.expected());
                    support::assert_close(&found, expected, &format!("{} by {}", self.name, lowering.name));
                },
            );
        }
        group.finish();
    }
}

/// At which density each lowering that looks at the mask stops being faster than each dense one.
fn print_crossings(cases: &[Case], measured: &[Rounds]) {
    println!("\n| faster up to density | {} | {} |", LOWERINGS[0].name, LOWERINGS[1].name);
    println!("|---|---:|---:|");
    for (at, lowering) in LOWERINGS.iter().enumerate().skip(DENSE) {
        let crossing = |dense: usize| {
            let ratios = measured.iter().map(|rounds| rounds.ratio(at, dense));
            crossing(cases.iter().map(|case| masks::density(&case.mask)).zip(ratios))
        };
        println!("| {} | {} | {} |", lowering.name, crossing(0), crossing(1));
    }
}

/// Where a curve of ratios over density first comes up to one, between two points by a straight line.
fn crossing(curve: impl Iterator<Item = (f64, f64)>) -> String {
    let mut before: Option<(f64, f64)> = None;
    for (density, ratio) in curve {
        match before {
            None if ratio >= 1.0 => return "never".into(),
            Some((d, r)) if ratio >= 1.0 => {
                return format!("{:.2}", d + (density - d) * (1.0 - r) / (ratio - r));
            }
            _ => before = Some((density, ratio)),
        }
    }
    "all".into()
}

fn figure(machine: &Machine, series: &Series, measured: &[Rounds]) -> Figure {
    let densities: Vec<f64> = series.cases.iter().map(|case| masks::density(&case.mask)).collect();
    let line = |at: usize| Line {
        name: LOWERINGS[at].name.into(),
        points: densities.iter().copied().zip(measured.iter().map(|rounds| rounds.ratio(at, 0))).collect(),
    };
    Figure {
        title: format!("Masked 3×3 convolution, {}", series.name),
        subtitle: format!("{}, {}", machine.gpu.name(), machine.clock.name()),
        x: "density of the mask".into(),
        y: "time, dense direct = 1".into(),
        lines: (0..LOWERINGS.len()).map(line).collect(),
    }
}
