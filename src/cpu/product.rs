//! Products of matrices: rows of numbers that lie anywhere in memory, times weights in panels.
//!
//! ```text
//!   y[place, o] = start[o] + Σ_k row[k] · weights[k, o]
//! ```
//!
//! By the vectors that the engine has chosen (`vectors`): AVX-512, AVX2 with FMA, NEON, or none. Outputs stand
//! in the lanes of vectors, and a kernel makes so many rows times vectors as there are registers for. Rows are read
//! where they are, number by number, in segments; so a convolution needs no copy of its input.
//!
//! A number is one chain of multiply-adds from its start on, first to last, whatever stands beside it: the same bits
//! wherever its row lies and however many rows there are.

use pulp::{Simd, WithSimd};

use super::sparse_product::SparsePanels;
use super::vectors;

/// A part of every row: `values[base · stride + at ..][.. len]` of the row at `base`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) at: usize,
    pub(super) len: usize,
}

/// Which rows are multiplied, and where the products go: row `i` of the product lies at `places[i] · stride + first`.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) segments: &'a [Segment<'a>],
    pub(super) bases: &'a [usize],
    pub(super) places: &'a [usize],
    pub(super) stride: usize,
    pub(super) first: usize,
}

/// Weights as numbers of places.
pub(super) struct Matrix<'a, S, W> {
    /// Rows, and columns: outputs.
    pub(super) size: [usize; 2],
    /// How many of its rows, and so of the numbers of what it is multiplied by, lie side by side, run behind run.
    pub(super) runs: &'a [usize],
    /// What a column's sums start from.
    pub(super) start: S,
    /// The number of a row and a column.
    pub(super) weight: W,
}

/// Weights in the order in which kernels read them.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    order: Order,
    size: [usize; 2],
}

#[derive(Clone, Debug)]
enum Order {
    Dense(Vec<Panel>),
    /// Where most are zero.
    Sparse(SparsePanels),
}

/// Neighbouring outputs that a kernel makes together.
#[derive(Clone, Debug)]
struct Panel {
    first: usize,
    width: usize,
    /// How many vectors the outputs take; lanes past the last hold zero.
    vectors: usize,
    start: Vec<f32>,
    /// For every row of the matrix a number an output.
    weights: Vec<f32>,
}

impl Panels {
    /// # Panics
    /// If the runs are not as long as the matrix has rows.
    pub(super) fn new(matrix: &Matrix<'_, impl Fn(usize) -> f32, impl Fn(usize, usize) -> f32>) -> Self {
        assert_eq!(matrix.runs.iter().sum::<usize>(), matrix.size[0], "runs of all rows");
        let order = SparsePanels::new(matrix).map_or_else(|| Order::Dense(dense(matrix)), Order::Sparse);
        Self { order, size: matrix.size }
    }

    /// How many columns the matrix has.
    pub(super) fn outputs(&self) -> usize {
        self.size[1]
    }

    /// Writes the products of `rows`.
    ///
    /// # Panics
    /// If a row is not as long as the matrix has rows, or something lies outside of where it is said to lie.
    pub(super) fn multiply(&self, rows: &Rows<'_>, y: &mut [f32]) {
        let depth: usize = rows.segments.iter().map(|segment| segment.len).sum();
        assert_eq!(depth, self.size[0], "rows as long as the weights are deep");
        assert_eq!(rows.bases.len(), rows.places.len(), "a place for every row");
        match &self.order {
            Order::Dense(panels) => {
                panels.iter().for_each(|panel| vectors::arch().dispatch(Job { panel, rows, y: &mut *y }));
            }
            Order::Sparse(panels) => panels.multiply(rows, y),
        }
    }
}

