//! Attention: two products of matrices, and between them the softmax, some rows of tokens at a time.
//!
//! A set of pixels that attend to each other is computed alone and always in the same order, so what a pixel gets
//! depends on its set and on nothing else.

use std::ops::Range;

use rayon::prelude::*;

use super::by_plane;
use super::matrix::{Matrix, multiply};
use crate::graph::{Among, Attention};
use crate::tensor::{Shape, Tensor};

/// How many tokens ask at a time: all of an 8×8 window, and no more scores than 64 rows of a long run.
const ROWS: usize = 64;

/// Pixels that attend to each other.
enum Set {
    Window { rows: Range<usize>, columns: Range<usize> },
    Run(Range<usize>),
}

pub(super) fn attention(op: &Attention, x: &Tensor, output: Shape) -> Tensor {
    let depth = output.channels / op.heads;
    let sets = sets(op, output);
    let offsets: Vec<Offsets> = (0..op.heads).map(|head| Offsets::new(op, head)).collect();
    // What every picture, head and set gives: `depth` numbers a token, token by token.
    let task = |at: usize| {
        let (n, head, set) = (at / sets.len() / op.heads, at / sets.len() % op.heads, &sets[at % sets.len()]);
        Tokens::new(x, n, head * depth, depth, set).attended(op.scale, set, &offsets[head])
    };
    let made: Vec<Vec<f32>> = (0..output.batch * op.heads * sets.len()).into_par_iter().map(task).collect();
    by_plane(output, |n, c, plane| {
        let made = &made[(n * op.heads + c / depth) * sets.len()..];
        for (set, made) in sets.iter().zip(made) {
            let mut lane = made[c % depth..].iter().step_by(depth);
            for pixels in set.lines(output.width) {
                plane[pixels].iter_mut().zip(&mut lane).for_each(|(to, from)| *to = *from);
            }
        }
    })
}

/// All sets of a picture; every pixel is in one.
fn sets(op: &Attention, shape: Shape) -> Vec<Set> {
    match op.among {
        Among::Windows { size, shift, .. } => {
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
    fn lines(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let (rows, columns) = match self {
            Self::Window { rows, columns } => (rows.clone(), columns.clone()),
            Self::Run(pixels) => (0..1, pixels.clone()),
        };
        rows.map(move |row| row * width + columns.start..row * width + columns.end)
    }

    fn len(&self) -> usize {
        match self {
            Self::Window { rows, columns } => rows.len() * columns.len(),
            Self::Run(pixels) => pixels.len(),
        }
    }
}

/// What is added to the scores of one head, by the way from one pixel to the other.
struct Offsets {
    /// The window's side; none for runs.
    size: usize,
    /// The table from its end, so that what belongs to neighbours in a row stands in their order.
    reversed: Vec<f32>,
}

impl Offsets {
    fn new(op: &Attention, head: usize) -> Self {
        let Among::Windows { size, bias, .. } = &op.among else { return Self { size: 0, reversed: vec![] } };
        let table = bias.values().iter().skip(head).step_by(op.heads);
        Self { size: *size, reversed: table.rev().copied().collect() }
    }

    /// Adds to the scores of token `p` of a set with all of them.
    fn add(&self, set: &Set, p: usize, scores: &mut [f32]) {
        let Set::Window { columns, .. } = set else { return };
        let (width, below) = (columns.len(), self.size - 1);
        let (y, x) = (p / width, p % width);
        for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
            let first = (below + row - y) * (2 * below + 1) + below - x;
            scores.iter_mut().zip(&self.reversed[first..]).for_each(|(score, offset)| *score += offset);
        }
    }
}

/// The numbers of one head's tokens that attend to each other.
struct Tokens {
    depth: usize,
    /// Token by token.
    queries: Vec<f32>,
    /// Number by number.
    keys: Vec<f32>,
    /// Token by token.
    values: Vec<f32>,
}

impl Tokens {
    /// Those of `set`, `depth` channels from the `first` on of the queries, of the keys and of the values.
    fn new(x: &Tensor, n: usize, first: usize, depth: usize, set: &Set) -> Self {
        let (third, width, count) = (x.shape().channels / 3, x.shape().width, set.len());
        let channel = |part: usize, c: usize| {
            let plane = x.plane(n, part * third + first + c);
            set.lines(width).flat_map(move |pixels| &plane[pixels])
        };
        let tokens = |part: usize| {
            let mut tokens = vec![0.0; count * depth];
            for c in 0..depth {
                let lane = tokens[c..].iter_mut().step_by(depth);
                lane.zip(channel(part, c)).for_each(|(to, from)| *to = *from);
            }
            tokens
        };
        let mut keys = Vec::with_capacity(count * depth);
        (0..depth).for_each(|c| keys.extend(channel(1, c)));
        Self { depth, queries: tokens(0), keys, values: tokens(2) }
    }

    /// `softmax(scale · Q Kᵀ + offsets) V`, token by token.
    fn attended(&self, scale: f32, set: &Set, offsets: &Offsets) -> Vec<f32> {
        let Self { depth, queries, keys, values } = self;
        let (depth, count) = (*depth, set.len());
        let (keys, values) =
            (Matrix::new(keys, depth, count, count), Matrix::new(values, count, depth, depth));
        let mut made = vec![0.0; queries.len()];
        let blocks = made.par_chunks_mut(ROWS * depth).zip(queries.par_chunks(ROWS * depth)).enumerate();
        blocks.for_each_init(Vec::new, |scores, (block, (made, queries))| {
            let rows = queries.len() / depth;
            scores.resize(rows * count, 0.0);
            multiply(Matrix::new(queries, rows, depth, depth), keys, scores);
            for (row, scores) in scores.chunks_exact_mut(count).enumerate() {
                scores.iter_mut().for_each(|score| *score *= scale);
                offsets.add(set, block * ROWS + row, scores);
                softmax(scores);
            }
            multiply(Matrix::new(scores, rows, count, count), values, made);
        });
        made
    }
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
    use super::super::testing::{assert_close, noise, parameter};
    use super::*;

    /// The set that pixel (y, x) is in, as the corner of its window or the number of its run.
    fn set_of(op: &Attention, shape: Shape, [y, x]: [usize; 2]) -> [isize; 2] {
        match op.among {
            Among::Windows { size, shift, .. } => {
                [y, x].map(|place| (place as isize - shift as isize).div_euclid(size as isize))
            }
            Among::Runs { count } => [((y * shape.width + x) / (shape.pixels() / count).max(1)) as isize, 0],
        }
    }

    /// [`Attention`]'s formula, pixel by pixel, in f64.
    fn by_definition(op: &Attention, x: &Tensor, shape: Shape) -> Tensor {
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
                    Among::Windows { size, bias, .. } => {
                        let [dy, dx] = [0, 1].map(|axis| p[axis] + size - 1 - q[axis]);
                        bias.values()[(dy * (2 * size - 1) + dx) * op.heads + head]
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
        let windows = |heads, size: usize, shift| {
            let bias = parameter([(2 * size - 1).pow(2), heads], 1);
            Attention { heads, scale: 0.7, among: Among::Windows { size, shift, bias } }
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
            assert_close(&attention(&op, &x, output), &by_definition(&op, &x, output), &case);
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
