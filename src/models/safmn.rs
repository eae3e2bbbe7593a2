//! SAFMN: Sun et al., *Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution*, ICCV 2023.
//!
//! A quarter of the channels is looked at pixel by pixel, the others as the largest numbers of ever larger parts of
//! the picture; what comes of it modulates the features. The authors' code is sunny2109/SAFMN.
//!
//! ```text
//! x   = to_feat(picture)
//! f_i = f' + CCM(norm2(f')),  f' = f_{i−1} + SAFM(norm1(f_{i−1})),  f_0 = x      ×blocks
//! y   = shuffle(to_img(f_blocks + x))
//!
//! SAFM(x) = gelu(aggr[mfr_0(x_0), ↑mfr_1(↓x_1), ↑mfr_2(↓x_2), ↑mfr_3(↓x_3)]) ⊙ x,  [x_0 … x_3] = x
//! CCM(x)  = conv1×1(gelu(conv3×3(x)))
//! ```
//!
//! ↓ is the adaptive maximum by 2, 4 and 8, ↑ the nearest pixel, `mfr` 3×3 on each channel alone, the norms are over
//! channels. The entry of NTIRE 2023 differs, see [`Form::Challenge`]. Parts of the picture and the mean over it
//! depend on the picture's size, so the network's numbers do too.

use std::fmt;

use super::Network;
use super::parts::{
    Conv, axis, channels, has_all, has_any, last_number, layer_norm_by, parameter, shuffle_scale, shuffled,
    start,
};
use crate::error::{Error, Result};
use crate::graph::{
    Activation, AdaptiveMaxPool, BinaryKind, Builder, Conv2d, GlobalPoolKind, Graph, Op, Parameters,
    ResizeKind, Value,
};
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["to_feat.weight feats.0.safm.mfr.0.weight"];

/// What keeps the quotients of both norms finite.
const EPSILON: f32 = 1e-6;

/// Which of the authors' two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The paper's.
    Paper,
    /// Of the NTIRE 2023 challenge: no norms in the blocks but a global response normalisation behind `to_feat`
    /// (Woo et al., *ConvNeXt V2*, CVPR 2023), no biases in the blocks, maxima over parts of 4, 8 and 16, no skip
    /// around the blocks, and the picture enlarged bilinearly added at the end.
    Challenge,
}

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which network.
    pub form: Form,
    /// Width: 36 in the paper, 128 in its large network.
    pub channels: usize,
    /// Feature mixing modules: 8 in the paper.
    pub blocks: usize,
    /// Parts that a module's channels are divided into: 4.
    pub levels: usize,
    /// 1 to 4.
    pub scale: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules of {} levels, {} channels", self.blocks, self.levels, self.channels)?;
        match self.form {
            Form::Paper => Ok(()),
            Form::Challenge => write!(f, ", global response normalisation"),
        }
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not SAFMN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let form = if has_any(weights, "norm.") { Form::Challenge } else { Form::Paper };
        has_all(weights, KEYS[0]).then(|| Self::read(weights, form))
    }

    fn read(weights: &Weights, form: Form) -> Result<Self> {
        let levels = 1 + last_number(weights, "feats.0.safm.mfr.").unwrap_or(0);
        let channels = axis(weights, "to_feat.weight", 0)?;
        if levels > 8 || !channels.is_multiple_of(levels) {
            let reason = format!(
                "to_feat.weight: expected a multiple of {levels} output channels, one part a tensor \
                 feats.0.safm.mfr.<i>, and at most 8 of these; found {channels}"
            );
            return Err(Error::weights(weights.source(), reason));
        }
        let blocks = 1 + last_number(weights, "feats.").unwrap_or(0);
        Ok(Self { form, channels, blocks, levels, scale: shuffle_scale(weights, "to_img.0.weight")? })
    }

    /// Of which parts of the picture, by their side, this level takes the largest numbers.
    fn divisor(&self, level: usize) -> usize {
        match (self.form, level) {
            (_, 0) => 1,
            (Form::Paper, _) => 1 << level,
            (Form::Challenge, _) => 2 << level,
        }
    }

    /// With the biases of this form's blocks.
    fn conv(&self, kernel: usize) -> Conv {
        match self.form {
            Form::Paper => Conv::same(kernel),
            Form::Challenge => Conv::same(kernel).without_bias(),
        }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    /// One part of the last level.
    fn smallest_side(&self) -> usize {
        self.divisor(self.levels - 1)
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let (w, feats) = (weights.root(), weights.root().scope("feats"));
    let (mut b, picture) = start(config, "safmn", input, 1.0)?;

    let x = Conv::same(3).of(&mut b, picture, &w.scope("to_feat"))?;
    let x = match config.form {
        Form::Paper => x,
        Form::Challenge => response_norm(&mut b, x, &w.scope("norm"))?,
    };
    let mut y = x;
    for i in 0..config.blocks {
        y = block(&mut b, y, &feats.scope(i), config)?;
    }
    if config.form == Form::Paper {
        y = b.add("feats", y, x)?;
    }
    let to_img = w.scope("to_img");
    let mut y = shuffled(&mut b, y, &to_img.scope(0), to_img.path("1"), config.scale)?;
    if config.form == Form::Challenge {
        let enlarged = b.resize("ident", picture, ResizeKind::Bilinear, config.scale)?;
        y = b.add("to_img", y, enlarged)?;
    }
    b.finish(y)
}

/// Feature mixing module.
fn block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let y = norm(b, x, &w.scope("norm1"), config)?;
    let y = safm(b, y, &w.scope("safm"), config)?;
    let x = b.add(w.path("safm.add"), y, x)?;
    let y = norm(b, x, &w.scope("norm2"), config)?;
    let y = ccm(b, y, &w.scope("ccm.ccm"), config)?;
    b.add(w.prefix(), y, x)
}

