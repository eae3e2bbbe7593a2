//! A hundred steps of Adam on small networks whose gradients are golden: their losses, by both engines.

use sparsr::learn::{Optimiser, Trainer};
use sparsr::low_level::tensor::Tensor;
use sparsr::{Gpu, Precision};

use crate::golden;
use crate::networks::{self, Case};
use crate::support::adapter;

const RATE: f64 = 1e-3;

/// How far from PyTorch's, relative: the loss of each of so many steps, then the mean of each ten.
const EACH: (usize, f64) = (20, 1e-4);
const TENS: f64 = 2e-3;

/// From left to right, from top to bottom, or both, as `steps.py` says.
fn mirrored(x: &Tensor, step: usize) -> Tensor {
    let shape = x.shape();
    let place = |at: usize, side: usize, bit: usize| if step & bit == 0 { at } else { side - 1 - at };
    Tensor::from_fn(shape, |n, c, row, column| {
        x.plane(n, c)[place(row, shape.height, 2) * shape.width + place(column, shape.width, 1)]
    })
}

fn losses(case: &Case, gpu: Option<&Gpu>, steps: usize) -> Vec<f64> {
    let (objective, parameters) = case.objective().unwrap();
    let trainer = match gpu {
        None => Trainer::new(objective, parameters, Optimiser::default()),
        Some(gpu) => Trainer::on_gpu(gpu, Precision::F32, objective, parameters, Optimiser::default()),
    };
    let mut trainer = trainer.unwrap();
    let step = |step| {
        let [input, target] = ["input", "target"].map(|name| mirrored(&case.given[name], step));
        f64::from(trainer.step(&[&input, &target], RATE).unwrap().loss)
    };
    (0..steps).map(step).collect()
}

fn assert_a_hundred_steps(gpu: Option<&Gpu>) {
    let (golden, networks) = (golden("steps"), networks::cases());
    for (name, expected) in golden.iter() {
        let name = name.strip_suffix(".losses").unwrap();
        let case = networks.iter().find(|case| case.name == name).unwrap();
        let expected: Vec<f64> = expected.values().iter().map(|loss| f64::from(*loss)).collect();
        let found = losses(case, gpu, expected.len());
        let apart =
            |found: &[f64], expected: &[f64]| found.iter().sum::<f64>() / expected.iter().sum::<f64>() - 1.0;
        let largest = |sides: [&[f64]; 2], size: usize| {
            let pairs = sides[0].chunks(size).zip(sides[1].chunks(size));
            pairs.map(|(found, expected)| apart(found, expected).abs()).fold(0.0, f64::max)
        };
        let (count, tolerance) = EACH;
        let (each, tens) =
            (largest([&found[..count], &expected[..count]], 1), largest([&found, &expected], 10));
        println!("{name}: each of {count} steps within {each:.1e}, the mean of each ten within {tens:.1e}");
        assert!(each < tolerance && tens < TENS, "{name}: {each:.1e} and {tens:.1e} off");
        let last = expected.len() - 10;
        assert!(
            expected[last..].iter().sum::<f64>() < 0.9 * expected[..10].iter().sum::<f64>(),
            "{name} learns"
        );
    }
    assert_eq!(golden.iter().count(), 2);
}

#[test]
fn a_hundred_steps_are_pytorchs() {
    assert_a_hundred_steps(None);
}

#[test]
fn a_hundred_steps_by_kernels_are_pytorchs() {
    if let Some(gpu) = adapter::gpu("a hundred steps by kernels") {
        assert_a_hundred_steps(Some(&gpu));
    }
}
