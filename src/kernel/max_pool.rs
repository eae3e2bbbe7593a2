//! Host half of `shaders/max_pool.wgsl`: blocks of one size, or parts of the picture.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("max_pool", MaxPoolParams);

params! {
    /// Twin of the shader's parameters.
    pub struct MaxPoolParams {
        input_width: u32,
        input_height: u32,
        width: u32,
        height: u32,
        size: u32,
        stride: u32,
    }
}

/// Bindings: input, output.
pub fn dispatch(input: Shape, output: Shape, size: usize, stride: usize) -> Dispatch {
    launch(input, output, [size, stride], false)
}

/// Bindings: input, output. Parts of the picture, as many as the output has pixels.
pub fn dispatch_adaptive(input: Shape, output: Shape) -> Dispatch {
    launch(input, output, [0, 0], true)
}

fn launch(input: Shape, output: Shape, [size, stride]: [usize; 2], adaptive: bool) -> Dispatch {
    let params = MaxPoolParams {
        input_width: input.width as u32,
        input_height: input.height as u32,
        width: output.width as u32,
        height: output.height as u32,
        size: size as u32,
        stride: stride as u32,
    };
    let overrides = Specialization::overrides([("ADAPTIVE", u32::from(adaptive))]);
    KERNEL.dispatch(overrides, &params, planes(output))
}
