//! Gradients of graphs, by the oracle: every operator's rule in the middle of a graph, as
//!
//! ```text
//!   x₀ ─ ·1.5 ─► a₀ ──────────────────────────► Σ e · a₀ ┐
//!   x₁ ─ ·1.5 ─► a₁ ─► operator ─► y ┬────────► Σ c · y  ├─► loss
//!   …                                └────────► Σ d · y  ┘
//! ```
//!
//! with two pictures, so that coefficients, sums over readers and over pictures all take part. What a gradient says of
//! a step v is held against what the loss does: `⟨∇L(x), v⟩` against `(L(x + εv) − L(x − εv)) / 2ε`, where the loss
//! is a straight line along v at ε = 1 and as precisely as sums in f64 are (that is `⟨Jᵀg, v⟩ = ⟨g, Jv⟩`), elsewhere in
//! a small step, with numbers that keep away from kinks.

#[path = "gradient/adjoints.rs"]
mod adjoints;
#[path = "gradient/cases.rs"]
mod cases;
mod support;

use sparsr::Error;
use sparsr::low_level::cpu;
use sparsr::low_level::graph::{
    Activation, AdaptiveMaxPool, Attention, AveragePool, Axes, Binary, BinaryKind, Builder, Conv2d, Graph,
    Input, Loss, MaskedConv2d, Op, Parameters, TrainingOperation, Value, WeightOperation,
};
use sparsr::low_level::oracle::{self, Numbers};
use sparsr::low_level::plan::Algorithm;
use sparsr::low_level::tensor::{Shape, Tensor};

use cases::{Along, Case, Operand};
use support::{adapter, kernels, seeded};

const NUMBER: Shape = Shape::new(1, 1, 1, 1);

/// A step that is no larger than what keeps numbers apart.
const STEP: f32 = 1.0 / 16384.0;

/// A graph that ends in its gradients, and what goes in.
struct Trial {
    graph: Graph,
    given: Vec<Tensor>,
}

impl Trial {
    fn new(case: &Case) -> Result<Self, Error> {
        let (mut b, first) = Builder::new(&case.name, case.operands[0].shape, 1.0);
        let factor = b.constant("factor", Tensor::new(NUMBER, vec![1.5]))?;
        let mut inputs = vec![first];
        for operand in &case.operands[1..] {
            inputs.push(b.append("operand", Op::Input(Input { shape: operand.shape }), &[])?);
        }
        let scaled: Result<Vec<Value>, Error> =
            inputs.iter().map(|input| b.multiply("scaled", *input, factor)).collect();
        let scaled = scaled?;
        let y = b.append("operator", case.op.clone(), &scaled)?;
        let mut loss = weighted_sum(&mut b, scaled[0], 1)?;
        for seed in [2, 3] {
            let term = weighted_sum(&mut b, y, seed)?;
            loss = b.add("loss", loss, term)?;
        }
        let (graph, _) = b.finish(loss).unwrap();
        let given = case.operands.iter().zip(10..).map(|(operand, seed)| operand.numbers(seed)).collect();
        Ok(Self { graph: graph.gradient(loss, &inputs)?, given })
    }

    fn outputs(&self, given: &[Tensor]) -> Vec<Numbers> {
        let given: Vec<&Tensor> = given.iter().collect();
        let values = oracle::run(&self.graph, &Parameters::new(), &given).unwrap();
        self.graph.outputs().iter().map(|output| values[output.value.index()].clone()).collect()
    }

    /// How far one operand's gradient is from what the loss does, as a share of the sum's terms.
    fn error(&self, at: usize, along: Along) -> f64 {
        let step = if along == Along::Line { 1.0 } else { STEP };
        let shape = self.given[at].shape();
        // Eighths, which the numbers have room for.
        let direction: Vec<f32> =
            seeded::numbers(99, shape.len()).iter().map(|number| (8.0 * number).round() / 8.0).collect();
        let loss = |step: f32| {
            let mut given = self.given.clone();
            let moved = given[at].values_mut().iter_mut().zip(&direction);
            moved.for_each(|(number, towards)| *number += step * towards);
            self.outputs(&given)[0].at(0, 0, 0, 0)
        };
        let found = (loss(step) - loss(-step)) / (2.0 * f64::from(step));
        let gradient = &self.outputs(&self.given)[1 + at];
        assert_eq!(gradient.shape(), shape, "a gradient of its value's shape");
        let terms: Vec<f64> =
            gradient.values().iter().zip(&direction).map(|(g, v)| g * f64::from(*v)).collect();
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        (found - terms.iter().sum::<f64>()).abs() / size.max(f64::MIN_POSITIVE)
    }
}

/// `Σ c · x`, one number.
fn weighted_sum(b: &mut Builder, x: Value, seed: u64) -> Result<Value, Error> {
    let weights = b.constant("weights", seeded::noise(b.shape(x), seed))?;
    let product = b.multiply("product", x, weights)?;
    sum(b, product)
}

