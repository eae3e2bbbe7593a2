//! DAT: Chen et al., *Dual Aggregation Transformer for Image Super-Resolution*, ICCV 2023.
//!
//! Blocks attend in turn among the pixels of windows and among the channels of the whole picture, each beside a depthwise
//! convolution; what one branch finds gates the other.
//!
//! ```text
//! F_0  = conv_first(picture − mean)
//! F_i  = F_{i−1} + conv_i(DATB_L(… DATB_1(F_{i−1})))        residual group, from LN(F_0) on              (figure 2)
//! y    = reconstruction(F_0 + conv_after_body(LN(F_K))) + mean
//!
//! DATB:  x = AIM(LN(x)) + x,  x = SGFN(LN(x)) + x                                                        (equation 10)
//! AIM:   a = attention(q, k, v),  d = gelu(bn(depthwise(v)))                                            (section 3.2)
//!        proj(C(d) · a + S(a) · d) in windows, proj(S(d) · a + C(a) · d) among channels; C and S are gates
//! SGFN:  fc2(x₁ · depthwise(LN(x₂))),  (x₁, x₂) = gelu(fc1(x))                                          (equation 8)
//! ```
//!
//! Half of the heads attend in windows of `split` rows and columns, the other half in windows turned round; in some blocks windows
//! are shifted by half. Biases are computed from offsets by a small perceptron (`pos`). As in the original, queries, keys and
//! values go on a canvas of whole windows, whose zeros are keys too.

use std::fmt;

use super::parts::{Conv, DIV2K_MEAN, axis, channels, count, layer_norm};
use super::parts::{parameter, residual_convolution, shuffle_scale_to, start, upsampler, upsampler_scale};
use super::{Convention, Network};
use crate::error::{Error, Result};
use crate::graph::{
    Activation, Among, Attention, BinaryKind, Builder, Canvas, ChannelAttention, GlobalPoolKind, Graph, Op,
    Parameters, Value,
};
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["layers.0.blocks.0.attn.attns.0.pos.pos_proj.weight"];

/// The first convolution.
const FIRST: &str = "conv_first.weight";

/// What is added to variances, as PyTorch does.
const EPSILON: f64 = 1e-5;

/// What the tensors say of a network's size.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width: 180, and 60 in the light network.
    pub channels: usize,
    /// Blocks of each residual group: 6 of 6, and one of 18 in the light network.
    pub depths: Vec<usize>,
    /// Heads of the blocks of each group: 6.
    pub heads: Vec<usize>,
    /// Rows and columns of a window of the first half of the heads: 8×32, or 8×16.
    pub split: [usize; 2],
    /// Whether it ends in EDSR's upsampler, or in one convolution and one pixel shuffle.
    pub light: bool,
    /// 2, 3 or 4.
    pub scale: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, depths, split: [rows, columns], .. } = self;
        let depths: Vec<String> = depths.iter().map(usize::to_string).collect();
        write!(f, "{} blocks, {channels} channels, windows of {rows}×{columns}", depths.join("-"))
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not DAT's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        weights.get(KEYS[0]).map(|_| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let depth = |i: usize| count(weights, &format!("layers.{i}.blocks."), ".norm1.weight");
        let depths: Vec<usize> = (0..).map(depth).take_while(|depth| *depth > 0).collect();
        let heads = (0..depths.len()).map(|group| heads(weights, group)).collect::<Result<_>>()?;
        let light = weights.get("conv_last.weight").is_none();
        let scale = match light {
            true => shuffle_scale_to(weights, "upsample.0.weight", 3)?,
            false => upsampler_scale(weights, "upsample", axis(weights, "upsample.0.weight", 1)?)?,
        };
        let (channels, split) = (axis(weights, FIRST, 0)?, split(weights)?);
        Ok(Self { channels, depths, heads, split, light, scale })
    }

    /// Whether the windows of a block are shifted.
    fn is_shifted(group: usize, block: usize) -> bool {
        block % 4 == if group.is_multiple_of(2) { 2 } else { 0 }
    }
}

/// Of a group: half of them have a bias for every offset in one form of window.
fn heads(weights: &Weights, group: usize) -> Result<usize> {
    let name = format!("layers.{group}.blocks.0.attn.attns.0.pos.pos3.2.weight");
    match axis(weights, &name, 0)? {
        0 => Err(Error::weights(weights.source(), format!("{name}: expected a row a head, found none"))),
        half => Ok(2 * half),
    }
}

