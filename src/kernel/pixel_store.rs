//! Host half of `shaders/pixel_store.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("pixel_store", PixelStoreParams);

params! {
    /// Twin of the shader's parameters.
    pub struct PixelStoreParams {
        width: u32,
        height: u32,
        scale: f32,
    }
}

/// Samples from activations of `shape`, each times `scale`. `wide`: 16 bits a sample instead of 8.
///
/// Bindings: input, pixel words.
pub fn dispatch(shape: Shape, wide: bool, scale: f32) -> Dispatch {
    let params = PixelStoreParams { width: shape.width as u32, height: shape.height as u32, scale };
    KERNEL.dispatch(Specialization::overrides([("WIDE", u32::from(wide))]), &params, planes(shape))
}
