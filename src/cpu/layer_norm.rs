//! Normalisation of every pixel over its channels, in f64.

use super::map::Map;
use crate::graph::LayerNorm;

/// How many sums run side by side.
const LANES: usize = 8;

/// `weights` are a weight and a bias for every channel.
pub(super) fn layer_norm(op: &LayerNorm, weights: [&[f32]; 2], x: &Map, y: &mut Map) {
    let channels = y.shape().channels;
    y.by_unit(|unit, y, _: &mut ()| {
        let pixels = y.chunks_exact_mut(channels).zip(x.of(unit).chunks_exact(channels));
        pixels.for_each(|(y, x)| normalise(op, weights, x, y));
    });
}

fn normalise(op: &LayerNorm, [weight, bias]: [&[f32]; 2], x: &[f32], y: &mut [f32]) {
    let mean = sum(x, |x| x) / x.len() as f64;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / x.len() as f64;
    let inverse = 1.0 / (variance + f64::from(op.epsilon)).sqrt();
    let parameters = weight.iter().zip(bias);
    for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(parameters) {
        *y = ((f64::from(*x) - mean) * inverse * f64::from(*weight) + f64::from(*bias)) as f32;
    }
}

/// The sum of a function of the numbers, in an order that follows from how many there are.
fn sum(x: &[f32], function: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += function(f64::from(*x)));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += function(f64::from(*x)));
    sums.iter().sum()
}
