//! Convolution.

use std::ops::Range;

use super::{
    BinaryKind, Concat, Constant, ConvTranspose2d, Kind, Macs, Op, Operator, TrainingOperation,
    WeightOperation, expect,
};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::{Shape, Tensor};

/// Cross-correlation with zero padding, as PyTorch's `Conv2d`:
///
/// `y[o, p] = bias[o] + Σ_{i, k} weight[o, i, k] · x[i, stride · p + k − padding]`
///
/// The sum over `i` stays within `o`'s group. Inputs: the activations x, the weight `[out, in / groups, k, k]` and, if
/// there is one, the bias, 1×out×1×1.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// The kernel's side, k: odd where the stride is 1.
    pub kernel: usize,
    /// Distance between neighbouring outputs, in input pixels; at least 1.
    pub stride: usize,
    /// Zeros around the picture, on every side.
    pub padding: usize,
    /// Independent parts that the channels are split into.
    pub groups: usize,
}

impl Conv2d {
    /// Stride 1, padded so that the size stays, one group.
    pub const fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: kernel / 2, groups: 1 }
    }

    /// Whether it has one group, and every output lies over the input of its place.
    pub(crate) fn keeps_size(&self) -> bool {
        self.stride == 1 && self.groups == 1 && self.padding == self.kernel / 2
    }

    /// Whether every channel is a group of its own, read and made, by such a weight.
    pub(crate) fn is_depthwise(&self, weight: Shape) -> bool {
        self.groups > 1 && weight.channels == 1 && weight.batch == self.groups
    }

    /// Whether an output depends on the input of its place alone, all channels of it.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.keeps_size()
    }
}

impl Conv2d {
    /// What the gradient's way to the activations is: at stride 1 a convolution by the flipped weight.
    fn transposed(&self, at: &mut Backward<'_>, weight: Value) -> Result<Value, Error> {
        let (g, x) = (at.gradient(), at.shape(at.inputs()[0]));
        let Self { kernel, stride, padding, groups } = *self;
        if stride == 1 && padding < kernel {
            let flipped = at.append(Op::Weight(WeightOperation::Flip { groups }), &[weight])?;
            let conv = Self { padding: kernel - 1 - padding, ..self.clone() };
            return at.append(Op::Conv2d(conv), &[g, flipped]);
        }
        let [rows, columns] = [x.height, x.width].map(|side| (side + 2 * padding - kernel) % stride);
        if rows != columns {
            return Err(at.refused());
        }
        let weight = self.ungrouped(at, weight)?;
        let transposed = ConvTranspose2d { kernel, stride, padding, output_padding: rows };
        at.append(Op::ConvTranspose2d(transposed), &[g, weight])
    }

    /// The weight of the same convolution in one group: zeros between channels of different groups.
    fn ungrouped(&self, at: &mut Backward<'_>, weight: Value) -> Result<Value, Error> {
        if self.groups == 1 {
            return Ok(weight);
        }
        let repeated = at.append(Op::Concat(Concat), &vec![weight; self.groups])?;
        let shape = at.shape(repeated).with_size(1, 1);
        let [out, within] = [shape.batch, shape.channels].map(|channels| channels / self.groups);
        let together = Tensor::from_fn(shape, |o, i, _, _| f32::from(u8::from(o / out == i / within)));
        let together = at.append(Op::Constant(Constant::new(together)), &[])?;
        at.binary(BinaryKind::Multiply, repeated, together)
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (input, weight, bias) = weighted(inputs)?;
        let (out, within, kernel) = (weight.batch, weight.channels, self.kernel);
        expect(kernel > 0 && (kernel % 2 == 1 || self.stride > 1), || {
            format!("an odd kernel, found {kernel}")
        })?;
        expect(weight.height == kernel && weight.width == kernel, || {
            format!("a weight of kernel {kernel}x{kernel}, found {weight}")
        })?;
        expect(self.stride > 0, || "a stride of at least 1, found 0".into())?;
        expect(self.groups > 0 && out % self.groups == 0 && input.channels == within * self.groups, || {
            format!(
                "{} groups of {within} input channels each, found {} channels",
                self.groups, input.channels
            )
        })?;
        bias_fits(bias, out)?;
        let size = |length: usize| match (length + 2 * self.padding).checked_sub(kernel) {
            Some(room) => Ok(room / self.stride + 1),
            None => Err(format!("at least {} pixels a side, found {length}", kernel - 2 * self.padding)),
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
        [1, self.stride]
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let [stride, padding, kernel] =
            [self.stride, self.padding, self.kernel].map(|length| length as isize);
        (input == 0).then_some(stride * output.start - padding..stride * (output.end - 1) - padding + kernel)
    }

    fn macs(&self, inputs: &[Shape], output: Shape) -> Macs {
        Macs { always: (output.batch * output.pixels() * inputs[1].len()) as u64, masked: 0 }
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        let (x, weight, g) = (at.inputs()[0], at.inputs()[1], at.gradient());
        let mut parts = vec![None; at.inputs().len()];
        if at.needs(0) {
            parts[0] = Some(self.transposed(at, weight)?);
        }
        if at.needs(1) {
            let op = TrainingOperation::Conv2dWeightGradient(self.clone());
            parts[1] = Some(at.training(op, &[x, g])?);
        }
        if at.needs(2) {
            parts[2] = Some(at.sum_to(g, at.shape(at.inputs()[2]))?);
        }
        Ok(parts)
    }
}

/// Activations, weight and, if there is one, bias.
pub(super) fn weighted(inputs: &[Shape]) -> Result<(Shape, Shape, Option<Shape>), String> {
    match *inputs {
        [input, weight] => Ok((input, weight, None)),
        [input, weight, bias] => Ok((input, weight, Some(bias))),
        _ => Err(format!("activations, a weight and perhaps a bias, found {} inputs", inputs.len())),
    }
}

pub(super) fn bias_fits(bias: Option<Shape>, out: usize) -> Result<(), String> {
    match bias {
        Some(bias) if bias != Shape::new(1, out, 1, 1) => {
            Err(format!("a bias of {out} channels, found {bias}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tap of every output, one by one, by the formula.
    #[test]
    fn an_input_region_holds_all_taps_and_no_more() {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 0), (3, 2, 1), (1, 2, 0), (5, 3, 2), (7, 4, 3)] {
            let op = Conv2d { kernel, stride, padding, groups: 1 };
            for output in [0..1, 0..2, 3..7, -2..1] {
                let taps = output.clone().flat_map(|p| {
                    (0..kernel as isize).map(move |k| stride as isize * p + k - padding as isize)
                });
                let expected = taps.clone().min().unwrap()..taps.max().unwrap() + 1;
                assert_eq!(op.input_region(0, output.clone()), Some(expected), "{op:?} of {output:?}");
            }
            assert_eq!(op.input_region(1, 0..1), None, "weights have no region");
        }
    }
}
