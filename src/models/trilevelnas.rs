//! TrilevelNAS: Wu et al., *Trilevel Neural Architecture Search for Efficient Single Image Super-Resolution*,
//! arXiv:2101.06658, 2021.
//!
//! What a search has found: on its first level a path of cells and upsampling layers, on its second the five operations
//! of each cell, on its third how wide the convolutions of each operation are. Tensors tell all three.
//!
//! ```text
//! y_0 = conv_first(picture)
//! y_i = 0.2 · op_5(… op_1(y_{i−1})) + y_{i−1}              a cell
//!     = lrelu(upconv(nearest(y_{i−1})))                     an upsampling layer of variant A, by two
//!     = upconv(y_{i−1})                                     one of variant B, which keeps the size
//! y   = (tanh(conv_last(y_n)) + 1) / 2                      of variant B with a pixel shuffle behind conv_last
//! ```
//!
//! Operations are, by the numbers of the authors' genotypes:
//!
//! ```text
//! 0  skip      relu(1×1(x))
//! 1  conv3x3   relu(3×3(x))
//! 2  residual  relu(3×3(relu(3×3(x))) + skip(x))
//! 3  dwsblock  relu(1×1(relu(depthwise 3×3(relu(1×1(x))))) + skip(x))
//! ```
//!
//! where `skip` is a 1×1 convolution if the widths differ, and nothing if they do not. None of them has bias. The authors'
//! code makes batch normalisation behind every convolution and leaves it out of what is computed, so that it is in
//! checkpoints as it began.

mod genotype;
mod space;
mod supernet;

use std::fmt;

pub use genotype::{Genotype, Layer};
pub use space::{Choice, Space};
pub use supernet::Pull;

use super::Network;
use super::parts::{
    Conv, axis, channels, has_all, has_any, last_number, scaled, shuffle_scale, start, stored_width,
};
use crate::error::{Error, Result};
use crate::graph::{Activation, Builder, Conv2d, Graph, Parameters, ResizeKind, Value};
use crate::tensor::Shape;
use crate::weights::{Scope, Weights};

/// What tells it from others: the first operation is a skip, or another.
pub(super) const KEYS: &[&str] = &[
    "conv_first.conv.weight cells.0.ops.0._op.conv1.weight conv_last.conv.weight",
    "conv_first.conv.weight cells.0.ops.0._op.conv.weight conv_last.conv.weight",
];

/// Operations of a cell.
pub const OPERATIONS: usize = 5;

/// What a cell's operations are multiplied by before its input is added.
const RES_SCALE: f32 = 0.2;

/// The slope left of zero of variant A's upsampling layers.
const SLOPE: f32 = 0.2;

/// So many upsampling layers of variant A are an enlargement by eight.
const MOST_DOUBLINGS: usize = 3;

/// What the tensors say of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Width of the cells' ends: 64 in the paper.
    pub channels: usize,
    /// Which variant.
    pub variant: Variant,
    /// From the first convolution to the last.
    pub path: Vec<Step>,
    /// 4 in the paper.
    pub scale: usize,
}

/// How a network enlarges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// By its upsampling layers.
    A,
    /// By a pixel shuffle at its end.
    B,
}

/// A step of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A cell, and its operations.
    Cell([Operation; OPERATIONS]),
    /// An upsampling layer.
    Up,
}

/// An operation of a cell, with the number that genotypes have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A 1×1 convolution.
    Skip = 0,
    /// A 3×3 convolution.
    Conv3x3 = 1,
    /// A residual block of two 3×3 convolutions.
    Residual = 2,
    /// A residual block of a depthwise separable convolution.
    Dwsblock = 3,
}

impl Operation {
    /// All of them, by their numbers.
    pub const ALL: [Self; 4] = [Self::Skip, Self::Conv3x3, Self::Residual, Self::Dwsblock];

    /// Its name in the authors' genotypes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Conv3x3 => "conv3x3",
            Self::Residual => "residual",
            Self::Dwsblock => "dwsblock",
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variant {:?}, path", self.variant)?;
        for step in &self.path {
            match step {
                Step::Up => write!(f, " up")?,
                Step::Cell(operations) => {
                    write!(f, " ")?;
                    operations.iter().try_for_each(|operation| write!(f, "{}", *operation as u8))?;
                }
            }
        }
        write!(f, ", {} channels", self.channels)
    }
}

impl Config {
    /// Reads the network off the tensors; `None` if they are not TrilevelNAS's.
    pub fn detect(weights: &Weights) -> Option<Result<Self>> {
        KEYS.iter().any(|scheme| has_all(weights, scheme)).then(|| Self::read(weights))
    }

