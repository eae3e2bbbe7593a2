//! Host half of `shaders/winograd_multiply_tiled.wgsl`: Winograd's products on any device; [`super::winograd`]
//! makes its dispatches.

use super::Kernel;

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
