//! Attention backwards. The shares are computed once more, set by set and some tokens that ask at a time:
//!
//! ```text
//!   P = softmax(scale · Q Kᵀ + offsets)     dP = G Vᵀ     dS = P ∘ (dP − Σ P ∘ dP)
//!   dQ = scale · dS K     dK = scale · dSᵀ Q     dV = Pᵀ G     d offsets = dS
//! ```
//!
//! Sums over tokens and over sets run in an order that follows from the shape alone.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::attention::{Channels, Head, Place, ROWS, Set, Tokens, sets, write};
use super::map::Map;
use super::offsets::Offsets;
use super::queries::{CHANNELS, Lines, backwards, collect, exponentials, gather, products, weighted};
use super::queries::{MOST_LANES, SCALARS, VECTORS, in_lanes, in_lanes_mut, lanes};
use super::vectors;
use crate::graph::{Among, Attention};

/// How many windows one thread goes through, and adds up what they give to the table of biases. Runs are few and long, and
/// have no table: one at a time.
const WINDOWS: usize = 16;

/// What one thread makes: each set's gradient, and the sums for the table of biases.
type Block = (Vec<Vec<f32>>, Vec<Vec<f32>>);

/// What is to be made.
pub(super) struct Wanted<'a> {
    /// The gradient with respect to queries, keys and values.
    pub(super) inputs: Option<&'a mut Map>,
    /// With respect to the table of biases, of windows.
    pub(super) table: Option<&'a mut Map>,
}

/// `table` holds the biases of windows.
pub(super) fn attention_gradient(op: &Attention, table: &[f32], x: &Map, g: &Map, wanted: Wanted<'_>) {
    let sets = sets(op, g.shape());
    let offsets = Offsets::new(op, table, &sets);
    let task = Task { op, x, g, sets: &sets, offsets: &offsets, collects: wanted.table.is_some() };
    let all = g.shape().batch * sets.len();
    let at_once = if matches!(op.among, Among::Windows { .. }) { WINDOWS } else { 1 };
    let blocks = (0..all).into_par_iter().step_by(at_once);
    let made: Vec<Block> = blocks.map(|first| task.block(first..all.min(first + at_once))).collect();
    let (made, sums): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    if let Some(y) = wanted.inputs {
        let made: Vec<Vec<f32>> = made.into_iter().flatten().collect();
        write(&sets, &made, y);
    }
    if let Some(y) = wanted.table {
        let mut totals = vec![0.0; table.len()];
        sums.into_iter().for_each(|sums| offsets.add_to(sums, &mut totals));
        y.values_mut().iter_mut().zip(totals).for_each(|(y, total)| *y = total as f32);
    }
}

/// All sets of all pictures.
struct Task<'a> {
    op: &'a Attention,
    x: &'a Map,
    g: &'a Map,
    sets: &'a [Set],
    offsets: &'a Offsets,
    /// Whether the table's gradient is wanted.
    collects: bool,
}

impl Task<'_> {
    /// What some sets give, each token by token: queries, keys and values; and the sums for the table.
    fn block(&self, sets: std::ops::Range<usize>) -> Block {
        let mut sums = if self.collects { self.offsets.zeros() } else { Vec::new() };
        let mut scratch = Scratch::default();
        let of_set = |at: usize| {
            let set = &self.sets[at % self.sets.len()];
            let pixels = set.pixels(self.g.shape().width);
            let tokens = Tokens { op: self.op, x: self.x, n: at / self.sets.len(), pixels: &pixels };
            let width = self.offsets.index(set);
            self.flow(&tokens, width, sums.get_mut(width).map(Vec::as_mut_slice), &mut scratch)
        };
        (sets.map(of_set).collect(), sums)
    }

    /// All heads of one set.
    fn flow(
        &self,
        tokens: &Tokens<'_>,
        width: usize,
        mut sums: Option<&mut [f32]>,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let offsets = self.offsets.of(width);
        let Scratch { keys, values, of_keys, of_values, of_block } = scratch;
        tokens.rows(1, keys);
        tokens.rows(2, values);
        let (channels, depth) = (self.g.shape().channels, tokens.depth());
        let mut made = vec![0.0; tokens.pixels.len() * 3 * channels];
        for at in 0..self.op.heads {
            let head = tokens.head([&*keys, &*values], offsets, at);
            let g = Channels { picture: self.g.picture(tokens.n), stride: channels, ..head.queries };
            let place = |part| Place { stride: 3 * channels, first: part * channels + at * depth, depth };
            for of_rows in [&mut *of_keys, &mut *of_values] {
                of_rows.clear();
                of_rows.resize(head.keys.len(), 0.0);
            }
            for (block, made) in made.chunks_mut(ROWS * 3 * channels).enumerate() {
                let first = block * ROWS;
                let pixels = &tokens.pixels[first..tokens.pixels.len().min(first + ROWS)];
                let of_rows = [&mut of_keys[..], &mut of_values[..]];
                let sums = sums.as_deref_mut().map(|sums| offsets.of_head_mut(sums, at));
                let backwards = Backwards {
                    head,
                    g,
                    first,
                    pixels,
                    scratch: &mut *of_block,
                    made,
                    place: place(0),
                    of_rows,
                    sums,
                };
                vectors::arch().dispatch(backwards);
            }
            place(1).copy(of_keys, &mut made);
            place(2).copy(of_values, &mut made);
        }
        made
    }
}

