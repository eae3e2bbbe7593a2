//! A convolution's gradient with respect to its weight: a product whose sums go over the pixels.
//!
//! ```text
//!   y[o, ky, kx, i] = Σ_{n, p} g[n, p, o] · x[n, stride · p + (ky, kx) − padding, i]
//! ```
//!
//! Of a map the numbers under a row of the kernel are one run, (kx, i); so of each pixel a piece of g times that run goes
//! to as many sums, some outputs times some vectors of the run at a time. Pixels are cut into slices by the shape alone,
//! each slice has sums of its own, and these are added slice by slice: the same bits whatever the number of threads.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::map::Map;
use super::vectors::{self, LANES};
use super::{winograd, winograd_weight_gradient};
use crate::graph::Conv2d;
use crate::tensor::Shape;

/// The most slices, and the fewest pixels of one.
const MOST_SLICES: usize = 32;
const LEAST_PIXELS: usize = 512;

/// Numbers of x and of g that are read again and again while they stay in a core's L1 cache.
const BLOCK_LEN: usize = 10_000;

/// How the pixels are cut, and where sums stand.
#[derive(Clone, Copy, Debug)]
struct Cut {
    conv: [usize; 3],
    groups: usize,
    input: Shape,
    output: Shape,
    /// Numbers of a run, padded to whole vectors of the widest kind.
    run: usize,
    slices: usize,
}

impl Cut {
    fn new(op: &Conv2d, input: Shape, output: Shape) -> Self {
        let within = input.channels / op.groups;
        let run =
            if op.groups == 1 { (op.kernel * within).next_multiple_of(LANES) } else { op.kernel * within };
        let slices = slices(output, LEAST_PIXELS, output.batch * output.height);
        Self { conv: [op.kernel, op.stride, op.padding], groups: op.groups, input, output, run, slices }
    }

    /// Numbers of a slice's sums.
    fn len(&self) -> usize {
        self.output.channels * self.conv[0] * self.run
    }
}

/// How many slices an output of so many pieces is cut into, where one should have so many pixels at least.
pub(super) fn slices(output: Shape, least_pixels: usize, pieces: usize) -> usize {
    (output.batch * output.pixels() / least_pixels).min(MOST_SLICES).min(pieces).max(1)
}

/// The memory that [`conv2d_weight_gradient`] needs for sums.
pub(super) fn scratch(op: &Conv2d, x: Shape, g: Shape) -> Shape {
    if winograd::pays(op, x.channels, g.channels) {
        return winograd_weight_gradient::scratch(x, g);
    }
    let cut = Cut::new(op, x, g);
    Shape::new(cut.slices, cut.len(), 1, 1)
}

/// Writes `y`, `[out, in / groups, k, k]`.
pub(super) fn conv2d_weight_gradient(op: &Conv2d, x: &Map, g: &Map, sums: &mut Map, y: &mut Map) {
    if winograd::pays(op, x.shape().channels, g.shape().channels) {
        return winograd_weight_gradient::weight_gradient(x, g, sums, y);
    }
    let cut = Cut::new(op, x.shape(), g.shape());
    let rows = cut.output.batch * cut.output.height;
    let first = |slice: usize| slice * rows / cut.slices;
    sums.values_mut().par_chunks_mut(cut.len()).enumerate().for_each_init(
        Vec::new,
        |lines, (slice, sums)| {
            sums.fill(0.0);
            let (mut row, end) = (first(slice), first(slice + 1));
            while row < end {
                let (n, at) = (row / cut.output.height, row % cut.output.height);
                let count = cut.rows_of_a_block().min(end - row).min(cut.output.height - at);
                cut.copy_lines(x, n, at, count, lines);
                let len = cut.output.width * cut.output.channels;
                let g = &g.picture(n)[at * len..(at + count) * len];
                vectors::arch().dispatch(Block { cut: &cut, rows: count, lines, g, sums });
                row += count;
            }
        },
    );
    let (run, within) = (cut.run, op.kernel * cut.input.channels / cut.groups);
    let sums = sums.values();
    y.values_mut().par_chunks_mut(within.max(1)).enumerate().for_each(|(index, y)| {
        y.copy_from_slice(&sums[index * run..][..within]);
        for slice in sums.chunks_exact(cut.len()).skip(1) {
            y.iter_mut().zip(&slice[index * run..]).for_each(|(y, sum)| *y += sum);
        }
    });
}

