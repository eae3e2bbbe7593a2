//! Convolutions as matrix products: `weight · columns`, a band of pixels at a time.

use std::ops::Range;

use rayon::prelude::*;

use super::bands::{Band, bands};
use super::im2col::{Run, masked_runs, runs};
use super::matrix::{Matrix, multiply};
use super::window::{Patches, Window};
use crate::tensor::{Parameter, Shape, Tensor};

/// A convolution and its input.
pub(super) struct Product<'a> {
    pub(super) x: &'a Tensor,
    /// `[out, in / groups, k, k]`.
    pub(super) weight: &'a Parameter,
    pub(super) window: Window,
}

/// Some outputs' sums over some inputs of one group, at some pixels.
#[derive(Clone)]
pub(super) struct Part<'a> {
    pub(super) outputs: Range<usize>,
    pub(super) inputs: Range<usize>,
    pub(super) bias: Option<&'a Parameter>,
    /// Where it is wanted; everywhere, if there is none.
    pub(super) mask: Option<&'a Tensor>,
}

/// What a thread keeps from band to band, to save allocations.
#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    sums: Vec<f32>,
}

impl Product<'_> {
    /// The sum of the parts; zero where there is none.
    pub(super) fn sum(&self, parts: &[Part<'_>], output: Shape) -> Tensor {
        let mut y = Tensor::zeros(output);
        let bands = bands(&mut y, self.weight.dims()[1] * self.taps());
        bands.into_par_iter().for_each_init(Scratch::default, |scratch, mut band| {
            for part in parts {
                let runs = match part.mask {
                    None => runs(band.pixels.clone(), output.width),
                    Some(mask) => masked_runs(band.pixels.clone(), output.width, mask.plane(band.n, 0)),
                };
                if !runs.is_empty() && !part.is_empty() {
                    self.add(part, &runs, &mut band, scratch);
                }
            }
        });
        y
    }

    /// Adds a part to the pixels of `runs`.
    fn add(&self, part: &Part<'_>, runs: &[Run], band: &mut Band<'_>, scratch: &mut Scratch) {
        let Scratch { columns, sums } = scratch;
        let columns = self.columns(part.inputs.clone(), band.n, runs, columns);
        sums.resize(part.outputs.len() * columns.columns(), 0.0);
        multiply(self.weight(part), columns, sums);
        for (o, mut sums) in part.outputs.clone().zip(sums.chunks_exact(columns.columns())) {
            let bias = part.bias.map_or(0.0, |bias| bias.values()[o]);
            for ys in band.channel(o, runs) {
                let sums = sums.split_off(..ys.len()).expect("a sum for every pixel of every run");
                ys.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum + bias);
            }
        }
    }

    /// The columns of the pixels in `runs`. For a 1×1 convolution at neighbouring pixels that is the
    /// input, as it lies there.
    fn columns<'b>(
        &'b self,
        inputs: Range<usize>,
        n: usize,
        runs: &[Run],
        columns: &'b mut Vec<f32>,
    ) -> Matrix<'b> {
        let (x, window) = (self.x, self.window);
        let pixels = runs.iter().map(Run::len).sum();
        let neighbours = runs.windows(2).all(|pair| pair[0].end() == pair[1].start());
        if neighbours && matches!(window, Window { kernel: 1, stride: 1, padding: 0 }) {
            let start = (n * x.shape().channels + inputs.start) * x.shape().pixels() + runs[0].start();
            let values = x.values().get(start..).unwrap_or_default(); // of no inputs, perhaps past the end
            return Matrix::new(values, inputs.len(), pixels, x.shape().pixels());
        }
        let rows = inputs.len() * self.taps();
        Patches { x, n, window }.im2col(inputs, runs, columns);
        Matrix::new(columns, rows, pixels, pixels)
    }

    /// A part's rows and columns of the weight, where they lie.
    fn weight(&self, part: &Part<'_>) -> Matrix<'_> {
        let (inputs, taps) = (self.weight.dims()[1], self.taps());
        let start = (part.outputs.start * inputs + part.inputs.start % inputs) * taps;
        let values = &self.weight.values()[start..];
        Matrix::new(values, part.outputs.len(), part.inputs.len() * taps, inputs * taps)
    }

    fn taps(&self) -> usize {
        self.window.kernel * self.window.kernel
    }
}

impl Part<'_> {
    /// Whether it adds nothing.
    fn is_empty(&self) -> bool {
        self.outputs.is_empty() || self.inputs.is_empty() && self.bias.is_none()
    }
}
