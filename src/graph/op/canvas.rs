//! A picture on a canvas of another size.

use std::ops::Range;

use super::{Kind, Macs, Op, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// A picture on a canvas of another size, their top left corners together: cut where the canvas is smaller, with zeros
/// beside the picture where it is larger.
///
/// `y[c, row, column] = x[c, row, column]`, or 0 where x has no such pixel
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Canvas {
    /// Its sides are the next multiples. Input: the picture.
    Multiples {
        /// Of what.
        of: usize,
    },
    /// It is as large as another value, of which only the size matters. Inputs: the picture, and that value.
    Like,
}

impl Operator for Canvas {
    fn name(&self) -> &'static str {
        "canvas"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match (self, inputs) {
            (Self::Multiples { of }, [input]) => {
                let whole = |side: usize| {
                    let refused = || format!("a multiple that there is, found one of {of}");
                    side.checked_next_multiple_of(*of).ok_or_else(refused)
                };
                Ok(input.with_size(whole(input.height)?, whole(input.width)?))
            }
            (Self::Like, [input, like]) => {
                expect(input.batch == like.batch, || format!("as many pictures, found {input} and {like}"))?;
                Ok(input.with_size(like.height, like.width))
            }
            _ => Err(format!("another number of inputs, found {}", inputs.len())),
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

    /// Back on a canvas of the picture's size.
    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let back = at.append(Op::Canvas(Self::Like), &[at.gradient(), at.inputs()[0]])?;
        let mut parts = vec![None; at.inputs().len()];
        parts[0] = Some(back);
        Ok(parts)
    }
}
