//! The cases: shapes that fit no workgroup, channels that are no fours.

use std::sync::Arc;

use super::Case;
use crate::error::Result;
use crate::graph::{
    Activation, Among, Attention, Builder, Conv2d, ConvTranspose2d, GlobalPoolKind, LayerNorm, MaskedConv2d,
    MaxPool, Op, ResizeKind, Value,
};
use crate::kernel::conv2d_pruned;
use crate::plan::{Algorithm, Candidate, Choices, Options, Sparsity, Units, Zeros};
use crate::tensor::{Balance, Parameter, Shape, Tensor};

/// What builds a case's output from its input.
type Build = fn(&mut Builder, Value) -> Result<Value>;

/// Plain graphs, by what they are called, with the input's shape.
#[rustfmt::skip]
const PLAIN: &[(&str, [usize; 3], Build)] = &[
    ("convolution 3x3, relu, residual",       [12,  7, 13], residual),
    ("convolution 3x3, one pixel",            [ 5,  1,  1], |b, x| conv(b, x, 9, 3)),
    ("convolution 3x3 of stride 2",           [ 6,  7, 13], |b, x| convolved(b, x, [8, 6], Conv2d { stride: 2, ..Conv2d::same(3) })),
    ("convolution 3x3 of single channels",    [ 6,  7, 13], |b, x| convolved(b, x, [6, 1], Conv2d { groups: 6, ..Conv2d::same(3) })),
    ("convolution 1x1 of four values",        [12,  7, 13], of_four),
    ("transposed convolution",                [ 6,  7, 13], transposed),
    ("pixel shuffle",                         [12,  7, 13], |b, x| b.pixel_shuffle("shuffle", x, 2)),
    ("bicubic",                               [ 3,  7, 13], |b, x| b.resize("resize", x, ResizeKind::Bicubic, 2)),
    ("bilinear",                              [ 3,  7, 13], |b, x| b.resize("resize", x, ResizeKind::Bilinear, 3)),
    ("nearest",                               [ 3,  7, 13], |b, x| b.resize("resize", x, ResizeKind::Nearest, 2)),
    ("attention in windows",                  [72,  7, 13], |b, x| attention(b, x, Among::squares(4, 2))),
    ("attention in runs",                     [72,  7, 13], |b, x| attention(b, x, Among::Runs { count: 3 })),
    ("layer normalisation, gelu",             [18,  7, 13], normalised),
    ("pools",                                 [ 5, 33, 35], pools),
];

/// Every case.
pub(super) fn all() -> Result<Vec<Case>> {
    let plain = PLAIN.iter().map(|&(name, shape, build)| case(name, shape, Options::default(), build));
    let winograd = Options { algorithm: Algorithm::Winograd, ..Options::default() };
    let whole = case("Winograd's algorithm", [20, 9, 13], winograd.clone(), |b, x| conv(b, x, 24, 3));
    let listed = |name, sparsity, units| {
        case(name, [20, 9, 37], Options { sparsity, units, ..winograd.clone() }, |b, x| masked(b, x, 3))
    };
    let pointwise = Options { sparsity: Sparsity::Sparse, ..Options::default() };
    let masked = [
        listed("masked convolution, dense", Sparsity::Dense, Units::Mixed),
        listed("masked convolution, tiles and strays", Sparsity::Sparse, Units::Mixed),
        listed("masked convolution, tiles", Sparsity::Sparse, Units::Tiles),
        listed("masked convolution, pixels", Sparsity::Sparse, Units::Pixels),
        listed("masked convolution, workgroups", Sparsity::Sparse, Units::Workgroups),
        listed("masked convolution, the device decides", Sparsity::Auto, Units::Mixed),
        case("masked convolution 1x1, pixels", [20, 9, 37], pointwise, |b, x| masked(b, x, 1)),
    ];
    plain.chain([whole, by_lists()]).chain(masked).collect()
}

