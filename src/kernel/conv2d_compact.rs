//! Host half of `shaders/conv2d_compact.wgsl`: convolution under a mask, compacted workgroup by workgroup;
//! [`super::conv2d_gather`] makes its dispatches.

use super::Kernel;
use super::conv2d_gather::Conv2dGatherParams;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", 4)],
    ..kernel!("conv2d_compact", Conv2dGatherParams)
};
