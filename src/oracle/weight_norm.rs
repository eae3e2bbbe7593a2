//! Weight normalisation.

use super::Numbers;

/// Norms below this are taken for it, as in ASSL (Zhang et al., NeurIPS 2021).
const SMALLEST_NORM: f64 = 1e-12;

/// Weight normalisation (Salimans and Kingma, NIPS 2016, equation 2), each output filter for itself:
///
/// `y[o] = g[o] · v[o] / max(‖v[o]‖, 1e-12)`
///
/// The direction v is `[out, in, k, k]`; the magnitude g has `out` numbers.
pub fn weight_norm(direction: &Numbers, magnitude: &Numbers) -> Numbers {
    let shape = direction.shape();
    assert_eq!(magnitude.shape().len(), shape.batch, "a magnitude an output filter");
    let taps = (shape.len() / shape.batch).max(1);
    let filters = direction.values().chunks_exact(taps).zip(magnitude.values());
    let normalised = filters.flat_map(|(v, g)| {
        let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let factor = g / norm.max(SMALLEST_NORM);
        v.iter().map(move |v| factor * v)
    });
    Numbers::new(shape, normalised.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn by_hand() {
        // Lengths 5, 2, 0 (of which nothing becomes NaN) and 5e-13 (below the smallest).
        let v = vec![3.0, 4.0, 0.0, 2.0, 0.0, 0.0, 3e-13, -4e-13];
        let direction = Numbers::new(Shape::new(4, 1, 1, 2), v);
        let magnitude = Numbers::new(Shape::new(4, 1, 1, 1), vec![10.0, -1.0, 7.0, 1.0]);
        let weight = weight_norm(&direction, &magnitude);
        assert_eq!(weight.shape(), direction.shape());
        assert_eq!(weight.values(), [6.0, 8.0, 0.0, -1.0, 0.0, 0.0, 0.3, -0.4]);
    }
}
