//! The CPU engine: runs a graph node by node, as its operators' documentation says it.
//!
//! It is the oracle that every kernel is tested against, and the way to run where there is no GPU. So:
//!
//! - Nothing is shared with kernels and plans: a mistake there cannot hide here.
//! - Results do not depend on the number of threads. Work is cut by shape alone, every number is
//!   written by one thread, and sums run in a fixed order.
//! - Results do not depend on where a pixel lies, nor on the picture's size, to the last bit. The order of a
//!   sum and the way that it is taken follow from the layer alone. So a piece that is cut out of a picture
//!   and run alone makes the whole picture's numbers, but for those that look across the cut (`pieces` tests
//!   it). That holds for every operator but the global average pool, which looks at everything, and for
//!   pieces that begin at multiples of what a pool or a stride joins.
//! - NaN goes through every operator but the spatial mask, as in PyTorch.
//! - A value is freed after its last use, so memory follows the graph's width and not its length.
//!
//! One file an operator. Convolutions are matrix products in f32 (`product`, on `bands`, `im2col`, `matrix`).

mod activation;
mod attention;
mod bands;
mod binary;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod im2col;
mod layer_norm;
mod masked_conv2d;
mod matrix;
#[cfg(test)]
mod pieces;
mod pixel_shuffle;
mod pool;
mod product;
mod resize;
mod slice;
mod spatial_mask;
#[cfg(test)]
mod testing;
mod unfold;
mod window;

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Op, Value};
use crate::tensor::{Shape, Tensor};

/// Runs the graph; returns the output.
pub fn run(graph: &Graph, input: &Tensor) -> Result<Tensor> {
    run_keeping(graph, input, &[]).map(|(output, _)| output)
}

/// Runs the graph and returns every value, in the graph's order.
pub fn run_traced(graph: &Graph, input: &Tensor) -> Result<Vec<Tensor>> {
    let all: Vec<Value> = graph.values().map(|(value, _)| value).collect();
    run_keeping(graph, input, &all).map(|(_, values)| values)
}

/// Runs the graph; returns the output and the values that `keep` names, in that order. Every other value
/// is freed after its last use.
pub fn run_keeping(graph: &Graph, input: &Tensor, keep: &[Value]) -> Result<(Tensor, Vec<Tensor>)> {
    run_part(graph, Some(input), &[], keep)
}

/// [`run_keeping`] for a graph that is a part of another: it may do without a picture, and values are given to it,
/// in the order of [`Graph::given`].
pub fn run_part(
    graph: &Graph,
    picture: Option<&Tensor>,
    given: &[Tensor],
    keep: &[Value],
) -> Result<(Tensor, Vec<Tensor>)> {
    let own: Vec<Value> = graph.given().collect();
    let mut given: HashMap<Value, &Tensor> = own.iter().copied().zip(given).collect();
    given.extend(picture.map(|picture| (graph.input(), picture)));
    for value in own.into_iter().chain(picture.map(|_| graph.input())) {
        let Node { name, shape, .. } = graph.node(value);
        let found = given.get(&value).map(|tensor| tensor.shape());
        if found != Some(*shape) {
            let found = found.map_or("nothing".into(), |found| found.to_string());
            return Err(Error::shape(name, format!("expected an input of {shape}, found {found}")));
        }
    }
    let mut held = Held::new(graph, keep);
    for (value, node) in graph.values() {
        let inputs: Vec<&Tensor> = node.inputs.iter().map(|input| held.get(*input)).collect();
        let made = match &node.op {
            Op::Input(_) => match given.get(&value) {
                Some(input) => Cow::Borrowed(*input),
                None => continue, // a picture that nothing reads
            },
            _ => evaluate(node, &inputs),
        };
        debug_assert_eq!(made.shape(), node.shape, "{} makes the shape that it was inferred to", node.name);
        node.inputs.iter().for_each(|input| held.release(*input));
        held.put(value, made);
    }
    let kept = keep.iter().map(|value| held.take(*value)).collect();
    Ok((held.take(graph.output()), kept))
}

