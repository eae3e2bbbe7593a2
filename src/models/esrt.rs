//! ESRT: Lu et al., *Transformer for Single Image Super-Resolution*, CVPR workshops 2022.
//!
//! A few convolutions of 32 channels, reused, and one transformer layer over 3×3 neighbourhoods that attends within
//! quarters of the picture. Which pixels a quarter has depends on the picture's size, so the network is a function
//! of the whole picture: tiles are other pictures.
//!
//! ```text
//! F_0 = head(picture)
//! F_1 = α F_0 + β conv(fold(ET(unfold(reduce(HPB_1 ‖ HPB_2 ‖ HPB_3)))))                            (figure 2)
//! y   = tail(reduce(F_1)) + relu(up(F_0))
//!
//! HPB(x):  T_m = ARFB(x),  T_S = avgpool(T_m),  high = T_m − up(T_S)                               (figure 3, HFM)
//!          ARFB(CA(relu(conv(up(ARFB⁵(T_S)) ‖ ARFB(high))))) + x       the five share their weights
//! ARFB(x): x1 = RU(x),  x2 = RU(x1),  α x + β relu(conv(CA(relu(conv(γ x2 ‖ δ x1)))))              (figure 4b)
//! RU(x):   α x + β conv(prelu(conv(x)))
//! ET(x):   x = proj(EMHA(reduce(LN(x)))) + x,  x = MLP(LN(x)) + x                                  (figure 5)
//! ```
//!
//! `up` within HPB is bilinear, by corners. Learned factors of convolutions go into their numbers.

use std::fmt;

use super::Network;
use super::parts::{Conv, axis, has_all, layer_norm, parameter, start, times, upsampler, upsampler_scale};
use crate::error::Result;
use crate::graph::{
    Activation, Among, Attention, BinaryKind, Builder, Conv2d, Fold, Graph, Op, Parameters, ResizeKind,
    Unfold, Value, Weighted,
};
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] =
    &["body.0.encoder1.encoder.layer1.conv.weight body.0.attention.atten.qkv.weight"];

/// Heads of the attention. No tensor tells how many; the original has no other number.
const HEADS: usize = 8;

/// Runs that the attention is cut into (section 3.3).
const RUNS: usize = 4;

/// Times that the low frequencies pass their module.
const PASSES: usize = 5;

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 32.
    pub channels: usize,
    /// 2, 3 or 4.
    pub scale: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} channels, attention within quarters of the picture", self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not ESRT's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let inputs = axis(weights, "tail.0.0.weight", 1)?;
        Ok(Self {
            channels: axis(weights, "head.0.weight", 0)?,
            scale: upsampler_scale(weights, "tail.0", inputs)?,
        })
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    /// The original makes five factors a feature block and uses four.
    fn ignores(&self, name: &str) -> bool {
        name.ends_with(".weight1.scale")
    }

    /// It halves the picture.
    fn smallest_side(&self) -> usize {
        2
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut builder, picture) = start(config, "esrt", input, 1.0)?;
    let b = &mut builder;

    let x = Conv::same(3).of(b, picture, &w.scope("head").scope(0))?;
    let y = backbone(b, x, &w.scope("body").scope(0))?;
    let y = Conv::same(3).of(b, y, &w.scope("reduce"))?;

    let (tail, up) = (w.scope("tail"), w.scope("up"));
    let y = upsampler(b, y, &tail.scope(0), config.scale)?;
    let y = Conv::same(3).of(b, y, &tail.scope(1))?;
    let x = upsampler(b, x, &up.scope(0), config.scale)?;
    let x = basic_conv(b, x, &up.scope(1), 3)?;
    let y = b.add("output", x, y)?;
    builder.finish(y)
}

/// Three high-preserving blocks, then the transformer (figure 2).
fn backbone(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let mut blocks = vec![];
    for name in ["encoder1", "encoder2", "encoder3"] {
        let before = blocks.last().copied().unwrap_or(x);
        blocks.push(high_preserving_block(b, before, &w.scope(name))?);
    }
    let y = b.concat(w.path("concat"), &blocks)?;
    let y = Conv::same(3).of(b, y, &w.scope("reduce"))?;
    let y = transformer(b, y, &w.scope("attention"))?;
    let y = b.append(w.path("fold"), Op::Fold(Fold { kernel: 3 }), &[y])?;
    let alise = w.scope("alise");
    let inputs = b.shape(y).channels;
    let weights = Conv::same(3).read(b, inputs, &alise)?;
    let factor = factor(b, w, "weight2")?;
    let weights = times(b, &alise, weights, factor)?;
    let y = b.conv2d(alise.prefix(), y, weights, Conv2d::same(3))?;
    let x = multiplied(b, w, "weight1", x)?;
    b.add(w.prefix(), x, y)
}

