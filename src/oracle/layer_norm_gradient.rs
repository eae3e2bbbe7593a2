//! Normalisation over channels, backwards.

use super::Numbers;

/// With respect to the activations, pixel by pixel: with x̂ the normalised numbers and `h = g · weight`,
///
/// `(h − mean(h) − x̂ · mean(h · x̂)) / √(variance + epsilon)`
///
/// means over the channels.
pub fn layer_norm_gradient(x: &Numbers, g: &Numbers, weight: &Numbers, epsilon: f64) -> Numbers {
    let channels = x.shape().channels;
    let mut y = x.clone();
    for [n, _, row, column] in x.places().filter(|[_, c, _, _]| *c == 0) {
        let mean = |of: &dyn Fn(usize) -> f64| (0..channels).map(of).sum::<f64>() / channels as f64;
        let centre = mean(&|c| x.at(n, c, row, column));
        let variance = mean(&|c| (x.at(n, c, row, column) - centre).powi(2));
        let deviation = (variance + epsilon).sqrt();
        let normalised = |c: usize| (x.at(n, c, row, column) - centre) / deviation;
        let h = |c: usize| g.at(n, c, row, column) * weight.at(0, c, 0, 0);
        let (of_h, of_product) = (mean(&h), mean(&|c| h(c) * normalised(c)));
        for c in 0..channels {
            *y.at_mut(n, c, row, column) = (h(c) - of_h - normalised(c) * of_product) / deviation;
        }
    }
    y
}
