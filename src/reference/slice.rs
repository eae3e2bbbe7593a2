//! A part of the channels.

use crate::graph::Slice;
use crate::tensor::{Shape, Tensor};

pub(super) fn slice(op: &Slice, x: &Tensor, output: Shape) -> Tensor {
    let (pixels, picture) = (output.pixels(), x.shape().channels * output.pixels());
    let part = |n: usize| &x.values()[n * picture + op.start * pixels..][..op.channels * pixels];
    Tensor::new(output, (0..output.batch).flat_map(part).copied().collect())
}
