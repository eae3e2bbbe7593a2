//! Where work is needed.

use super::{Operator, expect};
use crate::tensor::Shape;

/// Two logits a pixel → 1 where the second is larger, otherwise 0 (strictly: a tie is 0).
///
/// The inference form of SMSR's Gumbel-softmax mask (section 3.2): with no noise and a temperature that
/// goes to zero the softmax is its argmax.
#[derive(Clone, Debug)]
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
}
