//! How a picture is cut: tiles that are kept side by side, each inside a window that is computed.
//!
//! ```text
//!   ┌───────────────┬──────
//!   │ window        │          All windows of a grid have one size and lie inside the picture: at its right and
//!   │   ┌───────┐   │          bottom they are moved inwards, neither cut nor padded. A kept pixel lies at least
//!   │   │ kept  │   │          `radius` from each edge of its window that is not an edge of the picture.
//!   │   └───────┘   │
//! ```
//!
//! So one plan serves a picture, and what is kept is what a run over the whole picture gives.

use std::ops::Range;

use crate::graph::ReceptiveField;

/// Some columns and rows of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    /// Columns.
    pub(crate) x: Range<usize>,
    /// Rows.
    pub(crate) y: Range<usize>,
}

impl Rect {
    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.x.len()
    }

    /// How many rows.
    pub(crate) fn height(&self) -> usize {
        self.y.len()
    }

    /// How many pixels.
    pub(crate) fn pixels(&self) -> usize {
        self.width() * self.height()
    }

    /// The one pixel at a place.
    pub(crate) fn one([x, y]: [usize; 2]) -> Self {
        Self { x: x..x + 1, y: y..y + 1 }
    }

    /// The places of its pixels, in raster order.
    pub(crate) fn places(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let Self { x, y } = self.clone();
        y.flat_map(move |y| x.clone().map(move |x| [x, y]))
    }

    /// The same part of a picture whose sides are `over / below` of this one's.
    #[must_use]
    pub(crate) fn scaled(&self, [over, below]: [usize; 2]) -> Self {
        let scaled = |range: &Range<usize>| range.start * over / below..range.end * over / below;
        Self { x: scaled(&self.x), y: scaled(&self.y) }
    }

    /// What of it lies in a picture of `[width, height]`.
    #[must_use]
    pub(crate) fn within_size(&self, [width, height]: [usize; 2]) -> Self {
        let cut = |range: &Range<usize>, length: usize| range.start.min(length)..range.end.min(length);
        Self { x: cut(&self.x, width), y: cut(&self.y, height) }
    }

    /// The same pixels seen from the corner of `window`.
    #[must_use]
    pub(crate) fn within(&self, window: &Self) -> Self {
        let within = |range: &Range<usize>, origin: usize| range.start - origin..range.end - origin;
        Self { x: within(&self.x, window.x.start), y: within(&self.y, window.y.start) }
    }
}

/// A window, and the part of it that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// What is computed.
    pub(crate) window: Rect,
    /// What is kept of it.
    pub(crate) kept: Rect,
}

/// The tiles of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    size: [usize; 2],
    kept: [usize; 2],
    window: [usize; 2],
    radius: usize,
}

impl Grid {
    /// Cuts a picture of `size` (columns, rows) into tiles that keep at most `tile` columns and rows, made a multiple
    /// of the field's alignment, all about equal. Windows begin at multiples of the alignment.
    ///
    /// # Panics
    /// If the size is nothing.
    pub(crate) fn new(size: [usize; 2], tile: [usize; 2], field: ReceptiveField) -> Self {
        let ReceptiveField { radius, alignment } = field;
        assert!(size.iter().all(|side| *side > 0), "a picture has pixels: {size:?}");
        let mut kept = [0; 2];
        for (kept, (side, most)) in kept.iter_mut().zip(size.into_iter().zip(tile)) {
            let most = (most / alignment * alignment).max(alignment);
            *kept = side.div_ceil(side.div_ceil(most)).next_multiple_of(alignment);
        }
        // The last begins at a multiple too, and ends with the picture.
        let window = [0, 1].map(|axis| {
            let beyond = size[axis].saturating_sub(kept[axis] + 2 * radius);
            size[axis] - beyond / alignment * alignment
        });
        Self { size, kept, window, radius }
    }

    /// The whole picture in one.
    pub(crate) fn whole(size: [usize; 2]) -> Self {
        Self { size, kept: size, window: size, radius: 0 }
    }

    /// Columns and rows that a tile keeps at most.
    pub(crate) fn tile(&self) -> [usize; 2] {
        self.kept
    }

