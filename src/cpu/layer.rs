//! A convolution's outputs, some pixels at a time, as products of what lies under its window and its weights.
//!
//! Of a map with its channels side by side a window's row is one run of numbers. So patches are multiplied where they
//! lie; those that hang over the picture's edge are copied out, with zeros around.

use std::ops::Range;

use super::map::{Map, Unit};
use super::product::{Matrix, Panels, Rows, Segment};
use super::window::Window;
use crate::tensor::Parameter;

/// A convolution's input: maps of one size whose channels stand side by side, as of a concatenation.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    pub(super) maps: Vec<&'a Map>,
    pub(super) window: Window,
    /// Columns of the output.
    pub(super) width: usize,
}

/// A convolution's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    pub(super) weight: Weight<'a>,
    /// A number an output.
    pub(super) bias: Option<&'a [f32]>,
}

/// The numbers of a weight `[out, in, k, k]`, in the order of checkpoints or in that of maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight<'a> {
    values: &'a [f32],
    dims: [usize; 4],
    /// The first of its inputs that is read.
    start: usize,
    is_map: bool,
}

impl<'a> Weight<'a> {
    /// A parameter, from one of its inputs on.
    pub(super) fn of_parameter(numbers: &'a Parameter, start: usize) -> Self {
        let &[out, inputs, height, width] = numbers.dims() else { unreachable!("a weight has four axes") };
        Self { values: numbers.values(), dims: [out, inputs, height, width], start, is_map: false }
    }

    /// A value that was computed.
    pub(super) fn of_map(map: &'a Map) -> Self {
        Self { values: map.values(), dims: map.shape().axes(), start: 0, is_map: true }
    }

    /// Outputs, inputs, and the kernel's sides.
    pub(super) fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The number of an output, an input and a tap.
    pub(super) fn at(&self, o: usize, i: usize, tap: usize) -> f32 {
        let [_, inputs, height, width] = self.dims;
        self.values[o * inputs * height * width + self.place(i, tap)]
    }

    /// Where an input and a tap are among the numbers of an output.
    fn place(&self, i: usize, tap: usize) -> usize {
        let ([_, inputs, height, width], i) = (self.dims, self.start + i);
        if self.is_map { tap * inputs + i } else { i * height * width + tap }
    }

    /// How many numbers an output has, and where among them, tap by tap, those of `depth` inputs are.
    fn places(&self, taps: usize, depth: usize) -> (usize, Vec<usize>) {
        let places = (0..taps).flat_map(|tap| (0..depth).map(move |i| self.place(i, tap)));
        (self.dims[1..].iter().product(), places.collect())
    }
}

/// Some outputs as sums over some inputs.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Of every map the channels that are read.
    inputs: Vec<Range<usize>>,
    first_output: usize,
    panels: Panels,
}

/// What a thread keeps from unit to unit, to save allocations.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Rows and places of the patches within the picture, and those of the others.
    inner: [Vec<usize>; 2],
    outer: [Vec<usize>; 2],
    /// The others, copied.
    patches: Vec<f32>,
    /// Lists of pixels and blocks of numbers for whoever asks.
    pub(super) pixels: Vec<Vec<usize>>,
    pub(super) blocks: Vec<Vec<f32>>,
}

impl Layer {
    /// The outputs `outputs` of a convolution, of whose inputs the first are those of `inputs`: for every map its
    /// channels.
    pub(super) fn new(weights: Weights<'_>, outputs: Range<usize>, inputs: &[Range<usize>]) -> Self {
        let Weights { weight, bias } = weights;
        let [_, _, side, _] = weight.dims();
        let (taps, depth) = (side * side, inputs.iter().map(Range::len).sum::<usize>());
        let first = outputs.start;
        let start = |o: usize| bias.map_or(0.0, |bias| bias[first + o]);
        let (stride, of_row) = weight.places(taps, depth);
        let number = |k: usize, o: usize| weight.values[(first + o) * stride + of_row[k]];
        let runs: Vec<usize> = (0..taps).flat_map(|_| inputs.iter().map(Range::len)).collect();
        let size = [taps * depth, outputs.len()];
        let panels = Panels::new(&Matrix { size, runs: &runs, start, weight: number });
        Self { inputs: inputs.to_vec(), first_output: first, panels }
    }

    /// The same outputs, where there are no others.
    pub(super) fn alone(self) -> Self {
        Self { first_output: 0, ..self }
    }

    /// How many outputs it makes.
    pub(super) fn outputs(&self) -> usize {
        self.panels.outputs()
    }

    /// Writes the outputs of these runs of pixels of a unit into `y`, the unit's numbers, `channels` a pixel.
    pub(super) fn fill(
        &self,
        input: &Input<'_>,
        unit: &Unit,
        runs: impl Iterator<Item = Range<usize>>,
        (y, channels): (&mut [f32], usize),
        scratch: &mut Scratch,
    ) {
        self.sort(input, unit, runs, scratch);
        let Scratch { inner, outer, patches, .. } = scratch;
        let depth = patches.len() / outer[0].len().max(1);
        let copied = [Segment { values: patches, stride: depth, at: 0, len: depth }];
        for (segments, [bases, places]) in [(&self.segments(input, unit.n)[..], inner), (&copied[..], outer)]
        {
            if !bases.is_empty() {
                let rows = Rows { segments, bases, places, stride: channels, first: self.first_output };
                self.panels.multiply(&rows, y);
            }
        }
    }

