//! Host half of `shaders/conv2d_gather_subgroup.wgsl`: convolution pixel by pixel for subgroups of eight;
//! [`super::conv2d_gather`] makes its dispatches.

use super::Kernel;
use super::conv2d_gather::Conv2dGatherParams;
use crate::device::Feature;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", 8)],
    needs: &[Feature::Subgroups],
    ..kernel!("conv2d_gather_subgroup", Conv2dGatherParams)
};
