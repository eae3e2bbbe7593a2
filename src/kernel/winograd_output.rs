//! Host half of `shaders/winograd_output.wgsl`; [`super::winograd`] makes its dispatches.

use super::Kernel;

/// The shader.
pub static KERNEL: Kernel = kernel!("winograd_output", WinogradOutputParams);

params! {
    /// Twin of the shader's parameters.
    pub struct WinogradOutputParams {
        width: u32,
        height: u32,
        input_groups: u32,
        input_first: u32,
        first_group: u32,
        output_groups: u32,
        output_channels: u32,
        preserved_groups: u32,
        tiles: u32,
        first: u32,
        capacity: u32,
        slope: f32,
    }
}
