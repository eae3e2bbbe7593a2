//! Where a convolution's taps fall.

#[cfg(test)]
use std::ops::Range;

#[cfg(test)]
use crate::tensor::Tensor;

/// A convolution's kernel over the pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The kernel's side.
    pub(super) kernel: usize,
    /// Pixels of the larger side between neighbouring pixels of the smaller.
    pub(super) stride: usize,
    /// How far the first window hangs over the edge.
    pub(super) padding: usize,
}

impl Window {
    /// Stride 1, the size kept.
    pub(super) fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: kernel / 2 }
    }

    /// `stride · position + tap − padding`, if it lies on a side of `length` pixels.
    pub(super) fn place(self, position: usize, tap: usize, length: usize) -> Option<usize> {
        (self.stride * position + tap).checked_sub(self.padding).filter(|place| *place < length)
    }
}

/// What a convolution's outputs read from one picture: for each a patch under its window. The textbook's.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(super) struct Patches<'a> {
    /// The input.
    pub(super) x: &'a Tensor,
    /// The picture.
    pub(super) n: usize,
    /// The window.
    pub(super) window: Window,
}

#[cfg(test)]
impl Patches<'_> {
    /// `Σ_{i, k} weights[i, k] · x[channels[i], k]` for the output pixel at (row, column): zeros outside
    /// the picture, summed in f64.
    pub(super) fn dot(self, (row, column): (usize, usize), channels: Range<usize>, weights: &[f32]) -> f64 {
        let Self { x, n, window } = self;
        let (shape, kernel) = (x.shape(), window.kernel);
        let mut sum = 0.0;
        for (channel, weights) in channels.zip(weights.chunks_exact(kernel * kernel)) {
            let plane = x.plane(n, channel);
            for ky in 0..kernel {
                let Some(y) = window.place(row, ky, shape.height) else { continue };
                for kx in 0..kernel {
                    let Some(x) = window.place(column, kx, shape.width) else { continue };
                    sum += f64::from(weights[ky * kernel + kx]) * f64::from(plane[y * shape.width + x]);
                }
            }
        }
        sum
    }
}
