//! RRDBNet: Wang et al., *ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks*, ECCV workshops 2018.
//!
//! The generator of ESRGAN, BSRGAN and Real-ESRGAN: residual in residual dense blocks at the picture's own size, then
//! enlargements by two. All convolutions are 3×3 with bias.
//!
//! ```text
//! x      = conv_first(picture)
//! f_i    = f_{i−1} + 0.2 · rdb3(rdb2(rdb1(f_{i−1}))),  f_0 = x                   ×blocks
//! rdb(x) = x + 0.2 · conv5[x, x_1 … x_4],  x_k = lrelu(conv_k[x, x_1 … x_{k−1}])
//! u_j    = lrelu(conv_up_j(nearest(u_{j−1}))),  u_0 = x + conv_body(f_blocks)    ×2 for x4
//! y      = conv_last(lrelu(conv_hr(u)))
//! ```
//!
//! Checkpoints come under three schemes of names, see [`Keys`]; how often a network enlarges is how many convolutions
//! it has for it. Real-ESRGAN's networks of x2 and x1 are those of x4 behind a pixel unshuffle by 2 or 4: their
//! `conv_first` reads 12 or 48 channels. Blocks with a tensor `conv1x1` are ESRGAN+'s (Rakotonirina and Rasoanaivo,
//! *ESRGAN+: Further Improving Enhanced Super-Resolution Generative Adversarial Network*, ICASSP 2020):
//! `x_2 += conv1x1(x)`, `x_4 += x_2`.
//!
//! The first code could also make a network of x3, whose tensors are those of one of x2: it is taken for that.

use std::fmt;

use super::Network;
use super::parts::{Conv, axis, channels, colours, conv, has_all, last_number, scaled, start};
use crate::error::{Error, Result};
use crate::graph::{Activation, Builder, Conv2d, Graph, Op, Parameters, PixelUnshuffle, ResizeKind, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others, by each of [`Keys`].
pub(super) const KEYS: &[&str] = &[
    "body.0.rdb1.conv1.weight conv_body.weight",
    "RRDB_trunk.0.RDB1.conv1.weight trunk_conv.weight",
    "model.0.weight model.1.sub.0.RDB1.conv1.0.weight",
];

/// What residuals are multiplied by (section 3.1).
const RES_SCALE: f32 = 0.2;

/// The slope of the activations left of zero.
const SLOPE: f32 = 0.2;

/// A network by 8 is the largest that is known.
const MOST_DOUBLINGS: usize = 3;

/// Whose code wrote the checkpoint, and so what its tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// BasicSR and Real-ESRGAN: `conv_first`, `body.0.rdb1.conv1`, `conv_body`, `conv_up1`, `conv_hr`, `conv_last`.
    BasicSr,
    /// ESRGAN's second code, and BSRGAN: `conv_first`, `RRDB_trunk.0.RDB1.conv1`, `trunk_conv`, `upconv1`, `HRconv`,
    /// `conv_last`.
    Trunk,
    /// ESRGAN's first code: one sequence, `model.0`, `model.1.sub.0.RDB1.conv1.0`, `model.1.sub.<blocks>`, `model.3`
    /// and so on.
    Sequence,
}

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose names the tensors have.
    pub keys: Keys,
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Channels that each convolution of a dense block adds: 32 in the paper.
    pub growth: usize,
    /// Residual in residual dense blocks: 23 in the paper, 6 in Real-ESRGAN's network for anime.
    pub blocks: usize,
    /// How often the picture's sides are doubled: twice in the paper.
    pub doublings: usize,
    /// What the pixel unshuffle at the beginning divides the picture's sides by: 1, 2 or 4.
    pub unshuffle: usize,
    /// Whether dense blocks are ESRGAN+'s.
    pub plus: bool,
    /// Of the picture: 3, or 1.
    pub colours: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks, {} channels, growth {}", self.blocks, self.channels, self.growth)?;
        if self.unshuffle > 1 {
            write!(f, ", pixel unshuffle by {}", self.unshuffle)?;
        }
        if self.plus { write!(f, ", ESRGAN+") } else { Ok(()) }
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not RRDBNet's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let schemes = [Keys::BasicSr, Keys::Trunk, Keys::Sequence];
        let mut schemes = schemes.into_iter().zip(KEYS);
        let (keys, _) = schemes.find(|(_, scheme)| has_all(weights, scheme))?;
        Some(Self::read(weights, keys))
    }

    fn read(weights: &Weights, keys: Keys) -> Result<Self> {
        let names = keys.names();
        let first = format!("{}.weight", names.first);
        let unshuffle = match axis(weights, &first, 1)? {
            1 | 3 => 1,
            12 => 2,
            48 => 4,
            found => {
                let reason = format!("{first}: expected 1, 3, 12 or 48 input channels, found {found}");
                return Err(Error::weights(weights.source(), reason));
            }
        };
        let conv1 = format!("{}.0.{}1.conv1{}.weight", names.trunk, names.dense, names.suffix);
        let last = last_number(weights, &format!("{}.", names.trunk)).unwrap_or(0);
        Ok(Self {
            keys,
            channels: axis(weights, &first, 0)?,
            growth: axis(weights, &conv1, 0)?,
            // In a sequence the convolution behind the blocks is numbered as they are.
            blocks: if keys == Keys::Sequence { last } else { last + 1 },
            doublings: doublings(weights, keys, unshuffle)?,
            unshuffle,
            plus: weights.names().any(|name| name.contains(".conv1x1.")),
            colours: colours(weights, &first),
        })
    }
}

