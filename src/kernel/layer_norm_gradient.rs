//! Host half of `shaders/layer_norm_gradient.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("layer_norm_gradient", LayerNormGradientParams);

params! {
    /// Twin of the shader's parameters.
    pub struct LayerNormGradientParams {
        width: u32,
        height: u32,
        channels: u32,
        epsilon: f32,
    }
}

/// Bindings: input, gradient, weight, output.
pub fn dispatch(shape: Shape, epsilon: f32) -> Dispatch {
    let params = LayerNormGradientParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
        epsilon,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(shape.with_channels(1)))
}
