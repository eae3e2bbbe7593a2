//! Attention among pixels.

use std::ops::Range;

use super::Numbers;
use crate::tensor::Shape;

/// Which pixels attend to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Those of a window of `size` rows and columns (Liu et al., *Swin Transformer*, ICCV 2021, section 3.2). Windows begin
    /// at `shift` and multiples of `size` from there, before the picture too, and end with the picture.
    Windows {
        /// Rows and columns of a window.
        size: [usize; 2],
        /// Where one begins, from the corner, each below the `size`.
        shift: [usize; 2],
    },
    /// Runs of ⌊N / `count`⌋ neighbours in raster order, at least one long; what is left is a shorter run
    /// (Lu et al., *Transformer for Single Image Super-Resolution*, CVPR workshops 2022, section 3.3).
    Runs {
        /// How many.
        count: usize,
    },
}

/// Multi-head self-attention (Vaswani et al., 2017, section 3.2), every pixel a token, from queries, keys and values one
/// after the other along the channels, each `heads` × `depth` of them:
///
/// `y[h, p] = Σ_q softmax_q(scale · ⟨query[h, p], key[h, q]⟩ + bias[h, p − q]) · value[h, q]`
///
/// over the pixels q [`Among`] which p is. The bias belongs to windows: `[(2 · rows − 1) · (2 · columns − 1), heads,
/// 1, 1]`, that of p − q = (dy, dx) at `(dy + rows − 1) · (2 · columns − 1) + dx + columns − 1`.
pub fn attention(x: &Numbers, bias: Option<&Numbers>, heads: usize, scale: f64, among: Among) -> Numbers {
    let input = x.shape();
    assert!(input.channels.is_multiple_of(3 * heads), "three times {heads} heads of channels, found {input}");
    let (width, output) = (input.channels / 3, input.with_channels(input.channels / 3));
    let depth = width / heads;
    let mut y = Numbers::from_fn(output, |_, _, _, _| 0.0);
    for n in 0..output.batch {
        for head in 0..heads {
            // Number d of a token's query, key (one width on) or value (two widths on).
            let of = |part: usize, d: usize, [row, column]: [usize; 2]| {
                x.at(n, part * width + head * depth + d, row, column)
            };
            for p in 0..output.pixels() {
                let p = [p / output.width, p % output.width];
                let others = others(among, output, p);
                let score = |q: &[usize; 2]| {
                    let product: f64 = (0..depth).map(|d| of(0, d, p) * of(1, d, *q)).sum();
                    scale * product + bias.map_or(0.0, |bias| offset_bias(bias, head, among, p, *q))
                };
                let shares = softmax(others.iter().map(score).collect());
                for d in 0..depth {
                    let parts = shares.iter().zip(&others).map(|(share, q)| share * of(2, d, *q));
                    *y.at_mut(n, head * depth + d, p[0], p[1]) = parts.sum();
                }
            }
        }
    }
    y
}

/// The pixels that p attends to, itself among them, in raster order.
pub(super) fn others(among: Among, shape: Shape, [row, column]: [usize; 2]) -> Vec<[usize; 2]> {
    match among {
        Among::Windows { size, shift } => {
            let columns = window(column, shape.width, size[1], shift[1]);
            let rows = window(row, shape.height, size[0], shift[0]);
            rows.flat_map(|row| columns.clone().map(move |column| [row, column])).collect()
        }
        Among::Runs { count } => {
            let length = (shape.pixels() / count).max(1);
            let start = (row * shape.width + column) / length * length;
            let run = start..(start + length).min(shape.pixels());
            run.map(|q| [q / shape.width, q % shape.width]).collect()
        }
    }
}

/// Along one side, what is in the picture of the window that pixel `at` is in.
fn window(at: usize, side: usize, size: usize, shift: usize) -> Range<usize> {
    let start = (at + size - shift) / size * size + shift; // one window on, as there is none below zero
    start.saturating_sub(size)..start.min(side)
}

/// What is added to the score of p and q.
pub(super) fn offset_bias(bias: &Numbers, head: usize, among: Among, p: [usize; 2], q: [usize; 2]) -> f64 {
    bias.at(offset_at(among, p, q), head, 0, 0)
}

/// Where that stands in the table.
pub(super) fn offset_at(among: Among, p: [usize; 2], q: [usize; 2]) -> usize {
    let Among::Windows { size, .. } = among else { panic!("a bias belongs to windows, found {among:?}") };
    let [dy, dx] = [0, 1].map(|axis| p[axis] + size[axis] - 1 - q[axis]);
    dy * (2 * size[1] - 1) + dx
}

/// `e^s / Σ e^s`, the largest score taken off first, so that nothing overflows.
pub(super) fn softmax(scores: Vec<f64>) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_the_shift_and_end_with_the_picture() {
        let windows = |shift| (0..8).map(|at| window(at, 8, 3, shift)).collect::<Vec<_>>();
        assert_eq!(windows(0), [0..3, 0..3, 0..3, 3..6, 3..6, 3..6, 6..8, 6..8]);
        assert_eq!(windows(1), [0..1, 1..4, 1..4, 1..4, 4..7, 4..7, 4..7, 7..8]);
        assert_eq!(windows(2), [0..2, 0..2, 2..5, 2..5, 2..5, 5..8, 5..8, 5..8]);
    }

    #[test]
    fn what_is_left_is_a_shorter_run() {
        let runs = |count| {
            let run = |p| others(Among::Runs { count }, Shape::new(1, 3, 1, 5), [0, p]);
            (0..5).map(|p| run(p).iter().map(|[_, q]| *q).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(runs(2), [vec![0, 1], vec![0, 1], vec![2, 3], vec![2, 3], vec![4]]);
        assert_eq!(runs(9), [vec![0], vec![1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn large_scores_do_not_overflow_and_nan_stays() {
        assert_eq!(softmax(vec![1e4, 1e4]), [0.5, 0.5]);
        assert_eq!(softmax(vec![-1e4, 0.0]), [0.0, 1.0]);
        assert!(softmax(vec![0.0, f64::NAN]).iter().all(|share| share.is_nan()));
    }
}
