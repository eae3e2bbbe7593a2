//! Attention among pixels, backwards.

use super::attention::{offset_at, offset_bias, others, softmax};
use super::{Among, Numbers};
use crate::tensor::Shape;

/// With respect to queries, keys and values: where p attends to q by the share s and its score has the gradient e,
///
/// `d query[p] += scale · e · key[q]`, `d key[q] += scale · e · query[p]`, `d value[q] += s · g[p]`
pub fn attention_gradient(
    x: &Numbers,
    g: &Numbers,
    bias: Option<&Numbers>,
    heads: usize,
    scale: f64,
    among: Among,
) -> Numbers {
    let (width, depth) = (g.shape().channels, g.shape().channels / heads);
    let mut y = Numbers::from_fn(x.shape(), |_, _, _, _| 0.0);
    for Pair { n, head, p, q, share, gradient } in pairs(x, g, bias, heads, scale, among) {
        for c in head * depth..(head + 1) * depth {
            *y.at_mut(n, c, p[0], p[1]) += scale * gradient * x.at(n, width + c, q[0], q[1]);
            *y.at_mut(n, width + c, q[0], q[1]) += scale * gradient * x.at(n, c, p[0], p[1]);
            *y.at_mut(n, 2 * width + c, q[0], q[1]) += share * g.at(n, c, p[0], p[1]);
        }
    }
    y
}

/// With respect to the table of biases: what all scores get that an entry was added to.
pub fn attention_table_gradient(
    x: &Numbers,
    g: &Numbers,
    bias: &Numbers,
    heads: usize,
    scale: f64,
    among: Among,
) -> Numbers {
    let mut y = Numbers::from_fn(bias.shape(), |_, _, _, _| 0.0);
    for Pair { head, p, q, gradient, .. } in pairs(x, g, Some(bias), heads, scale, among) {
        *y.at_mut(offset_at(among, p, q), head, 0, 0) += gradient;
    }
    y
}

/// One pixel that attends to another.
struct Pair {
    n: usize,
    head: usize,
    p: [usize; 2],
    q: [usize; 2],
    /// Of q in what p gets.
    share: f64,
    /// Of the loss with respect to the score of p and q: `share · (a[q] − Σ share · a)`, where `a[q] = ⟨g[p], value[q]⟩`.
    gradient: f64,
}

/// All of them.
fn pairs(
    x: &Numbers,
    g: &Numbers,
    bias: Option<&Numbers>,
    heads: usize,
    scale: f64,
    among: Among,
) -> Vec<Pair> {
    let Shape { batch, channels: width, height, width: columns } = g.shape();
    let mut pairs = Vec::new();
    for n in 0..batch {
        for head in 0..heads {
            let channels = || head * (width / heads)..(head + 1) * (width / heads);
            for p in (0..height * columns).map(|p| [p / columns, p % columns]) {
                let others = others(among, g.shape(), p);
                let score = |q: &[usize; 2]| {
                    let product = channels().map(|c| x.at(n, c, p[0], p[1]) * x.at(n, width + c, q[0], q[1]));
                    scale * product.sum::<f64>()
                        + bias.map_or(0.0, |bias| offset_bias(bias, head, among, p, *q))
                };
                let by_value = |q: &[usize; 2]| -> f64 {
                    channels().map(|c| g.at(n, c, p[0], p[1]) * x.at(n, 2 * width + c, q[0], q[1])).sum()
                };
                let shares = softmax(others.iter().map(score).collect());
                let mean: f64 = shares.iter().zip(&others).map(|(share, q)| share * by_value(q)).sum();
                for (share, q) in shares.into_iter().zip(others) {
                    let gradient = share * (by_value(&q) - mean);
                    pairs.push(Pair { n, head, p, q, share, gradient });
                }
            }
        }
    }
    pairs
}
