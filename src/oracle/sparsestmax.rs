//! Sparsestmax: a point of the simplex as far from the middle as a radius asks, and its Jacobian.
//!
//! Shao et al., *SSN: Learning Sparse Switchable Normalization via SparsestMax*, CVPR 2019, section 3.2; its first step is
//! sparsemax (Martins and Astudillo, ICML 2016, algorithm 1).

use super::Numbers;

/// Over the channels of every pixel, by one radius for all.
pub fn sparsestmax(x: &Numbers, radius: &Numbers) -> Numbers {
    at_every_pixel(x, |logits, _| sparsest(&logits, radius.at(0, 0, 0, 0)).0)
}

/// `Jᵀ g`, pixel by pixel.
pub fn sparsestmax_gradient(x: &Numbers, radius: &Numbers, g: &Numbers) -> Numbers {
    at_every_pixel(x, |logits, [n, row, column]| {
        let (_, jacobian) = sparsest(&logits, radius.at(0, 0, 0, 0));
        let sum = |c: usize| (0..logits.len()).map(|o| jacobian[o][c] * g.at(n, o, row, column)).sum();
        (0..logits.len()).map(sum).collect()
    })
}

fn at_every_pixel(x: &Numbers, of: impl Fn(Vec<f64>, [usize; 3]) -> Vec<f64>) -> Numbers {
    let (mut y, channels) = (x.clone(), x.shape().channels);
    for [n, _, row, column] in x.places().filter(|[_, c, _, _]| *c == 0) {
        let logits = (0..channels).map(|c| x.at(n, c, row, column)).collect();
        let made = of(logits, [n, row, column]);
        made.iter().enumerate().for_each(|(c, number)| *y.at_mut(n, c, row, column) = *number);
    }
    y
}

type Matrix = Vec<Vec<f64>>;

/// With `w = sparsemax(v)`, u the middle of w's face and `d = ‖w − u‖`:
///
/// - w, if d is the radius at least, or if it is nothing: then no direction leads away from the middle;
/// - otherwise `p = u + radius · n`, `n = (w − u) / d`, if no number of it is negative;
/// - otherwise the same of p by the radius that is left, `√(radius² − ‖u′ − u‖²)`, with u′ the middle of p's face.
///
/// Beside it the Jacobian: the product of those of the steps, in which faces and middles are fixed.
fn sparsest(v: &[f64], radius: f64) -> (Vec<f64>, Matrix) {
    if v.iter().any(|v| v.is_nan()) {
        return (vec![f64::NAN; v.len()], matrix(v.len(), |_, _| f64::NAN));
    }
    let (w, of_w) = sparsemax(v);
    let u = middle(&w);
    let difference: Vec<f64> = w.iter().zip(&u).map(|(w, u)| w - u).collect();
    let d = norm(&difference);
    let mut face = v.iter().zip(&w).filter(|(_, w)| **w > 0.0).map(|(v, _)| *v);
    let first = face.next();
    let is_tied = face.all(|other| Some(other) == first);
    if d >= radius || is_tied {
        return (w, of_w);
    }
    let n: Vec<f64> = difference.iter().map(|difference| difference / d).collect();
    let p: Vec<f64> = u.iter().zip(&n).map(|(u, n)| u + radius * n).collect();
    let of_p = matrix(v.len(), |o, i| radius / d * (f64::from(u8::from(o == i)) - n[o] * n[i]));
    let jacobian = product(&of_p, &of_w);
    if p.iter().all(|p| *p >= 0.0) {
        return (p, jacobian);
    }
    let moved: Vec<f64> = middle(&sparsemax(&p).0).iter().zip(&u).map(|(next, u)| next - u).collect();
    let left = (radius * radius - norm(&moved).powi(2)).max(0.0).sqrt();
    let (y, of_y) = sparsest(&p, left);
    (y, product(&of_y, &jacobian))
}

