//! Host half of `shaders/concat.wgsl`.

use super::{Dispatch, Kernel, Specialization, planes};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = kernel!("concat", ConcatParams);

params! {
    /// Twin of the shader's parameters.
    pub struct ConcatParams {
        width: u32,
        height: u32,
        input_channels: u32,
        output_channels: u32,
        offset: u32,
        groups: u32,
    }
}

/// Bindings: one part, output. The part's channels begin at `offset`; parts run in order.
pub fn dispatch(part: Shape, output: Shape, offset: usize) -> Dispatch {
    let groups = (offset + part.channels).div_ceil(4) - offset / 4;
    let params = ConcatParams {
        width: part.width as u32,
        height: part.height as u32,
        input_channels: part.channels as u32,
        output_channels: output.channels as u32,
        offset: offset as u32,
        groups: groups as u32,
    };
    KERNEL.dispatch(Specialization::default(), &params, planes(part.with_channels(4 * groups)))
}
