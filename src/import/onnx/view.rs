//! Values between ONNX's axes and pictures: a graph's value, and how its numbers lie along axes that were reshaped and
//! transposed.
//!
//! Every axis is a list of digits, each a part of a place along one of the value's own axes. So a reshape splits and joins
//! digits, a transpose moves them, and neither moves a number. Once a picture is asked for, the digits tell what it is:
//!
//! ```text
//!   channels c·s² + i·s + j, H, W   reshape   c, i, j, H, W   transpose   c, H, i, W, j   reshape   c, H·i, W·j
//!                                                                                        a pixel shuffle by s
//! ```

use super::fold::order;
use super::protobuf::Reading;
use crate::graph::Value;
use crate::tensor::Shape;

/// Axes of a value.
const CHANNELS: usize = 1;
const ROWS: usize = 2;
const COLUMNS: usize = 3;

/// A part of a place along an axis: `stride` times a number below `length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digit {
    axis: usize,
    length: usize,
    stride: usize,
}

/// How numbers lie along axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axes {
    digits: Vec<Vec<Digit>>,
    /// Where rows and columns begin: place p is the value's (p + begin) modulo the side.
    begin: [usize; 2],
}

/// Windows of a value, as attention sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// Rows and columns of one.
    pub(super) size: [usize; 2],
    /// How many above and beside each other.
    pub(super) counts: [usize; 2],
    /// Where the first one begins; rows and columns in front of it are in the last one.
    pub(super) begin: [usize; 2],
}

/// A value, seen along axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The value.
    pub(super) value: Value,
    /// What ONNX takes it for.
    pub(super) axes: Axes,
}

/// What makes a picture of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Its channels in another order: new ones, each with the old one's number; none if it is the same.
    Channels(Option<Vec<usize>>),
    /// Channels in an order, then into pixels.
    Shuffle(Option<Vec<usize>>, usize),
    /// Pixels into channels, then those in an order.
    Unshuffle(usize, Option<Vec<usize>>),
}

impl Axes {
    /// The axes N, C, H, W of a value of one picture.
    pub(super) fn of(shape: Shape) -> Self {
        Self { digits: (0..4).map(|axis| whole(shape, axis)).collect(), begin: [0, 0] }
    }

