//! Attention backwards. The shares are computed once more, set by set and some rows of tokens at a time:
//!
//! ```text
//!   P = softmax(scale · Q Kᵀ + offsets)     dP = G Vᵀ     dS = P ∘ (dP − Σ P ∘ dP)
//!   dQ = scale · dS K     dK = scale · dSᵀ Q     dV = Pᵀ G     d offsets = dS
//! ```
//!
//! Sums over tokens and over sets run in an order that follows from the shape alone.

use rayon::prelude::*;

use super::attention::{Offsets, ROWS, Scores, Set, Tokens, gather, multiply, sets};
use super::map::Map;
use super::product::Panels;
use crate::graph::{Among, Attention};

/// How many sets' parts of the table of biases one thread adds up.
const SETS: usize = 16;

/// With respect to queries, keys and values. `table` holds the biases of windows.
pub(super) fn attention_gradient(op: &Attention, table: &[f32], x: &Map, g: &Map, y: &mut Map) {
    let (output, depth) = (g.shape(), g.shape().channels / op.heads);
    let sets = sets(op, output);
    let offsets: Vec<Offsets> = (0..op.heads).map(|head| Offsets::new(op, table, head)).collect();
    let task = |at: usize| {
        let (n, set, head) = (at / op.heads / sets.len(), &sets[at / op.heads % sets.len()], at % op.heads);
        Head::new(op, [x, g], [n, head], set, &offsets[head]).flow()
    };
    let made: Vec<[Vec<f32>; 3]> =
        (0..output.batch * sets.len() * op.heads).into_par_iter().map(task).collect();
    let picture = output.pixels() * 3 * output.channels;
    for (y, made) in y.values_mut().chunks_exact_mut(picture).zip(made.chunks_exact(sets.len() * op.heads)) {
        for (at, made) in made.iter().enumerate() {
            for (part, made) in made.iter().enumerate() {
                let first = part * output.channels + at % op.heads * depth;
                let pixels = sets[at / op.heads].lines(output.width).flatten();
                for (pixel, made) in pixels.zip(made.chunks_exact(depth)) {
                    y[pixel * 3 * output.channels + first..][..depth].copy_from_slice(made);
                }
            }
        }
    }
}

/// With respect to the table of biases.
pub(super) fn attention_table_gradient(op: &Attention, table: &[f32], x: &Map, g: &Map, y: &mut Map) {
    let Among::Windows { size, .. } = op.among else { unreachable!("only windows have a table") };
    let sets = sets(op, g.shape());
    let offsets: Vec<Offsets> = (0..op.heads).map(|head| Offsets::new(op, table, head)).collect();
    let (all, blocks) = (g.shape().batch * sets.len(), (g.shape().batch * sets.len()).div_ceil(SETS));
    let task = |at: usize| {
        let (head, first) = (at / blocks, at % blocks * SETS);
        let mut sums = vec![0.0; (2 * size - 1) * (2 * size - 1)];
        for at in first..all.min(first + SETS) {
            let (n, set) = (at / sets.len(), &sets[at % sets.len()]);
            Head::new(op, [x, g], [n, head], set, &offsets[head]).by_block(|block| {
                for (row, gradients) in block.gradients.chunks_exact(set.len()).enumerate() {
                    offsets[head].collect(set, block.first + row, gradients, &mut sums);
                }
            });
        }
        sums
    };
    let made: Vec<Vec<f64>> = (0..op.heads * blocks).into_par_iter().map(task).collect();
    let y = y.values_mut();
    for (head, made) in made.chunks_exact(blocks).enumerate() {
        // The sums are those of the table from its end.
        for (at, y) in y.iter_mut().skip(head).step_by(op.heads).rev().enumerate() {
            *y = made.iter().map(|sums| sums[at]).sum::<f64>() as f32;
        }
    }
}

/// One head of the pixels that attend to each other.
struct Head<'a> {
    depth: usize,
    count: usize,
    tokens: Tokens,
    scores: Scores<'a>,
    /// What comes in, token by token.
    g: Vec<f32>,
}

/// Some tokens that ask, and a row for each of them.
struct Block<'a> {
    first: usize,
    shares: &'a [f32],
    /// With respect to the scores.
    gradients: &'a [f32],
}

impl<'a> Head<'a> {
    fn new(
        op: &Attention,
        [x, g]: [&Map; 2],
        [n, head]: [usize; 2],
        set: &'a Set,
        offsets: &'a Offsets,
    ) -> Self {
        let depth = g.shape().channels / op.heads;
        Self {
            depth,
            count: set.len(),
            tokens: Tokens::new(x, n, head * depth, depth, set),
            scores: Scores { scale: op.scale, set, offsets },
            g: gather(g, n, head * depth, depth, set),
        }
    }

