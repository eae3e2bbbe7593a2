//! Host half of `shaders/accumulate.wgsl`.

use super::{Dispatch, Kernel, Specialization, row_of};

/// The shader.
pub static KERNEL: Kernel = kernel!("accumulate", AccumulateParams);

params! {
    /// Twin of the shader's parameters.
    pub struct AccumulateParams {
        fours: u32,
    }
}

/// Bindings: the value, the sums. `fours` times four numbers.
pub fn dispatch(fours: usize) -> Dispatch {
    KERNEL.dispatch(Specialization::default(), &AccumulateParams { fours: fours as u32 }, row_of(fours))
}
