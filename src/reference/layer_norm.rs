//! Normalisation of every pixel over its channels, in f64.

use super::by_plane;
use crate::graph::LayerNorm;
use crate::tensor::Tensor;

pub(super) fn layer_norm(op: &LayerNorm, x: &Tensor) -> Tensor {
    let (shape, pixels) = (x.shape(), x.shape().pixels());
    let count = shape.channels as f64;
    let over_channels = |n: usize, add: &dyn Fn(f64, usize) -> f64| {
        let mut sums = vec![0.0; pixels];
        for c in 0..shape.channels {
            let plane = x.plane(n, c).iter().enumerate();
            sums.iter_mut().zip(plane).for_each(|(sum, (p, x))| *sum += add(f64::from(*x), p));
        }
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    };
    let moments: Vec<[Vec<f64>; 2]> = (0..shape.batch)
        .map(|n| {
            let means = over_channels(n, &|x, _| x);
            let variances = over_channels(n, &|x, p| (x - means[p]).powi(2));
            let inverses = variances.iter().map(|variance| 1.0 / (variance + f64::from(op.epsilon)).sqrt());
            let inverses = inverses.collect();
            [means, inverses]
        })
        .collect();
    by_plane(shape, |n, c, y| {
        let [means, inverses] = &moments[n];
        let [weight, bias] = [&op.weight, &op.bias].map(|parameter| f64::from(parameter.values()[c]));
        for (p, (y, x)) in y.iter_mut().zip(x.plane(n, c)).enumerate() {
            *y = ((f64::from(*x) - means[p]) * inverses[p] * weight + bias) as f32;
        }
    })
}
