//! One number of many pixels: of blocks, of parts of the picture, of all of it.

use std::ops::Range;

use super::Numbers;
use crate::graph::GlobalPoolKind;

/// The mean of every `size`×`size` block; a remainder at the right and bottom is dropped, as in PyTorch's
/// `AvgPool2d(size)`.
pub fn average_pool(x: &Numbers, size: usize) -> Numbers {
    let shape = x.shape().with_size(x.shape().height / size, x.shape().width / size);
    Numbers::from_fn(shape, |n, c, row, column| {
        let block = block(x, n, c, row * size..(row + 1) * size, column * size..(column + 1) * size);
        block.sum::<f64>() / (size * size) as f64
    })
}

/// The largest of every `size`×`size` block in the picture, blocks `stride` apart, as PyTorch's
/// `MaxPool2d(size, stride)`.
pub fn max_pool(x: &Numbers, size: usize, stride: usize) -> Numbers {
    let count = |side: usize| (side - size) / stride + 1;
    let part = |at: usize| at * stride..at * stride + size;
    let shape = x.shape().with_size(count(x.shape().height), count(x.shape().width));
    Numbers::from_fn(shape, |n, c, row, column| largest(block(x, n, c, part(row), part(column))))
}

/// The largest of each of ⌊H / divisor⌋ × ⌊W / divisor⌋ parts of the picture, as PyTorch's `adaptive_max_pool2d`: of m
/// parts of a side, part i covers ⌊i · side / m⌋ … ⌈(i + 1) · side / m⌉.
pub fn adaptive_max_pool(x: &Numbers, divisor: usize) -> Numbers {
    let (height, width) = (x.shape().height, x.shape().width);
    let part = |at: usize, side: usize| {
        let parts = side / divisor;
        at * side / parts..((at + 1) * side).div_ceil(parts)
    };
    let shape = x.shape().with_size(height / divisor, width / divisor);
    Numbers::from_fn(shape, |n, c, row, column| {
        largest(block(x, n, c, part(row, height), part(column, width)))
    })
}

/// One number of each channel over N pixels, all but `before` columns and rows at the left and the top and `behind` at the
/// right and the bottom: the mean `Σ x / N`, the population's deviation `√(Σ (x − mean)² / N)`, or the norm `√(Σ x²)`.
pub fn global_pool(x: &Numbers, kind: GlobalPoolKind, [before, behind]: [usize; 2]) -> Numbers {
    let shape = x.shape();
    let (rows, columns) = (before..shape.height - behind, before..shape.width - behind);
    Numbers::from_fn(shape.with_size(1, 1), |n, c, _, _| {
        let sum = |function: &dyn Fn(f64) -> f64| -> f64 {
            block(x, n, c, rows.clone(), columns.clone()).map(function).sum()
        };
        let mean = |sum: f64| sum / (rows.len() * columns.len()) as f64;
        match kind {
            GlobalPoolKind::Mean => mean(sum(&|x| x)),
            GlobalPoolKind::Deviation => {
                let centre = mean(sum(&|x| x));
                mean(sum(&|x| (x - centre).powi(2))).sqrt()
            }
            GlobalPoolKind::Norm => sum(&|x| x * x).sqrt(),
        }
    })
}

/// The numbers of a rectangle of one channel.
fn block(
    x: &Numbers,
    n: usize,
    c: usize,
    rows: Range<usize>,
    columns: Range<usize>,
) -> impl Iterator<Item = f64> {
    rows.flat_map(move |row| columns.clone().map(move |column| x.at(n, c, row, column)))
}

/// The largest; NaN if there is one, which `f64::max` would pass over.
fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(f64::NEG_INFINITY, |largest, x| if x.is_nan() { x } else { larger(largest, x) })
}

fn larger(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_the_largest() {
        const NAN: f64 = f64::NAN;
        for values in [[NAN, 1.0, 2.0], [1.0, NAN, 2.0], [1.0, 2.0, NAN]] {
            assert!(largest(values.into_iter()).is_nan(), "{values:?}");
        }
        assert_eq!(largest([-2.0, -1.0, -3.0].into_iter()), -1.0);
    }
}
