//! Convolution.

use std::ops::Range;

use super::{Macs, Operator, expect};
use crate::tensor::{Parameter, Shape};

/// Cross-correlation with zero padding, as PyTorch's `Conv2d`:
///
/// `y[o, p] = bias[o] + Σ_{i, k} weight[o, i, k] · x[i, stride · p + k − padding]`
///
/// The sum over `i` stays within `o`'s group.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `[out, in / groups, k, k]`, k odd.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
    /// Distance between neighbouring outputs, in input pixels; at least 1.
    pub stride: usize,
    /// Zeros around the picture, on every side.
    pub padding: usize,
    /// Independent parts that the channels are split into.
    pub groups: usize,
}

impl Conv2d {
    /// Stride 1, padded so that the size stays, one group.
    pub fn same(weight: Parameter, bias: Option<Parameter>) -> Self {
        let padding = weight.dims().last().copied().unwrap_or(1) / 2;
        Self { weight, bias, stride: 1, padding, groups: 1 }
    }

    /// Whether it has one group, and every output lies over the input of its place.
    pub(crate) fn keeps_size(&self) -> bool {
        self.stride == 1 && self.groups == 1 && self.padding == self.kernel() / 2
    }

    /// Whether an output depends on the input of its place alone, all channels of it.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel() == 1 && self.keeps_size()
    }

    /// The kernel's side, k.
    pub fn kernel(&self) -> usize {
        self.weight.dims()[2]
    }

    /// Output channels.
    pub fn out_channels(&self) -> usize {
        self.weight.dims()[0]
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input] = inputs else { return Err(format!("one input, found {}", inputs.len())) };
        let &[out, within, height, width] = self.weight.dims() else {
            return Err(format!("a weight of four axes, found {:?}", self.weight.dims()));
        };
        expect(height == width && height % 2 == 1, || {
            format!("an odd square kernel, found {height}x{width}")
        })?;
        expect(self.stride > 0, || "a stride of at least 1, found 0".into())?;
        expect(self.groups > 0 && out % self.groups == 0 && input.channels == within * self.groups, || {
            format!(
                "{} groups of {within} input channels each, found {} channels",
                self.groups, input.channels
            )
        })?;
        bias_fits(self.bias.as_ref(), out)?;
        let size = |length: usize| match (length + 2 * self.padding).checked_sub(height) {
            Some(room) => Ok(room / self.stride + 1),
            None => Err(format!("at least {} pixels a side, found {length}", height - 2 * self.padding)),
        };
        Ok(Shape::new(input.batch, out, size(input.height)?, size(input.width)?))
    }

    fn scale(&self) -> [usize; 2] {
        [1, self.stride]
    }

    fn input_region(&self, _input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [stride, padding, kernel] =
            [self.stride, self.padding, self.kernel()].map(|length| length as isize);
        Some(stride * output.start - padding..stride * (output.end - 1) - padding + kernel)
    }

    fn macs(&self, _inputs: &[Shape], output: Shape) -> Macs {
        Macs { always: (output.batch * output.pixels() * self.weight.values().len()) as u64, masked: 0 }
    }
}

pub(super) fn bias_fits(bias: Option<&Parameter>, out: usize) -> Result<(), String> {
    match bias {
        Some(bias) if bias.dims() != [out] => Err(format!("a bias of [{out}], found {:?}", bias.dims())),
        _ => Ok(()),
    }
}
