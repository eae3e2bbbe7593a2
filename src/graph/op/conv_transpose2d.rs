//! Transposed convolution.

use std::ops::Range;

use super::conv2d::{bias_fits, weighted};
use super::{Conv2d, Kind, Macs, Op, Operator, TrainingOperation, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// The adjoint of a convolution, as PyTorch's `ConvTranspose2d` with one group: input pixel `p` adds
/// `weight[i, o, k] · x[i, p]` to output pixel `stride · p + k − padding`. Inputs: the activations x, the weight
/// `[in, out, k, k]`, input channels first, and, if there is one, the bias, 1×out×1×1.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// The kernel's side, k.
    pub kernel: usize,
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
        let (input, weight, bias) = weighted(inputs)?;
        let (within, out, kernel) = (weight.batch, weight.channels, self.kernel);
        expect(weight.height == kernel && weight.width == kernel, || {
            format!("a weight of kernel {kernel}x{kernel}, found {weight}")
        })?;
        expect(input.channels == within, || format!("{within} input channels, found {}", input.channels))?;
        expect(self.stride > 0, || "a stride of at least 1, found 0".into())?;
        expect(self.output_padding < self.stride, || "an output padding below the stride".into())?;
        bias_fits(bias, out)?;
        let size = |length: usize| {
            (length.saturating_sub(1) * self.stride + kernel + self.output_padding)
                .checked_sub(2 * self.padding)
                .filter(|size| *size > 0 && length > 0)
                .ok_or_else(|| format!("an output of at least one pixel, found none from {length}"))
        };
        Ok(Shape::new(input.batch, out, size(input.height)?, size(input.width)?))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
    }

    fn activations(&self, _inputs: usize) -> usize {
        1
    }

    fn alignment(&self) -> usize {
        1
    }

    fn scale(&self) -> [usize; 2] {
        [self.stride, 1]
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [stride, padding, kernel] =
            [self.stride, self.padding, self.kernel].map(|length| length as isize);
        let first = (output.start + padding - kernel + stride).div_euclid(stride); // rounded up
        (input == 0).then_some(first..(output.end - 1 + padding).div_euclid(stride) + 1)
    }

    fn macs(&self, inputs: &[Shape], _output: Shape) -> Macs {
        Macs { always: (inputs[0].batch * inputs[0].pixels() * inputs[1].len()) as u64, masked: 0 }
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, weight, g) = (at.inputs()[0], at.inputs()[1], at.gradient());
        let conv = Conv2d { kernel: self.kernel, stride: self.stride, padding: self.padding, groups: 1 };
        let mut parts = vec![None; at.inputs().len()];
        if at.needs(0) {
            parts[0] = Some(at.append(Op::Conv2d(conv.clone()), &[g, weight])?);
        }
        if at.needs(1) {
            parts[1] = Some(at.training(TrainingOperation::Conv2dWeightGradient(conv), &[g, x])?);
        }
        if at.needs(2) {
            parts[2] = Some(at.sum_to(g, at.shape(at.inputs()[2]))?);
        }
        Ok(parts)
    }
}