    fn read(weights: &Weights) -> Result<Self> {
        expect_no_normalisation(weights)?;
        let steps = 1 + last_number(weights, "cells.").unwrap_or(0);
        let path = (0..steps).map(|i| step(weights, i)).collect::<Result<Vec<Step>>>()?;
        let ups = path.iter().filter(|step| **step == Step::Up).count();
        let (variant, scale) = match shuffle_scale(weights, "conv_last.conv.weight")? {
            1 if ups > MOST_DOUBLINGS => return Err(too_large(weights, ups)),
            1 => (Variant::A, 1 << ups),
            scale => (Variant::B, scale),
        };
        Ok(Self { channels: axis(weights, "conv_first.conv.weight", 0)?, variant, path, scale })
    }
}

/// Batch normalisation that took part in training has seen means other than zero.
fn expect_no_normalisation(weights: &Weights) -> Result<()> {
    let mut means = weights.iter().filter(|(name, _)| name.ends_with(".running_mean"));
    match means.find(|(_, mean)| mean.values().iter().any(|mean| *mean != 0.0)) {
        None => Ok(()),
        Some((name, _)) => {
            let reason =
                format!("{name}: expected zeros, since the network has no batch normalisation, found others");
            Err(Error::weights(weights.source(), reason))
        }
    }
}

fn too_large(weights: &Weights, ups: usize) -> Error {
    let reason = format!(
        "conv_last.conv.weight: expected at most {MOST_DOUBLINGS} upsampling layers before a convolution to three \
         channels, found {ups}"
    );
    Error::weights(weights.source(), reason)
}

/// The step of the path that there are tensors of.
fn step(weights: &Weights, i: usize) -> Result<Step> {
    if has_any(weights, &format!("cells.{i}.upconv.")) {
        return Ok(Step::Up);
    }
    if has_any(weights, &format!("cells.{i}.ops.")) {
        let operation = |j| Operation::of(weights, &format!("cells.{i}.ops.{j}._op"));
        return Ok(Step::Cell(std::array::from_fn(operation)));
    }
    let reason = format!("cells.{i}: expected the tensors of a cell or of an upsampling layer, found none");
    Err(Error::weights(weights.source(), reason))
}

impl Operation {
    /// By what the ones before have not. Where a residual block lacks its second convolution, batch normalisation tells
    /// that there was one.
    fn of(weights: &Weights, prefix: &str) -> Self {
        let has = |layer: &str| has_any(weights, &format!("{prefix}.{layer}."));
        if has("conv3") {
            Self::Dwsblock
        } else if has("conv2") || has("bn2") {
            Self::Residual
        } else if has("conv1") {
            Self::Conv3x3
        } else {
            Self::Skip
        }
    }

    /// The convolution that tells how wide it is.
    fn last(self) -> &'static str {
        match self {
            Self::Skip => "conv",
            Self::Conv3x3 => "conv1",
            Self::Residual => "conv2",
            Self::Dwsblock => "conv3",
        }
    }
}

impl Network for Config {
    fn scale(&self) -> usize {
        self.scale
    }

    /// Batch normalisation, which is not computed, and what a profiler has counted.
    fn ignores(&self, name: &str) -> bool {
        name.contains("._op.bn") || name.ends_with("total_ops") || name.ends_with("total_params")
    }

    fn counts(&self, parameter: &str) -> bool {
        !self.ignores(parameter)
    }

    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
        build(self, weights, input)
    }
}

/// The network for pictures of `input`'s shape.
pub fn build(config: &Config, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)> {
    let w = weights.root();
    let (mut b, picture) = start(config, "trilevelnas", input, 1.0)?;

    let mut y = Conv::same(3).of(&mut b, picture, &w.scope("conv_first.conv"))?;
    for (i, step) in config.path.iter().enumerate() {
        let w = w.scope("cells").scope(i);
        y = match step {
            Step::Cell(operations) => cell(&mut b, y, &w, operations)?,
            Step::Up => up(&mut b, y, &w, config.variant)?,
        };
    }
    let shuffle = match config.variant {
        Variant::A => 1,
        Variant::B => config.scale,
    };
    let y = output(&mut b, y, &w.scope("conv_last.conv"), shuffle)?;
    b.finish(y)
}

fn cell(b: &mut Builder, x: Value, w: &Scope<'_>, operations: &[Operation]) -> Result<Value> {
    let (mut y, c) = (x, b.shape(x).channels);
    for (j, operation) in operations.iter().enumerate() {
        let w = w.scope("ops").scope(j).scope("_op");
        // The last one's output is added to the cell's input.
        let out =
            if j + 1 < operations.len() { stored_width(&w.scope(operation.last())).unwrap_or(c) } else { c };
        y = operate(b, y, &w, *operation, out, Factors::default())?;
    }
    end_of_cell(b, y, x, w)
}

