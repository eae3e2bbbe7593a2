//! SRVGGNetCompact: Wang et al., *Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data*,
//! ICCV workshops 2021.
//!
//! The compact network of the authors' code, xinntao/Real-ESRGAN: `realesr-general-x4v3` and `realesr-animevideov3`
//! are checkpoints of it. 3×3 convolutions with bias one after the other at the picture's own size, each but the last
//! with an activation behind it, and one skip from end to end.
//!
//! ```text
//! f_0 = act(body.0(picture)),  f_i = act(body.2i(f_{i−1}))      ×convolutions
//! y   = shuffle(body.last(f)) + nearest(picture)
//! ```

use std::fmt;

use super::Network;
use super::parts::{Conv, axis, colours, last_number, parameter, shuffle_scale_to, shuffled_to, start};
use crate::error::{Error, Result};
use crate::graph::{Builder, Graph, Parameters, ResizeKind, Value};
use crate::tensor::{Parameter, Shape};
use crate::weights::{Scope, Weights};

/// What tells it from others, which have no such tensors or have others besides.
pub(super) const KEYS: &[&str] = &["body.0.weight body.2.weight body.4.weight"];

/// The entry of a file's metadata that names the activation which no tensor tells: `relu`.
const ACTIVATION: &str = "activation";

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the published networks.
    pub channels: usize,
    /// Convolutions between the first and the last: 32 in `realesr-general-x4v3`, 16 in `realesr-animevideov3`.
    pub convolutions: usize,
    /// 1 to 4.
    pub scale: usize,
    /// Of the picture: 3, or 1.
    pub colours: usize,
    /// Whether the activation is a parametric ReLU, as in all published networks. The code has two more, ReLU and leaky
    /// ReLU, which have no tensors: ReLU it is only where the file's metadata says so, under `activation`.
    pub prelu: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let activation = if self.prelu { "PReLU" } else { "ReLU" };
        write!(f, "{} convolutions, {} channels, {activation}", self.convolutions, self.channels)
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not SRVGGNetCompact's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        let axes = |at: usize| weights.get(&weight(at)).map(|parameter| parameter.dims().len());
        let plain = axes(0) == Some(4) && axes(2) == Some(4) && axes(1).is_none_or(|axes| axes == 1);
        (plain && weights.names().all(|name| number(name).is_some())).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        // An activation is never the last: what stands behind it is then missing.
        let last = last_number(weights, "body.").unwrap_or(0).div_ceil(2);
        let colours = colours(weights, &weight(0));
        let is_slope = |name: &str| number(name).is_some_and(|at| at % 2 == 1);
        let prelu = weights.names().any(is_slope);
        let said = weights.metadata().get(ACTIVATION).map(String::as_str);
        if !prelu && said != Some("relu") {
            let reason = format!(
                "body.1.weight: expected the slopes of a parametric ReLU, found none; a network with ReLU must say so: \
                 `{ACTIVATION}` = `relu` in the metadata of a safetensors file"
            );
            return Err(Error::weights(weights.source(), reason));
        }
        Ok(Self {
            channels: axis(weights, &weight(0), 0)?,
            convolutions: last - 1,
            scale: shuffle_scale_to(weights, &weight(2 * last), colours)?,
            colours,
            prelu,
        })
    }
}

/// The weight of a layer of the sequence.
fn weight(at: usize) -> String {
    format!("body.{at}.weight")
}

/// The layer of the sequence that a parameter is of.
fn number(name: &str) -> Option<usize> {
    let (at, parameter) = name.strip_prefix("body.")?.split_once('.')?;
    at.parse().ok().filter(|_| ["weight", "bias"].contains(&parameter))
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn colours(&self) -> usize {
        self.colours
    }

    fn told(&self) -> Vec<(&'static str, String)> {
        if self.prelu { vec![] } else { vec![(ACTIVATION, "relu".to_owned())] }
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let body = weights.root().scope("body");
    let (mut b, picture) = start(config, "srvgg", input, 1.0)?;

    let mut y = picture;
    for i in 0..=config.convolutions {
        y = Conv::same(3).of(&mut b, y, &body.scope(2 * i))?;
        y = act(&mut b, y, &body.scope(2 * i + 1), config)?;
    }
    let last = body.scope(2 * (config.convolutions + 1));
    let y = shuffled_to(&mut b, y, &last, "upsampler", [config.colours, config.scale])?;
    let base = match config.scale {
        1 => picture,
        scale => b.resize("base", picture, ResizeKind::Nearest, scale)?,
    };
    let y = b.add("add", y, base)?;
    b.finish(y)
}

/// Parametric ReLU with a slope a channel, or one for all; or ReLU, see [`Config::prelu`].
fn act(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    if !config.prelu {
        return b.relu(w.prefix(), x);
    }
    let slopes = match w.get("weight").map(Parameter::dims) {
        Some([1]) => 1,
        _ => b.shape(x).channels,
    };
    let slopes = parameter(b, w, "weight", &[slopes])?;
    b.prelu(w.prefix(), x, slopes)
}
