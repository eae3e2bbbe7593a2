//! A grid over the small pictures, its cells in the order of how much there is to see: a crop is drawn by its cell, and
//! the flattest, which teach least, can be left out.

use rayon::prelude::*;

use super::{Pair, bytes};

/// The side of a cell in pixels of the small picture. A crop's middle lies anywhere in its cell.
pub(super) const GRID: usize = 16;

/// A place to crop at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    /// The mean difference of the large picture and the small one, in 1/1024 of a sample.
    detail: u32,
    pub(super) picture: u32,
    pub(super) x: u32,
    pub(super) y: u32,
}

/// All cells, the flattest first.
pub(super) fn of(pairs: &[Pair], scale: usize) -> Vec<Cell> {
    let cells = pairs.par_iter().enumerate().flat_map_iter(|(picture, pair)| {
        let [width, height] = [pair.low.width(), pair.low.height()].map(|side| side.div_ceil(GRID));
        (0..width * height).map(move |cell| {
            let [x, y] = [cell % width * GRID, cell / width * GRID];
            Cell { detail: detail(pair, scale, x, y), picture: picture as u32, x: x as u32, y: y as u32 }
        })
    });
    let mut cells: Vec<Cell> = cells.collect();
    cells.par_sort_unstable();
    cells
}

/// Of a cell that may reach over the edge. Of each block of the large picture its first pixel is looked at.
fn detail(pair: &Pair, scale: usize, x: usize, y: usize) -> u32 {
    let [low, high] = [&pair.low, &pair.high];
    let (columns, rows) = ((low.width() - x).min(GRID), (low.height() - y).min(GRID));
    let sums = (y..y + rows).map(|y| {
        let low = &bytes(low)[3 * (y * low.width() + x)..][..3 * columns];
        let high = &bytes(high)[3 * scale * (y * high.width() + x)..];
        let pixels = low.chunks_exact(3).zip(high.chunks(3 * scale));
        pixels
            .flat_map(|(low, high)| low.iter().zip(high))
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum::<u32>()
    });
    sums.sum::<u32>() * 1024 / (3 * columns * rows) as u32
}
