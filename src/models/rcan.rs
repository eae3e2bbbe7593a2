//! RCAN: Zhang et al., *Image Super-Resolution Using Very Deep Residual Channel Attention Networks*, ECCV 2018; and
//! without channel attention SRPN: Zhang et al., *Learning Efficient Image Super-Resolution Networks via
//! Structure-Regularized Pruning*, ICLR 2022.
//!
//! A residual in a residual: blocks with channel attention in groups, a skip around each group and around all.
//! Convolutions are 3×3 with bias, those of the attention 1×1.
//!
//! ```text
//! F_0 = head(picture − mean)
//! F_g = F_{g−1} + conv(B_blocks(… B_1(F_{g−1})))      ×groups
//! B(x) = x + X · sigmoid(W_U relu(W_D mean(X))),  X = conv(relu(conv(x)))
//! y   = last(upsampler(conv(F_groups) + F_0)) + mean
//! ```
//!
//! SRPN has `B(x) = x + X`. Pruning takes filters of the same indices from all convolutions that are summed in a skip
//! path; the first one of a block is free, and the upsampler's are left alone.
//!
//! Checkpoints come under two schemes of names, see [`Keys`].

use std::fmt;
use std::sync::Arc;

use super::parts::{
    Conv, DIV2K_MEAN, axis, conv, conv_relu_conv, count, has_all, mean_shift, start, stored_mean,
    upsampler_scale, upsampler_to,
};
use super::{Convention, Network};
use crate::error::Result;
use crate::graph::{Activation, Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others, by each of [`Keys`].
pub(super) const KEYS: &[&str] = &[
    "body.0.body.0.body.0.weight tail.1.weight",
    "body.0.residual_group.0.rcab.0.weight conv_after_body.weight",
];

/// Whose code wrote the checkpoint, and so what its tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The authors' code for RCAN and SRPN, which is built on EDSR-PyTorch: `head.0`, `body.0.body.0.body.0`,
    /// `body.0.body.0.body.3.conv_du.0`, `body.0.body.<blocks>`, `body.<groups>`, `tail.0.0`, `tail.1`.
    EdsrPytorch,
    /// BasicSR: `conv_first`, `body.0.residual_group.0.rcab.0`, `body.0.residual_group.0.rcab.3.attention.1`,
    /// `body.0.conv`, `conv_after_body`, `upsample.0`, `conv_last`.
    BasicSr,
}

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Whose names the tensors have.
    pub keys: Keys,
    /// Width of the skip paths: 64 in RCAN, 96 in SRPN before it is pruned.
    pub channels: usize,
    /// Width behind the upsampler: the same, but for pruned networks.
    pub upsampled: usize,
    /// Residual groups: 10 in the paper.
    pub groups: usize,
    /// Blocks of a group: 20 in the paper.
    pub blocks: usize,
    /// Whether the blocks have channel attention.
    pub attention: bool,
    /// 2, 3, 4 or 8.
    pub scale: usize,
    /// Whether the tensors hold the mean, as `sub_mean` and `add_mean`; otherwise it is DIV2K's.
    pub mean_shift: bool,
    /// The value of a white pixel: 255, unless `sub_mean` subtracts a part of 1.
    pub range: f32,
    /// The mean where no tensor holds it.
    pub mean: [f32; 3],
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} groups of {} residual blocks, {} channels", self.groups, self.blocks, self.channels)?;
        if !self.attention {
            write!(f, ", no channel attention")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not RCAN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let mut schemes = [Keys::EdsrPytorch, Keys::BasicSr].into_iter().zip(KEYS);
        schemes.find(|(_, scheme)| has_all(weights, scheme)).map(|(keys, _)| Self::read(weights, keys))
    }

    fn read(weights: &Weights, keys: Keys) -> Result<Self> {
        let names = keys.names();
        let [first, _] = names.convs;
        let upsampled = axis(weights, &format!("{}.weight", names.last), 1)?;
        let squeeze = format!("body.0.{}.0.{}.weight", names.group, names.attention[0]);
        let (mean_shift, range) = stored_mean(&weights.root().scope("sub_mean"));
        Ok(Self {
            keys,
            channels: axis(weights, &format!("{}.weight", names.head), 0)?,
            upsampled,
            groups: count(weights, "body.", &format!(".{}.0.{first}.weight", names.group)),
            blocks: count(weights, &format!("body.0.{}.", names.group), &format!(".{first}.weight")),
            attention: weights.get(&squeeze).is_some(),
            scale: upsampler_scale(weights, names.upsampler, upsampled)?,
            mean_shift,
            range,
            mean: DIV2K_MEAN,
        })
    }
}

