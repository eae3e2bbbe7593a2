//! Convolution in which some channels live only where a mask is set.

use super::{Numbers, conv2d, slice};

/// Sparse mask convolution (SMSR, section 3.3): stride 1, size kept, one group. The mask M is 0 or 1 a pixel.
///
/// ```text
/// dense outputs:        y = bias + conv(dense inputs) + M · conv(sparse inputs)
/// sparse outputs:  y = M · (bias + conv(dense inputs) +     conv(sparse inputs))
/// ```
///
/// The first `dense_inputs` and `dense_outputs` channels are the dense ones.
pub fn masked_conv2d(
    x: &Numbers,
    mask: &Numbers,
    weight: &Numbers,
    bias: Option<&Numbers>,
    dense_inputs: usize,
    dense_outputs: usize,
) -> Numbers {
    assert_eq!(mask.shape(), x.shape().with_channels(1), "one mask number a pixel");
    let padding = weight.shape().height / 2;
    let conv = |bias, first: usize, channels: usize| {
        conv2d(&slice(x, first, channels), &slice(weight, first, channels), bias, 1, padding, 1)
    };
    let of_dense = conv(bias, 0, dense_inputs);
    let of_sparse = conv(None, dense_inputs, x.shape().channels - dense_inputs);
    Numbers::from_fn(of_dense.shape(), |n, o, row, column| {
        let (of_dense, of_sparse) = (of_dense.at(n, o, row, column), of_sparse.at(n, o, row, column));
        match (mask.at(n, 0, row, column) != 0.0, o < dense_outputs) {
            (true, _) => of_dense + of_sparse,
            (false, true) => of_dense,
            (false, false) => 0.0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    const NAN: f64 = f64::NAN;

    /// Two pixels, the mask set at the second; one dense input and one sparse one, a dense and two sparse outputs.
    fn on_two_pixels(sparse_input: [f64; 2]) -> Vec<f64> {
        let pixels = [[1.0, 2.0], sparse_input].concat();
        let x = Numbers::new(Shape::new(1, 2, 1, 2), pixels);
        let mask = Numbers::new(Shape::new(1, 1, 1, 2), vec![0.0, 1.0]);
        let weight = Numbers::new(Shape::new(3, 2, 1, 1), vec![3.0, 5.0, 7.0, 11.0, 0.0, 1.0]);
        let bias = Numbers::new(Shape::new(1, 3, 1, 1), vec![100.0, 200.0, 300.0]);
        masked_conv2d(&x, &mask, &weight, Some(&bias), 1, 1).values().to_vec()
    }

    #[test]
    fn by_hand() {
        // Dense: 100 + 3·1, 100 + 3·2 + 5·10. Sparse: 0, 200 + 7·2 + 11·10; 0, 300 + 10.
        assert_eq!(on_two_pixels([10.0, 10.0]), [103.0, 156.0, 0.0, 324.0, 0.0, 310.0]);
    }

    #[test]
    fn nan_stays_out_where_the_mask_is_zero() {
        assert_eq!(on_two_pixels([NAN, 10.0]), on_two_pixels([10.0, 10.0]));
        let found = on_two_pixels([10.0, NAN]);
        assert_eq!(found.iter().map(|value| value.is_nan()).collect::<Vec<_>>(), [false, true].repeat(3));
    }

    #[test]
    fn a_neighbour_outside_the_mask_counts_where_the_mask_is_set() {
        let x = Numbers::new(Shape::new(1, 1, 1, 3), vec![1.0, 10.0, 100.0]);
        let mask = Numbers::new(Shape::new(1, 1, 1, 3), vec![0.0, 1.0, 0.0]);
        let weight = Numbers::new(Shape::new(1, 1, 3, 3), vec![0.0, 0.0, 0.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0]);
        assert_eq!(masked_conv2d(&x, &mask, &weight, None, 0, 0).values(), [0.0, 432.0, 0.0]);
    }
}
