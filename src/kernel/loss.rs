//! Host half of `shaders/loss.wgsl`, and twin of `shaders/shared/loss.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, packed_len};

/// The shader.
pub static KERNEL: Kernel = kernel!("loss", LossParams);

params! {
    /// Twin of the shader's parameters.
    pub struct LossParams {
        elements: u32,
        pixels: u32,
        channels: u32,
        epsilon: f32,
    }
}

/// How far two numbers are apart.
#[derive(Clone, Copy, Debug)]
pub enum Distance {
    /// |d|.
    L1,
    /// √(d² + epsilon).
    Charbonnier(f32),
    /// d².
    MeanSquare,
}

impl Distance {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::L1 => 0,
            Self::Charbonnier(_) => 1,
            Self::MeanSquare => 2,
        }
    }

    pub(super) fn epsilon(self) -> f32 {
        match self {
            Self::Charbonnier(epsilon) => epsilon,
            _ => 0.0,
        }
    }
}

const RUN: usize = 4096;

/// What a dispatch leaves: a number for every run of elements, in one row.
pub fn reduced(shape: Shape) -> Shape {
    Shape::new(1, 1, 1, (packed_len(shape) / 4).div_ceil(RUN).max(1))
}

/// Bindings: what was made, the target, output of shape [`reduced`].
pub fn dispatch(shape: Shape, distance: Distance) -> Dispatch {
    let params = LossParams {
        elements: (packed_len(shape) / 4) as u32,
        pixels: shape.pixels() as u32,
        channels: shape.channels as u32,
        epsilon: distance.epsilon(),
    };
    let overrides = Specialization::overrides([("RUN", RUN as u32), ("LOSS", distance.code())]);
    KERNEL.dispatch(overrides, &params, [reduced(shape).width as u32, 1, 1])
}
