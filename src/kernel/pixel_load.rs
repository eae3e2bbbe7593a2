//! Host half of `shaders/pixel_load.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("pixel_load", PixelLoadParams);

params! {
    /// Twin of the shader's parameters.
    pub struct PixelLoadParams {
        width: u32,
        height: u32,
        scale: f32,
    }
}

/// Activations of `shape` from samples, each times `scale`. `wide`: 16 bits a sample instead of 8.
///
/// Bindings: pixel words, output.
pub fn dispatch(shape: Shape, wide: bool, scale: f32) -> Dispatch {
    let params = PixelLoadParams { width: shape.width as u32, height: shape.height as u32, scale };
    KERNEL.dispatch(Specialization::overrides([("WIDE", u32::from(wide))]), &params, planes(shape))
}