    /// Gives `visit` every block, from the first to the last.
    fn by_block(&self, mut visit: impl FnMut(Block<'_>)) {
        let Self { depth, count, tokens, g, .. } = self;
        let (depth, count) = (*depth, *count);
        let [keys, values] = [&tokens.keys, &tokens.values]
            .map(|numbers| Panels::new([depth, count], |_| 0.0, |k, token| numbers[token * depth + k]));
        let (mut shares, mut gradients) = (Vec::new(), Vec::new());
        let blocks = tokens.queries.chunks(ROWS * depth).zip(g.chunks(ROWS * depth));
        for (block, (queries, g)) in blocks.enumerate() {
            let (first, rows) = (block * ROWS, queries.len() / depth);
            shares.resize(rows * count, 0.0);
            gradients.resize(rows * count, 0.0);
            self.scores.shares(queries, &keys, first, &mut shares);
            multiply(g, &values, &mut gradients, rows);
            for (shares, gradients) in shares.chunks_exact(count).zip(gradients.chunks_exact_mut(count)) {
                let mean: f64 =
                    shares.iter().zip(&*gradients).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let pairs = gradients.iter_mut().zip(shares);
                pairs.for_each(|(gradient, share)| *gradient = share * (*gradient - mean as f32));
            }
            visit(Block { first, shares: &shares, gradients: &gradients });
        }
    }

    /// The gradients of queries, keys and values, token by token.
    fn flow(&self) -> [Vec<f32>; 3] {
        let Self { depth, count, tokens, scores: Scores { scale, .. }, g } = self;
        let (depth, count) = (*depth, *count);
        let keys = Panels::new([count, depth], |_| 0.0, |token, c| tokens.keys[token * depth + c]);
        let mut made = [(); 3].map(|()| vec![0.0; count * depth]);
        let (mut across, mut part) = (Vec::new(), vec![0.0; count * depth]);
        self.by_block(|Block { first, shares, gradients }| {
            let rows = shares.len() / count;
            let [queries_made, keys_made, values_made] = &mut made;
            multiply(gradients, &keys, &mut queries_made[first * depth..][..rows * depth], rows);
            for (weights, numbers, made) in
                [(gradients, &tokens.queries, keys_made), (shares, g, values_made)]
            {
                let numbers = &numbers[first * depth..][..rows * depth];
                let panels = Panels::new([rows, depth], |_| 0.0, |row, c| numbers[row * depth + c]);
                transpose(weights, count, &mut across);
                multiply(&across, &panels, &mut part, count);
                made.iter_mut().zip(&part).for_each(|(made, part)| *made += part);
            }
        });
        let [queries, keys, _] = &mut made;
        [queries, keys].into_iter().flatten().for_each(|number| *number *= scale);
        made
    }
}

/// Rows of `count` numbers as so many columns.
fn transpose(x: &[f32], count: usize, y: &mut Vec<f32>) {
    y.clear();
    (0..count).for_each(|column| y.extend(x[column..].iter().step_by(count)));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps, parameter};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::Shape;

    #[test]
    fn products_of_matrices_do_what_the_formula_says() {
        let windows = |heads, size, shift| (heads, Among::Windows { size, shift });
        let runs = |heads, count| (heads, Among::Runs { count });
        for ((heads, among), [depth, height, width]) in [
            (windows(1, 4, 0), [1, 1, 1]),
            (windows(2, 4, 2), [3, 8, 12]),
            (windows(3, 4, 1), [2, 7, 5]),
            (windows(2, 5, 2), [10, 10, 5]),
            (windows(1, 9, 4), [2, 20, 18]),
            (windows(2, 3, 2), [1, 1, 2]),
            (windows(1, 1, 0), [2, 2, 3]),
            (runs(2, 4), [3, 5, 7]),
            (runs(1, 4), [1, 1, 3]),
            (runs(3, 2), [2, 13, 11]),
            (runs(1, 1), [4, 12, 9]),
        ] {
            let op = Attention { heads, scale: 0.7, among };
            let output = Shape::new(2, heads * depth, height, width);
            let (x, g) = (noise(output.with_channels(3 * output.channels), 2), noise(output, 3));
            let (table, among) = match op.among {
                Among::Windows { size, shift } => (
                    Some(parameter([(2 * size - 1).pow(2), heads, 1, 1], 1)),
                    oracle::Among::Windows { size, shift },
                ),
                Among::Runs { count } => (None, oracle::Among::Runs { count }),
            };
            let case = format!("{op:?} of {output}");
            let numbers = table.as_ref().map(|table| {
                let &[entries, heads, ..] = table.dims() else { unreachable!() };
                let values = table.values().iter().map(|number| f64::from(*number)).collect();
                Numbers::new(Shape::new(entries, heads, 1, 1), values)
            });
            let ([of_x, of_g], scale) = ([&x, &g].map(Numbers::of), f64::from(op.scale));
            let table = table.as_ref().map_or(&[][..], |table| table.values());
            let expected = oracle::attention_gradient(&of_x, &of_g, numbers.as_ref(), heads, scale, among);
            let found = on_maps(&[&x, &g], x.shape(), |maps, y| {
                attention_gradient(&op, table, maps[0], maps[1], y);
            });
            assert_close(&found, &expected.to_tensor(), &case);
            let Some(numbers) = numbers else { continue };
            let expected = oracle::attention_table_gradient(&of_x, &of_g, &numbers, heads, scale, among);
            let found = on_maps(&[&x, &g], numbers.shape(), |maps, y| {
                attention_table_gradient(&op, table, maps[0], maps[1], y);
            });
            assert_close(&found, &expected.to_tensor(), &format!("table, {case}"));
        }
    }
}
