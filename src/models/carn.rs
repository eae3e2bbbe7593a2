//! CARN and CARN-M: Ahn et al., *Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network*,
//! ECCV 2018.
//!
//! Residual blocks whose outputs are all kept: behind each, a 1×1 convolution reads every one so far, within a
//! cascading block and among cascading blocks alike. The authors' code is nmhkahn/CARN-pytorch.
//!
//! ```text
//! x       = entry(picture − mean)
//! cascade(x; b, c): o_0 = x,  o_i = relu(c_i[x, b_1(o_0) … b_i(o_{i−1})]),  i = 1 … 3;  o_3
//! y       = exit(upsample(cascade(x; cascading blocks))) + mean
//! ```
//!
//! CARN's residual block is `relu(conv(relu(conv(x))) + x)`. CARN-M's is `relu(conv1×1(relu(conv(relu(conv(x))))) + x)`
//! with its 3×3 convolutions in groups, and a cascading block has one of them, which it uses three times. Convolutions
//! of the upsampler are in groups too. How many groups there are follows from the shapes.
//!
//! One checkpoint holds the networks of x2, x3 and x4, which share everything but the upsampler.

use std::fmt;
use std::sync::Arc;

use super::Network;
use super::parts::{Conv, axis, conv, has_all, has_any, start, width_read};
use crate::error::{Error, Result};
use crate::graph::{Builder, Graph, Parameters, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["entry.weight b1.b1.body.0.weight b1.c1.body.0.weight"];

/// Cascading blocks, and residual blocks in each.
const CASCADE: usize = 3;

/// What the tensors say of a network's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Groups of the residual blocks' 3×3 convolutions: 1 in CARN, 4 in CARN-M.
    pub groups: usize,
    /// Whether residual blocks end in a 1×1 convolution, as CARN-M's.
    pub efficient: bool,
    /// Whether a cascading block uses one residual block three times, as CARN-M's.
    pub shared: bool,
    /// The one of `scales` that is computed: at first the smallest.
    pub scale: usize,
    /// The scales that the checkpoint holds, 2 to 4, upwards.
    pub scales: Vec<usize>,
    /// Whether there is one upsampler, `up`, and not one for each scale, `up2`, `up3` and `up4`.
    pub single: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.efficient { "CARN-M" } else { "CARN" };
        write!(f, "{name}, {} channels", self.channels)?;
        if self.groups > 1 {
            write!(f, " in {} groups", self.groups)?;
        }
        if self.shared { write!(f, ", shared residual blocks") } else { Ok(()) }
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not CARN's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let channels = axis(weights, "entry.weight", 0)?;
        let single = has_any(weights, "upsample.up.");
        let scales: Vec<usize> = if single {
            vec![single_scale(weights)?]
        } else {
            (2..=4).filter(|scale| has_any(weights, &format!("upsample.up{scale}."))).collect()
        };
        let Some(&scale) = scales.first() else {
            let reason = "upsample.up2.body.0.weight: expected a tensor of this name, or of up, up3 or up4 \
                          instead of up2; found none";
            return Err(Error::weights(weights.source(), reason.to_owned()));
        };
        let within = axis(weights, "b1.b1.body.0.weight", 1)?;
        Ok(Self {
            channels,
            groups: (channels / within).max(1),
            efficient: has_any(weights, "b1.b1.body.4."),
            shared: !has_any(weights, "b1.b2."),
            scale,
            scales,
            single,
        })
    }

    /// The upsampler of the scale that is computed.
    fn upsampler(&self) -> String {
        if self.single { "upsample.up".into() } else { format!("upsample.up{}", self.scale) }
    }
}

