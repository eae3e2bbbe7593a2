//! Host half of `shaders/conv2d_weight_gradient_direct.wgsl`.

use super::conv2d_weight_gradient::Slices;
use super::{Dispatch, Kernel, Specialization};
use crate::tensor::{Shape, packed_len};

/// The shader.
pub static KERNEL: Kernel = kernel!("conv2d_weight_gradient_direct", Conv2dWeightGradientDirectParams);

params! {
    /// Twin of the shader's parameters.
    pub struct Conv2dWeightGradientDirectParams {
        input_width: u32,
        input_height: u32,
        input_channels: u32,
        width: u32,
        height: u32,
        output_channels: u32,
        kernel: u32,
        stride: u32,
        padding: u32,
        inputs_per_group: u32,
        outputs_per_group: u32,
        rows: u32,
        rows_per_slice: u32,
    }
}

const THREADS: usize = 64;

/// How the sum for a weight of this shape is cut.
pub fn slices(g: Shape, weight: Shape) -> Slices {
    Slices::of(g.batch * g.height, packed_len(weight) / 4)
}

/// Bindings: x, g, output: a weight a slice.
pub fn dispatch(x: Shape, g: Shape, weight: Shape, stride: usize, padding: usize) -> Dispatch {
    let (slices, threads) = (slices(g, weight), packed_len(weight) / 4);
    let groups = x.channels / weight.channels.max(1);
    let params = Conv2dWeightGradientDirectParams {
        input_width: x.width as u32,
        input_height: x.height as u32,
        input_channels: x.channels as u32,
        width: g.width as u32,
        height: g.height as u32,
        output_channels: weight.batch as u32,
        kernel: weight.height as u32,
        stride: stride as u32,
        padding: padding as u32,
        inputs_per_group: weight.channels as u32,
        outputs_per_group: (weight.batch / groups.max(1)) as u32,
        rows: (g.batch * g.height) as u32,
        rows_per_slice: slices.rows as u32,
    };
    let workgroups = [threads.div_ceil(THREADS) as u32, slices.count as u32, 1];
    KERNEL.dispatch(Specialization::default(), &params, workgroups)
}
