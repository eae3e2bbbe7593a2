//! The CPU engine: runs a graph node by node, as its operators' documentation says it.
//!
//! It is the way to run where there is no GPU; `oracle` says what is right. So:
//!
//! - Nothing is shared with kernels and plans: a mistake there cannot hide here.
//! - Results do not depend on the number of threads. Work is cut by shape alone, every number is
//!   written by one thread, and sums run in a fixed order.
//! - Results do not depend on where a pixel lies, nor on the picture's size, to the last bit. The order of a
//!   sum and the way that it is taken follow from the layer alone. So a piece that is cut out of a picture
//!   and run alone makes the whole picture's numbers, but for those that look across the cut (`pieces` tests
//!   it). That holds for every operator but the global pools, which look at everything, and for
//!   pieces that begin at multiples of what a pool or a stride joins.
//! - Nor do they depend on which values the caller keeps.
//! - NaN goes through every operator, as in PyTorch.
//! - A value is freed after its last use, so memory follows the graph's width and not its length; [`Buffers`] keep
//!   what is freed for the values of the next run too.
//!
//! Processors have different instructions, which round differently: results do depend on the kind of processor. What it
//! has is found at run time: AVX-512, AVX2 with FMA, NEON, or nothing that is used ([`vectors()`]; tests leave some out
//! by the variable `SPARSR_WITHOUT`).
//!
//! Values lie pixel by pixel (`map`). What goes through a value number by number, activations and sums, is done to what
//! a convolution makes before it leaves the cache (`expression`, and `order`, which finds what can be). One file an
//! operator; convolutions are products that read their patches where they lie (`layer`).

mod activation;
mod attention;
mod attention_gradient;
mod binary;
mod buffers;
mod concat;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod expression;
mod layer;
mod layer_norm;
mod layer_norm_gradient;
mod loss;
mod map;
mod masked_conv2d;
mod max_pool_gradient;
mod order;
#[cfg(test)]
mod pieces;
mod pixel_shuffle;
mod pool;
mod product;
mod resize;
mod resize_gradient;
mod slice;
mod spatial_mask;
mod sum;
#[cfg(test)]
mod testing;
mod unfold;
mod vectors;
mod weight;
mod window;

use std::collections::HashMap;

pub use buffers::Buffers;
pub use vectors::vectors;

use self::binary::Combination;
use self::expression::Expression;
use self::layer::{Weight, Weights};
use self::map::Map;
use self::order::Order;
use crate::error::{Error, Result};
use crate::graph::{Binary, Graph, Node, Op, Parameters, TrainingOperation, Value};
use crate::tensor::{Parameter, Shape, Tensor, packed_len};

/// Runs the graph, which is folded ([`Graph::check_folded`]), by the numbers of its parameters; returns the output.
pub fn run(graph: &Graph, parameters: &Parameters, input: &Tensor) -> Result<Tensor> {
    run_keeping(graph, parameters, input, &[]).map(|(output, _)| output)
}

/// Runs the graph and returns every value, in the graph's order.
pub fn run_traced(graph: &Graph, parameters: &Parameters, input: &Tensor) -> Result<Vec<Tensor>> {
    let all: Vec<Value> = graph.values().map(|(value, _)| value).collect();
    run_keeping(graph, parameters, input, &all).map(|(_, values)| values)
}

/// Runs the graph; returns the output and the values that `keep` names, in that order. Every other value
/// is freed after its last use.
pub fn run_keeping(
    graph: &Graph,
    parameters: &Parameters,
    input: &Tensor,
    keep: &[Value],
) -> Result<(Tensor, Vec<Tensor>)> {
    let part = Part { picture: Some(input), given: &[], keep, makes_picture: true };
    let (output, kept) = run_with(graph, parameters, part, &mut Buffers::default(), Map::to_tensor)?;
    Ok((output.expect("asked for"), kept))
}

/// What goes into a graph that is a part of another, and what is wanted of it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The picture, if the part reads it.
    pub picture: Option<&'a Tensor>,
    /// What each of [`Graph::given`] is, packed as [`crate::tensor::pack`] says.
    pub given: &'a [Vec<f32>],
    /// The values that are wanted, packed.
    pub keep: &'a [Value],
    /// Whether the output is wanted.
    pub makes_picture: bool,
}

