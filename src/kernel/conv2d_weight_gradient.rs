//! Host half of `shaders/conv2d_weight_gradient.wgsl`, and how the sum over pixels is cut into slices.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, channel_groups};

/// The shader.
pub static KERNEL: Kernel =
    Kernel { constants: &[("TAPS", 3)], ..kernel!("conv2d_weight_gradient", Conv2dWeightGradientParams) };

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dWeightGradientParams {
        input_width: u32,
        input_height: u32,
        input_groups: u32,
        width: u32,
        height: u32,
        output_channels: u32,
        padding: u32,
        rows: u32,
        rows_per_slice: u32,
        blocks: u32,
    }
}

/// Threads that a large device wants to be busy.
const BUSY: usize = 1 << 13;

/// Slices at most: each is a sum as large as the weight that is stored and read again.
const SLICES: usize = 64;

/// Rows of a slice at least, for the same reason.
const ROWS: usize = 4;

const THREADS: usize = 64;

/// A sum over the rows of all pictures, in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    /// How many.
    pub count: usize,
    /// The rows of each but the last.
    pub rows: usize,
}

impl Slices {
    /// For `rows` rows that so many threads go through together.
    pub fn of(rows: usize, threads: usize) -> Self {
        let wanted = BUSY.div_ceil(threads.max(1)).clamp(1, SLICES);
        let rows_each = rows.div_ceil(wanted).max(ROWS);
        Self { count: rows.div_ceil(rows_each).max(1), rows: rows_each }
    }
}

/// Threads that make the whole weight.
fn blocks(x: Shape, weight: Shape) -> usize {
    channel_groups(weight.batch) * channel_groups(x.channels) * weight.height
}

/// How the sum for a weight of this shape is cut.
pub fn slices(x: Shape, g: Shape, weight: Shape) -> Slices {
    Slices::of(g.batch * g.height, blocks(x, weight))
}

/// Bindings: x, g, output: a weight a slice.
pub fn dispatch(x: Shape, g: Shape, weight: Shape, padding: usize) -> Dispatch {
    let (slices, blocks) = (slices(x, g, weight), blocks(x, weight));
    let params = Conv2dWeightGradientParams {
        input_width: x.width as u32,
        input_height: x.height as u32,
        input_groups: channel_groups(x.channels) as u32,
        width: g.width as u32,
        height: g.height as u32,
        output_channels: weight.batch as u32,
        padding: padding as u32,
        rows: (g.batch * g.height) as u32,
        rows_per_slice: slices.rows as u32,
        blocks: blocks as u32,
    };
    let constants = vec![("TAPS", weight.height as u32)];
    let workgroups = [blocks.div_ceil(THREADS) as u32, slices.count as u32, 1];
    KERNEL.dispatch(Specialization::new(constants, vec![]), &params, workgroups)
}
