//! Normalisation of every pixel over its channels, backwards, in f64.

use pulp::{Simd, WithSimd};

use super::layer_norm::{Moments, sum};
use super::map::Map;
use super::vectors;

/// With respect to the activations. `weight` holds a number a channel.
pub(super) fn layer_norm_gradient(epsilon: f32, weight: &[f32], x: &Map, g: &Map, y: &mut Map) {
    let channels = y.shape().channels;
    y.by_unit(|unit, y, _: &mut ()| {
        vectors::arch().dispatch(Job { epsilon, weight, channels, x: x.of(unit), g: g.of(unit), y });
    });
}

/// Some pixels.
struct Job<'a> {
    epsilon: f32,
    weight: &'a [f32],
    channels: usize,
    x: &'a [f32],
    g: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { epsilon, weight, channels, x, g, y } = self;
        let inputs = x.chunks_exact(channels).zip(g.chunks_exact(channels));
        for (y, (x, g)) in y.chunks_exact_mut(channels).zip(inputs) {
            pixel(epsilon, weight, x, g, y);
        }
    }
}

/// `(h − mean(h) − x̂ · mean(h · x̂)) / √(variance + epsilon)`, where `h = g · weight`.
#[inline(always)]
fn pixel(epsilon: f32, weight: &[f32], x: &[f32], g: &[f32], y: &mut [f32]) {
    let (moments, count) = (Moments::of(epsilon, x), x.len() as f64);
    y.iter_mut().zip(g).zip(weight).for_each(|((y, g), weight)| *y = g * weight);
    let mean = sum([y, x], |[h, _]| h) / count;
    let along = sum([y, x], |[h, x]| h * moments.normalised(x)) / count;
    for (y, x) in y.iter_mut().zip(x) {
        let (h, normalised) = (f64::from(*y), moments.normalised(f64::from(*x)));
        *y = ((h - mean - normalised * along) * moments.inverse) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps, parameter};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::Shape;

    #[test]
    fn on_awkward_shapes_it_is_the_textbook() {
        for (epsilon, [channels, height, width]) in [
            (1e-5, [60, 5, 7]),
            (1e-5, [17, 40, 30]),
            (0.5, [1, 2, 3]),
            (1e-6, [8, 1, 1]),
            (1e-3, [700, 3, 5]),
        ] {
            let shape = Shape::new(2, channels, height, width);
            let (x, g, weight) = (noise(shape, 1), noise(shape, 2), parameter([channels], 3));
            let of_weight = Shape::new(1, channels, 1, 1);
            let weights = weight.values().iter().map(|weight| f64::from(*weight)).collect();
            let expected = oracle::layer_norm_gradient(
                &Numbers::of(&x),
                &Numbers::of(&g),
                &Numbers::new(of_weight, weights),
                f64::from(epsilon),
            );
            let found = on_maps(&[&x, &g], shape, |maps, y| {
                layer_norm_gradient(epsilon, weight.values(), maps[0], maps[1], y);
            });
            assert_close(&found, &expected.to_tensor(), &format!("{epsilon} of {shape}"));
        }
    }
}