/// A weight of which four outputs keep a quarter, by lists of that.
fn by_lists() -> Result<Case> {
    let case = case("convolution 3x3 by lists", [20, 9, 37], Options::default(), |b, x| {
        let balance = Balance::new(2, 8)?.with_rows(4)?;
        let weight = b.parameter("conv.weight", &balance.thinned(&parameter([24, 20, 3, 3], 24)))?;
        let bias = b.parameter("conv.bias", &parameter([24], 7))?;
        b.conv2d("conv", x, [weight, bias], Conv2d::same(3))
    })?;
    let choices = Choices::only(Candidate::Pruned(conv2d_pruned::Tile::USUAL));
    let (choices, zeros) = (Some(Arc::new(choices)), Arc::new(Zeros::of(&case.parameters)));
    Ok(Case { options: Options { choices, zeros, ..Options::default() }, ..case })
}

/// Cases whose numbers f32 holds exactly, with answers that are worked out here.
pub(super) fn of_whole_numbers() -> Result<Vec<(Case, Tensor)>> {
    let options = Options::default;
    let convolved = case("convolution 3x3", [5, 7, 13], options(), |b, x| {
        let weight = b.parameter("conv.weight", &whole_parameter())?;
        b.conv2d("conv", x, weight, Conv2d::same(3))
    })?;
    let shuffled = case("pixel shuffle", [8, 7, 13], options(), |b, x| b.pixel_shuffle("shuffle", x, 2))?;
    let enlarged =
        case("nearest", [3, 7, 13], options(), |b, x| b.resize("resize", x, ResizeKind::Nearest, 2))?;
    let pooled = case("global mean", [3, 8, 16], options(), |b, x| b.global_average_pool("mean", x))?;
    let cases = [convolved, shuffled, enlarged, pooled].map(|case| {
        let input = Tensor::from_fn(case.input.shape(), |_, c, y, x| whole(c, y, x));
        Case { input, ..case }
    });
    let answers = cases.each_ref().map(|case| {
        let (input, output) = (case.input.shape(), case.graph.node(case.graph.output()).shape);
        let at = |c: usize, y: usize, x: usize| case.input.plane(0, c)[y * input.width + x];
        Tensor::from_fn(output, |_, c, y, x| match case.name {
            "convolution 3x3" => convolution(&at, input, c, y, x),
            "pixel shuffle" => at(4 * c + 2 * (y % 2) + x % 2, y / 2, x / 2),
            "nearest" => at(c, y / 2, x / 2),
            _ => case.input.plane(0, c).iter().sum::<f32>() / input.pixels() as f32,
        })
    });
    Ok(cases.into_iter().zip(answers).collect())
}

/// The sum as textbooks write it.
fn convolution(at: &dyn Fn(usize, usize, usize) -> f32, input: Shape, o: usize, y: usize, x: usize) -> f32 {
    let weight = whole_parameter();
    let mut sum = 0.0;
    for i in 0..input.channels {
        for (ky, kx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
            let inside = (1..=input.height).contains(&(y + ky)) && (1..=input.width).contains(&(x + kx));
            if inside {
                let tap = weight.values()[(o * input.channels + i) * 9 + 3 * ky + kx];
                sum += tap * at(i, y + ky - 1, x + kx - 1);
            }
        }
    }
    sum
}

fn whole(c: usize, y: usize, x: usize) -> f32 {
    ((31 * c + 17 * y + 7 * x) % 23) as f32 - 11.0
}

/// Weights from five channels to six.
fn whole_parameter() -> Parameter {
    let values = (0..6 * 5 * 9).map(|at| ((13 * at) % 19) as f32 - 9.0);
    Parameter::new([6, 5, 3, 3], values.collect::<Vec<_>>())
}

fn case(name: &'static str, [c, h, w]: [usize; 3], options: Options, build: Build) -> Result<Case> {
    let shape = Shape::new(1, c, h, w);
    let (mut b, x) = Builder::new(name, shape, 1.0);
    let output = build(&mut b, x)?;
    let (graph, parameters) = b.finish(output)?;
    Ok(Case { name, graph, parameters, input: noise(shape, 1), options })
}

/// A weight `[outputs, inputs, kernel, kernel]` and a bias.
fn weights(b: &mut Builder, name: &str, dims: [usize; 4]) -> Result<[Value; 2]> {
    let weight = b.parameter(format!("{name}.weight"), &parameter(dims, dims[0] as u64))?;
    Ok([weight, b.parameter(format!("{name}.bias"), &parameter([dims[0]], 7))?])
}

