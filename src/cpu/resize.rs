//! Interpolation.

use super::map::Map;
use crate::graph::{Resize, ResizeKind, ResizeTo};

pub(super) fn resize(op: &Resize, x: &Map, y: &mut Map) {
    match op.kind {
        ResizeKind::Bicubic => bicubic(op, x, y),
        ResizeKind::Bilinear | ResizeKind::BilinearCorners => bilinear(op.kind, x, y),
        ResizeKind::Nearest => nearest(x, y, |p, _| p / op.scale),
    }
}

pub(super) fn resize_to(op: &ResizeTo, x: &Map, y: &mut Map) {
    match op.kind {
        ResizeKind::Nearest => nearest(x, y, nearest_to),
        kind => bilinear(kind, x, y),
    }
}

/// Which pixel of a side of `[old, new]` pixels new pixel `p` is.
pub(super) fn nearest_to(p: usize, [old, new]: [usize; 2]) -> usize {
    ((p as f32 * (old as f32 / new as f32)) as usize).min(old - 1)
}

/// `place` says which pixel of a side of `[old, new]` pixels a new one is.
fn nearest(x: &Map, y: &mut Map, place: impl Fn(usize, [usize; 2]) -> usize + Sync) {
    let (input, output, channels) = (x.shape(), y.shape(), x.shape().channels);
    y.by_row(|n, row, line| {
        let from = x.row(n, place(row, [input.height, output.height]));
        for (column, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let column = place(column, [input.width, output.width]);
            pixel.copy_from_slice(&from[column * channels..][..channels]);
        }
    });
}

fn bilinear(kind: ResizeKind, x: &Map, y: &mut Map) {
    let (input, output, channels) = (x.shape(), y.shape(), x.shape().channels);
    let (rows, columns) = (lines(kind, input.height, output.height), lines(kind, input.width, output.width));
    y.by_row(|n, row, line| {
        let row = &rows[row];
        let lines = row.places.map(|y| x.row(n, y));
        for (pixel, column) in line.chunks_exact_mut(channels).zip(&columns) {
            let corners = lines.map(|line| column.places.map(|x| &line[x * channels..][..channels]));
            for (c, y) in pixel.iter_mut().enumerate() {
                let along = corners.map(|pair| column.between(pair.map(|pixel| f64::from(pixel[c]))));
                *y = row.between(along) as f32;
            }
        }
    });
}

/// The two old pixels that a new one lies between, along one axis, and how far it is from the first.
pub(super) struct Line {
    pub(super) places: [usize; 2],
    pub(super) t: f64,
}

impl Line {
    fn between(&self, [first, second]: [f64; 2]) -> f64 {
        (1.0 - self.t) * first + self.t * second
    }
}

/// Every new pixel along an axis. Places are fractions of whole numbers, so that rounding moves none.
pub(super) fn lines(kind: ResizeKind, old: usize, new: usize) -> Vec<Line> {
    let line = |p: usize| {
        let (over, below) = match kind {
            ResizeKind::BilinearCorners => (p * (old - 1), (new - 1).max(1)),
            _ => (((2 * p + 1) * old).saturating_sub(new), 2 * new),
        };
        let place = over / below;
        Line { places: [place, (place + 1).min(old - 1)], t: (over % below) as f64 / below as f64 }
    };
    (0..new).map(line).collect()
}

fn bicubic(op: &Resize, x: &Map, y: &mut Map) {
    let (input, channels) = (x.shape(), x.shape().channels);
    let (rows, columns) = (cubics(input.height, op), cubics(input.width, op));
    y.by_row(|n, row, line| {
        let Cubic { places, weights } = &rows[row];
        let mut between = vec![0.0; input.width * channels];
        for (y, weight) in places.iter().zip(weights) {
            between.iter_mut().zip(x.row(n, *y)).for_each(|(sum, x)| *sum += weight * f64::from(*x));
        }
        for (pixel, column) in line.chunks_exact_mut(channels).zip(&columns) {
            for (c, y) in pixel.iter_mut().enumerate() {
                *y = column.sum(column.places.map(|x| between[x * channels + c])) as f32;
            }
        }
    });
}

/// The four old pixels that a new one lies between, along one axis, and their weights.
struct Cubic {
    places: [usize; 4],
    weights: [f64; 4],
}

impl Cubic {
    fn sum(&self, values: [f64; 4]) -> f64 {
        self.weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
    }
}

/// Every new pixel along an axis of `length` old ones. Weights come from the place within what is alike over and over, so
/// that rounding gives the same ones all along.
fn cubics(length: usize, op: &Resize) -> Vec<Cubic> {
    let Resize { scale, below, .. } = *op;
    let cubic = |p: usize| {
        let (old, within) = ((p / scale * below) as f64, (p % scale) as f64);
        let at = (within + 0.5) * below as f64 / scale as f64 - 0.5;
        let (floor, t) = (at.floor(), at - at.floor());
        let place = |step: f64| (old + floor + step).clamp(0.0, length as f64 - 1.0) as usize;
        Cubic { places: [-1.0, 0.0, 1.0, 2.0].map(place), weights: [1.0 + t, t, 1.0 - t, 2.0 - t].map(keys) }
    };
    (0..op.side(length)).map(cubic).collect()
}

/// Keys' kernel at distance `d` (Cubic Convolution Interpolation for Digital Image Processing, 1981,
/// equation 4), a = −0.75.
pub(super) fn keys(d: f64) -> f64 {
    const A: f64 = -0.75;
    if d <= 1.0 {
        ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((d - 5.0) * d + 8.0) * d * A - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cubics(length: usize, scale: usize) -> Vec<Cubic> {
        super::cubics(length, &Resize::by(ResizeKind::Bicubic, scale))
    }

    #[test]
    fn weights_sum_to_one_and_a_scale_of_one_changes_nothing() {
        for scale in 1..=5 {
            for cubic in cubics(3, scale) {
                assert!((cubic.sum([1.0; 4]) - 1.0).abs() < 1e-15, "scale {scale}");
            }
        }
        for (p, cubic) in cubics(4, 1).iter().enumerate() {
            assert_eq!((cubic.weights, cubic.places[1]), ([0.0, 1.0, 0.0, 0.0], p));
        }
    }

    #[test]
    fn weights_are_the_same_bits_at_every_old_pixel() {
        for scale in 1..=5 {
            let first: Vec<_> = cubics(1000, scale)[..scale].iter().map(|cubic| cubic.weights).collect();
            for (p, cubic) in cubics(1000, scale).iter().enumerate() {
                assert_eq!(cubic.weights, first[p % scale], "scale {scale}, new pixel {p}");
            }
        }
    }
}
