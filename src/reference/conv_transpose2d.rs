//! Transposed convolution: every input pixel adds its window to the output.

use super::by_plane;
use super::conv2d::bias;
use super::window::Window;
use crate::graph::ConvTranspose2d;
use crate::tensor::{Shape, Tensor};

pub(super) fn conv_transpose2d(op: &ConvTranspose2d, x: &Tensor, output: Shape) -> Tensor {
    let (input, kernel) = (x.shape(), op.weight.dims()[2]);
    let window = Window { kernel, stride: op.stride, padding: op.padding };
    let weights: Vec<&[f32]> = op.weight.values().chunks_exact(kernel * kernel).collect();
    by_plane(output, |n, o, plane| {
        let mut sums = vec![bias(op.bias.as_ref(), o); plane.len()];
        for i in 0..input.channels {
            let weights = weights[i * output.channels + o];
            for (p, value) in x.plane(n, i).iter().enumerate() {
                for (k, weight) in weights.iter().enumerate() {
                    let y = window.place(p / input.width, k / kernel, output.height);
                    let x = window.place(p % input.width, k % kernel, output.width);
                    if let (Some(y), Some(x)) = (y, x) {
                        sums[y * output.width + x] += f64::from(*weight) * f64::from(*value);
                    }
                }
            }
        }
        plane.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum as f32);
    })
}
