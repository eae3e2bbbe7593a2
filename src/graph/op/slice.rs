//! A part of the channels.

use std::ops::Range;

use super::{Kind, Macs, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Some neighbouring channels: a part of what PyTorch's `split` and `chunk` give.
#[derive(Clone, Debug, PartialEq)]
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
        let end = start.saturating_add(channels);
        expect(channels > 0 && end <= input.channels, || {
            format!("channels {start} to {end}, found {}", input.channels)
        })?;
        Ok(input.with_channels(channels))
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
        let behind = at.shape(at.inputs()[0]).channels - self.start - self.channels;
        let pad = TrainingOperation::PadChannels { before: self.start, after: behind };
        Ok(vec![Some(at.training(pad, &[at.gradient()])?)])
    }
}
