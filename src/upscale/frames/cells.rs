//! Which windows of a frame are computed, where any will do: a frame in cells, of which some have seen a change, and windows
//! that hold all of those with the least work.
//!
//! ```text
//!   ┌─────────────────┐      The cells that are to be made again get a bounding box. It is one window, or it is cut in
//!   │ ■■■             │      two and each half does the same, whichever is less work: a window costs its own pixels,
//!   │ ■■■       ┌──┐  │      the margin that the network sees around them, and a little for being one.
//!   │           │■■│  │
//!   └───────────┴──┴──┘
//! ```
//!
//! What a window keeps is then made as small as the pixels that have changed let it be.

use std::ops::Range;

use super::changes::Changes;
use crate::graph::ReceptiveField;
use crate::job::tiles::{Rect, Tile};

/// A cell's side. Smaller ones follow a change more closely; what a window adds around them is the same.
const SIDE: usize = 32;

/// What a window costs besides its pixels, in pixels.
const A_WINDOW: usize = 1024;

/// The cells of a frame.
pub(super) struct Cells {
    /// The frame's, as the network takes it.
    size: [usize; 2],
    side: usize,
    field: ReceptiveField,
    /// No window is shorter.
    least: usize,
}

/// Which cells are to be made again.
struct Marked {
    across: usize,
    marks: Vec<bool>,
}

impl Cells {
    pub(super) fn new(size: [usize; 2], field: ReceptiveField, least: usize) -> Self {
        let [side, least] = [SIDE, least].map(|length| length.next_multiple_of(field.alignment));
        Self { size, side, field, least }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all().pixels()
    }

    /// How many have something of a part.
    pub(super) fn of(&self, part: &Rect) -> usize {
        let along = |range: &Range<usize>| range.end.div_ceil(self.side) - range.start / self.side;
        along(&part.x) * along(&part.y)
    }

    /// Windows whose kept parts hold every pixel that sees a change.
    pub(super) fn tiles(&self, changes: &Changes) -> Vec<Tile> {
        let Rect { x, y } = self.all();
        let (across, cells) = (x.len(), y.flat_map(|y| x.clone().map(move |x| (x, y))));
        let sees = |(x, y): (usize, usize)| {
            let cell = Rect { x: x..x + 1, y: y..y + 1 };
            changes.any(&self.window(&self.part(&cell)))
        };
        let marked = Marked { across, marks: cells.map(sees).collect() };
        let covers = self.cover(&marked, &self.all());
        covers.iter().filter_map(|cells| self.tile(changes, cells)).collect()
    }

    /// Of what some cells have that which sees a change, and its window. A window that is longer than it sees may have been all
    /// that saw one.
    fn tile(&self, changes: &Changes, cells: &Rect) -> Option<Tile> {
        let ReceptiveField { radius, alignment } = self.field;
        let part = self.part(cells);
        let sees = |range: &Range<usize>, within: &Range<usize>| {
            let start = range.start.saturating_sub(radius) / alignment * alignment;
            let end = (range.end + radius).next_multiple_of(alignment);
            start.max(within.start)..end.min(within.end)
        };
        let Rect { x, y } = changes.bounds(&self.window(&part))?;
        let kept = Rect { x: sees(&x, &part.x), y: sees(&y, &part.y) };
        (kept.pixels() > 0).then(|| Tile { window: self.window(&kept), kept })
    }

    /// Rectangles of cells that hold all marked ones.
    fn cover(&self, marked: &Marked, within: &Rect) -> Vec<Rect> {
        let Some(all) = marked.bounds(within) else { return vec![] };
        let Some(halves) = self.halves(marked, &all) else { return vec![all] };
        let halves = halves.map(|half| self.cover(marked, &half)).concat();
        let apart: usize = halves.iter().map(|cells| self.cost(cells)).sum();
        if apart < self.cost(&all) { halves } else { vec![all] }
    }

    /// The cut in two after which the two bounding boxes are the least work; `None` where a cut gains nothing.
    fn halves(&self, marked: &Marked, all: &Rect) -> Option<[Rect; 2]> {
        if marked.count(all) == all.pixels() {
            return None;
        }
        let across = (all.x.start + 1..all.x.end)
            .map(|x| [all.x.start..x, x..all.x.end].map(|x| Rect { x, y: all.y.clone() }));
        let down = (all.y.start + 1..all.y.end)
            .map(|y| [all.y.start..y, y..all.y.end].map(|y| Rect { x: all.x.clone(), y }));
        let cost = |halves: &[Rect; 2]| -> usize {
            let bounds = halves.iter().filter_map(|half| marked.bounds(half));
            bounds.map(|bounds| self.cost(&bounds)).sum()
        };
        across.chain(down).min_by_key(cost)
    }

