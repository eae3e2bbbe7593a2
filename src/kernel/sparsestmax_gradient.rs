//! Host half of `shaders/sparsestmax_gradient.wgsl`.

use super::sparsestmax::{SparsestmaxParams, launch};
use super::{Dispatch, Kernel};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("sparsestmax_gradient", SparsestmaxParams);

/// Bindings: input, radius, gradient, output.
pub fn dispatch(shape: Shape) -> Dispatch {
    launch(&KERNEL, shape)
}
