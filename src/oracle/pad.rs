//! Zeros around, and away.

use super::Numbers;

/// So many rows and columns of zeros around: a small kernel as a larger one, or a kernel of one column as a square.
pub fn pad(x: &Numbers, top: usize, bottom: usize, left: usize, right: usize) -> Numbers {
    let shape = x.shape().with_size(top + x.shape().height + bottom, left + x.shape().width + right);
    Numbers::from_fn(shape, |n, c, row, column| {
        x.at_padded(n, c, row as isize - top as isize, column as isize - left as isize)
    })
}

/// What [`pad`] added is taken away, as much on opposite sides.
pub fn crop(x: &Numbers, rows: usize, columns: usize) -> Numbers {
    let shape = x.shape().with_size(x.shape().height - 2 * rows, x.shape().width - 2 * columns);
    Numbers::from_fn(shape, |n, c, row, column| x.at(n, c, rows + row, columns + column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn by_hand() {
        let x = Numbers::new(Shape::new(2, 1, 1, 2), vec![1.0, 2.0, 3.0, 4.0]);
        let y = pad(&x, 1, 0, 0, 2);
        assert_eq!(y.shape(), Shape::new(2, 1, 2, 4));
        assert_eq!(y.values()[..8], [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(y.values()[8..], [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
        let y = pad(&x, 0, 1, 1, 0);
        assert_eq!(y.values()[..6], [0.0, 1.0, 2.0, 0.0, 0.0, 0.0]);
        assert_eq!(pad(&x, 0, 0, 0, 0), x);
        assert_eq!(crop(&pad(&x, 1, 1, 2, 2), 1, 2), x);
    }
}
