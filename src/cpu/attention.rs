//! Attention: two products of matrices, and between them the softmax, some rows of tokens at a time.
//!
//! A set of pixels that attend to each other is computed alone and always in the same order, so what a pixel gets
//! depends on its set and on nothing else.

use std::ops::Range;

use rayon::prelude::*;

use super::map::Map;
use super::product::{Panels, Rows, Segment};
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
    let depth = output.channels / op.heads;
    let sets = sets(op, output);
    let offsets: Vec<Offsets> = (0..op.heads).map(|head| Offsets::new(op, table, head)).collect();
    // What every picture, set and head gives: `depth` numbers a token, token by token.
    let task = |at: usize| {
        let (n, set, head) = (at / op.heads / sets.len(), &sets[at / op.heads % sets.len()], at % op.heads);
        let scores = Scores { scale: op.scale, set, offsets: &offsets[head] };
        Tokens::new(x, n, head * depth, depth, set).attended(&scores)
    };
    let made: Vec<Vec<f32>> = (0..output.batch * sets.len() * op.heads).into_par_iter().map(task).collect();
    let picture = output.pixels() * output.channels;
    for (y, made) in y.values_mut().chunks_exact_mut(picture).zip(made.chunks_exact(sets.len() * op.heads)) {
        for (at, made) in made.iter().enumerate() {
            let first = at % op.heads * depth;
            let pixels = sets[at / op.heads].lines(output.width).flatten();
            for (pixel, made) in pixels.zip(made.chunks_exact(depth)) {
                y[pixel * output.channels + first..][..depth].copy_from_slice(made);
            }
        }
    }
}

/// All sets of a picture; every pixel is in one.
pub(super) fn sets(op: &Attention, shape: Shape) -> Vec<Set> {
    match op.among {
        Among::Windows { size, shift } => {
            // The first window begins at the corner, or ends `shift` pixels from it.
            let cuts = |side: usize| {
                let first = if shift == 0 { size } else { shift };
                let starts = std::iter::once(0).chain((first..side).step_by(size));
                starts.map(move |start| start..if start == 0 { first } else { start + size }.min(side))
            };
            cuts(shape.height)
                .flat_map(|rows| {
                    cuts(shape.width).map(move |columns| Set::Window { rows: rows.clone(), columns })
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

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Window { rows, columns } => rows.len() * columns.len(),
            Self::Run(pixels) => pixels.len(),
        }
    }
}

/// What is added to the scores of one head, by the way from one pixel to the other.
pub(super) struct Offsets {
    /// The window's side; none for runs.
    size: usize,
    /// The table from its end, so that what belongs to neighbours in a row stands in their order.
    reversed: Vec<f32>,
}

impl Offsets {
    pub(super) fn new(op: &Attention, table: &[f32], head: usize) -> Self {
        let Among::Windows { size, .. } = &op.among else { return Self { size: 0, reversed: vec![] } };
        let table = table.iter().skip(head).step_by(op.heads);
        Self { size: *size, reversed: table.rev().copied().collect() }
    }

    /// Adds to the scores of token `p` of a set with all of them.
    fn add(&self, set: &Set, p: usize, scores: &mut [f32]) {
        let Some((width, first)) = self.places(set, p) else { return };
        for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
            let offsets = &self.reversed[first(row)..];
            scores.iter_mut().zip(offsets).for_each(|(score, offset)| *score += offset);
        }
    }

    /// Adds to the sums of a table from its end what the scores of token `p` have.
    pub(super) fn collect(&self, set: &Set, p: usize, scores: &[f32], sums: &mut [f64]) {
        let Some((width, first)) = self.places(set, p) else { return };
        for (row, scores) in scores.chunks_exact(width).enumerate() {
            sums[first(row)..].iter_mut().zip(scores).for_each(|(sum, score)| *sum += f64::from(*score));
        }
    }

    /// The width of a window, and where what belongs to token `p` and a row of the window begins.
    fn places(&self, set: &Set, p: usize) -> Option<(usize, impl Fn(usize) -> usize + use<>)> {
        let Set::Window { columns, .. } = set else { return None };
        let (width, below) = (columns.len(), self.size - 1);
        let (y, x) = (p / width, p % width);
        Some((width, move |row| (below + row - y) * (2 * below + 1) + below - x))
    }
}

/// How tokens are weighed against each other.
pub(super) struct Scores<'a> {
    pub(super) scale: f32,
    pub(super) set: &'a Set,
    pub(super) offsets: &'a Offsets,
}

impl Scores<'_> {
    /// `softmax(scale · Q Kᵀ + offsets)` of the tokens from `first` on, whose queries these are, a row a token.
    pub(super) fn shares(&self, queries: &[f32], keys: &Panels, first: usize, shares: &mut [f32]) {
        let count = self.set.len();
        multiply(queries, keys, shares, shares.len() / count);
        for (row, scores) in shares.chunks_exact_mut(count).enumerate() {
            scores.iter_mut().for_each(|score| *score *= self.scale);
            self.offsets.add(self.set, first + row, scores);
            softmax(scores);
        }
    }
}

