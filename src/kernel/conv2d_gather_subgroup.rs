//! Host half of `shaders/conv2d_gather_subgroup.wgsl`: convolution pixel by pixel for subgroups of eight.

use super::conv2d_gather::{Conv2dGather, Conv2dGatherParams};
use super::{Dispatch, Kernel};

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", 8)],
    subgroups: true,
    ..kernel!("conv2d_gather_subgroup", Conv2dGatherParams)
};

/// A launch for `conv`; see [`Conv2dGather`] for its bindings.
pub fn dispatch(conv: &Conv2dGather<'_>) -> Dispatch {
    conv.dispatch(&KERNEL)
}
