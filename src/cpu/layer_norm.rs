//! Normalisation of every pixel over its channels, in f64.

use pulp::{Simd, WithSimd};

use super::map::Map;
use super::vectors;
use crate::graph::LayerNorm;

/// How many sums run side by side.
const LANES: usize = 8;

/// `weights` are a weight and a bias for every channel.
pub(super) fn layer_norm(op: &LayerNorm, weights: [&[f32]; 2], x: &Map, y: &mut Map) {
    let channels = y.shape().channels;
    y.by_unit(|unit, y, _: &mut ()| {
        vectors::arch().dispatch(Job { op, weights, channels, x: x.of(unit), y });
    });
}

/// Some pixels.
struct Job<'a> {
    op: &'a LayerNorm,
    weights: [&'a [f32]; 2],
    channels: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { op, weights, channels, x, y } = self;
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            normalise(op, weights, x, y);
        }
    }
}

#[inline(always)]
fn normalise(op: &LayerNorm, [weight, bias]: [&[f32]; 2], x: &[f32], y: &mut [f32]) {
    let moments = Moments::of(op.epsilon, x);
    let parameters = weight.iter().zip(bias);
    for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(parameters) {
        *y = (moments.normalised(f64::from(*x)) * f64::from(*weight) + f64::from(*bias)) as f32;
    }
}

/// What a pixel is normalised by.
pub(super) struct Moments {
    mean: f64,
    /// `1 / √(variance + epsilon)`.
    pub(super) inverse: f64,
}

impl Moments {
    /// Those of a pixel's channels.
    #[inline(always)]
    pub(super) fn of(epsilon: f32, x: &[f32]) -> Self {
        let mean = sum([x], |[x]| x) / x.len() as f64;
        let variance = sum([x], |[x]| (x - mean) * (x - mean)) / x.len() as f64;
        Self { mean, inverse: 1.0 / (variance + f64::from(epsilon)).sqrt() }
    }

    #[inline(always)]
    pub(super) fn normalised(&self, x: f64) -> f64 {
        (x - self.mean) * self.inverse
    }
}

/// The sum of a function of the numbers of one slice or of several, in an order that follows from how many there are.
#[inline(always)]
pub(super) fn sum<const N: usize>(x: [&[f32]; N], function: impl Fn([f64; N]) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = (x.map(|x| x.as_chunks::<LANES>().0), x.map(|x| x.as_chunks::<LANES>().1));
    for chunk in 0..chunks[0].len() {
        let chunks = chunks.map(|chunks| &chunks[chunk]);
        let lanes = sums.iter_mut().enumerate();
        lanes.for_each(|(lane, sum)| *sum += function(chunks.map(|chunk| f64::from(chunk[lane]))));
    }
    let lanes = sums.iter_mut().enumerate().take(rest[0].len());
    lanes.for_each(|(lane, sum)| *sum += function(rest.map(|rest| f64::from(rest[lane]))));
    for half in [4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}
