//! LEDSR, EDSR with a light tail, as pruned to ASSLN (Zhang et al., *Aligned Structured Sparsity Learning for Efficient
//! Image Super-Resolution*, NeurIPS 2021) and to SRPN-Lite (Zhang et al., *Learning Efficient Image Super-Resolution
//! Networks via Structure-Regularized Pruning*, ICLR 2022).
//!
//! EDSR's body, and behind it one convolution to the picture. Pruning takes filters of the same indices from all
//! convolutions that are summed in the skip path: `head.0`, every block's second one and the last; of 256 remain 49, 48
//! or 45. The first convolution of a block is free, and so has a width of its own.
//!
//! ```text
//! x   = head(picture − mean)
//! f_i = f_{i−1} + conv(relu(conv(f_{i−1}))),  f_0 = x      ×blocks
//! y   = pixel_shuffle(conv(conv(f_blocks) + x)) + mean
//! ```
//!
//! All convolutions are 3×3 with bias. While it is pruned, the network has weight normalisation, which
//! [`WeightOperation::Norm`](crate::graph::WeightOperation::Norm) carries out.

use std::fmt;

use super::parts::{
    axis, conv, conv_relu_conv, count, has_all, mean_shift, shuffle_scale, start, stored_mean,
};
use super::{Convention, Network};
use crate::error::Result;
use crate::graph::{Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// The convolution to the picture, where EDSR has several.
pub(super) const KEYS: &[&str] = &["body.0.body.0.weight tail.0.0.weight"];

/// The convolutions of a block.
const BLOCK: [&str; 2] = ["body.0", "body.2"];

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Width of the skip path: 48 or 49 in ASSLN, 45 in SRPN-Lite, 256 before it is pruned.
    pub channels: usize,
    /// The least and the greatest width within a block.
    pub inner: [usize; 2],
    /// Residual blocks: 16.
    pub blocks: usize,
    /// 2, 3 or 4.
    pub scale: usize,
    /// Whether the tensors hold the mean, as `sub_mean` and `add_mean`; otherwise it is DIV2K's.
    pub mean_shift: bool,
    /// The value of a white pixel: 255, unless `sub_mean` subtracts a part of 1.
    pub range: f32,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} residual blocks, {} channels", self.blocks, self.channels)?;
        match self.inner {
            inner if inner == [self.channels; 2] => Ok(()),
            [least, greatest] if least == greatest => write!(f, ", {least} within a block"),
            [least, greatest] => write!(f, ", {least} to {greatest} within a block"),
        }
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not LEDSR's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let has = |name: &str| weights.get(name).is_some();
        let longer = has("tail.0.2.weight") || has("tail.1.weight");
        (has_all(weights, KEYS[0]) && !longer).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let blocks = count(weights, "body.", ".body.0.weight");
        let mut inner = [usize::MAX, 0];
        for i in 0..blocks {
            let width = axis(weights, &format!("body.{i}.body.0.weight"), 0)?;
            inner = [inner[0].min(width), inner[1].max(width)];
        }
        let (mean_shift, range) = stored_mean(&weights.root().scope("sub_mean"));
        Ok(Self {
            channels: axis(weights, "head.0.weight", 0)?,
            inner,
            blocks,
            scale: shuffle_scale(weights, "tail.0.0.weight")?,
            mean_shift,
            range,
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
    let (c, scale) = (config.channels, config.scale);
    let (w, body) = (weights.root(), weights.root().scope("body"));
    let (mut b, picture) = start(config, "ledsr", input, config.range)?;

    let mean = (config.mean_shift, Convention::div2k(config.range));
    let x = mean_shift(&mut b, picture, &w.scope("sub_mean"), mean, -1.0)?;
    let x = conv(&mut b, x, &w.scope("head.0"), [c, 3, 3])?;

    let mut y = x;
    for i in 0..config.blocks {
        y = res_block(&mut b, y, &body.scope(i))?;
    }
    let y = conv(&mut b, y, &body.scope(config.blocks), [c, c, 3])?;
    let y = b.add("body", y, x)?;

    let y = conv(&mut b, y, &w.scope("tail.0.0"), [3 * scale * scale, c, 3])?;
    let y = b.pixel_shuffle("tail.0.1", y, scale)?;
    let y = mean_shift(&mut b, y, &w.scope("add_mean"), mean, 1.0)?;
    b.finish(y)
}

/// Residual block.
fn res_block(b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Value> {
    let y = conv_relu_conv(b, x, w, BLOCK, 3)?;
    b.add(w.prefix(), y, x)
}