/// Normalisation over channels; nothing in the challenge's form.
fn norm(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    if config.form == Form::Challenge {
        return Ok(x);
    }
    layer_norm_by(b, x, w, EPSILON)
}

/// Spatially-adaptive feature modulation.
fn safm(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let part = b.shape(x).channels / config.levels;
    let mut parts = vec![];
    for level in 0..config.levels {
        let mfr = w.scope("mfr").scope(level);
        let mut y = b.slice(mfr.path("slice"), x, level * part, part)?;
        if level > 0 {
            let divisor = config.divisor(level);
            y = b.append(mfr.path("pool"), Op::AdaptiveMaxPool(AdaptiveMaxPool { divisor }), &[y])?;
        }
        y = depthwise(b, y, &mfr, config)?;
        if level > 0 {
            y = b.resize_to(mfr.path("resize"), y, ResizeKind::Nearest, x)?;
        }
        parts.push(y);
    }
    let y = b.concat(w.path("cat"), &parts)?;
    let y = config.conv(1).making(b, y, &w.scope("aggr"), b.shape(x).channels)?;
    let y = b.activation(w.path("act"), y, Activation::Gelu)?;
    b.multiply(w.prefix(), y, x)
}

/// 3×3 on each channel alone.
fn depthwise(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let c = b.shape(x).channels;
    let conv = Conv { bias: config.form == Form::Paper, ..Conv::same(3) };
    conv.in_groups(c).making(b, x, w, c)
}

/// Convolutional channel mixer.
fn ccm(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let y = config.conv(3).of(b, x, &w.scope(0))?;
    let y = b.activation(w.path("1"), y, Activation::Gelu)?;
    config.conv(1).making(b, y, &w.scope(2), b.shape(x).channels)
}

/// Global response normalisation: `gamma · x · n + beta + x`, n the norm of each channel over the picture as a share
/// of the channels' mean norm.
fn response_norm(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let c = b.shape(x).channels;
    let [gamma, beta] = [parameter(b, w, "gamma", &[1, c, 1, 1])?, parameter(b, w, "beta", &[1, c, 1, 1])?];
    let norms = b.global_pool(w.path("norm"), x, GlobalPoolKind::Norm)?;
    let shares = Tensor::new(Shape::new(1, c, 1, 1), vec![1.0 / c as f32; c]);
    let shares = b.constant(w.path("mean.weight"), shares)?;
    let epsilon = b.number(w.path("mean.bias"), EPSILON)?;
    let mean = b.conv2d(w.path("mean"), norms, [shares, epsilon], Conv2d::same(1))?;
    let share = b.binary(w.path("share"), BinaryKind::Divide, norms, mean)?;

    let one = channels(b, w.path("one"), &vec![1.0; c], x)?;
    let factor = b.multiply(w.path("share.gamma"), share, gamma)?;
    let factor = b.add(w.path("factor"), factor, one)?;
    let y = b.multiply(w.path("product"), x, factor)?;
    b.add(w.prefix(), y, beta)
}
