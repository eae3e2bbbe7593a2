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

use super::fold::{order, reshaped};
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
pub(super) struct Axes(Vec<Vec<Digit>>);

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
        Self((0..4).map(|axis| whole(shape, axis)).collect())
    }

    /// How long they are.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.0.iter().map(|digits| digits.iter().map(|digit| digit.length).product()).collect()
    }

    /// The axes that a `Reshape` asks for.
    pub(super) fn reshaped(&self, wanted: &[i64]) -> Reading<Self> {
        self.with_dims(&reshaped(&self.dims(), wanted)?)
    }

    /// The same numbers along axes of these lengths, of which there are as many numbers.
    pub(super) fn with_dims(&self, dims: &[usize]) -> Reading<Self> {
        let refused = || format!("expected axes that split those of {:?}, found {dims:?}", self.dims());
        let mut rest: Vec<Digit> = self.0.iter().flatten().rev().copied().collect();
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
        dims.iter().map(axis).collect::<Reading<Vec<_>>>().map(Self)
    }

    /// The axes in the order that a `Transpose` asks for.
    pub(super) fn transposed(&self, wanted: Option<Vec<i64>>) -> Reading<Self> {
        let order = order(self.0.len(), wanted)?;
        Ok(Self(order.iter().map(|at| self.0[*at].clone()).collect()))
    }

    /// Whether an axis is the channels, all in their order.
    pub(super) fn is_channels(&self, at: usize, shape: Shape) -> bool {
        self.0.get(at) == Some(&whole(shape, CHANNELS))
    }

    /// The same with an axis of channels that are others.
    pub(super) fn with_channels(&self, at: usize, shape: Shape) -> Self {
        let mut axes = self.clone();
        axes.0[at] = whole(shape, CHANNELS);
        axes
    }

    /// What makes a picture N, C, H, W of a value of this shape; `None` if it is none.
    pub(super) fn moves(&self, shape: Shape) -> Option<Moves> {
        let [batch, channels, rows, columns] = &*self.0 else { return None };
        if !batch.is_empty() {
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
    use super::*;

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
