//! The operators: a closed enum, and the questions that each of them answers.

mod activation;
mod attention;
mod binary;
mod canvas;
mod channel_attention;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod layer_norm;
mod masked_conv2d;
mod pixel_shuffle;
mod pool;
mod resize;
mod slice;
mod source;
mod spatial_mask;
mod training;
mod unfold;
mod weight;

use std::iter::Sum;
use std::ops::{Add, Range};

pub use activation::Activation;
pub use attention::{Among, Attention};
pub use binary::{Binary, BinaryKind, Repeats};
pub use canvas::Canvas;
pub use channel_attention::ChannelAttention;
pub use concat::Concat;
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::Conv2d;
pub use layer_norm::LayerNorm;
pub use masked_conv2d::MaskedConv2d;
pub use pixel_shuffle::{PixelShuffle, PixelUnshuffle};
pub use pool::{AdaptiveMaxPool, AveragePool, GlobalPool, GlobalPoolKind, MaxPool};
pub use resize::{Resize, ResizeKind, ResizeTo};
pub use slice::Slice;
pub use source::{Constant, Input, ParameterValue};
pub use spatial_mask::SpatialMask;
pub use training::{Axes, Loss, TrainingOperation};
pub use unfold::{Fold, Unfold};
pub use weight::WeightOperation;

use super::{Backward, Value};
use crate::error::Error;
use crate::tensor::Shape;

/// What a node computes, with its attributes.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's type is documented")]
#[non_exhaustive]
pub enum Op {
    Input(Input),
    Constant(Constant),
    Parameter(ParameterValue),
    Conv2d(Conv2d),
    MaskedConv2d(MaskedConv2d),
    ConvTranspose2d(ConvTranspose2d),
    Activation(Activation),
    Binary(Binary),
    Concat(Concat),
    Slice(Slice),
    AveragePool(AveragePool),
    MaxPool(MaxPool),
    AdaptiveMaxPool(AdaptiveMaxPool),
    GlobalPool(GlobalPool),
    PixelShuffle(PixelShuffle),
    PixelUnshuffle(PixelUnshuffle),
    Resize(Resize),
    ResizeTo(ResizeTo),
    LayerNorm(LayerNorm),
    Attention(Attention),
    ChannelAttention(ChannelAttention),
    Canvas(Canvas),
    Unfold(Unfold),
    Fold(Fold),
    SpatialMask(SpatialMask),
    Weight(WeightOperation),
    Training(TrainingOperation),
}

impl Op {
    /// The operator behind the variant.
    pub fn operator(&self) -> &dyn Operator {
        match self {
            Self::Input(op) => op,
            Self::Constant(op) => op,
            Self::Parameter(op) => op,
            Self::Conv2d(op) => op,
            Self::MaskedConv2d(op) => op,
            Self::ConvTranspose2d(op) => op,
            Self::Activation(op) => op,
            Self::Binary(op) => op,
            Self::Concat(op) => op,
            Self::Slice(op) => op,
            Self::AveragePool(op) => op,
            Self::MaxPool(op) => op,
            Self::AdaptiveMaxPool(op) => op,
            Self::GlobalPool(op) => op,
            Self::PixelShuffle(op) => op,
            Self::PixelUnshuffle(op) => op,
            Self::Resize(op) => op,
            Self::ResizeTo(op) => op,
            Self::LayerNorm(op) => op,
            Self::Attention(op) => op,
            Self::ChannelAttention(op) => op,
            Self::Canvas(op) => op,
            Self::Unfold(op) => op,
            Self::Fold(op) => op,
            Self::SpatialMask(op) => op,
            Self::Weight(op) => op,
            Self::Training(op) => op,
        }
    }

    /// The shape of what the node `name` makes of such inputs, or an error that names it.
    pub(super) fn infer(&self, name: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let operator = self.operator();
        let refused = |reason| Error::shape(name, format!("{} expects {reason}", operator.name()));
        inputs.iter().try_for_each(countable).map_err(refused)?;
        let shape = operator.infer(inputs).map_err(refused)?;
        countable(&shape).map(|()| shape).map_err(refused)
    }
}

/// What an operator does to numbers, as far as passes over a graph ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Has no inputs.
    Source,
    /// Makes a number from those of its place.
    Pointwise,
    /// Moves numbers, or interpolates between them.
    Moving,
    /// Makes one number of many pixels.
    Reducing,
    /// Sums over channels or neighbours, by weights or by one another.
    Mixing,
}

/// What every operator answers. No question has an answer by default, so that a new operator forgets none.
pub trait Operator {
    /// Its name in listings, and the name of its reference, shader and tests.
    fn name(&self) -> &'static str;

    /// The shape of what it makes, or what was expected and what was found.
    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String>;

    /// What it does to numbers.
    fn kind(&self) -> Kind;

    /// How many of so many inputs, the first ones, are activations. The others are weights.
    fn activations(&self, inputs: usize) -> usize;

    /// Output pixels to input pixels along a side, as a fraction.
    fn scale(&self) -> [usize; 2];

    /// What an input's sides, or those of the picture's part that it is, are cut at multiples of.
    fn alignment(&self) -> usize;

    /// Along either axis, the pixels of one of the inputs that these output pixels are made from, those past the
    /// picture's edge included; `None` if that is the whole input.
    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>>;

    /// Multiply-adds of one run. Only convolutions count, as super-resolution papers do.
    fn macs(&self, inputs: &[Shape], output: Shape) -> Macs;

    /// What goes back to each of its inputs: the gradients of the loss with respect to them, made of nodes that are
    /// appended. `None` for an input that nothing goes back to.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it, or this form of it, has no gradient.
    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error>;
}

/// Multiply-adds, split by whether a spatial mask can save them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Needed whatever the picture.
    pub always: u64,
    /// Needed only at pixels where the mask is set; counted as if it were set everywhere.
    pub masked: u64,
}

impl Macs {
    /// With every mask full.
    pub fn total(self) -> u64 {
        self.always + self.masked
    }
}

impl Add for Macs {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { always: self.always + other.always, masked: self.masked + other.masked }
    }
}

impl Sum for Macs {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::add)
    }
}

/// Nothing is made of nothing, and no buffer holds more bytes than can be counted.
fn countable(shape: &Shape) -> Result<(), String> {
    let numbers = shape.axes().into_iter().try_fold(size_of::<f32>(), usize::checked_mul);
    match numbers {
        Some(0) => Err(format!("at least one picture, channel, row and column, found {shape}")),
        Some(_) => Ok(()),
        None => Err(format!("no more numbers than can be counted, found {shape}")),
    }
}

/// `Ok(())` if `condition` holds, otherwise the text.
fn expect(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise()) }
}
