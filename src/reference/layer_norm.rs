//! Normalisation of every pixel over its channels, in f64.

use rayon::prelude::*;

use super::by_plane;
use crate::graph::LayerNorm;
use crate::tensor::Tensor;

/// Pixels that a thread goes through channel by channel.
const BLOCK: usize = 1024;

pub(super) fn layer_norm(op: &LayerNorm, x: &Tensor) -> Tensor {
    let (shape, pixels) = (x.shape(), x.shape().pixels());
    // Of every pixel the mean, and one over the deviation.
    let mut moments = vec![[0.0; 2]; shape.batch * pixels];
    moments.par_chunks_mut(pixels.max(1)).enumerate().for_each(|(n, moments)| {
        moments.par_chunks_mut(BLOCK).enumerate().for_each(|(block, moments)| {
            over_channels(op, x, n, block * BLOCK, moments);
        });
    });
    by_plane(shape, |n, c, y| {
        let [weight, bias] = [&op.weight, &op.bias].map(|parameter| f64::from(parameter.values()[c]));
        let moments = &moments[n * pixels..][..pixels];
        for ((y, x), [mean, inverse]) in y.iter_mut().zip(x.plane(n, c)).zip(moments) {
            *y = ((f64::from(*x) - mean) * inverse * weight + bias) as f32;
        }
    })
}

/// The moments of the pixels from `first` on.
fn over_channels(op: &LayerNorm, x: &Tensor, n: usize, first: usize, moments: &mut [[f64; 2]]) {
    let channels = x.shape().channels;
    let plane = |c: usize| x.plane(n, c)[first..].iter().map(|x| f64::from(*x));
    for c in 0..channels {
        moments.iter_mut().zip(plane(c)).for_each(|([sum, _], x)| *sum += x);
    }
    moments.iter_mut().for_each(|[sum, _]| *sum /= channels as f64);
    for c in 0..channels {
        moments.iter_mut().zip(plane(c)).for_each(|([mean, sum], x)| *sum += (x - *mean).powi(2));
    }
    for [_, sum] in moments {
        *sum = 1.0 / (*sum / channels as f64 + f64::from(op.epsilon)).sqrt();
    }
}
