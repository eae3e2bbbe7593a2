//! A convolution's gradient with respect to its weight.

use super::Numbers;
use crate::tensor::Shape;

/// Every tap of [`conv2d`](super::conv2d), `y[o, p] += weight[o, i, k] · x[i, stride · p + k − padding]`, gives its
/// weight what it multiplies that by:
///
/// `Σ_{n, p} g[n, o, p] · x[n, i, stride · p + k − padding]`
///
/// as `[out, in / groups, k, k]`.
pub fn conv2d_weight_gradient(
    x: &Numbers,
    g: &Numbers,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
) -> Numbers {
    let (out, within) = (g.shape().channels, x.shape().channels / groups);
    let from = |at: usize, k: usize| (stride * at + k) as isize - padding as isize;
    Numbers::from_fn(Shape::new(out, within, kernel, kernel), |o, i, ky, kx| {
        let channel = o / (out / groups) * within + i;
        let taps = g.places().filter(|[_, c, _, _]| *c == o);
        let tap = |[n, o, row, column]: [usize; 4]| {
            g.at(n, o, row, column) * x.at_padded(n, channel, from(row, ky), from(column, kx))
        };
        taps.map(tap).sum()
    })
}
