//! Convolution: a product a group, or sums of weighted pixels where each channel is a group of its own. The tests hold
//! both against loops as in a textbook.

use std::borrow::Cow;
use std::iter::once;
use std::ops::Range;

use super::layer::{Input, Layer, Scratch, Weights};
use super::map::{Map, Unit};
use super::vectors;
use super::window::Window;
use super::winograd::{self, Winograd};
use crate::graph::Conv2d;
use crate::tensor::Shape;

/// A convolution that is ready to make any of its pixels.
#[derive(Debug)]
pub(super) struct Convolution<'a> {
    input: Input<'a>,
    channels: usize,
    sums: Cow<'a, Sums>,
}

/// How sums of 3×3 may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Pixel by pixel: a number does not hang on where its pixel lies.
    Pixels,
    /// By tiles where that is faster.
    Tiles,
}

/// A convolution's numbers, in the order in which they are read.
#[derive(Clone, Debug)]
pub(super) enum Sums {
    /// A layer a group.
    Products(Vec<Layer>),
    /// Tile by tile.
    Winograd(Winograd),
    /// The weights tap by tap, and the biases.
    Depthwise { weights: Vec<f32>, biases: Vec<f32> },
}

impl Sums {
    /// For maps of so many channels each, side by side, and some of the outputs.
    ///
    /// # Panics
    /// If there are several groups, and several maps or not all outputs.
    pub(super) fn new(
        op: &Conv2d,
        weights: Weights<'_>,
        channels: &[usize],
        outputs: Range<usize>,
        way: Way,
    ) -> Self {
        let inputs = channels.iter().sum();
        if way == Way::Tiles && winograd::pays(op, inputs, outputs.len()) {
            return Self::Winograd(Winograd::new(weights, inputs, outputs));
        }
        if op.groups == 1 {
            let read: Vec<Range<usize>> = channels.iter().map(|channels| 0..*channels).collect();
            return Self::Products(vec![Layer::new(weights, outputs, &read).alone()]);
        }
        let all = weights.weight.dims()[0];
        assert_eq!((channels.len(), outputs), (1, 0..all), "groups of one map's channels, for all outputs");
        if [op.groups; 2] == [all, inputs] { depthwise(op, weights) } else { groups(op, weights, inputs) }
    }
}

impl<'a> Convolution<'a> {
    /// Of the channels of all `maps` side by side, for which the sums are.
    pub(super) fn new(op: &Conv2d, sums: Cow<'a, Sums>, maps: Vec<&'a Map>, output: Shape) -> Self {
        Self {
            input: Input { maps, window: window(op), width: output.width },
            channels: output.channels,
            sums,
        }
    }

    /// How many rows of pixels have to be made together, if they have to be whole.
    pub(super) fn rows(&self) -> Option<usize> {
        matches!(&*self.sums, Sums::Winograd(_)).then(|| winograd::rows(self.input.width))
    }

    /// Writes a unit.
    pub(super) fn fill(&self, unit: &Unit, y: &mut [f32], scratch: &mut Scratch) {
        match &*self.sums {
            Sums::Products(layers) => {
                for layer in layers {
                    layer.fill(&self.input, unit, once(unit.pixels.clone()), (y, self.channels), scratch);
                }
            }
            Sums::Winograd(winograd) => winograd.fill(&self.input, unit, y),
            Sums::Depthwise { weights, biases } => {
                let task = Depthwise { input: &self.input, weights, biases };
                vectors::arch().dispatch(
                    #[inline(always)]
                    || task.fill(unit, y),
                );
            }
        }
    }
}

fn window(op: &Conv2d) -> Window {
    Window { kernel: op.kernel, stride: op.stride, padding: op.padding }
}

fn groups(op: &Conv2d, weights: Weights<'_>, inputs: usize) -> Sums {
    let [outputs, inputs] = [weights.weight.dims()[0], inputs].map(|channels| channels / op.groups);
    let part = |channels: usize, group: usize| group * channels..(group + 1) * channels;
    let layer = |group| Layer::new(weights, part(outputs, group), &[part(inputs, group)]);
    Sums::Products((0..op.groups).map(layer).collect())
}

fn depthwise(op: &Conv2d, Weights { weight, bias }: Weights<'_>) -> Sums {
    let (channels, taps) = (weight.dims()[0], op.kernel * op.kernel);
    let weights = (0..taps).flat_map(|tap| (0..channels).map(move |c| weight.at(c, 0, tap))).collect();
    let biases = bias.map_or(vec![0.0; channels], <[f32]>::to_vec);
    Sums::Depthwise { weights, biases }
}

struct Depthwise<'a> {
    input: &'a Input<'a>,
    weights: &'a [f32],
    biases: &'a [f32],
}

