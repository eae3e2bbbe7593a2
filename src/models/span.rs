//! SPAN: Wan et al., *Swift Parameter-free Attention Network for Efficient Super-Resolution*, CVPR workshops 2024.
//!
//! Plain 3×3 convolutions, whose attention is a function of what they make and has no parameters of its own. The
//! authors' code is hongyuanyu/SPAN.
//!
//! ```text
//! O_0 = conv_1(255 · (picture − mean))
//! H_i = c3(silu(c2(silu(c1(O_{i−1})))))
//! O_i = (O_{i−1} + H_i) ⊙ σ_a(H_i),  σ_a(x) = sigmoid(x) − ½        ×6
//! y   = shuffle(upsampler(conv_cat[O_0, conv_2(O_6), O_1, silu(c1(O_5))]))
//! ```
//!
//! No mean is added back: `y` is the picture in 0 … 1. The last part of the concatenation reads in the code
//! as if it lay before the SiLU; that works in place, so every checkpoint was trained with what is behind it.
//!
//! In training each 3×3 convolution is three in a row beside a 1×1, see `merged`; a checkpoint has these branches
//! or only the 3×3 that they come to. The entries of NTIRE 2024 (28 and 26 channels) and of NTIRE 2025 (28, and 20
//! behind `conv_cat`) have only the latter.

use std::fmt;
use std::sync::Arc;

use super::parts::{
    Conv, axis, channels, has_all, last_number, scaled, shuffle_scale, shuffled, start, stored_width,
};
use super::{Convention, Network};
use crate::error::Result;
use crate::graph::{
    Activation, BinaryKind, Builder, Conv2d, Graph, Parameters, ResizeKind, Value, WeightOperation, Weighted,
};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others: convolutions as they run, or the branches of training alone.
pub(super) const KEYS: &[&str] =
    &["conv_cat.weight block_1.c1_r.eval_conv.weight", "conv_cat.weight block_1.c1_r.conv.2.weight"];

/// One of the convolutions that branches come to.
const MERGED: &str = "block_1.c1_r.eval_conv";

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Width: 52 in the paper, 48 in its small network.
    pub channels: usize,
    /// Swift parameter-free attention blocks: 6 in the paper.
    pub blocks: usize,
    /// 1 to 4.
    pub scale: usize,
    /// Whether the tensors hold the branches that are there in training.
    pub branches: bool,
    /// Whether they hold the convolutions that these come to: not once such a network was pruned.
    pub merged: bool,
    /// What the picture's mean is and what the rest is multiplied by, if anything is done to it: not in networks of
    /// other trainers that have a tensor `no_norm`. No tensor tells it otherwise, and trainers differ: the authors' is
    /// 255 and DIV2K's mean.
    pub convention: Option<Convention>,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attention blocks, {} channels", self.blocks, self.channels)?;
        if self.branches {
            write!(f, ", with the branches of training")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not SPAN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        KEYS.iter().any(|scheme| has_all(weights, scheme)).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let branches = weights.names().any(is_branch);
        let first = if branches { "conv_1.conv.2.weight" } else { "conv_1.eval_conv.weight" };
        Ok(Self {
            channels: axis(weights, first, 0)?,
            blocks: last_number(weights, "block_").unwrap_or(1),
            scale: shuffle_scale(weights, "upsampler.0.weight")?,
            branches,
            merged: weights.get(&format!("{MERGED}.weight")).is_some(),
            convention: weights.get("no_norm").is_none().then_some(Convention::div2k(255.0)),
        })
    }
}

/// Whether a parameter is of the branches that are there in training: `sk`, `conv.0`, `conv.1` and `conv.2`.
fn is_branch(parameter: &str) -> bool {
    [".sk.", ".conv.0.", ".conv.1.", ".conv.2."].iter().any(|branch| parameter.contains(branch))
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    /// What the branches take the place of, and what stands for a missing mean.
    fn ignores(&self, name: &str) -> bool {
        (self.branches && name.contains(".eval_conv.")) || name == "no_norm"
    }

    /// The paper counts the network without the branches.
    fn counts(&self, parameter: &str) -> bool {
        !(self.merged && is_branch(parameter)) && parameter != "no_norm"
    }

    fn convention(&self) -> Option<Convention> {
        self.convention
    }

    fn by_convention(&self, convention: Convention) -> Option<Arc<dyn Network>> {
        self.convention.map(|_| Arc::new(Self { convention: Some(convention), ..*self }) as Arc<dyn Network>)
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "span", input, 1.0)?;

    let (x, factor) = match config.convention {
        Some(Convention { white, mean }) => {
            let mean = channels(&mut b, "mean", &mean, picture)?;
            (b.binary("sub_mean", BinaryKind::Subtract, picture, mean)?, white)
        }
        None => (picture, 1.0),
    };
    let head = conv3xc(&mut b, x, &w.scope("conv_1"), config, factor)?;

    let half = vec![0.5; b.shape(head).channels];
    let half = channels(&mut b, "half", &half, head)?;
    let (mut outs, mut act) = (vec![head], head);
    for i in 1..=config.blocks {
        let block = spab(&mut b, outs[i - 1], half, &w.scope(format!("block_{i}")), config)?;
        outs.push(block.0);
        act = block.1;
    }
    let last = conv3xc(&mut b, outs[config.blocks], &w.scope("conv_2"), config, 1.0)?;
    let y = b.concat("cat", &[head, last, outs[1], act])?;
    let y = Conv::same(1).of(&mut b, y, &w.scope("conv_cat"))?;

    let upsampler = w.scope("upsampler");
    let y = shuffled(&mut b, y, &upsampler.scope(0), upsampler.path("1"), config.scale)?;
    b.finish(y)
}

