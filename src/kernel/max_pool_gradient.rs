//! Host half of `shaders/max_pool_gradient.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("max_pool_gradient", MaxPoolGradientParams);

params! {
    /// Twin of the shader's parameters.
    pub struct MaxPoolGradientParams {
        width: u32,
        height: u32,
        blocks_a_row: u32,
        blocks_a_column: u32,
        size: u32,
        stride: u32,
    }
}

/// Bindings: input, gradient, output.
pub fn dispatch(input: Shape, gradient: Shape, size: usize, stride: usize) -> Dispatch {
    let params = MaxPoolGradientParams {
        width: input.width as u32,
        height: input.height as u32,
        blocks_a_row: gradient.width as u32,
        blocks_a_column: gradient.height as u32,
        size: size as u32,
        stride: stride as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(input))
}
