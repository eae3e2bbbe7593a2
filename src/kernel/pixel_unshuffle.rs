//! Host half of `shaders/pixel_unshuffle.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("pixel_unshuffle", PixelUnshuffleParams);

params! {
    /// Twin of the shader's parameters.
    pub struct PixelUnshuffleParams {
        width: u32,
        height: u32,
        input_channels: u32,
        scale: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, scale: usize) -> Dispatch {
    let params = PixelUnshuffleParams {
        width: output.width as u32,
        height: output.height as u32,
        input_channels: input.channels as u32,
        scale: scale as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
