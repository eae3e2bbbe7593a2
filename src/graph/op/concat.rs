//! Concatenation of channels.

use std::ops::Range;

use super::{Kind, Macs, Op, Operator, Slice, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// The channels of every input, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat;

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let first = *inputs.first().ok_or("at least one input, found none")?;
        for input in inputs {
            expect(input.with_channels(0) == first.with_channels(0), || {
                format!("pictures of one size, found {first} and {input}")
            })?;
        }
        Ok(first.with_channels(inputs.iter().map(|input| input.channels).sum()))
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

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        Some(output)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (mut start, mut parts) = (0, Vec::new());
        for input in at.inputs().to_vec() {
            let channels = at.shape(input).channels;
            parts.push(Some(at.append(Op::Slice(Slice { start, channels }), &[at.gradient()])?));
            start += channels;
        }
        Ok(parts)
    }
}