/// How many convolutions there are that a doubling precedes. Between the trunk and the last two convolutions
/// everything is one, so that in a sequence the last one's number tells it: 4, and 3 more for each.
fn doublings(weights: &Weights, keys: Keys, unshuffle: usize) -> Result<usize> {
    let (found, what) = match keys {
        Keys::BasicSr => (last_number(weights, "conv_up").or(Some(0)), keys.up(1)),
        Keys::Trunk => (last_number(weights, "upconv").or(Some(0)), keys.up(1)),
        Keys::Sequence => {
            let last = last_number(weights, "model.").unwrap_or(0);
            let found = last.checked_sub(4).filter(|rest| rest % 3 == 0).map(|rest| rest / 3);
            (found, format!("model.{last}"))
        }
    };
    let fits = |doublings: &usize| *doublings <= MOST_DOUBLINGS && 1 << doublings >= unshuffle;
    found.filter(fits).ok_or_else(|| {
        let reason = format!(
            "{what}.weight: expected the convolutions of a network that doubles the picture's sides at most \
             {MOST_DOUBLINGS} times, and no less than its pixel unshuffle by {unshuffle} halves them"
        );
        Error::weights(weights.source(), reason)
    })
}

/// Where a scheme keeps what.
struct Names {
    first: &'static str,
    /// The blocks, by number.
    trunk: &'static str,
    /// A dense block of theirs, with its number behind it.
    dense: &'static str,
    /// What stands behind the name of a dense block's convolution.
    suffix: &'static str,
}

impl Keys {
    fn names(self) -> Names {
        let (first, trunk, dense, suffix) = match self {
            Self::BasicSr => ("conv_first", "body", "rdb", ""),
            Self::Trunk => ("conv_first", "RRDB_trunk", "RDB", ""),
            Self::Sequence => ("model.0", "model.1.sub", "RDB", ".0"),
        };
        Names { first, trunk, dense, suffix }
    }

    /// The convolution behind the last block.
    fn after_trunk(self, blocks: usize) -> String {
        match self {
            Self::BasicSr => "conv_body".into(),
            Self::Trunk => "trunk_conv".into(),
            Self::Sequence => format!("model.1.sub.{blocks}"),
        }
    }

    /// The convolution behind a doubling; they are numbered from 1.
    fn up(self, doubling: usize) -> String {
        match self {
            Self::BasicSr => format!("conv_up{doubling}"),
            Self::Trunk => format!("upconv{doubling}"),
            Self::Sequence => format!("model.{}", 3 * doubling),
        }
    }

