//! Concatenation of channels.

use super::{Operator, expect};
use crate::tensor::Shape;

/// The channels of every input, one after the other.
#[derive(Clone, Debug)]
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
}
