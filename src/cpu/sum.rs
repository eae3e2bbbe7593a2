//! Sums over axes, in f64, in an order that follows from the shape alone; and the repetition that they are the adjoint of.

use rayon::prelude::*;

use super::binary::second;
use super::map::{Map, Unit};
use super::vectors;
use crate::graph::Axes;

/// Pixels that one thread adds up.
const BLOCK: usize = 1024;

/// Writes the sums of `x` over `axes`.
pub(super) fn sum(axes: Axes, x: &Map, y: &mut Map) {
    if axes.pixels { of_pictures(axes, x, y) } else { of_places(axes, x, y) }
}

/// Every channel of every picture becomes a number; then channels and pictures are added.
fn of_pictures(axes: Axes, x: &Map, y: &mut Map) {
    let (shape, to) = (x.shape(), y.shape());
    let sums: Vec<Vec<f64>> = (0..shape.batch).into_par_iter().map(|n| of_picture(x, n)).collect();
    let mut totals = vec![0.0; to.batch * to.channels];
    for (n, sums) in sums.iter().enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            let at = if axes.batch { 0 } else { n } * to.channels + if axes.channels { 0 } else { c };
            totals[at] += sum;
        }
    }
    y.values_mut().iter_mut().zip(&totals).for_each(|(y, total)| *y = *total as f32);
}

fn of_picture(x: &Map, n: usize) -> Vec<f64> {
    let channels = x.shape().channels;
    let blocks: Vec<Vec<f64>> = x
        .picture(n)
        .par_chunks(BLOCK * channels.max(1))
        .map(|block| {
            let mut sums = vec![0.0; channels];
            vectors::arch().dispatch(
                #[inline(always)]
                || {
                    for pixel in block.chunks_exact(channels) {
                        sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += f64::from(*x));
                    }
                },
            );
            sums
        })
        .collect();
    let mut sums = vec![0.0; channels];
    blocks.iter().for_each(|block| sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x));
    sums
}

/// Every place stays: its channels, or its numbers in all pictures, are added.
fn of_places(axes: Axes, x: &Map, y: &mut Map) {
    let (from, to) = (x.shape(), y.shape());
    y.by_unit(|unit, y, _: &mut ()| {
        let mut sums = vec![0.0; to.channels];
        for (at, y) in y.chunks_exact_mut(to.channels).enumerate() {
            sums.fill(0.0);
            for n in if axes.batch { 0..from.batch } else { unit.n..unit.n + 1 } {
                let pixel = &x.picture(n)[(unit.pixels.start + at) * from.channels..][..from.channels];
                match axes.channels {
                    true => sums[0] += total(pixel),
                    false => sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += f64::from(*x)),
                }
            }
            y.iter_mut().zip(&sums).for_each(|(y, sum)| *y = *sum as f32);
        }
    });
}

/// The sum of some numbers, in strands that vectors add up side by side.
#[inline(always)]
pub(super) fn total(numbers: &[f32]) -> f64 {
    let (groups, rest) = numbers.as_chunks::<8>();
    let mut strands = [0.0; 8];
    for group in groups {
        strands.iter_mut().zip(group).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    strands.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x)).sum::<f64>()
}

/// Repeats `x` along the axes of which it has one number.
pub(super) fn broadcast(x: &Map, y: &mut Map) {
    let shape = y.shape();
    y.by_unit(|unit: &Unit, y, _: &mut ()| second(x, unit, shape).repeat(shape.channels, y));
}

/// Zeros in front of the channels and behind them.
pub(super) fn pad_channels(before: usize, x: &Map, y: &mut Map) {
    let (channels, within) = (y.shape().channels, x.shape().channels);
    y.by_unit(|unit, y, _: &mut ()| {
        y.fill(0.0);
        for (y, x) in y.chunks_exact_mut(channels).zip(x.of(unit).chunks_exact(within)) {
            y[before..before + within].copy_from_slice(x);
        }
    });
}
