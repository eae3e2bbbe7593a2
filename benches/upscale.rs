//! A whole picture through a network, from pixels to pixels: sparse against dense on the device, and on every engine
//! at hand.
//!
//! Pictures: one made here, half smooth and half texture; a photograph; one colour and noise, between which all
//! others lie; and the authors' network on Set5 where their folder lies beside the checkout. Before anything is
//! timed, each result is held against the CPU engine's.
//!
//! Criterion times the engines. Asked for nothing else, the bench also prints tables of dense, sparse and auto, which
//! take turns; ratios are medians over rounds.

mod support;

use criterion::{Criterion, Throughput};
use sparsr::low_level::gpu::Session;
use sparsr::low_level::plan::{Form, Options as PlanOptions, Packing, Plan, Sparsity};
use sparsr::low_level::tensor::{Parameter, Shape};
use sparsr::{Feature, Model, Options, Pixels, Precision, Samples, Upscaled, Upscaler};

use support::rounds::Rounds;
use support::{Machine, pictures};

/// What a picture of 8 bits may differ by between engines: one flipped mask pixel moves its neighbours so far.
const LARGEST_DIFFERENCE: u8 = 2;

const ROUNDS: usize = 5;

/// What takes turns, dense first.
const SPARSITIES: [Sparsity; 3] = [Sparsity::Dense, Sparsity::Sparse, Sparsity::Auto];

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    let model = Model::builtin("smsr-x2").expect("the model is part of the program");
    println!("model    {}: {}", model.name(), model.description());
    let sizes: &[(usize, usize)] = if support::testing() { &[(23, 17)] } else { &[(96, 96), (160, 120)] };
    for (width, height) in sizes {
        engines(&mut criterion, &machine, &model, &pictures::halves(*width, *height));
    }
    replacing(&mut criterion, &machine, &model);
    criterion.final_summary();
    if support::plain() || support::testing() {
        sparse_against_dense(&machine, &model, &our_pictures());
        if let Some((model, pictures)) = pictures::authors("upscale by the authors' network") {
            sparse_against_dense(&machine, &model, &pictures);
        }
    }
}

fn our_pictures() -> Vec<(&'static str, Pixels)> {
    let (width, height) = (160, 120);
    vec![
        ("one colour", pictures::flat(width, height)),
        ("halves", pictures::halves(width, height)),
        ("harbour", pictures::harbour()),
        ("noise", pictures::noise(width, height)),
    ]
}

/// By every engine.
fn engines(criterion: &mut Criterion, machine: &Machine, model: &Model, picture: &Pixels) {
    let (width, height) = (picture.width(), picture.height());
    let mut cpu = Upscaler::on_cpu(model, Options::default()).expect("the CPU engine takes any model");
    let expected = cpu.upscale_pixels(picture).expect("the CPU engine takes any picture");
    println!(
        "{width}x{height}: mask densities {}; {:.0} % of the multiply-adds kept",
        densities(&expected),
        100.0 * expected.macs_kept
    );

    let clock = machine.clock;
    let mut group = support::group(criterion, &format!("{} {width}x{height}", model.name()));
    group.throughput(Throughput::Elements((width * height) as u64)); // input pixels
    let mut bench = |name: &str, upscaler: &mut Upscaler| {
        let mut verified = false;
        group.bench_function(name, |bencher| {
            if !std::mem::replace(&mut verified, true) {
                let found = upscaler.upscale_pixels(picture).expect("the device is there");
                verify(&found.pixels, &expected.pixels, name);
            }
            bencher.iter_custom(|iterations| {
                clock.time(iterations, || upscaler.upscale_pixels(picture).expect("the device is there"))
            });
        });
    };
    let mut options = Options::default();
    options.precision = Precision::F32;
    let gpu = |gpu| Upscaler::new(gpu, model, options.clone()).expect("the device takes any model");
    if machine.broadcasts() {
        bench("gpu, subgroups", &mut gpu(&machine.gpu));
    }
    bench("gpu", &mut gpu(&machine.gpu.clone().without(Feature::Subgroups)));
    bench("cpu", &mut cpu);
    group.finish();
}

/// Other numbers for all parameters of a network that runs: what each part of that costs. The session is held to the
/// picture of before once it has its own numbers again.
fn replacing(criterion: &mut Criterion, machine: &Machine, model: &Model) {
    let net = model.net();
    let picture = pictures::halves(48, 32);
    let mut network = Network::new(machine, model, &picture, Sparsity::Auto);
    let before = network.run();
    let reversed = net.parameters().iter().filter(|(name, _)| !name.ends_with("ch_mask"));
    let reversed = reversed.map(|(name, numbers)| {
        let values: Vec<f32> = numbers.values().iter().rev().copied().collect();
        (name.to_owned(), Parameter::new(numbers.dims(), values))
    });
    let others = net.parameters().with(reversed.collect::<Vec<_>>()).expect("the same parameters");
    let other = net.with_parameters(others.clone()).expect("as many channels are dense");
    network.session.set_parameters(other.numbers()).expect("the device is there");
    assert!(network.run() != before, "other numbers make another picture");
    network.session.set_parameters(net.numbers()).expect("the device is there");
    assert!(network.run() == before, "its own numbers make its own picture");

    let mut group = support::group(criterion, &format!("{} replaced", model.name()));
    group.bench_function("fold", |bencher| {
        bencher.iter(|| net.with_parameters(others.clone()).expect("as many channels are dense"));
    });
    group.bench_function("pack", |bencher| {
        bencher.iter(|| {
            network.packings.iter().map(|packing| packing.words(other.numbers()).len()).sum::<usize>()
        });
    });
    group.bench_function("pack and upload", |bencher| {
        bencher.iter(|| network.session.set_parameters(other.numbers()).expect("the device is there"));
    });
    group.finish();
}

