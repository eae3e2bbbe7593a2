//! Channels into pixels.

use super::by_plane;
use crate::graph::PixelShuffle;
use crate::tensor::{Shape, Tensor};

pub(super) fn pixel_shuffle(op: &PixelShuffle, x: &Tensor, output: Shape) -> Tensor {
    let (scale, width) = (op.scale, x.shape().width);
    by_plane(output, |n, c, plane| {
        for (row, line) in plane.chunks_exact_mut(output.width).enumerate() {
            for j in 0..scale {
                let from = x.plane(n, (c * scale + row % scale) * scale + j);
                let from = &from[row / scale * width..][..width];
                line[j..].iter_mut().step_by(scale).zip(from).for_each(|(y, x)| *y = *x);
            }
        }
    })
}
