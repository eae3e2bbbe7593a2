//! Normalisation over channels.

use super::Numbers;
use crate::tensor::Shape;

/// Layer normalisation (Ba et al., 2016, equation 4) of every pixel over its channels, as PyTorch's `LayerNorm` of a
/// token:
///
/// `y[c] = (x[c] − mean) / √(variance + epsilon) · weight[c] + bias[c]`, the variance a population's.
pub fn layer_norm(x: &Numbers, weight: &Numbers, bias: &Numbers, epsilon: f64) -> Numbers {
    let shape = x.shape();
    for parameter in [weight, bias] {
        assert_eq!(parameter.shape(), Shape::new(1, shape.channels, 1, 1), "a number a channel");
    }
    let over_channels = |function: &dyn Fn(usize, usize, usize, usize) -> f64| {
        Numbers::from_fn(shape.with_channels(1), |n, _, row, column| {
            (0..shape.channels).map(|c| function(n, c, row, column)).sum::<f64>() / shape.channels as f64
        })
    };
    let mean = over_channels(&|n, c, row, column| x.at(n, c, row, column));
    let variance =
        over_channels(&|n, c, row, column| (x.at(n, c, row, column) - mean.at(n, 0, row, column)).powi(2));
    Numbers::from_fn(shape, |n, c, row, column| {
        let (mean, variance) = (mean.at(n, 0, row, column), variance.at(n, 0, row, column));
        let normalised = (x.at(n, c, row, column) - mean) / (variance + epsilon).sqrt();
        normalised * weight.at(0, c, 0, 0) + bias.at(0, c, 0, 0)
    })
}
