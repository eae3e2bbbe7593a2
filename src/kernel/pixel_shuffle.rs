//! Host half of `shaders/pixel_shuffle.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("pixel_shuffle", PixelShuffleParams);

params! {
    /// Twin of the shader's parameters.
    pub struct PixelShuffleParams {
        input_width: u32,
        input_height: u32,
        channels: u32,
        scale: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, scale: usize) -> Dispatch {
    let params = PixelShuffleParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        channels: output.channels as u32,
        scale: scale as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