    /// How long they are.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.digits.iter().map(|digits| digits.iter().map(|digit| digit.length).product()).collect()
    }

    /// The same numbers along axes of these lengths, of which there are as many numbers.
    pub(super) fn with_dims(&self, dims: &[usize]) -> Reading<Self> {
        let refused = || format!("expected axes that split those of {:?}, found {dims:?}", self.dims());
        let mut rest: Vec<Digit> = self.digits.iter().flatten().rev().copied().collect();
        let axis = |length: &usize| {
            let (mut wanted, mut axis) = (*length, Vec::new());
            while wanted != 1 {
                let digit = rest.pop().ok_or_else(refused)?;
                if digit.length > wanted && wanted > 0 && digit.length.is_multiple_of(wanted) {
                    let inner = digit.length / wanted;
                    rest.push(Digit { length: inner, ..digit });
                    axis.push(Digit { length: wanted, stride: digit.stride * inner, ..digit });
                    wanted = 1;
                } else if wanted > 0 && wanted.is_multiple_of(digit.length) {
                    axis.push(digit);
                    wanted /= digit.length;
                } else {
                    return Err(refused());
                }
            }
            Ok(joined(axis))
        };
        let digits = dims.iter().map(axis).collect::<Reading<Vec<_>>>()?;
        Ok(Self { digits, ..*self })
    }

    /// The axes in the order that a `Transpose` asks for.
    pub(super) fn transposed(&self, wanted: Option<Vec<i64>>) -> Reading<Self> {
        let order = order(self.digits.len(), wanted)?;
        Ok(Self { digits: order.iter().map(|at| self.digits[*at].clone()).collect(), ..*self })
    }

    /// Whether an axis is the channels, all in their order.
    pub(super) fn is_channels(&self, at: usize, shape: Shape) -> bool {
        self.digits.get(at) == Some(&whole(shape, CHANNELS))
    }

    /// How many channels each place of an axis stands for, if it counts runs of them from the first to the last.
    pub(super) fn channels_each(&self, at: usize, shape: Shape) -> Option<usize> {
        match self.digits.get(at).map(Vec::as_slice) {
            Some(&[Digit { axis: CHANNELS, length, stride }]) if length * stride == shape.channels => {
                Some(stride)
            }
            _ => None,
        }
    }

    /// The same where such an axis has another length.
    pub(super) fn with_length(&self, at: usize, length: usize) -> Self {
        let mut axes = self.clone();
        axes.digits[at] = axes.digits[at].iter().map(|digit| Digit { length, ..*digit }).collect();
        axes.digits[at].retain(|digit| digit.length != 1);
        axes
    }

    /// The same without an axis of one place.
    pub(super) fn without(&self, at: usize) -> Self {
        let mut axes = self.clone();
        axes.digits.remove(at);
        axes
    }

    /// The same with rows or columns that begin at another place, where an axis is all of them.
    pub(super) fn begun(&self, at: usize, place: usize, shape: Shape) -> Option<Self> {
        let along =
            [ROWS, COLUMNS].iter().position(|axis| self.digits.get(at) == Some(&whole(shape, *axis)))?;
        let mut axes = self.clone();
        axes.begin[along] = (axes.begin[along] + place) % shape.axes()[ROWS + along];
        Some(axes)
    }

    /// The windows whose pixels, row by row, are an axis.
    pub(super) fn windows(&self, tokens: usize, shape: Shape) -> Option<Windows> {
        let digits = self.digits.get(tokens)?;
        let part =
            |axis: usize| digits.iter().find(|digit| digit.axis == axis).map_or(1, |digit| digit.length);
        let size = [part(ROWS), part(COLUMNS)];
        Some(Windows { size, counts: [shape.height / size[0], shape.width / size[1]], begin: self.begin })
    }

    /// Windows, heads, a window's pixels, a head's channels: what attention takes of a value of this shape.
    pub(super) fn heads(shape: Shape, heads: usize, windows: &Windows) -> Reading<Self> {
        let Windows { size: [rows, columns], counts: [down, across], begin } = *windows;
        let depth = shape.channels / heads;
        let split = Self::of(shape).with_dims(&[heads, depth, down, rows, across, columns])?;
        let moved = split.transposed(Some(vec![2, 4, 0, 3, 5, 1]))?;
        Ok(Self { begin, ..moved.with_dims(&[down * across, heads, rows * columns, depth])? })
    }

    /// The same with an axis of channels that are others.
    pub(super) fn with_channels(&self, at: usize, shape: Shape) -> Self {
        let mut axes = self.clone();
        axes.digits[at] = whole(shape, CHANNELS);
        axes
    }

    /// What makes a picture N, C, H, W of a value of this shape; `None` if it is none.
    pub(super) fn moves(&self, shape: Shape) -> Option<Moves> {
        let [batch, channels, rows, columns] = &*self.digits else { return None };
        if !batch.is_empty() || self.begin != [0, 0] {
            return None;
        }
        let of_channels = channels.iter().all(|digit| digit.axis == CHANNELS);
        if of_channels && *rows == whole(shape, ROWS) && *columns == whole(shape, COLUMNS) {
            return Some(Moves::Channels(numbered(channels, [0, 1, 0, 0])));
        }
        if of_channels {
            let ([row, i], [column, j]) = (last(rows)?, last(columns)?);
            let fits = *row == *whole(shape, ROWS) && *column == *whole(shape, COLUMNS);
            let alike = [i, j].iter().all(|digit| digit[0].axis == CHANNELS) && i[0].length == j[0].length;
            let order = [channels, i, j].concat();
            return (fits && alike).then(|| Moves::Shuffle(numbered(&order, [0, 1, 0, 0]), i[0].length));
        }
        let scale =
            |axis| channels.iter().filter(|digit| digit.axis == axis).map(|digit| digit.length).product();
        let (scale, across): (usize, usize) = (scale(ROWS), scale(COLUMNS));
        let part = |axis: usize| {
            let length = shape.axes()[axis] / scale;
            joined(vec![Digit { axis, length, stride: scale }])
        };
        let fits = scale == across && *rows == part(ROWS) && *columns == part(COLUMNS);
        fits.then(|| Moves::Unshuffle(scale, numbered(channels, [0, scale * scale, scale, 1])))
    }
}

/// All places of an axis, in order.
fn whole(shape: Shape, axis: usize) -> Vec<Digit> {
    joined(vec![Digit { axis, length: shape.axes()[axis], stride: 1 }])
}

