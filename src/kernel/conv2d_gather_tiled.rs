//! Host half of `shaders/conv2d_gather_tiled.wgsl`: convolution pixel by pixel on any device;
//! [`super::conv2d_gather`] makes its dispatches.

use super::Kernel;
use super::conv2d_gather::Conv2dGatherParams;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", 8)],
    ..kernel!("conv2d_gather_tiled", Conv2dGatherParams)
};
