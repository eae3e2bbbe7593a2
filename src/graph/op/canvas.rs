//! A picture on a canvas of another size, their top left corners together.

use std::ops::Range;

use super::{Kind, Macs, Op, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// The picture on a canvas whose sides are the next multiples: zeros behind its last row and column.
///
/// `y[c, row, column] = x[c, row, column]`, or 0 beside the picture
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Of what both sides are multiples.
    pub multiple: usize,
}

/// The picture on a canvas of another value's size: cut where that is smaller, zeros where it is larger. Of the second input only
/// the size matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanvasTo;

impl Operator for Canvas {
    fn name(&self) -> &'static str {
        "canvas"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let whole = |side: usize| side.checked_next_multiple_of(self.multiple);
        match (whole(input.height), whole(input.width)) {
            (Some(height), Some(width)) => Ok(input.with_size(height, width)),
            _ => Err(format!("a multiple that there is, found one of {}", self.multiple)),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Moving
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

    /// Where the canvas ends follows from the whole picture's size.
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, g) = (at.inputs()[0], at.gradient());
        Ok(vec![Some(at.append(Op::CanvasTo(CanvasTo), &[g, x])?)])
    }
}

impl Operator for CanvasTo {
    fn name(&self) -> &'static str {
        "canvas_to"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input, like] = inputs else { return Err(format!("two inputs, found {}", inputs.len())) };
        expect(input.batch == like.batch, || format!("as many pictures, found {input} and {like}"))?;
        Ok(input.with_size(like.height, like.width))
    }

    fn kind(&self) -> Kind {
        Kind::Moving
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

    /// As [`Canvas`].
    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, g) = (at.inputs()[0], at.gradient());
        Ok(vec![Some(at.append(Op::CanvasTo(Self), &[g, x])?), None])
    }
}
