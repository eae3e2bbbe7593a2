//! Host half of `shaders/weight_norm.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, packed_len};

/// The shader.
pub static KERNEL: Kernel = kernel!("weight_norm", WeightNormParams);

params! {
    /// Twin of the shader's parameters.
    pub struct WeightNormParams {
        elements: u32,
        stride: u32,
    }
}

/// Bindings: directions, magnitudes, output.
pub fn dispatch(directions: Shape, magnitudes: Shape) -> Dispatch {
    let outputs = directions.batch;
    let elements = (packed_len(directions) / 4 / outputs.max(1)) as u32;
    let stride = if magnitudes.channels == outputs { 1 } else { 4 };
    KERNEL.dispatch(Specialization::default(), &WeightNormParams { elements, stride }, [outputs as u32, 1, 1])
}