/// Swift parameter-free attention block: its output, and its first convolution's behind the SiLU.
fn spab(b: &mut Builder, x: Value, half: Value, w: &Scope<'_>, config: &Config) -> Result<(Value, Value)> {
    let y = conv3xc(b, x, &w.scope("c1_r"), config, 1.0)?;
    let first = b.activation(w.path("out1_act"), y, Activation::Silu)?;
    let y = conv3xc(b, first, &w.scope("c2_r"), config, 1.0)?;
    let y = b.activation(w.path("out2_act"), y, Activation::Silu)?;
    let c3 = w.scope("c3_r");
    let widths = [b.shape(x).channels, b.shape(y).channels];
    let weights = weights_of(b, &c3, widths, config)?;
    let h = b.conv2d(c3.prefix(), y, weights, Conv2d::same(3))?;

    let attention = b.activation(w.path("sigmoid"), h, Activation::Sigmoid)?;
    let attention = b.binary(w.path("sim_att"), BinaryKind::Subtract, attention, half)?;
    let sum = b.add(w.path("add"), h, x)?;
    Ok((b.multiply(w.prefix(), sum, attention)?, first))
}

/// A 3×3 convolution of `factor · x`, which zeros around the picture do not mind.
fn conv3xc(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config, factor: f32) -> Result<Value> {
    let last = w.scope(if config.branches { "conv.2" } else { "eval_conv" });
    let out = stored_width(&last).unwrap_or(1); // without one it is refused with what was expected
    let widths = [out, b.shape(x).channels];
    let Weighted { weight, bias } = weights_of(b, w, widths, config)?;
    let Weighted { weight, .. } = scaled(b, w, weight.into(), factor)?;
    b.conv2d(w.prefix(), x, Weighted { weight, bias }, Conv2d::same(3))
}

/// Weight and bias of a 3×3 convolution, `[out, inputs]`.
fn weights_of(
    b: &mut Builder,
    w: &Scope<'_>,
    [out, inputs]: [usize; 2],
    config: &Config,
) -> Result<Weighted> {
    if config.branches {
        return merged(b, w, [out, inputs]);
    }
    Conv::same(3).read_to(b, out, inputs, &w.scope("eval_conv"))
}

/// The 3×3 convolution that the branches `conv.2 ∘ conv.1 ∘ conv.0 + sk` (1×1, 3×3, 1×1; 1×1) come to, as the
/// authors' code makes it before every evaluation. What is stored as `eval_conv` may be of an earlier step.
///
/// The three in a row are linear, so their weights go through one another as pictures do: of outputs as pictures and
/// inputs as channels `conv.1`'s go through `conv.0`'s transpose, and the other way round through `conv.2`. The bias is
/// what they make of `conv.0`'s at every pixel, also of those past the picture's edge, since the zeros lie around what
/// goes into `conv.0`.
fn merged(b: &mut Builder, w: &Scope<'_>, [out, inputs]: [usize; 2]) -> Result<Weighted> {
    let [expanded, wide] = ["conv.0", "conv.1"].map(|name| stored_width(&w.scope(name)).unwrap_or(1));
    let first = Conv::same(1).read_to(b, expanded, inputs, &w.scope("conv.0"))?;
    let second = Conv::same(3).read_to(b, wide, expanded, &w.scope("conv.1"))?;
    let third = Conv::same(1).read_to(b, out, wide, &w.scope("conv.2"))?;
    let skip = Conv::same(1).read_to(b, out, inputs, &w.scope("sk"))?;

    let transpose = |b: &mut Builder, value: Value| {
        b.weight(w.path("merged.transposed"), WeightOperation::Transpose, &[value])
    };
    let columns = transpose(b, first.weight)?;
    let weight = b.conv2d(w.path("merged.second"), second.weight, columns, Conv2d::same(1))?;
    let weight = transpose(b, weight)?;
    let weight = b.conv2d(w.path("merged.third"), weight, third.weight, Conv2d::same(1))?;
    let weight = transpose(b, weight)?;
    let centre = WeightOperation::Pad { rows: 1, columns: 1 };
    let centre = b.weight(w.path("merged.skip"), centre, &[skip.weight])?;
    let weight = b.add(w.path("merged.weight"), weight, centre)?;

    let bias = |weights: Weighted| weights.bias.expect("read with a bias");
    let everywhere = b.resize(w.path("merged.bias"), bias(first), ResizeKind::Nearest, 3)?;
    let valid = Conv2d { padding: 0, ..Conv2d::same(3) };
    let sum = b.conv2d(w.path("merged.bias"), everywhere, second, valid)?;
    let sum = b.conv2d(w.path("merged.bias"), sum, third, Conv2d::same(1))?;
    let bias = b.add(w.path("merged.bias"), sum, bias(skip))?;
    Ok(Weighted { weight, bias: Some(bias) })
}
