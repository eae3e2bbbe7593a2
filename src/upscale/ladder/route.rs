//! Which network makes which part of a picture: windows, chosen from what is predicted of cells, as data.
//!
//! From the best network downwards the cells that it is worth most for are covered by windows. A window stays if what it gains is
//! worth its cost, halo and all; the cells of one that does not go to lower rungs. Parts are pasted upwards, so what a window
//! of a lower rung has in common with one of a higher is the higher one's.

use super::Predicted;
use crate::job::cells::{Cells, Marked};
use crate::job::tiles::{Rect, Tile};

/// A part of the picture, and the network that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) rung: usize,
    pub(super) tile: Tile,
}

/// Some of a picture's cells, what is predicted of each in raster order, and what a unit of cost is worth.
pub(super) struct Routing<'a> {
    pub(super) cells: &'a Cells,
    pub(super) within: &'a Rect,
    pub(super) predicted: &'a [Predicted],
    pub(super) lambda: f64,
    /// Whether neighbouring cells become one window.
    pub(super) merges: bool,
}

impl Routing<'_> {
    /// Parts that hold all cells, those of the lowest rung first.
    pub(super) fn parts(&self) -> Vec<Part> {
        let rungs = self.predicted[0].errors.len();
        let mut rung_of: Vec<usize> = self.predicted.iter().map(|cell| self.cheapest(cell, rungs)).collect();
        let mut is_made = vec![false; rung_of.len()];
        let mut parts = Vec::new();
        for rung in (0..rungs).rev() {
            for cells in self.windows(&|at| !is_made[at] && rung_of[at] == rung) {
                let new: Vec<usize> = self.places(&cells).filter(|at| !is_made[*at]).collect();
                if rung > 0 && !self.is_worth(rung, &cells, &new) {
                    for at in new {
                        rung_of[at] = rung_of[at].min(self.cheapest(&self.predicted[at], rung));
                    }
                    continue;
                }
                self.places(&cells).for_each(|at| is_made[at] = true);
                parts.push(Part { rung, tile: self.cells.tile(&cells) });
            }
        }
        parts.reverse();
        self.or_the_best_alone(parts, rungs - 1)
    }

    /// Where windows and their halos cost as much as the best network on everything, that one.
    fn or_the_best_alone(&self, parts: Vec<Part>, best: usize) -> Vec<Part> {
        let all: Vec<usize> = self.places(self.within).collect();
        let alone = Part { rung: best, tile: self.cells.tile(self.within) };
        let cost = |part: &Part, cells: &[usize]| {
            self.mean_cost(part.rung, cells) * part.tile.window.pixels() as f64
        };
        let apart: f64 = parts.iter().map(|part| cost(part, &self.of(&part.tile.kept))).sum();
        if apart < cost(&alone, &all) || !self.merges { parts } else { vec![alone] }
    }

    /// Rectangles that hold the marked cells.
    fn windows(&self, is_marked: &dyn Fn(usize) -> bool) -> Vec<Rect> {
        if !self.merges {
            let cells = self.within.places().map(Rect::one);
            return cells.enumerate().filter(|(at, _)| is_marked(*at)).map(|(_, cell)| cell).collect();
        }
        self.cells.cover(&Marked::new(self.within, |place| is_marked(self.at(place))))
    }

    /// Whether a network gains more in a window, over the lower rungs, than it costs.
    fn is_worth(&self, rung: usize, cells: &Rect, new: &[usize]) -> bool {
        let gain = |at: &usize| {
            let cell = &self.predicted[*at];
            let lower = self.cheapest(cell, rung);
            (self.worth(cell, lower) - cell.errors[rung]) * self.pixels(*at)
        };
        let all: Vec<usize> = self.places(cells).collect();
        let window = self.cells.tile(cells).window.pixels() as f64;
        let gains: f64 = new.iter().map(gain).sum();
        gains > self.lambda * self.mean_cost(rung, &all) * window
    }

    /// Of the first rungs the one that a cell goes to.
    fn cheapest(&self, cell: &Predicted, rungs: usize) -> usize {
        let of = |rung: &usize| self.worth(cell, *rung);
        (0..rungs).min_by(|a, b| of(a).total_cmp(&of(b))).unwrap_or(0)
    }

    /// Error and cost in one.
    fn worth(&self, cell: &Predicted, rung: usize) -> f64 {
        cell.errors[rung] + self.lambda * cell.costs[rung]
    }

    /// The mean cost of a pixel of some cells.
    fn mean_cost(&self, rung: usize, cells: &[usize]) -> f64 {
        cells.iter().map(|at| self.predicted[*at].costs[rung]).sum::<f64>() / cells.len().max(1) as f64
    }

    fn pixels(&self, at: usize) -> f64 {
        let width = self.within.width();
        let place = [self.within.x.start + at % width, self.within.y.start + at / width];
        self.cells.part(&Rect::one(place)).pixels() as f64
    }

    /// The cells that have these pixels.
    fn of(&self, kept: &Rect) -> Vec<usize> {
        let side = self.cells.side();
        let cells = |range: &std::ops::Range<usize>| range.start / side..range.end.div_ceil(side);
        self.places(&Rect { x: cells(&kept.x), y: cells(&kept.y) }).collect()
    }

    /// Where some cells stand in raster order.
    fn places(&self, cells: &Rect) -> impl Iterator<Item = usize> + use<'_> {
        cells.places().map(|place| self.at(place))
    }

    fn at(&self, [x, y]: [usize; 2]) -> usize {
        (y - self.within.y.start) * self.within.width() + x - self.within.x.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::ReceptiveField;

    /// Cells of 32 pixels with a halo of 8, and predictions for two rungs of costs 1 and 10.
    fn parts(size: [usize; 2], lambda: f64, gains: &[f64]) -> Vec<Part> {
        parts_by([1.0, 10.0], size, lambda, gains)
    }

    fn parts_by(costs: [f64; 2], size: [usize; 2], lambda: f64, gains: &[f64]) -> Vec<Part> {
        let cells = Cells::new(size, 32, ReceptiveField { radius: 8, alignment: 2 }, 1);
        let predicted: Vec<Predicted> = gains
            .iter()
            .map(|gain| Predicted { errors: vec![1.0 + gain, 1.0], costs: costs.to_vec() })
            .collect();
        let all = cells.all();
        Routing { cells: &cells, within: &all, predicted: &predicted, lambda, merges: true }.parts()
    }

    proptest! {
        #[test]
        fn every_pixel_is_made_and_far_from_inner_edges(
            (width, height) in (1_usize..200, 1_usize..200),
            gains in proptest::collection::vec(0.0_f64..4.0, 49),
            lambda in 0.0_f64..0.6,
        ) {
            let [across, down] = [width, height].map(|side| side.div_ceil(32));
            let mut made = vec![0; width * height];
            for Part { tile: Tile { window, kept }, .. } in parts([width, height], lambda, &gains[..across * down]) {
                for (window, kept, side) in [(&window.x, &kept.x, width), (&window.y, &kept.y, height)] {
                    prop_assert!(window.start == 0 || kept.start - window.start >= 8 && window.start % 2 == 0);
                    prop_assert!(window.end == side || window.end - kept.end >= 8);
                }
                kept.places().for_each(|[x, y]| made[y * width + x] += 1);
            }
            prop_assert!(made.iter().all(|times| *times > 0));
        }
    }

    #[test]
    fn networks_go_where_they_are_worth_their_halo() {
        let mut gains = vec![0.0; 16 * 16];
        let all =
            |rung| Part { rung, tile: Tile { window: rect(0..512, 0..512), kept: rect(0..512, 0..512) } };
        assert_eq!(parts([512, 512], 0.1, &gains), [all(0)], "nothing to gain");
        (gains[17], gains[18], gains[33], gains[34]) = (4.0, 4.0, 4.0, 4.0);
        let hard =
            Part { rung: 1, tile: Tile { window: rect(24..104, 24..104), kept: rect(32..96, 32..96) } };
        let found = parts([512, 512], 0.1, &gains);
        assert_eq!(found.last(), Some(&hard));
        assert!(found[..found.len() - 1].iter().all(|part| part.rung == 0));
        (gains[17], gains[18], gains[33], gains[34]) = (1.2, 0.0, 0.0, 0.0);
        assert_eq!(parts([512, 512], 0.1, &gains), [all(0)], "one cell gains less than its halo costs");
        assert_eq!(parts([512, 512], 0.1, &[3.0; 256]), [all(1)], "everywhere");
        let columns: Vec<f64> = (0..256).map(|at| if at % 2 == 0 { 3.0 } else { 0.1 }).collect();
        let apart = parts([512, 512], 0.1, &columns);
        assert_eq!((apart.len(), apart[15].rung), (16, 1), "each column by itself");
        let alone = parts_by([8.0, 10.0], [512, 512], 0.1, &columns);
        assert_eq!(alone, [all(1)], "in pieces it would cost more than everywhere");
    }

    fn rect(x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> Rect {
        Rect { x, y }
    }
}
