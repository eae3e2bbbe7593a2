//! Convolution in which some channels live only where a mask is set.

use std::ops::Range;

use super::conv2d::bias_fits;
use super::{Kind, Macs, Operator, expect};
use crate::error::Error;
use crate::graph::{Backward, Value};
use crate::tensor::Shape;

/// Sparse mask convolution (SMSR, section 3.3): stride 1, size kept, one group.
///
/// Channels come dense ones first: the first `dense_inputs` (`dense_outputs`) are needed everywhere, the
/// others only where the mask M, 0 or 1 a pixel, is set.
///
/// ```text
/// dense outputs:        y = bias + conv(dense inputs) + M · conv(sparse inputs)
/// sparse outputs:  y = M · (bias + conv(dense inputs) +     conv(sparse inputs))
/// ```
///
/// Inputs: the activations, the mask (one channel), the weight `[out, in, k, k]` and, if there is one, the bias,
/// 1×out×1×1.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedConv2d {
    /// The kernel's side, k: odd.
    pub kernel: usize,
    /// Input channels that hold values everywhere.
    pub dense_inputs: usize,
    /// Output channels that are wanted everywhere.
    pub dense_outputs: usize,
}

impl Operator for MaskedConv2d {
    fn name(&self) -> &'static str {
        "masked_conv2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (input, mask, weight, bias) = match *inputs {
            [input, mask, weight] => (input, mask, weight, None),
            [input, mask, weight, bias] => (input, mask, weight, Some(bias)),
            _ => {
                return Err(format!(
                    "activations, a mask, a weight and perhaps a bias, found {} inputs",
                    inputs.len()
                ));
            }
        };
        let (out, within, kernel) = (weight.batch, weight.channels, self.kernel);
        expect(kernel % 2 == 1, || format!("an odd kernel, found {kernel}"))?;
        expect(weight.height == kernel && weight.width == kernel, || {
            format!("a weight of kernel {kernel}x{kernel}, found {weight}")
        })?;
        expect(input.channels == within, || format!("{within} input channels, found {}", input.channels))?;
        expect(mask == input.with_channels(1), || {
            format!("a mask of one channel over {input}, found {mask}")
        })?;
        expect(self.dense_inputs <= within && self.dense_outputs <= out, || {
            format!("at most {within} dense inputs and {out} dense outputs")
        })?;
        bias_fits(bias, out)?;
        Ok(input.with_channels(out))
    }

    fn kind(&self) -> Kind {
        Kind::Mixing
    }

    fn activations(&self, _inputs: usize) -> usize {
        2
    }

    fn scale(&self) -> [usize; 2] {
        [1, 1]
    }

    fn alignment(&self) -> usize {
        1
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        let radius = self.kernel as isize / 2;
        match input {
            0 => Some(output.start - radius..output.end + radius),
            1 => Some(output), // the mask matters at the output's place alone
            _ => None,
        }
    }

    fn macs(&self, inputs: &[Shape], output: Shape) -> Macs {
        let taps = (output.batch * output.pixels() * self.kernel * self.kernel) as u64;
        let total = taps * (inputs[2].batch * inputs[2].channels) as u64;
        let always = taps * (self.dense_inputs * self.dense_outputs) as u64;
        Macs { always, masked: total - always }
    }

    fn gradient(&self, at: &mut Backward<'_>) -> Result<Vec<Option<Value>>, Error> {
        Err(at.refused())
    }
}