impl Cut {
    fn rows_of_a_block(&self) -> usize {
        let row = self.output.width * (self.input.channels * self.conv[1] + self.output.channels);
        (BLOCK_LEN / row.max(1)).max(1)
    }

    /// Numbers of a line: a row of the picture between zeros, and what the last run reads past its end.
    fn line(&self) -> usize {
        (self.input.width + 2 * self.conv[2]) * self.input.channels + Products::BEHIND
    }

    /// Copies the lines that `count` rows of the output see from row `at` on.
    fn copy_lines(&self, x: &Map, n: usize, at: usize, count: usize, lines: &mut Vec<f32>) {
        let ([kernel, stride, padding], len) = (self.conv, self.line());
        let (needed, row) = ((count - 1) * stride + kernel, self.input.width * self.input.channels);
        if lines.len() < needed * len {
            lines.resize(needed * len, 0.0); // what is around the rows stays zero
        }
        for (index, line) in lines.chunks_exact_mut(len).take(needed).enumerate() {
            let line = &mut line[padding * self.input.channels..][..row];
            let from = (at * stride + index).checked_sub(padding).filter(|from| *from < self.input.height);
            match from {
                Some(from) => line.copy_from_slice(x.row(n, from)),
                None => line.fill(0.0),
            }
        }
    }
}

/// Products of rows of numbers, added up: `sums[o][i] += Σ_r g[r][o] · x[r][i]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Products {
    /// How many numbers have to lie behind the last row of x. What they are is no matter.
    pub(super) const BEHIND: usize = LANES * 4;

    /// The gradient of a convolution of 1×1 over a row of as many pixels.
    fn cut(self) -> Cut {
        let [input, output] =
            [self.inputs, self.outputs].map(|channels| Shape::new(1, channels, 1, self.rows));
        Cut::new(&Conv2d { padding: 0, ..Conv2d::same(1) }, input, output)
    }

    /// How many sums there are: an output has a whole number of the widest vectors.
    pub(super) fn len(self) -> usize {
        self.cut().len()
    }

    pub(super) fn add(self, x: &[f32], g: &[f32], sums: &mut [f32]) {
        vectors::arch().dispatch(Block { cut: &self.cut(), rows: 1, lines: x, g, sums });
    }
}

/// Some rows of one picture.
struct Block<'a> {
    cut: &'a Cut,
    rows: usize,
    lines: &'a [f32],
    g: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Cut { groups, input, output, .. } = *self.cut;
        if groups > 1 && groups == input.channels && groups == output.channels {
            return self.depthwise(simd);
        }
        if groups > 1 {
            return self.grouped(simd);
        }
        let vectors = self.cut.run / S::F32_LANES;
        let most = if S::REGISTER_COUNT < 32 { 3 } else { 4 };
        let count = vectors.div_ceil(most);
        let mut first = 0;
        for index in 0..count {
            let vectors = vectors / count + usize::from(index < vectors % count);
            match (vectors, S::REGISTER_COUNT < 32) {
                (1, true) => self.column::<S, 1, 8>(simd, first),
                (1, false) => self.column::<S, 1, 16>(simd, first),
                (2, true) => self.column::<S, 2, 6>(simd, first),
                (2, false) => self.column::<S, 2, 12>(simd, first),
                (3, true) => self.column::<S, 3, 4>(simd, first),
                (3, false) => self.column::<S, 3, 8>(simd, first),
                _ => self.column::<S, 4, 6>(simd, first),
            }
            first += vectors * S::F32_LANES;
        }
    }
}

