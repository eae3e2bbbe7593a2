//! Host half of `shaders/winograd_multiply_subgroup.wgsl`: Winograd's products for subgroups of eight;
//! [`super::winograd`] makes its dispatches.

use super::Kernel;
use super::winograd_multiply_tiled::WinogradMultiplyParams;
use crate::device::Feature;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("CHANNEL_GROUPS", 8)],
    needs: &[Feature::Subgroups],
    ..kernel!("winograd_multiply_subgroup", WinogradMultiplyParams)
};
