//! Host half of `shaders/winograd_input.wgsl`; [`super::winograd`] makes its dispatches.

use super::Kernel;

/// The shader.
pub static KERNEL: Kernel = kernel!("winograd_input", WinogradInputParams);

params! {
    /// Twin of the shader's parameters.
    pub struct WinogradInputParams {
        width: u32,
        height: u32,
        input_groups: u32,
        tiles: u32,
        first: u32,
        capacity: u32,
    }
}
