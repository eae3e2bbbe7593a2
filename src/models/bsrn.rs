//! BSRN: Li et al., *Blueprint Separable Residual Network for Efficient Image Super-Resolution*, CVPR workshops 2022.
//!
//! RFDN with its 3×3 convolutions blueprint separable (1×1, then 3×3 of each channel), with GELU, and with attention to
//! channels behind that to places. Names are those of the authors' code (xiaom233/BSRN).
//!
//! ```text
//! x        = fea_conv(cat(picture, picture, picture, picture))
//! D_i      = gelu(ci_d(R_{i−1})),  R_i = gelu(ci_r(R_{i−1}) + R_{i−1}),  R_0 = F,  i = 1, 2, 3
//! ESDB(F)  = cca(esa(c5(cat(D_1, D_2, D_3, gelu(c4(R_3)))))) + F
//! y        = upsampler(c2(gelu(c1(cat(ESDB1, ESDB2, …)))) + x)
//! ```
//!
//! `fea_conv`, `ci_r`, `c4` and `c2` are blueprint separable, `ci_d`, `c5` and `c1` 1×1, the upsampler's convolution
//! 3×3. `esa` is enhanced spatial attention (`esa.rs`), `cca` IMDN's contrast-aware channel attention.
//!
//! BSRN-S, which won a track of NTIRE 2022, is `RFDNFINALB5` in their code. It has `conv_out(cw · …)` for `cca`, `cw`
//! being a learned number a channel; a bias within blueprint separable convolutions; a plain `conv2` in the attention;
//! and writes 1×1 convolutions as `Linear`, with two axes.

use std::fmt;

use super::Network;
use super::esa::{self, Conv3x3, Esa};
use super::imdn::contrast_aware_channel_attention;
use super::parts::{Conv, axis, has_all, last_number, parameter, shuffle_scale, shuffled, start};
use super::rfdn::Steps;
use crate::error::Result;
use crate::graph::{Activation, Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["fea_conv.pw.weight B1.c1_r.pw.weight B1.esa.conv1.weight"];

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the paper, 48 in BSRN-S.
    pub channels: usize,
    /// Efficient separable distillation blocks: 8 in the paper, 5 in BSRN-S.
    pub blocks: usize,
    /// 1 to 4.
    pub scale: usize,
    /// Whether it is BSRN-S.
    pub small: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let small = if self.small { "BSRN-S, " } else { "" };
        write!(f, "{small}{} separable distillation blocks, {} channels", self.blocks, self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not BSRN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        Ok(Self {
            channels: axis(weights, "fea_conv.pw.weight", 0)?,
            blocks: last_number(weights, "B").unwrap_or(0),
            scale: shuffle_scale(weights, "upsampler.upsampleOneStep.0.weight")?,
            small: weights.get("B1.cw").is_some(),
        })
    }

    fn conv3x3(self) -> Conv3x3 {
        Conv3x3::Blueprint { bias: self.small }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn smallest_side(&self) -> usize {
        esa::SMALLEST_SIDE
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let (w, conv) = (weights.root(), config.conv3x3());
    let (mut b, picture) = start(config, "bsrn", input, 1.0)?;
    let x = b.concat("cat", &[picture; 4])?;
    let x = conv.of(&mut b, x, &w.scope("fea_conv"))?;

    let (mut y, mut blocks) = (x, Vec::new());
    for i in 1..=config.blocks {
        y = separable_distillation_block(&mut b, y, &w.scope(format!("B{i}")), config)?;
        blocks.push(y);
    }
    let y = b.concat("B", &blocks)?;
    let y = Conv::same(1).of(&mut b, y, &w.scope("c1"))?;
    let y = b.activation("c1.act", y, Activation::Gelu)?;
    let y = conv.making(&mut b, y, &w.scope("c2"), Conv::same(3), config.channels)?;
    let y = b.add("out_lr", y, x)?;
    let upsampler = w.scope("upsampler.upsampleOneStep");
    let y = shuffled(&mut b, y, &upsampler.scope(0), upsampler.path("1"), config.scale)?;
    b.finish(y)
}

/// Efficient separable distillation block.
fn separable_distillation_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let conv = config.conv3x3();
    let steps = Steps { conv, act: Activation::Gelu, residual: true };
    let conv2 = if config.small { Conv3x3::Full } else { conv };
    let esa = Esa { conv2, conv3: conv, act: Some(Activation::Gelu), conv_f: true };

    let y = steps.of(b, x, w)?;
    let y = Conv::same(1).of(b, y, &w.scope("c5"))?;
    let y = esa.of(b, y, &w.scope("esa"))?;
    let y = if config.small {
        weighted_channels(b, y, w, b.shape(x).channels)?
    } else {
        contrast_aware_channel_attention(b, y, &w.scope("cca"))?
    };
    b.add(w.prefix(), y, x)
}

/// BSRN-S: every channel times a learned number, and a 1×1 convolution to so many channels.
fn weighted_channels(b: &mut Builder, x: Value, w: &Scope<'_>, out: usize) -> Result<Value> {
    let c = b.shape(x).channels;
    let cw = parameter(b, w, "cw", &[1, c])?;
    let y = b.multiply(w.path("weighted"), x, cw)?;
    Conv::same(1).making(b, y, &w.scope("conv_out"), out)
}
