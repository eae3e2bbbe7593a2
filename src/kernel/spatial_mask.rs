//! Host half of `shaders/spatial_mask.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("spatial_mask", SpatialMaskParams);

params! {
    /// Twin of the shader's parameters.
    pub struct SpatialMaskParams {
        width: u32,
        height: u32,
    }
}

/// Bindings: logits, output.
pub fn dispatch(output: Shape) -> Dispatch {
    let params = SpatialMaskParams { width: output.width as u32, height: output.height as u32 };
    KERNEL.dispatch(Specialization::default(), &params, planes(output))
}
