//! Host half of `shaders/channel_attention.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel = kernel!("channel_attention", ChannelAttentionParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ChannelAttentionParams {
        channels: u32,
        depth: u32,
    }
}

const THREADS: usize = 64;

/// The shape of what is made: a grouped 1×1 convolution's weight, in the order of `conv2d_direct`.
pub fn shares(channels: usize, depth: usize) -> Shape {
    Shape::new(1, 4, 1, channel_groups(channels) * depth)
}

/// Bindings: products of shape `[channels, depth, 1, 1]`, norms of queries, norms of keys, temperature, output.
pub fn dispatch(channels: usize, depth: usize) -> Dispatch {
    let params = ChannelAttentionParams { channels: channels as u32, depth: depth as u32 };
    let workgroups = [(4 * channel_groups(channels)).div_ceil(THREADS) as u32, 1, 1];
    KERNEL.dispatch(Specialization::default(), &params, workgroups)
}
