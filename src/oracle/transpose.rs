//! Exchange of the first two axes.

use super::Numbers;
use crate::tensor::Shape;

/// `y[i, o] = x[o, i]`: a convolution's weight as a picture of `out` channels for each input channel, and back. A 1×1
/// convolution W over it is the product of matrices that merges W with the convolution before it.
pub fn transpose(x: &Numbers) -> Numbers {
    let shape = Shape { batch: x.shape().channels, channels: x.shape().batch, ..x.shape() };
    Numbers::from_fn(shape, |n, c, row, column| x.at(c, n, row, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{conv2d, pad};

    #[test]
    fn by_hand() {
        let x = Numbers::new(Shape::new(2, 3, 1, 2), (0..12).map(f64::from).collect());
        let y = transpose(&x);
        assert_eq!(y.shape(), Shape::new(3, 2, 1, 2));
        assert_eq!(y.values(), [0.0, 1.0, 6.0, 7.0, 2.0, 3.0, 8.0, 9.0, 4.0, 5.0, 10.0, 11.0]);
        assert_eq!(transpose(&y), x);
    }

    /// Whole numbers below ten in no apparent order, so that sums are exact.
    fn digits(shape: Shape) -> Numbers {
        Numbers::from_fn(shape, |n, c, y, x| {
            ((31 * n + 17 * c + 7 * y + 3 * x + n * c * x) % 10) as f64 - 4.0
        })
    }

    #[test]
    fn a_1x1_convolution_over_a_transposed_weight_merges_two_layers() {
        let x = digits(Shape::new(1, 3, 5, 4));
        let (first, second) = (digits(Shape::new(6, 3, 3, 3)), digits(Shape::new(2, 6, 1, 1)));
        let merged = transpose(&conv2d(&transpose(&first), &second, None, 1, 0, 1));
        let one_by_one = conv2d(&conv2d(&x, &first, None, 1, 1, 1), &second, None, 1, 0, 1);
        assert_eq!(conv2d(&x, &merged, None, 1, 1, 1), one_by_one);
    }

    #[test]
    fn a_smaller_kernel_with_zeros_around_is_the_same_convolution() {
        let (x, weight) = (digits(Shape::new(1, 3, 5, 4)), digits(Shape::new(2, 3, 1, 1)));
        let wide = pad(&weight, 1, 1, 1, 1);
        assert_eq!(conv2d(&x, &wide, None, 1, 1, 1), conv2d(&x, &weight, None, 1, 0, 1));
    }
}
