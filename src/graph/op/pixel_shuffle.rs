//! Sub-pixel rearrangement, both ways.

use std::ops::Range;

use super::{Kind, Macs, Op, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Channels into pixels (Shi et al., ESPCN, CVPR 2016, section 2.2), as PyTorch's `PixelShuffle`:
///
/// `y[c, s·y + i, s·x + j] = x[c·s² + i·s + j, y, x]`
#[derive(Clone, Debug, PartialEq)]
pub struct PixelShuffle {
    /// s: 2, 3 or 4.
    pub scale: usize,
}

impl Operator for PixelShuffle {
    fn name(&self) -> &'static str {
        "pixel_shuffle"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let square = self.scale * self.scale;
        expect((2..=4).contains(&self.scale), || format!("a scale of 2, 3 or 4, found {}", self.scale))?;
        expect(input.channels % square == 0, || {
            format!("a multiple of {square} channels, found {}", input.channels)
        })?;
        let shape = Shape { channels: input.channels / square, ..*input };
        Ok(shape.with_size(input.height * self.scale, input.width * self.scale))
    }

    fn kind(&self) -> Kind {
        Kind::Moving
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [self.scale, 1]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let scale = self.scale as isize;
        Some(output.start.div_euclid(scale)..(output.end - 1).div_euclid(scale) + 1)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let inverse = Op::PixelUnshuffle(PixelUnshuffle { scale: self.scale });
        Ok(vec![Some(at.append(inverse, &[at.gradient()])?)])
    }
}

/// Pixels into channels, the inverse of [`PixelShuffle`], as PyTorch's `PixelUnshuffle`:
///
/// `y[c·s² + i·s + j, y, x] = x[c, s·y + i, s·x + j]`
#[derive(Clone, Debug, PartialEq)]
pub struct PixelUnshuffle {
    /// s: 2, 3 or 4. Sides are multiples of it.
    pub scale: usize,
}

impl Operator for PixelUnshuffle {
    fn name(&self) -> &'static str {
        "pixel_unshuffle"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let scale = self.scale;
        expect((2..=4).contains(&scale), || format!("a scale of 2, 3 or 4, found {scale}"))?;
        expect(input.height % scale == 0 && input.width % scale == 0, || {
            format!("sides that are multiples of {scale}, found {}x{}", input.height, input.width)
        })?;
        let shape = input.with_channels(input.channels * scale * scale);
        Ok(shape.with_size(input.height / scale, input.width / scale))
    }

    fn kind(&self) -> Kind {
        Kind::Moving
    }

    fn activations(&self, inputs: usize) -> usize {
        inputs
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.scale]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let scale = self.scale as isize;
        Some(scale * output.start..scale * output.end)
    }

    fn macs(&self, _inputs: &[Shape], _output: Shape) -> Macs {
        Macs::default()
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let inverse = Op::PixelShuffle(PixelShuffle { scale: self.scale });
        Ok(vec![Some(at.append(inverse, &[at.gradient()])?)])
    }
}