const HEAD: &str = "\
| picture | size | mask densities | work | dense, ms | sparse, ms | auto, ms | sparse / dense | auto / dense |
|---|---|---|---:|---:|---:|---:|---:|---:|";

/// One table: every picture dense, sparse and by the device's choice.
fn sparse_against_dense(machine: &Machine, model: &Model, pictures: &[(&str, Pixels)]) {
    let timing = !support::testing();
    if timing {
        println!("\n### {}: {}\n", model.name(), model.description());
        println!("{HEAD}");
    }
    let mut times = Vec::new();
    for (name, picture) in pictures {
        let picture = if timing { picture } else { &pictures::middle(picture, 23, 17) };
        let (upscaled, mut networks) = verified(machine, model, name, picture);
        if !timing {
            continue;
        }
        let clock = machine.clock;
        let run = |at: usize, runs| clock.time(runs, || networks[at].run());
        let rounds = Rounds::measure(SPARSITIES.len(), ROUNDS, run);
        let of = [0, 1, 2].map(|at| Times { seconds: rounds.seconds(at), ratio: rounds.ratio(at, 0) });
        println!(
            "| {name} | {}x{} | {} | {:.0} % | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            picture.width(),
            picture.height(),
            densities(&upscaled),
            100.0 * upscaled.macs_kept,
            1e3 * of[0].seconds,
            1e3 * of[1].seconds,
            1e3 * of[2].seconds,
            of[1].ratio,
            of[2].ratio
        );
        times.push(of);
    }
    if !timing {
        return;
    }
    let mean = |at: usize| times.iter().map(|of| of[at].ratio).sum::<f64>() / times.len() as f64;
    let sum = |at: usize| times.iter().map(|of| of[at].seconds).sum::<f64>();
    println!("| mean of ratios | | | | | | | {:.2} | {:.2} |", mean(1), mean(2));
    println!("| ratio of sums | | | | | | | {:.2} | {:.2} |", sum(1) / sum(0), sum(2) / sum(0));
}

/// Of one picture in one way.
struct Times {
    seconds: f64,
    /// To the dense time.
    ratio: f64,
}

/// The CPU engine's result, and the networks of [`SPARSITIES`], each held against it.
fn verified(machine: &Machine, model: &Model, name: &str, picture: &Pixels) -> (Upscaled, [Network; 3]) {
    let mut cpu = Upscaler::on_cpu(model, Options::default()).expect("the CPU engine takes any model");
    let expected = cpu.upscale_pixels(picture).expect("the CPU engine takes any picture");
    let networks = SPARSITIES.map(|sparsity| {
        let mut network = Network::new(machine, model, picture, sparsity);
        verify(&network.run(), &expected.pixels, &format!("{name}, {sparsity:?}"));
        network
    });
    (expected, networks)
}

/// A network on the device, for one picture.
struct Network {
    session: Session,
    packings: Vec<Packing>,
    /// The picture at a size that the network takes.
    picture: Pixels,
    /// Of what is wanted of the result.
    size: (usize, usize),
}

impl Network {
    fn new(machine: &Machine, model: &Model, picture: &Pixels, sparsity: Sparsity) -> Self {
        let (width, height, alignment) = (picture.width(), picture.height(), model.alignment());
        let size = (width * model.scale(), height * model.scale());
        let picture = picture
            .part(0..width.next_multiple_of(alignment), 0..height.next_multiple_of(alignment))
            .unwrap();
        let shape = Shape::new(1, 3, picture.height(), picture.width());
        let graph = model.graph(shape).expect("a size that the network takes");
        let keep = graph.masks().collect();
        let options = PlanOptions {
            input: Form::Pixels8,
            output: Form::Pixels8,
            keep,
            sparsity,
            ..PlanOptions::default()
        };
        let plan =
            Plan::new(&graph, &options, machine.gpu.limits()).expect("a picture that the device takes");
        let session = machine.session(&plan, model.net().numbers());
        Self { session, packings: plan.parameters, picture, size }
    }

    /// As a program does it: with upload, and with the picture and its masks read back.
    fn run(&mut self) -> Pixels {
        let pixels = self.session.run_pixels(&self.picture).expect("the device is there");
        self.session.kept();
        pixels.part(0..self.size.0, 0..self.size.1).unwrap()
    }
}

/// Where the work went: what a time is to be read beside.
fn densities(upscaled: &Upscaled) -> String {
    let densities = upscaled.masks.iter().map(|mask| format!("{:.2}", mask.density()));
    densities.collect::<Vec<_>>().join(" ")
}

fn verify(found: &Pixels, expected: &Pixels, what: &str) {
    let (found, expected) = (bytes(found), bytes(expected));
    let differences = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected));
    let largest = differences.max().expect("a picture has pixels");
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(largest <= LARGEST_DIFFERENCE, "{what}: {largest} code values off the CPU engine's picture");
}

fn bytes(pixels: &Pixels) -> &[u8] {
    match pixels.samples() {
        Samples::U8(samples) => samples,
        Samples::U16(_) => panic!("a picture of 8 bits stays one"),
    }
}
