//! ACNet: Tian et al., *Asymmetric CNN for Image Super-Resolution*, IEEE Transactions on Systems, Man, and Cybernetics:
//! Systems, 2021.
//!
//! Layers of three parallel convolutions, 1×3, 3×1 and 3×3, that are added; then both the sum of all layers and the first
//! one are enlarged and refined at the size of the result. None but the upsampler's convolutions have bias.
//!
//! ```text
//! x_i = AB_i(r_{i−1}),  r_i = relu(x_i),  r_0 = picture − mean      ×17: the asymmetric block
//! s   = r_1 + … + r_16 + x_17                                        the memory enhancement block
//! t_1 = relu(up(relu(s))),  t_2 = relu(up(r_1))
//! u   = relu(conv19_1(relu(conv18_1(t_1))) + conv19_2(relu(conv18_2(t_2))))
//! y   = conv22(relu(conv21(relu(conv20(u))))) + mean                 the high-frequency feature enhancement block
//! ```
//!
//! The sum has r_1 … r_16 and not x_1 … x_16, since activations in the authors' code overwrite what they read. `AB_i` is
//! linear without a bias, so its three kernels are added to one of 3×3, which is exact.
//!
//! A checkpoint has one upsampler, or (ACNet-B, for blind super-resolution) one for each of x2, x3 and x4.

use std::fmt;
use std::sync::Arc;

use super::Network;
use super::parts::{Conv, axis, conv, has_all, parameter, start, upsampler_scale, upsampler_to, width_read};
use crate::error::Result;
use crate::graph::{Builder, Conv2d, Graph, Parameters, Value, WeightOperation};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others.
pub(super) const KEYS: &[&str] = &["conv1_1.0.weight conv1_2.0.weight conv1_3.0.weight"];

/// The network works on samples of 0 … 1.
const RANGE: f32 = 1.0;

/// What the tensors say of a network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width: 64 in the paper.
    pub channels: usize,
    /// Width behind the upsampler: the same, but for pruned networks.
    pub upsampled: usize,
    /// Layers of the asymmetric block: 17 in the paper.
    pub layers: usize,
    /// 2, 3 or 4.
    pub scale: usize,
    /// Whether there are upsamplers for x2, x3 and x4, and not one. The smallest is taken, unless another is asked for.
    pub multi_scale: bool,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asymmetric layers, {} channels", self.layers, self.channels)?;
        if self.multi_scale {
            write!(f, ", for x2, x3, x4")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the sizes off the tensors; `None` if they are not ACNet's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        has_all(weights, KEYS[0]).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        let channels = axis(weights, "conv1_3.0.weight", 0)?;
        let has = |name: &str| weights.get(name).is_some();
        let multi_scale = !has("upsample.up.body.0.weight") && has("upsample.up2.body.0.weight");
        let layers = (1..).take_while(|i| has(&format!("conv{i}_3.0.weight"))).count();
        let refined = format!("conv{}_1.0.weight", layers + 1);
        let upsampled = width_read(weights, &refined).unwrap_or(channels);
        let scale = if multi_scale { 2 } else { upsampler_scale(weights, "upsample.up.body", upsampled)? };
        Ok(Self { channels, upsampled, layers, scale, multi_scale })
    }

    /// Where the upsampler is.
    fn upsampler(&self) -> String {
        if self.multi_scale { format!("upsample.up{}", self.scale) } else { "upsample.up".into() }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    fn at_scale(&self, scale: usize) -> Option<Arc<dyn Network>> {
        (self.multi_scale && (2..=4).contains(&scale)).then(|| Arc::new(Self { scale, ..*self }) as _)
    }

    /// Other scales' upsamplers are not; of the layers all three kernels are.
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
    let (mut b, picture) = start(config, "acnet", input, RANGE)?;

    let x = conv(&mut b, picture, &w.scope("sub_mean.shifter"), [3, 3, 1])?;
    let [first, sum] = asymmetric_block(&mut b, x, &w, config)?;

    let sum = b.relu("sum.relu", sum)?;
    let up = w.scope(config.upsampler()).scope("body");
    let large = [sum, first].map(|x| upsampler_to(&mut b, x, &up, config.scale, config.upsampled));
    let [sum, first] = large;

    let y = high_frequency_block(&mut b, [sum?, first?], &w, config.layers + 1)?;
    let y = conv(&mut b, y, &w.scope("add_mean.shifter"), [3, 3, 1])?;
    b.finish(y)
}

/// `r_1` and `s`: the asymmetric block, and what the memory enhancement block adds up.
fn asymmetric_block(b: &mut Builder, x: Value, w: &Scope<'_>, config: &Config) -> Result<[Value; 2]> {
    let (mut first, mut sum, mut y) = (x, None, x);
    for i in 1..=config.layers {
        let kernels = [1, 2, 3].map(|branch| w.scope(format!("conv{i}_{branch}.0")));
        let inputs = b.shape(y).channels;
        let weight = merged(b, &kernels, [config.channels, inputs])?;
        y = b.conv2d(format!("conv{i}"), y, weight, Conv2d::same(3))?;
        if i < config.layers {
            y = b.relu(format!("conv{i}.relu"), y)?;
        }
        match sum {
            None => (first, sum) = (y, Some(y)),
            Some(others) => sum = Some(b.add("sum", others, y)?),
        }
    }
    Ok([first, sum.unwrap_or(x)])
}

/// The kernels 1×3, 3×1 and 3×3 as one of 3×3: what is added at an output is added in the kernel.
fn merged(b: &mut Builder, kernels: &[Scope<'_>; 3], [out, inputs]: [usize; 2]) -> Result<Value> {
    let mut sum = parameter(b, &kernels[2], "weight", &[out, inputs, 3, 3])?;
    for (w, [height, width]) in kernels.iter().zip([[1, 3], [3, 1]]) {
        let kernel = parameter(b, w, "weight", &[out, inputs, height, width])?;
        let pad = WeightOperation::Pad { rows: (3 - height) / 2, columns: (3 - width) / 2 };
        let square = b.weight(w.path("weight.square"), pad, &[kernel])?;
        sum = b.add(w.path("weight.merged"), sum, square)?;
    }
    Ok(sum)
}

/// The high-frequency feature enhancement block, from what the upsampler makes.
fn high_frequency_block(b: &mut Builder, large: [Value; 2], w: &Scope<'_>, next: usize) -> Result<Value> {
    let plain = Conv::same(3).without_bias();
    let mut branches = Vec::new();
    for (branch, x) in (1..).zip(large) {
        let x = b.relu(format!("upsample.relu_{branch}"), x)?;
        let x = plain.of(b, x, &w.scope(format!("conv{next}_{branch}.0")))?;
        let x = b.relu(format!("conv{next}_{branch}.1"), x)?;
        let second = w.scope(format!("conv{}_{branch}.0", next + 1));
        branches.push(match branches.first() {
            None => plain.of(b, x, &second)?,
            Some(first) => plain.making(b, x, &second, b.shape(*first).channels)?,
        });
    }
    let sum = b.add(format!("conv{}", next + 1), branches[0], branches[1])?;
    let mut y = b.relu(format!("conv{}.relu", next + 1), sum)?;
    for i in [next + 2, next + 3] {
        y = plain.of(b, y, &w.scope(format!("conv{i}.0")))?;
        y = b.relu(format!("conv{i}.1"), y)?;
    }
    plain.making(b, y, &w.scope(format!("conv{}.0", next + 4)), 3)
}