/// [`run_keeping`] for a part of a graph. Whoever runs it again lends the same buffers.
pub fn run_part(
    graph: &Graph,
    parameters: &Parameters,
    part: Part<'_>,
    buffers: &mut Buffers,
) -> Result<(Option<Tensor>, Vec<Vec<f32>>)> {
    run_with(graph, parameters, part, buffers, Map::to_packed)
}

/// All outputs of a graph that need not be folded: that of a network in training, and its gradient. `inputs` are the
/// picture and what [`Graph::given`] names. Whoever runs it again lends the same buffers.
pub fn run_all(
    graph: &Graph,
    parameters: &Parameters,
    inputs: &[&Tensor],
    buffers: &mut Buffers,
) -> Result<Vec<Tensor>> {
    vectors()?;
    check_runs(graph)?;
    let keep: Vec<Value> = graph.outputs().iter().map(|output| output.value).collect();
    let mut inputs = inputs.iter();
    let mut held = Held::new(graph, parameters, &keep, buffers);
    for (value, node) in graph.values() {
        if matches!(node.op, Op::Input(_)) {
            let found = inputs.next().filter(|input| input.shape() == node.shape);
            let refused = || Error::shape(&node.name, format!("expected an input of {}", node.shape));
            let found = found.ok_or_else(refused)?;
            held.put(value, |map| map.read(found));
        } else {
            held.make_any(value);
        }
    }
    Ok(keep.iter().map(|value| held.take(*value, Map::to_tensor)).collect())
}

/// Whether every second operand is repeated in a way that the engine knows.
fn check_runs(graph: &Graph) -> Result<()> {
    for node in graph.nodes().iter().filter(|node| matches!(node.op, Op::Binary(_))) {
        let [a, b] = [0, 1].map(|at| graph.node(node.inputs[at]).shape);
        if !binary::is_repeated(a, b) {
            let reason =
                format!("{}: {b} beside {a} is repeated in a way that engines do not know", node.name);
            return Err(Error::Unsupported(reason));
        }
    }
    Ok(())
}

fn run_with<T>(
    graph: &Graph,
    parameters: &Parameters,
    part: Part<'_>,
    buffers: &mut Buffers,
    kept: impl Fn(&Map) -> T,
) -> Result<(Option<Tensor>, Vec<T>)> {
    let Part { picture, given, keep, makes_picture } = part;
    graph.check_folded()?;
    vectors()?;
    check(graph, picture, given)?;
    let mut given = given.iter();
    let mut held = Held::new(graph, parameters, keep, buffers);
    for (value, node) in graph.values() {
        match (&node.op, picture) {
            (Op::Input(_), Some(picture)) if value == graph.input() => {
                held.put(value, |map| map.read(picture));
            }
            (Op::Input(_), None) if value == graph.input() => {} // nothing reads it
            (Op::Input(_), _) => {
                let packed = given.next().expect("checked");
                held.put(value, |map| map.read_packed(packed));
            }
            _ => held.make_any(value),
        }
    }
    let kept = keep.iter().map(|value| held.take(*value, &kept)).collect();
    let output = makes_picture.then(|| held.get(graph.output()).to_tensor());
    held.release(graph.output());
    Ok((output, kept))
}

/// A parameter as activations are.
fn as_tensor(numbers: &Parameter, shape: Shape) -> Tensor {
    Tensor::new(shape, numbers.values().to_vec())
}

/// Whether there is a number for each of the inputs' numbers.
fn check(graph: &Graph, picture: Option<&Tensor>, given: &[Vec<f32>]) -> Result<()> {
    let refused = |node: &Node, found: String| {
        Err(Error::shape(&node.name, format!("expected an input of {}, found {found}", node.shape)))
    };
    let input = graph.node(graph.input());
    if let Some(picture) = picture.filter(|picture| picture.shape() != input.shape) {
        return refused(input, picture.shape().to_string());
    }
    let mut given = given.iter();
    for node in graph.given().map(|value| graph.node(value)) {
        match given.next() {
            Some(packed) if packed.len() == packed_len(node.shape) => {}
            Some(packed) => return refused(node, format!("{} packed numbers", packed.len())),
            None => return refused(node, "nothing".into()),
        }
    }
    Ok(())
}