/// Where a scheme keeps what.
struct Names {
    head: &'static str,
    /// The blocks of a group, in its scope.
    group: &'static str,
    /// Both of a block, in its scope.
    convs: [&'static str; 2],
    /// Those of channel attention, in a block's scope.
    attention: [&'static str; 2],
    /// Of a group, in its scope; EDSR-PyTorch's has the number behind the last block's.
    after_group: Option<&'static str>,
    /// EDSR-PyTorch's has the number behind the last group's.
    after_body: Option<&'static str>,
    upsampler: &'static str,
    last: &'static str,
}

impl Keys {
    fn names(self) -> Names {
        match self {
            Self::EdsrPytorch => Names {
                head: "head.0",
                group: "body",
                convs: ["body.0", "body.2"],
                attention: ["body.3.conv_du.0", "body.3.conv_du.2"],
                after_group: None,
                after_body: None,
                upsampler: "tail.0",
                last: "tail.1",
            },
            Self::BasicSr => Names {
                head: "conv_first",
                group: "residual_group",
                convs: ["rcab.0", "rcab.2"],
                attention: ["rcab.3.attention.1", "rcab.3.attention.3"],
                after_group: Some("conv"),
                after_body: Some("conv_after_body"),
                upsampler: "upsample",
                last: "conv_last",
            },
        }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn convention(&self) -> Option<Convention> {
        (!self.mean_shift).then_some(Convention { white: self.range, mean: self.mean })
    }

    fn by_convention(&self, Convention { white, mean }: Convention) -> Option<Arc<dyn Network>> {
        self.convention().map(|_| Arc::new(Self { range: white, mean, ..*self }) as Arc<dyn Network>)
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let (names, c) = (config.keys.names(), config.channels);
    let (w, body) = (weights.root(), weights.root().scope("body"));
    let (mut b, picture) = start(config, "rcan", input, config.range)?;

    let mean = (config.mean_shift, Convention { white: config.range, mean: config.mean });
    let x = mean_shift(&mut b, picture, &w.scope("sub_mean"), mean, -1.0)?;
    let x = conv(&mut b, x, &w.scope(names.head), [c, 3, 3])?;

    let mut y = x;
    for g in 0..config.groups {
        y = residual_group(&mut b, y, &body.scope(g), config)?;
    }
    let after_body = names.after_body.map_or_else(|| body.scope(config.groups), |name| w.scope(name));
    let y = conv(&mut b, y, &after_body, [c, c, 3])?;
    let y = b.add("body", y, x)?;

    let y = upsampler_to(&mut b, y, &w.scope(names.upsampler), config.scale, config.upsampled)?;
    let y = conv(&mut b, y, &w.scope(names.last), [3, config.upsampled, 3])?;
    let y = mean_shift(&mut b, y, &w.scope("add_mean"), mean, 1.0)?;
    b.finish(y)
}

/// Residual group (section 3.2).
fn residual_group(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let (names, c) = (config.keys.names(), config.channels);
    let blocks = w.scope(names.group);
    let mut y = x;
    for i in 0..config.blocks {
        y = residual_channel_attention_block(b, y, &blocks.scope(i), config)?;
    }
    let after_group = names.after_group.map_or_else(|| blocks.scope(config.blocks), |name| w.scope(name));
    let y = conv(b, y, &after_group, [c, c, 3])?;
    b.add(w.prefix(), y, x)
}

/// Residual channel attention block (figure 4).
fn residual_channel_attention_block(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    config: &Config,
) -> Result<Value> {
    let mut y = conv_relu_conv(b, x, w, config.keys.names().convs, 3)?;
    if config.attention {
        y = channel_attention(b, y, w, config)?;
    }
    b.add(w.prefix(), y, x)
}

/// Channel attention (section 3.3): a factor a channel, from its mean.
fn channel_attention(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let [down, up] = config.keys.names().attention;
    let factors = b.global_average_pool(w.path("attention.mean"), x)?;
    let factors = Conv::same(1).of(b, factors, &w.scope(down))?;
    let factors = b.relu(w.path("attention.relu"), factors)?;
    let squeezed = b.shape(factors).channels;
    let factors = conv(b, factors, &w.scope(up), [config.channels, squeezed, 1])?;
    let factors = b.activation(w.path("attention.sigmoid"), factors, Activation::Sigmoid)?;
    b.multiply(w.path("attention"), x, factors)
}