/// High-preserving block (figure 3), with the high-frequency filtering module.
fn high_preserving_block(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let width = b.shape(x).channels;
    let module = |b: &mut Builder, name| FeatureBlock::read(b, width, w.scope(name));
    let y = module(b, "encoder")?.append(b, x)?;
    let mut low = b.average_pool(w.path("down"), y, 2)?;
    let smooth = b.resize_to(w.path("smooth"), low, ResizeKind::BilinearCorners, y)?;
    let high = b.binary(w.path("high"), BinaryKind::Subtract, y, smooth)?;
    let decoder = module(b, "decoder_low")?;
    for _ in 0..PASSES {
        low = decoder.append(b, low)?;
    }
    let high = module(b, "decoder_high")?.append(b, high)?;
    let low = b.resize_to(w.path("low"), low, ResizeKind::BilinearCorners, x)?;
    let y = b.concat(w.path("concat"), &[low, high])?;
    let y = basic_conv(b, y, &w.scope("alise2"), 1)?;
    let y = ChannelAttention::read(b, width, w.scope("att"))?.append(b, y)?;
    let y = module(b, "alise")?.append(b, y)?;
    b.add(w.prefix(), y, x)
}

/// Adaptive residual feature block (figure 4b): read once, so that all passes share their weights.
struct FeatureBlock<'w> {
    w: Scope<'w>,
    units: [ResidualUnit<'w>; 2],
    alise: Weighted,
    attention: ChannelAttention<'w>,
    last: Weighted,
}

impl<'w> FeatureBlock<'w> {
    fn read(b: &mut Builder, width: usize, w: Scope<'w>) -> Result<Self> {
        let plain = |kernel| Conv::same(kernel).without_bias();
        let (alise, last) = (w.scope("alise").scope("conv"), w.scope("layer4").scope("conv"));
        // The factors of what is concatenated are those of the weight's inputs.
        let halves = ["weight2", "weight3"].map(|name| factor_of(b, &w, name, width));
        let [first, second] = halves;
        let factors = b.concat(w.path("factors"), &[first?, second?])?;
        let weight = plain(1).read(b, 2 * width, &alise)?.weight;
        let hidden = b.shape(weight).batch;
        let weight = b.multiply(alise.path("weight.scaled"), weight, factors)?;
        let units = [
            ResidualUnit::read(b, width, w.scope("layer1"))?,
            ResidualUnit::read(b, width, w.scope("layer2"))?,
        ];
        let attention = ChannelAttention::read(b, hidden, w.scope("atten"))?;
        let last = plain(3).read(b, hidden, &last)?;
        Ok(Self { w, units, alise: weight.into(), attention, last })
    }

    fn append(&self, b: &mut Builder, x: Value) -> Result<Value> {
        let w = &self.w;
        let x1 = self.units[0].append(b, x)?;
        let x2 = self.units[1].append(b, x1)?;
        let y = b.concat(w.path("concat"), &[x2, x1])?;
        let y = b.conv2d(w.path("alise.conv"), y, self.alise, Conv2d::same(1))?;
        let y = b.relu(w.path("alise.relu"), y)?;
        let y = self.attention.append(b, y)?;
        let y = b.conv2d(w.path("layer4.conv"), y, self.last, Conv2d::same(3))?;
        let y = b.relu(w.path("layer4.relu"), y)?;
        let x = multiplied(b, w, "weight4", x)?;
        let y = multiplied(b, w, "weight5", y)?;
        b.add(w.prefix(), x, y)
    }
}

/// Residual unit (figure 4c).
struct ResidualUnit<'w> {
    w: Scope<'w>,
    reduction: Weighted,
    slopes: Value,
    expansion: Weighted,
}

impl<'w> ResidualUnit<'w> {
    fn read(b: &mut Builder, width: usize, w: Scope<'w>) -> Result<Self> {
        let reduction = Conv::same(3).read(b, width, &w.scope("conv"))?;
        let hidden = b.shape(reduction.weight).batch;
        let slopes = parameter(b, &w, "relu.weight", &[hidden])?;
        let expansion = Conv::same(3).read(b, hidden, &w.scope("conv1"))?;
        let factor = factor(b, &w, "weight2")?;
        let expansion = times(b, &w.scope("conv1"), expansion, factor)?;
        Ok(Self { w, reduction, slopes, expansion })
    }

