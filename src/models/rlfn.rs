//! RLFN: Kong et al., *Residual Local Feature Network for Efficient Super-Resolution*, CVPR workshops 2022.
//!
//! RFDN without distillation: three convolutions in a row and a residual. Names are those of the authors' code
//! (bytedance/RLFN) and of two others, see [`Keys`].
//!
//! ```text
//! x        = conv_1(picture)
//! RLFB(F)  = esa(c5(lrelu(c3_r(lrelu(c2_r(lrelu(c1_r(F)))))) + F))     ×blocks
//! y        = upsampler(conv_2(RLFB(…)) + x)
//! ```
//!
//! All convolutions are 3×3 but `c5`, which is 1×1. `esa` is enhanced spatial attention (`esa.rs`). Between `c1_r` and
//! `c3_r` blocks may be wider or narrower: `RLFN_Prune`, which won a track of NTIRE 2022, is wider there, SlimRLFN of
//! NTIRE 2024 (Amazingren/NTIRE2024_ESR, `team21_SlimRLFN.py`) was pruned there.

use std::fmt;

use super::Network;
use super::esa::{self, Conv3x3, Esa};
use super::parts::{Conv, axis, has_any, last_number, shuffle_scale, shuffled, start};
use crate::error::Result;
use crate::graph::{Activation, Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others, by each of [`Keys`].
pub(super) const KEYS: &[&str] = &[
    "conv_1.weight block_1.c1_r.weight block_1.esa.conv1.weight",
    "conv_1.weight block_list.0.c1_r.weight block_list.0.esa.conv1.weight",
    "fea_conv.weight B1.c1_r.weight B1.esa.conv1.weight",
];

const LEAKY_RELU: Activation = Activation::LeakyRelu { slope: 0.05 };

/// Whose code wrote the checkpoint, and so what its tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The authors' RLFN, `RLFN_S` and `RLFN_Prune`: `conv_1`, `block_1`, `conv_2`, `upsampler.0`.
    Rlfn,
    /// SlimRLFN: `conv_1`, `block_list.0`, `conv_2`, `upsampler.upsample_conv`.
    Slim,
    /// The authors' entry to NTIRE 2022 (ofsoundof/NTIRE2022_ESR, `team04_rlfn.py`): `fea_conv`, `B1`, `LR_conv`,
    /// `upsampler.0`.
    Challenge,
}

/// Where a scheme keeps what.
struct Names {
    conv_1: &'static str,
    /// What stands before a block's number.
    block: &'static str,
    first: usize,
    conv_2: &'static str,
    upsampler: &'static str,
}

impl Keys {
    fn names(self) -> Names {
        let (conv_1, conv_2, upsampler) = ("conv_1", "conv_2", "upsampler.0");
        match self {
            Self::Rlfn => Names { conv_1, block: "block_", first: 1, conv_2, upsampler },
            Self::Slim => {
                let upsampler = "upsampler.upsample_conv";
                Names { conv_1, block: "block_list.", first: 0, conv_2, upsampler }
            }
            Self::Challenge => {
                Names { conv_1: "fea_conv", block: "B", first: 1, conv_2: "LR_conv", upsampler }
            }
        }
    }

    fn first_block(self) -> String {
        let names = self.names();
        format!("{}{}", names.block, names.first)
    }
}

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose names the tensors have.
    pub keys: Keys,
    /// Width: 52 in the paper, 48 in `RLFN_S`, 46 in `RLFN_Prune`, 30 in SlimRLFN.
    pub channels: usize,
    /// Residual local feature blocks: 6 in the paper, 4 in `RLFN_Prune`.
    pub blocks: usize,
    /// 1 to 4.
    pub scale: usize,
    /// Whether the attention's skip goes through `conv_f`: not in SlimRLFN.
    pub conv_f: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} local feature blocks, {} channels", self.blocks, self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not RLFN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        // RFDN and BSRN have the challenge's attention, and distil before it.
        let is = |keys: &Keys| {
            let block = keys.first_block();
            weights.get(&format!("{block}.esa.conv1.weight")).is_some()
                && !has_any(weights, &format!("{block}.c1_d"))
        };
        let keys = [Keys::Rlfn, Keys::Slim, Keys::Challenge].into_iter().find(is)?;
        Some(Self::read(weights, keys))
    }

    fn read(weights: &Weights, keys: Keys) -> Result<Self> {
        let names = keys.names();
        Ok(Self {
            keys,
            channels: axis(weights, &format!("{}.weight", names.conv_1), 0)?,
            blocks: last_number(weights, names.block).unwrap_or(0).saturating_add(1 - names.first),
            scale: shuffle_scale(weights, &format!("{}.weight", names.upsampler))?,
            conv_f: keys != Keys::Slim || weights.get("block_list.0.esa.conv_f.weight").is_some(),
        })
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
    let esa = Esa { conv2: Conv3x3::Full, conv3: Conv3x3::Full, act: None, conv_f: config.conv_f };
    let (names, w) = (config.keys.names(), weights.root());
    let (mut b, picture) = start(config, "rlfn", input, 255.0)?;
    let x = Conv::same(3).of(&mut b, picture, &w.scope(names.conv_1))?;

    let mut y = x;
    for i in 0..config.blocks {
        let w = w.scope(format!("{}{}", names.block, names.first + i));
        y = local_features(&mut b, y, &w)?;
        y = Conv::same(1).of(&mut b, y, &w.scope("c5"))?;
        y = esa.of(&mut b, y, &w.scope("esa"))?;
    }
    let y = Conv::same(3).making(&mut b, y, &w.scope(names.conv_2), config.channels)?;
    let y = b.add("out_low_resolution", y, x)?;
    let y = shuffled(&mut b, y, &w.scope(names.upsampler), "upsampler", config.scale)?;
    b.finish(y)
}

/// Three convolutions and the residual.
fn local_features(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let mut y = x;
    for name in ["c1_r", "c2_r", "c3_r"] {
        let w = w.scope(name);
        y = match name {
            "c3_r" => Conv::same(3).making(b, y, &w, b.shape(x).channels)?,
            _ => Conv::same(3).of(b, y, &w)?,
        };
        y = b.activation(w.path("act"), y, LEAKY_RELU)?;
    }
    b.add(w.path("add"), y, x)
}