/// The scale of an upsampler that does not tell it by its name.
fn single_scale(weights: &Weights) -> Result<usize> {
    let name = "upsample.up.body.0.weight";
    let out = axis(weights, name, 0)?;
    let twice = has_any(weights, "upsample.up.body.3.");
    // The first of two makes as many channels as the second, perhaps pruned, was made for; in groups it reads them whole.
    let channels = if twice { out / 4 } else { width_read(weights, "exit.weight").unwrap_or(out / 4) };
    match (out, twice) {
        (out, false) if out == 4 * channels => Ok(2),
        (out, false) if out == 9 * channels => Ok(3),
        (out, true) if out == 4 * channels => Ok(4),
        _ => {
            let (four, nine) = (4 * channels, 9 * channels);
            let reason = format!(
                "{name}: expected {four} output channels (x2; x4 with upsample.up.body.3) or {nine} (x3), found {out}"
            );
            Err(Error::weights(weights.source(), reason))
        }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn at_scale(&self, scale: usize) -> Option<Arc<dyn Network>> {
        let config = self.scales.contains(&scale).then(|| Self { scale, ..self.clone() })?;
        Some(Arc::new(config))
    }

    /// Of the network of one scale; the paper's 1592 K are those of all scales together.
    fn counts(&self, parameter: &str) -> bool {
        !parameter.starts_with("upsample.") || parameter.starts_with(&format!("{}.", self.upsampler()))
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "carn", input, 1.0)?;

    let x = conv(&mut b, picture, &w.scope("sub_mean.shifter"), [3, 3, 1])?;
    let x = Conv::same(3).of(&mut b, x, &w.scope("entry"))?;
    let y = cascade(&mut b, x, &w, |b, y, i| {
        let w = w.scope(format!("b{i}"));
        cascade(b, y, &w, |b, y, i| {
            let name = if config.shared { "b1".into() } else { format!("b{i}") };
            residual_block(b, y, &w.scope(name), config)
        })
    })?;
    let y = upsample(&mut b, y, &w.scope(config.upsampler()).scope("body"), config)?;
    let y = Conv::same(3).making(&mut b, y, &w.scope("exit"), 3)?;
    let y = conv(&mut b, y, &w.scope("add_mean.shifter"), [3, 3, 1])?;
    b.finish(y)
}

/// Blocks in turn, and behind each a 1×1 convolution of what all of them made.
fn cascade(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    block: impl Fn(&mut Builder, Value, usize) -> Result<Value>,
) -> Result<Value> {
    let (mut made, mut y) = (vec![x], x);
    for i in 1..=CASCADE {
        made.push(block(b, y, i)?);
        let c = w.scope(format!("c{i}"));
        y = b.concat(c.path("cat"), &made)?;
        y = Conv::same(1).of(b, y, &c.scope("body.0"))?;
        y = b.relu(c.prefix(), y)?;
    }
    Ok(y)
}

/// Residual block, or CARN-M's efficient one.
fn residual_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let body = w.scope("body");
    let c = b.shape(x).channels;
    let y = grouped(b, x, &body.scope(0)).of(b, x, &body.scope(0))?;
    let y = b.relu(body.path("1"), y)?;
    let second = grouped(b, y, &body.scope(2));
    let y = if config.efficient {
        let y = second.of(b, y, &body.scope(2))?;
        let y = b.relu(body.path("3"), y)?;
        Conv::same(1).making(b, y, &body.scope(4), c)?
    } else {
        second.making(b, y, &body.scope(2), c)?
    };
    let y = b.add(w.path("add"), y, x)?;
    b.relu(w.prefix(), y)
}

/// 3×3 in as many groups as the weight of this scope says.
fn grouped(b: &Builder, x: Value, w: &Scope<'_>) -> Conv {
    let inputs = b.shape(x).channels;
    let within = w.get("weight").and_then(|weight| weight.dims().get(1)).copied();
    let groups = within.filter(|within| *within > 0 && inputs.is_multiple_of(*within));
    Conv::same(3).in_groups(groups.map_or(1, |within| inputs / within))
}

/// Convolutions, ReLU and pixel shuffles in turn, `0`, `1` and `2`, then `3`, `4` and `5`: by 3, or by 2 once or twice.
fn upsample(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<Value> {
    let factors: &[usize] = match config.scale {
        3 => &[3],
        4 => &[2, 2],
        _ => &[2],
    };
    let mut y = x;
    for (stage, factor) in factors.iter().enumerate() {
        let path = |at: usize| w.path(&(3 * stage + at).to_string());
        let conv = w.scope(3 * stage);
        y = grouped(b, y, &conv).of(b, y, &conv)?;
        y = b.relu(path(1), y)?;
        y = b.pixel_shuffle(path(2), y, *factor)?;
    }
    Ok(y)
}