/// The most numbers that [`run_part`] holds at once.
pub fn largest_len(graph: &Graph, keep: &[Value]) -> usize {
    Order::new(graph, keep).largest_len(graph)
}

/// The values that are still needed, of those that lie in memory.
struct Held<'a> {
    graph: &'a Graph,
    parameters: &'a Parameters,
    order: Order,
    maps: HashMap<Value, Map>,
    buffers: &'a mut Buffers,
}

impl<'a> Held<'a> {
    fn new(graph: &'a Graph, parameters: &'a Parameters, keep: &[Value], buffers: &'a mut Buffers) -> Self {
        Self { graph, parameters, order: Order::new(graph, keep), maps: HashMap::new(), buffers }
    }

    /// Makes a value that is no input, if it is needed.
    fn make_any(&mut self, value: Value) {
        match &self.graph.node(value).op {
            Op::Constant(op) => self.put(value, |map| map.read(&op.numbers)),
            Op::Parameter(op) => {
                let numbers = as_tensor(self.parameters.get(op.id), op.shape);
                self.put(value, |map| map.read(&numbers));
            }
            _ => self.make(value),
        }
    }

    /// Holds what is given, if it is needed.
    fn put(&mut self, value: Value, read: impl Fn(&mut Map)) {
        if self.order.is_made(value) {
            let mut map = self.buffers.map(self.graph.node(value).shape);
            read(&mut map);
            self.maps.insert(value, map);
        }
    }

    /// Makes a value, if it is needed and not made with its reader.
    fn make(&mut self, value: Value) {
        if self.order.is_made(value) {
            let mut made = self.buffers.map(self.graph.node(value).shape);
            match &self.graph.node(value).op {
                Op::Training(TrainingOperation::Conv2dWeightGradient(op)) => {
                    let inputs = &self.graph.node(value).inputs;
                    let [x, g] = [inputs[0], inputs[1]].map(|input| self.graph.node(input).shape);
                    let mut sums = self.buffers.map(conv2d_weight_gradient::scratch(op, x, g));
                    let [x, g] = [inputs[0], inputs[1]].map(|input| self.get(input));
                    conv2d_weight_gradient::conv2d_weight_gradient(op, x, g, &mut sums, &mut made);
                    self.buffers.give_back(sums);
                }
                _ => self.evaluate(value, &mut made),
            }
            self.maps.insert(value, made);
            self.order.reads(self.graph, value).into_iter().for_each(|read| self.release(read));
        }
    }

    /// Writes what the value's node makes of its inputs.
    fn evaluate(&self, value: Value, y: &mut Map) {
        let node = self.graph.node(value);
        let x = || self.get(node.inputs[0]);
        match &node.op {
            Op::Input(_) | Op::Constant(_) | Op::Parameter(_) => unreachable!("given, not computed"),
            Op::Weight(op) => weight::weight(op, &self.all(&node.inputs), y),
            Op::Training(op) => self.train(op, value, y),
            Op::Conv2d(_) | Op::MaskedConv2d(_) | Op::Activation(_) | Op::Binary(_) => {
                self.expression(value).evaluate(y);
            }
            Op::ConvTranspose2d(op) => {
                conv_transpose2d::conv_transpose2d(op, self.weights(&node.inputs[1..]), x(), y)
            }
            Op::Concat(_) => concat::concat(&self.all(&node.inputs), y),
            Op::Slice(op) => slice::slice(op, x(), y),
            Op::AveragePool(op) => pool::average_pool(op, x(), y),
            Op::MaxPool(op) => pool::max_pool(op, x(), y),
            Op::AdaptiveMaxPool(op) => pool::adaptive_max_pool(op, x(), y),
            Op::GlobalPool(op) => pool::global_pool(op, x(), y),
            Op::PixelShuffle(op) => pixel_shuffle::pixel_shuffle(op, x(), y),
            Op::PixelUnshuffle(op) => pixel_shuffle::pixel_unshuffle(op, x(), y),
            Op::Resize(op) => resize::resize(op, x(), y),
            Op::ResizeTo(op) => resize::resize_to(op, x(), y),
            Op::LayerNorm(op) => {
                layer_norm::layer_norm(op, [1, 2].map(|at| self.numbers(node.inputs[at])), x(), y)
            }
            Op::Attention(op) => {
                attention::attention(op, node.inputs.get(1).map_or(&[], |table| self.numbers(*table)), x(), y)
            }
            Op::Unfold(op) => unfold::unfold(op, x(), y),
            Op::Fold(op) => unfold::fold(op, x(), y),
            Op::SpatialMask(_) => spatial_mask::spatial_mask(x(), y),
        }
    }

