//! Activations as the CPU engine holds them: pixel by pixel, the channels of a pixel side by side, so that what a
//! convolution reads at a tap, or at all taps of a row, is one run of numbers.

use std::ops::Range;

use rayon::prelude::*;

use crate::control::Cancel;
use crate::tensor::{Blocks, Shape, Tensor, channel_groups, packed_len};

/// Numbers of a unit: what a thread makes in one go stays in its core's L1 or L2 cache.
const UNIT_LEN: usize = 8192;

/// Planes that a thread writes where the order is changed: what it reads of a pixel is a cache line.
const PLANES: usize = 16;

/// Pixels whose order is changed while they are in a core's L1 cache.
const PIXELS: usize = 32;

/// N pictures of H×W pixels of C channels, in the order N, H, W, C.
#[derive(Debug, Default)]
pub(super) struct Map {
    shape: Option<Shape>,
    /// At least as many as the shape says.
    numbers: Vec<f32>,
    cancel: Option<Cancel>,
}

/// Some neighbouring pixels of one picture, in raster order.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// The picture.
    pub(super) n: usize,
    /// The pixels.
    pub(super) pixels: Range<usize>,
}

/// Pixels of a unit, where nothing else is asked for: a multiple of those that any kernel takes at a time.
pub(super) fn unit_len(shape: Shape) -> usize {
    (UNIT_LEN / shape.channels.max(1)).clamp(48, 960) / 24 * 24
}

impl Map {
    /// Whatever numbers `buffer` holds, or zeros.
    pub(super) fn new(shape: Shape, mut buffer: Vec<f32>) -> Self {
        if buffer.len() < shape.len() {
            buffer.resize(shape.len(), 0.0);
        }
        Self { shape: Some(shape), numbers: buffer, cancel: None }
    }

    /// No more of it is made once it is cancelled.
    pub(super) fn unless(self, cancel: Option<&Cancel>) -> Self {
        Self { cancel: cancel.cloned(), ..self }
    }

    /// The shape.
    pub(super) fn shape(&self) -> Shape {
        self.shape.unwrap_or(Shape::new(0, 0, 0, 0))
    }

    /// The numbers, in the order N, H, W, C.
    pub(super) fn values(&self) -> &[f32] {
        &self.numbers[..self.shape().len()]
    }

