//! SMSR: Wang et al., *Exploring Sparsity in Image Super-Resolution for Efficient Inference*, CVPR 2021.
//!
//! Every sparse mask module decides with a spatial mask *where* work is needed, and with channel masks
//! fixed by training *which channels* need it only there. All convolutions are 3×3 but for `collect` and
//! the channel attention; names are the authors' `state_dict` keys.
//!
//! ```text
//! x   = head(picture − mean)
//! f_k = module_k(f_{k−1}),  f_0 = x
//! y   = tail(collect(f_1 … f_K) + x) + bicubic(picture − mean) + mean
//! ```

mod training;

use std::fmt;

pub use training::Masks;

use super::parts::{axis, conv, parameter, start};
use super::{Network, Partition};
use crate::error::{Error, Result};
use crate::graph::{
    Activation, Builder, ConvTranspose2d, Graph, MaskedConv2d, Parameters, ResizeKind, Value,
    WeightOperation, Weighted,
};
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// The mask branch halves the picture and doubles it again.
pub const ALIGNMENT: usize = 2;

/// The tensor that no other architecture has.
const CHANNEL_MASK: &str = "body.0.body.ch_mask";

/// What tells it from others.
pub(super) const KEYS: &[&str] = &[CHANNEL_MASK];

/// The network works on samples of 0 … 255.
const RANGE: f32 = 255.0;

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Sparse mask modules: 5 in the paper.
    pub modules: usize,
    /// Masked convolutions a module: 4 in the paper.
    pub layers: usize,
    /// Width of the mask branch: 16 in the paper.
    pub mask_channels: usize,
    /// Width of the channel attention's bottleneck: 4 in the paper.
    pub attention_channels: usize,
    /// 2, 3 or 4.
    pub scale: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules of {} layers, {} channels", self.modules, self.layers, self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not SMSR's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        weights.get(CHANNEL_MASK)?;
        Some(Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let out = axis(weights, "tail.0.weight", 0)?;
        let scale = (2..=4).find(|scale| 3 * scale * scale == out).ok_or_else(|| {
            let reason =
                format!("tail.0.weight: expected 12, 27 or 48 output channels (x2, x3, x4), found {out}");
            Error::weights(weights.source(), reason)
        })?;
        let modules = (0..).take_while(|k| weights.get(&format!("body.{k}.body.ch_mask")).is_some()).count();
        Ok(Self {
            channels: axis(weights, "head.0.weight", 0)?,
            modules,
            layers: axis(weights, CHANNEL_MASK, 2)?,
            mask_channels: axis(weights, "body.0.spa_mask.0.weight", 0)?,
            attention_channels: axis(weights, "body.0.ca.conv_du.0.weight", 0)?,
            scale,
        })
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn alignment(&self) -> usize {
        ALIGNMENT
    }

    /// Logits of channel masks are not counted, as in the paper: training leaves them behind, and only which of
    /// two is larger matters.
    fn counts(&self, parameter: &str) -> bool {
        !parameter.ends_with(".ch_mask")
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }

    fn partitions(&self, weights: &Weights) -> Result<Vec<Partition>> {
        partitions(self, weights)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let module = |b: &mut Builder, x, w: &Scope<'_>| sparse_mask_module(b, x, w, config);
    let (builder, y) = assembled(config, weights, input, 1.0, module)?;
    builder.finish(y)
}

/// The network around its modules. What goes into the head is divided by `unit`, and what comes out of the tail multiplied.
fn assembled(
    config: &Config,
    weights: &Weights,
    input: Shape,
    unit: f32,
    mut module: impl FnMut(&mut Builder, Value, &Scope<'_>) -> Result<Value>,
) -> Result<(Builder, Value)> {
    let (c, scale) = (config.channels, config.scale);
    let w = weights.root();
    let (mut builder, picture) = start(config, "smsr", input, RANGE)?;
    let b = &mut builder;

    let centred = conv(b, picture, &w.scope("sub_mean"), [3, 3, 1])?;
    let x = times(b, "head.unit", centred, 1.0 / unit)?;
    let x = conv(b, x, &w.scope("head.0"), [c, 3, 3])?;
    let x = b.relu("head.1", x)?;
    let x = conv(b, x, &w.scope("head.2"), [c, c, 3])?;

    let mut features = Vec::new();
    let mut feature = x;
    for k in 0..config.modules {
        feature = module(b, feature, &w.scope("body").scope(k))?;
        features.push(feature);
    }

    let all = b.concat("body", &features)?;
    let y = conv(b, all, &w.scope("collect.0"), [c, c * config.modules, 1])?;
    let y = b.relu("collect.1", y)?;
    let y = conv(b, y, &w.scope("collect.2"), [c, c, 3])?;
    let y = b.add("collect", y, x)?;

    let y = conv(b, y, &w.scope("tail.0"), [3 * scale * scale, c, 3])?;
    let y = times(b, "tail.unit", y, unit)?;
    let y = b.pixel_shuffle("tail.1", y, scale)?;
    let enlarged = b.resize("bicubic", centred, ResizeKind::Bicubic, scale)?;
    let y = b.add("tail", y, enlarged)?;
    let y = conv(b, y, &w.scope("add_mean"), [3, 3, 1])?;
    Ok((builder, y))
}

/// `factor · x`, or x if that is the same.
fn times(b: &mut Builder, name: &str, x: Value, factor: f32) -> Result<Value> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = b.number(format!("{name}.factor"), factor)?;
    b.multiply(name, x, factor)
}

/// Sparse mask module (figure 3): a spatial mask, convolutions that obey it, channel attention.
fn sparse_mask_module(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let logits = mask_logits(b, x, &w.scope("spa_mask"), config)?;
    let mask = b.spatial_mask(w.path("spa_mask"), logits)?;
    let body = sparse_mask_convolutions(b, x, mask, &w.scope("body"), config)?;
    let attended = channel_attention(b, body, &w.scope("ca"), config)?;
    b.add(w.prefix(), attended, x)
}

/// Where work is needed (section 3.2): a small branch at half the size makes two logits a pixel.
fn mask_logits(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let m = config.mask_channels;
    let h = conv(b, x, &w.scope(0), [m, config.channels, 3])?;
    let h = b.relu(w.path("1"), h)?;
    let h = b.average_pool(w.path("2"), h, 2)?;
    let h = conv(b, h, &w.scope(3), [m, m, 3])?;
    let h = b.relu(w.path("4"), h)?;
    let up = w.scope(5);
    let weights = [parameter(b, &up, "weight", &[m, 2, 3, 3])?, parameter(b, &up, "bias", &[2])?];
    let deconvolution = ConvTranspose2d { kernel: 3, stride: 2, padding: 1, output_padding: 1 };
    b.conv_transpose2d(w.path("5"), h, weights, deconvolution)
}

/// The masked layers and the 1×1 convolution that collects them (section 3.3).
///
/// `collect` is linear in the layers' concatenation, so it is written as a sum over them: each term is
/// masked by its own layer's channels, and no concatenation is made. The channels of a layer come dense ones first: the
/// rows of its weight, and the columns of those that read it, are put into that order.
fn sparse_mask_convolutions(
    b: &mut Builder,
    x: Value,
    mask: Value,
    w: &Scope<'_>,
    config: &Config,
) -> Result<Value> {
    let (c, layers) = (config.channels, config.layers);
    let dense = dense_channels(w, config)?;
    let logits = parameter(b, w, "ch_mask", &[1, c, layers, 2])?;
    let collect = w.scope("collect");
    let collect_weight = parameter(b, &collect, "weight", &[c, c * layers, 1, 1])?;
    let mut bias = Some(parameter(b, &collect, "bias", &[c])?);

    let in_order = Tensor::new(Shape::new(1, c, 1, 1), (0..c).map(|channel| channel as f32).collect());
    let in_order = b.constant(w.path("in_order"), in_order)?;
    let (mut inputs, mut dense_inputs, mut feature, mut sum) = (in_order, c, x, None);
    for (l, dense) in dense.into_iter().enumerate() {
        let layer = w.scope("body").scope(l);
        let order = WeightOperation::ChannelOrder { layer: l, dense };
        let order = b.weight(layer.path("order"), order, &[logits])?;
        let weight = parameter(b, &layer, "weight", &[c, c, 3, 3])?;
        let weight =
            b.weight(layer.path("weight.ordered"), WeightOperation::Reorder, &[weight, order, inputs])?;
        let op = MaskedConv2d { kernel: 3, dense_inputs, dense_outputs: dense };
        feature = b.masked_conv2d(layer.prefix(), feature, mask, weight, op)?;
        feature = b.relu(layer.path("relu"), feature)?;

        let columns = b.slice(collect.path(&format!("weight.{l}")), collect_weight, l * c, c)?;
        let columns = b.weight(
            collect.path(&format!("weight.{l}.ordered")),
            WeightOperation::Reorder,
            &[columns, in_order, order],
        )?;
        let op = MaskedConv2d { kernel: 1, dense_inputs: dense, dense_outputs: c };
        let weights = Weighted { weight: columns, bias: bias.take() };
        let term = b.masked_conv2d(collect.prefix(), feature, mask, weights, op)?;
        sum = Some(match sum {
            None => term,
            Some(sum) => b.add(collect.prefix(), term, sum)?,
        });
        (inputs, dense_inputs) = (order, dense);
    }
    Ok(sum.expect("a module has at least one layer"))
}

/// Channel attention (Zhang et al., RCAN, ECCV 2018, section 3.3): a factor a channel, from its mean.
fn channel_attention(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let (c, squeezed) = (config.channels, config.attention_channels);
    let factors = b.global_average_pool(w.path("avg_pool"), x)?;
    let factors = conv(b, factors, &w.scope("conv_du.0"), [squeezed, c, 1])?;
    let factors = b.relu(w.path("conv_du.1"), factors)?;
    let factors = conv(b, factors, &w.scope("conv_du.2"), [c, squeezed, 1])?;
    let factors = b.activation(w.path("conv_du.3"), factors, Activation::Sigmoid)?;
    b.multiply(w.prefix(), x, factors)
}

/// How many channels of each layer are dense, from `ch_mask`: `[1, channels, layers, 2]` logits of which the first wins
/// in a dense channel (section 3.2: a softmax, rounded).
fn dense_channels(w: &Scope<'_>, config: &Config) -> Result<Vec<usize>> {
    let dense = are_dense(w, config)?;
    Ok(dense.iter().map(|layer| layer.iter().filter(|dense| **dense).count()).collect())
}

/// Of each layer's channels whether they are.
fn are_dense(w: &Scope<'_>, config: &Config) -> Result<Vec<Vec<bool>>> {
    let (c, layers) = (config.channels, config.layers);
    let logits = w.parameter("ch_mask", &[1, c, layers, 2])?;
    let is_dense = |l: usize, channel: usize| {
        let at = (channel * layers + l) * 2;
        logits.values()[at] > logits.values()[at + 1]
    };
    Ok((0..layers).map(|l| (0..c).map(|channel| is_dense(l, channel)).collect()).collect())
}

/// How each module divides its channels.
pub fn partitions(config: &Config, weights: &Weights) -> Result<Vec<Partition>> {
    (0..config.modules)
        .map(|k| {
            let module = weights.root().scope("body").scope(k);
            let dense = dense_channels(&module.scope("body"), config)?;
            Ok(Partition { module: module.prefix().into(), channels: config.channels, dense })
        })
        .collect()
}
