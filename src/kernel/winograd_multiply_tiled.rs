//! Host half of `shaders/winograd_multiply_tiled.wgsl`: Winograd's products on any device.

use super::winograd::{Chunk, Winograd};
use super::{Dispatch, Kernel};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("CHANNEL_GROUPS", 8)],
    ..kernel!("winograd_multiply_tiled", WinogradMultiplyParams)
};

params! {
    /// Twin of the shaders' parameters.
    pub struct WinogradMultiplyParams {
        input_groups: u32,
        output_groups: u32,
        tiles: u32,
        first: u32,
        capacity: u32,
    }
}

/// Bindings: points, list (or any buffer), weight, products.
pub fn dispatch(winograd: &Winograd, chunk: Chunk) -> Dispatch {
    winograd.multiply_dispatch(&KERNEL, chunk)
}
