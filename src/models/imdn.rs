//! IMDN: Hui et al., *Lightweight Image Super-Resolution with Information Multi-distillation Network*, ACM MM 2019.
//!
//! Every block computes in steps. Of what a step makes, some channels are ready, distilled, and the others go through
//! the next step. Names are those of the authors' code (Zheng222/IMDN).
//!
//! ```text
//! x              = fea_conv(picture)
//! D_i, R_i       = split(lrelu(ci(R_{i−1}))),  R_0 = F,  i = 1, 2, 3
//! IMDB(F)        = c5(cca(cat(D_1, D_2, D_3, c4(R_3)))) + F
//! y              = upsampler(LR_conv(lrelu(c(cat(IMDB1, IMDB2, …)))) + x)
//! ```
//!
//! `fea_conv`, `c1` … `c4`, `LR_conv` and the upsampler's convolution are 3×3, `c5` and `c` 1×1. `cca` is
//! contrast-aware channel attention, which BSRN has too.

use std::fmt;

use super::Network;
use super::parts::{Conv, axis, has_all, last_number, shuffle_scale, shuffled, start};
use crate::error::{Error, Result};
use crate::graph::{Activation, Builder, GlobalPoolKind, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["fea_conv.weight IMDB1.c1.weight IMDB1.cca.conv_du.0.weight"];

const LEAKY_RELU: Activation = Activation::LeakyRelu { slope: 0.05 };

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Information multi-distillation blocks: 6 in the paper.
    pub blocks: usize,
    /// 1 to 4.
    pub scale: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} multi-distillation blocks, {} channels", self.blocks, self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not IMDN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        Ok(Self {
            channels: axis(weights, "fea_conv.weight", 0)?,
            blocks: last_number(weights, "IMDB").unwrap_or(0),
            scale: shuffle_scale(weights, "upsampler.0.weight")?,
        })
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "imdn", input, 1.0)?;
    let x = Conv::same(3).of(&mut b, picture, &w.scope("fea_conv"))?;

    let (mut y, mut blocks) = (x, Vec::new());
    for i in 1..=config.blocks {
        y = multi_distillation_block(&mut b, y, weights, &w.scope(format!("IMDB{i}")))?;
        blocks.push(y);
    }
    let y = b.concat("IMDB", &blocks)?;
    let y = Conv::same(1).of(&mut b, y, &w.scope("c.0"))?;
    let y = b.activation("c.1", y, LEAKY_RELU)?;
    let y = Conv::same(3).making(&mut b, y, &w.scope("LR_conv"), config.channels)?;
    let y = b.add("out_lr", y, x)?;
    let y = shuffled(&mut b, y, &w.scope("upsampler.0"), "upsampler.1", config.scale)?;
    b.finish(y)
}

/// Information multi-distillation block. How many channels remain the next step tells, which reads them.
fn multi_distillation_block(b: &mut Builder, x: Value, weights: &Weights, w: &Scope<'_>) -> Result<Value> {
    let (mut distilled, mut remaining) = (Vec::new(), x);
    for [step, next] in [["c1", "c2"], ["c2", "c3"], ["c3", "c4"]] {
        let y = Conv::same(3).of(b, remaining, &w.scope(step))?;
        let y = b.activation(w.path(&format!("{step}.act")), y, LEAKY_RELU)?;
        let ready = ready(weights, b.shape(y).channels, &w.scope(next))?;
        distilled.push(b.slice(w.path(&format!("{step}.distilled")), y, 0, ready)?);
        let others = b.shape(y).channels - ready;
        remaining = b.slice(w.path(&format!("{step}.remaining")), y, ready, others)?;
    }
    distilled.push(Conv::same(3).of(b, remaining, &w.scope("c4"))?);

    let y = b.concat(w.path("cat"), &distilled)?;
    let y = contrast_aware_channel_attention(b, y, &w.scope("cca"))?;
    let y = Conv::same(1).making(b, y, &w.scope("c5"), b.shape(x).channels)?;
    b.add(w.prefix(), y, x)
}

/// How many of a step's channels the `next` step does not read: at least one, and not all.
fn ready(weights: &Weights, made: usize, next: &Scope<'_>) -> Result<usize> {
    let name = next.path("weight");
    let read = axis(weights, &name, 1)?;
    made.checked_sub(read).filter(|ready| *ready > 0).ok_or_else(|| {
        let reason = format!("{name}: expected fewer than {made} input channels, found {read}");
        Error::weights(weights.source(), reason)
    })
}

/// Contrast-aware channel attention: every channel times a number of 0 … 1, which follows from the
/// means and standard deviations of all.
pub(super) fn contrast_aware_channel_attention(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let contrast = b.global_pool(w.path("contrast"), x, GlobalPoolKind::Deviation)?;
    let mean = b.global_pool(w.path("avg_pool"), x, GlobalPoolKind::Mean)?;
    let y = b.add(w.path("add"), contrast, mean)?;
    let y = Conv::same(1).of(b, y, &w.scope("conv_du.0"))?;
    let y = b.relu(w.path("conv_du.1"), y)?;
    let y = Conv::same(1).making(b, y, &w.scope("conv_du.2"), b.shape(x).channels)?;
    let y = b.activation(w.path("conv_du.3"), y, Activation::Sigmoid)?;
    b.multiply(w.prefix(), x, y)
}
