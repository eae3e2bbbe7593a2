//! Convolution.

use super::Numbers;
use crate::tensor::Shape;

/// Cross-correlation with zero padding, as PyTorch's `Conv2d`:
///
/// `y[o, p] = bias[o] + Σ_{i, k} weight[o, i, k] · x[i, stride · p + k − padding]`
///
/// The weight is `[out, in / groups, k, k]`; the sum over `i` stays within `o`'s group.
pub fn conv2d(
    x: &Numbers,
    weight: &Numbers,
    bias: Option<&Numbers>,
    stride: usize,
    padding: usize,
    groups: usize,
) -> Numbers {
    let Shape { batch: out, channels: within, height: k, width } = weight.shape();
    let input = x.shape();
    assert_eq!(k, width, "a square kernel");
    assert!(out % groups == 0, "{groups} groups of output channels, found {out} channels");
    assert!(within * groups == input.channels, "{groups} groups of {within} inputs, found {input}");
    let side = |length: usize| (length + 2 * padding - k) / stride + 1;
    let mut y = start(Shape::new(input.batch, out, side(input.height), side(input.width)), bias);
    for n in 0..input.batch {
        for o in 0..out {
            let first = o / (out / groups) * within; // the first input channel of o's group
            for row in 0..y.shape().height {
                for i in 0..within {
                    for ky in 0..k {
                        let from = (row * stride + ky).wrapping_sub(padding);
                        if from < input.height {
                            let (taps, line) = (weight.row(o, i, ky), x.row(n, first + i, from));
                            add_row(y.row_mut(n, o, row), taps, line, stride, padding);
                        }
                    }
                }
            }
        }
    }
    y
}

/// `y[p] += Σ_k taps[k] · line[stride · p + k − padding]`, over what lies in the line.
fn add_row(y: &mut [f64], taps: &[f64], line: &[f64], stride: usize, padding: usize) {
    for (k, tap) in taps.iter().enumerate() {
        let first = padding.saturating_sub(k).div_ceil(stride);
        let end = (line.len() + padding).saturating_sub(k).div_ceil(stride).min(y.len());
        if first < end {
            let line = line[first * stride + k - padding..].iter().step_by(stride);
            y[first..end].iter_mut().zip(line).for_each(|(y, x)| *y += tap * x);
        }
    }
}

/// What sums begin with: the bias, or zero.
pub(super) fn start(shape: Shape, bias: Option<&Numbers>) -> Numbers {
    if let Some(bias) = bias {
        assert_eq!(bias.shape(), Shape::new(1, shape.channels, 1, 1), "a number an output channel");
    }
    Numbers::from_fn(shape, |_, o, _, _| bias.map_or(0.0, |bias| bias.at(0, o, 0, 0)))
}
