//! Host half of `shaders/conv2d_depthwise.wgsl`. Weights are packed as for `conv2d_direct`.

use super::conv2d_direct::Conv2dDirect;
use super::{Dispatch, Kernel, Specialization, planes};

/// The shader.
pub static KERNEL: Kernel =
    Kernel { constants: &[("KERNEL", 3)], ..kernel!("conv2d_depthwise", Conv2dDepthwiseParams) };

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dDepthwiseParams {
        input_width: u32,
        input_height: u32,
        width: u32,
        height: u32,
        channels: u32,
        stride: u32,
        padding: u32,
        slope: f32,
    }
}

/// Bindings: input, residual (or any buffer), weight, bias, output. The convolution has as many groups as inputs and
/// as outputs.
pub fn dispatch(conv: &Conv2dDirect) -> Dispatch {
    let params = Conv2dDepthwiseParams {
        input_width: conv.input.width as u32,
        input_height: conv.input.height as u32,
        width: conv.output.width as u32,
        height: conv.output.height as u32,
        channels: conv.output.channels as u32,
        stride: conv.stride as u32,
        padding: conv.padding as u32,
        slope: conv.epilogue.function.slope(),
    };
    let constants = vec![("KERNEL", conv.kernel as u32)];
    let overrides = conv.epilogue.overrides().to_vec();
    KERNEL.dispatch(Specialization::new(constants, overrides), &params, planes(conv.output))
}
