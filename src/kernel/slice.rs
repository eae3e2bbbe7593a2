//! Host half of `shaders/slice.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("slice", SliceParams);

params! {
    /// Twin of the shader's parameters.
    pub struct SliceParams {
        width: u32,
        height: u32,
        input_channels: u32,
        channels: u32,
        start: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, start: usize) -> Dispatch {
    let params = SliceParams {
        width: output.width as u32,
        height: output.height as u32,
        input_channels: input.channels as u32,
        channels: output.channels as u32,
        start: start as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
