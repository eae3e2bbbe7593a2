//! Interpolation: each axis for itself, a new pixel the weighted sum of some old ones.

use super::Numbers;
use crate::graph::ResizeKind;

/// Along one axis, the old pixels that a new one is made of, and their weights.
type Taps = Vec<(usize, f64)>;

/// Enlarges by a factor, whole or a fraction, as PyTorch's `interpolate(scale_factor=…)`: new pixel `p` looks at
/// `(p + ½) · below / scale − ½`, and the edge is repeated; the nearest is the pixel that the new one is in, `⌊p / scale⌋`.
pub fn resize(x: &Numbers, kind: ResizeKind, [scale, below]: [usize; 2]) -> Numbers {
    let (height, width) = (x.shape().height * scale / below, x.shape().width * scale / below);
    match kind {
        ResizeKind::Nearest => weighted(x, height, width, |p, _, _| vec![(p / scale, 1.0)]),
        kind => resize_to(x, kind, height, width),
    }
}

/// Interpolates to a size, as PyTorch's `interpolate(size=…)`: along a side of n old and m new pixels new pixel `p`
/// looks at `(p + ½) · n / m − ½`, and the edge is repeated; by corners it looks at `p · (n − 1) / (m − 1)`; the
/// nearest is `⌊p · (n / m)⌋`, the quotient taken in f32.
pub fn resize_to(x: &Numbers, kind: ResizeKind, height: usize, width: usize) -> Numbers {
    weighted(x, height, width, |p, old, new| taps(kind, p, old, new))
}

/// The adjoint of [`resize_to`]: every number goes to the pixels of a source of that height and width that it was made
/// from, by the same weights.
pub fn resize_gradient(g: &Numbers, kind: ResizeKind, height: usize, width: usize) -> Numbers {
    let mut y = Numbers::from_fn(g.shape().with_size(height, width), |_, _, _, _| 0.0);
    for [n, c, row, column] in g.places() {
        for (i, by_row) in taps(kind, row, height, g.shape().height) {
            for (j, by_column) in taps(kind, column, width, g.shape().width) {
                *y.at_mut(n, c, i, j) += by_row * by_column * g.at(n, c, row, column);
            }
        }
    }
    y
}

/// What new pixel `p` of a side of `new` pixels is made of, of `old` ones.
fn taps(kind: ResizeKind, p: usize, old: usize, new: usize) -> Taps {
    let centre = (p as f64 + 0.5) * old as f64 / new as f64 - 0.5;
    match kind {
        ResizeKind::Bicubic => bicubic(centre, old),
        ResizeKind::Bilinear => bilinear(centre, old),
        ResizeKind::BilinearCorners => {
            bilinear(p as f64 * (old - 1) as f64 / new.saturating_sub(1).max(1) as f64, old)
        }
        ResizeKind::Nearest => {
            let place = (p as f32 * (old as f32 / new as f32)).floor();
            vec![((place as usize).min(old - 1), 1.0)]
        }
    }
}

/// `y[p, q] = Σ_i rows_p[i] · Σ_j columns_q[j] · x[i, j]`, the weights by `taps(p, old side, new side)`.
fn weighted(x: &Numbers, height: usize, width: usize, taps: impl Fn(usize, usize, usize) -> Taps) -> Numbers {
    let axis = |old: usize, new: usize| (0..new).map(|p| taps(p, old, new)).collect::<Vec<Taps>>();
    let (rows, columns) = (axis(x.shape().height, height), axis(x.shape().width, width));
    Numbers::from_fn(x.shape().with_size(height, width), |n, c, row, column| {
        let along =
            |i: usize| columns[column].iter().map(|(j, weight)| weight * x.at(n, c, i, *j)).sum::<f64>();
        rows[row].iter().map(|(i, weight)| weight * along(*i)).sum()
    })
}

/// The two pixels around a place, each the more the nearer it is.
fn bilinear(place: f64, side: usize) -> Taps {
    let t = place - place.floor();
    [(0.0, 1.0 - t), (1.0, t)].map(|(step, weight)| (clamped(place.floor() + step, side), weight)).into()
}

/// The four pixels around a place by Keys' cubic convolution (*Cubic Convolution Interpolation for Digital Image
/// Processing*, 1981, equation 4), a = −0.75.
fn bicubic(place: f64, side: usize) -> Taps {
    let tap = |step: f64| {
        let pixel = place.floor() + step;
        (clamped(pixel, side), keys((place - pixel).abs()))
    };
    [-1.0, 0.0, 1.0, 2.0].map(tap).into()
}

fn keys(d: f64) -> f64 {
    const A: f64 = -0.75;
    if d <= 1.0 {
        (A + 2.0) * d.powi(3) - (A + 3.0) * d.powi(2) + 1.0
    } else {
        A * d.powi(3) - 5.0 * A * d.powi(2) + 8.0 * A * d - 4.0 * A
    }
}

/// The pixel, or the edge's if it is past it.
fn clamped(pixel: f64, side: usize) -> usize {
    pixel.clamp(0.0, side as f64 - 1.0) as usize
}
