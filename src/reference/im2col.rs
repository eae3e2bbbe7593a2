//! Convolution's inputs as a matrix, so that a convolution is a matrix product.
//!
//! Column p holds all that output pixel p reads; row (i, ky, kx) holds what all pixels read from channel i
//! at that tap, zeros where the window hangs over the edge. A weight `[out, in, k, k]` is, as it lies in
//! memory, the matrix `[out, (in, ky, kx)]`, so `weight · columns` is the convolution.

use std::ops::Range;

use super::window::{Patches, Window};

/// Neighbouring output pixels of one row of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The row.
    pub(super) y: usize,
    /// The columns, never none.
    pub(super) xs: Range<usize>,
    /// The picture's width.
    pub(super) width: usize,
}

impl Run {
    /// The first pixel in raster order.
    pub(super) fn start(&self) -> usize {
        self.y * self.width + self.xs.start
    }

    /// The pixel after the last in raster order.
    pub(super) fn end(&self) -> usize {
        self.y * self.width + self.xs.end
    }

    /// How many pixels.
    pub(super) fn len(&self) -> usize {
        self.xs.len()
    }
}

/// The runs that make up `pixels`, a range in raster order of a picture of this width.
pub(super) fn runs(pixels: Range<usize>, width: usize) -> Vec<Run> {
    let rows = pixels.start / width..pixels.end.div_ceil(width);
    rows.map(|y| {
        let start = pixels.start.max(y * width) - y * width;
        let end = pixels.end.min((y + 1) * width) - y * width;
        Run { y, xs: start..end, width }
    })
    .collect()
}

/// The runs of those of `pixels` that `mask`, a plane of this width, sets.
pub(super) fn masked_runs(pixels: Range<usize>, width: usize, mask: &[f32]) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    for p in pixels.filter(|p| mask[*p] != 0.0) {
        let (y, x) = (p / width, p % width);
        match found.last_mut() {
            Some(run) if run.y == y && run.xs.end == x => run.xs.end += 1,
            _ => found.push(Run { y, xs: x..x + 1, width }),
        }
    }
    found
}

impl Patches<'_> {
    /// Writes the columns of the pixels in `runs`, one after the other: a row for each of `channels` and
    /// each tap.
    pub(super) fn im2col(self, channels: Range<usize>, runs: &[Run], columns: &mut Vec<f32>) {
        let Self { x, n, window } = self;
        let (height, width, kernel) = (x.shape().height, x.shape().width, window.kernel);
        let pixels: usize = runs.iter().map(Run::len).sum();
        columns.resize(channels.len() * kernel * kernel * pixels, 0.0);
        let mut rest = columns.as_mut_slice();
        for channel in channels {
            let plane = x.plane(n, channel);
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                for run in runs {
                    let to = rest.split_off_mut(..run.len()).expect("columns hold every run of every row");
                    match window.place(run.y, ky, height) {
                        Some(y) => read_row(window, &plane[y * width..][..width], run.xs.start, kx, to),
                        None => to.fill(0.0),
                    }
                }
            }
        }
    }
}

/// `to[j] = from[place(start + j, tap)]`, zero where that is outside.
fn read_row(window: Window, from: &[f32], start: usize, tap: usize, to: &mut [f32]) {
    let Window { stride, padding, .. } = window;
    let first = stride * start + tap;
    let inside = |place: usize| place.saturating_sub(first).div_ceil(stride).min(to.len());
    let (begin, end) = (inside(padding), inside(padding + from.len()));
    to[..begin].fill(0.0);
    to[end..].fill(0.0);
    if begin == end {
        return;
    }
    let (to, from) = (&mut to[begin..end], &from[first + stride * begin - padding..]);
    if stride == 1 {
        to.copy_from_slice(&from[..to.len()]);
    } else {
        to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Shape, Tensor};

    fn rows_and_columns(runs: Vec<Run>) -> Vec<(usize, Range<usize>)> {
        runs.into_iter().map(|run| (run.y, run.xs)).collect()
    }

    #[test]
    fn a_range_of_pixels_is_cut_at_the_ends_of_rows() {
        let runs = |pixels| rows_and_columns(runs(pixels, 3));
        assert_eq!(runs(0..3), [(0, 0..3)]);
        assert_eq!(runs(2..7), [(0, 2..3), (1, 0..3), (2, 0..1)]);
        assert_eq!(runs(4..5), [(1, 1..2)]);
    }

    #[test]
    fn set_pixels_join_within_a_row_only() {
        let runs = |pixels| rows_and_columns(masked_runs(pixels, 3, &[1.0, 0.0, 1.0, 1.0, 1.0, 0.0]));
        assert_eq!(runs(0..6), [(0, 0..1), (0, 2..3), (1, 0..2)]);
        assert_eq!(runs(3..4), [(1, 0..1)]);
        assert_eq!(runs(5..6), []);
        let diagonal = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(rows_and_columns(masked_runs(0..6, 3, &diagonal)), [(0, 0..1), (1, 1..2)]);
    }

    #[test]
    fn a_column_holds_what_its_pixel_reads() {
        let number = |n, c, y, x| (1000 * n + 100 * c + 10 * y + x) as f32;
        let x = Tensor::from_fn(Shape::new(2, 2, 4, 5), number);
        for (kernel, stride, padding) in [(1, 1, 0), (1, 2, 1), (3, 1, 1), (3, 2, 0), (5, 3, 4), (3, 1, 9)] {
            let window = Window { kernel, stride, padding };
            let runs = masked_runs(0..8, 4, &[1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
            let mut columns = vec![f32::NAN; 3];
            Patches { x: &x, n: 1, window }.im2col(1..2, &runs, &mut columns);
            assert_eq!(columns.len(), kernel * kernel * 5);
            for (p, (row, column)) in [(0, 0), (0, 1), (1, 1), (1, 2), (1, 3)].into_iter().enumerate() {
                for (tap, line) in columns.chunks_exact(5).enumerate() {
                    let y = window.place(row, tap / kernel, 4);
                    let x = window.place(column, tap % kernel, 5);
                    let expected = y.zip(x).map_or(0.0, |(y, x)| number(1, 1, y, x));
                    assert_eq!(line[p], expected, "{window:?} tap {tap} of ({row}, {column})");
                }
            }
        }
    }
}
