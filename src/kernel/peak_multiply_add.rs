//! Host half of `shaders/peak_multiply_add.wgsl`, and twin of `shaders/shared/peak_multiply_add.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("peak_multiply_add", PeakMultiplyAddParams);

/// Whole numbers up to here have no gaps in f32.
pub const WHOLE: f64 = 16_777_216.0;

params! {
    /// Twin of the shader's parameters.
    pub struct PeakMultiplyAddParams {
        rounds: u32,
        factor: f32,
        addend: f32,
    }
}

/// Threads, each of which writes one number: several times what the largest devices keep under way.
pub const THREADS: usize = 64 * WORKGROUPS as usize;

const WORKGROUPS: u32 = 4096;
const CHAINS: usize = 12;
const STEPS_A_ROUND: usize = 16;

/// Multiply-adds of a round.
pub const WORK: usize = THREADS * CHAINS * STEPS_A_ROUND;

/// Bindings: output.
pub fn dispatch(rounds: u32) -> Dispatch {
    launch(&KERNEL, rounds)
}

pub(super) fn launch(kernel: &'static Kernel, rounds: u32) -> Dispatch {
    let params = PeakMultiplyAddParams { rounds, factor: 1.0, addend: 1.0 };
    kernel.dispatch(Specialization::default(), &params, [WORKGROUPS, 1, 1])
}

/// What each thread writes; whole numbers of the type that counts go up to `whole`. Exact up to 2¹⁶ rounds.
pub fn expected(thread: usize, rounds: u32, whole: f64) -> f32 {
    let steps = STEPS_A_ROUND as f64 * f64::from(rounds);
    let chain = |chain: usize| ((thread % 8 + chain) as f64 + steps).min(whole);
    (0..CHAINS).map(chain).sum::<f64>() as f32
}
