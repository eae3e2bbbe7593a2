//! Pools over pixels. Sums are in f64; a NaN is larger than any number.

use std::ops::Range;

use super::by_plane;
use crate::graph::{AdaptiveMaxPool, AveragePool, GlobalPool, GlobalPoolKind, MaxPool};
use crate::tensor::{Shape, Tensor};

pub(super) fn average_pool(op: &AveragePool, x: &Tensor, output: Shape) -> Tensor {
    let size = op.size;
    let block = |p: usize, _| p * size..(p + 1) * size;
    over_blocks(x, output, block, |block| (block.map(f64::from).sum::<f64>() / (size * size) as f64) as f32)
}

pub(super) fn max_pool(op: &MaxPool, x: &Tensor, output: Shape) -> Tensor {
    over_blocks(x, output, |p, _| p * op.stride..p * op.stride + op.size, largest)
}

pub(super) fn adaptive_max_pool(_op: &AdaptiveMaxPool, x: &Tensor, output: Shape) -> Tensor {
    let part = |p: usize, [old, new]: [usize; 2]| p * old / new..((p + 1) * old).div_ceil(new);
    over_blocks(x, output, part, largest)
}

pub(super) fn global_pool(op: &GlobalPool, x: &Tensor, output: Shape) -> Tensor {
    let count = x.shape().pixels() as f64;
    by_plane(output, |n, c, y| {
        let values = || x.plane(n, c).iter().copied().map(f64::from);
        let mean = || values().sum::<f64>() / count;
        y[0] = match op.kind {
            GlobalPoolKind::Mean => mean(),
            GlobalPoolKind::Deviation => {
                let mean = mean();
                (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
            }
            GlobalPoolKind::Norm => values().map(|value| value * value).sum::<f64>().sqrt(),
        } as f32;
    })
}

/// Of every block one number. `block` says what output `p` covers along a side of `[old, new]` pixels.
fn over_blocks(
    x: &Tensor,
    output: Shape,
    block: impl Fn(usize, [usize; 2]) -> Range<usize> + Sync,
    reduce: impl Fn(&mut dyn Iterator<Item = f32>) -> f32 + Sync,
) -> Tensor {
    let input = x.shape();
    by_plane(output, |n, c, plane| {
        let x = x.plane(n, c);
        for (p, y) in plane.iter_mut().enumerate() {
            let rows = block(p / output.width, [input.height, output.height]);
            let columns = block(p % output.width, [input.width, output.width]);
            *y = reduce(&mut rows.flat_map(|row| &x[row * input.width..][columns.clone()]).copied());
        }
    })
}

fn largest(block: &mut dyn Iterator<Item = f32>) -> f32 {
    block.fold(
        f32::NEG_INFINITY,
        |largest, value| {
            if value <= largest || largest.is_nan() { largest } else { value }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_the_largest() {
        for values in [[f32::NAN, 1.0], [1.0, f32::NAN]] {
            assert!(largest(&mut values.into_iter()).is_nan(), "{values:?}");
        }
        assert_eq!(largest(&mut [-2.0, -1.0, -3.0].into_iter()), -1.0);
    }
}
