//! Host half of `shaders/winograd_weight.wgsl`.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("winograd_weight", WinogradWeightParams);

params! {
    /// Twin of the shader's parameters.
    pub struct WinogradWeightParams {
        fours: u32,
    }
}

const THREADS: usize = 64;

/// Bindings: weight, table, output. `numbers` are those of a point, a multiple of four.
pub fn dispatch(numbers: usize) -> Dispatch {
    let params = WinogradWeightParams { fours: (numbers / 4) as u32 };
    KERNEL.dispatch(Specialization::default(), &params, [numbers.div_ceil(4 * THREADS) as u32, 1, 1])
}
