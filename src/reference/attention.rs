//! Attention: for every pixel all others that it sees, the weights of the softmax in a row of their own.

use rayon::prelude::*;

use super::by_plane;
use crate::graph::{Among, Attention};
use crate::tensor::{Shape, Tensor};

/// Tokens whose numbers lie side by side: of one head, those that attend to each other.
struct Tokens {
    /// Their pixels, in raster order.
    pixels: Vec<usize>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

pub(super) fn attention(op: &Attention, x: &Tensor, output: Shape) -> Tensor {
    let depth = output.channels / op.heads;
    let sets = sets(op, output);
    let heads = output.batch * op.heads;
    // Of every picture and head, set by set: the pixels' numbers, token by token.
    let made: Vec<Vec<Vec<f32>>> = (0..heads)
        .map(|at| {
            let (n, head) = (at / op.heads, at % op.heads);
            let one =
                |set: &Vec<usize>| attended(op, head, &tokens(x, n, head * depth, depth, set), output.width);
            sets.par_iter().map(one).collect()
        })
        .collect();
    by_plane(output, |n, c, plane| {
        let made = &made[n * op.heads + c / depth];
        for (set, made) in sets.iter().zip(made) {
            for (pixel, token) in set.iter().zip(made.chunks_exact(depth)) {
                plane[*pixel] = token[c % depth];
            }
        }
    })
}

/// The pixels that attend to each other, set by set.
fn sets(op: &Attention, shape: Shape) -> Vec<Vec<usize>> {
    let (height, width) = (shape.height, shape.width);
    match op.among {
        Among::Windows { size, shift, .. } => {
            // The first window begins at the corner, or ends `shift` pixels from it.
            let cuts = |side: usize| {
                let first = if shift == 0 { size } else { shift };
                let starts = std::iter::once(0).chain((first..side).step_by(size));
                starts.map(move |start| start..if start == 0 { first } else { start + size }.min(side))
            };
            let window = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
                rows.flat_map(|y| columns.clone().map(move |x| y * width + x)).collect()
            };
            cuts(height)
                .flat_map(|rows| cuts(width).map(move |columns| window(rows.clone(), columns)))
                .collect()
        }
        Among::Runs { count } => {
            let all: Vec<usize> = (0..shape.pixels()).collect();
            all.chunks((shape.pixels() / count).max(1)).map(<[usize]>::to_vec).collect()
        }
    }
}

fn tokens(x: &Tensor, n: usize, first: usize, depth: usize, pixels: &[usize]) -> Tokens {
    let third = x.shape().channels / 3;
    let gather = |part: usize| {
        let mut tokens = vec![0.0; pixels.len() * depth];
        for c in 0..depth {
            let plane = x.plane(n, part * third + first + c);
            let lane = tokens[c..].iter_mut().step_by(depth);
            lane.zip(pixels).for_each(|(to, pixel)| *to = plane[*pixel]);
        }
        tokens
    };
    Tokens { pixels: pixels.to_vec(), queries: gather(0), keys: gather(1), values: gather(2) }
}

/// What a head makes of a set: `depth` numbers a token.
fn attended(op: &Attention, head: usize, tokens: &Tokens, width: usize) -> Vec<f32> {
    let count = tokens.pixels.len();
    let depth = tokens.queries.len() / count;
    let mut made = vec![0.0; tokens.queries.len()];
    let rows = made.par_chunks_mut(depth).zip(tokens.queries.par_chunks(depth)).enumerate();
    rows.for_each_init(
        || vec![0.0_f32; count],
        |scores, (p, (made, query))| {
            for (q, (score, key)) in scores.iter_mut().zip(tokens.keys.chunks_exact(depth)).enumerate() {
                let product: f32 = query.iter().zip(key).map(|(query, key)| query * key).sum();
                *score = op.scale * product + bias(op, head, [tokens.pixels[p], tokens.pixels[q]], width);
            }
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0_f64;
            let mut sums = vec![0.0_f64; depth];
            for (score, value) in scores.iter().zip(tokens.values.chunks_exact(depth)) {
                let weight = f64::from(score - largest).exp();
                sum += weight;
                sums.iter_mut().zip(value).for_each(|(sum, value)| *sum += weight * f64::from(*value));
            }
            made.iter_mut().zip(&sums).for_each(|(made, weighted)| *made = (weighted / sum) as f32);
        },
    );
    made
}

/// What is added to the score of a pair of pixels, from the second to the first.
fn bias(op: &Attention, head: usize, [to, from]: [usize; 2], width: usize) -> f32 {
    let Among::Windows { size, bias, .. } = &op.among else { return 0.0 };
    let offset = |to: usize, from: usize| to + size - 1 - from;
    let at = offset(to / width, from / width) * (2 * size - 1) + offset(to % width, from % width);
    bias.values()[at * op.heads + head]
}
