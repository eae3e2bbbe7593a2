//! Learning against PyTorch: the gradients of every operator in the middle of a graph, of MultiLap and of small
//! networks with all their parameters, and steps of training.
//!
//! The scripts in `tests/golden/learning` made the expected numbers; the tables here add the attributes that they used. A
//! case on one side only is a failure.

#[path = "learning/multi_lap.rs"]
mod multi_lap;
#[path = "learning/networks.rs"]
mod networks;
#[path = "learning/operators.rs"]
mod operators;
#[path = "learning/optimisers.rs"]
mod optimisers;
#[path = "learning/pruning.rs"]
mod pruning;
#[path = "learning/sparsestmax.rs"]
mod sparsestmax;
#[path = "learning/steps.rs"]
mod steps;
mod support;

use std::path::Path;

use sparsr::low_level::cpu::{self, Buffers};
use sparsr::low_level::graph::{Graph, Op, Parameters};
use sparsr::low_level::oracle;
use sparsr::low_level::plan::Algorithm;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use support::{adapter, kernels};

/// Who computes, and how far from PyTorch's numbers theirs may be: relative, of one gradient's numbers together. The file
/// holds f32.
const ENGINES: [(&str, f64); 4] =
    [("the CPU engine", 1e-5), ("the oracle", 3e-7), ("the kernels", 1e-5), ("Winograd's kernels", 3e-5)];

/// The tensors of a script.
fn golden(script: &str) -> Weights {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/learning/{script}.safetensors"));
    Weights::load(&path).unwrap_or_else(|error| panic!("{error}: {script}.py makes the file"))
}

/// The graph's outputs, by each of [`ENGINES`]; kernels are the last, and may be missing.
fn run(graph: &Graph, parameters: &Parameters, inputs: &[&Tensor]) -> Vec<Vec<Tensor>> {
    let by_cpu = cpu::run_all(graph, parameters, inputs, &mut Buffers::default()).unwrap();
    let made = oracle::run(graph, parameters, inputs).unwrap();
    let by_oracle = graph.outputs().iter().map(|output| made[output.value.index()].to_tensor());
    let mut found = vec![by_cpu, by_oracle.collect()];
    if let Some(gpu) = adapter::gpu("learning by kernels") {
        for algorithm in [Algorithm::Auto, Algorithm::Winograd] {
            found.push(kernels::run(&gpu, graph, parameters, inputs, algorithm).unwrap());
        }
    }
    found
}

/// Four axes, with ones behind a weight's own; a number a channel is 1×C×1×1.
fn tensor(parameter: &Parameter) -> Tensor {
    let shape = match *parameter.dims() {
        [c] => Shape::new(1, c, 1, 1),
        [n, c] => Shape::new(n, c, 1, 1),
        [n, c, h, w] => Shape::new(n, c, h, w),
        ref dims => panic!("one, two or four axes, found {dims:?}"),
    };
    Tensor::new(shape, parameter.values().to_vec())
}

/// `|found − factor · expected| / |factor · expected|`; infinite if there are numbers that are none.
fn distance(found: &Tensor, expected: &Tensor, factor: f64) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let pairs = found.values().iter().zip(expected.values());
    let pairs = pairs.map(|(found, expected)| (f64::from(*found), factor * f64::from(*expected)));
    let (apart, size) = pairs.fold((0.0, 0.0), |(apart, size), (found, expected)| {
        (apart + (found - expected).powi(2), size + expected * expected)
    });
    let distance = f64::sqrt(apart / size);
    if distance.is_nan() { f64::INFINITY } else { distance }
}

/// What is wrong with what the engines found, in words.
fn differences(case: &str, found: &[Vec<Tensor>], expected: &[(String, Tensor)], factor: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((engine, tolerance), found) in ENGINES.iter().zip(found) {
        assert_eq!(found.len(), expected.len(), "{case}");
        for ((name, expected), found) in expected.iter().zip(found) {
            let distance = distance(found, expected, factor);
            if distance > *tolerance {
                wrong
                    .push(format!("{case}, {engine}: {name} is {distance:.1e} off, at most {tolerance:.0e}"));
            }
        }
    }
    wrong
}

/// Whether an operator takes its inputs from this one on as parameters.
fn is_learnt(op: &Op, inputs: usize, at: usize) -> bool {
    at >= op.operator().activations(inputs)
}

#[test]
fn a_difference_is_seen() {
    let tensor = |values: [f32; 3]| Tensor::new(Shape::new(1, 1, 1, 3), values.to_vec());
    let expected = tensor([0.0, 8.0, -6.0]);
    for (found, factor, seen) in [
        (tensor([0.0, 8.0, -6.0]), 1.0, 0.0),
        (tensor([0.0, 4.0, -3.0]), 0.5, 0.0),
        (tensor([0.0, 8.0, -5.0]), 1.0, 0.1),
        (tensor([f32::NAN, 8.0, -6.0]), 1.0, f64::INFINITY),
    ] {
        assert_eq!(distance(&found, &expected, factor), seen);
    }
}
