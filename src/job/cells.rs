//! A picture in cells, and windows for some of them: rectangles that hold all marked ones with the least work.
//!
//! ```text
//!   ┌─────────────────┐      Marked cells get a bounding box. It is one rectangle, or it is cut in two and each
//!   │ ■■■             │      half does the same, whichever is less work: a rectangle costs its own pixels, the
//!   │ ■■■       ┌──┐  │      margin that the network sees around them, and a little for being one.
//!   │           │■■│  │
//!   └───────────┴──┴──┘
//! ```

use std::ops::Range;

use super::tiles::{Rect, Tile};
use crate::graph::ReceptiveField;

/// What a window costs besides its pixels, in pixels.
const A_WINDOW: usize = 1024;

/// The cells of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells {
    /// The picture's, as the network takes it.
    size: [usize; 2],
    side: usize,
    field: ReceptiveField,
    /// No window is shorter.
    least: usize,
}

impl Cells {
    /// Squares of a side, made a multiple of the field's alignment, or of what is left of the picture.
    pub(crate) fn new(size: [usize; 2], side: usize, field: ReceptiveField, least: usize) -> Self {
        let [side, least] = [side, least].map(|length| length.next_multiple_of(field.alignment));
        Self { size, side, field, least }
    }

    /// The same, with windows of one size for all cells: those at the right and bottom edges are moved inwards.
    pub(crate) fn with_equal_windows(self) -> Self {
        let least = self.least.max(self.side + 2 * self.field.radius);
        Self { least, ..self }
    }

    /// Columns and rows of the smallest window.
    pub(crate) fn least(&self) -> usize {
        self.least
    }

    /// A cell's columns and rows, but for those at the picture's right and bottom.
    pub(crate) fn side(&self) -> usize {
        self.side
    }

    /// How far the network looks.
    pub(crate) fn field(&self) -> ReceptiveField {
        self.field
    }

    /// All cells, counted in cells.
    pub(crate) fn all(&self) -> Rect {
        let [across, down] = self.size.map(|length| length.div_ceil(self.side));
        Rect { x: 0..across, y: 0..down }
    }

    /// How many have something of a part.
    pub(crate) fn of(&self, part: &Rect) -> usize {
        let along = |range: &Range<usize>| range.end.div_ceil(self.side) - range.start / self.side;
        along(&part.x) * along(&part.y)
    }

    /// The pixels of some cells.
    pub(crate) fn part(&self, cells: &Rect) -> Rect {
        cells.scaled([self.side, 1]).within_size(self.size)
    }

    /// What a part sees: around it as far as the network looks, and no less than it takes.
    pub(crate) fn window(&self, part: &Rect) -> Rect {
        let grown = |range: &Range<usize>, length: usize| {
            let end = (range.end + self.field.radius).min(length);
            let start = range.start.saturating_sub(self.field.radius).min(length.saturating_sub(self.least));
            start..end.max((start + self.least).min(length))
        };
        Rect { x: grown(&part.x, self.size[0]), y: grown(&part.y, self.size[1]) }
    }

    /// Some cells, and what they see.
    pub(crate) fn tile(&self, cells: &Rect) -> Tile {
        let kept = self.part(cells);
        Tile { window: self.window(&kept), kept }
    }

    /// Rectangles of cells that hold all marked ones, with the least work.
    pub(crate) fn cover(&self, marked: &Marked) -> Vec<Rect> {
        joined(marked.cover(&marked.within, &|cells| self.tile(cells).window.pixels() + A_WINDOW))
    }
}

/// Which cells of a rectangle are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    within: Rect,
    marks: Vec<bool>,
}

impl Marked {
    /// Those of which it holds.
    pub(crate) fn new(within: &Rect, is_marked: impl FnMut([usize; 2]) -> bool) -> Self {
        Self { within: within.clone(), marks: within.places().map(is_marked).collect() }
    }

    /// Rectangles that hold all marked ones within another, where a rectangle costs so much.
    fn cover(&self, within: &Rect, cost: &dyn Fn(&Rect) -> usize) -> Vec<Rect> {
        let Some(all) = self.bounds(within) else { return vec![] };
        let Some(halves) = self.halves(&all, cost) else { return vec![all] };
        let halves = halves.map(|half| self.cover(&half, cost)).concat();
        let apart: usize = halves.iter().map(cost).sum();
        if apart < cost(&all) { halves } else { vec![all] }
    }

    /// The cut in two after which the two bounding boxes are the least work; `None` where a cut gains nothing.
    fn halves(&self, all: &Rect, cost: &dyn Fn(&Rect) -> usize) -> Option<[Rect; 2]> {
        if self.count(all) == all.pixels() {
            return None;
        }
        let across = (all.x.start + 1..all.x.end)
            .map(|x| [all.x.start..x, x..all.x.end].map(|x| Rect { x, y: all.y.clone() }));
        let down = (all.y.start + 1..all.y.end)
            .map(|y| [all.y.start..y, y..all.y.end].map(|y| Rect { x: all.x.clone(), y }));
        let cost = |halves: &[Rect; 2]| -> usize {
            halves.iter().filter_map(|half| self.bounds(half)).map(|bounds| cost(&bounds)).sum()
        };
        across.chain(down).min_by_key(cost)
    }

    fn is_marked(&self, x: usize, y: usize) -> bool {
        self.marks[(y - self.within.y.start) * self.within.width() + x - self.within.x.start]
    }

    fn count(&self, within: &Rect) -> usize {
        let rows = within.y.clone().map(|y| within.x.clone().filter(|x| self.is_marked(*x, y)).count());
        rows.sum()
    }

    /// The smallest rectangle with all marked cells of another.
    fn bounds(&self, within: &Rect) -> Option<Rect> {
        let in_row = |y: &usize| within.x.clone().any(|x| self.is_marked(x, *y));
        let in_column = |x: &usize| within.y.clone().any(|y| self.is_marked(*x, y));
        let y = within.y.clone().find(in_row)?..within.y.clone().rfind(in_row)? + 1;
        let x = within.x.clone().find(in_column)?..within.x.clone().rfind(in_column)? + 1;
        Some(Rect { x, y })
    }
}

/// Rectangles of which two that make one together are one: a window less.
fn joined(mut rects: Vec<Rect>) -> Vec<Rect> {
    let both = |a: &Rect, b: &Rect| {
        let hull = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        let all = Rect { x: hull(&a.x, &b.x), y: hull(&a.y, &b.y) };
        (all.pixels() == a.pixels() + b.pixels()).then_some(all)
    };
    let mut at = 0;
    while at < rects.len() {
        let found = (0..rects.len()).find_map(|other| Some((other, both(&rects[at], &rects[other])?)));
        match found.filter(|(other, _)| *other != at) {
            Some((other, all)) => {
                rects[at] = all;
                rects.remove(other);
                at = 0;
            }
            None => at += 1,
        }
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_cells_is_four_windows() {
        let field = ReceptiveField { radius: 4, alignment: 1 };
        let cells = Cells::new([320, 256], 32, field, 1);
        let marked = Marked::new(&cells.all(), |[x, y]| !((3..8).contains(&x) && (2..6).contains(&y)));
        let covers = cells.cover(&marked);
        assert!(covers.len() <= 4, "{covers:?}");
        for [x, y] in cells.all().places() {
            let times = covers.iter().filter(|rect| rect.x.contains(&x) && rect.y.contains(&y)).count();
            assert!(times <= 1 && (times == 1 || !marked.is_marked(x, y)), "{x} {y}");
        }
    }
}
