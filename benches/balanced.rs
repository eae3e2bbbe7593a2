//! Balanced sparsity: layers whose weights keep as many numbers of every block, beside the same layers dense, by density,
//! block and shape, on the CPU engine or a GPU.
//!
//! On the CPU engine both go through it as a network's layers do: it looks at the weights and takes the sparse product where
//! that is faster. On a GPU (`balanced/gpu.rs`) every kernel is asked for by name. The result is held against the oracle, or
//! the CPU engine, before anything is timed.
//!
//! ```sh
//! SPARSR_DEVICE=0 cargo bench --bench balanced                   # the table of that device
//! RAYON_NUM_THREADS=1 cargo bench --bench balanced               # the table, a ratio a line by rounds in turn
//! RAYON_NUM_THREADS=1 cargo bench --bench balanced -- conv2d     # by criterion
//! ```

#[path = "balanced/gpu.rs"]
mod gpu;
mod support;

use std::time::{Duration, Instant};

use criterion::Throughput;
use sparsr::low_level::cpu::{self, Buffers};
use sparsr::low_level::graph::{Builder, Conv2d, Graph, Parameters};
use sparsr::low_level::oracle;
use sparsr::low_level::tensor::{Balance, Parameter, Shape, Tensor};
use support::rounds::Rounds;
use support::seeded;

/// Layers one behind the other, so that the edges of a run count little; fewer of large kernels.
const LAYERS: usize = 24;

/// Rounds of a ratio.
const ROUNDS: usize = 7;

/// Kernel, channels, and how many of a block stay.
const SHAPES: [(usize, usize); 7] = [(1, 32), (1, 64), (1, 128), (1, 256), (3, 16), (3, 32), (3, 64)];
const BALANCES: [(usize, usize); 9] =
    [(4, 8), (3, 8), (2, 8), (1, 8), (1, 4), (8, 16), (4, 16), (2, 16), (8, 32)];

/// Layers of one shape.
struct Case {
    graph: Graph,
    parameters: Parameters,
    input: Tensor,
}

fn main() {
    let of_device = std::env::var_os("SPARSR_DEVICE").is_some();
    if of_device && support::testing() {
        return gpu::verify();
    }
    if of_device {
        return gpu::table();
    }
    println!("vectors  {}", cpu::vectors().expect("names that are known"));
    for (kernel, channels) in SHAPES {
        for balance in BALANCES {
            verify(kernel, channels, Balance::new(balance.0, balance.1).expect("small blocks"));
        }
    }
    if support::testing() {
        return println!("balanced layers are the oracle's");
    }
    if support::plain() {
        return table();
    }
    let mut criterion = support::criterion();
    for (kernel, channels) in SHAPES {
        let dense = Case::new(kernel, channels, None, timed(channels), LAYERS / kernel);
        let mut group = support::group(&mut criterion, &format!("conv2d {kernel}x{kernel} {channels}"));
        group.throughput(Throughput::Elements(2 * dense.graph.macs().total()));
        let balances = BALANCES.map(|(kept, block)| Balance::new(kept, block).ok());
        for balance in std::iter::once(None).chain(balances) {
            let case = Case::new(kernel, channels, balance, timed(channels), LAYERS / kernel);
            let name = balance.map_or("dense".to_owned(), |balance| balance.to_string());
            let mut buffers = Buffers::default();
            group.bench_function(name, |bencher| bencher.iter(|| case.run(&mut buffers)));
        }
        group.finish();
    }
    criterion.final_summary();
}

/// The time of each balance as a share of the dense layers'.
fn table() {
    println!("layer          dense      of the dense time, by how many of a block stay");
    print!("{:<24}", "               GMAC/s");
    BALANCES.iter().for_each(|(kept, block)| print!(" {:>8}", format!("{kept} of {block}")));
    println!();
    for (kernel, channels) in SHAPES {
        let balances = BALANCES.map(|(kept, block)| Balance::new(kept, block).ok());
        let cases: Vec<Case> = std::iter::once(None)
            .chain(balances)
            .map(|balance| Case::new(kernel, channels, balance, timed(channels), LAYERS / kernel))
            .collect();
        let mut buffers = Buffers::default();
        let rounds = Rounds::measure(cases.len(), ROUNDS, |case, iterations| {
            let start = Instant::now();
            (0..iterations).for_each(|_| drop(cases[case].run(&mut buffers)));
            start.elapsed().max(Duration::from_nanos(1))
        });
        let rate = cases[0].graph.macs().total() as f64 / rounds.seconds(0) / 1e9;
        print!("{:<14} {rate:<9.1}", format!("{kernel}x{kernel} {channels}"));
        (1..cases.len()).for_each(|case| print!(" {:>8.2}", rounds.ratio(case, 0)));
        println!();
    }
}

/// A tile.
fn timed(channels: usize) -> Shape {
    Shape::new(1, channels, 96, 128)
}

/// Holds balanced layers against the oracle.
fn verify(kernel: usize, channels: usize, balance: Balance) {
    let case = Case::new(kernel, channels, Some(balance), Shape::new(1, channels, 5, 7), LAYERS / kernel);
    let found = case.run(&mut Buffers::default());
    let expected = oracle::run(&case.graph, &case.parameters, &[&case.input]).expect("inputs of its shapes");
    let expected = expected.last().expect("its layers").to_tensor();
    support::assert_within(1e-5, &found, &expected, &format!("{kernel}x{kernel} {channels}, {balance}"));
}

impl Case {
    fn new(kernel: usize, channels: usize, balance: Option<Balance>, shape: Shape, layers: usize) -> Self {
        let (mut b, mut x) = Builder::new("balanced", shape, 1.0);
        for layer in 0..layers {
            let (name, spread) =
                (format!("layer{layer}"), (3.0 / (kernel * kernel * channels) as f32).sqrt());
            let weight = seeded::parameter([channels, channels, kernel, kernel], layer as u64);
            let weight = balance.map_or(weight.clone(), |balance| balance.thinned(&weight));
            let numbers: Vec<f32> = weight.values().iter().map(|value| value * spread).collect();
            let weight = Parameter::new(weight.dims(), numbers);
            let weights = seeded::weighted(&mut b, &name, &weight, None).expect("a name of its own");
            x = b.conv2d(&name, x, weights, Conv2d::same(kernel)).expect("channels match");
        }
        let (graph, parameters) = b.finish(x).expect("a graph");
        Self { graph, parameters, input: seeded::noise(shape, 1) }
    }

    fn run(&self, buffers: &mut Buffers) -> Tensor {
        let outputs = cpu::run_all(&self.graph, &self.parameters, &[&self.input], buffers);
        outputs.expect("an input of its shape").remove(0)
    }
}
