//! What is done to weights alone. A weight `[out, in, k, k]` lies as maps do: for every output its taps, and of each tap the
//! inputs side by side.

use rayon::prelude::*;

use super::map::Map;
use crate::graph::WeightOperation;

/// Norms below this are taken for it.
const SMALLEST_NORM: f64 = 1e-12;

/// Makes what a node does of its inputs. An order of channels of which more or fewer are dense than the graph is made for is
/// NaN, and so is every weight in that order.
pub(super) fn weight(op: &WeightOperation, inputs: &[&Map], y: &mut Map) {
    let x = inputs[0];
    match op {
        WeightOperation::Norm => norm(inputs[1].values(), x, y),
        WeightOperation::Transpose => transpose(x, y),
        WeightOperation::Flip { groups } => flip(*groups, x, y),
        WeightOperation::Pad { rows, columns } => pad([*rows, *columns], x, y),
        WeightOperation::Crop { rows, columns } => crop([*rows, *columns], x, y),
        WeightOperation::Reorder => reorder([1, 2].map(|at| inputs[at].values()), x, y),
        WeightOperation::ChannelOrder { layer, dense } => {
            if channel_order(*layer, x, y) != *dense {
                y.values_mut().fill(f32::NAN);
            }
        }
        WeightOperation::ChannelLogit { layer } => channel_logit(*layer, x, y),
        WeightOperation::ChannelLogitGradient { layer, .. } => channel_logit_gradient(*layer, x, y),
    }
}

/// `v[o] · magnitude[o] / ‖v[o]‖`.
fn norm(magnitudes: &[f32], v: &Map, y: &mut Map) {
    by_output(y, |o, y| {
        let v = v.picture(o);
        let norm = v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        let factor = f64::from(magnitudes[o]) / norm.max(SMALLEST_NORM);
        y.iter_mut().zip(v).for_each(|(y, v)| *y = (factor * f64::from(*v)) as f32);
    });
}

/// `y[i, o] = x[o, i]`.
fn transpose(x: &Map, y: &mut Map) {
    exchange(1, x, y, |tap, _| tap);
}

/// The weight of a convolution's adjoint.
fn flip(groups: usize, x: &Map, y: &mut Map) {
    exchange(groups, x, y, |tap, taps| taps - 1 - tap);
}

/// Outputs and inputs of each group in each other's place, and for every tap another: `from(tap, taps)`.
fn exchange(groups: usize, x: &Map, y: &mut Map, from: impl Fn(usize, usize) -> usize + Sync) {
    let (within, outputs, taps) = (x.shape().channels, x.shape().batch / groups, x.shape().pixels());
    by_output(y, |i, y| {
        let (first, i) = (i / within * outputs, i % within);
        for (tap, y) in y.chunks_exact_mut(outputs).enumerate() {
            let at = from(tap, taps) * within + i;
            y.iter_mut().enumerate().for_each(|(o, y)| *y = x.picture(first + o)[at]);
        }
    });
}

/// Zeros around the kernel.
fn pad([rows, columns]: [usize; 2], x: &Map, y: &mut Map) {
    let (from, channels) = (x.shape(), x.shape().channels);
    y.by_row(|o, row, y| {
        y.fill(0.0);
        if let Some(row) = row.checked_sub(rows).filter(|row| *row < from.height) {
            y[columns * channels..][..from.width * channels].copy_from_slice(x.row(o, row));
        }
    });
}

/// What [`pad`] added is taken away.
fn crop([rows, columns]: [usize; 2], x: &Map, y: &mut Map) {
    let channels = x.shape().channels;
    y.by_row(|o, row, y| y.copy_from_slice(&x.row(o, rows + row)[columns * channels..][..y.len()]));
}

/// `y[o, i] = x[outputs[o], inputs[i]]`; NaN where there is no such channel.
fn reorder([outputs, inputs]: [&[f32]; 2], x: &Map, y: &mut Map) {
    let from = x.shape();
    by_output(y, |o, y| {
        let Some(o) = index(outputs[o], from.batch) else { return y.fill(f32::NAN) };
        let taps = x.picture(o).chunks_exact(from.channels.max(1));
        for (y, tap) in y.chunks_exact_mut(inputs.len().max(1)).zip(taps) {
            let number = |input: &f32| index(*input, from.channels).map_or(f32::NAN, |i| tap[i]);
            y.iter_mut().zip(inputs).for_each(|(y, input)| *y = number(input));
        }
    });
}

fn index(number: f32, count: usize) -> Option<usize> {
    (number >= 0.0 && number < count as f32 && number.fract() == 0.0).then_some(number as usize)
}

/// The numbers of a layer's channels, dense ones first, and how many of them are dense.
fn channel_order(layer: usize, logits: &Map, y: &mut Map) -> usize {
    let channels = logits.shape().channels;
    let [first, second] = [0, 1].map(|at| &logits.values()[(2 * layer + at) * channels..][..channels]);
    let (dense, sparse): (Vec<usize>, Vec<usize>) = (0..channels).partition(|c| first[*c] > second[*c]);
    y.values_mut().iter_mut().zip(dense.iter().chain(&sparse)).for_each(|(y, c)| *y = *c as f32);
    dense.len()
}

