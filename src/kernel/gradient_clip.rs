//! Host half of `shaders/gradient_clip.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("gradient_clip", GradientClipParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GradientClipParams {
        partials: u32,
        watched: u32,
        scale: f32,
    }
}

/// Gradients were gathered `scale` times as large as they are. Bindings: squares, settings, watched numbers, control, output.
pub fn dispatch(partials: usize, watched: usize, scale: f32) -> Dispatch {
    let params = GradientClipParams { partials: partials as u32, watched: watched as u32, scale };
    KERNEL.dispatch(Specialization::default(), &params, [1, 1, 1])
}
