//! Attention, set by set of the pixels that attend to each other: scores, the softmax, and what the shares weigh.
//!
//! A set is computed alone and always in the same order, so what a pixel gets depends on its set and on nothing else. Tokens
//! that ask stand in the lanes of vectors (`queries`), some of them at a time.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::map::Map;
use super::offsets::{OfWidth, Offsets};
use super::queries::{CHANNELS, Lanes, Lines, SCALARS, VECTORS, exponentials, in_lanes, in_lanes_mut};
use super::queries::{lanes, products, weighted};
use super::vectors;
use crate::graph::{Among, Attention};
use crate::tensor::Shape;

/// How many tokens ask at a time: all of an 8×8 window, and no more scores than 64 rows of a long run.
pub(super) const ROWS: usize = 64;

/// Pixels that attend to each other.
pub(super) enum Set {
    Window { rows: Range<usize>, columns: Range<usize> },
    Run(Range<usize>),
}

/// `table` holds the biases of windows.
pub(super) fn attention(op: &Attention, table: &[f32], x: &Map, y: &mut Map) {
    let output = y.shape();
    let sets = sets(op, output);
    let offsets = Offsets::new(op, table, &sets);
    // What every picture and set gives, token by token.
    let task = |scratch: &mut Scratch, at: usize| {
        let set = &sets[at % sets.len()];
        let tokens = Tokens { op, x, n: at / sets.len(), pixels: &set.pixels(output.width) };
        tokens.attended(offsets.of(offsets.index(set)), scratch)
    };
    let all = (0..output.batch * sets.len()).into_par_iter();
    let made: Vec<Vec<f32>> = all.map_init(Scratch::default, task).collect();
    write(&sets, &made, y);
}

/// Puts numbers of the pixels of every picture and set, pixel by pixel, to where they belong.
pub(super) fn write(sets: &[Set], made: &[Vec<f32>], y: &mut Map) {
    let Shape { channels, width, .. } = y.shape();
    let picture = (y.shape().pixels() * channels).max(1);
    for (y, made) in y.values_mut().chunks_exact_mut(picture).zip(made.chunks_exact(sets.len())) {
        for (set, made) in sets.iter().zip(made) {
            let mut rest = &made[..];
            for line in set.lines(width) {
                let (own, behind) = rest.split_at(line.len() * channels);
                y[line.start * channels..line.end * channels].copy_from_slice(own);
                rest = behind;
            }
        }
    }
}

/// All sets of a picture; every pixel is in one.
pub(super) fn sets(op: &Attention, shape: Shape) -> Vec<Set> {
    match op.among {
        Among::Windows { size, shift } => {
            // The first window begins at the corner, or ends `shift` pixels from it.
            let cuts = |side: usize, size: usize, shift: usize| {
                let first = if shift == 0 { size } else { shift };
                let starts = std::iter::once(0).chain((first..side).step_by(size));
                starts.map(move |start| start..if start == 0 { first } else { start + size }.min(side))
            };
            cuts(shape.height, size[0], shift[0])
                .flat_map(|rows| {
                    cuts(shape.width, size[1], shift[1])
                        .map(move |columns| Set::Window { rows: rows.clone(), columns })
                })
                .collect()
        }
        Among::Runs { count } => {
            let (pixels, length) = (shape.pixels(), (shape.pixels() / count).max(1));
            let run = |start: usize| Set::Run(start..pixels.min(start + length));
            (0..pixels).step_by(length).map(run).collect()
        }
    }
}

impl Set {
    /// Its pixels in raster order, as ranges of a plane.
    pub(super) fn lines(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let (rows, columns) = match self {
            Self::Window { rows, columns } => (rows.clone(), columns.clone()),
            Self::Run(pixels) => (0..1, pixels.clone()),
        };
        rows.map(move |row| row * width + columns.start..row * width + columns.end)
    }

    /// The same, one by one.
    pub(super) fn pixels(&self, width: usize) -> Vec<usize> {
        self.lines(width).flatten().collect()
    }

    /// Columns of a window.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Window { columns, .. } => columns.len(),
            Self::Run(_) => 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Window { rows, columns } => rows.len() * columns.len(),
            Self::Run(pixels) => pixels.len(),
        }
    }
}

/// The pixels of one set.
pub(super) struct Tokens<'a> {
    pub(super) op: &'a Attention,
    /// Queries, keys and values.
    pub(super) x: &'a Map,
    pub(super) n: usize,
    pub(super) pixels: &'a [usize],
}