impl Block<'_> {
    /// `VECTORS` of every run from `first` on, for all outputs.
    #[inline(always)]
    fn column<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(&mut self, simd: S, first: usize) {
        let outputs = self.cut.output.channels;
        for ky in 0..self.cut.conv[0] {
            let mut o = 0;
            while o + OUTPUTS <= outputs {
                self.tile::<S, VECTORS, OUTPUTS>(simd, ky, first, o);
                o += OUTPUTS;
            }
            while o + 4 <= outputs {
                self.tile::<S, VECTORS, 4>(simd, ky, first, o);
                o += 4;
            }
            if o + 2 <= outputs {
                self.tile::<S, VECTORS, 2>(simd, ky, first, o);
                o += 2;
            }
            if o < outputs {
                self.tile::<S, VECTORS, 1>(simd, ky, first, o);
            }
        }
    }

    /// Some outputs times some vectors, over all pixels of the block.
    #[inline(always)]
    fn tile<S: Simd, const VECTORS: usize, const OUTPUTS: usize>(
        &mut self,
        simd: S,
        ky: usize,
        first: usize,
        o: usize,
    ) {
        let Cut { conv: [kernel, stride, _], input, output, run, .. } = *self.cut;
        let (line, step) = (self.cut.line(), stride * input.channels);
        let at = |r: usize| ((o + r) * kernel + ky) * run + first;
        let width = VECTORS * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; OUTPUTS];
        for (r, sums) in sums.iter_mut().enumerate() {
            *sums = S::as_simd_f32s(&self.sums[at(r)..][..width]).0.as_chunks::<VECTORS>().0[0];
        }
        for row in 0..self.rows {
            let x = &self.lines[(row * stride + ky) * line + first..][..line - first];
            let g = &self.g[row * output.width * output.channels..][..output.width * output.channels];
            for (column, g) in g.chunks_exact(output.channels).enumerate() {
                let x = &S::as_simd_f32s(&x[column * step..][..width]).0.as_chunks::<VECTORS>().0[0];
                let g = &g[o..o + OUTPUTS];
                for r in 0..OUTPUTS {
                    let number = simd.splat_f32s(g[r]);
                    for v in 0..VECTORS {
                        sums[r][v] = simd.mul_add_e_f32s(x[v], number, sums[r][v]);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            S::as_mut_simd_f32s(&mut self.sums[at(r)..][..width]).0.copy_from_slice(sums);
        }
    }

    /// Every channel by itself: tap by tap, the channels side by side, and then where their sums belong.
    #[inline(always)]
    fn depthwise<S: Simd>(self, _: S) {
        let Cut { conv: [kernel, stride, _], output: Shape { channels, width, .. }, .. } = *self.cut;
        let mut sums = vec![0.0; kernel * kernel * channels];
        for row in 0..self.rows {
            let g = &self.g[row * width * channels..][..width * channels];
            for (tap, sums) in sums.chunks_exact_mut(channels).enumerate() {
                let line = &self.lines[(row * stride + tap / kernel) * self.cut.line()..];
                for (column, g) in g.chunks_exact(channels).enumerate() {
                    let x = &line[(column * stride + tap % kernel) * channels..][..channels];
                    sums.iter_mut().zip(x).zip(g).for_each(|((sum, x), g)| *sum += x * g);
                }
            }
        }
        for (o, of_output) in self.sums.chunks_exact_mut(kernel * kernel).enumerate() {
            let sums = sums[o..].iter().step_by(channels);
            of_output.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
        }
    }

    /// Tap by tap, each output with its group's inputs.
    #[inline(always)]
    fn grouped<S: Simd>(self, _: S) {
        let Cut { conv: [kernel, stride, _], input, output, run, groups, .. } = *self.cut;
        let (within, outputs) = (input.channels / groups, output.channels / groups);
        for row in 0..self.rows {
            let g = &self.g[row * output.width * output.channels..][..output.width * output.channels];
            for ky in 0..kernel {
                let line = &self.lines[(row * stride + ky) * self.cut.line()..];
                for (column, g) in g.chunks_exact(output.channels).enumerate() {
                    for (o, g) in g.iter().enumerate() {
                        for kx in 0..kernel {
                            let x = &line[(column * stride + kx) * input.channels + o / outputs * within..];
                            let sums = &mut self.sums[(o * kernel + ky) * run + kx * within..][..within];
                            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += g * x);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps};
    use super::*;
    use crate::graph::Operator;
    use crate::tensor::Tensor;

    /// The formula, each sum in f64 and rounded once.
    fn textbook(op: &Conv2d, x: &Tensor, g: &Tensor, weight: Shape) -> Tensor {
        let (input, output) = (x.shape(), g.shape());
        let within = |at: usize, side: usize| at.checked_sub(op.padding).filter(|at| *at < side);
        Tensor::from_fn(weight, |o, i, ky, kx| {
            let i = o / (output.channels / op.groups) * weight.channels + i;
            let mut sum = 0.0;
            for (n, p) in (0..output.batch).flat_map(|n| (0..output.pixels()).map(move |p| (n, p))) {
                let (row, column) = (p / output.width, p % output.width);
                let y = within(row * op.stride + ky, input.height);
                if let Some((y, column)) = y.zip(within(column * op.stride + kx, input.width)) {
                    let x = x.plane(n, i)[y * input.width + column];
                    sum += f64::from(x) * f64::from(g.plane(n, o)[p]);
                }
            }
            sum as f32
        })
    }

    #[test]
    fn the_product_is_the_textbook_on_awkward_shapes() {
        for (n, [inputs, outputs, groups], [height, width], [kernel, stride, padding]) in [
            (1, [3, 5, 1], [7, 5], [3, 1, 1]),
            (2, [16, 16, 1], [13, 9], [3, 1, 1]),
            (3, [20, 33, 1], [24, 24], [3, 1, 1]),
            (3, [26, 33, 1], [47, 50], [3, 1, 1]),
            (2, [24, 64, 1], [5, 101], [3, 1, 1]),
            (1, [40, 24, 1], [1, 1], [3, 1, 1]),
            (2, [64, 12, 1], [17, 40], [3, 1, 1]),
            (1, [40, 70, 1], [9, 31], [1, 1, 0]),
            (2, [7, 6, 1], [11, 12], [5, 3, 2]),
            (2, [5, 4, 1], [12, 10], [3, 2, 1]),
            (1, [5, 4, 1], [12, 11], [3, 2, 0]),
            (2, [8, 8, 8], [10, 7], [3, 1, 1]),
            (3, [19, 19, 19], [24, 40], [5, 2, 1]),
            (2, [4, 8, 4], [10, 7], [3, 1, 1]),
            (2, [8, 4, 2], [10, 7], [3, 2, 1]),
            (16, [2, 3, 1], [40, 40], [3, 1, 1]),
        ] {
            let op = Conv2d { kernel, stride, padding, groups };
            let (input, weight) =
                (Shape::new(n, inputs, height, width), Shape::new(outputs, inputs / groups, kernel, kernel));
            let output = op.infer(&[input, weight]).unwrap();
            let (x, g) = (noise(input, 1), noise(output, 2));
            let found = on_maps(&[&x, &g], weight, |maps, y| {
                let of_sums = scratch(&op, input, output);
                let mut sums = Map::new(of_sums, vec![f32::NAN; of_sums.len()]);
                conv2d_weight_gradient(&op, maps[0], maps[1], &mut sums, y);
            });
            assert_close(&found, &textbook(&op, &x, &g, weight), &format!("{op:?} of {input}"));
        }
    }
}