/// Any convolution of so many outputs and inputs a group.
fn convolved(b: &mut Builder, x: Value, [outputs, inputs]: [usize; 2], op: Conv2d) -> Result<Value> {
    let weights = weights(b, "conv", [outputs, inputs, op.kernel, op.kernel])?;
    b.conv2d("conv", x, weights, op)
}

fn conv(b: &mut Builder, x: Value, outputs: usize, kernel: usize) -> Result<Value> {
    let inputs = b.shape(x).channels;
    convolved(b, x, [outputs, inputs], Conv2d::same(kernel))
}

fn residual(b: &mut Builder, x: Value) -> Result<Value> {
    let y = conv(b, x, 12, 3)?;
    let y = b.relu("relu", y)?;
    b.add("sum", y, x)
}

fn of_four(b: &mut Builder, x: Value) -> Result<Value> {
    let y = conv(b, x, 12, 3)?;
    let all = b.concat("concat", &[x, y, x, y])?;
    let weights = weights(b, "collect", [9, 48, 1, 1])?;
    b.conv2d("collect", all, weights, Conv2d::same(1))
}

/// `kernel`² taps, six dense inputs and five dense outputs of twenty, under a mask with lone pixels, runs and a hole.
fn masked(b: &mut Builder, x: Value, kernel: usize) -> Result<Value> {
    let shape = b.shape(x).with_channels(1);
    let mask = Tensor::from_fn(shape, |_, _, y, x| {
        f32::from((x < 12 && y != 4) || (x * 7 + y * 5) % 11 == 0 || (x > 30 && y > 5))
    });
    let mask = b.constant("mask", mask)?;
    let weights = weights(b, "conv", [20, 20, kernel, kernel])?;
    b.masked_conv2d("conv", x, mask, weights, MaskedConv2d { kernel, dense_inputs: 6, dense_outputs: 5 })
}

fn transposed(b: &mut Builder, x: Value) -> Result<Value> {
    let weight = b.parameter("conv.weight", &parameter([6, 5, 3, 3], 3))?;
    let bias = b.parameter("conv.bias", &parameter([5], 4))?;
    let op = ConvTranspose2d { kernel: 3, stride: 2, padding: 1, output_padding: 1 };
    b.conv_transpose2d("conv", x, [weight, bias], op)
}

/// Three heads of eight channels.
fn attention(b: &mut Builder, x: Value, among: Among) -> Result<Value> {
    let mut inputs = vec![x];
    if let Among::Windows { size, .. } = among {
        let offsets = (2 * size[0] - 1) * (2 * size[1] - 1);
        inputs.push(b.parameter("attention.bias", &parameter([offsets, 3], 5))?);
    }
    b.append("attention", Op::Attention(Attention { heads: 3, scale: 0.35, among }), &inputs)
}

fn normalised(b: &mut Builder, x: Value) -> Result<Value> {
    let weight = b.parameter("norm.weight", &parameter([18], 1))?;
    let bias = b.parameter("norm.bias", &parameter([18], 2))?;
    let y = b.append("norm", Op::LayerNorm(LayerNorm { epsilon: 1e-5 }), &[x, weight, bias])?;
    b.activation("gelu", y, Activation::Gelu)
}

/// Every channel times its deviation, then halved and thinned out.
fn pools(b: &mut Builder, x: Value) -> Result<Value> {
    let deviation = b.global_pool("deviation", x, GlobalPoolKind::Deviation)?;
    let y = b.multiply("product", x, deviation)?;
    b.append("max", Op::MaxPool(MaxPool { size: 7, stride: 3 }), &[y])
}

/// A weight whose sums stay of the order of their inputs: all but the first axis are summed over.
fn parameter<const AXES: usize>(dims: [usize; AXES], seed: u64) -> Parameter {
    let gain = (3.0 / dims[1..].iter().product::<usize>() as f32).sqrt();
    let values = words(seed).take(dims.iter().product()).map(|number| gain * number);
    Parameter::new(dims, values.collect::<Vec<_>>())
}

/// Numbers in −1 … 1.
pub(super) fn noise(shape: Shape, seed: u64) -> Tensor {
    Tensor::new(shape, words(seed).take(shape.len()).collect())
}

/// Numbers in −1 … 1 that are the same everywhere (splitmix64).
fn words(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(((word ^ (word >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0)
    })
}
