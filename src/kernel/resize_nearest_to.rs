//! Host half of `shaders/resize_nearest_to.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("resize_nearest_to", ResizeNearestToParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ResizeNearestToParams {
        input_width: u32,
        input_height: u32,
        width: u32,
        height: u32,
        across: f32,
        down: f32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape) -> Dispatch {
    let params = ResizeNearestToParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        width: output.width as u32,
        height: output.height as u32,
        across: input.width as f32 / output.width as f32,
        down: input.height as f32 / output.height as f32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