    fn append(&self, b: &mut Builder, x: Value) -> Result<Value> {
        let w = &self.w;
        let y = b.conv2d(w.path("conv"), x, self.reduction, Conv2d::same(3))?;
        let y = b.prelu(w.path("relu"), y, self.slopes)?;
        let y = b.conv2d(w.path("conv1"), y, self.expansion, Conv2d::same(3))?;
        let x = multiplied(b, w, "weight1", x)?;
        b.add(w.prefix(), y, x)
    }
}

/// Channel attention (Zhang et al., *RCAN*, ECCV 2018, figure 3).
struct ChannelAttention<'w> {
    w: Scope<'w>,
    squeeze: Weighted,
    excite: Weighted,
}

impl<'w> ChannelAttention<'w> {
    fn read(b: &mut Builder, width: usize, w: Scope<'w>) -> Result<Self> {
        let du = w.scope("conv_du");
        let squeeze = Conv::same(1).read(b, width, &du.scope(0))?;
        let squeezed = b.shape(squeeze.weight).batch;
        let excite = Conv::same(1).read(b, squeezed, &du.scope(2))?;
        Ok(Self { w, squeeze, excite })
    }

    fn append(&self, b: &mut Builder, x: Value) -> Result<Value> {
        let w = &self.w;
        let y = b.global_average_pool(w.path("avg_pool"), x)?;
        let y = b.conv2d(w.path("conv_du.0"), y, self.squeeze, Conv2d::same(1))?;
        let y = b.relu(w.path("conv_du.1"), y)?;
        let y = b.conv2d(w.path("conv_du.2"), y, self.excite, Conv2d::same(1))?;
        let y = b.activation(w.path("conv_du.3"), y, Activation::Sigmoid)?;
        b.multiply(w.prefix(), x, y)
    }
}

/// Efficient transformer over neighbourhoods (figure 5). The scale of the products is that of the tokens' width, not
/// of what the attention reduces them to; checkpoints are trained with it.
fn transformer(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let linear = Conv::same(1);
    let x = b.append(w.path("unfold"), Op::Unfold(Unfold { kernel: 3 }), &[x])?;
    let (atten, mlp) = (w.scope("atten"), w.scope("mlp"));
    let scale = ((b.shape(x).channels / HEADS).max(1) as f32).powf(-0.5);

    let y = layer_norm(b, x, &w.scope("norm1"))?;
    let y = linear.without_bias().of(b, y, &atten.scope("reduce"))?;
    let y = linear.without_bias().of(b, y, &atten.scope("qkv"))?;
    let attention = Attention { heads: HEADS, scale, among: Among::Runs { count: RUNS } };
    let y = b.append(atten.prefix(), Op::Attention(attention), &[y])?;
    let y = linear.of(b, y, &atten.scope("proj"))?;
    let x = b.add(atten.path("add"), y, x)?;

    let y = layer_norm(b, x, &w.scope("norm2"))?;
    let y = linear.of(b, y, &mlp.scope("fc1"))?;
    let y = b.relu(mlp.path("act"), y)?;
    let y = linear.of(b, y, &mlp.scope("fc2"))?;
    b.add(w.prefix(), y, x)
}

/// A convolution without bias, and a ReLU.
fn basic_conv(b: &mut Builder, x: Value, w: &Scope<'_>, kernel: usize) -> Result<Value> {
    let y = Conv::same(kernel).without_bias().of(b, x, &w.scope("conv"))?;
    b.relu(w.path("relu"), y)
}

/// A learned factor.
fn factor(b: &mut Builder, w: &Scope<'_>, name: &str) -> Result<Value> {
    parameter(b, &w.scope(name), "scale", &[1])
}

/// The same for each of so many channels.
fn factor_of(b: &mut Builder, w: &Scope<'_>, name: &str, width: usize) -> Result<Value> {
    let factor = factor(b, w, name)?;
    let ones = b.constant(w.path("ones"), Tensor::new(Shape::new(1, width, 1, 1), vec![1.0; width]))?;
    b.multiply(w.scope(name).path("scales"), ones, factor)
}

/// A learned factor times `x`.
fn multiplied(b: &mut Builder, w: &Scope<'_>, name: &str, x: Value) -> Result<Value> {
    let width = b.shape(x).channels;
    let factors = factor_of(b, w, name, width)?;
    b.multiply(w.path(name), x, factors)
}
