//! EDSR: Lim et al., *Enhanced Deep Residual Networks for Single Image Super-Resolution*, CVPR workshops 2017.
//!
//! The plainest of the networks: read this file first. Residual blocks without normalisation at the picture's own
//! size, a skip around all of them, and pixel shuffles at the end. All convolutions are 3×3 with bias.
//!
//! ```text
//! x   = head(picture − mean)
//! f_i = f_{i−1} + res_scale · conv(relu(conv(f_{i−1}))),  f_0 = x      ×blocks
//! y   = last(upsampler(conv(f_blocks) + x)) + mean
//! ```
//!
//! Checkpoints come under two schemes of names, see [`Keys`]. `EDSRmini` (CDISM, PCS 2024) is this network with 16
//! channels and 8 blocks.

use std::fmt;
use std::sync::Arc;

use super::parts::{
    Conv, DIV2K_MEAN, axis, colours, conv, count, has_all, mean_shift, scaled, start, stored_mean, told,
    upsampler_scale, upsampler_to, width_read,
};
use super::{Convention, Network};
use crate::error::Result;
use crate::graph::{Builder, Conv2d, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others, by each of [`Keys`].
pub(super) const KEYS: &[&str] =
    &["body.0.body.0.weight tail.1.weight", "body.0.conv1.weight conv_after_body.weight"];

/// Whose code wrote the checkpoint, and so what its tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The authors' EDSR-PyTorch: `head.0`, `body.0.body.0`, `body.0.body.2`, `body.<blocks>`, `tail.0.0`, `tail.1`.
    EdsrPytorch,
    /// BasicSR: `conv_first`, `body.0.conv1`, `body.0.conv2`, `conv_after_body`, `upsample.0`, `conv_last`.
    BasicSr,
}

/// The entry of a file's metadata that tells [`Config::res_scale`].
const RES_SCALE: &str = "res_scale";

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Whose names the tensors have.
    pub keys: Keys,
    /// Width: 64 in the paper's baseline, 256 in its large network.
    pub channels: usize,
    /// Width behind the upsampler: the same, but for pruned networks.
    pub upsampled: usize,
    /// Residual blocks: 16 in the baseline, 32 in the large network.
    pub blocks: usize,
    /// 2, 3 or 4.
    pub scale: usize,
    /// What a block's residual is multiplied by. No tensor tells it, so it is the published network's of this size:
    /// 0.1 with 256 channels (section 3.2), 2 with 16 channels and 8 blocks (EDSRmini), otherwise 1; unless the file's
    /// metadata say it, under `res_scale`, as those of a pruned network do.
    pub res_scale: f32,
    /// Whether the tensors hold the mean, as `sub_mean` and `add_mean`. EDSR-PyTorch writes them, BasicSR does not:
    /// the mean is then DIV2K's, which is in the source of both.
    pub mean_shift: bool,
    /// The value of a white pixel: 255, as both codes have it, unless `sub_mean` subtracts a part of 1.
    pub range: f32,
    /// The mean where no tensor holds it.
    pub mean: [f32; 3],
    /// Channels of the picture: 3, or 1, of which no mean is taken.
    pub colours: usize,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} residual blocks, {} channels", self.blocks, self.channels)?;
        if self.res_scale != 1.0 {
            write!(f, ", residuals times {}", self.res_scale)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not EDSR's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        // Others have such blocks too, but another way out of the body.
        let mut schemes = [Keys::EdsrPytorch, Keys::BasicSr].into_iter().zip(KEYS);
        schemes.find(|(_, scheme)| has_all(weights, scheme)).map(|(keys, _)| Self::read(weights, keys))
    }

    fn read(weights: &Weights, keys: Keys) -> Result<Self> {
        let names = keys.names();
        let channels = axis(weights, &format!("{}.weight", names.head), 0)?;
        let upsampled = width_read(weights, &format!("{}.weight", names.last)).unwrap_or(channels);
        let blocks = count(weights, "body.", &format!(".{}.weight", names.convs[0]));
        let (mean_shift, range) = stored_mean(&weights.root().scope("sub_mean"));
        Ok(Self {
            keys,
            channels,
            upsampled,
            blocks,
            scale: upsampler_scale(weights, names.upsampler, upsampled)?,
            res_scale: told(weights, RES_SCALE, "a number")?.unwrap_or(res_scale(channels, blocks)),
            mean_shift,
            range,
            mean: DIV2K_MEAN,
            colours: colours(weights, &format!("{}.weight", names.head)),
        })
    }
}