fn dense(matrix: &Matrix<'_, impl Fn(usize) -> f32, impl Fn(usize, usize) -> f32>) -> Vec<Panel> {
    let [depth, outputs] = matrix.size;
    let (lanes, most) = vectors::arch().dispatch(Registers);
    let vectors = outputs.div_ceil(lanes);
    let count = vectors.div_ceil(most);
    let mut panels = Vec::with_capacity(count);
    let mut first = 0;
    for index in 0..count {
        let vectors = vectors / count + usize::from(index < vectors % count);
        let (width, room) = ((vectors * lanes).min(outputs - first), vectors * lanes);
        let mut panel =
            Panel { first, width, vectors, start: vec![0.0; room], weights: vec![0.0; depth * room] };
        panel.start.iter_mut().zip(first..first + width).for_each(|(to, o)| *to = (matrix.start)(o));
        for (k, row) in panel.weights.chunks_exact_mut(room).enumerate() {
            row.iter_mut().zip(first..first + width).for_each(|(to, o)| *to = (matrix.weight)(k, o));
        }
        first += width;
        panels.push(panel);
    }
    panels
}

/// Asks for a vector's lanes, and for how many vectors of outputs there are registers.
struct Registers;

impl WithSimd for Registers {
    type Output = (usize, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        (S::F32_LANES, if S::REGISTER_COUNT < 32 { 2 } else { 4 })
    }
}

/// One panel's share of a product.
struct Job<'a> {
    panel: &'a Panel,
    rows: &'a Rows<'a>,
    y: &'a mut [f32],
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.panel.vectors, S::REGISTER_COUNT < 32) {
            (1, _) => self.blocks::<S, 1, 12>(simd),
            (2, true) => self.blocks::<S, 2, 6>(simd),
            (2, false) => self.blocks::<S, 2, 12>(simd),
            (3, _) => self.blocks::<S, 3, 8>(simd),
            _ => self.blocks::<S, 4, 6>(simd),
        }
    }
}

impl Job<'_> {
    /// `ROWS` rows at a time; the last of them may stand for several.
    #[inline(always)]
    fn blocks<S: Simd, const VECTORS: usize, const ROWS: usize>(self, simd: S) {
        let Self { panel, rows, y } = self;
        let weights = S::as_simd_f32s(&panel.weights).0.as_chunks::<VECTORS>().0;
        let start = S::as_simd_f32s(&panel.start).0.as_chunks::<VECTORS>().0[0];
        for (bases, places) in rows.bases.chunks(ROWS).zip(rows.places.chunks(ROWS)) {
            let (mut sums, mut rest) = ([start; ROWS], weights);
            for segment in rows.segments {
                let (weights, later) = rest.split_at(segment.len);
                let mut parts: [&[f32]; ROWS] = [&[]; ROWS];
                for (r, part) in parts.iter_mut().enumerate() {
                    let base = bases[r.min(bases.len() - 1)];
                    *part = &segment.values[base * segment.stride + segment.at..][..segment.len];
                }
                sums = add::<S, VECTORS, ROWS>(simd, parts, weights, sums);
                rest = later;
            }
            for (r, sums) in sums.iter().enumerate() {
                let Some(place) = places.get(r) else { break };
                let y = &mut y[place * rows.stride + rows.first + panel.first..][..panel.width];
                let whole = match S::as_mut_simd_f32s(y) {
                    (y, []) => <&mut [_; VECTORS]>::try_from(y).ok(),
                    _ => None,
                };
                match whole {
                    Some(y) => *y = *sums,
                    None => copy_first(bytemuck::cast_slice(sums), y),
                }
            }
        }
    }
}

/// By itself, so that whole vectors remain a copy of known length.
#[inline(never)]
pub(super) fn copy_first(sums: &[f32], y: &mut [f32]) {
    y.copy_from_slice(&sums[..y.len()]);
}

