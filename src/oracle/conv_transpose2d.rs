//! Transposed convolution.

use super::Numbers;
use super::conv2d::start;
use crate::tensor::Shape;

/// The adjoint of a convolution, as PyTorch's `ConvTranspose2d` with one group: input pixel `p` adds
/// `weight[i, o, k] · x[i, p]` to output pixel `stride · p + k − padding`.
///
/// The weight is `[in, out, k, k]`. `padding` rows and columns are cut from every side of the output,
/// `output_padding` added at the bottom and right.
pub fn conv_transpose2d(
    x: &Numbers,
    weight: &Numbers,
    bias: Option<&Numbers>,
    stride: usize,
    padding: usize,
    output_padding: usize,
) -> Numbers {
    let Shape { batch: inputs, channels: out, height: k, width } = weight.shape();
    let input = x.shape();
    assert!(k == width, "a square kernel, found {k}x{width}");
    assert!(inputs == input.channels, "{inputs} input channels, found {input}");
    let side = |length: usize| (length - 1) * stride + k + output_padding - 2 * padding;
    let output = Shape::new(input.batch, out, side(input.height), side(input.width));
    let mut y = start(output, bias);
    let to = |at: usize, k: usize| (at * stride + k).wrapping_sub(padding);
    for n in 0..input.batch {
        for i in 0..inputs {
            for (row, column) in places(input.height, input.width) {
                for o in 0..out {
                    for (ky, kx) in places(k, k) {
                        let (to_row, to_column) = (to(row, ky), to(column, kx));
                        if to_row < output.height && to_column < output.width {
                            *y.at_mut(n, o, to_row, to_column) +=
                                weight.at(i, o, ky, kx) * x.at(n, i, row, column);
                        }
                    }
                }
            }
        }
    }
    y
}

/// Every place of a rectangle, row by row.
fn places(height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}
