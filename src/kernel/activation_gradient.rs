//! Host half of `shaders/activation_gradient.wgsl`.

use super::activation::Function;
use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("activation_gradient", ActivationGradientParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ActivationGradientParams {
        width: u32,
        height: u32,
        channels: u32,
        slope: f32,
    }
}

/// Bindings: the function's value or what it is of, the gradient, slope a channel as
/// [`pack_slope`](super::activation::pack_slope) makes it (any buffer, but for [`Function::Prelu`]), output.
pub fn dispatch(shape: Shape, function: Function) -> Dispatch {
    let params = ActivationGradientParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
        slope: function.slope(),
    };
    let overrides = Specialization::overrides([("ACTIVATION", function.code())]);
    KERNEL.dispatch(overrides, &params, planes(shape))
}
