//! Host half of `shaders/activation_gradient.wgsl`.

use super::activation::{ActivationParams, Function, launch};
use super::{Dispatch, Kernel};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("activation_gradient", ActivationParams);

/// Bindings: the function's value or what it is of, the gradient, slope a channel as
/// [`pack_slope`](super::activation::pack_slope) makes it (any buffer, but for [`Function::Prelu`]), output.
pub fn dispatch(shape: Shape, function: Function) -> Dispatch {
    launch(&KERNEL, shape, function)
}
