//! Windows of a value that a network resizes to the picture's size: made of the smaller value in the store, with the
//! whole picture's grid, so that a window's numbers are those of the whole.

use crate::graph::ResizeKind;
use crate::job::tiles::Rect;
use crate::tensor::{Blocks, channel_groups};

/// A resize of a whole value.
pub(super) struct Resized {
    pub(super) kind: ResizeKind,
    /// Columns and rows of the smaller value.
    pub(super) old: [usize; 2],
    /// And of what it is resized to.
    pub(super) new: [usize; 2],
}

/// The two old pixels that a new one lies between, along one axis, and how far it is from the first.
#[derive(Clone, Copy)]
struct Line {
    places: [usize; 2],
    t: f64,
}

impl Line {
    fn between(self, [first, second]: [f64; 2]) -> f64 {
        (1.0 - self.t) * first + self.t * second
    }
}

impl Resized {
    /// What of the smaller value a part of the larger is made of.
    pub(super) fn needed(&self, part: &Rect) -> Rect {
        let needed = |axis: usize, first: usize, last: usize| {
            self.line(axis, first).places[0]..self.line(axis, last).places[1] + 1
        };
        Rect { x: needed(0, part.x.start, part.x.end - 1), y: needed(1, part.y.start, part.y.end - 1) }
    }

    /// The row of the smaller value above which nothing from row `y` of the larger on is made of.
    pub(super) fn first_row_for(&self, y: usize) -> usize {
        self.line(1, y.min(self.new[1] - 1)).places[0]
    }

    /// A part of the larger value, packed, in one of the blocks, from what it needs of the smaller.
    pub(super) fn part(&self, small: &[f32], channels: usize, part: &Rect, blocks: &Blocks) -> Vec<f32> {
        let from = self.needed(part);
        let lines = |axis: usize, range: std::ops::Range<usize>, first: usize| -> Vec<Line> {
            let within = |line: Line| Line { places: line.places.map(|place| place - first), ..line };
            range.map(|p| within(self.line(axis, p))).collect()
        };
        let columns = lines(0, part.x.clone(), from.x.start);
        let rows = lines(1, part.y.clone(), from.y.start);
        let (width, plane) = (from.width(), from.pixels());
        let small = small.as_chunks::<4>().0;
        let mut made = blocks.take(4 * channel_groups(channels) * part.pixels());
        let mut pixels = made.as_chunks_mut::<4>().0.iter_mut();
        for group in 0..channel_groups(channels) {
            for row in &rows {
                for column in &columns {
                    let at = |y: usize, x: usize| small[group * plane + y * width + x];
                    let corners = row.places.map(|y| column.places.map(|x| at(y, x)));
                    let made = [0, 1, 2, 3].map(|lane| {
                        let along =
                            corners.map(|two| column.between(two.map(|pixel| f64::from(pixel[lane]))));
                        row.between(along) as f32
                    });
                    *pixels.next().expect("a pixel for every place") = made;
                }
            }
        }
        made
    }

    /// See [`ResizeTo`](crate::graph::ResizeTo).
    fn line(&self, axis: usize, p: usize) -> Line {
        let (old, new) = (self.old[axis], self.new[axis]);
        let (over, below) = match self.kind {
            ResizeKind::Nearest => {
                let place = ((p as f32 * (old as f32 / new as f32)) as usize).min(old - 1);
                return Line { places: [place; 2], t: 0.0 };
            }
            ResizeKind::BilinearCorners => (p * (old - 1), (new - 1).max(1)),
            _ => (((2 * p + 1) * old).saturating_sub(new), 2 * new),
        };
        let place = over / below;
        Line { places: [place, (place + 1).min(old - 1)], t: (over % below) as f64 / below as f64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu;
    use crate::graph::Op;
    use crate::graph::{Builder, ResizeTo};
    use crate::tensor::{Shape, Tensor, pack, unpack};

    fn cut(whole: &Tensor, part: &Rect) -> Tensor {
        let shape = whole.shape();
        Tensor::from_fn(shape.with_size(part.height(), part.width()), |n, c, y, x| {
            whole.plane(n, c)[(part.y.start + y) * shape.width + part.x.start + x]
        })
    }

    proptest! {
        #[test]
        fn a_part_is_what_the_whole_has_there(
            (width, height) in (1_usize..20, 1_usize..20),
            (new_width, new_height) in (1_usize..60, 1_usize..60),
            (left, top, right, bottom) in (0_usize..60, 0_usize..60, 0_usize..60, 0_usize..60),
            kind in prop_oneof![
                Just(ResizeKind::Bilinear), Just(ResizeKind::BilinearCorners), Just(ResizeKind::Nearest)
            ],
        ) {
            let small = Tensor::from_fn(Shape::new(1, 3, height, width), |_, c, y, x| {
                ((c * 31 + y * 17 + x * 7) % 23) as f32 - 11.3
            });
            let (mut b, like) = Builder::new("resize", Shape::new(1, 3, new_height, new_width), 1.0);
            let x = b.constant("small", small.clone()).unwrap();
            let y = b.append("large", Op::ResizeTo(ResizeTo { kind }), &[x, like]).unwrap();
            let picture = Tensor::zeros(b.shape(like));
            let (graph, parameters) = b.finish(y).unwrap();
            let whole = cpu::run(&graph, &parameters, &picture).unwrap();

            let range = |start: usize, end: usize, side: usize| {
                let start = start % side;
                start..start + 1 + end % (side - start)
            };
            let part = Rect { x: range(left, right, new_width), y: range(top, bottom, new_height) };
            let resized = Resized { kind, old: [width, height], new: [new_width, new_height] };
            let needed = cut(&small, &resized.needed(&part));
            let found = resized.part(&pack(&needed), 3, &part, &Blocks::default());
            let expected = cut(&whole, &part);
            prop_assert_eq!(unpack(expected.shape(), &found), expected);
            prop_assert!(resized.first_row_for(part.y.start) <= resized.needed(&part).y.start);
        }
    }
}
