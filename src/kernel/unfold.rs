//! Host half of `shaders/unfold.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("unfold", UnfoldParams);

params! {
    /// Twin of the shader's parameters.
    pub struct UnfoldParams {
        width: u32,
        height: u32,
        input_channels: u32,
        kernel: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, kernel: usize) -> Dispatch {
    let params = UnfoldParams {
        width: output.width as u32,
        height: output.height as u32,
        input_channels: input.channels as u32,
        kernel: kernel as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
