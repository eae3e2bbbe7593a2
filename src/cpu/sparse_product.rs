//! Products of rows with weights most of which are zero: the others alone are multiplied.
//!
//! ```text
//!   a group of a row:   x0 x1 x2 x3 x4 x5 x6 x7      as many numbers as a vector has lanes
//!   first step:         x2 x0 x5 x1 …                each output's lane takes what its next weight is for
//!   second step:        x4 x3 x6 x7 …
//! ```
//!
//! Outputs stand in the lanes of vectors, as in dense products, and instructions that permute a vector's lanes bring each
//! the number that it wants. A group takes as many steps as the most weights that one of the outputs has there; where
//! every output has as many (balanced sparsity) no lane waits for another.
//!
//! The numbers are those of the dense product, bit for bit, if all are finite: the same chain of multiply-adds without
//! those by zero.

use super::product::{Matrix, Rows, copy_first};
use super::vectors;

use pulp::{Arch, Simd};

/// Weights in the order in which steps read them.
#[derive(Clone, Debug)]
pub(super) struct SparsePanels(Vec<Panel>);

/// The outputs of a vector's lanes.
#[derive(Clone, Debug)]
struct Panel {
    first: usize,
    width: usize,
    start: Vec<f32>,
    groups: Vec<Group>,
    /// Whether all groups are as long as a vector.
    is_whole: bool,
    /// A vector a step: of every output the lane that it takes and the weight.
    lanes: Vec<u32>,
    weights: Vec<f32>,
}

/// Neighbouring numbers of a row that lie side by side wherever the row lies.
#[derive(Clone, Copy, Debug)]
struct Group {
    at: usize,
    len: usize,
    steps: usize,
}

/// What a step and a group take, in multiply-adds of a dense product.
#[derive(Clone, Copy, Debug)]
struct Cost {
    step: f64,
    group: f64,
}

impl SparsePanels {
    /// The weights of a matrix, if they are multiplied faster so than densely: vectors that permute are there, and steps
    /// are few.
    pub(super) fn new(
        matrix: &Matrix<'_, impl Fn(usize) -> f32, impl Fn(usize, usize) -> f32>,
    ) -> Option<Self> {
        let (lanes, cost) = permuting()?;
        let [depth, outputs] = matrix.size;
        // One output tells dense weights, which are most, before anything is made.
        let kept = (0..depth).filter(|k| outputs > 0 && (matrix.weight)(*k, 0) != 0.0).count();
        if kept as f64 * cost.step >= depth as f64 {
            return None;
        }
        let groups = groups(matrix.runs, lanes);
        let panel = |first: usize| Panel::new(matrix, first..(first + lanes).min(outputs), &groups, lanes);
        let panels: Vec<Panel> = (0..outputs).step_by(lanes).map(panel).collect();
        let taken: f64 = panels.iter().map(|panel| panel.cost(cost)).sum();
        (taken < (panels.len() * depth) as f64).then_some(Self(panels))
    }

    /// Writes the products of `rows`, as [`Panels::multiply`](super::product::Panels::multiply) does.
    pub(super) fn multiply(&self, rows: &Rows<'_>, y: &mut [f32]) {
        for panel in &self.0 {
            let job = Job { panel, rows, y };
            match vectors::arch() {
                #[cfg(target_arch = "x86_64")]
                Arch::V4(simd) => simd.vectorize(
                    #[inline(always)]
                    || job.blocks::<_, 12>(simd),
                ),
                #[cfg(target_arch = "x86_64")]
                Arch::V3(simd) => simd.vectorize(
                    #[inline(always)]
                    || job.blocks::<_, 6>(simd),
                ),
                _ => unreachable!("made where vectors permute"),
            }
        }
    }
}

/// The lanes of vectors that permute, and what they take: measured by `benches/balanced.rs`.
fn permuting() -> Option<(usize, Cost)> {
    match vectors::arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => Some((16, Cost { step: 1.4, group: 1.6 })),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => Some((8, Cost { step: 1.3, group: 3.5 })),
        _ => None,
    }
}

