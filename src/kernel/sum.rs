//! Host half of `shaders/sum.wgsl`.

use super::{Dispatch, Kernel, Specialization, row_of};
use crate::tensor::{Shape, channel_groups, packed_len};

/// The shader.
pub static KERNEL: Kernel = kernel!("sum", SumParams);

params! {
    /// Twin of the shader's parameters.
    pub struct SumParams {
        count: u32,
        inner: u32,
        outputs: u32,
    }
}

/// Bindings: input, output. The sum of so many values of `output`'s shape that are stored one after the other: over
/// pictures, or over slices of a sum.
pub fn over_pictures(output: Shape, count: usize) -> Dispatch {
    let outputs = packed_len(output) / 4;
    dispatch(count, outputs, outputs, false)
}

/// The same dispatch, by which the sum is added to what the output holds.
pub fn added(mut sum: Dispatch) -> Dispatch {
    sum.specialization.overrides.push(("ADDED", 1));
    sum
}

/// Bindings: input, output of one channel. The sum over each pixel's channels.
pub fn over_channels(input: Shape) -> Dispatch {
    dispatch(channel_groups(input.channels), input.pixels(), input.batch * input.pixels(), true)
}

fn dispatch(count: usize, inner: usize, outputs: usize, lanes: bool) -> Dispatch {
    let params = SumParams { count: count as u32, inner: inner as u32, outputs: outputs as u32 };
    KERNEL.dispatch(Specialization::overrides([("LANES", u32::from(lanes))]), &params, row_of(outputs))
}
