//! Values that are made unit by unit from others, and so need not be made whole before they are read: what a
//! convolution makes goes through activations and sums while it is in a core's cache.
//!
//! The numbers are those of one operator after the other, bit for bit.

use super::activation::activate;
use super::binary::{Combination, Other, combine, second};
use super::conv2d::Convolution;
use super::layer::Scratch;
use super::map::{Map, Unit, unit_len};
use super::masked_conv2d::MaskedConvolution;
use super::sum::total;
use super::vectors;
use crate::graph::{Activation, Kind, Op};
use crate::tensor::Shape;

/// Numbers that are made before they are added up.
const SUMMED_LEN: usize = 4096;

/// What a unit is made of.
#[derive(Debug)]
pub(super) enum Expression<'a> {
    /// What there is already.
    Read(&'a Map),
    /// Of what there is some channels, from this one on.
    Part(&'a Map, usize),
    Convolution(Convolution<'a>),
    Masked(MaskedConvolution<'a>),
    /// With the slopes of a PReLU.
    Activated(&'a Activation, &'a [f32], Box<Self>),
    Combined(Combination<'a>, Box<[Self; 2]>),
}

/// Whether a node's value can be made unit by unit.
pub(super) fn is_expression(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::MaskedConv2d(_) | Op::Slice(_)) || takes_expressions(op)
}

/// Whether what such a node reads may be an expression too, of which it needs no more than the unit that it makes.
pub(super) fn takes_expressions(op: &Op) -> bool {
    op.operator().kind() == Kind::Pointwise
}

impl Expression<'_> {
    /// Makes the whole map.
    pub(super) fn evaluate(&self, y: &mut Map) {
        let shape = y.shape();
        let pixels = self.whole_rows(shape).unwrap_or_else(|| unit_len(shape));
        y.by_unit_of(pixels, |unit, y, scratch| self.fill(unit, shape, y, scratch));
    }

    /// Pixels of a map of this shape that have to be made together, if its rows have to be whole.
    fn whole_rows(&self, shape: Shape) -> Option<usize> {
        self.rows().map(|rows| rows * shape.width)
    }

    /// How many rows these are.
    fn rows(&self) -> Option<usize> {
        match self {
            Self::Read(_) | Self::Part(..) | Self::Masked(_) => None,
            Self::Convolution(convolution) => convolution.rows(),
            Self::Activated(_, _, x) => x.rows(),
            Self::Combined(_, operands) => operands.iter().filter_map(Self::rows).max(),
        }
    }

    /// Makes of a map of this shape the sums over its channels.
    pub(super) fn sum_channels(&self, shape: Shape, y: &mut Map) {
        let whole = self.whole_rows(shape);
        let length = whole.unwrap_or_else(|| (SUMMED_LEN / shape.channels.max(1)).max(1));
        let pixels = whole.unwrap_or_else(|| unit_len(y.shape()));
        y.by_unit_of(pixels, |unit, y, (scratch, block): &mut (Scratch, Vec<f32>)| {
            for (start, y) in unit.pixels.clone().step_by(length).zip(y.chunks_mut(length)) {
                block.resize(y.len() * shape.channels, 0.0);
                self.fill(&Unit { n: unit.n, pixels: start..start + y.len() }, shape, block, scratch);
                let pixels = block.chunks_exact(shape.channels.max(1));
                vectors::arch().dispatch(
                    #[inline(always)]
                    || y.iter_mut().zip(pixels).for_each(|(y, pixel)| *y = total(pixel) as f32),
                );
            }
        });
    }

    /// Makes a unit of a map of this shape.
    fn fill(&self, unit: &Unit, shape: Shape, y: &mut [f32], scratch: &mut Scratch) {
        match self {
            Self::Read(map) => y.copy_from_slice(map.of(unit)),
            Self::Part(map, start) => {
                let pixels = map.of(unit).chunks_exact(map.shape().channels);
                for (to, from) in y.chunks_exact_mut(shape.channels).zip(pixels) {
                    to.copy_from_slice(&from[*start..][..shape.channels]);
                }
            }
            Self::Convolution(convolution) => convolution.fill(unit, y, scratch),
            Self::Masked(convolution) => convolution.fill(unit, y, scratch),
            Self::Activated(op, slopes, x) => {
                x.fill(unit, shape, y, scratch);
                activate(op, slopes, shape.channels, y);
            }
            Self::Combined(combination, operands) => match &**operands {
                [a, Self::Read(b)] => {
                    a.fill(unit, shape, y, scratch);
                    combine(*combination, shape.channels, y, second(b, unit, shape));
                }
                [Self::Read(a), b] => {
                    b.fill(unit, shape, y, scratch);
                    combine(*combination, shape.channels, y, Other::First(a.of(unit)));
                }
                [a, b] => {
                    let mut block = scratch.blocks.pop().unwrap_or_default();
                    block.resize(y.len(), 0.0);
                    a.fill(unit, shape, y, scratch);
                    b.fill(unit, shape, &mut block, scratch);
                    combine(*combination, shape.channels, y, Other::Second(&block));
                    scratch.blocks.push(block);
                }
            },
        }
    }
}
