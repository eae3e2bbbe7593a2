//! Channels into pixels, and pixels into channels.

use super::by_plane;
use crate::graph::{PixelShuffle, PixelUnshuffle};
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

pub(super) fn pixel_unshuffle(op: &PixelUnshuffle, x: &Tensor, output: Shape) -> Tensor {
    let (scale, width) = (op.scale, x.shape().width);
    by_plane(output, |n, c, plane| {
        let (from, i, j) = (x.plane(n, c / (scale * scale)), c / scale % scale, c % scale);
        for (row, line) in plane.chunks_exact_mut(output.width).enumerate() {
            let from = &from[(row * scale + i) * width + j..];
            line.iter_mut().zip(from.iter().step_by(scale)).for_each(|(y, x)| *y = *x);
        }
    })
}
