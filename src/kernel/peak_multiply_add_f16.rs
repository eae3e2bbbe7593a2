//! Host half of `shaders/peak_multiply_add_f16.wgsl`.

use super::peak_multiply_add::{PeakMultiplyAddParams, launch};
use super::{Dispatch, Kernel};
use crate::device::Feature;

/// The shader.
pub static KERNEL: Kernel =
    Kernel { needs: &[Feature::F16], ..kernel!("peak_multiply_add_f16", PeakMultiplyAddParams) };

/// Whole numbers up to here have no gaps in f16.
pub const WHOLE: f64 = 2048.0;

/// Bindings: output.
pub fn dispatch(rounds: u32) -> Dispatch {
    launch(&KERNEL, rounds)
}