/// Cuts runs of numbers, one behind the other, into groups.
fn groups(runs: &[usize], lanes: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut first = 0;
    for run in runs {
        let within = (0..*run).step_by(lanes);
        groups.extend(within.map(|at| Group { at: first + at, len: lanes.min(run - at), steps: 0 }));
        first += run;
    }
    groups
}

impl Panel {
    fn new(
        matrix: &Matrix<'_, impl Fn(usize) -> f32, impl Fn(usize, usize) -> f32>,
        outputs: std::ops::Range<usize>,
        groups: &[Group],
        lanes: usize,
    ) -> Self {
        let mut start = vec![0.0; lanes];
        start.iter_mut().zip(outputs.clone()).for_each(|(to, o)| *to = (matrix.start)(o));
        let (first, width) = (outputs.start, outputs.len());
        let is_whole = groups.iter().all(|group| group.len == lanes);
        let mut panel =
            Self { first, width, start, groups: vec![], is_whole, lanes: vec![], weights: vec![] };
        for group in groups {
            let (before, mut steps) = (panel.lanes.len(), 0);
            for (lane, o) in outputs.clone().enumerate() {
                let mut step = 0;
                for at in 0..group.len {
                    let weight = (matrix.weight)(group.at + at, o);
                    if weight == 0.0 {
                        continue;
                    }
                    if step == steps {
                        steps += 1;
                        panel.lanes.resize(before + steps * lanes, 0);
                        panel.weights.resize(before + steps * lanes, 0.0);
                    }
                    panel.lanes[before + step * lanes + lane] = at as u32;
                    panel.weights[before + step * lanes + lane] = weight;
                    step += 1;
                }
            }
            panel.groups.push(Group { steps, ..*group });
        }
        panel
    }

    fn cost(&self, cost: Cost) -> f64 {
        self.groups.iter().map(|group| cost.group + group.steps as f64 * cost.step).sum()
    }
}

/// Vectors whose lanes can be brought into any order.
trait Permute: Simd {
    /// `table[lanes[i]]` in lane i.
    fn permute(self, table: Self::f32s, lanes: Self::u32s) -> Self::f32s;
}

#[cfg(target_arch = "x86_64")]
impl Permute for pulp::x86::V4 {
    #[inline(always)]
    fn permute(self, table: Self::f32s, lanes: Self::u32s) -> Self::f32s {
        bytemuck::cast(self.avx512f._mm512_permutexvar_ps(bytemuck::cast(lanes), bytemuck::cast(table)))
    }
}

#[cfg(target_arch = "x86_64")]
impl Permute for pulp::x86::V3 {
    #[inline(always)]
    fn permute(self, table: Self::f32s, lanes: Self::u32s) -> Self::f32s {
        bytemuck::cast(self.avx2._mm256_permutevar8x32_ps(bytemuck::cast(table), bytemuck::cast(lanes)))
    }
}

/// One panel's share of a product.
struct Job<'a> {
    panel: &'a Panel,
    rows: &'a Rows<'a>,
    y: &'a mut [f32],
}