/// All digits but the last, and the last.
fn last(digits: &[Digit]) -> Option<[&[Digit]; 2]> {
    let at = digits.len().checked_sub(1)?;
    Some([&digits[..at], &digits[at..]])
}

/// Digits without those of one place, and neighbours that are parts of one made one.
fn joined(digits: Vec<Digit>) -> Vec<Digit> {
    let mut joined: Vec<Digit> = Vec::with_capacity(digits.len());
    for digit in digits.into_iter().filter(|digit| digit.length != 1) {
        match joined.last_mut() {
            Some(before) if before.axis == digit.axis && before.stride == digit.stride * digit.length => {
                *before = Digit { length: before.length * digit.length, ..digit };
            }
            _ => joined.push(digit),
        }
    }
    joined
}

/// The channel behind each place that digits count, an axis weighing so much; `None` if they are in order.
fn numbered(digits: &[Digit], weights: [usize; 4]) -> Option<Vec<usize>> {
    let mut numbers = vec![0];
    for digit in digits {
        let step = digit.stride * weights[digit.axis];
        numbers = numbers.iter().flat_map(|sum| (0..digit.length).map(move |at| sum + at * step)).collect();
    }
    let in_order = numbers.iter().enumerate().all(|(at, number)| at == *number);
    (!in_order).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::super::fold::reshaped;
    use super::*;

    impl Axes {
        /// The axes that a `Reshape` asks for.
        fn reshaped(&self, wanted: &[i64]) -> Reading<Self> {
            self.with_dims(&reshaped(&self.dims(), wanted)?)
        }
    }

    fn after(shape: Shape, first: &[i64], order: &[i64], second: &[i64]) -> Option<Moves> {
        let axes = Axes::of(shape).reshaped(first).unwrap().transposed(Some(order.to_vec())).unwrap();
        axes.reshaped(second).unwrap().moves(shape)
    }

    #[test]
    fn patterns_are_known_by_their_digits() {
        let small = Shape::new(1, 12, 5, 7);
        let shuffle = after(small, &[1, 3, 2, 2, 5, 7], &[0, 1, 4, 2, 5, 3], &[1, 3, 10, 14]);
        assert_eq!(shuffle, Some(Moves::Shuffle(None, 2)));
        let depth_first = after(small, &[1, 2, 2, 3, 5, 7], &[0, 3, 4, 1, 5, 2], &[1, 3, 10, 14]);
        let order = vec![0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11];
        assert_eq!(depth_first, Some(Moves::Shuffle(Some(order), 2)));
        let large = Shape::new(1, 2, 6, 9);
        let unshuffle = after(large, &[1, 2, 2, 3, 3, 3], &[0, 1, 3, 5, 2, 4], &[0, -1, 2, 3]);
        assert_eq!(unshuffle, Some(Moves::Unshuffle(3, None)));
        let to_depth = after(large, &[1, 2, 2, 3, 3, 3], &[0, 3, 5, 1, 2, 4], &[1, 18, 2, 3]);
        let order = (0..9).flat_map(|place| [place, place + 9]).collect();
        assert_eq!(to_depth, Some(Moves::Unshuffle(3, Some(order))));
        let groups = after(small, &[1, 3, 4, 5, 7], &[0, 2, 1, 3, 4], &[1, 12, 5, 7]);
        assert_eq!(groups, Some(Moves::Channels(Some(vec![0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]))));
        let windows = after(large, &[1, 2, 3, 2, 3, 3], &[0, 2, 4, 3, 5, 1], &[9, 6, 2]);
        assert_eq!(windows, None);
        assert_eq!(Axes::of(small).reshaped(&[1, 12, 35]).unwrap().moves(small), None);
        assert!(Axes::of(small).reshaped(&[5, 12, 7]).is_err());
    }

    #[test]
    fn channels_last_is_a_view() {
        let shape = Shape::new(1, 12, 5, 7);
        let last = Axes::of(shape).transposed(Some(vec![0, 2, 3, 1])).unwrap();
        assert!(last.is_channels(3, shape) && !last.is_channels(1, shape));
        assert_eq!(last.dims(), [1, 5, 7, 12]);
        let back = last.transposed(Some(vec![0, 3, 1, 2])).unwrap();
        assert_eq!((back.clone(), back.moves(shape)), (Axes::of(shape), Some(Moves::Channels(None))));
    }
}