/// `sums + rows · weights`.
#[inline(always)]
fn add<S: Simd, const VECTORS: usize, const ROWS: usize>(
    simd: S,
    mut rows: [&[f32]; ROWS],
    weights: &[[S::f32s; VECTORS]],
    mut sums: [[S::f32s; VECTORS]; ROWS],
) -> [[S::f32s; VECTORS]; ROWS] {
    for row in &mut rows {
        *row = &row[..weights.len()];
    }
    for (k, weights) in weights.iter().enumerate() {
        for r in 0..ROWS {
            let number = simd.splat_f32s(rows[r][k]);
            for v in 0..VECTORS {
                sums[r][v] = simd.mul_add_e_f32s(weights[v], number, sums[r][v]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::testing::parameter;
    use super::*;

    /// Rows of `depth` numbers, one behind the other, in segments of at most `cut` numbers.
    fn segments(values: &[f32], depth: usize, cut: usize) -> Vec<Segment<'_>> {
        let len = |at: usize| cut.min(depth - at);
        (0..depth).step_by(cut).map(|at| Segment { values, stride: depth, at, len: len(at) }).collect()
    }

    #[test]
    fn the_product_is_the_definition() {
        let numbers: Vec<f32> = (0..400).map(|number| (number % 7) as f32 - 3.0).collect(); // sums are exact
        for (count, depth, outputs) in
            [(1, 1, 1), (2, 3, 4), (13, 0, 3), (7, 5, 33), (25, 9, 64), (12, 4, 97)]
        {
            let weight = |k: usize, o: usize| ((k * outputs + o) % 5) as f32 - 2.0;
            let matrix = Matrix { size: [depth, outputs], runs: &[depth], start: |o| o as f32, weight };
            let panels = Panels::new(&matrix);
            let bases: Vec<usize> = (0..count).rev().collect();
            let places: Vec<usize> = (0..count).map(|place| 2 * place).collect();
            let segments = segments(&numbers, depth, 2);
            let rows =
                Rows { segments: &segments, bases: &bases, places: &places, stride: outputs + 1, first: 1 };
            let mut y = vec![f32::NAN; 2 * count * (outputs + 1)];
            panels.multiply(&rows, &mut y);
            for (place, found) in y.chunks_exact(outputs + 1).enumerate() {
                assert!(found[0].is_nan());
                for (o, found) in found[1..].iter().enumerate() {
                    let row = count - 1 - place / 2;
                    let sum: f32 = (0..depth).map(|k| numbers[row * depth + k] * weight(k, o)).sum();
                    match place % 2 {
                        0 => assert_eq!(*found, o as f32 + sum, "{count}x{depth}x{outputs} at {place}, {o}"),
                        _ => assert!(found.is_nan(), "nothing is written between the places"),
                    }
                }
            }
        }
    }

    /// By every kernel: the last block of rows is not full, the last panel of outputs neither.
    #[test]
    fn a_number_has_the_same_bits_whatever_stands_beside_it() {
        const COUNT: usize = 40;
        for depth in [1, 2, 27, 64, 576] {
            let (x, w) = (parameter([COUNT, depth], 1), parameter([depth, 130], 2));
            let product = |bases: &[usize], outputs: usize, cut: usize| {
                let weight = |k: usize, o: usize| w.values()[k * 130 + o];
                let matrix = Matrix { size: [depth, outputs], runs: &[depth], start: |_| 0.1, weight };
                let panels = Panels::new(&matrix);
                let (segments, places) =
                    (segments(x.values(), depth, cut), (0..bases.len()).collect::<Vec<_>>());
                let mut y = vec![f32::NAN; bases.len() * outputs];
                let rows = Rows { segments: &segments, bases, places: &places, stride: outputs, first: 0 };
                panels.multiply(&rows, &mut y);
                y
            };
            let all: Vec<usize> = (0..COUNT).collect();
            let whole = product(&all, 130, depth);
            for outputs in [1, 3, 8, 12, 16, 24, 33, 40, 64, 65, 130] {
                for bases in [&all[..], &all[39..], &all[3..10], &all[7..19], &all[20..33]] {
                    let found = product(bases, outputs, 1 + depth / 3);
                    for (row, base) in found.chunks_exact(outputs).zip(bases) {
                        let expected = &whole[base * 130..][..outputs];
                        let same = row.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(same, "{depth}x{outputs}, row {base} of {bases:?}");
                    }
                }
            }
        }
    }
}
