//! Host half of `shaders/conv2d_tiled.wgsl`: the fast convolution of every device.

use super::conv2d::{Conv2d, Conv2dParams};
use super::{Dispatch, Kernel};
use crate::tensor::Parameter;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("KERNEL", 3), ("CHANNEL_GROUPS", 2)],
    subgroups: false,
    ..kernel!("conv2d_tiled", Conv2dParams)
};

/// A launch for `conv`; see [`Conv2d`] for its bindings.
pub fn dispatch(conv: &Conv2d) -> Dispatch {
    conv.dispatch(&KERNEL, groups_a_thread(conv))
}

/// The weights as the shader reads them.
pub fn pack(conv: &Conv2d, weight: &Parameter) -> Vec<f32> {
    conv.pack(weight, groups_a_thread(conv))
}

/// Two where there are as many: 4 pixels × 8 channels are 32 registers.
fn groups_a_thread(conv: &Conv2d) -> u32 {
    conv.channels.groups().min(2) as u32
}