fn sum(b: &mut Builder, x: Value) -> Result<Value, Error> {
    b.append("sum", Op::Training(TrainingOperation::Sum(Axes::ALL)), &[x])
}

#[test]
fn every_rule_says_what_the_loss_does() {
    let mut wrong = Vec::new();
    for case in cases::all() {
        let trial = Trial::new(&case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let moved = case.operands.iter().enumerate().filter(|(_, operand)| operand.along != Along::Nothing);
        for (at, Operand { along, .. }) in moved {
            let tolerance = if *along == Along::Line { 1e-10 } else { 1e-6 };
            let error = trial.error(at, *along);
            if error.is_nan() || error > tolerance {
                wrong.push(format!("{}, operand {at}: {error:e}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} operands' gradients are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The outputs of every case that an engine makes otherwise than the oracle: by more than this, as a share of the largest.
fn others(run: impl Fn(&Trial) -> Result<Vec<Tensor>, Error>) -> Vec<String> {
    let mut wrong = Vec::new();
    let asked = std::env::var("SPARSR_CASE").unwrap_or_default();
    for case in cases::all().into_iter().filter(|case| case.name.contains(&asked)) {
        let trial = Trial::new(&case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let found = run(&trial).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for (at, (found, expected)) in found.iter().zip(trial.outputs(&trial.given)).enumerate() {
            assert_eq!(found.shape(), expected.shape(), "{}", case.name);
            // The loss is a sum of numbers around one, of either sign.
            let largest = expected.values().iter().fold(1.0_f64, |largest, number| largest.max(number.abs()));
            let numbers = found.values().iter().zip(expected.values());
            let errors = numbers.map(|(a, b)| (f64::from(*a) - b).abs() / largest);
            let error =
                errors.fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst });
            if error.is_nan() || error > 1e-5 {
                wrong.push(format!("{}, output {at}: {error:e}", case.name));
            }
        }
    }
    wrong
}

#[test]
fn the_cpu_engine_says_the_same() {
    let wrong = others(|trial| {
        let given: Vec<&Tensor> = trial.given.iter().collect();
        cpu::run_all(&trial.graph, &Parameters::new(), &given, &mut cpu::Buffers::default())
    });
    assert!(wrong.is_empty(), "{} outputs are others:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_kernels_say_the_same() {
    let Some(gpu) = adapter::gpu("gradients by kernels") else { return };
    for algorithm in [Algorithm::Auto, Algorithm::Winograd] {
        let wrong = others(|trial| {
            let given: Vec<&Tensor> = trial.given.iter().collect();
            kernels::run(&gpu, &trial.graph, &Parameters::new(), &given, algorithm)
        });
        let wrongs = wrong.len();
        assert!(wrong.is_empty(), "{algorithm:?}: {wrongs} outputs are others:\n{}", wrong.join("\n"));
    }
}

#[test]
fn what_has_no_gradient_says_so_by_name() {
    let picture = Shape::new(2, 4, 8, 7);
    let conv = Op::Conv2d(Conv2d { kernel: 3, stride: 2, padding: 1, groups: 1 });
    let among = sparsr::low_level::graph::Among::Runs { count: 2 };
    let attention = Attention { heads: 1, scale: 1.0, among };
    let masked = MaskedConv2d { kernel: 3, dense_inputs: 2, dense_outputs: 1 };
    let training = |op| Op::Training(op);
    let weights = [picture, Shape::new(4, 4, 3, 3)];
    let (logits, qkv) = (Shape::new(1, 5, 3, 2), picture.with_channels(12));
    for (op, shapes, name) in [
        (conv, &weights[..], "conv2d"), // 8 rows have a remainder, 7 columns have none
        (Op::MaskedConv2d(masked), &[picture, picture.with_channels(1), weights[1]], "masked_conv2d"),
        (Op::AveragePool(AveragePool { size: 3 }), &[picture], "average_pool"),
        (Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor: 2 }), &[picture], "adaptive_max_pool"),
        (Op::Binary(Binary { kind: BinaryKind::Add }), &[picture, picture.with_size(1, 7)], "add"),
        (Op::Weight(WeightOperation::ChannelOrder { layer: 0, dense: 2 }), &[logits], "channel_order"),
        (
            Op::Weight(WeightOperation::Reorder),
            &[weights[1], Shape::new(1, 2, 1, 1), Shape::new(1, 3, 1, 1)],
            "reorder",
        ),
        (
            Op::Weight(WeightOperation::ChannelLogitGradient { layer: 0, layers: 2 }),
            &[Shape::new(1, 5, 1, 1)],
            "channel_logit_gradient",
        ),
        (Op::Weight(WeightOperation::Norm), &[weights[1], Shape::new(2, 2, 1, 1)], "weight_norm"),
        (training(TrainingOperation::LossGradient(Loss::L1)), &[picture, picture, NUMBER], "loss_gradient"),
        (
            training(TrainingOperation::Conv2dWeightGradient(Conv2d::same(3))),
            &[picture, picture],
            "conv2d_weight_gradient",
        ),
        (
            training(TrainingOperation::ActivationGradient(Activation::Relu)),
            &[picture, picture],
            "activation_gradient",
        ),
        (
            training(TrainingOperation::LayerNormGradient { epsilon: 1.0 }),
            &[picture, picture, Shape::new(1, 4, 1, 1)],
            "layer_norm_gradient",
        ),
        (
            training(TrainingOperation::ResizeGradient {
                kind: sparsr::low_level::graph::ResizeKind::Bicubic,
                height: 4,
                width: 4,
            }),
            &[picture],
            "resize_gradient",
        ),
        (training(TrainingOperation::AttentionGradient(attention)), &[qkv, picture], "attention_gradient"),
    ] {
        let operands = shapes.iter().map(|shape| Operand::of(*shape, Along::Line)).collect();
        let case = Case { name: name.into(), op, operands };
        let error = Trial::new(&case).err().unwrap_or_else(|| panic!("{name} has a gradient"));
        let expected =
            format!("operator: {name} of this form has no gradient; this network cannot be trained");
        assert!(matches!(&error, Error::Unsupported(found) if *found == expected), "{error}");
    }
}

/// A picture and its loss `Σ x²`, made of a product of a value by itself.
fn squares() -> (Builder, [Value; 2]) {
    let (mut b, x) = Builder::new("squares", Shape::new(1, 1, 1, 2), 1.0);
    let product = b.multiply("product", x, x).unwrap();
    let loss = sum(&mut b, product).unwrap();
    (b, [x, loss])
}

#[test]
fn what_one_node_reads_twice_gets_both_parts() {
    let (b, [x, loss]) = squares();
    let (graph, _) = b.finish(loss).unwrap();
    let graph = graph.gradient(loss, &[x, loss]).unwrap();
    let picture = Tensor::new(Shape::new(1, 1, 1, 2), vec![3.0, -5.0]);
    let values = oracle::run(&graph, &Parameters::new(), &[&picture]).unwrap();
    let outputs: Vec<(&str, &[f64])> =
        graph.outputs().iter().map(|output| (&*output.name, values[output.value.index()].values())).collect();
    assert_eq!(outputs, [("output", &[34.0][..]), ("input", &[6.0, -10.0]), ("sum", &[1.0])]);
}

#[test]
fn a_value_that_the_loss_does_not_hang_on_has_zeros() {
    let (mut b, [x, loss]) = squares();
    let beside = b.relu("beside", x).unwrap();
    let (graph, _) = b.finish(loss).unwrap();
    let graph = graph.gradient(loss, &[beside]).unwrap();
    let picture = Tensor::new(Shape::new(1, 1, 1, 2), vec![3.0, -5.0]);
    let values = oracle::run(&graph, &Parameters::new(), &[&picture]).unwrap();
    assert_eq!(values[graph.outputs()[1].value.index()].values(), [0.0, 0.0]);
}

#[test]
fn a_loss_of_many_numbers_is_refused() {
    let (b, [x, loss]) = squares();
    let (graph, _) = b.finish(loss).unwrap();
    let error = graph.gradient(x, &[x]).unwrap_err().to_string();
    assert_eq!(error, "input: expected a loss of one number, found 1x1x1x2");
}

#[test]
fn what_no_asked_value_needs_is_not_made() {
    let (picture, weight) = (Shape::new(1, 2, 5, 5), Shape::new(2, 2, 3, 3));
    let (mut b, x) = Builder::new("two convolutions", picture, 1.0);
    let weights = [0; 2].map(|_| b.append("weight", Op::Input(Input { shape: weight }), &[]).unwrap());
    let first = b.conv2d("first", x, weights[0], Conv2d::same(3)).unwrap();
    let second = b.conv2d("second", first, weights[1], Conv2d::same(3)).unwrap();
    let loss = sum(&mut b, second).unwrap();
    let (graph, _) = b.finish(loss).unwrap();
    let count = |wrt: &[Value]| {
        let graph = graph.gradient(loss, wrt).unwrap();
        let names = graph.nodes().iter().map(|node| node.op.operator().name());
        let names: Vec<&str> = names.collect();
        ["flip", "conv2d_weight_gradient", "conv2d"]
            .map(|name| names.iter().filter(|it| **it == name).count())
    };
    assert_eq!(count(&weights[1..]), [0, 1, 2], "the last weight: no way further back");
    assert_eq!(count(&weights), [1, 2, 3], "both weights: back to the first, not to the picture");
    assert_eq!(count(&[x]), [2, 0, 4], "the picture");
}