/// Where a scheme keeps what.
struct Names {
    head: &'static str,
    /// Both of a block, in its scope.
    convs: [&'static str; 2],
    /// EDSR-PyTorch's has the number behind the last block's.
    after_body: Option<&'static str>,
    upsampler: &'static str,
    last: &'static str,
}

impl Keys {
    fn names(self) -> Names {
        match self {
            Self::EdsrPytorch => Names {
                head: "head.0",
                convs: ["body.0", "body.2"],
                after_body: None,
                upsampler: "tail.0",
                last: "tail.1",
            },
            Self::BasicSr => Names {
                head: "conv_first",
                convs: ["conv1", "conv2"],
                after_body: Some("conv_after_body"),
                upsampler: "upsample",
                last: "conv_last",
            },
        }
    }
}

/// See [`Config::res_scale`].
pub fn res_scale(channels: usize, blocks: usize) -> f32 {
    match (channels, blocks) {
        (256, _) => 0.1,
        (16, 8) => 2.0,
        _ => 1.0,
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn colours(&self) -> usize {
        self.colours
    }

    fn told(&self) -> Vec<(&'static str, String)> {
        vec![(RES_SCALE, self.res_scale.to_string())]
    }

    fn convention(&self) -> Option<Convention> {
        (!self.mean_shift && self.colours == 3).then_some(Convention { white: self.range, mean: self.mean })
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
    let (mut b, picture) = start(config, "edsr", input, config.range)?;

    let mean = (config.mean_shift, Convention { white: config.range, mean: config.mean });
    let shifted = |b: &mut Builder, x: Value, name: &str, sign: f32| match config.colours {
        1 => Ok(x),
        _ => mean_shift(b, x, &w.scope(name), mean, sign),
    };
    let x = shifted(&mut b, picture, "sub_mean", -1.0)?;
    let x = conv(&mut b, x, &w.scope(names.head), [c, config.colours, 3])?;

    let mut y = x;
    for i in 0..config.blocks {
        y = res_block(&mut b, y, &body.scope(i), config)?;
    }
    let after_body = names.after_body.map_or_else(|| body.scope(config.blocks), |name| w.scope(name));
    let y = conv(&mut b, y, &after_body, [c, c, 3])?;
    let y = b.add("body", y, x)?;

    let y = upsampler_to(&mut b, y, &w.scope(names.upsampler), config.scale, config.upsampled)?;
    let y = conv(&mut b, y, &w.scope(names.last), [config.colours, config.upsampled, 3])?;
    let y = shifted(&mut b, y, "add_mean", 1.0)?;
    b.finish(y)
}

/// Residual block (figure 2c), of any width in the middle: pruning may narrow it there. `res_scale` is a
/// factor of the second convolution's weights.
fn res_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let (c, [first, second]) = (config.channels, config.keys.names().convs);
    let y = Conv::same(3).of(b, x, &w.scope(first))?;
    let y = b.relu(w.path("relu"), y)?;
    let (second, inner) = (w.scope(second), b.shape(y).channels);
    let weights = Conv::same(3).read_to(b, c, inner, &second)?;
    let weights = scaled(b, &second, weights, config.res_scale)?;
    let y = b.conv2d(second.prefix(), y, weights, Conv2d::same(3))?;
    b.add(w.prefix(), y, x)
}
