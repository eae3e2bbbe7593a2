//! Host half of `shaders/sparsestmax.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("sparsestmax", SparsestmaxParams);

/// Channels that a thread has room for.
pub const CHOICES: usize = 16;

params! {
    /// Twin of the shader's parameters.
    pub struct SparsestmaxParams {
        width: u32,
        height: u32,
        channels: u32,
    }
}

/// Bindings: input, radius, output.
pub fn dispatch(shape: Shape) -> Dispatch {
    launch(&KERNEL, shape)
}

/// A kernel that makes a pixel a thread.
pub(super) fn launch(kernel: &'static Kernel, shape: Shape) -> Dispatch {
    let params = SparsestmaxParams {
        width: shape.width as u32,
        height: shape.height as u32,
        channels: shape.channels as u32,
    };
    kernel.dispatch(Specialization::default(), &params, planes(shape.with_channels(1)))
}
