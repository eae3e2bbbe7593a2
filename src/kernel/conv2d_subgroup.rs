//! Host half of `shaders/conv2d_subgroup.wgsl`: the fast convolution of devices whose subgroups are
//! eight wide, software Vulkan above all.

use super::conv2d::{Conv2d, Conv2dParams};
use super::{Dispatch, Kernel};
use crate::tensor::Parameter;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", GROUPS_A_THREAD)],
    subgroups: true,
    ..kernel!("conv2d_subgroup", Conv2dParams)
};

/// The subgroup's width that the shader is written for.
pub const LANES: u32 = 8;

const GROUPS_A_THREAD: u32 = 4;

/// Whether it is the right kernel: fewer than nine output channels would leave half of it idle.
pub fn supports(conv: &Conv2d) -> bool {
    conv.channels.groups() > 2
}

/// A launch for `conv`; see [`Conv2d`] for its bindings.
pub fn dispatch(conv: &Conv2d) -> Dispatch {
    conv.dispatch(&KERNEL, GROUPS_A_THREAD)
}

/// The weights as the shader reads them.
pub fn pack(conv: &Conv2d, weight: &Parameter) -> Vec<f32> {
    conv.pack(weight, GROUPS_A_THREAD)
}
