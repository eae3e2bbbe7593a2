//! Host half of `shaders/canvas.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("canvas", CanvasParams);

params! {
    /// Twin of the shader's parameters.
    pub struct CanvasParams {
        input_width: u32,
        input_height: u32,
        width: u32,
        height: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape) -> Dispatch {
    let params = CanvasParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        width: output.width as u32,
        height: output.height as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
