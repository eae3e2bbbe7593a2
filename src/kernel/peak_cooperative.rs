//! Twin of `shaders/shared/peak_cooperative.wgsl`; makes the dispatches of `peak_cooperative_8` and
//! `peak_cooperative_16`.

use half::f16;

use super::{Dispatch, Specialization, peak_cooperative_8, peak_cooperative_16};

params! {
    /// Twin of the shader's parameters.
    pub struct PeakCooperativeParams {
        rounds: u32,
    }
}

const WORKGROUPS: u32 = 4096;
const SUMS: usize = 4;
const STEPS_A_ROUND: usize = 8;

/// Numbers that matrices of a side write.
pub fn numbers(side: u32) -> usize {
    (WORKGROUPS * side * side) as usize
}

/// Multiply-adds of a round.
pub fn work(side: u32) -> usize {
    WORKGROUPS as usize * SUMS * STEPS_A_ROUND * side.pow(3) as usize
}

/// For matrices of side 8 or 16 and subgroups of so many lanes.
///
/// Bindings: factors, output.
pub fn dispatch(side: u32, lanes: u32, rounds: u32) -> Dispatch {
    let kernel = if side == 8 { &peak_cooperative_8::KERNEL } else { &peak_cooperative_16::KERNEL };
    let constants = vec![("LANES", lanes)];
    let specialization = Specialization::new(constants, vec![]);
    kernel.dispatch(specialization, &PeakCooperativeParams { rounds }, [WORKGROUPS, 1, 1])
}

/// The factors: all 1, all 2, and such that a product's sums are 1, 4, 2 and 8.
pub fn factors(side: u32) -> Vec<f32> {
    let one = 1.0 / side as f32;
    let values = [1.0, 2.0, one, 4.0 * one].map(f16::from_f32);
    let numbers: Vec<f16> = values.iter().flat_map(|value| vec![*value; (side * side) as usize]).collect();
    bytemuck::pod_collect_to_vec(&numbers)
}

/// What each number comes to. Exact up to 2¹⁷ rounds.
pub fn expected(rounds: u32) -> f32 {
    (15 * STEPS_A_ROUND) as f32 * rounds as f32
}