/// The point of the simplex that is nearest to v, and its Jacobian `diag(s) − s sᵀ / |s|` of the supported s.
fn sparsemax(v: &[f64]) -> (Vec<f64>, Matrix) {
    let mut sorted = v.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let sum_of = |count: usize| sorted[..count].iter().sum::<f64>();
    let is_supported = |count: &usize| 1.0 + *count as f64 * sorted[count - 1] > sum_of(*count);
    let count = (1..=v.len()).filter(is_supported).max().unwrap_or(v.len());
    let threshold = (sum_of(count) - 1.0) / count as f64;
    let w: Vec<f64> = v.iter().map(|v| (v - threshold).max(0.0)).collect();
    let s: Vec<f64> = w.iter().map(|w| f64::from(u8::from(*w > 0.0))).collect();
    let size: f64 = s.iter().sum();
    let jacobian = matrix(v.len(), |o, i| if o == i { s[o] } else { 0.0 } - s[o] * s[i] / size);
    (w, jacobian)
}

/// The middle of the face of the simplex that a point lies on.
fn middle(w: &[f64]) -> Vec<f64> {
    let count = w.iter().filter(|w| **w > 0.0).count() as f64;
    w.iter().map(|w| if *w > 0.0 { 1.0 / count } else { 0.0 }).collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn matrix(side: usize, number: impl Fn(usize, usize) -> f64) -> Matrix {
    (0..side).map(|o| (0..side).map(|i| number(o, i)).collect()).collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    matrix(a.len(), |o, i| (0..a.len()).map(|k| a[o][k] * b[k][i]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: &[f64], expected: &[f64]) {
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-12, "expected {expected:?}, found {found:?}");
    }

    #[test]
    fn by_hand() {
        // Sparsemax is (0.5, 0.3, 0.2) and lies √(0.14 / 3) from the middle.
        let logits = [0.5, 0.3, 0.2];
        for radius in [0.0, 0.2] {
            near(&sparsest(&logits, radius).0, &logits);
        }
        // Twice as far: u + 2 (w − u).
        let (y, jacobian) = sparsest(&logits, 2.0 * (0.14_f64 / 3.0).sqrt());
        near(&y, &[2.0 / 3.0, 0.8 / 3.0, 0.2 / 3.0]);
        // Neither along the ones nor along w − u does it move.
        let along = |v: [f64; 3]| jacobian.iter().map(move |row| row.iter().zip(v).map(|(j, v)| j * v).sum());
        near(&along([1.0; 3]).collect::<Vec<f64>>(), &[0.0; 3]);
        near(&along([0.5, -0.1, -0.4]).collect::<Vec<f64>>(), &[0.0; 3]);
        for (logits, radius, expected) in [
            (&[0.5, 0.3, 0.2][..], 1.0, &[1.0, 0.0, 0.0][..]),
            (&[0.5, 0.3, 0.2], (2.0_f64 / 3.0).sqrt(), &[1.0, 0.0, 0.0]),
            (&[0.2, 0.2, 0.0], 1.0, &[0.5, 0.5, 0.0]), // a tie
            (&[0.1; 4], 0.5, &[0.25; 4]),
            (&[7.0], 0.3, &[1.0]),
            (&[9.0, -3.0], 0.1, &[1.0, 0.0]),
        ] {
            near(&sparsest(logits, radius).0, expected);
        }
    }

    #[test]
    fn where_it_is_projected_it_lies_on_the_sphere_around_the_first_middle() {
        let logits = [0.4, 0.31, 0.2, 0.05, -0.02];
        for radius in [0.4, 0.5, 0.6, 0.7, 0.8] {
            let (y, _) = sparsest(&logits, radius);
            // Sparsemax leaves four of them.
            let from_middle: Vec<f64> =
                y.iter().zip([0.25, 0.25, 0.25, 0.25, 0.0]).map(|(y, u)| y - u).collect();
            near(&[norm(&from_middle), y.iter().sum()], &[radius, 1.0]);
            assert!(y.iter().all(|y| *y >= 0.0), "{y:?}");
        }
    }
}
