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

use std::fmt;

use super::parts::{axis, conv, start};
use super::{Network, Partition};
use crate::error::{Error, Result};
use crate::graph::{Activation, Builder, ConvTranspose2d, Graph, MaskedConv2d, ResizeKind, Value};
use crate::tensor::{Parameter, Shape};
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

    fn build(&self, weights: &Weights, input: Shape) -> Result<Graph> {
        build(self, weights, input)
    }

    fn partitions(&self, weights: &Weights) -> Result<Vec<Partition>> {
        partitions(self, weights)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<Graph> {
    let (c, scale) = (config.channels, config.scale);
    let w = weights.root();
    let (mut builder, picture) = start(config, "smsr", input, RANGE)?;
    let b = &mut builder;

    let centred = conv(b, picture, &w.scope("sub_mean"), [3, 3, 1])?;
    let x = conv(b, centred, &w.scope("head.0"), [c, 3, 3])?;
    let x = b.relu("head.1", x)?;
    let x = conv(b, x, &w.scope("head.2"), [c, c, 3])?;

    let mut features = Vec::new();
    let mut feature = x;
    for k in 0..config.modules {
        feature = sparse_mask_module(b, feature, &w.scope("body").scope(k), config)?;
        features.push(feature);
    }

    let all = b.concat("body", &features)?;
    let y = conv(b, all, &w.scope("collect.0"), [c, c * config.modules, 1])?;
    let y = b.relu("collect.1", y)?;
    let y = conv(b, y, &w.scope("collect.2"), [c, c, 3])?;
    let y = b.add("collect", y, x)?;

    let y = conv(b, y, &w.scope("tail.0"), [3 * scale * scale, c, 3])?;
    let y = b.pixel_shuffle("tail.1", y, scale)?;
    let enlarged = b.resize("bicubic", centred, ResizeKind::Bicubic, scale)?;
    let y = b.add("tail", y, enlarged)?;
    let y = conv(b, y, &w.scope("add_mean"), [3, 3, 1])?;
    Ok(builder.finish(y))
}

/// Sparse mask module (figure 3): a spatial mask, convolutions that obey it, channel attention.
fn sparse_mask_module(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let mask = spatial_mask(b, x, &w.scope("spa_mask"), config)?;
    let body = sparse_mask_convolutions(b, x, mask, &w.scope("body"), config)?;
    let attended = channel_attention(b, body, &w.scope("ca"), config)?;
    b.add(w.prefix(), attended, x)
}

/// Where work is needed (section 3.2): a small branch at half the size makes two logits a pixel.
fn spatial_mask(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let m = config.mask_channels;
    let h = conv(b, x, &w.scope(0), [m, config.channels, 3])?;
    let h = b.relu(w.path("1"), h)?;
    let h = b.average_pool(w.path("2"), h, 2)?;
    let h = conv(b, h, &w.scope(3), [m, m, 3])?;
    let h = b.relu(w.path("4"), h)?;
    let up = w.scope(5);
    let deconvolution = ConvTranspose2d {
        weight: up.parameter("weight", &[m, 2, 3, 3])?,
        bias: Some(up.parameter("bias", &[2])?),
        stride: 2,
        padding: 1,
        output_padding: 1,
    };
    let logits = b.conv_transpose2d(w.path("5"), h, deconvolution)?;
    b.spatial_mask(w.prefix(), logits)
}

/// The masked layers and the 1×1 convolution that collects them (section 3.3).
///
/// `collect` is linear in the layers' concatenation, so it is written as a sum over them: each term is
/// masked by its own layer's channels, and no concatenation is made.
fn sparse_mask_convolutions(
    b: &mut Builder,
    x: Value,
    mask: Value,
    w: &Scope<'_>,
    config: &Config,
) -> Result<Value> {
    let c = config.channels;
    let orders = channel_orders(w, config)?;
    let collect = w.scope("collect");
    let collect_weight = collect.parameter("weight", &[c, c * config.layers, 1, 1])?;
    let mut bias = Some(collect.parameter("bias", &[c])?);

    let every = ChannelOrder::dense(c);
    let (mut inputs, mut feature, mut sum) = (&every, x, None);
    for (l, outputs) in orders.iter().enumerate() {
        let layer = w.scope("body").scope(l);
        let op = MaskedConv2d {
            weight: reorder(&layer.parameter("weight", &[c, c, 3, 3])?, &outputs.order, &inputs.order),
            bias: None,
            dense_inputs: inputs.dense,
            dense_outputs: outputs.dense,
        };
        feature = b.masked_conv2d(layer.prefix(), feature, mask, op)?;
        feature = b.relu(layer.path("relu"), feature)?;

        let columns: Vec<usize> = outputs.order.iter().map(|i| l * c + i).collect();
        let op = MaskedConv2d {
            weight: reorder(&collect_weight, &every.order, &columns),
            bias: bias.take(),
            dense_inputs: outputs.dense,
            dense_outputs: c,
        };
        let term = b.masked_conv2d(collect.prefix(), feature, mask, op)?;
        sum = Some(match sum {
            None => term,
            Some(sum) => b.add(collect.prefix(), term, sum)?,
        });
        inputs = outputs;
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

/// The channels of a layer, dense ones first.
struct ChannelOrder {
    order: Vec<usize>,
    dense: usize,
}

impl ChannelOrder {
    fn dense(channels: usize) -> Self {
        Self { order: (0..channels).collect(), dense: channels }
    }
}

/// The order of each layer's channels, from `ch_mask`: `[1, channels, layers, 2]` logits of which the
/// first wins in a dense channel (section 3.2: a softmax, rounded).
fn channel_orders(w: &Scope<'_>, config: &Config) -> Result<Vec<ChannelOrder>> {
    let (c, layers) = (config.channels, config.layers);
    let logits = w.parameter("ch_mask", &[1, c, layers, 2])?;
    Ok((0..layers)
        .map(|l| {
            let is_dense = |i: &usize| {
                let at = (i * layers + l) * 2;
                logits.values()[at] > logits.values()[at + 1]
            };
            let (dense, sparse): (Vec<usize>, Vec<usize>) = (0..c).partition(is_dense);
            ChannelOrder { dense: dense.len(), order: [dense, sparse].concat() }
        })
        .collect())
}

/// Rows and columns of an `[out, in, k, k]` weight, chosen and ordered.
fn reorder(weight: &Parameter, out: &[usize], inputs: &[usize]) -> Parameter {
    let &[_, columns, height, width] = weight.dims() else { unreachable!("a checked convolution weight") };
    let taps = height * width;
    let kernels = out.iter().flat_map(|o| inputs.iter().map(move |i| (o * columns + i) * taps));
    let values: Vec<f32> = kernels.flat_map(|at| &weight.values()[at..at + taps]).copied().collect();
    Parameter::new([out.len(), inputs.len(), height, width], values)
}

/// How each module divides its channels.
pub fn partitions(config: &Config, weights: &Weights) -> Result<Vec<Partition>> {
    (0..config.modules)
        .map(|k| {
            let module = weights.root().scope("body").scope(k);
            let dense =
                channel_orders(&module.scope("body"), config)?.iter().map(|order| order.dense).collect();
            Ok(Partition { module: module.prefix().into(), channels: config.channels, dense })
        })
        .collect()
}
