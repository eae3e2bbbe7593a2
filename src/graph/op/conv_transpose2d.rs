//! Transposed convolution.

use std::ops::Range;

use super::conv2d::bias_fits;
use super::{Macs, Operator, expect};
use crate::tensor::{Parameter, Shape};

/// The adjoint of a convolution, as PyTorch's `ConvTranspose2d` with one group: input pixel `p` adds
/// `weight[i, o, k] · x[i, p]` to output pixel `stride · p + k − padding`.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    /// `[in, out, k, k]`: input channels first.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
    /// Output pixels between neighbouring input pixels; at least 1.
    pub stride: usize,
    /// Rows and columns cut from every side of the output.
    pub padding: usize,
    /// Rows and columns added at the bottom and right.
    pub output_padding: usize,
}

impl Operator for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let &[within, out, height, width] = self.weight.dims() else {
            return Err(format!("a weight of four axes, found {:?}", self.weight.dims()));
        };
        expect(height == width, || format!("a square kernel, found {height}x{width}"))?;
        expect(input.channels == within, || format!("{within} input channels, found {}", input.channels))?;
        expect(self.stride > 0, || "a stride of at least 1, found 0".into())?;
        expect(self.output_padding < self.stride, || "an output padding below the stride".into())?;
        bias_fits(self.bias.as_ref(), out)?;
        let size = |length: usize| {
            (length.saturating_sub(1) * self.stride + height + self.output_padding)
                .checked_sub(2 * self.padding)
                .filter(|size| *size > 0 && length > 0)
                .ok_or_else(|| format!("an output of at least one pixel, found none from {length}"))
        };
        Ok(Shape::new(input.batch, out, size(input.height)?, size(input.width)?))
    }

    fn scale(&self) -> [usize; 2] {
        [self.stride, 1]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [stride, padding, kernel] =
            [self.stride, self.padding, self.weight.dims()[2]].map(|length| length as isize);
        let first = (output.start + padding - kernel + stride).div_euclid(stride); // rounded up
        Some(first..(output.end - 1 + padding).div_euclid(stride) + 1)
    }

    fn macs(&self, inputs: &[Shape], _output: Shape) -> Macs {
        Macs { always: (inputs[0].batch * inputs[0].pixels() * self.weight.values().len()) as u64, masked: 0 }
    }
}