    /// Columns and rows of every window.
    pub(crate) fn window(&self) -> [usize; 2] {
        self.window
    }

    /// The tiles that keep row `y` and those below it, from the left and then downwards, a full row of tiles first.
    pub(crate) fn tiles_from(&self, y: usize) -> impl Iterator<Item = Tile> {
        let (grid, [width, height]) = (*self, self.size);
        let rows = (y..height).step_by(grid.kept[1]);
        rows.flat_map(move |y| (0..width).step_by(grid.kept[0]).map(move |x| grid.tile_at([x, y])))
    }

    /// How many tiles those are.
    pub(crate) fn count_from(&self, y: usize) -> usize {
        self.size[0].div_ceil(self.kept[0]) * self.size[1].saturating_sub(y).div_ceil(self.kept[1])
    }

    /// The row above which no tile that keeps row `y` or those below it looks.
    pub(crate) fn first_row_for(&self, y: usize) -> usize {
        self.origin(y, 1)
    }

    fn tile_at(&self, [x, y]: [usize; 2]) -> Tile {
        let range = |start: usize, length: usize, end: usize| start..(start + length).min(end);
        let [width, height] = self.size;
        let window = Rect {
            x: range(self.origin(x, 0), self.window[0], width),
            y: range(self.origin(y, 1), self.window[1], height),
        };
        Tile { window, kept: Rect { x: range(x, self.kept[0], width), y: range(y, self.kept[1], height) } }
    }

    /// Where the window begins that keeps what begins at `at`.
    fn origin(&self, at: usize, axis: usize) -> usize {
        at.saturating_sub(self.radius).min(self.size[axis] - self.window[axis])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pixel_is_kept_once_and_far_from_inner_edges(
            (width, height) in (1_usize..90, 1_usize..90),
            (across, down) in (1_usize..40, 1_usize..40),
            (radius, alignment) in (0_usize..12, 1_usize..7),
            from in 0_usize..90,
        ) {
            let size = [width, height];
            let field = ReceptiveField { radius: radius * alignment, alignment };
            let grid = Grid::new(size, [across, down], field);
            let from = from % size[1] / alignment * alignment;
            let mut kept = vec![0; size[0] * size[1]];
            prop_assert_eq!(grid.tiles_from(from).count(), grid.count_from(from));
            for tile in grid.tiles_from(from) {
                let Tile { window, kept: part } = &tile;
                prop_assert_eq!([window.width(), window.height()], grid.window());
                prop_assert!(part.width() <= across.max(alignment) && part.height() <= down.max(alignment));
                prop_assert!(window.y.start >= grid.first_row_for(from));
                for (window, part, side) in [(&window.x, &part.x, size[0]), (&window.y, &part.y, size[1])] {
                    prop_assert!(window.end <= side && window.start % alignment == 0);
                    let before = part.start - window.start;
                    prop_assert!(window.start == 0 || before >= field.radius);
                    prop_assert!(window.end == side || window.end - part.end >= field.radius);
                }
                for y in part.y.clone() {
                    for x in part.x.clone() {
                        kept[y * size[0] + x] += 1;
                    }
                }
            }
            prop_assert!(kept[..from * size[0]].iter().all(|times| *times == 0));
            prop_assert!(kept[from * size[0]..].iter().all(|times| *times == 1));
        }
    }

    #[test]
    fn tiles_are_about_equal() {
        let grid = Grid::new([520, 100], [256, 256], ReceptiveField { radius: 8, alignment: 2 });
        let widths: Vec<usize> = grid.tiles_from(0).map(|tile| tile.kept.width()).collect();
        assert_eq!((widths, grid.window()), (vec![174, 174, 172], [190, 100]));
    }

    #[test]
    fn a_part_is_found_at_another_scale_and_in_its_window() {
        let rect = Rect { x: 10..14, y: 6..8 };
        assert_eq!(rect.scaled([3, 2]), Rect { x: 15..21, y: 9..12 });
        assert_eq!(rect.within(&Rect { x: 4..20, y: 6..30 }), Rect { x: 6..10, y: 0..2 });
    }
}