/// Rows and columns of a window: the first offset is as far as can be, to the last pixel from the first.
fn split(weights: &Weights) -> Result<[usize; 2]> {
    let name = "layers.0.blocks.0.attn.attns.0.rpe_biases";
    let refused = |found: String| {
        let reason =
            format!("{name}: expected the offsets of a window's pixels, which tell its size, found {found}");
        Err(Error::weights(weights.source(), reason))
    };
    match weights.get(name) {
        Some(offsets) => match *offsets.values() {
            [y, x, ..] if y <= 0.0 && x <= 0.0 && y > -4096.0 && x > -4096.0 => {
                let split = [y, x].map(|offset| (1.0 - offset) as usize);
                let expected = split.map(|side| 2 * side - 1).iter().product::<usize>();
                match offsets.dims() {
                    [found, 2] if *found == expected => Ok(split),
                    dims => refused(format!("{dims:?} numbers for windows of {split:?}")),
                }
            }
            _ => refused("other numbers".into()),
        },
        None => refused("none".into()),
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn convention(&self) -> Option<Convention> {
        Some(Convention::div2k(1.0))
    }

    /// Offsets and masks follow from windows, though checkpoints hold them; batches are counted for training alone.
    fn ignores(&self, name: &str) -> bool {
        let follows = [".rpe_biases", ".attn_mask_0", ".attn_mask_1", ".num_batches_tracked"];
        follows.iter().any(|end| name.ends_with(end))
    }

    fn counts(&self, parameter: &str) -> bool {
        !self.ignores(parameter)
            && !parameter.ends_with(".running_mean")
            && !parameter.ends_with(".running_var")
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "dat", input, 1.0)?;
    let mean = channels(&mut b, "mean", &DIV2K_MEAN, picture)?;
    let shifted = b.binary("sub_mean", BinaryKind::Subtract, picture, mean)?;
    let x = Conv::same(3).of(&mut b, shifted, &w.scope("conv_first"))?;

    let mut y = layer_norm(&mut b, x, &w.scope("before_RG").scope(1))?;
    for group in 0..config.depths.len() {
        let of_group = w.scope("layers").scope(group);
        let first = y;
        for block in 0..config.depths[group] {
            let own = of_group.scope("blocks").scope(block);
            y = dual_aggregation(&mut b, y, &own, config, [group, block])?;
        }
        let made = residual_convolution(&mut b, y, &of_group.scope("conv"))?;
        y = b.add(of_group.prefix(), made, first)?;
    }
    let y = layer_norm(&mut b, y, &w.scope("norm"))?;
    let y = residual_convolution(&mut b, y, &w.scope("conv_after_body"))?;
    let mut y = b.add("body", y, x)?;

    let upsample = w.scope("upsample");
    if config.light {
        y = Conv::same(3).of(&mut b, y, &upsample.scope(0))?;
        y = b.pixel_shuffle(upsample.path("1"), y, config.scale)?;
    } else {
        let before = w.scope("conv_before_upsample");
        y = Conv::same(3).of(&mut b, y, &before.scope(0))?;
        y = b.activation(before.path("1"), y, Activation::LeakyRelu { slope: 0.01 })?;
        y = upsampler(&mut b, y, &upsample, config.scale)?;
        y = Conv::same(3).of(&mut b, y, &w.scope("conv_last"))?;
    }
    let y = b.add("add_mean", y, mean)?;
    b.finish(y)
}

/// Dual aggregation transformer block (figure 2): attention among pixels in every second block, among channels in the others.
fn dual_aggregation(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    config: &Config,
    [group, block]: [usize; 2],
) -> Result<Value> {
    let attn = w.scope("attn");
    let y = layer_norm(b, x, &w.scope("norm1"))?;
    let y = Conv::same(1).making(b, y, &attn.scope("qkv"), 3 * config.channels)?;
    let values = b.slice(attn.path("values"), y, 2 * config.channels, config.channels)?;
    let of_values =
        normalised(b, values, &attn.scope("dwconv"), Conv::same(3).in_groups(config.channels), [0, 1])?;
    let of_values = b.activation(attn.path("dwconv.2"), of_values, Activation::Gelu)?;
    // One is gated channel by channel, the other pixel by pixel, each by what the other says.
    let [by_channel, by_pixel] = if block.is_multiple_of(2) {
        let shifted = Config::is_shifted(group, block);
        [among_pixels(b, y, &attn, config, config.heads[group], shifted)?, of_values]
    } else {
        [of_values, among_channels(b, [y, values], &attn, config.channels, config.heads[group])?]
    };
    let of_channels = channel_interaction(b, by_pixel, &attn.scope("channel_interaction"))?;
    let of_pixels = spatial_interaction(b, by_channel, &attn.scope("spatial_interaction"))?;
    let by_channel = b.multiply(attn.path("by_channel"), by_channel, of_channels)?;
    let by_pixel = b.multiply(attn.path("by_pixel"), by_pixel, of_pixels)?;
    let y = b.add(attn.path("both"), by_channel, by_pixel)?;
    let y = Conv::same(1).of(b, y, &attn.scope("proj"))?;
    let x = b.add(attn.path("add"), y, x)?;

    let y = layer_norm(b, x, &w.scope("norm2"))?;
    let y = spatial_gate(b, y, &w.scope("ffn"))?;
    b.add(w.prefix(), y, x)
}

/// Attention of each half of the heads in windows of its own form, on a canvas of whole windows.
fn among_pixels(
    b: &mut Builder,
    qkv: Value,
    w: &Scope<'_>,
    config: &Config,
    heads: usize,
    shifted: bool,
) -> Result<Value> {
    let [rows, columns] = config.split;
    let half = config.channels / 2;
    let scale = ((config.channels / heads) as f32).powf(-0.5);
    let mut halves = Vec::new();
    for (i, size) in [[rows, columns], [columns, rows]].into_iter().enumerate() {
        let own = w.scope("attns").scope(i);
        let part = |b: &mut Builder, part: usize| {
            b.slice(own.path("part"), qkv, part * config.channels + i * half, half)
        };
        let parts = [part(b, 0)?, part(b, 1)?, part(b, 2)?];
        let mut y = b.concat(own.path("qkv"), &parts)?;
        y = b.append(own.path("canvas"), Op::Canvas(Canvas::Multiples { of: rows.max(columns) }), &[y])?;
        let table = offset_biases(b, &own.scope("pos"), size, heads / 2)?;
        let shift = if shifted { size.map(|side| side / 2) } else { [0; 2] };
        let op = Attention { heads: heads / 2, scale, among: Among::Windows { size, shift } };
        y = b.append(own.prefix(), Op::Attention(op), &[y, table])?;
        halves.push(b.append(own.path("picture"), Op::Canvas(Canvas::Like), &[y, qkv])?);
    }
    b.concat(w.path("attns"), &halves)
}

/// What is added to scores, from the offsets between pixels (`DynamicPosBias`, after CrossFormer): `[offsets, heads]`.
fn offset_biases(b: &mut Builder, w: &Scope<'_>, [rows, columns]: [usize; 2], heads: usize) -> Result<Value> {
    let [tall, wide] = [rows, columns].map(|side| 2 * side - 1);
    let offset = |n: usize, c: usize| match c {
        0 => (n / wide) as f32 - (rows - 1) as f32,
        _ => (n % wide) as f32 - (columns - 1) as f32,
    };
    let offsets = Tensor::from_fn(Shape::new(tall * wide, 2, 1, 1), |n, c, _, _| offset(n, c));
    let offsets = b.constant(w.path("offsets"), offsets)?;
    let mut y = Conv::same(1).of(b, offsets, &w.scope("pos_proj"))?;
    for name in ["pos1", "pos2", "pos3"] {
        let own = w.scope(name);
        y = layer_norm(b, y, &own.scope(0))?;
        y = b.relu(own.path("1"), y)?;
        y = match name {
            "pos3" => Conv::same(1).making(b, y, &own.scope(2), heads)?,
            _ => Conv::same(1).of(b, y, &own.scope(2))?,
        };
    }
    Ok(y)
}

fn among_channels(
    b: &mut Builder,
    [qkv, values]: [Value; 2],
    w: &Scope<'_>,
    channels: usize,
    heads: usize,
) -> Result<Value> {
    let queries = b.slice(w.path("queries"), qkv, 0, channels)?;
    let keys = b.slice(w.path("keys"), qkv, channels, channels)?;
    let temperature = parameter(b, w, "temperature", &[heads, 1, 1])?;
    let inputs = [queries, keys, values, temperature];
    b.append(w.prefix(), Op::ChannelAttention(ChannelAttention { heads }), &inputs)
}

/// A gate for every channel.
fn channel_interaction(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let y = b.global_pool(w.path("0"), x, GlobalPoolKind::Mean)?;
    let y = normalised(b, y, w, Conv::same(1), [1, 2])?;
    let y = b.activation(w.path("3"), y, Activation::Gelu)?;
    let y = Conv::same(1).of(b, y, &w.scope(4))?;
    b.activation(w.path("sigmoid"), y, Activation::Sigmoid)
}

/// A gate for every pixel.
fn spatial_interaction(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let y = normalised(b, x, w, Conv::same(1), [0, 1])?;
    let y = b.activation(w.path("2"), y, Activation::Gelu)?;
    let y = Conv::same(1).of(b, y, &w.scope(3))?;
    b.activation(w.path("sigmoid"), y, Activation::Sigmoid)
}

/// A convolution and the batch normalisation behind it, in its weight and bias: two layers of a scope.
fn normalised(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    conv: Conv,
    [at, behind]: [usize; 2],
) -> Result<Value> {
    let own = w.scope(at);
    let weighted = conv.read(b, b.shape(x).channels, &own)?;
    let [weight, bias] = [weighted.weight, weighted.bias.expect("it has one")];
    let (channels, norm) = (b.shape(weight).batch, w.scope(behind));
    let numbers = |name: &str| norm.parameter(name, &[channels]);
    let (mean, variance) = (numbers("running_mean")?, numbers("running_var")?);
    let root = |variance: &f32| (1.0 / (f64::from(*variance) + EPSILON).sqrt()) as f32;
    let roots: Vec<f32> = variance.values().iter().map(root).collect();
    let constant = |b: &mut Builder, name: &str, shape: Shape, numbers: Vec<f32>| {
        b.constant(norm.path(name), Tensor::new(shape, numbers))
    };
    let [a_row, a_channel] = [Shape::new(channels, 1, 1, 1), Shape::new(1, channels, 1, 1)];
    let of_rows = constant(b, "roots", a_row, roots.clone())?;
    let of_channels = constant(b, "roots", a_channel, roots)?;
    let mean = constant(b, "mean", a_channel, mean.values().to_vec())?;
    let scale = parameter(b, &norm, "weight", &[channels])?;
    let shift = parameter(b, &norm, "bias", &[channels])?;
    let scale_of_rows =
        b.weight(norm.path("transposed"), crate::graph::WeightOperation::Transpose, &[scale])?;
    let weight = b.multiply(own.path("weight.over"), weight, of_rows)?;
    let weight = b.multiply(own.path("weight.normalised"), weight, scale_of_rows)?;
    let bias = b.binary(own.path("bias.apart"), BinaryKind::Subtract, bias, mean)?;
    let bias = b.multiply(own.path("bias.over"), bias, of_channels)?;
    let bias = b.multiply(own.path("bias.scaled"), bias, scale)?;
    let bias = b.add(own.path("bias.normalised"), bias, shift)?;
    b.conv2d(own.prefix(), x, [weight, bias], conv.op())
}

/// Spatial-gate feed-forward network (section 3.3).
fn spatial_gate(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let y = Conv::same(1).of(b, x, &w.scope("fc1"))?;
    let y = b.activation(w.path("act"), y, Activation::Gelu)?;
    let half = b.shape(y).channels / 2;
    let [first, second] = [0, half].map(|start| b.slice(w.path("half"), y, start, half));
    let sg = w.scope("sg");
    let gate = layer_norm(b, second?, &sg.scope("norm"))?;
    let gate = Conv::same(3).in_groups(half).of(b, gate, &sg.scope("conv"))?;
    let y = b.multiply(sg.prefix(), first?, gate)?;
    Conv::same(1).of(b, y, &w.scope("fc2"))
}