/// The most numbers that [`run_part`] holds at once.
pub fn largest_len(graph: &Graph, keep: &[Value]) -> usize {
    let mut uses = graph.uses();
    keep.iter().for_each(|value| uses[value.index()] += 1);
    let (mut held, mut largest) = (0, 0);
    for (_, node) in graph.values() {
        held += node.shape.len();
        largest = largest.max(held);
        for input in &node.inputs {
            uses[input.index()] -= 1;
            if uses[input.index()] == 0 {
                held -= graph.node(*input).shape.len();
            }
        }
    }
    largest
}

/// What `node` makes of its inputs.
fn evaluate<'a>(node: &'a Node, inputs: &[&Tensor]) -> Cow<'a, Tensor> {
    let shape = node.shape;
    Cow::Owned(match &node.op {
        Op::Input(_) => unreachable!("an input is given, not computed"),
        Op::Constant(op) => return Cow::Borrowed(&op.numbers),
        Op::Conv2d(op) => conv2d::conv2d(op, inputs[0], shape),
        Op::MaskedConv2d(op) => masked_conv2d::masked_conv2d(op, inputs[0], inputs[1], shape),
        Op::ConvTranspose2d(op) => conv_transpose2d::conv_transpose2d(op, inputs[0], shape),
        Op::Activation(op) => activation::activation(op, inputs[0]),
        Op::Binary(op) => binary::binary(op, inputs[0], inputs[1]),
        Op::Concat(_) => concat::concat(inputs, shape),
        Op::Slice(op) => slice::slice(op, inputs[0], shape),
        Op::AveragePool(op) => pool::average_pool(op, inputs[0], shape),
        Op::MaxPool(op) => pool::max_pool(op, inputs[0], shape),
        Op::AdaptiveMaxPool(op) => pool::adaptive_max_pool(op, inputs[0], shape),
        Op::GlobalPool(op) => pool::global_pool(op, inputs[0], shape),
        Op::PixelShuffle(op) => pixel_shuffle::pixel_shuffle(op, inputs[0], shape),
        Op::PixelUnshuffle(op) => pixel_shuffle::pixel_unshuffle(op, inputs[0], shape),
        Op::Resize(op) => resize::resize(op, inputs[0], shape),
        Op::ResizeTo(op) => resize::resize_to(op, inputs[0], shape),
        Op::LayerNorm(op) => layer_norm::layer_norm(op, inputs[0]),
        Op::Attention(op) => attention::attention(op, inputs[0], shape),
        Op::Unfold(op) => unfold::unfold(op, inputs[0], shape),
        Op::Fold(op) => unfold::fold(op, inputs[0], shape),
        Op::SpatialMask(_) => spatial_mask::spatial_mask(inputs[0], shape),
    })
}

/// The values that are still needed.
struct Held<'a> {
    values: Vec<Option<Cow<'a, Tensor>>>,
    /// Reads still to come: by nodes, by the caller who keeps it, by the graph's output.
    uses: Vec<usize>,
}

impl<'a> Held<'a> {
    fn new(graph: &Graph, keep: &[Value]) -> Self {
        let mut uses = graph.uses();
        keep.iter().for_each(|value| uses[value.index()] += 1);
        Self { values: vec![None; uses.len()], uses }
    }

    fn put(&mut self, value: Value, made: Cow<'a, Tensor>) {
        self.values[value.index()] = (self.uses[value.index()] > 0).then_some(made);
    }

    fn get(&self, value: Value) -> &Tensor {
        self.values[value.index()].as_deref().expect("a value is held until its last use")
    }

    fn release(&mut self, value: Value) {
        self.uses[value.index()] -= 1;
        if self.uses[value.index()] == 0 {
            self.values[value.index()] = None;
        }
    }

    /// A use that wants the tensor itself: moved out if it is the last, otherwise copied.
    fn take(&mut self, value: Value) -> Tensor {
        if self.uses[value.index()] > 1 {
            self.uses[value.index()] -= 1;
            return self.get(value).clone();
        }
        self.values[value.index()].take().expect("a value is held until its last use").into_owned()
    }
}

