//! Pools over pixels. Sums are in f64; a NaN is larger than any number.

use std::ops::Range;

use rayon::prelude::*;

use super::map::Map;
use crate::graph::{AdaptiveMaxPool, AveragePool, GlobalPool, GlobalPoolKind, MaxPool};

/// Pixels whose numbers are added up by one thread.
const BLOCK: usize = 1024;

pub(super) fn average_pool(op: &AveragePool, x: &Map, y: &mut Map) {
    let (size, channels) = (op.size, x.shape().channels);
    y.by_row(|n, row, line| {
        let mut sums = vec![0.0; line.len()];
        for from in row * size..(row + 1) * size {
            let blocks = x.row(n, from).chunks_exact(size * channels);
            for (sums, block) in sums.chunks_exact_mut(channels).zip(blocks) {
                for pixel in block.chunks_exact(channels) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += f64::from(*x));
                }
            }
        }
        line.iter_mut().zip(&sums).for_each(|(y, sum)| *y = (sum / (size * size) as f64) as f32);
    });
}

pub(super) fn max_pool(op: &MaxPool, x: &Map, y: &mut Map) {
    largest_of(x, y, |p, _| p * op.stride..p * op.stride + op.size);
}

pub(super) fn adaptive_max_pool(_op: &AdaptiveMaxPool, x: &Map, y: &mut Map) {
    largest_of(x, y, |p, [old, new]| p * old / new..((p + 1) * old).div_ceil(new));
}

/// Of every block the largest. `block` says what output `p` covers along a side of `[old, new]` pixels.
fn largest_of(x: &Map, y: &mut Map, block: impl Fn(usize, [usize; 2]) -> Range<usize> + Sync) {
    let (input, output) = (x.shape(), y.shape());
    y.by_row(|n, row, line| {
        line.fill(f32::NEG_INFINITY);
        for from in block(row, [input.height, output.height]) {
            let from = x.row(n, from);
            for (column, pixel) in line.chunks_exact_mut(output.channels).enumerate() {
                let columns = block(column, [input.width, output.width]);
                let from = &from[columns.start * output.channels..columns.end * output.channels];
                for from in from.chunks_exact(output.channels) {
                    pixel.iter_mut().zip(from).for_each(|(y, x)| *y = larger(*y, *x));
                }
            }
        }
    });
}

fn larger(largest: f32, value: f32) -> f32 {
    if value <= largest || largest.is_nan() { largest } else { value }
}

pub(super) fn global_pool(op: &GlobalPool, x: &Map, y: &mut Map) {
    let (shape, count) = (x.shape(), op.pixels(x.shape()) as f64);
    let channels = shape.channels;
    for (n, y) in y.values_mut().chunks_exact_mut(channels).enumerate() {
        let within = (op.margin != [0; 2]).then(|| {
            let columns = op.within(shape.width);
            let row = |row| &x.row(n, row)[columns.start * channels..columns.end * channels];
            op.within(shape.height).flat_map(row).copied().collect::<Vec<f32>>()
        });
        let x = within.as_deref().unwrap_or_else(|| x.picture(n));
        let mut means = vec![0.0; channels];
        if op.kind != GlobalPoolKind::Norm {
            means = sums(x, channels, |_, x| x);
            means.iter_mut().for_each(|mean| *mean /= count);
        }
        let made = match op.kind {
            GlobalPoolKind::Mean => means,
            GlobalPoolKind::Deviation => {
                let squares = sums(x, channels, |c, x| (x - means[c]) * (x - means[c]));
                squares.into_iter().map(|sum| (sum / count).sqrt()).collect()
            }
            GlobalPoolKind::Norm => sums(x, channels, |_, x| x * x).into_iter().map(f64::sqrt).collect(),
        };
        y.iter_mut().zip(made).for_each(|(y, made)| *y = made as f32);
    }
}

/// For each channel the sum of a function of its numbers. Blocks of pixels are added up alone, so the order follows
/// from the picture's size.
fn sums(x: &[f32], channels: usize, function: impl Fn(usize, f64) -> f64 + Sync) -> Vec<f64> {
    let of_block = |block: &[f32]| {
        let mut sums = vec![0.0; channels];
        for pixel in block.chunks_exact(channels) {
            sums.iter_mut()
                .zip(pixel)
                .enumerate()
                .for_each(|(c, (sum, x))| *sum += function(c, f64::from(*x)));
        }
        sums
    };
    let blocks: Vec<Vec<f64>> = x.par_chunks(BLOCK * channels).map(of_block).collect();
    let mut sums = vec![0.0; channels];
    blocks.iter().for_each(|block| sums.iter_mut().zip(block).for_each(|(sum, part)| *sum += part));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_the_largest() {
        let largest = |values: [f32; 3]| values.into_iter().fold(f32::NEG_INFINITY, larger);
        for values in [[f32::NAN, 1.0, 2.0], [1.0, f32::NAN, 2.0], [1.0, 2.0, f32::NAN]] {
            assert!(largest(values).is_nan(), "{values:?}");
        }
        assert_eq!(largest([-2.0, -1.0, -3.0]), -1.0);
    }
}
