//! The binomial filter of Laplacian pyramids.

use super::Numbers;

/// Along either axis.
const TAPS: [f64; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// `y[p] = Σ_k taps[k] · x[p + k − 2]` along both axes, edges mirrored as PyTorch's `reflect` does: a pixel past the edge is
/// the one as far before it.
pub fn blur(x: &Numbers) -> Numbers {
    Numbers::from_fn(x.shape(), |n, c, row, column| {
        let terms = taps(row, x.shape().height).flat_map(|(i, by_row)| {
            taps(column, x.shape().width).map(move |(j, by_column)| by_row * by_column * x.at(n, c, i, j))
        });
        terms.sum()
    })
}

/// The adjoint of [`blur`]: every number goes to the pixels that it was made from, by the same weights.
pub fn blur_gradient(g: &Numbers) -> Numbers {
    let mut y = Numbers::from_fn(g.shape(), |_, _, _, _| 0.0);
    for [n, c, row, column] in g.places() {
        for (i, by_row) in taps(row, g.shape().height) {
            for (j, by_column) in taps(column, g.shape().width) {
                *y.at_mut(n, c, i, j) += by_row * by_column * g.at(n, c, row, column);
            }
        }
    }
    y
}

/// The pixels of a side of `len` that pixel `p` is made of, and their weights.
fn taps(p: usize, len: usize) -> impl Iterator<Item = (usize, f64)> {
    TAPS.iter().enumerate().map(move |(k, weight)| match (p + k).checked_sub(2) {
        None => (2 - p - k, *weight),
        Some(at) if at < len => (at, *weight),
        Some(at) => (2 * len - 2 - at, *weight),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn by_hand() {
        // Columns are alike, so that only rows count. Mirrored, a b c are c b a b c b a.
        let of = |numbers: [f64; 9]| Numbers::new(Shape::new(1, 1, 3, 3), numbers.to_vec());
        let x = of([16.0, 16.0, 16.0, 0.0, 0.0, 0.0, 32.0, 32.0, 32.0]);
        assert_eq!(blur(&x), of([10.0, 10.0, 10.0, 12.0, 12.0, 12.0, 14.0, 14.0, 14.0]));
        let corner = of([256.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(blur_gradient(&corner), of([36.0, 48.0, 12.0, 48.0, 64.0, 16.0, 12.0, 16.0, 4.0]));
    }
}
