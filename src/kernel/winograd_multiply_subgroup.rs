//! Host half of `shaders/winograd_multiply_subgroup.wgsl`: Winograd's products for subgroups of eight.

use super::winograd::{Chunk, Winograd};
use super::winograd_multiply_tiled::WinogradMultiplyParams;
use super::{Dispatch, Kernel};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("CHANNEL_GROUPS", 8)],
    subgroups: true,
    ..kernel!("winograd_multiply_subgroup", WinogradMultiplyParams)
};

/// Bindings: points, list (or any buffer), weight, products.
pub fn dispatch(winograd: &Winograd, chunk: Chunk) -> Dispatch {
    winograd.multiply_dispatch(&KERNEL, chunk)
}
