//! How much more likely channels are dense than sparse.

use super::Numbers;

/// `y[c] = x[c, layer, 0] − x[c, layer, 1]`, `[1, channels, 1, 1]`, of SMSR's channel masks `[1, channels, layers, 2]`.
pub fn channel_logit(x: &Numbers, layer: usize) -> Numbers {
    let shape = x.shape().with_size(1, 1);
    Numbers::from_fn(shape, |n, c, _, _| x.at(n, c, layer, 0) - x.at(n, c, layer, 1))
}

/// Its adjoint: a number a channel to the first of the layer's two logits, and taken from the second.
pub fn channel_logit_gradient(g: &Numbers, layer: usize, layers: usize) -> Numbers {
    let mut y = Numbers::from_fn(g.shape().with_size(layers, 2), |_, _, _, _| 0.0);
    for [n, c, row, column] in g.places() {
        *y.at_mut(n, c, layer, 0) += g.at(n, c, row, column);
        *y.at_mut(n, c, layer, 1) -= g.at(n, c, row, column);
    }
    y
}
