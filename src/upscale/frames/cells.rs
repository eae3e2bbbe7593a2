//! Which windows of a frame are computed, where any will do: a frame in cells, of which some have seen a change, and windows
//! that hold all of those with the least work ([`Cells::cover`]).
//!
//! What a window keeps is then made as small as the pixels that have changed let it be.

use std::ops::Range;

use super::changes::Changes;
use crate::graph::ReceptiveField;
use crate::job::cells::{Cells, Marked};
use crate::job::tiles::{Rect, Tile};

/// A cell's side. Smaller ones follow a change more closely; what a window adds around them is the same.
const SIDE: usize = 32;

/// The cells of a frame that goes in windows.
pub(super) fn cells(size: [usize; 2], field: ReceptiveField, least: usize) -> Cells {
    Cells::new(size, SIDE, field, least)
}

/// Windows whose kept parts hold every pixel that sees a change.
pub(super) fn tiles(cells: &Cells, changes: &Changes) -> Vec<Tile> {
    let sees = |place| changes.any(&cells.tile(&Rect::one(place)).window);
    let marked = Marked::new(&cells.all(), sees);
    cells.cover(&marked).iter().filter_map(|some| tile(cells, changes, some)).collect()
}

/// Of what some cells have that which sees a change, and its window. A window that is longer than it sees may have been all that
/// saw one.
fn tile(cells: &Cells, changes: &Changes, some: &Rect) -> Option<Tile> {
    let ReceptiveField { radius, alignment } = cells.field();
    let Tile { window, kept: part } = cells.tile(some);
    let sees = |range: &Range<usize>, within: &Range<usize>| {
        let start = range.start.saturating_sub(radius) / alignment * alignment;
        let end = (range.end + radius).next_multiple_of(alignment);
        start.max(within.start)..end.min(within.end)
    };
    let Rect { x, y } = changes.bounds(&window)?;
    let kept = Rect { x: sees(&x, &part.x), y: sees(&y, &part.y) };
    (kept.pixels() > 0).then(|| Tile { window: cells.window(&kept), kept })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::{Pixels, Samples};

    const FIELD: ReceptiveField = ReceptiveField { radius: 6, alignment: 2 };

    /// The windows after changes at some pixels of a frame.
    fn changed(cells: &Cells, [width, height]: [usize; 2], places: &[[usize; 2]]) -> Vec<Tile> {
        let mut samples = vec![0; 3 * width * height];
        let before = Pixels::of(width, height, Samples::U8(samples.clone()));
        places.iter().for_each(|[x, y]| samples[3 * (y * width + x)] = 1);
        let after = Pixels::of(width, height, Samples::U8(samples));
        tiles(cells, &Changes::between(&before, &after).unwrap())
    }

    proptest! {
        #[test]
        fn every_pixel_that_sees_a_change_is_kept_far_from_inner_edges(
            (width, height) in (1_usize..120, 1_usize..100),
            places in proptest::collection::vec((0_usize..120, 0_usize..100), 1..6),
            least in 1_usize..40,
        ) {
            let size = [width, height].map(|side| (2 * side).max(least.next_multiple_of(2)));
            let cells = cells(size, FIELD, least);
            let places: Vec<[usize; 2]> = places.iter().map(|(x, y)| [x % size[0], y % size[1]]).collect();
            let tiles = changed(&cells, size, &places);
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
        let cells = cells(size, FIELD, 1);
        assert_eq!((cells.all().pixels(), changed(&cells, size, &[]).len()), (200, 0));
        let near = changed(&cells, size, &[[100, 100], [126, 126]]);
        assert_eq!(
            near,
            [Tile { window: Rect { x: 88..140, y: 88..140 }, kept: Rect { x: 94..134, y: 94..134 } }],
            "no more than sees a change: cells are for the choice"
        );
        let far = changed(&cells, size, &[[16, 16], [600, 300], [16, 300]]);
        assert_eq!(far.len(), 3);
        assert_eq!(far.iter().map(|tile| cells.of(&tile.kept)).sum::<usize>(), 3);
        let everywhere: Vec<[usize; 2]> =
            (0..320).step_by(16).flat_map(|y| (0..40).map(move |x| [16 * x, y])).collect();
        let all = changed(&cells, size, &everywhere);
        assert_eq!((all.len(), all[0].kept.pixels()), (1, 632 * 312));
    }
}
