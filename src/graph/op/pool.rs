//! Averages over pixels.

use std::ops::Range;

use super::{Operator, expect};
use crate::tensor::Shape;

/// The mean of every `size`×`size` block; a remainder at the right and bottom is dropped, as in PyTorch's
/// `AvgPool2d(size)`.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// The block's side, and the distance between blocks.
    pub size: usize,
}

impl Operator for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(self.size > 0 && input.height >= self.size && input.width >= self.size, || {
            format!("at least {0}x{0} pixels, found {1}x{2}", self.size, input.height, input.width)
        })?;
        Ok(input.with_size(input.height / self.size, input.width / self.size))
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.size]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let size = self.size as isize;
        Some(size * output.start..size * output.end)
    }
}

/// The mean of each channel over the whole picture: one pixel.
#[derive(Clone, Debug)]
pub struct GlobalAveragePool;

impl Operator for GlobalAveragePool {
    fn name(&self) -> &'static str {
        "global_average_pool"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(input.pixels() > 0, || "at least one pixel, found none".into())?;
        Ok(input.with_size(1, 1))
    }

    fn input_region(&self, _input: usize, _output: Range<isize>) -> Option<Range<isize>> {
        None
    }
}
