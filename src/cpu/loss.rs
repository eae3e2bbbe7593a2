//! How far a value is from its target, and the slope of that.

use rayon::prelude::*;

use super::map::Map;
use crate::graph::Loss;

/// Numbers that one thread adds up.
const BLOCK: usize = 16_384;

/// The mean over all numbers, in f64.
pub(super) fn loss(loss: Loss, made: &Map, target: &Map, y: &mut Map) {
    let blocks = made.values().par_chunks(BLOCK).zip(target.values().par_chunks(BLOCK));
    let sums: Vec<f64> = blocks.map(|(made, target)| sum(loss, made, target)).collect();
    y.values_mut()[0] = (sums.iter().sum::<f64>() / made.values().len() as f64) as f32;
}

fn sum(loss: Loss, made: &[f32], target: &[f32]) -> f64 {
    let numbers = made.iter().zip(target).map(|(made, target)| f64::from(made - target));
    match loss {
        Loss::L1 => numbers.map(f64::abs).sum(),
        Loss::Charbonnier { epsilon } => numbers.map(|d| (d * d + f64::from(epsilon)).sqrt()).sum(),
        Loss::MeanSquare => numbers.map(|d| d * d).sum(),
    }
}

/// The slope of one number's share, times the factor that all have.
#[inline(always)]
pub(super) fn slope(loss: Loss, made: f32, target: f32, factor: f32) -> f32 {
    let d = made - target;
    match loss {
        Loss::L1 if d > 0.0 => factor,
        Loss::L1 if d < 0.0 => -factor,
        Loss::L1 => factor * d, // zero, or a NaN that is kept
        Loss::Charbonnier { epsilon } => factor * d / (d * d + epsilon).sqrt(),
        Loss::MeanSquare => factor * 2.0 * d,
    }
}
