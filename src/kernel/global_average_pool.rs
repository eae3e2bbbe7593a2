//! Host half of `shaders/global_average_pool.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = kernel!("global_average_pool", GlobalAveragePoolParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GlobalAveragePoolParams {
        pixels: u32,
        runs: u32,
        scale: f32,
    }
}

const RUN: usize = 4096;

/// What one dispatch leaves of `shape`: a number a channel for every run of pixels, in one row.
pub fn reduced(shape: Shape) -> Shape {
    shape.with_size(1, shape.pixels().div_ceil(RUN))
}

/// Bindings: input, output of shape [`reduced`]. Sums, times `scale`.
pub fn dispatch(input: Shape, scale: f32) -> Dispatch {
    let runs = reduced(input).width as u32;
    let params = GlobalAveragePoolParams { pixels: input.pixels() as u32, runs, scale };
    KERNEL.dispatch(
        Specialization::overrides([("RUN", RUN as u32)]),
        &params,
        [runs, 1, (input.batch * channel_groups(input.channels)) as u32],
    )
}
