//! Where work is needed.

use std::ops::Range;

use super::{Kind, Macs, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Two logits a pixel → 1 where the second is larger, otherwise 0 (strictly: a tie is 0), and NaN where one of them is
/// not finite: what overflowed must be seen, since as a mask of 0 it would only leave work out, in silence.
///
/// The inference form of SMSR's Gumbel-softmax mask (section 3.2): with no noise and a temperature that
/// goes to zero the softmax is its argmax.
#[derive(Clone, Debug, PartialEq)]
pub struct SpatialMask;

impl Operator for SpatialMask {
    fn name(&self) -> &'static str {
        "spatial_mask"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [logits] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(logits.channels == 2, || format!("two logits a pixel, found {} channels", logits.channels))?;
        Ok(logits.with_channels(1))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
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

    fn gradient(&self, _at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Ok(vec![None]) // a step: its slope is zero
    }
}
