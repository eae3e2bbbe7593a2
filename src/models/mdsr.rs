//! MDSR: Lim et al., *Enhanced Deep Residual Networks for Single Image Super-Resolution*, CVPR workshops 2017, section
//! 3.3: EDSR for several scales at once.
//!
//! The head, the body and the last convolution serve all scales; each scale has two residual blocks of 5×5 before the
//! body and an upsampler behind it. All other convolutions are 3×3, all have bias; the names are EDSR-PyTorch's.
//!
//! ```text
//! x   = pre_process_s(head(picture − mean))
//! f_i = f_{i−1} + conv(relu(conv(f_{i−1}))),  f_0 = x      ×blocks
//! y   = tail(upsample_s(conv(f_blocks) + x)) + mean
//! ```

use std::fmt;
use std::sync::Arc;

use super::parts::{
    axis, conv, conv_relu_conv, count, has_all, mean_shift, start, stored_mean, upsampler_scale,
    upsampler_to, width_read,
};
use super::{Convention, Network};
use crate::error::Result;
use crate::graph::{Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["pre_process.0.0.body.0.weight body.0.body.0.weight upsample.0.0.weight"];

/// The convolutions of a block.
const BLOCK: [&str; 2] = ["body.0", "body.2"];

/// What the tensors say of a network's size.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Width behind the upsampler: the same, but for pruned networks.
    pub upsampled: usize,
    /// Residual blocks of the body: 80 in the paper, 16 in its baseline.
    pub blocks: usize,
    /// The scales that there are branches for, in their order: 2, 3 and 4 in the paper.
    pub scales: Vec<usize>,
    /// Which of them is taken: the smallest, unless another is asked for.
    pub branch: usize,
    /// Whether the tensors hold the mean, as `sub_mean` and `add_mean`; otherwise it is DIV2K's.
    pub mean_shift: bool,
    /// The value of a white pixel: 255, unless `sub_mean` subtracts a part of 1.
    pub range: f32,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scales: Vec<String> = self.scales.iter().map(|scale| format!("x{scale}")).collect();
        write!(f, "{} residual blocks, {} channels, for {}", self.blocks, self.channels, scales.join(", "))
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not MDSR's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let channels = axis(weights, "head.0.weight", 0)?;
        let branches = count(weights, "pre_process.", ".0.body.0.weight");
        let upsampled = width_read(weights, "tail.0.weight").unwrap_or(channels);
        let scale = |i| upsampler_scale(weights, &format!("upsample.{i}"), upsampled);
        let scales = (0..branches).map(scale).collect::<Result<Vec<_>>>()?;
        let (mean_shift, range) = stored_mean(&weights.root().scope("sub_mean"));
        Ok(Self {
            channels,
            upsampled,
            blocks: count(weights, "body.", ".body.0.weight"),
            branch: (0..branches).min_by_key(|i| scales[*i]).unwrap_or(0),
            scales,
            mean_shift,
            range,
        })
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scales[self.branch]
    }

    fn at_scale(&self, scale: usize) -> Option<Arc<dyn Network>> {
        let branch = self.scales.iter().position(|found| *found == scale)?;
        Some(Arc::new(Self { branch, ..self.clone() }))
    }

    /// Other scales' branches are not.
    fn counts(&self, parameter: &str) -> bool {
        let mut parts = parameter.split('.');
        match (parts.next(), parts.next()) {
            (Some("pre_process" | "upsample"), Some(branch)) => branch == self.branch.to_string(),
            _ => true,
        }
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape, at the scale of the branch that is taken.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let scale = config.scale();
    let c = config.channels;
    let (w, body) = (weights.root(), weights.root().scope("body"));
    let (mut b, picture) = start(config, "mdsr", input, config.range)?;

    let mean = (config.mean_shift, Convention::div2k(config.range));
    let x = mean_shift(&mut b, picture, &w.scope("sub_mean"), mean, -1.0)?;
    let mut x = conv(&mut b, x, &w.scope("head.0"), [c, 3, 3])?;
    for i in 0..2 {
        x = res_block(&mut b, x, &w.scope("pre_process").scope(config.branch).scope(i), 5)?;
    }

    let mut y = x;
    for i in 0..config.blocks {
        y = res_block(&mut b, y, &body.scope(i), 3)?;
    }
    let y = conv(&mut b, y, &body.scope(config.blocks), [c, c, 3])?;
    let y = b.add("body", y, x)?;

    let upsample = w.scope("upsample").scope(config.branch);
    let y = upsampler_to(&mut b, y, &upsample, scale, config.upsampled)?;
    let y = conv(&mut b, y, &w.scope("tail.0"), [3, config.upsampled, 3])?;
    let y = mean_shift(&mut b, y, &w.scope("add_mean"), mean, 1.0)?;
    b.finish(y)
}

/// Residual block (figure 2c).
fn res_block(b: &mut Builder, x: Value, w: &Scope<'_>, kernel: usize) -> Result<Value> {
    let y = conv_relu_conv(b, x, w, BLOCK, kernel)?;
    b.add(w.prefix(), y, x)
}
