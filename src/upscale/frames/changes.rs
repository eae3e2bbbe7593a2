//! Where a frame differs from the one before: for every pixel how many of those above it and to its left do, so that the
//! question whether something in a rectangle has changed is four look-ups, however large it is.

use crate::job::tiles::Rect;
use crate::pixels::{Pixels, Samples};

pub(super) struct Changes {
    width: usize,
    height: usize,
    /// A row and a column more than the frame has: at (x, y) the changed pixels of the columns before x in the rows above y.
    sums: Vec<u32>,
}

impl Changes {
    /// `None` if the frames are not of one size and depth.
    pub(super) fn between(before: &Pixels, after: &Pixels) -> Option<Self> {
        let (width, height) = (after.width(), after.height());
        if [before.width(), before.height()] != [width, height] {
            return None;
        }
        let sums = match (before.samples(), after.samples()) {
            (Samples::U8(before), Samples::U8(after)) => sums(before, after, width),
            (Samples::U16(before), Samples::U16(after)) => sums(before, after, width),
            _ => return None,
        };
        Some(Self { width, height, sums })
    }

    /// Whether a pixel of the part has changed. What of it lies past the right or bottom edge is made of as many of the last
    /// columns or rows.
    pub(super) fn any(&self, part: &Rect) -> bool {
        let within = |start: usize, end: usize, side: usize| {
            let beyond = end.saturating_sub(side);
            let start = if beyond > 0 { start.min(side.saturating_sub(beyond + 1)) } else { start };
            (start, end.min(side))
        };
        let (left, right) = within(part.x.start, part.x.end, self.width);
        let (top, bottom) = within(part.y.start, part.y.end, self.height);
        let at = |x: usize, y: usize| self.sums[y * (self.width + 1) + x];
        at(right, bottom) + at(left, top) > at(left, bottom) + at(right, top)
    }

    /// The smallest part of a part that holds all that has changed in it; of one that lies past an edge the part itself.
    pub(super) fn bounds(&self, part: &Rect) -> Option<Rect> {
        if part.x.end > self.width || part.y.end > self.height {
            return self.any(part).then(|| part.clone());
        }
        let in_row = |y: &usize| self.any(&Rect { x: part.x.clone(), y: *y..y + 1 });
        let in_column = |x: &usize| self.any(&Rect { x: *x..x + 1, y: part.y.clone() });
        let y = part.y.clone().find(in_row)?..part.y.clone().rfind(in_row)? + 1;
        let x = part.x.clone().find(in_column)?..part.x.clone().rfind(in_column)? + 1;
        Some(Rect { x, y })
    }
}

fn sums<T: PartialEq>(before: &[T], after: &[T], width: usize) -> Vec<u32> {
    let stride = width + 1;
    let mut sums = vec![0; stride];
    sums.reserve(after.len() / 3 + stride);
    for (before, after) in before.chunks_exact(3 * width).zip(after.chunks_exact(3 * width)) {
        let above = sums.len() - stride;
        if before == after {
            sums.extend_from_within(above..);
            continue;
        }
        let mut row = 0;
        sums.push(0);
        let pixels = before.as_chunks::<3>().0.iter().zip(after.as_chunks::<3>().0);
        for (x, (before, after)) in pixels.enumerate() {
            row += u32::from(before != after);
            sums.push(sums[above + x + 1] + row);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixels::Depth;

    proptest! {
        #[test]
        fn a_part_has_changed_if_a_pixel_of_it_has(
            (width, height) in (1_usize..12, 1_usize..9),
            places in proptest::collection::vec((0_usize..12, 0_usize..9, 0_usize..3), 0..4),
            (x, columns, y, rows) in (0_usize..12, 1_usize..12, 0_usize..9, 1_usize..9),
        ) {
            for depth in [Depth::Eight, Depth::Sixteen] {
                let before = Pixels::black(width, height, depth);
                let mut samples = vec![0; 3 * width * height];
                let places: Vec<_> = places.iter().map(|(x, y, c)| (x % width, y % height, c)).collect();
                places.iter().for_each(|(x, y, c)| samples[3 * (y * width + x) + **c] = 1);
                let samples = match depth {
                    Depth::Eight => Samples::U8(samples),
                    Depth::Sixteen => Samples::U16(samples.into_iter().map(u16::from).collect()),
                };
                let changes = Changes::between(&before, &Pixels::of(width, height, samples)).unwrap();
                let (x, y) = (x % width, y % height);
                let part = Rect { x: x..(x + columns).min(width), y: y..(y + rows).min(height) };
                let expected = places.iter().any(|(x, y, _)| part.x.contains(x) && part.y.contains(y));
                prop_assert_eq!(changes.any(&part), expected);
                let bounds = changes.bounds(&part);
                prop_assert_eq!(bounds.is_some(), expected);
                let inside = |(x, y, _): &&(usize, usize, &usize)| part.x.contains(x) && part.y.contains(y);
                for (x, y, _) in places.iter().filter(inside) {
                    prop_assert!(bounds.as_ref().is_some_and(|all| all.x.contains(x) && all.y.contains(y)));
                }
                if let Some(Rect { x, y }) = bounds {
                    let edges = [(x.start, None), (x.end - 1, None)].into_iter().chain([y.start, y.end - 1].map(|y| (0, Some(y))));
                    for (column, row) in edges {
                        let on = |(x, y, _): &(usize, usize, &usize)| row.map_or(*x == column, |row| *y == row);
                        prop_assert!(places.iter().filter(inside).any(on), "no tighter than it could be");
                    }
                }
            }
        }
    }

    #[test]
    fn what_lies_past_an_edge_is_made_of_what_lies_before_it() {
        let mut samples = vec![0; 3 * 8 * 4];
        samples[3 * (8 + 5)] = 1; // column 5, row 1
        let [before, after] = [vec![0; 3 * 8 * 4], samples].map(|s| Pixels::of(8, 4, Samples::U8(s)));
        let changes = Changes::between(&before, &after).unwrap();
        let any = |x: std::ops::Range<usize>| changes.any(&Rect { x, y: 0..4 });
        assert!(
            !any(6..8) && !any(7..9),
            "columns 6 and 7 stand still, and so does the one that repeats or mirrors them"
        );
        assert!(any(7..10), "two columns past the edge mirror columns 6 and 5");
        assert!(any(7..40), "everything");
    }

    #[test]
    fn frames_that_cannot_be_compared_are_not() {
        let black = |width, depth| Pixels::black(width, 2, depth);
        assert!(Changes::between(&black(2, Depth::Eight), &black(3, Depth::Eight)).is_none());
        assert!(Changes::between(&black(2, Depth::Eight), &black(2, Depth::Sixteen)).is_none());
    }
}
