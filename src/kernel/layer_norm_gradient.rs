//! Host half of `shaders/layer_norm_gradient.wgsl`.

use super::layer_norm::{LayerNormParams, launch};
use super::{Dispatch, Kernel};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("layer_norm_gradient", LayerNormParams);

/// Bindings: input, gradient, weight, output.
pub fn dispatch(shape: Shape, epsilon: f32) -> Dispatch {
    launch(&KERNEL, shape, epsilon)
}
