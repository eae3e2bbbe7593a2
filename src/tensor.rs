//! Numbers on the host: activations ([`Tensor`]) and what a checkpoint holds ([`Parameter`]).
//!
//! Both are dense `f32` in C order (the last axis runs fastest). On the GPU activations lie in
//! channels of four, see [`pack`].

mod balance;
mod blocks;
mod layout;
mod shape;

use std::ops::Range;
use std::sync::Arc;

pub use balance::Balance;
pub use blocks::Blocks;
pub use layout::{channel_groups, pack, packed_len, unpack};
pub use shape::Shape;

/// Activations: N pictures of C channels, H×W pixels, in the order N, C, H, W.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    values: Vec<f32>,
}

impl Tensor {
    /// Takes `values` in the order N, C, H, W.
    ///
    /// # Panics
    /// If there are not as many values as the shape says.
    pub fn new(shape: Shape, values: Vec<f32>) -> Self {
        assert_eq!(shape.len(), values.len(), "a tensor of shape {shape} has {} values", shape.len());
        Self { shape, values }
    }

    /// All zeros.
    pub fn zeros(shape: Shape) -> Self {
        Self { shape, values: vec![0.0; shape.len()] }
    }

    /// Value by value from its position (n, c, y, x).
    pub fn from_fn(shape: Shape, mut value: impl FnMut(usize, usize, usize, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(shape.len());
        for n in 0..shape.batch {
            for c in 0..shape.channels {
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        values.push(value(n, c, y, x));
                    }
                }
            }
        }
        Self { shape, values }
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The numbers, in the order N, C, H, W.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The numbers, taken out.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The numbers, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// One channel of one picture: H×W numbers in raster order.
    pub fn plane(&self, n: usize, c: usize) -> &[f32] {
        let pixels = self.shape.pixels();
        let start = (n * self.shape.channels + c) * pixels;
        &self.values[start..start + pixels]
    }
}

/// One named tensor of a checkpoint: any number of axes, shared and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    dims: Vec<usize>,
    values: Arc<[f32]>,
}

impl Parameter {
    /// Takes `values` in C order.
    ///
    /// # Panics
    /// If there are not as many values as the axes say.
    pub fn new(dims: impl Into<Vec<usize>>, values: impl Into<Arc<[f32]>>) -> Self {
        let (dims, values) = (dims.into(), values.into());
        assert_eq!(dims.iter().product::<usize>(), values.len(), "a parameter of axes {dims:?}");
        Self { dims, values }
    }

    /// The lengths of its axes, as the checkpoint has them: `[out, in, height, width]` for a convolution.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The numbers, in C order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Some input channels of a weight, of which they are the second axis.
    #[must_use]
    pub(crate) fn inputs(&self, range: Range<usize>) -> Self {
        let (outputs, inputs) = (self.dims[0], self.dims[1]);
        let taps: usize = self.dims[2..].iter().product();
        let rows = (0..outputs)
            .flat_map(|o| &self.values[(o * inputs + range.start) * taps..][..range.len() * taps]);
        let dims = [&[outputs, range.len()], &self.dims[2..]].concat();
        Self::new(dims, rows.copied().collect::<Vec<f32>>())
    }

    /// A weight with its first two axes in the other order, `[out, in, k, k]` and `[in, out, k, k]`.
    #[must_use]
    pub(crate) fn swapped(&self) -> Self {
        let (first, second) = (self.dims[0], self.dims[1]);
        let taps: usize = self.dims[2..].iter().product();
        let plane = |b: usize, a: usize| &self.values[(a * second + b) * taps..][..taps];
        let values = (0..second).flat_map(|b| (0..first).flat_map(move |a| plane(b, a)));
        let dims = [&[second, first], &self.dims[2..]].concat();
        Self::new(dims, values.copied().collect::<Vec<f32>>())
    }

    /// The same numbers under other axes.
    ///
    /// # Panics
    /// If there are not as many numbers as the axes say.
    #[must_use]
    pub fn with_dims(&self, dims: impl Into<Vec<usize>>) -> Self {
        Self::new(dims, self.values.clone())
    }

    /// Whether both have the same numbers, under whatever axes.
    pub(crate) fn has_numbers_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values) || self.values == other.values
    }
}
