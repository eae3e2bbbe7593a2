//! Convolution: a matrix product a group, or sums of shifted rows where each channel is a group of its own. The tests
//! hold both against loops as in a textbook.

use super::by_plane;
use super::product::{Part, Product};
use super::window::Window;
use crate::graph::Conv2d;
use crate::tensor::{Parameter, Shape, Tensor};

pub(super) fn conv2d(op: &Conv2d, x: &Tensor, output: Shape) -> Tensor {
    if op.groups == output.channels && op.groups == x.shape().channels {
        return depthwise(op, x, output);
    }
    let [outputs, inputs] = [output.channels, x.shape().channels].map(|channels| channels / op.groups);
    let part = |group: usize| Part {
        outputs: group * outputs..(group + 1) * outputs,
        inputs: group * inputs..(group + 1) * inputs,
        bias: op.bias.as_ref(),
        mask: None,
    };
    let parts: Vec<Part<'_>> = (0..op.groups).map(part).collect();
    Product { x, weight: &op.weight, window: window(op) }.sum(&parts, output)
}

/// Tap by tap, in the same order at every pixel.
fn depthwise(op: &Conv2d, x: &Tensor, output: Shape) -> Tensor {
    let (input, window) = (x.shape(), window(op));
    // The outputs along a row that a tap has an input for.
    let within = |tap: usize| {
        let start = window.padding.saturating_sub(tap).div_ceil(window.stride);
        let end =
            (input.width + window.padding).saturating_sub(tap).div_ceil(window.stride).min(output.width);
        start.min(end)..end
    };
    by_plane(output, |n, c, plane| {
        let (from, weights) = (x.plane(n, c), filter(&op.weight, c));
        for (row, sums) in plane.chunks_exact_mut(output.width).enumerate() {
            for (k, weight) in weights.iter().enumerate() {
                let (ky, kx) = (k / window.kernel, k % window.kernel);
                let Some(y) = window.place(row, ky, input.height) else { continue };
                let columns = within(kx);
                let Some(first) = window.place(columns.start, kx, input.width) else { continue };
                let line = from[y * input.width..][first..input.width].iter().step_by(window.stride);
                sums[columns].iter_mut().zip(line).for_each(|(sum, x)| *sum += weight * x);
            }
            let bias = op.bias.as_ref().map_or(0.0, |bias| bias.values()[c]);
            sums.iter_mut().for_each(|sum| *sum += bias);
        }
    })
}

fn window(op: &Conv2d) -> Window {
    Window { kernel: op.kernel(), stride: op.stride, padding: op.padding }
}

/// The weights of output channel `o`.
pub(super) fn filter(weight: &Parameter, o: usize) -> &[f32] {
    let taps = weight.values().len() / weight.dims()[0];
    &weight.values()[o * taps..][..taps]
}

/// The bias of output channel `o`.
pub(super) fn bias(bias: Option<&Parameter>, o: usize) -> f64 {
    bias.map_or(0.0, |bias| f64::from(bias.values()[o]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{assert_close, noise, parameter};
    use super::super::window::Patches;
    use super::*;
    use crate::graph::Operator;

    /// The formula, each sum in f64 and rounded once.
    fn textbook(op: &Conv2d, x: &Tensor, output: Shape) -> Tensor {
        let within = op.weight.dims()[1];
        by_plane(output, |n, o, plane| {
            let patches = Patches { x, n, window: window(op) };
            let first = o / (output.channels / op.groups) * within;
            let (weights, bias) = (filter(&op.weight, o), bias(op.bias.as_ref(), o));
            for (p, y) in plane.iter_mut().enumerate() {
                let pixel = (p / output.width, p % output.width);
                *y = (bias + patches.dot(pixel, first..first + within, weights)) as f32;
            }
        })
    }

    /// Holds the product against the textbook.
    fn check(input: Shape, [out, groups]: [usize; 2], window: Window, seed: u64) {
        let Window { kernel, stride, padding } = window;
        let weight = parameter([out, input.channels / groups, kernel, kernel], seed);
        let bias = seed.is_multiple_of(2).then(|| parameter([out], seed + 1));
        let op = Conv2d { weight, bias, stride, padding, groups };
        let Ok(output) = op.infer(&[input]) else { return };
        let x = noise(input, seed + 2);
        let case = format!("{input} to {out} channels, {groups} groups, {window:?}, seed {seed}");
        assert_close(&conv2d(&op, &x, output), &textbook(&op, &x, output), &case);
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