impl Place {
    /// Puts rows, which may have zeros behind the last channel, to where they belong.
    fn copy(&self, rows: &[f32], made: &mut [f32]) {
        let padded = self.depth.next_multiple_of(CHANNELS);
        for (row, made) in rows.chunks_exact(padded).zip(made.chunks_exact_mut(self.stride)) {
            let made = &mut made[self.first..][..self.depth];
            match (<&mut [f32; CHANNELS]>::try_from(&mut *made), <&[f32; CHANNELS]>::try_from(row)) {
                (Ok(made), Ok(row)) => *made = *row,
                _ => made.copy_from_slice(&row[..self.depth]),
            }
        }
    }
}

/// What a thread keeps from set to set.
#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    /// What is added up of both for a head.
    of_keys: Vec<f32>,
    of_values: Vec<f32>,
    of_block: OfBlock,
}

/// And from head to head.
#[derive(Default)]
struct OfBlock {
    queries: Lines,
    g: Lines,
    shares: Lines,
    gradients: Lines,
    /// Zeros, as places.
    nowhere: Vec<usize>,
}

/// A head, for some tokens that ask, from the `first` on.
struct Backwards<'a> {
    head: Head<'a>,
    g: Channels<'a>,
    first: usize,
    pixels: &'a [usize],
    scratch: &'a mut OfBlock,
    /// Of the tokens that ask, and where the queries' gradient goes.
    made: &'a mut [f32],
    place: Place,
    /// What is added up of keys and values.
    of_rows: [&'a mut [f32]; 2],
    /// Of the table, if they are wanted.
    sums: Option<&'a mut [f32]>,
}

impl WithSimd for Backwards<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::IS_SCALAR { self.run::<S, SCALARS>(simd) } else { self.run::<S, VECTORS>(simd) }
    }
}

impl Backwards<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { head, g, first, pixels, scratch, made, place, of_rows, mut sums } = self;
        let (lanes, keys, parts) = (lanes::<S, V>(), head.places.len(), place.depth.div_ceil(CHANNELS));
        let (blocks, depth) = (pixels.len().div_ceil(lanes), parts * CHANNELS);
        let scale = [simd.splat_f32s(head.scale); V];
        let queries = scratch.queries.of_len(blocks * depth * lanes);
        let of_outputs = scratch.g.of_len(blocks * depth * lanes);
        head.queries.columns(lanes, pixels, head.scale, queries);
        g.columns(lanes, pixels, 1.0, of_outputs);
        let [queries, of_outputs] = [&*queries, &*of_outputs].map(in_lanes::<S, V>);
        let shares = in_lanes_mut::<S, V>(scratch.shares.of_len(blocks * keys * lanes));
        let gradients = in_lanes_mut::<S, V>(scratch.gradients.of_len(blocks * keys * lanes));
        if scratch.nowhere.len() < keys {
            scratch.nowhere.resize(keys, 0);
        }
        let none = (&[0.0; MOST_LANES][..], &scratch.nowhere[..keys]);
        for block in 0..blocks {
            let [queries, of_outputs] = [queries, of_outputs].map(|all| &all[block * depth..][..depth]);
            let shares = &mut shares[block * keys..][..keys];
            let gradients = &mut gradients[block * keys..][..keys];
            let start = head.start(first + block * lanes);
            products(simd, queries, head.keys, (&head.starts[start..], head.places), shares);
            let factor = exponentials(simd, shares);
            products(simd, of_outputs, head.values, none, gradients);
            backwards(simd, shares, factor, gradients);
            if let Some(sums) = &mut sums {
                collect(simd, gradients, head.places, &mut sums[start..]);
            }
            let made = &mut made[block * lanes * place.stride..];
            for part in 0..parts {
                let columns = weighted(simd, gradients, head.keys, [part, parts]);
                place.write(simd, part, &columns, scale, made);
            }
        }
        let [of_keys, of_values] = of_rows;
        gather(simd, keys, gradients, queries, of_keys);
        gather(simd, keys, shares, of_outputs, of_values);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps, parameter};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::Shape;

    #[test]
    fn products_of_matrices_do_what_the_formula_says() {
        let oblong = |heads, size, shift| (heads, Among::Windows { size, shift });
        let windows = |heads, size, shift| oblong(heads, [size; 2], [shift; 2]);
        let runs = |heads, count| (heads, Among::Runs { count });
        for ((heads, among), [depth, height, width]) in [
            (windows(1, 4, 0), [1, 1, 1]),
            (windows(2, 4, 2), [3, 8, 12]),
            (windows(3, 4, 1), [2, 7, 5]),
            (windows(2, 5, 2), [10, 10, 5]),
            (windows(1, 9, 4), [2, 20, 18]),
            (windows(2, 3, 2), [1, 1, 2]),
            (windows(1, 1, 0), [2, 2, 3]),
            (oblong(2, [2, 5], [1, 2]), [3, 7, 12]),
            (oblong(1, [6, 3], [0, 1]), [2, 13, 7]),
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
                    Some(parameter([size.map(|side| 2 * side - 1).iter().product(), heads, 1, 1], 1)),
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
                attention_gradient(&op, table, maps[0], maps[1], Wanted { inputs: Some(y), table: None });
            });
            assert_close(&found, &expected.to_tensor(), &case);
            let Some(numbers) = numbers else { continue };
            let expected = oracle::attention_table_gradient(&of_x, &of_g, &numbers, heads, scale, among);
            let found = on_maps(&[&x, &g], numbers.shape(), |maps, y| {
                attention_gradient(&op, table, maps[0], maps[1], Wanted { inputs: None, table: Some(y) });
            });
            assert_close(&found, &expected.to_tensor(), &format!("table, {case}"));
        }
    }
}
