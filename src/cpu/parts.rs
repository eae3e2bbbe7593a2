//! A batch that is gone through in parts, each by a run of its own.
//!
//! - Values into which nothing goes that is one part's alone, such as weights that are computed, are made once for all
//!   parts; so is the order in which kernels read weights.
//! - Wanted are means over parts. What is linear in gradients of weights is made once, of their means.

use rayon::prelude::*;

use super::buffers::Pool;
use super::check_runs;
use super::held::Held;
use super::order::Order;
use crate::error::Result;
use crate::graph::{
    Binary, BinaryKind, Graph, Node, Op, Parameters, TrainingOperation, Value, WeightOperation,
};
use crate::tensor::Tensor;

/// When a value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the parts, for all of them.
    Common,
    /// By every part.
    Own,
    /// Behind the parts, of means over them.
    Mean,
}

/// The means over parts of what [`run_all`](super::run_all) makes of the inputs of each. An input that is the same tensor
/// in all parts is common to them.
pub fn run_parts(
    graph: &Graph,
    parameters: &Parameters,
    parts: &[Vec<&Tensor>],
    pool: &Pool,
) -> Result<Vec<Tensor>> {
    parts.iter().try_for_each(|part| check_runs(graph, part))?;
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    let stages = stages(graph, parts);
    let order = Order::in_stages(graph, &[], &stages);
    let gathered = gathered(graph, &stages);
    let is = |stage: Stage| {
        let stages = &stages;
        move |value: Value| stages[value.index()] == stage
    };
    pool.with(|buffers| {
        let mut held = Held::new(graph, parameters, order.clone(), buffers).by_tiles();
        held.make_all(first, is(Stage::Common));
        let common = held.into_common(is(Stage::Own));
        let run = |part: &Vec<&Tensor>| {
            pool.with(|buffers| {
                let mut held =
                    Held::new(graph, parameters, order.clone(), buffers).by_tiles().behind(&common);
                held.make_all(part, is(Stage::Own));
                let numbers = |value: &Value| held.take(*value, |map| map.values().to_vec());
                let numbers = gathered.iter().map(numbers).collect();
                held.close();
                numbers
            })
        };
        let means = mean(parts.par_iter().map(run).collect());
        let mut held = Held::new(graph, parameters, order.clone(), buffers).by_tiles().behind(&common);
        gathered.iter().zip(means).for_each(|(value, numbers)| held.give(*value, &numbers));
        held.make_all(first, is(Stage::Mean));
        let outputs = held.take_outputs();
        held.close();
        common.maps.into_values().for_each(|map| buffers.give_back(map));
        Ok(outputs)
    })
}

/// Of every value when it is made.
fn stages(graph: &Graph, parts: &[Vec<&Tensor>]) -> Vec<Stage> {
    let mut inputs = 0..;
    let mut stages: Vec<Stage> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let stage = |at: usize| stages[node.inputs[at].index()];
        let is_common = match node.op {
            Op::Input(_) => {
                let at = inputs.next().unwrap_or_default();
                parts.iter().all(|part| std::ptr::eq(part[at], parts[0][at]))
            }
            _ => (0..node.inputs.len()).all(|at| stage(at) == Stage::Common),
        };
        let are_means =
            (0..node.inputs.len()).all(|at| stage(at) != Stage::Own || is_sum(graph.node(node.inputs[at])));
        let stage = match is_linear(node, |at| stage(at) != Stage::Common) {
            _ if is_common => Stage::Common,
            true if are_means => Stage::Mean,
            _ => Stage::Own,
        };
        stages.push(stage);
    }
    for (value, node) in graph.values().rev() {
        if stages[value.index()] == Stage::Own {
            for input in &node.inputs {
                let stage = &mut stages[input.index()];
                *stage = if *stage == Stage::Mean { Stage::Own } else { *stage };
            }
        }
    }
    stages
}

/// Whether a node adds up what a part's pixels give, and what comes behind may be made of a mean.
fn is_sum(node: &Node) -> bool {
    match &node.op {
        Op::Training(TrainingOperation::Sum(axes)) => axes.pixels,
        Op::Training(op) => {
            matches!(op, TrainingOperation::Conv2dWeightGradient(_) | TrainingOperation::Loss(_))
        }
        _ => false,
    }
}

/// Whether what a node makes of a mean is the mean of what it makes. `is_own` says which of its inputs differ.
fn is_linear(node: &Node, is_own: impl Fn(usize) -> bool) -> bool {
    match &node.op {
        Op::Binary(Binary { kind: BinaryKind::Multiply }) => !(is_own(0) && is_own(1)),
        Op::Binary(Binary { kind: BinaryKind::Divide }) => !is_own(1),
        Op::Binary(_) | Op::Slice(_) | Op::Concat(_) => true,
        Op::Weight(op) => matches!(
            op,
            WeightOperation::Transpose
                | WeightOperation::Flip { .. }
                | WeightOperation::Crop { .. }
                | WeightOperation::ChannelLogitGradient { .. }
        ),
        Op::Training(TrainingOperation::ActivationGradient(_)) => !is_own(0),
        Op::Training(op) => matches!(
            op,
            TrainingOperation::Sum(_)
                | TrainingOperation::Broadcast { .. }
                | TrainingOperation::PadChannels { .. }
        ),
        _ => false,
    }
}

