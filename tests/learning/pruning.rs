//! What makes filters zero: sparsity structure alignment, growing L2 in Adam, and the two steps of OBProxSG.

use sparsr::learn::prune::Terms;
use sparsr::learn::{Objective, Optimiser, Shrinkage, Trainer};
use sparsr::low_level::graph::{Builder, Input, Loss, Op, Parameters};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Gpu, Precision};

use crate::support::adapter;
use crate::{distance, golden, run};

/// Relative, of all numbers together.
const TOLERANCE: f64 = 1e-5;

/// The CPU engine, and a GPU if there is one.
fn engines() -> Vec<Option<Gpu>> {
    [None].into_iter().chain(adapter::gpu("pruning by kernels").map(Some)).collect()
}

fn named<'a>(golden: &'a Weights, name: &str) -> &'a Parameter {
    golden.get(name).unwrap_or_else(|| panic!("compression.py makes {name}"))
}

fn row(numbers: &[f32]) -> Tensor {
    Tensor::new(Shape::new(1, numbers.len(), 1, 1), numbers.to_vec())
}

/// The picture that an objective has and does not read.
fn nothing() -> Tensor {
    Tensor::zeros(Shape::new(1, 1, 1, 1))
}

fn close(case: &str, found: &[f32], expected: &[f32], factor: f64) {
    let distance = distance(&row(found), &row(expected), factor);
    assert!(distance <= TOLERANCE, "{case} is {distance:.1e} off: expected {expected:?}, found {found:?}");
}

/// A mean of magnitudes as a loss that nothing hangs on, for terms to be added to; and their names.
fn magnitudes(layers: &[&[f32]]) -> (Objective, Parameters, Vec<String>) {
    let (mut b, mut loss) = Builder::new("magnitudes", Shape::new(1, 1, 1, 1), 1.0);
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}.weight_g")).collect();
    for (name, layer) in names.iter().zip(layers) {
        let magnitude = Parameter::new([layer.len(), 1, 1, 1], layer.to_vec());
        let magnitude = b.parameter(name, &magnitude).unwrap();
        let term = b.losses("term", magnitude, magnitude, &[(Loss::L1, 1.0)]).unwrap();
        loss = b.add("loss", loss, term).unwrap();
    }
    let (graph, parameters) = b.finish_all([("loss", loss)]).unwrap();
    (Objective::new(graph).unwrap(), parameters, names)
}

#[test]
fn alignment_is_the_papers() {
    let golden = golden("compression");
    let gamma = named(&golden, "ssa.gamma").values();
    let layers: Vec<&[f32]> = gamma.chunks(10).collect();
    let (objective, parameters, names) = magnitudes(&layers);
    let objective = Terms { pulled: vec![], aligned: vec![names] }.added_to(&objective).unwrap();
    let threshold = |layer: &[f32]| {
        let mut order: Vec<usize> = (0..layer.len()).collect();
        order.sort_by(|a, b| layer[*a].total_cmp(&layer[*b]));
        let chosen = order[4]; // ⌈0.4 · 10⌉
        let one_hot = (0..layer.len()).map(|at| f32::from(at == chosen)).collect();
        Tensor::new(Shape::new(layer.len(), 1, 1, 1), one_hot)
    };
    let mut inputs = vec![nothing()];
    inputs.extend(layers.iter().map(|layer| threshold(layer)));
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    for found in run(objective.graph(), &parameters, &inputs) {
        let [loss, _pixels, alignment, gradients @ ..] = &found[..] else { panic!("three outputs") };
        close("the loss", loss.values(), named(&golden, "ssa.loss").values(), 1.0);
        assert_eq!(loss.values(), alignment.values());
        let gradient: Vec<f32> = gradients.iter().flat_map(|own| own.values().to_vec()).collect();
        close("the gradient", &gradient, named(&golden, "ssa.gradient").values(), 1.0);
    }
}

/// Numbers along channels, or along the first axis.
fn along(row: Tensor, axis: usize) -> Tensor {
    let len = row.shape().channels;
    if axis == 1 { row } else { Tensor::new(Shape::new(len, 1, 1, 1), row.into_values()) }
}

