//! Cuts an output into bands of pixels, so that threads can write all channels of different pixels.

use std::ops::Range;

use super::im2col::Run;
use crate::tensor::Tensor;

/// Bytes of input columns that a band may have: with the weights they should stay in a core's L2 cache.
const COLUMN_BYTES: usize = 512 * 1024;

/// Some neighbouring pixels of one picture, with all their channels.
pub(super) struct Band<'a> {
    /// The picture.
    pub(super) n: usize,
    /// The pixels, in raster order.
    pub(super) pixels: Range<usize>,
    /// These pixels of every channel.
    pub(super) planes: Vec<&'a mut [f32]>,
}

impl Band<'_> {
    /// Channel `c`, run by run; the runs lie in this band and come in raster order.
    pub(super) fn channel(&mut self, c: usize, runs: &[Run]) -> impl Iterator<Item = &mut [f32]> {
        let (mut rest, mut at) = (&mut *self.planes[c], self.pixels.start);
        runs.iter().map(move |run| {
            let (gap, gap_and_run) = (run.start() - at, run.end() - at);
            at = run.end();
            &mut rest.split_off_mut(..gap_and_run).expect("runs lie in the band, in order")[gap..]
        })
    }
}

/// All bands of `y`. Their length depends on `taps`, the numbers that a pixel is made from, and on nothing
/// else: neither on the machine nor on the number of threads.
pub(super) fn bands(y: &mut Tensor, taps: usize) -> Vec<Band<'_>> {
    let shape = y.shape();
    let length = (COLUMN_BYTES / size_of::<f32>() / taps.max(1)).clamp(64, 4096);
    let starts = || (0..shape.pixels()).step_by(length);
    let mut bands: Vec<Band<'_>> = (0..shape.batch)
        .flat_map(|n| starts().map(move |start| (n, start..shape.pixels().min(start + length))))
        .map(|(n, pixels)| Band { n, pixels, planes: Vec::with_capacity(shape.channels) })
        .collect();
    let in_picture = starts().count();
    for (index, plane) in y.values_mut().chunks_mut(shape.pixels().max(1)).enumerate() {
        let first = index / shape.channels * in_picture;
        for (band, part) in bands[first..].iter_mut().zip(plane.chunks_mut(length)) {
            band.planes.push(part);
        }
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn bands_cover_every_number_once_and_know_where_it_lies() {
        for (pixels, channels, batch) in [(1, 1, 1), (63, 3, 1), (64, 2, 2), (65, 3, 2), (200, 1, 3)] {
            let mut y = Tensor::zeros(Shape::new(batch, channels, 1, pixels));
            for band in bands(&mut y, usize::MAX) {
                assert_eq!(band.planes.len(), channels);
                for (c, plane) in band.planes.into_iter().enumerate() {
                    for (value, p) in plane.iter_mut().zip(band.pixels.clone()) {
                        *value += ((band.n * channels + c) * pixels + p + 1) as f32;
                    }
                }
            }
            assert!(y.values().iter().enumerate().all(|(index, value)| *value == (index + 1) as f32));
        }
    }
}
