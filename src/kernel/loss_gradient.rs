//! Host half of `shaders/loss_gradient.wgsl`.

use super::loss::Distance;
use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("loss_gradient", LossGradientParams);

params! {
    /// Twin of the shader's parameters.
    pub struct LossGradientParams {
        width: u32,
        height: u32,
        channels: u32,
        epsilon: f32,
        share: f32,
    }
}

/// Bindings: what was made, the target, the gradient of the loss, output.
pub fn dispatch(shape: Shape, distance: Distance) -> Dispatch {
    let params = LossGradientParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
        epsilon: distance.epsilon(),
        share: 1.0 / shape.len() as f32,
    };
    KERNEL.dispatch(Specialization::overrides([("LOSS", distance.code())]), &params, planes(shape))
}
