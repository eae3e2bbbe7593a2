//! Tokens that ask, in the lanes of vectors: what attention does to them, forwards and backwards.
//!
//! Of those that ask a channel is a column, a lane a token; of those that are asked a token is a row of channels, each of
//! whose numbers goes to all lanes. So what belongs to one that asks, its largest score, its sum, stays in its lane. Channels
//! are gone through in fours, with zeros behind the last.
//!
//! Sums over what is asked run from the first to the last, whatever stands beside it.

use bytemuck::{Pod, Zeroable};
use pulp::Simd;

use super::exponential::exp;

/// Channels that are gone through at a time.
pub(super) const CHANNELS: usize = 4;

/// Vectors that are; numbers where there are no vectors, so many that compilers find some for them.
pub(super) const VECTORS: usize = 2;
pub(super) const SCALARS: usize = 8;

/// The most lanes of all of them.
pub(super) const MOST_LANES: usize = 16 * VECTORS;

/// Largest numbers that are looked for side by side.
const STRANDS: usize = 4;

/// A number of each of some tokens that ask.
pub(super) type Lanes<S, const V: usize> = [<S as Simd>::f32s; V];

/// How many tokens that is.
pub(super) const fn lanes<S: Simd, const V: usize>() -> usize {
    S::F32_LANES * V
}

/// Numbers as those of some tokens each.
#[inline(always)]
pub(super) fn in_lanes<S: Simd, const V: usize>(numbers: &[f32]) -> &[Lanes<S, V>] {
    S::as_simd_f32s(numbers).0.as_chunks().0
}

/// The same, to be overwritten.
#[inline(always)]
pub(super) fn in_lanes_mut<S: Simd, const V: usize>(numbers: &mut [f32]) -> &mut [Lanes<S, V>] {
    S::as_mut_simd_f32s(numbers).0.as_chunks_mut().0
}

/// Numbers that begin at the start of a cache line.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Lines {
    /// So many, whatever they are.
    pub(super) fn of_len(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; 16]));
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }
}

/// `y[key] = starts[places[key]‥] + Σ_c columns[c] · rows[key, c]`.
#[inline(always)]
pub(super) fn products<S: Simd, const V: usize>(
    simd: S,
    columns: &[Lanes<S, V>],
    rows: &[f32],
    (starts, places): (&[f32], &[usize]),
    y: &mut [Lanes<S, V>],
) {
    let (columns, rows) = (columns.as_chunks::<CHANNELS>().0, rows.as_chunks::<CHANNELS>().0);
    let count = columns.len();
    for (part, columns) in columns.iter().enumerate() {
        let columns = *columns;
        for ((y, row), place) in y.iter_mut().zip(rows[part..].iter().step_by(count)).zip(places) {
            let mut sums =
                if part == 0 { in_lanes::<S, V>(&starts[*place..][..lanes::<S, V>()])[0] } else { *y };
            for c in 0..CHANNELS {
                let number = simd.splat_f32s(row[c]);
                for v in 0..V {
                    sums[v] = simd.mul_add_e_f32s(columns[c][v], number, sums[v]);
                }
            }
            *y = sums;
        }
    }
}

/// Makes of scores `e^(score − the largest)`; says what their sums are to be multiplied by to be 1.
#[inline(always)]
pub(super) fn exponentials<S: Simd, const V: usize>(simd: S, scores: &mut [Lanes<S, V>]) -> Lanes<S, V> {
    let largest = largest(simd, scores);
    let mut sums = [simd.splat_f32s(0.0); V];
    for score in scores {
        for v in 0..V {
            score[v] = exp(simd, simd.sub_f32s(score[v], largest[v]));
            sums[v] = simd.add_f32s(sums[v], score[v]);
        }
    }
    sums.map(
        #[inline(always)]
        |sum| simd.div_f32s(simd.splat_f32s(1.0), sum),
    )
}

