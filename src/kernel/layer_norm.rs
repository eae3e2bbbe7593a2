//! Host half of `shaders/layer_norm.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("layer_norm", LayerNormParams);

params! {
    /// Twin of the shader's parameters.
    pub struct LayerNormParams {
        width: u32,
        height: u32,
        channels: u32,
        epsilon: f32,
    }
}

/// Bindings: input, weight, bias, output.
pub fn dispatch(shape: Shape, epsilon: f32) -> Dispatch {
    launch(&KERNEL, shape, epsilon)
}

/// A kernel that makes a pixel a thread.
pub(super) fn launch(kernel: &'static Kernel, shape: Shape, epsilon: f32) -> Dispatch {
    let params = LayerNormParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
        epsilon,
    };
    kernel.dispatch(Specialization::default(), &params, planes(shape.with_channels(1)))
}
