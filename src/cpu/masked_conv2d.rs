//! Sparse mask convolution: all sums where the mask is set, elsewhere those that are wanted everywhere.
//!
//! Where the mask is 0 nothing sparse is computed, so a NaN there stays out of the result.

use super::layer::{Input, Layer, Scratch, Weights};
use super::map::{Map, Unit};
use super::window::Window;
use crate::graph::MaskedConv2d;

/// A masked convolution that is ready to make any of its pixels.
#[derive(Debug)]
pub(super) struct MaskedConvolution<'a> {
    input: Input<'a>,
    mask: &'a Map,
    channels: usize,
    /// All outputs over all inputs.
    all: Layer,
    /// The dense outputs over the dense inputs, if there are such outputs.
    dense: Option<Layer>,
}

impl<'a> MaskedConvolution<'a> {
    pub(super) fn new(op: &MaskedConv2d, weights: Weights<'_>, x: &'a Map, mask: &'a Map) -> Self {
        let [outputs, ..] = weights.weight.dims();
        let layer = |outputs: usize, inputs: usize| {
            Layer::new(weights, 0..outputs, std::slice::from_ref(&(0..inputs)))
        };
        Self {
            input: Input { maps: vec![x], window: Window::same(op.kernel), width: x.shape().width },
            mask,
            channels: outputs,
            all: layer(outputs, x.shape().channels),
            dense: (op.dense_outputs > 0).then(|| layer(op.dense_outputs, op.dense_inputs)),
        }
    }

    /// Writes a unit, with no more multiply-adds than the operator counts.
    pub(super) fn fill(&self, unit: &Unit, y: &mut [f32], scratch: &mut Scratch) {
        let (mask, start) = (self.mask.of(unit), unit.pixels.start);
        let mut list = scratch.pixels.pop().unwrap_or_default();
        let mut fill = |layer: &Layer, set: bool, scratch: &mut Scratch| {
            list.clear();
            list.extend((start..).zip(mask).filter(|(_, mask)| (**mask != 0.0) == set).map(|(p, _)| p));
            let runs = list.chunk_by(|p, next| p + 1 == *next).map(|run| run[0]..run[0] + run.len());
            layer.fill(&self.input, unit, runs, (&mut *y, self.channels), scratch);
        };
        fill(&self.all, true, scratch);
        if let Some(dense) = &self.dense {
            fill(dense, false, scratch);
        }
        scratch.pixels.push(list);
        let wanted = self.dense.as_ref().map_or(0, Layer::outputs);
        for (y, mask) in y.chunks_exact_mut(self.channels).zip(mask) {
            if *mask == 0.0 {
                y[wanted..].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::expression::Expression;
    use super::super::testing::{
        assert_close, bias, by_plane, filter, noise, on_maps, parameter, weights as testing_weights,
    };
    use super::super::window::Patches;
    use super::*;
    use crate::tensor::{Parameter, Shape, Tensor};

    /// An operator with its numbers.
    struct Operator {
        op: MaskedConv2d,
        weight: Parameter,
        bias: Option<Parameter>,
    }

    impl Operator {
        fn weights(&self) -> Weights<'_> {
            testing_weights([Some(&self.weight), self.bias.as_ref()])
        }
    }

    fn masked_conv2d(operator: &Operator, x: &Tensor, mask: &Tensor, output: Shape) -> Tensor {
        on_maps(&[x, mask], output, |maps, y| {
            let convolution = MaskedConvolution::new(&operator.op, operator.weights(), maps[0], maps[1]);
            Expression::Masked(convolution).evaluate(y);
        })
    }

    /// The two formulas, each sum in f64 and rounded once.
    fn textbook(operator: &Operator, x: &Tensor, mask: &Tensor, output: Shape) -> Tensor {
        let Operator { op, weight, bias: of_output } = operator;
        let window = Window::same(op.kernel);
        let (dense, all) = (op.dense_inputs, x.shape().channels);
        by_plane(output, |n, o, plane| {
            let patches = Patches { x, n, window };
            let (of_dense, of_sparse) = filter(weight, o).split_at(dense * op.kernel * op.kernel);
            let bias = bias(of_output.as_ref(), o);
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

    fn operator(out: usize, input: usize, kernel: usize, dense: (usize, usize), seed: u64) -> Operator {
        let weight = parameter([out, input, kernel, kernel], seed);
        let bias = seed.is_multiple_of(2).then(|| parameter([out], seed + 1));
        let op = MaskedConv2d { kernel, dense_inputs: dense.0, dense_outputs: dense.1 };
        Operator { op, weight, bias }
    }

    /// Holds the product against the textbook, the mask set where noise in −1 ‥ 1 is below `level`.
    fn check(input: Shape, operator: &Operator, level: f32, seed: u64) {
        let mut mask = noise(input.with_channels(1), seed);
        mask.values_mut().iter_mut().for_each(|mask| *mask = if *mask < level { 1.0 } else { 0.0 });
        let (x, output) = (noise(input, seed + 2), input.with_channels(operator.weights().weight.dims()[0]));
        let case = format!(
            "{input}, {:?}, dense {}, {}, level {level}, seed {seed}",
            operator.weight.dims(),
            operator.op.dense_inputs,
            operator.op.dense_outputs
        );
        assert_close(
            &masked_conv2d(operator, &x, &mask, output),
            &textbook(operator, &x, &mask, output),
            &case,
        );
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
        let operator = operator(2, 3, 3, (0, 1), 4);
        let input = Shape::new(1, 3, 4, 4);
        let x = Tensor::new(input, vec![f32::NAN; input.len()]);
        let (mask, output) = (Tensor::zeros(input.with_channels(1)), input.with_channels(2));
        let bias = operator.bias.as_ref().unwrap().values()[0];
        let expected = Tensor::from_fn(output, |_, c, _, _| if c == 0 { bias } else { 0.0 });
        assert_eq!(textbook(&operator, &x, &mask, output), expected);
        assert_eq!(masked_conv2d(&operator, &x, &mask, output), expected);
    }
}