    /// The same of a node that only training has.
    fn train(&self, op: &TrainingOperation, value: Value, y: &mut Map) {
        let inputs = &self.graph.node(value).inputs;
        let at = |input: usize| self.get(inputs[input]);
        match op {
            TrainingOperation::Loss(op) => loss::loss(*op, at(0), at(1), y),
            TrainingOperation::Sum(axes) => sum::sum(*axes, at(0), y),
            TrainingOperation::Broadcast { .. } => sum::broadcast(at(0), y),
            TrainingOperation::PadChannels { before, .. } => sum::pad_channels(*before, at(0), y),
            TrainingOperation::ActivationGradient(_) | TrainingOperation::LossGradient(_) => {
                self.expression(value).evaluate(y);
            }
            TrainingOperation::Conv2dWeightGradient(_) => unreachable!("made with memory for its sums"),
            TrainingOperation::MaxPoolGradient(op) => {
                max_pool_gradient::max_pool_gradient(op, at(0), at(1), y)
            }
            TrainingOperation::ResizeGradient { kind, .. } => {
                resize_gradient::resize_gradient(*kind, at(0), y)
            }
            TrainingOperation::LayerNormGradient { epsilon } => {
                layer_norm_gradient::layer_norm_gradient(*epsilon, self.numbers(inputs[2]), at(0), at(1), y)
            }
            TrainingOperation::AttentionGradient(op) => {
                let table = inputs.get(2).map_or(&[][..], |table| self.numbers(*table));
                attention_gradient::attention_gradient(op, table, at(0), at(1), y)
            }
            TrainingOperation::AttentionTableGradient(op) => {
                let table = self.numbers(inputs[2]);
                attention_gradient::attention_table_gradient(op, table, at(0), at(1), y)
            }
        }
    }