/// The channels of some pixels that belong to one head.
#[derive(Clone, Copy)]
pub(super) struct Channels<'a> {
    pub(super) picture: &'a [f32],
    /// Numbers of a pixel, and which of them.
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) depth: usize,
}

/// What is asked by one head, and how.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) queries: Channels<'a>,
    pub(super) scale: f32,
    /// A row a token.
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
    /// What scores begin with.
    pub(super) starts: &'a [f32],
    pub(super) places: &'a [usize],
    is_window: bool,
}

impl Head<'_> {
    /// Where that is for the tokens that ask from this one on, but for their places.
    pub(super) fn start(&self, token: usize) -> usize {
        if self.is_window { token } else { 0 }
    }
}

impl<'a> Tokens<'a> {
    /// Channels of a head.
    pub(super) fn depth(&self) -> usize {
        self.x.shape().channels / 3 / self.op.heads
    }

    /// Queries, keys or values of a head.
    pub(super) fn part(&self, part: usize, head: usize) -> Channels<'a> {
        let (stride, depth) = (self.x.shape().channels, self.depth());
        let first = part * stride / 3 + head * depth;
        Channels { picture: self.x.picture(self.n), stride, first, depth }
    }

    /// Keys, or values, of all heads, a row a token, with zeros up to a whole number of [`CHANNELS`].
    pub(super) fn rows(&self, part: usize, rows: &mut Vec<f32>) {
        let (depth, channels) = (self.depth(), self.x.shape().channels / 3);
        let padded = depth.next_multiple_of(CHANNELS);
        let (picture, len) = (self.x.picture(self.n), self.pixels.len() * padded);
        if depth < padded {
            rows.clear();
        }
        rows.resize(self.op.heads * len, 0.0);
        for (token, pixel) in self.pixels.iter().enumerate() {
            let numbers = &picture[3 * pixel * channels + part * channels..][..channels];
            for (numbers, rows) in numbers.chunks_exact(depth).zip(rows.chunks_exact_mut(len)) {
                let rows = &mut rows[token * padded..][..padded];
                match (<&[f32; CHANNELS]>::try_from(numbers), <&mut [f32; CHANNELS]>::try_from(&mut *rows)) {
                    (Ok(numbers), Ok(rows)) => *rows = *numbers,
                    _ => rows[..depth].copy_from_slice(numbers),
                }
            }
        }
    }

    /// A head of those whose keys and values these are.
    pub(super) fn head<'b>(
        &'b self,
        [keys, values]: [&'b [f32]; 2],
        offsets: &'b OfWidth,
        head: usize,
    ) -> Head<'b> {
        let len = keys.len() / self.op.heads;
        let [keys, values] = [keys, values].map(|rows| &rows[head * len..][..len]);
        Head {
            queries: self.part(0, head),
            scale: self.op.scale,
            keys,
            values,
            starts: offsets.of_head(offsets.numbers(), head),
            places: &offsets.places[..self.pixels.len()],
            is_window: matches!(self.op.among, Among::Windows { .. }),
        }
    }

    /// `softmax(scale · Q Kᵀ + offsets) V` of all heads, token by token.
    fn attended(&self, offsets: &OfWidth, scratch: &mut Scratch) -> Vec<f32> {
        let Scratch { keys, values, of_block } = scratch;
        self.rows(1, keys);
        self.rows(2, values);
        let (depth, stride) = (self.depth(), self.depth() * self.op.heads);
        let mut made = vec![0.0; self.pixels.len() * stride];
        let fill = |scratch: &mut OfBlock, block: usize, made: &mut [f32]| {
            let first = block * ROWS;
            for head in 0..self.op.heads {
                let pixels = &self.pixels[first..][..made.len() / stride];
                let place = Place { stride, first: head * depth, depth };
                let head = self.head([&*keys, &*values], offsets, head);
                vectors::arch().dispatch(Forwards { head, first, pixels, scratch, made, place });
            }
        };
        if self.pixels.len() <= ROWS {
            fill(of_block, 0, &mut made);
        } else {
            let blocks = made.par_chunks_mut(ROWS * stride).enumerate();
            blocks.for_each_init(OfBlock::default, |scratch, (block, made)| fill(scratch, block, made));
        }
        made
    }
}