    /// Notes which patches lie within the picture, and copies the others.
    fn sort(
        &self,
        input: &Input<'_>,
        unit: &Unit,
        runs: impl Iterator<Item = Range<usize>>,
        Scratch { inner, outer, patches, .. }: &mut Scratch,
    ) {
        inner.iter_mut().chain(outer.iter_mut()).for_each(Vec::clear);
        patches.clear();
        let ([rows, columns], Window { stride, padding, .. }) = (input.inner(), input.window);
        for run in runs {
            let mut p = run.start;
            while p < run.end {
                let (row, start) = (p / input.width, p % input.width);
                let end = input.width.min(start + run.end - p);
                let place = |column: usize| p + column - start - unit.pixels.start;
                let mut within = start..start;
                if rows.contains(&row) {
                    within = columns.start.clamp(start, end)..columns.end.clamp(start, end);
                    let corner = |x| (stride * row - padding) * input.maps[0].shape().width + x - padding;
                    inner[0].extend(within.clone().map(|column| corner(stride * column)));
                    inner[1].extend(within.clone().map(place));
                }
                for column in (start..within.start).chain(within.end..end) {
                    self.copy(input, unit.n, [row, column], patches);
                    outer[0].push(outer[0].len());
                    outer[1].push(place(column));
                }
                p += end - start;
            }
        }
    }

    /// Where the rows of a patch within the picture lie, from its corner on.
    fn segments<'a>(&self, input: &Input<'a>, n: usize) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        for ky in 0..input.window.kernel {
            if let ([map], [read]) = (&input.maps[..], &self.inputs[..])
                && *read == (0..map.shape().channels)
            {
                let (stride, at) = (read.len(), ky * map.shape().width * read.len());
                let len = input.window.kernel * read.len();
                segments.push(Segment { values: map.picture(n), stride, at, len });
                continue;
            }
            for kx in 0..input.window.kernel {
                for (map, read) in input.maps.iter().zip(&self.inputs) {
                    let stride = map.shape().channels;
                    let at = (ky * map.shape().width + kx) * stride + read.start;
                    segments.push(Segment { values: map.picture(n), stride, at, len: read.len() });
                }
            }
        }
        segments
    }

    /// Appends the patch of an output pixel.
    fn copy(&self, input: &Input<'_>, n: usize, [row, column]: [usize; 2], patches: &mut Vec<f32>) {
        let (window, shape) = (input.window, input.maps[0].shape());
        if let ([map], [read]) = (&input.maps[..], &self.inputs[..])
            && *read == (0..shape.channels)
        {
            return copy_runs(map, window, n, [row, column], patches);
        }
        for (ky, kx) in (0..window.kernel).flat_map(|ky| (0..window.kernel).map(move |kx| (ky, kx))) {
            let (y, x) = (window.place(row, ky, shape.height), window.place(column, kx, shape.width));
            for (map, read) in input.maps.iter().zip(&self.inputs) {
                match y.zip(x) {
                    Some((y, x)) => {
                        let pixel = &map.row(n, y)[x * map.shape().channels..][..map.shape().channels];
                        patches.extend_from_slice(&pixel[read.clone()]);
                    }
                    None => patches.resize(patches.len() + read.len(), 0.0),
                }
            }
        }
    }
}

/// Appends the patch of an output pixel, of whose rows the pixels within the picture are one run.
fn copy_runs(map: &Map, window: Window, n: usize, [row, column]: [usize; 2], patches: &mut Vec<f32>) {
    let (shape, start) = (map.shape(), window.stride * column);
    let first = window.padding.saturating_sub(start).min(window.kernel);
    let end = (shape.width + window.padding).saturating_sub(start).min(window.kernel).max(first);
    for ky in 0..window.kernel {
        let after = patches.len() + window.kernel * shape.channels;
        if let Some(y) = window.place(row, ky, shape.height).filter(|_| first < end) {
            patches.resize(patches.len() + first * shape.channels, 0.0);
            let from = (start + first - window.padding) * shape.channels;
            patches.extend_from_slice(&map.row(n, y)[from..from + (end - first) * shape.channels]);
        }
        patches.resize(after, 0.0);
    }
}

impl Input<'_> {
    /// The rows and columns of the output whose windows lie within the picture.
    fn inner(&self) -> [Range<usize>; 2] {
        let (Window { kernel, stride, padding }, shape) = (self.window, self.maps[0].shape());
        [shape.height, shape.width].map(|length| {
            let first = padding.div_ceil(stride);
            let end = (length + padding).checked_sub(kernel).map_or(0, |room| room / stride + 1);
            first..end.max(first)
        })
    }
}
