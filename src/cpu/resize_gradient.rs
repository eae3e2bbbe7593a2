//! Interpolation backwards. Along each axis a table says which new pixels an old one went into, and by what weights; a row
//! of old pixels is then the weighted sum of some rows of new ones, and each pixel of it that of some columns.

use super::map::Map;
use super::resize::{Line, keys, lines, nearest_to};
use crate::graph::ResizeKind;

/// `y` has the size that was resized.
pub(super) fn resize_gradient(kind: ResizeKind, g: &Map, y: &mut Map) {
    let (from, to, channels) = (g.shape(), y.shape(), y.shape().channels);
    let (rows, columns) = (shares(kind, to.height, from.height), shares(kind, to.width, from.width));
    y.by_row(|n, row, y| {
        let mut sum = vec![0.0; from.width * channels];
        rows[row].iter().for_each(|(p, weight)| add(*weight, g.row(n, *p), &mut sum));
        y.fill(0.0);
        for (y, shares) in y.chunks_exact_mut(channels).zip(&columns) {
            shares.iter().for_each(|(p, weight)| add(*weight, &sum[p * channels..][..channels], y));
        }
    });
}

/// `y += weight · x`.
fn add(weight: f32, x: &[f32], y: &mut [f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
}

/// Of every old pixel along an axis the new ones that it is a part of, upwards, and how much of them.
fn shares(kind: ResizeKind, old: usize, new: usize) -> Vec<Vec<(usize, f32)>> {
    let mut shares: Vec<Vec<(usize, f64)>> = vec![Vec::new(); old];
    for (p, parts) in parts(kind, old, new).into_iter().enumerate() {
        for (pixel, weight) in parts {
            match shares[pixel].last_mut() {
                Some((last, sum)) if *last == p => *sum += weight, // the edge, repeated
                _ => shares[pixel].push((p, weight)),
            }
        }
    }
    let rounded = |shares: Vec<(usize, f64)>| shares.into_iter().map(|(p, weight)| (p, weight as f32));
    shares.into_iter().map(|shares| rounded(shares).collect()).collect()
}

/// Of every new pixel along an axis the old ones that it is made of, and their weights.
fn parts(kind: ResizeKind, old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
    match kind {
        ResizeKind::Nearest => (0..new).map(|p| vec![(nearest_to(p, [old, new]), 1.0)]).collect(),
        ResizeKind::Bicubic => (0..new).map(|p| cubic(p, old, new)).collect(),
        ResizeKind::Bilinear | ResizeKind::BilinearCorners => {
            let parts = |Line { places: [first, second], t }: Line| vec![(first, 1.0 - t), (second, t)];
            lines(kind, old, new).into_iter().map(parts).collect()
        }
    }
}

/// The four pixels around `(p + ½) · old / new − ½`, a fraction of whole numbers.
fn cubic(p: usize, old: usize, new: usize) -> Vec<(usize, f64)> {
    let (over, below) = (((2 * p + 1) * old) as isize - new as isize, 2 * new as isize);
    let (floor, t) = (over.div_euclid(below), over.rem_euclid(below) as f64 / below as f64);
    let place = |step: isize| (floor + step).clamp(0, old as isize - 1) as usize;
    [(-1, 1.0 + t), (0, t), (1, 1.0 - t), (2, 2.0 - t)].map(|(step, d)| (place(step), keys(d))).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps};
    use super::*;
    use crate::oracle::{self, Numbers};
    use crate::tensor::Shape;

    #[test]
    fn on_awkward_sizes_it_is_the_textbook() {
        let kinds =
            [ResizeKind::Bicubic, ResizeKind::Bilinear, ResizeKind::BilinearCorners, ResizeKind::Nearest];
        for (channels, [height, width], [to_height, to_width]) in [
            (3, [5, 4], [10, 8]),
            (17, [3, 7], [9, 21]),
            (1, [1, 1], [4, 4]),
            (5, [7, 8], [3, 5]),
            (2, [2, 9], [31, 1]),
            (4, [5, 5], [5, 5]),
            (1, [1, 2], [41, 82]),
        ] {
            for kind in kinds {
                let g = noise(Shape::new(2, channels, to_height, to_width), 1);
                let expected = oracle::resize_gradient(&Numbers::of(&g), kind, height, width).to_tensor();
                let found = on_maps(&[&g], expected.shape(), |maps, y| resize_gradient(kind, maps[0], y));
                assert_close(&found, &expected, &format!("{kind:?} {height}x{width} to {}", g.shape()));
            }
        }
    }
}
