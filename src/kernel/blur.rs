//! Host half of `shaders/blur.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("blur", BlurParams);

params! {
    /// Twin of the shader's parameters.
    pub struct BlurParams {
        width: u32,
        height: u32,
        is_adjoint: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(shape: Shape, is_adjoint: bool) -> Dispatch {
    let params =
        BlurParams { width: shape.width as u32, height: shape.height as u32, is_adjoint: is_adjoint.into() };
    KERNEL.dispatch(Specialization::default(), &params, planes(shape))
}