#[inline(always)]
fn largest<S: Simd, const V: usize>(simd: S, scores: &[Lanes<S, V>]) -> Lanes<S, V> {
    let mut strands = [[simd.splat_f32s(f32::NEG_INFINITY); V]; STRANDS];
    for scores in scores.chunks(STRANDS) {
        for (strand, score) in strands.iter_mut().zip(scores) {
            for v in 0..V {
                strand[v] = simd.max_f32s(strand[v], score[v]);
            }
        }
    }
    let mut largest = strands[0];
    for strand in &strands[1..] {
        for v in 0..V {
            largest[v] = simd.max_f32s(largest[v], strand[v]);
        }
    }
    largest
}

/// `Σ_key weights[key] · rows[key, c]` for the channels of one `part` of `parts`.
#[inline(always)]
pub(super) fn weighted<S: Simd, const V: usize>(
    simd: S,
    weights: &[Lanes<S, V>],
    rows: &[f32],
    [part, parts]: [usize; 2],
) -> [Lanes<S, V>; CHANNELS] {
    let mut sums = [[simd.splat_f32s(0.0); V]; CHANNELS];
    let rows = rows.as_chunks::<CHANNELS>().0[part..].iter().step_by(parts);
    for (weights, row) in weights.iter().zip(rows) {
        for c in 0..CHANNELS {
            let number = simd.splat_f32s(row[c]);
            for v in 0..V {
                sums[c][v] = simd.mul_add_e_f32s(weights[v], number, sums[c][v]);
            }
        }
    }
    sums
}

/// With respect to scores, in place of what is known with respect to the shares; exponentials become shares.
#[inline(always)]
pub(super) fn backwards<S: Simd, const V: usize>(
    simd: S,
    exponentials: &mut [Lanes<S, V>],
    factor: Lanes<S, V>,
    gradients: &mut [Lanes<S, V>],
) {
    let mut means = [simd.splat_f32s(0.0); V];
    for (share, gradient) in exponentials.iter_mut().zip(&*gradients) {
        for v in 0..V {
            share[v] = simd.mul_f32s(share[v], factor[v]);
            means[v] = simd.mul_add_e_f32s(share[v], gradient[v], means[v]);
        }
    }
    for (share, gradient) in exponentials.iter().zip(gradients) {
        for v in 0..V {
            gradient[v] = simd.mul_f32s(share[v], simd.sub_f32s(gradient[v], means[v]));
        }
    }
}

/// `y[key, c] += Σ_token weights[key] · columns[c]` over the lanes of some blocks of tokens that ask, of each of which there are
/// `keys` weights.
#[inline(always)]
pub(super) fn gather<S: Simd, const V: usize>(
    simd: S,
    keys: usize,
    weights: &[Lanes<S, V>],
    columns: &[Lanes<S, V>],
    y: &mut [f32],
) {
    let depth = y.len() / keys;
    let (y, parts) = (y.as_chunks_mut::<CHANNELS>().0, depth / CHANNELS);
    for part in 0..parts {
        for key in 0..keys {
            let mut sums = [simd.splat_f32s(0.0); CHANNELS];
            for (weights, columns) in weights.chunks_exact(keys).zip(columns.chunks_exact(depth)) {
                let columns = &columns.as_chunks::<CHANNELS>().0[part];
                for c in 0..CHANNELS {
                    for v in 0..V {
                        sums[c] = simd.mul_add_e_f32s(weights[key][v], columns[c][v], sums[c]);
                    }
                }
            }
            for (y, sum) in y[key * parts + part].iter_mut().zip(sums) {
                *y += simd.reduce_sum_f32s(sum);
            }
        }
    }
}

/// Adds to `sums`, at the key's place, what belongs to the tokens that ask.
#[inline(always)]
pub(super) fn collect<S: Simd, const V: usize>(
    simd: S,
    numbers: &[Lanes<S, V>],
    places: &[usize],
    sums: &mut [f32],
) {
    for (numbers, place) in numbers.iter().zip(places) {
        let sums = &mut in_lanes_mut::<S, V>(&mut sums[*place..][..lanes::<S, V>()])[0];
        for v in 0..V {
            sums[v] = simd.add_f32s(sums[v], numbers[v]);
        }
    }
}