impl Channels<'_> {
    /// Of a pixel.
    fn of(&self, pixel: usize) -> &[f32] {
        &self.picture[pixel * self.stride + self.first..][..self.depth]
    }

    /// Columns of blocks of so many lanes, times a factor; zeros behind the last channel and the last pixel.
    #[inline(always)]
    pub(super) fn columns(&self, lanes: usize, pixels: &[usize], factor: f32, columns: &mut [f32]) {
        let padded = self.depth.next_multiple_of(CHANNELS);
        if self.depth < padded || !pixels.len().is_multiple_of(lanes) {
            columns.fill(0.0);
        }
        for (columns, pixels) in columns.chunks_exact_mut(padded * lanes).zip(pixels.chunks(lanes)) {
            for (lane, pixel) in pixels.iter().enumerate() {
                let (fours, rest) = self.of(*pixel).as_chunks::<CHANNELS>();
                for (columns, numbers) in columns.chunks_exact_mut(CHANNELS * lanes).zip(fours) {
                    for c in 0..CHANNELS {
                        columns[c * lanes + lane] = numbers[c] * factor;
                    }
                }
                for (c, number) in (fours.len() * CHANNELS..).zip(rest) {
                    columns[c * lanes + lane] = number * factor;
                }
            }
        }
    }
}

/// Where what is made of a head lies among a token's numbers.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) depth: usize,
}

impl Place {
    /// Writes columns of channels from the part `part` of them on, times a factor a lane, for the tokens that `made` has.
    #[inline(always)]
    pub(super) fn write<S: Simd, const V: usize>(
        &self,
        simd: S,
        part: usize,
        columns: &[Lanes<S, V>; CHANNELS],
        factor: Lanes<S, V>,
        made: &mut [f32],
    ) {
        let mut scaled = *columns;
        for column in &mut scaled {
            for (numbers, factor) in column.iter_mut().zip(factor) {
                *numbers = simd.mul_f32s(*numbers, factor);
            }
        }
        let numbers: &[f32] = bytemuck::cast_slice(scaled.as_flattened());
        let width = CHANNELS.min(self.depth - part * CHANNELS);
        for (lane, made) in made.chunks_exact_mut(self.stride).enumerate().take(lanes::<S, V>()) {
            let made = &mut made[self.first + part * CHANNELS..][..width];
            let numbers = std::array::from_fn(
                #[inline(always)]
                |c| numbers[c * lanes::<S, V>() + lane],
            );
            match <&mut [f32; CHANNELS]>::try_from(&mut *made) {
                Ok(made) => *made = numbers,
                Err(_) => made.copy_from_slice(&numbers[..width]),
            }
        }
    }
}

/// What a thread keeps from set to set.
#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    of_block: OfBlock,
}

/// And from head to head.
#[derive(Default)]
struct OfBlock {
    columns: Lines,
    scores: Lines,
}

/// A head, for some tokens that ask, from the `first` on.
struct Forwards<'a> {
    head: Head<'a>,
    first: usize,
    pixels: &'a [usize],
    scratch: &'a mut OfBlock,
    made: &'a mut [f32],
    place: Place,
}

impl WithSimd for Forwards<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::IS_SCALAR { self.run::<S, SCALARS>(simd) } else { self.run::<S, VECTORS>(simd) }
    }
}