/// `0.2 · y + x`.
fn end_of_cell(b: &mut Builder, y: Value, x: Value, w: &Scope<'_>) -> Result<Value> {
    let fifth = channels(b, w.path("res_scale"), &vec![RES_SCALE; b.shape(x).channels], x)?;
    let y = b.multiply(w.path("scaled"), y, fifth)?;
    b.add(w.prefix(), y, x)
}

/// What the channels within an operation are multiplied by, a number a channel, while widths are not decided.
#[derive(Clone, Copy, Default)]
struct Factors {
    /// Of a residual block.
    residual: Option<Value>,
    /// Of a depthwise separable convolution, which is wider.
    wide: Option<Value>,
}

impl Factors {
    fn times(b: &mut Builder, y: Value, w: &Scope<'_>, factors: Option<Value>) -> Result<Value> {
        factors.map_or(Ok(y), |factors| b.multiply(w.path("conv1.factors"), y, factors))
    }
}

/// One operation, to so many channels.
fn operate(
    b: &mut Builder,
    x: Value,
    w: &Scope<'_>,
    operation: Operation,
    out: usize,
    factors: Factors,
) -> Result<Value> {
    let [pointwise, square] = [1, 3].map(|kernel| Conv::same(kernel).without_bias());
    let last = w.scope(operation.last());
    let y = match operation {
        Operation::Skip => pointwise.making(b, x, &last, out)?,
        Operation::Conv3x3 => square.making(b, x, &last, out)?,
        Operation::Residual => {
            let y = square.of(b, x, &w.scope("conv1"))?;
            let y = b.relu(w.path("conv1.relu"), y)?;
            let y = Factors::times(b, y, w, factors.residual)?;
            let y = square.making(b, y, &last, out)?;
            with_skip(b, y, x, w)?
        }
        Operation::Dwsblock => {
            let y = pointwise.of(b, x, &w.scope("conv1"))?;
            let y = b.relu(w.path("conv1.relu"), y)?;
            let y = Factors::times(b, y, w, factors.wide)?;
            let wide = b.shape(y).channels;
            let y = square.in_groups(wide).making(b, y, &w.scope("conv2"), wide)?;
            let y = b.relu(w.path("conv2.relu"), y)?;
            let y = pointwise.making(b, y, &last, out)?;
            with_skip(b, y, x, w)?
        }
    };
    b.relu(w.prefix(), y)
}

/// `y + skip(x)`.
fn with_skip(b: &mut Builder, y: Value, x: Value, w: &Scope<'_>) -> Result<Value> {
    let [inputs, out] = [x, y].map(|value| b.shape(value).channels);
    let skip = w.scope("skip");
    // Widths that were pruned to the same still have it.
    let x = match skip.get("weight") {
        None if inputs == out => x,
        _ => Conv::same(1).without_bias().making(b, x, &skip, out)?,
    };
    b.add(w.path("add"), y, x)
}

/// An upsampling layer, which in variant B does not enlarge.
fn up(b: &mut Builder, x: Value, w: &Scope<'_>, variant: Variant) -> Result<Value> {
    let conv = w.scope("upconv.conv");
    match variant {
        Variant::A => {
            let y = b.resize(w.path("nearest"), x, ResizeKind::Nearest, 2)?;
            let y = Conv::same(3).of(b, y, &conv)?;
            b.activation(w.prefix(), y, Activation::LeakyRelu { slope: SLOPE })
        }
        Variant::B => Conv::same(3).of(b, x, &conv),
    }
}

/// The last convolution and what brings its output into 0 … 1: `(tanh(x) + 1) / 2 = sigmoid(2x)`, where the factor is one
/// of the convolution's weights. The pixel shuffle does not mind to come last.
fn output(b: &mut Builder, x: Value, w: &Scope<'_>, shuffle: usize) -> Result<Value> {
    let inputs = b.shape(x).channels;
    let weights = Conv::same(3).read_to(b, 3 * shuffle * shuffle, inputs, w)?;
    let weights = scaled(b, w, weights, 2.0)?;
    let y = b.conv2d(w.prefix(), x, weights, Conv2d::same(3))?;
    let y = b.activation("tanh", y, Activation::Sigmoid)?;
    if shuffle == 1 { Ok(y) } else { b.pixel_shuffle("pixelshuffle", y, shuffle) }
}
