//! Convolution in which some channels live only where a mask is set.

use std::ops::Range;

use super::conv2d::bias_fits;
use super::{Macs, Operator, expect};
use crate::tensor::{Parameter, Shape};

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
/// Inputs: the activations, then the mask (one channel).
#[derive(Clone, Debug)]
pub struct MaskedConv2d {
    /// `[out, in, k, k]`, k odd.
    pub weight: Parameter,
    /// `[out]`.
    pub bias: Option<Parameter>,
    /// Input channels that hold values everywhere.
    pub dense_inputs: usize,
    /// Output channels that are wanted everywhere.
    pub dense_outputs: usize,
}

impl MaskedConv2d {
    /// The kernel's side, k.
    pub fn kernel(&self) -> usize {
        self.weight.dims()[2]
    }

    /// Output channels.
    pub fn out_channels(&self) -> usize {
        self.weight.dims()[0]
    }
}

impl Operator for MaskedConv2d {
    fn name(&self) -> &'static str {
        "masked_conv2d"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [input, mask] = inputs else { return Err(format!("two inputs, found {}", inputs.len())) };
        let &[out, within, height, width] = self.weight.dims() else {
            return Err(format!("a weight of four axes, found {:?}", self.weight.dims()));
        };
        expect(height == width && height % 2 == 1, || {
            format!("an odd square kernel, found {height}x{width}")
        })?;
        expect(input.channels == within, || format!("{within} input channels, found {}", input.channels))?;
        expect(*mask == input.with_channels(1), || {
            format!("a mask of one channel over {input}, found {mask}")
        })?;
        expect(self.dense_inputs <= within && self.dense_outputs <= out, || {
            format!("at most {within} dense inputs and {out} dense outputs")
        })?;
        bias_fits(self.bias.as_ref(), out)?;
        Ok(input.with_channels(out))
    }

    fn input_region(&self, input: usize, output: Range<isize>) -> Option<Range<isize>> {
        // The mask, the second input, matters at the output's place alone.
        let radius = if input == 0 { self.kernel() as isize / 2 } else { 0 };
        Some(output.start - radius..output.end + radius)
    }

    fn macs(&self, _inputs: &[Shape], output: Shape) -> Macs {
        let taps = (output.batch * output.pixels() * self.kernel() * self.kernel()) as u64;
        let total = taps * (self.weight.dims()[0] * self.weight.dims()[1]) as u64;
        let always = taps * (self.dense_inputs * self.dense_outputs) as u64;
        Macs { always, masked: total - always }
    }
}