/// Makes a tensor plane by plane, on all threads: `fill(n, c, plane)` writes one channel of one picture.
fn by_plane(shape: Shape, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Tensor {
    let mut made = Tensor::zeros(shape);
    made.values_mut().par_chunks_mut(shape.pixels().max(1)).enumerate().for_each(|(index, plane)| {
        fill(index / shape.channels, index % shape.channels, plane);
    });
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Constant, Conv2d, MaskedConv2d};

    const SHAPE: Shape = Shape::new(1, 1, 1, 3);

    fn picture() -> Tensor {
        Tensor::new(SHAPE, vec![-1.0, 0.0, 2.0])
    }

    /// relu(x) + relu(relu(x)), with a node that nobody reads.
    fn diamond() -> (Graph, [Value; 4]) {
        let (mut b, x) = Builder::new("diamond", SHAPE, 1.0);
        let once = b.relu("once", x).unwrap();
        b.add("unread", x, x).unwrap();
        let twice = b.relu("twice", once).unwrap();
        let sum = b.add("sum", once, twice).unwrap();
        (b.finish(sum), [x, once, twice, sum])
    }

    #[test]
    fn a_value_read_twice_is_still_there_the_second_time() {
        assert_eq!(run(&diamond().0, &picture()).unwrap().values(), [0.0, 0.0, 4.0]);
    }

    #[test]
    fn kept_values_come_in_the_order_asked_for_and_as_often() {
        let (graph, [x, once, _, sum]) = diamond();
        let (output, kept) = run_keeping(&graph, &picture(), &[sum, x, once, x]).unwrap();
        assert_eq!(kept[0], output);
        assert_eq!(kept[1], picture());
        assert_eq!(kept[2].values(), [0.0, 0.0, 2.0]);
        assert_eq!(kept[3], picture());
    }

    #[test]
    fn a_trace_has_every_value_even_the_unread() {
        let trace = run_traced(&diamond().0, &picture()).unwrap();
        assert_eq!(trace.len(), 5);
        assert_eq!(trace[2].values(), [-2.0, 0.0, 4.0]);
    }

    #[test]
    fn only_values_with_uses_left_are_held() {
        let (graph, [x, once, twice, sum]) = diamond();
        let mut held = Held::new(&graph, &[twice]);
        for value in [x, once, twice, sum] {
            held.put(value, Cow::Owned(picture()));
        }
        for value in [x, x, x, once, once, twice] {
            held.release(value);
        }
        let live: Vec<bool> = held.values.iter().map(Option::is_some).collect();
        assert_eq!(live, [false, false, false, true, true]);
    }

    #[test]
    fn the_input_may_be_the_output_and_a_constant_may_stand_for_a_node() {
        let (b, x) = Builder::new("identity", SHAPE, 1.0);
        assert_eq!(run(&b.finish(x), &picture()).unwrap(), picture());

        let (graph, [_, once, ..]) = diamond();
        let ones = Tensor::new(SHAPE, vec![1.0; 3]);
        let output = run(&graph.with_constant(once, ones), &picture()).unwrap();
        assert_eq!(output.values(), [2.0, 2.0, 2.0]);

        let (mut b, _) = Builder::new("constant", SHAPE, 1.0);
        let value = b.append("numbers", Op::Constant(Constant::new(picture())), &[]).unwrap();
        assert_eq!(run(&b.finish(value), &Tensor::zeros(SHAPE)).unwrap(), picture());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let shape = Shape::new(2, 8, 45, 61);
        let (mut b, x) = Builder::new("convolutions", shape, 1.0);
        let weight = testing::parameter([8, 8, 3, 3], 1);
        let once = b.conv2d("once", x, Conv2d::same(weight.clone(), None)).unwrap();
        let logits = Conv2d::same(testing::parameter([2, 8, 1, 1], 2), None);
        let logits = b.conv2d("logits", once, logits).unwrap();
        let mask = b.spatial_mask("mask", logits).unwrap();
        let masked = MaskedConv2d { weight, bias: None, dense_inputs: 3, dense_outputs: 5 };
        let output = b.masked_conv2d("masked", once, mask, masked).unwrap();
        let (graph, picture) = (b.finish(output), testing::noise(shape, 3));

        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&graph, &picture).unwrap())
        };
        let alone = on(1);
        assert!([2, 3, 8].into_iter().all(|threads| on(threads) == alone));
    }

    #[test]
    fn a_picture_of_another_shape_is_refused_by_both_shapes() {
        let error = run(&diamond().0, &Tensor::zeros(Shape::new(1, 1, 2, 3))).unwrap_err();
        assert_eq!(error.to_string(), "input: expected an input of 1x1x1x3, found 1x1x2x3");
    }
}
