//! Host half of `shaders/conv2d_direct.wgsl`: the convolution that takes any stride, padding and groups.

use super::epilogue::Epilogue;
use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::{Parameter, Shape};

/// The shader.
pub static KERNEL: Kernel = kernel!("conv2d_direct", Conv2dDirectParams);

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dDirectParams {
        input_width: u32,
        input_height: u32,
        input_channels: u32,
        width: u32,
        height: u32,
        output_channels: u32,
        kernel: u32,
        stride: u32,
        padding: u32,
        inputs_per_group: u32,
        outputs_per_group: u32,
        slope: f32,
    }
}

/// A convolution.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dDirect {
    /// The activations' shape.
    pub input: Shape,
    /// What it makes.
    pub output: Shape,
    /// The kernel's side.
    pub kernel: usize,
    /// Input pixels between outputs.
    pub stride: usize,
    /// Zeros around the picture.
    pub padding: usize,
    /// Independent parts of the channels.
    pub groups: usize,
    /// What follows the sum.
    pub epilogue: Epilogue,
}

/// Bindings: input, residual (or any buffer), weight, bias, output.
pub fn dispatch(conv: &Conv2dDirect) -> Dispatch {
    let params = Conv2dDirectParams {
        input_width: conv.input.width as u32,
        input_height: conv.input.height as u32,
        input_channels: conv.input.channels as u32,
        width: conv.output.width as u32,
        height: conv.output.height as u32,
        output_channels: conv.output.channels as u32,
        kernel: conv.kernel as u32,
        stride: conv.stride as u32,
        padding: conv.padding as u32,
        inputs_per_group: (conv.input.channels / conv.groups) as u32,
        outputs_per_group: (conv.output.channels / conv.groups) as u32,
        slope: conv.epilogue.function.slope(),
    };
    let [activation, residual] = conv.epilogue.overrides();
    let grouped = conv.groups > 1 && !params.outputs_per_group.is_multiple_of(4);
    let fours = !grouped && params.inputs_per_group.is_multiple_of(4);
    let kind = [("GROUPED", u32::from(grouped)), ("FOURS", u32::from(fours))];
    let overrides = Specialization::overrides([activation, residual, kind[0], kind[1]]);
    KERNEL.dispatch(overrides, &params, planes(conv.output))
}

/// `[out, in / groups, k, k]` → `[out / 4][in / groups][ky][kx]` of four output channels each.
pub fn pack(weight: &Parameter) -> Vec<f32> {
    let out = weight.dims()[0];
    let taps = weight.values().len() / out;
    let mut packed = Vec::with_capacity(out.next_multiple_of(4) * taps);
    for first in (0..out).step_by(4) {
        for tap in 0..taps {
            packed.extend(
                (first..first + 4).map(|o| if o < out { weight.values()[o * taps + tap] } else { 0.0 }),
            );
        }
    }
    packed
}
