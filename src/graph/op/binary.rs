//! Sums, differences, products and quotients of two values.

use std::ops::Range;

use super::{Kind, Macs, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryKind {
    /// `a + b`.
    Add,
    /// `a − b`.
    Subtract,
    /// `a · b`.
    Multiply,
    /// `a / b`.
    Divide,
}

/// `a ∘ b`, where `b` is repeated along each axis of which it has one and `a` more.
///
/// Engines run what [`Binary::repeats`] names; among parameters anything goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Which operation.
    pub kind: BinaryKind,
}

/// How the second operand of a [`Binary`] is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// Not at all: it has the first one's shape.
    Nothing,
    /// Over the pixels: it has a number a channel.
    Pixels,
    /// Over the channels: it has a number a pixel.
    Channels,
}

impl Binary {
    /// How `b` is repeated, if that is one of the ways of activations.
    pub fn repeats(a: Shape, b: Shape) -> Option<Repeats> {
        match b {
            _ if b == a => Some(Repeats::Nothing),
            _ if b == a.with_size(1, 1) => Some(Repeats::Pixels),
            _ if b == a.with_channels(1) => Some(Repeats::Channels),
            _ => None,
        }
    }
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self.kind {
            BinaryKind::Add => "add",
            BinaryKind::Subtract => "subtract",
            BinaryKind::Multiply => "multiply",
            BinaryKind::Divide => "divide",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [a, b] = inputs else { return Err(format!("two inputs, found {}", inputs.len())) };
        let fits = a.axes().into_iter().zip(b.axes()).all(|(a, b)| b == a || b == 1);
        expect(fits, || format!("a second input of {a}, or of 1 along some of its axes, found {b}"))?;
        Ok(*a)
    }

    fn kind(&self) -> Kind {
        Kind::Pointwise
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        Some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (&[a, b], g) = (at.inputs(), at.gradient()) else { return Err(at.refused()) };
        let of_b = at.shape(b);
        let of_a = match self.kind {
            BinaryKind::Add | BinaryKind::Subtract => g,
            BinaryKind::Multiply | BinaryKind::Divide => at.binary(self.kind, g, b)?,
        };
        if !at.needs(1) {
            return Ok(vec![Some(of_a), None]);
        }
        let of_b = match self.kind {
            BinaryKind::Add => at.sum_to(g, of_b)?,
            BinaryKind::Subtract => {
                let sum = at.sum_to(g, of_b)?;
                at.times(sum, -1.0)?
            }
            BinaryKind::Multiply => {
                let product = at.binary(BinaryKind::Multiply, g, a)?;
                at.sum_to(product, of_b)?
            }
            BinaryKind::Divide => {
                let product = at.binary(BinaryKind::Multiply, of_a, at.output())?;
                let sum = at.sum_to(product, of_b)?;
                at.times(sum, -1.0)?
            }
        };
        Ok(vec![Some(of_a), Some(of_b)])
    }
}
