//! The lists that a mask becomes: every active pixel in exactly one tile or stray, and once among all active ones.

use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{Builder, MaskedConv2d, Parameters};
use sparsr::low_level::kernel::mask_compact::list_words;
use sparsr::low_level::plan::{Algorithm, Buffer, Options, Plan, Port, Sparsity, Units};
use sparsr::low_level::tensor::{Shape, Tensor, pack};

use crate::support::{adapter, seeded};

/// The words of a list, after the steps up to the one that makes it.
fn list(gpu: &sparsr::Gpu, plan: &Plan, parameters: &Parameters, which: usize, words: usize) -> Vec<u32> {
    let at = plan.steps.iter().position(|step| step.dispatch.kernel.name == "mask_compact").unwrap();
    let Buffer::Slot(slot) = plan.steps[at].bindings[1 + which] else { panic!("a list is a slot") };
    let mut plan = plan.clone();
    plan.steps.truncate(at + 1);
    plan.output = Port { slot, shape: Shape::new(1, 4, 1, words / 4), form: plan.output.form };
    let mut session = Session::new(gpu, &plan, parameters).unwrap();
    session.poison();
    let read = session.run_tensor(&Tensor::zeros(plan.picture.unwrap().shape)).unwrap();
    pack(&read).into_iter().map(f32::to_bits).collect()
}

fn check(gpu: &sparsr::Gpu, name: &str, mask: &Tensor, units: Units) {
    let shape = mask.shape();
    let input = shape.with_channels(16);
    let (mut b, x) = Builder::new(name, input, 1.0);
    let value = b.constant("mask", mask.clone()).unwrap();
    let weight = b.parameter("conv.weight", &seeded::parameter([16, 16, 3, 3], 1)).unwrap();
    let op = MaskedConv2d { kernel: 3, dense_inputs: 0, dense_outputs: 0 };
    let y = b.masked_conv2d("conv", x, value, weight, op).unwrap();
    let options =
        Options { sparsity: Sparsity::Sparse, units, algorithm: Algorithm::Winograd, ..Options::default() };
    let (graph, parameters) = b.finish(y).unwrap();
    let plan = Plan::new(&graph, &options, gpu.limits()).unwrap();

    let words = list_words(shape);
    let [tiles, strays, actives] = [0, 1, 2].map(|which| list(gpu, &plan, &parameters, which, words[which]));
    let expected: Vec<u32> =
        (0u32..).zip(mask.values()).filter(|(_, value)| **value != 0.0).map(|(at, _)| at).collect();
    let sorted = |mut pixels: Vec<u32>| {
        pixels.sort_unstable();
        pixels
    };
    let pixels = |list: &[u32]| list[2..][..list[0] as usize].to_vec();
    let live = |tile: &[u32]| -> Vec<u32> {
        let bits = (0..16).filter(|bit| tile[1] >> bit & 1 == 1);
        bits.map(|bit| tile[0] + bit / 4 * shape.width as u32 + bit % 4).collect()
    };
    let of_tiles: Vec<u32> = tiles[2..][..2 * tiles[0] as usize].chunks(2).flat_map(live).collect();
    let name = format!("{name} {shape} {units:?}");
    assert_eq!(sorted(pixels(&actives)), expected, "{name}: all active pixels");
    assert_eq!(sorted([of_tiles, pixels(&strays)].concat()), expected, "{name}: tiles and strays");
}

#[test]
fn every_active_pixel_is_listed_once() {
    let Some(gpu) = adapter::gpu("every_active_pixel_is_listed_once") else { return };
    for (n, height, width) in [(1, 1, 1), (1, 7, 5), (2, 9, 33), (1, 40, 70), (3, 4, 64)] {
        let shape = Shape::new(n, 1, height, width);
        let noise = seeded::noise(shape, 5);
        let mask = |set: &dyn Fn(usize) -> bool| {
            Tensor::new(shape, (0..shape.len()).map(|at| f32::from(set(at))).collect())
        };
        let masks = [
            ("none", mask(&|_| false)),
            ("one", mask(&|at| at == shape.len() / 2)),
            ("all", mask(&|_| true)),
            ("some", mask(&|at| noise.values()[at] > 0.4)),
            ("many", mask(&|at| noise.values()[at] > -0.6)),
        ];
        for (name, mask) in &masks {
            for units in [Units::Mixed, Units::Tiles, Units::Pixels] {
                check(&gpu, name, mask, units);
            }
        }
    }
}
