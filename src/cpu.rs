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
//!   pieces that begin at multiples of what a pool or a stride joins. Trainings alone ([`run_all`], [`run_parts`]) make
//!   convolutions by tiles (`winograd`), whose last bits hang on where a pixel lies.
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
mod blur;
mod buffers;
mod canvas;
mod channel_attention;
mod concat;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod exponential;
mod expression;
mod held;
mod layer;
mod layer_norm;
mod layer_norm_gradient;
mod loss;
mod map;
mod masked_conv2d;
mod max_pool_gradient;
mod normal;
mod offsets;
mod order;
mod parts;
#[cfg(test)]
mod pieces;
mod pixel_shuffle;
mod pool;
mod product;
mod queries;
mod resize;
mod resize_gradient;
mod sparse_product;
mod sparsestmax;
mod spatial_mask;
mod sum;
#[cfg(test)]
mod testing;
mod unfold;
mod vectors;
mod weight;
mod window;
mod winograd;
mod winograd_points;
mod winograd_weight_gradient;

pub use buffers::{Buffers, Pool};
pub use parts::run_parts;
pub use vectors::vectors;

use self::held::Held;
use self::map::Map;
use self::order::Order;
use crate::control::Cancel;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Op, Parameters, Value};
use crate::tensor::{Blocks, Shape, Tensor, packed_len};

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
    let cancel = &Cancel::default();
    let blocks = &Blocks::default();
    let part = Part { picture: Some(input), given: &[], keep, makes_picture: true, cancel, blocks };
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
    /// Ends the run, in the middle of an operator too.
    pub cancel: &'a Cancel,
    /// Memory for what is wanted.
    pub blocks: &'a Blocks,
}

/// [`run_keeping`] for a part of a graph. Whoever runs it again lends the same buffers.
pub fn run_part(
    graph: &Graph,
    parameters: &Parameters,
    part: Part<'_>,
    buffers: &mut Buffers,
) -> Result<(Option<Tensor>, Vec<Vec<f32>>)> {
    run_with(graph, parameters, part, buffers, |map| map.to_packed(part.blocks))
}

/// All outputs of a graph that need not be folded: that of a network in training, and its gradient. `inputs` are the
/// picture and what [`Graph::given`] names. Whoever runs it again lends the same buffers.
pub fn run_all(
    graph: &Graph,
    parameters: &Parameters,
    inputs: &[&Tensor],
    buffers: &mut Buffers,
) -> Result<Vec<Tensor>> {
    check_runs(graph, inputs)?;
    graph.check_numbers(parameters)?;
    let mut held = Held::new(graph, parameters, Order::new(graph, &[]), buffers).by_tiles();
    held.make_all(inputs, |_| true);
    Ok(held.take_outputs())
}

/// Whether the engine knows the way in which every second operand is repeated, and there is what goes in.
fn check_runs(graph: &Graph, inputs: &[&Tensor]) -> Result<()> {
    vectors()?;
    let mut inputs = inputs.iter();
    for node in graph.nodes().iter().filter(|node| matches!(node.op, Op::Input(_))) {
        if inputs.next().is_none_or(|input| input.shape() != node.shape) {
            return Err(Error::shape(&node.name, format!("expected an input of {}", node.shape)));
        }
    }
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
    let Part { picture, given, keep, makes_picture, cancel, .. } = part;
    graph.check_folded()?;
    graph.check_numbers(parameters)?;
    vectors()?;
    check(graph, picture, given)?;
    let mut given = given.iter();
    let mut held = Held::new(graph, parameters, Order::new(graph, keep), buffers).unless(cancel);
    for (value, node) in graph.values() {
        cancel.check()?;
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
    cancel.check()?;
    let kept = keep.iter().map(|value| held.take(*value, &kept)).collect();
    let output = makes_picture.then(|| held.get(graph.output()).to_tensor());
    held.release(graph.output());
    Ok((output, kept))
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

/// Bytes that [`run`] holds at once, at most, for a million pixels of a picture in one piece: `graph` is that of one picture of
/// any size, and `alignment` what sizes are multiples of.
///
/// # Errors
/// [`Error::Shape`] if the graph cannot be as large.
pub fn bytes_a_megapixel(graph: &Graph, alignment: usize) -> Result<u64> {
    let side = 1000_usize.next_multiple_of(alignment.max(1));
    let input = graph.node(graph.input()).shape;
    let large = graph.resized(&[Shape { height: side, width: side, ..input }])?;
    let bytes = size_of::<f32>() as f64 * largest_len(&large, &[]) as f64;
    Ok((bytes * 1e6 / (side * side) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::testing::{diamond, picture};
    use super::*;
    use crate::graph::{Builder, Constant, Conv2d, MaskedConv2d};

    /// A convolution of `[out, in, kernel]` that keeps the size.
    fn conv(b: &mut Builder, name: &str, x: Value, [out, inputs, kernel]: [usize; 3], seed: u64) -> Value {
        let numbers = testing::parameter([out, inputs, kernel, kernel], seed);
        let weight = b.parameter(format!("{name}.weight"), &numbers).unwrap();
        b.conv2d(name, x, weight, Conv2d::same(kernel)).unwrap()
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
        let (graph, parameters) = b.finish(output).unwrap();
        let picture = testing::noise(shape, 4);
        let expected = run(&graph, &parameters, &picture).unwrap();
        assert_eq!(run_traced(&graph, &parameters, &picture).unwrap().pop(), Some(expected));
    }

    #[test]
    fn the_input_may_be_the_output_and_a_constant_may_stand_for_a_node() {
        let (b, x) = Builder::new("identity", picture().shape(), 1.0);
        let (graph, parameters) = b.finish(x).unwrap();
        assert_eq!(run(&graph, &parameters, &picture()).unwrap(), picture());

        let (graph, parameters, [_, once, ..]) = diamond();
        let ones = Tensor::new(picture().shape(), vec![1.0; 3]);
        let output = run(&graph.with_constant(once, ones), &parameters, &picture()).unwrap();
        assert_eq!(output.values(), [2.0, 2.0, 2.0]);

        let (mut b, _) = Builder::new("constant", picture().shape(), 1.0);
        let value = b.append("numbers", Op::Constant(Constant::new(picture())), &[]).unwrap();
        let (graph, parameters) = b.finish(value).unwrap();
        assert_eq!(run(&graph, &parameters, &Tensor::zeros(picture().shape())).unwrap(), picture());
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
        let ((graph, parameters), picture) = (b.finish(output).unwrap(), testing::noise(shape, 3));

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
