//! The values that the oracle computes with.

use std::sync::Arc;

use crate::tensor::{Parameter, Shape, Tensor};

/// N×C×H×W numbers in f64, stored in that order.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    shape: Shape,
    values: Vec<f64>,
}

impl Numbers {
    /// Takes `values` in the order N, C, H, W.
    ///
    /// # Panics
    /// If there are not as many values as the shape says.
    pub fn new(shape: Shape, values: Vec<f64>) -> Self {
        assert_eq!(shape.len(), values.len(), "numbers of shape {shape} are {}", shape.len());
        Self { shape, values }
    }

    /// Number by number from its place (n, c, y, x).
    pub fn from_fn(shape: Shape, number: impl Fn(usize, usize, usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(shape.len());
        for n in 0..shape.batch {
            for c in 0..shape.channels {
                for y in 0..shape.height {
                    values.extend((0..shape.width).map(|x| number(n, c, y, x)));
                }
            }
        }
        Self { shape, values }
    }

    /// The numbers of a tensor, exactly.
    pub fn of(tensor: &Tensor) -> Self {
        Self::new(tensor.shape(), tensor.values().iter().map(|value| f64::from(*value)).collect())
    }

    /// The numbers, each rounded to the nearest f32.
    pub fn to_tensor(&self) -> Tensor {
        Tensor::new(self.shape, self.values.iter().map(|value| *value as f32).collect())
    }

    /// The numbers, each rounded to the nearest f32, along the axes N, C, H, W.
    pub fn to_parameter(&self) -> Parameter {
        let values: Arc<[f32]> = self.values.iter().map(|value| *value as f32).collect();
        Parameter::new(self.shape.axes(), values)
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The numbers, in the order N, C, H, W.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Every place (n, c, y, x), in the order of the numbers.
    pub(super) fn places(&self) -> impl Iterator<Item = [usize; 4]> + use<> {
        let Shape { batch, channels, height, width } = self.shape;
        let planes = (0..batch).flat_map(move |n| (0..channels).map(move |c| (n, c)));
        planes.flat_map(move |(n, c)| (0..height * width).map(move |p| [n, c, p / width, p % width]))
    }

    /// The number at a place.
    ///
    /// # Panics
    /// If the place is outside.
    pub fn at(&self, n: usize, c: usize, y: usize, x: usize) -> f64 {
        self.values[self.index(n, c, y, x)]
    }

    /// The number at a place, to be changed.
    pub(super) fn at_mut(&mut self, n: usize, c: usize, y: usize, x: usize) -> &mut f64 {
        let index = self.index(n, c, y, x);
        &mut self.values[index]
    }

    /// The number at a place, where an axis of length 1 is repeated.
    pub(super) fn at_repeated(&self, n: usize, c: usize, y: usize, x: usize) -> f64 {
        let along = |at: usize, length: usize| if length == 1 { 0 } else { at };
        let Shape { batch, channels, height, width } = self.shape;
        self.at(along(n, batch), along(c, channels), along(y, height), along(x, width))
    }

    /// The number at a place, 0 above, below, left and right of the picture.
    pub(super) fn at_padded(&self, n: usize, c: usize, y: isize, x: isize) -> f64 {
        let within = |at: isize, length: usize| usize::try_from(at).ok().filter(|at| *at < length);
        match (within(y, self.shape.height), within(x, self.shape.width)) {
            (Some(y), Some(x)) => self.at(n, c, y, x),
            _ => 0.0,
        }
    }

    /// One row of one channel.
    pub(super) fn row(&self, n: usize, c: usize, y: usize) -> &[f64] {
        let start = self.row_start(n, c, y);
        &self.values[start..start + self.shape.width]
    }

    /// One row of one channel, to be changed.
    pub(super) fn row_mut(&mut self, n: usize, c: usize, y: usize) -> &mut [f64] {
        let start = self.row_start(n, c, y);
        &mut self.values[start..start + self.shape.width]
    }

    /// `function` of every number.
    pub(super) fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self::new(self.shape, self.values.iter().map(|value| function(*value)).collect())
    }

    fn index(&self, n: usize, c: usize, y: usize, x: usize) -> usize {
        assert!(x < self.shape.width, "column {x} of {}", self.shape);
        self.row_start(n, c, y) + x
    }

    /// Checks every axis: a place past the end of one is a number of the next.
    fn row_start(&self, n: usize, c: usize, y: usize) -> usize {
        let Shape { batch, channels, height, width } = self.shape;
        assert!(n < batch && c < channels && y < height, "place {n}, {c}, {y} of {}", self.shape);
        ((n * channels + c) * height + y) * width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2×3×2×2, each number its place's digits.
    fn digits() -> Numbers {
        let digits = |n, c, y, x| (1000 * n + 100 * c + 10 * y + x) as f64;
        Numbers::from_fn(Shape::new(2, 3, 2, 2), digits)
    }

    #[test]
    fn places_are_in_the_order_n_c_y_x() {
        let numbers = digits();
        assert_eq!(numbers.values()[..6], [0.0, 1.0, 10.0, 11.0, 100.0, 101.0]);
        assert_eq!(numbers.at(1, 2, 0, 1), 1201.0);
        assert_eq!(numbers.row(1, 0, 1), [1010.0, 1011.0]);
        assert_eq!(numbers.at_padded(1, 2, 1, 0), 1210.0);
        for (y, x) in [(-1, 0), (2, 0), (0, -1), (0, 2)] {
            assert_eq!(numbers.at_padded(1, 2, y, x), 0.0);
        }
    }

    #[test]
    fn a_place_past_any_axis_is_refused() {
        let numbers = digits();
        for [n, c, y, x] in [[2, 0, 0, 0], [0, 3, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]] {
            assert!(std::panic::catch_unwind(|| numbers.at(n, c, y, x)).is_err(), "{n}, {c}, {y}, {x}");
        }
    }

    #[test]
    fn a_tensor_comes_back_and_the_rest_is_rounded() {
        let tensor = Tensor::new(Shape::new(1, 1, 1, 2), vec![0.1, -3.0]);
        assert_eq!(Numbers::of(&tensor).to_tensor(), tensor);
        assert_eq!(Numbers::new(tensor.shape(), vec![0.1, -3.0]).to_tensor(), tensor);
        assert_ne!(Numbers::of(&tensor).at(0, 0, 0, 0), 0.1);
    }
}
