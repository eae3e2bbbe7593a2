//! What is added to the scores of tokens in windows, by the way from one to the other, in the order in which it is read.
//!
//! For a token that is asked, at (y, x) in its window, and all that ask, in raster order, that is one run of the numbers
//! `column[x]`, whose row r holds the table's row r from x on:
//!
//! ```text
//!   column[x][r, c] = table[r, c + columns − 1 − x]      of those that ask at (v, u): column[x][v + rows − 1 − y, u]
//! ```

use super::attention::Set;
use super::queries::MOST_LANES;
use crate::graph::{Among, Attention};

/// For windows of every width that there is.
#[derive(Debug)]
pub(super) struct Offsets {
    /// Rows and columns of a whole window, and the heads.
    size: [usize; 2],
    heads: usize,
    widths: Vec<OfWidth>,
}

/// For windows of one width, which edges may cut.
#[derive(Debug)]
pub(super) struct OfWidth {
    width: usize,
    /// Where the run of each token that is asked begins.
    pub(super) places: Vec<usize>,
    /// Numbers of a head, and those of all heads.
    len: usize,
    numbers: Vec<f32>,
}

impl Offsets {
    pub(super) fn new(op: &Attention, table: &[f32], sets: &[Set]) -> Self {
        let heads = op.heads;
        let Among::Windows { size, .. } = op.among else {
            let longest = sets.iter().map(Set::len).max().unwrap_or(0);
            let none = OfWidth { width: 0, places: vec![0; longest], len: 0, numbers: vec![0.0; MOST_LANES] };
            return Self { size: [0; 2], heads, widths: vec![none] };
        };
        let mut offsets = Self { size, heads, widths: Vec::new() };
        for set in sets {
            if !offsets.widths.iter().any(|of_width| of_width.width == set.width()) {
                offsets.widths.push(OfWidth::new(size, heads, set.width()));
            }
        }
        for of_width in &mut offsets.widths {
            of_width.visit(size, |head, at, number| *number = table[at * heads + head]);
        }
        offsets
    }

    /// Which of [`OfWidth`] is a set's.
    pub(super) fn index(&self, set: &Set) -> usize {
        let width = set.width();
        self.widths.iter().position(|of_width| of_width.width == width).expect("made of the sets")
    }

    pub(super) fn of(&self, index: usize) -> &OfWidth {
        &self.widths[index]
    }

    /// Room for sums, a number each.
    pub(super) fn zeros(&self) -> Vec<Vec<f32>> {
        self.widths.iter().map(|of_width| vec![0.0; of_width.numbers.len()]).collect()
    }

    /// Adds to a table what such sums have.
    pub(super) fn add_to(&self, mut sums: Vec<Vec<f32>>, table: &mut [f64]) {
        for (of_width, sums) in self.widths.iter().zip(&mut sums) {
            let own =
                |head: usize, at: usize, sum: &mut f32| table[at * self.heads + head] += f64::from(*sum);
            visit(self.size, [of_width.width, of_width.len], sums, own);
        }
    }
}

impl OfWidth {
    fn new(size: [usize; 2], heads: usize, width: usize) -> Self {
        let run = run(size, width);
        let place = |key: usize| key % width * run + (size[0] - 1 - key / width) * width;
        let len = width * run;
        let places = (0..size[0] * width).map(place).collect();
        Self { width, places, len, numbers: vec![0.0; heads * len] }
    }

    /// Those of a head.
    pub(super) fn of_head<'a>(&self, numbers: &'a [f32], head: usize) -> &'a [f32] {
        &numbers[head * self.len..]
    }

    pub(super) fn of_head_mut<'a>(&self, numbers: &'a mut [f32], head: usize) -> &'a mut [f32] {
        &mut numbers[head * self.len..]
    }

    pub(super) fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    fn visit(&mut self, size: [usize; 2], own: impl FnMut(usize, usize, &mut f32)) {
        visit(size, [self.width, self.len], &mut self.numbers, own);
    }
}

/// Numbers of a column, and behind them what is read past the last of those that ask.
fn run(size: [usize; 2], width: usize) -> usize {
    (2 * size[0] - 1) * width + MOST_LANES
}

/// Every number with its head and its row in the table.
fn visit(
    size: [usize; 2],
    [width, len]: [usize; 2],
    numbers: &mut [f32],
    mut own: impl FnMut(usize, usize, &mut f32),
) {
    if len == 0 {
        return;
    }
    for (head, numbers) in numbers.chunks_exact_mut(len).enumerate() {
        for (x, column) in numbers.chunks_exact_mut(run(size, width)).enumerate() {
            for (row, numbers) in column.chunks_exact_mut(width).take(2 * size[0] - 1).enumerate() {
                let first = row * (2 * size[1] - 1) + size[1] - 1 - x;
                numbers.iter_mut().zip(first..).for_each(|(number, at)| own(head, at, number));
            }
        }
    }
}
