//! Sparse mask convolution: what is wanted everywhere, then what the mask asks for.
//!
//! Where the mask is 0 nothing sparse is computed, so a NaN there stays out of the result.

use super::product::{Part, Product};
use super::window::Window;
use crate::graph::MaskedConv2d;
use crate::tensor::{Shape, Tensor};

/// Three products, with just the multiply-adds that the operator counts.
pub(super) fn masked_conv2d(op: &MaskedConv2d, x: &Tensor, mask: &Tensor, output: Shape) -> Tensor {
    let (outputs, inputs) = (output.channels, x.shape().channels);
    let (bias, mask) = (op.bias.as_ref(), Some(mask));
    let dense = Part { outputs: 0..op.dense_outputs, inputs: 0..op.dense_inputs, bias, mask: None };
    let mixed = Part { inputs: op.dense_inputs..inputs, bias: None, mask, ..dense.clone() };
    let sparse = Part { outputs: op.dense_outputs..outputs, inputs: 0..inputs, bias, mask };
    let window = Window::same(op.kernel());
    Product { x, weight: &op.weight, window }.sum(&[dense, mixed, sparse], output)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_plane;
    use super::super::conv2d::{bias, filter};
    use super::super::testing::{assert_close, noise, parameter};
    use super::super::window::Patches;
    use super::*;

    /// The two formulas, each sum in f64 and rounded once.
    fn textbook(op: &MaskedConv2d, x: &Tensor, mask: &Tensor, output: Shape) -> Tensor {
        let window = Window::same(op.kernel());
        let (dense, all) = (op.dense_inputs, x.shape().channels);
        by_plane(output, |n, o, plane| {
            let patches = Patches { x, n, window };
            let (of_dense, of_sparse) = filter(&op.weight, o).split_at(dense * op.kernel() * op.kernel());
            let bias = bias(op.bias.as_ref(), o);
            for (p, (y, mask)) in plane.iter_mut().zip(mask.plane(n, 0)).enumerate() {
                let pixel = (p / output.width, p % output.width);
                let set = *mask != 0.0;
                let mut sum = 0.0;
                if set || o < op.dense_outputs {
                    sum += bias + patches.dot(pixel, 0..dense, of_dense);
                }
                if set {
                    sum += patches.dot(pixel, dense..all, of_sparse);
                }
                *y = sum as f32;
            }
        })
    }

    fn operator(out: usize, input: usize, kernel: usize, dense: (usize, usize), seed: u64) -> MaskedConv2d {
        let weight = parameter([out, input, kernel, kernel], seed);
        let bias = seed.is_multiple_of(2).then(|| parameter([out], seed + 1));
        MaskedConv2d { weight, bias, dense_inputs: dense.0, dense_outputs: dense.1 }
    }

    /// Holds the product against the textbook, the mask set where noise in −1 ‥ 1 is below `level`.
    fn check(input: Shape, op: &MaskedConv2d, level: f32, seed: u64) {
        let mut mask = noise(input.with_channels(1), seed);
        mask.values_mut().iter_mut().for_each(|mask| *mask = if *mask < level { 1.0 } else { 0.0 });
        let (x, output) = (noise(input, seed + 2), input.with_channels(op.out_channels()));
        let case = format!(
            "{input}, {:?}, dense {}, {}, level {level}, seed {seed}",
            op.weight.dims(),
            op.dense_inputs,
            op.dense_outputs
        );
        assert_close(&masked_conv2d(op, &x, &mask, output), &textbook(op, &x, &mask, output), &case);
    }

    #[test]
    fn the_product_is_the_textbook_whatever_is_dense() {
        for input in [Shape::new(1, 3, 7, 5), Shape::new(2, 3, 13, 33), Shape::new(1, 3, 1, 1)] {
            for dense in [(0, 0), (3, 5), (0, 5), (3, 0), (2, 3)] {
                for (kernel, level) in [(1, 0.0), (3, -1.0), (3, -0.99), (3, 0.3), (3, 2.0), (5, 0.0)] {
                    check(input, &operator(5, 3, kernel, dense, 2), level, 3);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_product_is_the_textbook(
            (n, channels, height, width) in (1_usize..3, 1_usize..9, 1_usize..30, 1_usize..30),
            (out, half, level) in (1_usize..9, 0_usize..3, -1.1_f32..1.1),
            dense in (0_usize..9, 0_usize..9),
            seed in 0_u64..1000,
        ) {
            let op = operator(out, channels, 2 * half + 1, (dense.0.min(channels), dense.1.min(out)), seed);
            check(Shape::new(n, channels, height, width), &op, level, seed);
        }
    }

    #[test]
    fn nan_stays_out_where_the_mask_is_zero() {
        let op = MaskedConv2d { dense_inputs: 0, dense_outputs: 1, ..operator(2, 3, 3, (0, 1), 4) };
        let input = Shape::new(1, 3, 4, 4);
        let x = Tensor::new(input, vec![f32::NAN; input.len()]);
        let (mask, output) = (Tensor::zeros(input.with_channels(1)), input.with_channels(2));
        let bias = op.bias.as_ref().unwrap().values()[0];
        let expected = Tensor::from_fn(output, |_, c, _, _| if c == 0 { bias } else { 0.0 });
        assert_eq!(textbook(&op, &x, &mask, output), expected);
        assert_eq!(masked_conv2d(&op, &x, &mask, output), expected);
    }
}