    /// A node that is made unit by unit, with the nodes before it that are made on the way.
    fn expression(&self, value: Value) -> Expression<'_> {
        let Node { op, inputs, shape, .. } = self.graph.node(value);
        let operand = |input: Value| match self.order.is_with_reader(input) {
            true => self.expression(input),
            false => Expression::Read(self.get(input)),
        };
        match op {
            Op::Conv2d(op) if self.order.is_with_reader(inputs[0]) => {
                let concatenated = self.all(&self.graph.node(inputs[0]).inputs);
                let weights = self.weights(&inputs[1..]);
                Expression::Convolution(conv2d::Convolution::new(op, weights, concatenated, *shape))
            }
            Op::Conv2d(op) => {
                let (x, weights) = (self.get(inputs[0]), self.weights(&inputs[1..]));
                Expression::Convolution(conv2d::Convolution::new(op, weights, vec![x], *shape))
            }
            Op::MaskedConv2d(op) => {
                let [x, mask] = [inputs[0], inputs[1]].map(|input| self.get(input));
                Expression::Masked(masked_conv2d::MaskedConvolution::new(
                    op,
                    self.weights(&inputs[2..]),
                    x,
                    mask,
                ))
            }
            Op::Activation(op) => {
                let slopes = inputs.get(1).map_or(&[][..], |slopes| self.numbers(*slopes));
                Expression::Activated(op, slopes, Box::new(operand(inputs[0])))
            }
            Op::Binary(Binary { kind }) => Expression::Combined(
                Combination::Binary(*kind),
                Box::new([inputs[0], inputs[1]].map(operand)),
            ),
            Op::Training(TrainingOperation::ActivationGradient(op)) => {
                let slopes = inputs.get(2).map_or(&[][..], |slopes| self.numbers(*slopes));
                let combination = Combination::ActivationGradient(op, slopes);
                Expression::Combined(combination, Box::new([inputs[0], inputs[1]].map(operand)))
            }
            Op::Training(TrainingOperation::LossGradient(loss)) => {
                let factor = self.get(inputs[2]).values()[0] / shape.len() as f32;
                let combination = Combination::LossGradient(*loss, factor);
                Expression::Combined(combination, Box::new([inputs[0], inputs[1]].map(operand)))
            }
            _ => unreachable!("not made unit by unit"),
        }
    }

    /// A weight and, if there is one, a bias.
    fn weights(&self, values: &[Value]) -> Weights<'_> {
        let weight = match self.graph.parameter(values[0]) {
            Some((id, start)) => Weight::of_parameter(self.parameters.get(id), start),
            None => Weight::of_map(self.get(values[0])),
        };
        Weights { weight, bias: values.get(1).map(|bias| self.numbers(*bias)) }
    }

    /// Those of a value along one of its axes, or two: they have the same order everywhere.
    fn numbers(&self, value: Value) -> &[f32] {
        match self.graph.parameter(value) {
            Some((id, start)) => &self.parameters.get(id).values()[start..],
            None => self.get(value).values(),
        }
    }

    fn all(&self, values: &[Value]) -> Vec<&Map> {
        values.iter().map(|value| self.get(*value)).collect()
    }

    fn get(&self, value: Value) -> &Map {
        self.maps.get(&value).expect("a value is held until its last use")
    }

    fn release(&mut self, value: Value) {
        if self.order.is_last_read(value) {
            self.buffers.give_back(self.maps.remove(&value).expect("a value is held until its last use"));
        }
    }

    /// A use that wants the numbers in another order.
    fn take<T>(&mut self, value: Value, ordered: impl Fn(&Map) -> T) -> T {
        let taken = ordered(self.get(value));
        self.release(value);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Constant, Conv2d, MaskedConv2d};
    use crate::tensor::Shape;

    const SHAPE: Shape = Shape::new(1, 1, 1, 3);

    fn picture() -> Tensor {
        Tensor::new(SHAPE, vec![-1.0, 0.0, 2.0])
    }

    /// A convolution of `[out, in, kernel]` that keeps the size.
    fn conv(b: &mut Builder, name: &str, x: Value, [out, inputs, kernel]: [usize; 3], seed: u64) -> Value {
        let numbers = testing::parameter([out, inputs, kernel, kernel], seed);
        let weight = b.parameter(format!("{name}.weight"), &numbers).unwrap();
        b.conv2d(name, x, weight, Conv2d::same(kernel)).unwrap()
    }

    /// relu(x) + relu(relu(x)), with a node that nobody reads.
    fn diamond() -> (Graph, Parameters, [Value; 4]) {
        let (mut b, x) = Builder::new("diamond", SHAPE, 1.0);
        let once = b.relu("once", x).unwrap();
        b.add("unread", x, x).unwrap();
        let twice = b.relu("twice", once).unwrap();
        let sum = b.add("sum", once, twice).unwrap();
        let (graph, parameters) = b.finish(sum);
        (graph, parameters, [x, once, twice, sum])
    }

    #[test]
    fn a_value_read_twice_is_still_there_the_second_time() {
        let (graph, parameters, _) = diamond();
        assert_eq!(run(&graph, &parameters, &picture()).unwrap().values(), [0.0, 0.0, 4.0]);
    }

    #[test]
    fn kept_values_come_in_the_order_asked_for_and_as_often() {
        let (graph, parameters, [x, once, _, sum]) = diamond();
        let (output, kept) = run_keeping(&graph, &parameters, &picture(), &[sum, x, once, x]).unwrap();
        assert_eq!(kept[0], output);
        assert_eq!(kept[1], picture());
        assert_eq!(kept[2].values(), [0.0, 0.0, 2.0]);
        assert_eq!(kept[3], picture());
    }

    #[test]
    fn a_trace_has_every_value_even_the_unread() {
        let (graph, parameters, _) = diamond();
        let trace = run_traced(&graph, &parameters, &picture()).unwrap();
        assert_eq!(trace.len(), 5);
        assert_eq!(trace[2].values(), [-2.0, 0.0, 4.0]);
    }

    #[test]
    fn only_values_with_uses_left_are_held() {
        let (graph, parameters, [x, once, twice, _]) = diamond();
        let mut buffers = Buffers::default();
        let order = Order::new(&graph, &[once]);
        let (graph, parameters, maps) = (&graph, &parameters, HashMap::new());
        let mut held = Held { graph, parameters, order, maps, buffers: &mut buffers };
        held.put(x, |map| map.read(&picture()));
        for (value, expected) in graph.values().skip(1).zip([vec![once], vec![once], vec![once], vec![once]])
        {
            held.make(value.0);
            let mut found: Vec<Value> = held.maps.keys().copied().collect();
            found.retain(|value| *value != graph.output());
            assert_eq!(found, expected, "{value:?}");
        }
        assert!(!held.maps.contains_key(&twice), "made with the sum");
    }

    #[test]
    fn numbers_do_not_depend_on_what_is_kept() {
        let shape = Shape::new(1, 8, 23, 31);
        let (mut b, x) = Builder::new("convolutions", shape, 1.0);
        let once = conv(&mut b, "once", x, [8, 8, 3], 1);
        let twice = conv(&mut b, "twice", x, [8, 8, 3], 2);
        let product = b.multiply("product", once, twice).unwrap();
        let subtract = Op::Binary(crate::graph::Binary { kind: crate::graph::BinaryKind::Subtract });
        let difference = b.append("difference", subtract, &[x, product]).unwrap();
        let both = b.concat("both", &[difference, x]).unwrap();
        let output = conv(&mut b, "output", both, [8, 16, 3], 3);
        let (graph, parameters) = b.finish(output);
        let picture = testing::noise(shape, 4);
        let expected = run(&graph, &parameters, &picture).unwrap();
        assert_eq!(run_traced(&graph, &parameters, &picture).unwrap().pop(), Some(expected));
    }

    #[test]
    fn the_input_may_be_the_output_and_a_constant_may_stand_for_a_node() {
        let (b, x) = Builder::new("identity", SHAPE, 1.0);
        let (graph, parameters) = b.finish(x);
        assert_eq!(run(&graph, &parameters, &picture()).unwrap(), picture());

        let (graph, parameters, [_, once, ..]) = diamond();
        let ones = Tensor::new(SHAPE, vec![1.0; 3]);
        let output = run(&graph.with_constant(once, ones), &parameters, &picture()).unwrap();
        assert_eq!(output.values(), [2.0, 2.0, 2.0]);

        let (mut b, _) = Builder::new("constant", SHAPE, 1.0);
        let value = b.append("numbers", Op::Constant(Constant::new(picture())), &[]).unwrap();
        let (graph, parameters) = b.finish(value);
        assert_eq!(run(&graph, &parameters, &Tensor::zeros(SHAPE)).unwrap(), picture());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let shape = Shape::new(2, 8, 45, 61);
        let (mut b, x) = Builder::new("convolutions", shape, 1.0);
        let once = conv(&mut b, "once", x, [8, 8, 3], 1);
        let logits = conv(&mut b, "logits", once, [2, 8, 1], 2);
        let mask = b.spatial_mask("mask", logits).unwrap();
        let weight = b.parameter("once.weight", &testing::parameter([8, 8, 3, 3], 1)).unwrap();
        let masked = MaskedConv2d { kernel: 3, dense_inputs: 3, dense_outputs: 5 };
        let output = b.masked_conv2d("masked", once, mask, weight, masked).unwrap();
        let ((graph, parameters), picture) = (b.finish(output), testing::noise(shape, 3));

        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&graph, &parameters, &picture).unwrap())
        };
        let alone = on(1);
        assert!([2, 3, 8].into_iter().all(|threads| on(threads) == alone));
    }

    #[test]
    fn a_picture_of_another_shape_is_refused_by_both_shapes() {
        let (graph, parameters, _) = diamond();
        let error = run(&graph, &parameters, &Tensor::zeros(Shape::new(1, 1, 2, 3))).unwrap_err();
        assert_eq!(error.to_string(), "input: expected an input of 1x1x1x3, found 1x1x2x3");
    }
}
