//! Host half of `shaders/resize_nearest.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("resize_nearest", ResizeNearestParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ResizeNearestParams {
        input_width: u32,
        input_height: u32,
        scale: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, scale: usize) -> Dispatch {
    let params = ResizeNearestParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        scale: scale as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