    fn cost(&self, cells: &Rect) -> usize {
        self.window(&self.part(cells)).pixels() + A_WINDOW
    }

    /// All cells, counted in cells.
    fn all(&self) -> Rect {
        let [across, down] = self.size.map(|length| length.div_ceil(self.side));
        Rect { x: 0..across, y: 0..down }
    }

    /// What some cells keep.
    fn part(&self, cells: &Rect) -> Rect {
        cells.scaled([self.side, 1]).within_size(self.size)
    }

    /// What a part sees: around it as far as the network looks, and no less than it takes.
    fn window(&self, part: &Rect) -> Rect {
        let grown = |range: &Range<usize>, length: usize| {
            let end = (range.end + self.field.radius).min(length);
            let start = range.start.saturating_sub(self.field.radius).min(length.saturating_sub(self.least));
            start..end.max((start + self.least).min(length))
        };
        Rect { x: grown(&part.x, self.size[0]), y: grown(&part.y, self.size[1]) }
    }
}

impl Marked {
    fn is_marked(&self, x: usize, y: usize) -> bool {
        self.marks[y * self.across + x]
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::{Pixels, Samples};

    const FIELD: ReceptiveField = ReceptiveField { radius: 6, alignment: 2 };

    /// The windows after changes at some pixels of a frame.
    fn tiles(cells: &Cells, [width, height]: [usize; 2], places: &[[usize; 2]]) -> Vec<Tile> {
        let mut samples = vec![0; 3 * width * height];
        let before = Pixels::of(width, height, Samples::U8(samples.clone()));
        places.iter().for_each(|[x, y]| samples[3 * (y * width + x)] = 1);
        let after = Pixels::of(width, height, Samples::U8(samples));
        cells.tiles(&Changes::between(&before, &after).unwrap())
    }

    proptest! {
        #[test]
        fn every_pixel_that_sees_a_change_is_kept_far_from_inner_edges(
            (width, height) in (1_usize..120, 1_usize..100),
            places in proptest::collection::vec((0_usize..120, 0_usize..100), 1..6),
            least in 1_usize..40,
        ) {
            let size = [width, height].map(|side| (2 * side).max(least.next_multiple_of(2)));
            let cells = Cells::new(size, FIELD, least);
            let places: Vec<[usize; 2]> = places.iter().map(|(x, y)| [x % size[0], y % size[1]]).collect();
            let tiles = tiles(&cells, size, &places);
            for [x, y] in places {
                for y in y.saturating_sub(FIELD.radius)..(y + FIELD.radius + 1).min(size[1]) {
                    for x in x.saturating_sub(FIELD.radius)..(x + FIELD.radius + 1).min(size[0]) {
                        let kept = |tile: &&Tile| tile.kept.x.contains(&x) && tile.kept.y.contains(&y);
                        prop_assert_eq!(tiles.iter().filter(kept).count(), 1, "{} {}", x, y);
                    }
                }
            }
            for Tile { window, kept } in &tiles {
                for (window, kept, side) in [(&window.x, &kept.x, size[0]), (&window.y, &kept.y, size[1])] {
                    prop_assert!(window.end <= side && window.start % FIELD.alignment == 0 && window.len() >= least);
                    prop_assert!(window.len() % FIELD.alignment == 0);
                    prop_assert!(window.start == 0 || kept.start - window.start >= FIELD.radius);
                    prop_assert!(window.end == side || window.end - kept.end >= FIELD.radius);
                }
            }
        }
    }

    #[test]
    fn what_is_together_is_one_window_and_what_is_far_apart_two() {
        let size = [640, 320];
        let cells = Cells::new(size, FIELD, 1);
        assert_eq!((cells.count(), tiles(&cells, size, &[]).len()), (200, 0));
        let near = tiles(&cells, size, &[[100, 100], [126, 126]]);
        assert_eq!(
            near,
            [Tile { window: Rect { x: 88..140, y: 88..140 }, kept: Rect { x: 94..134, y: 94..134 } }],
            "no more than sees a change: cells are for the choice"
        );
        let far = tiles(&cells, size, &[[16, 16], [600, 300], [16, 300]]);
        assert_eq!(far.len(), 3);
        assert_eq!(far.iter().map(|tile| cells.of(&tile.kept)).sum::<usize>(), 3);
        let everywhere: Vec<[usize; 2]> =
            (0..320).step_by(16).flat_map(|y| (0..40).map(move |x| [16 * x, y])).collect();
        let all = tiles(&cells, size, &everywhere);
        assert_eq!((all.len(), all[0].kept.pixels()), (1, 632 * 312));
    }
}