/// The first of a layer's two logits less the second, channel by channel.
fn channel_logit(layer: usize, logits: &Map, y: &mut Map) {
    let channels = logits.shape().channels;
    let [first, second] = [0, 1].map(|at| &logits.values()[(2 * layer + at) * channels..][..channels]);
    y.values_mut().iter_mut().zip(first).zip(second).for_each(|((y, first), second)| *y = first - second);
}

/// Its adjoint.
fn channel_logit_gradient(layer: usize, g: &Map, y: &mut Map) {
    let channels = g.shape().channels;
    let y = y.values_mut();
    y.fill(0.0);
    let (first, second) = y[2 * layer * channels..][..2 * channels].split_at_mut(channels);
    first.copy_from_slice(g.values());
    second.iter_mut().zip(g.values()).for_each(|(y, g)| *y = -g);
}

/// Makes all numbers, on all threads, those of one output at a time.
fn by_output(y: &mut Map, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let len = y.shape().channels * y.shape().pixels();
    y.values_mut().par_chunks_mut(len.max(1)).enumerate().for_each(|(o, y)| fill(o, y));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::{Shape, Tensor};

    /// Runs one on a weight and holds it against the oracle's.
    fn check(
        x: [usize; 4],
        case: &str,
        expected: impl Fn(&Numbers) -> Numbers,
        made: impl Fn(&Map, &mut Map),
    ) {
        let [batch, channels, height, width] = x;
        let x = noise(Shape::new(batch, channels, height, width), 1);
        let expected = expected(&Numbers::of(&x)).to_tensor();
        let found = on_maps(&[&x], expected.shape(), |maps, y| made(maps[0], y));
        assert_close(&found, &expected, &format!("{case} of {}", x.shape()));
    }

    fn list(numbers: &[f32]) -> Numbers {
        Numbers::of(&Tensor::new(Shape::new(1, numbers.len(), 1, 1), numbers.to_vec()))
    }

    #[test]
    fn on_awkward_shapes_they_are_the_textbook() {
        for x in [[5, 3, 3, 3], [16, 16, 1, 1], [7, 1, 5, 3], [1, 20, 1, 3]] {
            let magnitudes = noise(Shape::new(x[0], 1, 1, 1), 2);
            let textbook = |x: &Numbers| oracle::weight_norm(x, &Numbers::of(&magnitudes));
            check(x, "norm", textbook, |x, y| norm(magnitudes.values(), x, y));
            check(x, "transpose", oracle::transpose, transpose);
            check(x, "pad", |x| oracle::pad(x, 2, 2, 1, 1), |x, y| pad([2, 1], x, y));
            check(x, "flip", |x| oracle::flip(x, 1), |x, y| flip(1, x, y));
            let (outputs, inputs) = ([0.0, x[0] as f32 - 1.0, 0.0], [x[1] as f32 - 1.0, 0.0]);
            let textbook = |x: &Numbers| oracle::reorder(x, &list(&outputs), &list(&inputs));
            check(x, "reorder", textbook, |x, y| reorder([&outputs, &inputs], x, y));
        }
        for (x, groups) in [([6, 2, 3, 3], 2), ([6, 1, 3, 5], 6), ([8, 3, 1, 1], 4)] {
            check(
                x,
                &format!("flip, {groups} groups"),
                |x| oracle::flip(x, groups),
                |x, y| flip(groups, x, y),
            );
        }
        for x in [[5, 3, 5, 3], [2, 17, 7, 4]] {
            check(x, "crop", |x| oracle::crop(x, 2, 1), |x, y| crop([2, 1], x, y));
        }
        for (layer, x) in [(0, [1, 5, 1, 2]), (1, [1, 16, 4, 2]), (3, [1, 33, 4, 2])] {
            check(x, "channel_logit", |x| oracle::channel_logit(x, layer), |x, y| channel_logit(layer, x, y));
            let order = |x: &Numbers| oracle::channel_order(x, layer).0;
            check(x, "channel_order", order, |x, y| {
                channel_order(layer, x, y);
            });
            let gradient = |g: &Numbers| oracle::channel_logit_gradient(g, layer, x[2]);
            check([1, x[1], 1, 1], "its gradient", gradient, |g, y| channel_logit_gradient(layer, g, y));
        }
    }

    #[test]
    fn a_norm_of_zero_stays_and_a_channel_that_is_none_is_seen() {
        let zeros = Tensor::zeros(Shape::new(2, 3, 1, 1));
        let made = on_maps(&[&zeros], zeros.shape(), |maps, y| norm(&[3.0, 4.0], maps[0], y));
        assert_eq!(made, zeros);
        for wrong in [2.0, -1.0, 0.5, f32::NAN] {
            let made = on_maps(&[&zeros], zeros.shape(), |maps, y| {
                reorder([&[1.0, wrong], &[0.0, 1.0, 2.0]], maps[0], y);
            });
            assert!(made.values()[3..].iter().all(|number| number.is_nan()), "{wrong}");
            assert_eq!(made.values()[..3], [0.0; 3], "{wrong}");
        }
    }
}
