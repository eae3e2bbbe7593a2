//! Enlargement by interpolation.

use std::ops::Range;

use super::{Operator, expect};
use crate::tensor::Shape;

/// How pixels in between are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeKind {
    /// Keys' cubic convolution with a = −0.75, as PyTorch's `bicubic`.
    Bicubic,
    /// The pixel that the new one lies in.
    Nearest,
}

/// Enlarges by a whole factor, as PyTorch's `interpolate` with `align_corners=False`: new pixel `p` looks
/// at `(p + ½) / scale − ½`, and the edge is repeated.
#[derive(Clone, Debug)]
pub struct Resize {
    /// How.
    pub kind: ResizeKind,
    /// By how much; at least 1.
    pub scale: usize,
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        match self.kind {
            ResizeKind::Bicubic => "resize_bicubic",
            ResizeKind::Nearest => "resize_nearest",
        }
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        expect(self.scale > 0, || "a scale of at least 1, found 0".into())?;
        Ok(input.with_size(input.height * self.scale, input.width * self.scale))
    }

    fn scale(&self) -> [usize; 2] {
        [self.scale, 1]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let scale = self.scale as isize;
        // The last input pixel whose centre is not right of an output pixel's.
        let left = |output: isize| (2 * output + 1 - scale).div_euclid(2 * scale);
        Some(match self.kind {
            ResizeKind::Bicubic => left(output.start) - 1..left(output.end - 1) + 3,
            ResizeKind::Nearest => output.start.div_euclid(scale)..(output.end - 1).div_euclid(scale) + 1,
        })
    }
}
