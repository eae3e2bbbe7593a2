//! Host half of `shaders/peak_cooperative_8.wgsl`; [`super::peak_cooperative`] makes its dispatches.

use super::Kernel;
use super::peak_cooperative::PeakCooperativeParams;
use crate::device::Feature;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("LANES", 32)],
    needs: &[Feature::Subgroups, Feature::F16, Feature::CooperativeMatrices],
    ..kernel!("peak_cooperative_8", PeakCooperativeParams)
};