/// `½ Σ (p − target)²` of a parameter along one axis, where `target` is an input.
fn distance_to_target(start: &Parameter, axis: usize) -> (Objective, Parameters) {
    let len = start.values().len();
    let shape = along(row(start.values()), axis).shape();
    let (mut b, _) = Builder::new("distance", Shape::new(1, 1, 1, 1), 1.0);
    let dims: &[usize] = if axis == 1 { &[len] } else { &[len, 1, 1, 1] };
    let p = b.parameter("p", &Parameter::new(dims, start.values().to_vec())).unwrap();
    let target = b.append("target", Op::Input(Input { shape }), &[]).unwrap();
    let loss = b.losses("loss", p, target, &[(Loss::MeanSquare, len as f32 / 2.0)]).unwrap();
    let (graph, parameters) = b.finish_all([("loss", loss)]).unwrap();
    (Objective::new(graph).unwrap(), parameters)
}

fn trainer(gpu: Option<&Gpu>, (objective, parameters): (Objective, Parameters), how: Optimiser) -> Trainer {
    match gpu {
        None => Trainer::new(objective, parameters, how),
        Some(gpu) => Trainer::on_gpu(gpu, Precision::F32, objective, parameters, how),
    }
    .unwrap()
}

fn numbers(trainer: &Trainer) -> Vec<f32> {
    let parameters = trainer.parameters().unwrap();
    parameters.get(parameters.find("p").unwrap()).values().to_vec()
}

#[test]
fn the_steps_of_obproxsg_are_the_papers() {
    let golden = golden("compression");
    for gpu in engines() {
        let start = distance_to_target(named(&golden, "obproxsg.start"), 1);
        let mut optimiser = Optimiser::default();
        optimiser.shrinkage = Some(Shrinkage::Prox { weight: 0.1 });
        let mut trainer = trainer(gpu.as_ref(), start, optimiser.clone());
        for (phase, target) in [("prox", "target"), ("orthant", "second_target")] {
            let target = row(named(&golden, &format!("obproxsg.{target}")).values());
            for (at, expected) in named(&golden, &format!("obproxsg.{phase}")).values().chunks(16).enumerate()
            {
                trainer.step(&[&nothing(), &target], 0.2).unwrap();
                let found = numbers(&trainer);
                close(&format!("{phase} {at}"), &found, expected, 1.0);
                let zeros = |numbers: &[f32]| numbers.iter().map(|number| *number == 0.0).collect::<Vec<_>>();
                assert_eq!(zeros(&found), zeros(expected), "{phase} {at}");
            }
            optimiser.shrinkage = Some(Shrinkage::Orthant { weight: 0.1, epsilon: 1e-4 });
            trainer.set_optimiser(optimiser.clone());
        }
    }
}

#[test]
fn growing_l2_in_adam_is_the_papers() {
    let golden = golden("compression");
    let [start, target, pruned] =
        ["start", "target", "pruned"].map(|name| named(&golden, &format!("growth.{name}")));
    let target = row(target.values());
    for (gpu, axis) in engines().into_iter().flat_map(|gpu| [(gpu.clone(), 0), (gpu, 1)]) {
        let (objective, parameters) = distance_to_target(start, axis);
        let terms = Terms { pulled: vec![("p".into(), axis)], aligned: vec![] };
        let objective = terms.added_to(&objective).unwrap();
        let mut trainer = trainer(gpu.as_ref(), (objective, parameters), Optimiser::default());
        let (mut reg, mut found) = (0.0, Vec::new());
        for step in 1..=200 {
            if step % 5 == 0 && reg <= 0.5 {
                reg += 0.02;
            }
            let pull = pruned.values().iter().map(|pruned| reg * pruned).collect::<Vec<f32>>();
            let [pull, target] = [row(&pull), target.clone()].map(|row| along(row, axis));
            trainer.step(&[&nothing(), &target, &pull], 1e-3).unwrap();
            if step % 10 == 0 {
                found.extend(numbers(&trainer));
            }
        }
        close(&format!("axis {axis}"), &found, named(&golden, "growth.steps").values(), 1.0);
    }
}
