//! Host half of `shaders/global_pool.wgsl`.

use std::ops::Range;

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = kernel!("global_pool", GlobalPoolParams);

params! {
    /// Twin of the shader's parameters.
    pub struct GlobalPoolParams {
        pixels: u32,
        runs: u32,
        columns: u32,
        width: u32,
        corner: u32,
        stored: u32,
        scale: f32,
    }
}

/// A value, and the part of it that is summed.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The value's shape.
    pub shape: Shape,
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl From<Shape> for Pooled {
    /// All of a value.
    fn from(shape: Shape) -> Self {
        Self { shape, rows: 0..shape.height, columns: 0..shape.width }
    }
}

impl Pooled {
    fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// What one dispatch leaves of it: a number a channel for every run of pixels, in one row.
    pub fn reduced(&self) -> Shape {
        self.shape.with_size(1, self.pixels().div_ceil(RUN))
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

/// Bindings: input, mean (or any buffer), output of shape [`Pooled::reduced`].
pub fn dispatch(x: &Pooled, term: Term, finish: Finish) -> Dispatch {
    let (shape, runs) = (x.shape, x.reduced().width as u32);
    let params = GlobalPoolParams {
        pixels: x.pixels() as u32,
        runs,
        columns: x.columns.len() as u32,
        width: shape.width as u32,
        corner: (x.rows.start * shape.width + x.columns.start) as u32,
        stored: shape.pixels() as u32,
        scale: finish.scale,
    };
    let part = u32::from(x.pixels() < shape.pixels());
    let overrides =
        [("RUN", RUN as u32), ("TERM", term as u32), ("ROOT", u32::from(finish.root)), ("PART", part)];
    KERNEL.dispatch(
        Specialization::overrides(overrides),
        &params,
        [runs, 1, (shape.batch * channel_groups(shape.channels)) as u32],
    )
}
