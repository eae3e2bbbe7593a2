//! Attention among channels: products of channels over all pixels, the softmax, and what the shares weigh.
//!
//! Products are summed by runs of pixels, in f32 within one and in f64 over all of them, in order: the number of threads changes
//! nothing.

use rayon::prelude::*;

use super::map::Map;
use crate::graph::ChannelAttention;

/// Pixels of a run.
const RUN: usize = 256;

pub(super) fn channel_attention(
    op: &ChannelAttention,
    temperature: &[f32],
    [queries, keys, values]: [&Map; 3],
    y: &mut Map,
) {
    let channels = y.shape().channels;
    let depth = channels / op.heads;
    let sums = Sums::of(depth, queries, keys);
    let shares: Vec<f32> = (0..channels).flat_map(|c| sums.shares(temperature[c / depth], c)).collect();
    y.by_unit(|unit, y, _: &mut ()| {
        for (y, values) in y.chunks_exact_mut(channels).zip(values.of(unit).chunks_exact(channels)) {
            for ((y, shares), c) in y.iter_mut().zip(shares.chunks_exact(depth)).zip(0..) {
                let values = &values[c / depth * depth..][..depth];
                *y = shares.iter().zip(values).map(|(share, value)| share * value).sum();
            }
        }
    });
}

/// Over all pixels.
struct Sums {
    depth: usize,
    /// Of a query and each key of its head.
    products: Vec<f64>,
    /// Of each query and each key with itself.
    squares: [Vec<f64>; 2],
}

impl Sums {
    fn of(depth: usize, queries: &Map, keys: &Map) -> Self {
        let channels = queries.shape().channels;
        let runs = queries.values().par_chunks(RUN * channels).zip(keys.values().par_chunks(RUN * channels));
        let run = |(queries, keys): (&[f32], &[f32])| {
            let mut products = vec![0.0; channels * depth];
            let mut squares = [0.0, 0.0].map(|zero: f32| vec![zero; channels]);
            for (queries, keys) in queries.chunks_exact(channels).zip(keys.chunks_exact(channels)) {
                for ((query, sums), c) in queries.iter().zip(products.chunks_exact_mut(depth)).zip(0..) {
                    let keys = &keys[c / depth * depth..][..depth];
                    sums.iter_mut().zip(keys).for_each(|(sum, key)| *sum += query * key);
                }
                for (sums, numbers) in squares.iter_mut().zip([queries, keys]) {
                    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number * number);
                }
            }
            (products, squares)
        };
        let runs: Vec<(Vec<f32>, [Vec<f32>; 2])> = runs.map(run).collect();
        let mut all = Self {
            depth,
            products: vec![0.0; channels * depth],
            squares: [0, 1].map(|_| vec![0.0; channels]),
        };
        for (products, squares) in &runs {
            add(&mut all.products, products);
            all.squares.iter_mut().zip(squares).for_each(|(sums, own)| add(sums, own));
        }
        all
    }

    /// Of a query among the keys of its head.
    fn shares(&self, temperature: f32, c: usize) -> Vec<f32> {
        let [of_queries, of_keys] = &self.squares;
        let norm = |square: f64| square.sqrt().max(1e-12);
        let (first, query) = (c / self.depth * self.depth, norm(of_queries[c]));
        let scores = self.products[c * self.depth..][..self.depth].iter().zip(&of_keys[first..]);
        let scores: Vec<f64> =
            scores.map(|(product, key)| f64::from(temperature) * product / (query * norm(*key))).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| (power / sum) as f32).collect()
    }
}

fn add(sums: &mut [f64], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += f64::from(*number));
}
