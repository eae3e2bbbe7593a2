//! Host half of `shaders/gradient_norm.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("gradient_norm", GradientNormParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GradientNormParams {
        elements: u32,
    }
}

const RUN: usize = 4096;

/// How many numbers a dispatch leaves of so many elements.
pub fn partials(elements: usize) -> usize {
    elements.div_ceil(RUN).max(1)
}

/// Bindings: sums, pieces, settings, output.
pub fn dispatch(elements: usize) -> Dispatch {
    let params = GradientNormParams { elements: elements as u32 };
    let overrides = Specialization::overrides([("RUN", RUN as u32)]);
    KERNEL.dispatch(overrides, &params, [partials(elements) as u32, 1, 1])
}
