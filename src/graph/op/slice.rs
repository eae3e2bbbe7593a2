//! A part of the channels.

use super::{Operator, expect};
use crate::tensor::Shape;

/// Some neighbouring channels: a part of what PyTorch's `split` and `chunk` give.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The first.
    pub start: usize,
    /// How many; at least 1.
    pub channels: usize,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let Self { start, channels } = *self;
        expect(channels > 0 && start + channels <= input.channels, || {
            format!("channels {start} to {}, found {}", start + channels, input.channels)
        })?;
        Ok(input.with_channels(channels))
    }
}
