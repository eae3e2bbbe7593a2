//! Averages over pixels, summed in f64.

use super::by_plane;
use crate::graph::AveragePool;
use crate::tensor::{Shape, Tensor};

pub(super) fn average_pool(op: &AveragePool, x: &Tensor, output: Shape) -> Tensor {
    let (size, width) = (op.size, x.shape().width);
    by_plane(output, |n, c, plane| {
        let x = x.plane(n, c);
        for (p, y) in plane.iter_mut().enumerate() {
            let corner = p / output.width * size * width + p % output.width * size;
            let block = (0..size).flat_map(|row| &x[corner + row * width..][..size]);
            *y = mean(block, size * size);
        }
    })
}

pub(super) fn global_average_pool(x: &Tensor, output: Shape) -> Tensor {
    by_plane(output, |n, c, y| y[0] = mean(x.plane(n, c), x.shape().pixels()))
}

fn mean<'a>(values: impl IntoIterator<Item = &'a f32>, count: usize) -> f32 {
    let sum: f64 = values.into_iter().copied().map(f64::from).sum();
    (sum / count as f64) as f32
}