impl Depthwise<'_> {
    /// Tap by tap, in the same order at every pixel.
    #[inline(always)]
    fn fill(&self, unit: &Unit, y: &mut [f32]) {
        let (Input { maps, window, width }, channels) = (self.input, self.biases.len());
        let shape = maps[0].shape();
        for (sums, p) in y.chunks_exact_mut(channels).zip(unit.pixels.clone()) {
            sums.copy_from_slice(self.biases);
            for ky in 0..window.kernel {
                let Some(y) = window.place(p / width, ky, shape.height) else { continue };
                let row = maps[0].row(unit.n, y);
                for kx in 0..window.kernel {
                    let Some(x) = window.place(p % width, kx, shape.width) else { continue };
                    let weights = &self.weights[(ky * window.kernel + kx) * channels..][..channels];
                    let pixel = &row[x * channels..][..channels];
                    sums.iter_mut().zip(weights.iter().zip(pixel)).for_each(|(sum, (w, x))| *sum += w * x);
                }
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
    use crate::graph::Operator;
    use crate::tensor::{Parameter, Tensor};

    /// The formula, each sum in f64 and rounded once.
    fn textbook(
        op: &Conv2d,
        [weight, of_output]: [Option<&Parameter>; 2],
        x: &Tensor,
        output: Shape,
    ) -> Tensor {
        let weight = weight.unwrap();
        let within = weight.dims()[1];
        by_plane(output, |n, o, plane| {
            let patches = Patches { x, n, window: window(op) };
            let first = o / (output.channels / op.groups) * within;
            let (weights, bias) = (filter(weight, o), bias(of_output, o));
            for (p, y) in plane.iter_mut().enumerate() {
                let pixel = (p / output.width, p % output.width);
                *y = (bias + patches.dot(pixel, first..first + within, weights)) as f32;
            }
        })
    }

    /// Holds the product against the textbook.
    fn check(input: Shape, channels: [usize; 2], window: Window, seed: u64) {
        check_by(Way::Pixels, input, channels, window, seed);
    }

    fn check_by(way: Way, input: Shape, [out, groups]: [usize; 2], window: Window, seed: u64) {
        let Window { kernel, stride, padding } = window;
        let weight = parameter([out, input.channels / groups, kernel, kernel], seed);
        let bias = seed.is_multiple_of(2).then(|| parameter([out], seed + 1));
        let op = Conv2d { kernel, stride, padding, groups };
        let weights = [Some(&weight), bias.as_ref()];
        let of_weight = Shape::new(out, input.channels / groups, kernel, kernel);
        let Ok(output) = op.infer(&[input, of_weight]) else { return };
        let x = noise(input, seed + 2);
        let case = format!("{input} to {out} channels, {groups} groups, {window:?}, seed {seed}");
        let found = on_maps(&[&x], output, |x, y| {
            let sums = Sums::new(&op, testing_weights(weights), &[input.channels], 0..out, way);
            Expression::Convolution(Convolution::new(&op, Cow::Owned(sums), x.to_vec(), output)).evaluate(y);
        });
        assert_close(&found, &textbook(&op, weights, &x, output), &case);
    }

    #[test]
    fn the_product_is_the_textbook_on_awkward_shapes() {
        for (n, channels, height, width) in [
            (1, 3, 7, 5),
            (1, 4, 13, 3),
            (2, 12, 5, 7),
            (1, 5, 1, 1),
            (2, 1, 1, 40),
            (1, 2, 67, 71),
            (1, 40, 33, 65),
        ] {
            for (kernel, stride, padding) in [
                (1, 1, 0),
                (1, 1, 1),
                (1, 2, 0),
                (3, 1, 0),
                (3, 1, 1),
                (3, 2, 1),
                (3, 1, 4),
                (5, 1, 2),
                (5, 3, 2),
            ] {
                let input = Shape::new(n, channels, height, width);
                check(input, [channels; 2], Window { kernel, stride, padding }, (width + kernel) as u64);
                check(input, [5, 1], Window { kernel, stride, padding }, (height * kernel + stride) as u64);
            }
        }
    }

    #[test]
    fn by_tiles_the_product_is_the_textbook_too() {
        for (n, inputs, outputs, height, width) in [
            (1, 24, 24, 4, 4),
            (2, 24, 33, 1, 1),
            (1, 31, 25, 7, 5),
            (3, 40, 24, 24, 24),
            (1, 25, 40, 33, 101),
            (2, 64, 64, 10, 9),
        ] {
            let input = Shape::new(n, inputs, height, width);
            check_by(Way::Tiles, input, [outputs, 1], Window::same(3), (height + width) as u64);
        }
    }

    proptest! {
        #[test]
        fn the_product_is_the_textbook(
            (n, channels, height, width) in (1_usize..3, 1_usize..9, 1_usize..40, 1_usize..40),
            (out, groups) in (1_usize..9, 1_usize..5),
            (half, stride, padding) in (0_usize..3, 1_usize..4, 0_usize..4),
            seed in 0_u64..1000,
        ) {
            let window = Window { kernel: 2 * half + 1, stride, padding };
            check(Shape::new(n, channels * groups, height, width), [out * groups, groups], window, seed);
        }
    }
}