/// The numbers of one head's tokens that attend to each other, token by token.
pub(super) struct Tokens {
    depth: usize,
    pub(super) queries: Vec<f32>,
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
}

impl Tokens {
    /// Those of `set`, `depth` channels from the `first` on of the queries, of the keys and of the values.
    pub(super) fn new(x: &Map, n: usize, first: usize, depth: usize, set: &Set) -> Self {
        let part = |part: usize| gather(x, n, part * (x.shape().channels / 3) + first, depth, set);
        Self { depth, queries: part(0), keys: part(1), values: part(2) }
    }

    /// `softmax(scale · Q Kᵀ + offsets) V`, token by token.
    fn attended(&self, scores: &Scores<'_>) -> Vec<f32> {
        let Self { depth, queries, keys, values } = self;
        let (depth, count) = (*depth, scores.set.len());
        let keys = Panels::new([depth, count], |_| 0.0, |k, token| keys[token * depth + k]);
        let values = Panels::new([count, depth], |_| 0.0, |token, c| values[token * depth + c]);
        let mut made = vec![0.0; queries.len()];
        let blocks = made.par_chunks_mut(ROWS * depth).zip(queries.par_chunks(ROWS * depth)).enumerate();
        blocks.for_each_init(Vec::new, |shares, (block, (made, queries))| {
            let rows = queries.len() / depth;
            shares.resize(rows * count, 0.0);
            scores.shares(queries, &keys, block * ROWS, shares);
            multiply(shares, &values, made, rows);
        });
        made
    }
}

/// `depth` channels from the `first` on of every pixel of `set`, pixel by pixel.
pub(super) fn gather(x: &Map, n: usize, first: usize, depth: usize, set: &Set) -> Vec<f32> {
    let (channels, width, picture) = (x.shape().channels, x.shape().width, x.picture(n));
    let mut tokens = Vec::with_capacity(set.len() * depth);
    for pixel in set.lines(width).flatten() {
        tokens.extend_from_slice(&picture[pixel * channels + first..][..depth]);
    }
    tokens
}

/// `y = x · panels`, `count` rows one behind the other.
pub(super) fn multiply(x: &[f32], panels: &Panels, y: &mut [f32], count: usize) {
    let places: Vec<usize> = (0..count).collect();
    let (len, stride) = (x.len() / count, y.len() / count);
    let segments = [Segment { values: x, stride: len, at: 0, len }];
    panels.multiply(&Rows { segments: &segments, bases: &places, places: &places, stride, first: 0 }, y);
}

/// `e^score / Σ e^score`.
fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let sum: f64 = scores.iter().copied().map(f64::from).sum();
    scores.iter_mut().for_each(|score| *score = (f64::from(*score) / sum) as f32);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps, parameter};
    use super::*;
    use crate::tensor::Tensor;

    /// The set that pixel (y, x) is in, as the corner of its window or the number of its run.
    fn set_of(op: &Attention, shape: Shape, [y, x]: [usize; 2]) -> [isize; 2] {
        match op.among {
            Among::Windows { size, shift } => {
                [y, x].map(|place| (place as isize - shift as isize).div_euclid(size as isize))
            }
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
                        let [dy, dx] = [0, 1].map(|axis| p[axis] + size - 1 - q[axis]);
                        table[(dy * (2 * size - 1) + dx) * op.heads + head]
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
        let windows = |heads, size, shift| {
            let among = Among::Windows { size, shift };
            Attention { heads, scale: 0.7, among }
        };
        let runs = |heads, count| Attention { heads, scale: 2.0, among: Among::Runs { count } };
        let cases = [
            (windows(1, 4, 0), [1, 1, 1]),
            (windows(2, 4, 2), [3, 8, 12]),
            (windows(3, 4, 1), [2, 7, 5]),
            (windows(2, 5, 2), [1, 10, 5]),
            (windows(1, 9, 4), [2, 20, 18]),
            (windows(2, 3, 2), [1, 1, 2]),
            (windows(1, 1, 0), [2, 2, 3]),
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
                Among::Windows { size, .. } => parameter([(2 * size - 1).pow(2), op.heads], 1),
                Among::Runs { .. } => parameter([0], 1),
            };
            let table = table.values();
            let found = on_maps(&[&x], output, |x, y| attention(&op, table, x[0], y));
            assert_close(&found, &by_definition(&op, table, &x, output), &case);
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let mut scores = [1e30, 1e30, -1e30];
        softmax(&mut scores);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
        let mut scores = [0.0, f32::NAN];
        softmax(&mut scores);
        assert!(scores.iter().all(|score| score.is_nan()));
    }
}
