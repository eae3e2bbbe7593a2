//! Host half of `shaders/gradient_clip.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("gradient_clip", GradientClipParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GradientClipParams {
        partials: u32,
        watched: u32,
    }
}

/// Bindings: squares, settings, watched numbers, control, output.
pub fn dispatch(partials: usize, watched: usize) -> Dispatch {
    let params = GradientClipParams { partials: partials as u32, watched: watched as u32 };
    KERNEL.dispatch(Specialization::default(), &params, [1, 1, 1])
}
