//! RFDN: Liu et al., *Residual Feature Distillation Network for Lightweight Image Super-Resolution*, ECCV workshops
//! 2020.
//!
//! IMDN's steps, but what is distilled has a 1×1 convolution of its own and what goes on keeps its width. Names are
//! those of the authors' code (njulj/RFDN).
//!
//! ```text
//! x        = fea_conv(picture)
//! D_i      = lrelu(ci_d(R_{i−1})),  R_i = lrelu(ci_r(R_{i−1}) + R_{i−1}),  R_0 = F,  i = 1, 2, 3
//! RFDB(F)  = esa(c5(cat(D_1, D_2, D_3, lrelu(c4(R_3)))))
//! y        = upsampler(LR_conv(lrelu(c(cat(RFDB1, RFDB2, …)))) + x)
//! ```
//!
//! `fea_conv`, `ci_r`, `c4`, `LR_conv` and the upsampler's convolution are 3×3, `ci_d`, `c5` and `c` 1×1. `esa` is
//! enhanced spatial attention (`esa.rs`). The network that was pruned for NTIRE 2022 (ofsoundof/NTIRE2022_ESR,
//! `team40_rfdn_pruned.py`) has the same names and no `+ R_{i−1}`, see [`Config::residual`].

use std::fmt;

use super::Network;
use super::esa::{self, Conv3x3, Esa};
use super::parts::{Conv, axis, has_all, last_number, shuffle_scale, shuffled, start, told};
use crate::error::Result;
use crate::graph::{Activation, Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["fea_conv.weight B1.c1_d.weight B1.c1_r.weight"];

const LEAKY_RELU: Activation = Activation::LeakyRelu { slope: 0.05 };

/// The entry of a file's metadata that tells [`Config::residual`].
const RESIDUAL: &str = "residual";

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 50 as published, 40 pruned.
    pub channels: usize,
    /// Residual feature distillation blocks: 4 as published.
    pub blocks: usize,
    /// 1 to 4.
    pub scale: usize,
    /// Whether what goes on is added to what it was made of. No tensor tells it. The attention's width does: it is
    /// ⌊`channels` / 4⌋ in the authors' code, while the pruned network, narrower, kept that of the one it was cut from. Where
    /// the file's metadata say `residual`, `true` or `false`, that counts.
    pub residual: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} feature distillation blocks, {} channels", self.blocks, self.channels)?;
        if !self.residual {
            write!(f, ", pruned, without residuals within blocks")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not RFDN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let channels = axis(weights, "fea_conv.weight", 0)?;
        Ok(Self {
            channels,
            blocks: last_number(weights, "B").unwrap_or(0),
            scale: shuffle_scale(weights, "upsampler.0.weight")?,
            residual: match told(weights, RESIDUAL, "true or false")? {
                Some(residual) => residual,
                None => axis(weights, "B1.esa.conv1.weight", 0)? == channels / 4,
            },
        })
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn told(&self) -> Vec<(&'static str, String)> {
        vec![(RESIDUAL, self.residual.to_string())]
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
    let steps = Steps { conv: Conv3x3::Full, act: LEAKY_RELU, residual: config.residual };
    let esa = Esa { conv2: Conv3x3::Full, conv3: Conv3x3::Full, act: Some(Activation::Relu), conv_f: true };
    let w = weights.root();
    let (mut b, picture) = start(config, "rfdn", input, 255.0)?;
    let x = Conv::same(3).of(&mut b, picture, &w.scope("fea_conv"))?;

    let (mut y, mut blocks) = (x, Vec::new());
    for i in 1..=config.blocks {
        let w = w.scope(format!("B{i}"));
        y = steps.of(&mut b, y, &w)?;
        y = Conv::same(1).of(&mut b, y, &w.scope("c5"))?;
        y = esa.of(&mut b, y, &w.scope("esa"))?;
        blocks.push(y);
    }
    let y = b.concat("B", &blocks)?;
    let y = Conv::same(1).of(&mut b, y, &w.scope("c.0"))?;
    let y = b.activation("c.1", y, LEAKY_RELU)?;
    let y = Conv::same(3).making(&mut b, y, &w.scope("LR_conv"), config.channels)?;
    let y = b.add("out_lr", y, x)?;
    let y = shuffled(&mut b, y, &w.scope("upsampler.0"), "upsampler.1", config.scale)?;
    b.finish(y)
}

/// The steps of a residual feature distillation block, which BSRN has too.
pub(super) struct Steps {
    /// `ci_r` and `c4`.
    pub(super) conv: Conv3x3,
    /// What follows each.
    pub(super) act: Activation,
    /// Whether what goes on is added to what it was made of.
    pub(super) residual: bool,
}

impl Steps {
    /// All that is distilled, one after the other.
    pub(super) fn of(&self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
        let (mut distilled, mut y) = (Vec::new(), x);
        for i in 1..=3 {
            let d = w.scope(format!("c{i}_d"));
            let ready = Conv::same(1).of(b, y, &d)?;
            distilled.push(b.activation(d.path("act"), ready, self.act.clone())?);
            y = self.refined(b, y, &w.scope(format!("c{i}_r")))?;
        }
        let last = self.conv.of(b, y, &w.scope("c4"))?;
        distilled.push(b.activation(w.path("c4.act"), last, self.act.clone())?);
        b.concat(w.path("cat"), &distilled)
    }

    /// What goes on to the next step.
    fn refined(&self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
        let y = if self.residual {
            let y = self.conv.making(b, x, w, Conv::same(3), b.shape(x).channels)?;
            b.add(w.path("add"), y, x)?
        } else {
            self.conv.of(b, x, w)?
        };
        b.activation(w.path("act"), y, self.act.clone())
    }
}