impl Job<'_> {
    /// `ROWS` rows at a time; the last of them may stand for several.
    #[inline(always)]
    fn blocks<S: Permute, const ROWS: usize>(self, simd: S) {
        let Self { panel, rows, y } = self;
        let (lanes, weights) = (S::as_simd_u32s(&panel.lanes).0, S::as_simd_f32s(&panel.weights).0);
        let start = S::as_simd_f32s(&panel.start).0[0];
        for (bases, places) in rows.bases.chunks(ROWS).zip(rows.places.chunks(ROWS)) {
            let mut sums = [start; ROWS];
            let (mut first, mut rest, mut steps) = (0, &panel.groups[..], (lanes, weights));
            for segment in rows.segments {
                let mut parts: [&[f32]; ROWS] = [&[]; ROWS];
                for (r, part) in parts.iter_mut().enumerate() {
                    let base = bases[r.min(bases.len() - 1)];
                    *part = &segment.values[base * segment.stride + segment.at..][..segment.len];
                }
                let end = first + segment.len;
                let count = if panel.is_whole {
                    segment.len / S::F32_LANES
                } else {
                    rest.partition_point(|group| group.at < end)
                };
                let (groups, later) = rest.split_at(count);
                let added = if panel.is_whole {
                    whole::<S, ROWS>(simd, parts, groups, steps, sums)
                } else {
                    cut::<S, ROWS>(simd, parts, first, groups, steps, sums)
                };
                (sums, steps) = added;
                (first, rest) = (end, later);
            }
            for (sums, place) in sums.iter().zip(places) {
                let y = &mut y[place * rows.stride + rows.first + panel.first..][..panel.width];
                match S::as_mut_simd_f32s(y) {
                    ([whole], []) => *whole = *sums,
                    _ => copy_first(bytemuck::cast_slice(std::slice::from_ref(sums)), y),
                }
            }
        }
    }
}

/// The lanes and the weights of steps.
type Steps<'a, S> = (&'a [<S as Simd>::u32s], &'a [<S as Simd>::f32s]);

/// Sums of all rows, and the steps that are left.
type Added<'a, S, const ROWS: usize> = ([<S as Simd>::f32s; ROWS], Steps<'a, S>);

/// Adds groups that are vectors.
#[inline(always)]
fn whole<'a, S: Permute, const ROWS: usize>(
    simd: S,
    parts: [&[f32]; ROWS],
    groups: &[Group],
    mut steps: Steps<'a, S>,
    mut sums: [S::f32s; ROWS],
) -> Added<'a, S, ROWS> {
    let mut rows: [&[S::f32s]; ROWS] = [&[]; ROWS];
    for (row, part) in rows.iter_mut().zip(parts) {
        *row = &S::as_simd_f32s(part).0[..groups.len()];
    }
    for (at, group) in groups.iter().enumerate() {
        let mut numbers = sums;
        for r in 0..ROWS {
            numbers[r] = rows[r][at];
        }
        (sums, steps) = add(simd, numbers, group.steps, steps, sums);
    }
    (sums, steps)
}

/// Adds groups of any length, of parts that begin with number `first` of their rows.
#[inline(always)]
fn cut<'a, S: Permute, const ROWS: usize>(
    simd: S,
    parts: [&[f32]; ROWS],
    first: usize,
    groups: &[Group],
    mut steps: Steps<'a, S>,
    mut sums: [S::f32s; ROWS],
) -> Added<'a, S, ROWS> {
    for group in groups {
        let mut numbers = sums;
        for r in 0..ROWS {
            numbers[r] = simd.partial_load_f32s(&parts[r][group.at - first..][..group.len]);
        }
        (sums, steps) = add(simd, numbers, group.steps, steps, sums);
    }
    (sums, steps)
}

/// `sums + numbers · weights`, step by step.
#[inline(always)]
fn add<'a, S: Permute, const ROWS: usize>(
    simd: S,
    numbers: [S::f32s; ROWS],
    count: usize,
    (lanes, weights): Steps<'a, S>,
    mut sums: [S::f32s; ROWS],
) -> Added<'a, S, ROWS> {
    let ((lanes, later), (weights, left)) = (lanes.split_at(count), weights.split_at(count));
    for (lanes, weights) in lanes.iter().zip(weights) {
        for r in 0..ROWS {
            sums[r] = simd.mul_add_e_f32s(*weights, simd.permute(numbers[r], *lanes), sums[r]);
        }
    }
    (sums, (later, left))
}

#[cfg(test)]
mod tests {
    use super::super::product::Segment;
    use super::super::testing::parameter;
    use super::*;

