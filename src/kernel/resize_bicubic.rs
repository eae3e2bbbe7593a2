//! Host half of `shaders/resize_bicubic.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("resize_bicubic", ResizeBicubicParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ResizeBicubicParams {
        input_width: u32,
        input_height: u32,
        scale: u32,
        below: u32,
    }
}

/// Bindings: input, output. The scale is a fraction, over and below.
pub fn dispatch(input: Shape, output: Shape, [scale, below]: [usize; 2]) -> Dispatch {
    let params = ResizeBicubicParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        scale: scale as u32,
        below: below as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