    /// The last two convolutions.
    fn ends(self, doublings: usize) -> [String; 2] {
        match self {
            Self::BasicSr => ["conv_hr", "conv_last"].map(String::from),
            Self::Trunk => ["HRconv", "conv_last"].map(String::from),
            Self::Sequence => [2, 4].map(|at| format!("model.{}", 3 * doublings + at)),
        }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        (1 << self.doublings) / self.unshuffle
    }

    fn colours(&self) -> usize {
        self.colours
    }

    fn alignment(&self) -> usize {
        self.unshuffle
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let side = config.unshuffle;
    let (w, keys, c) = (weights.root(), config.keys, config.channels);
    let names = keys.names();
    let (mut b, picture) = start(config, "rrdb", input, 1.0)?;

    let x = match side {
        1 => picture,
        scale => b.append("unshuffle", Op::PixelUnshuffle(PixelUnshuffle { scale }), &[picture])?,
    };
    let x = Conv::same(3).of(&mut b, x, &w.scope(names.first))?;
    let fifth = channels(&mut b, "res_scale", &vec![RES_SCALE; c], x)?;
    let (trunk, mut y) = (w.scope(names.trunk), x);
    for i in 0..config.blocks {
        y = rrdb(&mut b, y, fifth, &trunk.scope(i), config)?;
    }
    let y = conv(&mut b, y, &w.scope(keys.after_trunk(config.blocks)), [c, c, 3])?;
    let mut y = b.add("trunk", y, x)?;

    for j in 1..=config.doublings {
        let up = w.scope(keys.up(j));
        y = b.resize(up.path("nearest"), y, ResizeKind::Nearest, 2)?;
        y = Conv::same(3).of(&mut b, y, &up)?;
        y = lrelu(&mut b, up.path("lrelu"), y)?;
    }
    let [high, last] = keys.ends(config.doublings).map(|name| w.scope(name));
    let y = Conv::same(3).of(&mut b, y, &high)?;
    let y = lrelu(&mut b, high.path("lrelu"), y)?;
    let inputs = b.shape(y).channels;
    let y = conv(&mut b, y, &last, [config.colours, inputs, 3])?;
    b.finish(y)
}

/// Residual in residual dense block (figure 4).
fn rrdb(b: &mut Builder, x: Value, fifth: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let mut y = x;
    for j in 1..=3 {
        y = dense_block(b, y, &w.scope(format!("{}{j}", config.keys.names().dense)), config)?;
    }
    let y = b.multiply(w.path("scaled"), y, fifth)?;
    b.add(w.prefix(), y, x)
}

/// Residual dense block. The factor on its residual is one of the last convolution's weights.
fn dense_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let suffix = config.keys.names().suffix;
    let scope = |k: usize| w.scope(format!("conv{k}{suffix}"));
    let mut made = vec![x];
    for k in 1..=4 {
        let y = if k > 1 { b.concat(w.path(&format!("cat{k}")), &made)? } else { x };
        let y = match (config.plus, k) {
            (true, 4) => Conv::same(3).making(b, y, &scope(k), b.shape(made[2]).channels)?,
            _ => Conv::same(3).of(b, y, &scope(k))?,
        };
        let y = lrelu(b, w.path(&format!("x{k}")), y)?;
        made.push(match (config.plus, k) {
            (true, 2) => {
                let out = b.shape(y).channels;
                let skip = Conv::same(1).without_bias().making(b, x, &w.scope("conv1x1"), out)?;
                b.add(w.path("x2.add"), y, skip)?
            }
            (true, 4) => b.add(w.path("x4.add"), y, made[2])?,
            _ => y,
        });
    }
    let y = b.concat(w.path("cat5"), &made)?;
    let (last, within, c) = (scope(5), b.shape(y).channels, b.shape(x).channels);
    let weights = Conv::same(3).read_to(b, c, within, &last)?;
    let weights = scaled(b, &last, weights, RES_SCALE)?;
    let y = b.conv2d(last.prefix(), y, weights, Conv2d::same(3))?;
    b.add(w.prefix(), y, x)
}

fn lrelu(b: &mut Builder, name: String, x: Value) -> Result<Value> {
    b.activation(name, x, Activation::LeakyRelu { slope: SLOPE })
}