/// What every part gives: what comes out, or goes into what is made of means.
fn gathered(graph: &Graph, stages: &[Stage]) -> Vec<Value> {
    let mut gathered: Vec<bool> = vec![false; stages.len()];
    graph.outputs().iter().for_each(|output| gathered[output.value.index()] = true);
    for (_, node) in graph.values().filter(|(value, _)| stages[value.index()] == Stage::Mean) {
        node.inputs.iter().for_each(|input| gathered[input.index()] = true);
    }
    let is_gathered = |value: &Value| gathered[value.index()] && stages[value.index()] == Stage::Own;
    graph.values().map(|(value, _)| value).filter(is_gathered).collect()
}

/// The mean of each value over all parts, added in their order.
fn mean(parts: Vec<Vec<Vec<f32>>>) -> Vec<Vec<f32>> {
    let share = 1.0 / parts.len() as f32;
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, own) in sums.iter_mut().zip(part) {
            sum.iter_mut().zip(own).for_each(|(sum, number)| *sum += number);
        }
    }
    if share != 1.0 {
        sums.iter_mut().flatten().for_each(|number| *number *= share);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::buffers::Buffers;
    use super::super::run_all;
    use super::super::testing::{assert_close, noise, parameter};
    use super::*;
    use crate::graph::{Axes, Builder, Conv2d, Input};
    use crate::tensor::Shape;

    /// A convolution whose weight hangs on an input that all parts have, made by part; sums over channels and over all; and
    /// the gradient of both factors of the weight.
    #[test]
    fn what_comes_out_is_the_mean_of_runs_alone() {
        for channels in [3, 24] {
            check_means(channels); // by pixels, by tiles
        }
    }

    fn check_means(channels: usize) {
        let (shape, of_rows) = (Shape::new(2, channels, 9, 7), Shape::new(64, 1, 1, 1));
        let (mut b, x) = Builder::new("parts", shape, 1.0);
        let rows = b.append("rows", Op::Input(Input { shape: of_rows }), &[]).unwrap();
        let whole = b.parameter("weight", &parameter([64, channels, 3, 3], 1)).unwrap();
        let weight = b.multiply("scaled", whole, rows).unwrap();
        let conv = b.conv2d("conv", x, weight, Conv2d::same(3)).unwrap();
        let [first, second] = [0, 32].map(|start| b.slice("half", conv, start, 32).unwrap());
        let product = b.multiply("product", first, second).unwrap();
        let sum = |axes| Op::Training(TrainingOperation::Sum(axes));
        let channels = b.append("channels", sum(Axes::CHANNELS), &[product]).unwrap();
        let all = b.append("all", sum(Axes::ALL), &[channels]).unwrap();
        let outputs = [("all", all), ("channels", channels), ("common", weight)];
        let (graph, parameters) = b.finish_all(outputs).unwrap();
        let graph = graph.gradient(all, &[whole, rows]).unwrap();

        let (rows, pictures) = (noise(of_rows, 2), [3, 4, 5].map(|seed| noise(shape, seed)));
        let parts: Vec<Vec<&Tensor>> = pictures.iter().map(|picture| vec![picture, &rows]).collect();
        let alone = |part: &Vec<&Tensor>| {
            let outputs = run_all(&graph, &parameters, part, &mut Buffers::default()).unwrap();
            outputs.into_iter().map(Tensor::into_values).collect()
        };
        let expected = mean(parts.iter().map(alone).collect());
        let (pool, mut blocks) = (Pool::default(), None);
        let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for _ in 0..4 {
            let found = single.install(|| run_parts(&graph, &parameters, &parts, &pool)).unwrap();
            assert_eq!(found.len(), 5);
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let expected = Tensor::new(found.shape(), expected.clone());
                assert_close(found, &expected, &format!("output {at}"));
            }
            let before = blocks.replace(pool.blocks());
            assert!(before.is_none_or(|before| before == pool.blocks()), "{before:?} and {}", pool.blocks());
        }
        assert!(run_parts(&graph, &parameters, &[vec![&rows, &rows]], &pool).is_err());
    }

    /// What a gradient is made of is made where it costs least.
    #[test]
    fn weights_are_made_before_the_parts_and_behind_them() {
        let (mut b, x) = Builder::new("stages", Shape::new(1, 2, 5, 5), 1.0);
        let whole = b.parameter("weight", &parameter([2, 2, 3, 3], 1)).unwrap();
        let two = b.number("two", 2.0).unwrap();
        let weight = b.multiply("twice", whole, two).unwrap();
        let conv = b.conv2d("conv", x, weight, Conv2d::same(3)).unwrap();
        let all = b.append("all", Op::Training(TrainingOperation::Sum(Axes::ALL)), &[conv]).unwrap();
        let graph = b.finish_all([("all", all)]).unwrap().0.gradient(all, &[whole]).unwrap();
        let pictures = [3, 4].map(|seed| noise(graph.node(x).shape, seed));
        let stages = stages(&graph, &pictures.each_ref().map(|picture| vec![picture]));
        let of = |name: &str| stages[graph.find(name).unwrap().index()];
        let found = ["twice", "conv", "conv.gradient", "twice.gradient"].map(of);
        assert_eq!(found, [Stage::Common, Stage::Own, Stage::Own, Stage::Mean]);
        assert_eq!(gathered(&graph, &stages).len(), 2, "the sum and the weight's gradient");
    }
}
