//! Host half of `shaders/global_pool.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = kernel!("global_pool", GlobalPoolParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GlobalPoolParams {
        pixels: u32,
        runs: u32,
        scale: f32,
    }
}

/// What is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// x.
    Value,
    /// x².
    Square,
    /// (x − mean)².
    SquaredDistance,
}

/// What is done to each sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    /// It is multiplied by this.
    pub scale: f32,
    /// Whether its square root is taken then.
    pub root: bool,
}

impl Finish {
    /// Nothing.
    pub const NONE: Self = Self { scale: 1.0, root: false };
}

const RUN: usize = 4096;

/// What one dispatch leaves of `shape`: a number a channel for every run of pixels, in one row.
pub fn reduced(shape: Shape) -> Shape {
    shape.with_size(1, shape.pixels().div_ceil(RUN))
}

/// Bindings: input, mean (or any buffer), output of shape [`reduced`].
pub fn dispatch(input: Shape, term: Term, finish: Finish) -> Dispatch {
    let runs = reduced(input).width as u32;
    let params = GlobalPoolParams { pixels: input.pixels() as u32, runs, scale: finish.scale };
    let overrides = [("RUN", RUN as u32), ("TERM", term as u32), ("ROOT", u32::from(finish.root))];
    KERNEL.dispatch(
        Specialization::overrides(overrides),
        &params,
        [runs, 1, (input.batch * channel_groups(input.channels)) as u32],
    )
}