impl Forwards<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { head, first, pixels, scratch, made, place } = self;
        let (lanes, keys) = (lanes::<S, V>(), head.places.len());
        let parts = place.depth.div_ceil(CHANNELS);
        let columns = scratch.columns.of_len(parts * CHANNELS * lanes);
        let scores = in_lanes_mut::<S, V>(scratch.scores.of_len(keys * lanes));
        for (block, pixels) in pixels.chunks(lanes).enumerate() {
            head.queries.columns(lanes, pixels, head.scale, columns);
            let starts = &head.starts[head.start(first + block * lanes)..];
            products(simd, in_lanes::<S, V>(columns), head.keys, (starts, head.places), scores);
            let factor = exponentials(simd, scores);
            let made = &mut made[block * lanes * place.stride..];
            for part in 0..parts {
                let columns = weighted(simd, scores, head.values, [part, parts]);
                place.write(simd, part, &columns, factor, made);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps, parameter};
    use super::*;
    use crate::tensor::Tensor;

    /// The set that pixel (y, x) is in, as the corner of its window or the number of its run.
    fn set_of(op: &Attention, shape: Shape, [y, x]: [usize; 2]) -> [isize; 2] {
        match op.among {
            Among::Windows { size, shift } => [0, 1]
                .map(|axis| ([y, x][axis] as isize - shift[axis] as isize).div_euclid(size[axis] as isize)),
            Among::Runs { count } => [((y * shape.width + x) / (shape.pixels() / count).max(1)) as isize, 0],
        }
    }

    /// [`Attention`]'s formula, pixel by pixel, in f64.
    fn by_definition(op: &Attention, table: &[f32], x: &Tensor, shape: Shape) -> Tensor {
        let depth = shape.channels / op.heads;
        let number = |part: usize, n: usize, c: usize, [y, column]: [usize; 2]| {
            f64::from(x.plane(n, part * shape.channels + c)[y * shape.width + column])
        };
        Tensor::from_fn(shape, |n, c, y, x| {
            let (head, p) = (c / depth, [y, x]);
            let (mut sum, mut weighted) = (0.0, 0.0);
            for q in (0..shape.pixels()).map(|q| [q / shape.width, q % shape.width]) {
                if set_of(op, shape, p) != set_of(op, shape, q) {
                    continue;
                }
                let channels = head * depth..(head + 1) * depth;
                let product: f64 = channels.map(|c| number(0, n, c, p) * number(1, n, c, q)).sum();
                let bias = match &op.among {
                    Among::Windows { size, .. } => {
                        let [dy, dx] = [0, 1].map(|axis| p[axis] + size[axis] - 1 - q[axis]);
                        table[(dy * (2 * size[1] - 1) + dx) * op.heads + head]
                    }
                    Among::Runs { .. } => 0.0,
                };
                let weight = (f64::from(op.scale) * product + f64::from(bias)).exp();
                sum += weight;
                weighted += weight * number(2, n, c, q);
            }
            (weighted / sum) as f32
        })
    }

    #[test]
    fn products_of_matrices_do_what_the_formula_says() {
        let oblong = |heads, size, shift| {
            let among = Among::Windows { size, shift };
            Attention { heads, scale: 0.7, among }
        };
        let windows = |heads, size, shift| oblong(heads, [size; 2], [shift; 2]);
        let runs = |heads, count| Attention { heads, scale: 2.0, among: Among::Runs { count } };
        let cases = [
            (windows(1, 4, 0), [1, 1, 1]),
            (windows(2, 4, 2), [3, 8, 12]),
            (windows(3, 4, 1), [2, 7, 5]),
            (windows(2, 5, 2), [1, 10, 5]),
            (windows(1, 9, 4), [2, 20, 18]),
            (windows(2, 3, 2), [1, 1, 2]),
            (windows(1, 1, 0), [2, 2, 3]),
            (oblong(2, [2, 5], [1, 2]), [3, 7, 12]),
            (oblong(1, [6, 3], [0, 1]), [2, 13, 7]),
            (oblong(2, [1, 9], [0, 4]), [1, 3, 20]),
            (runs(2, 4), [3, 5, 7]),
            (runs(1, 4), [1, 1, 3]),
            (runs(3, 2), [2, 13, 11]),
            (runs(1, 1), [4, 12, 9]),
        ];
        for (op, [depth, height, width]) in cases {
            let output = Shape::new(2, op.heads * depth, height, width);
            let x = noise(output.with_channels(3 * output.channels), 2);
            let case = format!("{:?} {:?} {output}", op.heads, op.among);
            let table = match op.among {
                Among::Windows { size, .. } => {
                    parameter([size.map(|side| 2 * side - 1).iter().product(), op.heads], 1)
                }
                Among::Runs { .. } => parameter([0], 1),
            };
            let table = table.values();
            let found = on_maps(&[&x], output, |x, y| attention(&op, table, x[0], y));
            assert_close(&found, &by_definition(&op, table, &x, output), &case);
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let op = Attention { heads: 1, scale: 1.0, among: Among::Runs { count: 1 } };
        let found = |query: f32| {
            let numbers = vec![query, query, query, 1.0, 1.0, -1.0, 0.0, 1.0, 7.0];
            let x = Tensor::new(Shape::new(1, 3, 1, 3), numbers);
            on_maps(&[&x], Shape::new(1, 1, 1, 3), |x, y| attention(&op, &[], x[0], y)).into_values()
        };
        assert_eq!(found(1e30), [0.5; 3]);
        assert_eq!(found(-1e30), [7.0; 3]);
        assert!(found(f32::NAN).iter().all(|number| number.is_nan()));
    }
}