    /// The numbers, to be overwritten.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        let len = self.shape().len();
        &mut self.numbers[..len]
    }

    /// The memory, for other numbers.
    pub(super) fn into_buffer(self) -> Vec<f32> {
        self.numbers
    }

    /// One picture.
    pub(super) fn picture(&self, n: usize) -> &[f32] {
        let len = self.shape().channels * self.shape().pixels();
        &self.values()[n * len..][..len]
    }

    /// One row of a picture, W·C numbers.
    pub(super) fn row(&self, n: usize, y: usize) -> &[f32] {
        let len = self.shape().width * self.shape().channels;
        &self.values()[(n * self.shape().height + y) * len..][..len]
    }

    /// The numbers of a unit's pixels.
    pub(super) fn of(&self, unit: &Unit) -> &[f32] {
        let channels = self.shape().channels;
        &self.picture(unit.n)[unit.pixels.start * channels..unit.pixels.end * channels]
    }

    /// Overwrites all numbers with the tensor's.
    ///
    /// # Panics
    /// If the shapes differ.
    pub(super) fn read(&mut self, tensor: &Tensor) {
        let shape = self.shape();
        assert_eq!(shape, tensor.shape(), "a map of the tensor's shape");
        self.by_row(|n, y, row| {
            for c in 0..shape.channels {
                let line = &tensor.plane(n, c)[y * shape.width..][..shape.width];
                row[c..].iter_mut().step_by(shape.channels).zip(line).for_each(|(to, from)| *to = *from);
            }
        });
    }

    /// Overwrites all numbers with what [`pack`](crate::tensor::pack) made.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn read_packed(&mut self, packed: &[f32]) {
        let shape = self.shape();
        assert_eq!(packed.len(), packed_len(shape), "the packed numbers of {shape}");
        let groups = channel_groups(shape.channels);
        self.by_row(|n, y, row| {
            for group in 0..groups {
                let line = &packed[((n * groups + group) * shape.height + y) * shape.width * 4..];
                for (pixel, four) in row.chunks_exact_mut(shape.channels).zip(line.as_chunks::<4>().0) {
                    match pixel[4 * group..].first_chunk_mut() {
                        Some(to) => *to = *four,
                        None => pixel[4 * group..].iter_mut().zip(four).for_each(|(to, from)| *to = *from),
                    }
                }
            }
        });
    }

    /// The numbers as [`pack`](crate::tensor::pack) packs them, in one of the blocks.
    pub(super) fn to_packed(&self, blocks: &Blocks) -> Vec<f32> {
        let shape = self.shape();
        let groups = channel_groups(shape.channels);
        let mut packed = blocks.take(packed_len(shape));
        let plane = (shape.pixels() * 4).max(1);
        packed.par_chunks_mut(groups.max(1) * plane).enumerate().for_each(|(n, planes)| {
            planes.par_chunks_mut(PLANES / 4 * plane).enumerate().for_each(|(at, planes)| {
                let mut rows: Vec<Vec<&mut [f32]>> = (0..shape.height).map(|_| vec![]).collect();
                for plane in planes.chunks_mut(plane) {
                    rows.iter_mut()
                        .zip(plane.chunks_mut((shape.width * 4).max(1)))
                        .for_each(|(row, line)| row.push(line));
                }
                rows.into_par_iter()
                    .enumerate()
                    .for_each(|(y, lines)| self.pack_row([n, y], at * PLANES, lines));
            });
        });
        packed
    }

    /// Packs channels of a row from `first` on, a line four of them.
    fn pack_row(&self, [n, y]: [usize; 2], first: usize, mut lines: Vec<&mut [f32]>) {
        let channels = self.shape().channels;
        for (at, pixels) in self.row(n, y).chunks((PIXELS * channels).max(1)).enumerate() {
            for (group, line) in lines.iter_mut().enumerate() {
                let fours = line[4 * at * PIXELS..].as_chunks_mut::<4>().0;
                for (four, pixel) in fours.iter_mut().zip(pixels.chunks_exact(channels)) {
                    let pixel = &pixel[first + 4 * group..];
                    match pixel.first_chunk() {
                        Some(from) => *four = *from,
                        None => {
                            *four = [0.0; 4];
                            four.iter_mut().zip(pixel).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
            }
        }
    }

    /// The numbers in the order of tensors.
    pub(super) fn to_tensor(&self) -> Tensor {
        let (shape, mut tensor) = (self.shape(), Tensor::zeros(self.shape()));
        let (pixels, picture) = (shape.pixels().max(1), (shape.channels * shape.pixels()).max(1));
        tensor.values_mut().par_chunks_mut(picture).enumerate().for_each(|(n, planes)| {
            planes.par_chunks_mut(PLANES * pixels).enumerate().for_each(|(group, planes)| {
                for y in 0..shape.height {
                    let row = &self.row(n, y)[group * PLANES..];
                    for (c, plane) in planes.chunks_exact_mut(pixels).enumerate() {
                        let line = plane[y * shape.width..][..shape.width].iter_mut();
                        line.zip(row[c..].iter().step_by(shape.channels)).for_each(|(to, from)| *to = *from);
                    }
                }
            });
        });
        tensor
    }

    /// Makes all numbers, on all threads: `fill(n, y, row)` writes one row of one picture.
    pub(super) fn by_row(&mut self, fill: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let Shape { channels, height, width, .. } = self.shape();
        let cancel = self.cancel.take();
        let is_cancelled = || cancel.as_ref().is_some_and(Cancel::is_cancelled);
        let rows = self.values_mut().par_chunks_mut((width * channels).max(1)).enumerate();
        rows.for_each(|(index, row)| {
            if !is_cancelled() {
                fill(index / height, index % height, row);
            }
        });
        self.cancel = cancel;
    }

    /// Makes all numbers, on all threads: `fill(unit, numbers, scratch)` writes the pixels of one unit. Units depend
    /// on the shape alone: neither on the machine nor on the number of threads.
    pub(super) fn by_unit<T: Default>(&mut self, fill: impl Fn(&Unit, &mut [f32], &mut T) + Sync) {
        self.by_unit_of(unit_len(self.shape()), fill);
    }

    /// The same by units of so many pixels.
    pub(super) fn by_unit_of<T: Default>(
        &mut self,
        length: usize,
        fill: impl Fn(&Unit, &mut [f32], &mut T) + Sync,
    ) {
        let (channels, pixels) = (self.shape().channels.max(1), self.shape().pixels().max(1));
        let cancel = self.cancel.take();
        let is_cancelled = || cancel.as_ref().is_some_and(Cancel::is_cancelled);
        self.values_mut().par_chunks_mut(pixels * channels).enumerate().for_each(|(n, picture)| {
            let units = picture.par_chunks_mut(length * channels).enumerate();
            units.for_each_init(T::default, |scratch, (index, numbers)| {
                let start = index * length;
                if !is_cancelled() {
                    fill(&Unit { n, pixels: start..start + numbers.len() / channels }, numbers, scratch);
                }
            });
        });
        self.cancel = cancel;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::pack;

    fn counted(shape: Shape) -> Tensor {
        Tensor::new(shape, (0..shape.len()).map(|number| number as f32).collect())
    }

    #[test]
    fn a_map_has_the_channels_of_a_pixel_side_by_side_and_becomes_the_tensor_again() {
        for channels in [1, 3, 16, 17, 40] {
            let tensor = counted(Shape::new(2, channels, 3, 71));
            let mut map = Map::new(tensor.shape(), vec![f32::NAN; 20_000]);
            map.read(&tensor);
            for (n, c, y, x) in [(0, 0, 0, 0), (1, channels - 1, 2, 4), (1, channels / 2, 1, 3)] {
                assert_eq!(map.row(n, y)[x * channels + c], tensor.plane(n, c)[y * 71 + x]);
            }
            assert_eq!(map.to_tensor(), tensor);

            let packed = pack(&tensor);
            assert_eq!(map.to_packed(&Blocks::default()), packed);
            map.values_mut().fill(f32::NAN);
            map.read_packed(&packed);
            assert_eq!(map.to_tensor(), tensor);
        }
    }

    #[test]
    fn units_cover_every_number_once_and_know_where_it_lies() {
        for (batch, channels, pixels) in [(1, 1, 1), (2, 3, 959), (1, 3, 961), (2, 64, 200), (1, 700, 49)] {
            let mut map = Map::new(Shape::new(batch, channels, 1, pixels), vec![]);
            map.by_unit::<()>(|unit, numbers, ()| {
                let first = (unit.n * pixels + unit.pixels.start) * channels;
                assert_eq!(numbers.len(), unit.pixels.len() * channels);
                numbers.iter_mut().zip(first + 1..).for_each(|(number, at)| *number += at as f32);
            });
            assert!(map.values().iter().enumerate().all(|(index, value)| *value == (index + 1) as f32));
        }
    }
}