    /// Of every `block` numbers side by side `kept` are not zero; an output has others than the one before.
    fn is_kept(k: usize, o: usize, [block, kept]: [usize; 2]) -> bool {
        (k * 5 + o * 3 + k / block) % block < kept
    }

    /// Held against the chain of multiply-adds, on rows that lie in segments of whole runs.
    fn check(count: usize, runs: &[usize], outputs: usize, balance: [usize; 2]) -> bool {
        let depth: usize = runs.iter().sum();
        let (x, w) = (parameter([count, depth], 1), parameter([depth, outputs], 2));
        let weight = |k: usize, o: usize| f32::from(is_kept(k, o, balance)) * w.values()[k * outputs + o];
        let start = |o: usize| o as f32 - 1.0;
        let Some(panels) = SparsePanels::new(&Matrix { size: [depth, outputs], runs, start, weight }) else {
            return false;
        };
        let bases: Vec<usize> = (0..count).rev().collect();
        let places: Vec<usize> = (0..count).collect();
        let mut segments = Vec::new();
        for run in runs.chunks(2) {
            let at = segments.last().map_or(0, |before: &Segment<'_>| before.at + before.len);
            segments.push(Segment { values: x.values(), stride: depth, at, len: run.iter().sum() });
        }
        let rows =
            Rows { segments: &segments, bases: &bases, places: &places, stride: outputs + 1, first: 1 };
        let mut y = vec![f32::NAN; count * (outputs + 1)];
        panels.multiply(&rows, &mut y);
        for (found, base) in y.chunks_exact(outputs + 1).zip(bases) {
            assert!(found[0].is_nan());
            for (o, found) in found[1..].iter().enumerate() {
                let chain = |sum: f32, k: usize| weight(k, o).mul_add(x.values()[base * depth + k], sum);
                let expected = (0..depth).fold(start(o), chain);
                let case = format!("{count} rows of {runs:?}, {outputs} outputs, {balance:?}, output {o}");
                assert_eq!(found.to_bits(), expected.to_bits(), "{case}: expected {expected}, found {found}");
            }
        }
        true
    }

    #[test]
    fn a_sum_is_the_chain_of_its_weights_bit_for_bit() {
        let (permutes, mut taken) = (permuting().is_some(), 0);
        for balance in [[4, 1], [8, 1], [8, 2], [16, 2], [32, 3], [16, 4]] {
            for (count, runs, outputs) in [
                (1, &[64][..], 64),
                (13, &[16, 16, 16], 5),
                (12, &[48; 9], 17),
                (7, &[33, 20], 40),
                (25, &[3, 61, 64], 16),
                (40, &[256], 130),
            ] {
                let is_taken = check(count, runs, outputs, balance);
                let is_expected = permutes && balance[0] >= 8 * balance[1];
                assert!(is_taken || !is_expected, "{runs:?} to {outputs}, {balance:?}");
                taken += usize::from(is_taken);
            }
        }
        assert_eq!(taken > 25, permutes, "{taken} of 36 sparse products");
        for few in [[4, 3], [8, 7], [1, 1]] {
            assert!(!check(3, &[64], 64, few), "{few:?}: zeros are too few");
        }
        if !permutes {
            eprintln!("skipped: no vectors that permute here");
        }
    }

    #[test]
    fn weights_that_are_all_zero_leave_what_sums_start_from() {
        let matrix = Matrix { size: [20, 3], runs: &[20], start: |o| o as f32, weight: |_, _| 0.0 };
        let Some(panels) = SparsePanels::new(&matrix) else { return };
        let (values, mut y) = (vec![f32::INFINITY; 20], vec![f32::NAN; 3]);
        let segments = [Segment { values: &values, stride: 20, at: 0, len: 20 }];
        panels
            .multiply(&Rows { segments: &segments, bases: &[0], places: &[0], stride: 3, first: 0 }, &mut y);
        assert_eq!(y, [0.0, 1.0, 2.0]);
    }
}
