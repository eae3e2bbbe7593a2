//! Host half of `shaders/fold.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("fold", FoldParams);

params! {
    /// Twin of the shader's parameters.
    pub struct FoldParams {
        width: u32,
        height: u32,
        channels: u32,
        kernel: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(output: Shape, kernel: usize) -> Dispatch {
    let params = FoldParams {
        width: output.width as u32,
        height: output.height as u32,
        channels: output.channels as u32,
        kernel: kernel as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
