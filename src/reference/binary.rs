//! Sums, differences, products and quotients of two values, the second repeated where it is smaller.

use super::by_plane;
use crate::graph::{Binary, BinaryKind};
use crate::tensor::Tensor;

pub(super) fn binary(op: &Binary, a: &Tensor, b: &Tensor) -> Tensor {
    match op.kind {
        BinaryKind::Add => combine(a, b, |a, b| a + b),
        BinaryKind::Subtract => combine(a, b, |a, b| a - b),
        BinaryKind::Multiply => combine(a, b, |a, b| a * b),
        BinaryKind::Divide => combine(a, b, |a, b| a / b),
    }
}

fn combine(a: &Tensor, b: &Tensor, function: impl Fn(f32, f32) -> f32 + Sync) -> Tensor {
    by_plane(a.shape(), |n, c, y| {
        let a = a.plane(n, c);
        let b = b.plane(n, if b.shape().channels == 1 { 0 } else { c });
        // A plane of the same size runs along; one pixel is repeated.
        let b = b.iter().cycle();
        y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = function(*a, *b));
    })
}
