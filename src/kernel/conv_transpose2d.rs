//! Host half of `shaders/conv_transpose2d.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::{Parameter, Shape};

/// The shader.
pub static KERNEL: Kernel = kernel!("conv_transpose2d", ConvTranspose2dParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ConvTranspose2dParams {
        input_width: u32,
        input_height: u32,
        input_channels: u32,
        width: u32,
        height: u32,
        output_channels: u32,
        kernel: u32,
        stride: u32,
        padding: u32,
    }
}

/// Bindings: input, weight, bias, output.
pub fn dispatch(input: Shape, output: Shape, kernel: usize, stride: usize, padding: usize) -> Dispatch {
    let params = ConvTranspose2dParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        input_channels: input.channels as u32,
        width: output.width as u32,
        height: output.height as u32,
        output_channels: output.channels as u32,
        kernel: kernel as u32,
        stride: stride as u32,
        padding: padding as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}

/// `[in, out, k, k]` → `[out][in / 4][ky][kx]` of four input channels each.
pub fn pack(weight: &Parameter) -> Vec<f32> {
    let (inputs, out) = (weight.dims()[0], weight.dims()[1]);
    let kernel = weight.dims()[2] * weight.dims()[3];
    let value = |i: usize, o: usize, tap: usize| {
        if i < inputs { weight.values()[(i * out + o) * kernel + tap] } else { 0.0 }
    };
    let mut packed = Vec::with_capacity(out * inputs.next_multiple_of(4) * kernel);
    for o in 0..out {
        for first in (0..inputs).step_by(4) {
            for tap in 0..kernel {
                packed.extend((first..first + 4).map(|i| value(i, o, tap)));
            }
        }
    }
    packed
}
