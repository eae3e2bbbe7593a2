//! 3×3 convolutions tile by tile: 36 products a tile of 4×4 pixels, an input and an output, in place of 144.
//!
//! ```text
//!   y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A           y: a tile of 4×4, x: 6×6 pixels under it, w: 3×3 weights
//!   ∂w = Gᵀ [Σ (A ∂y Aᵀ) ⊙ (Bᵀ x B)] G       the sum goes over tiles
//! ```
//!
//! Winograd's F(4×4, 3×3), by A. Lavin and S. Gray, Fast algorithms for convolutional neural networks (2016), section 4.
//! What is interpolated at 0, ±√½, ±√2 and infinity has half the errors of 0, ±1, ±2: about twice those of a sum.
//!
//! The last bits of a number hang on all that its tile sees, and on where tiles begin. So trainings take it; pictures do
//! not, whose pieces make the numbers of the whole.

use std::cell::RefCell;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::layer::{Input, Weights};
use super::map::{Map, Unit};
use super::product::{Matrix, Panels, Rows, Segment};
use super::vectors;
use crate::graph::Conv2d;

/// Pixels of a tile's side, those of what it sees, and the kernel's.
const TILE: usize = 4;
const SIDE: usize = 6;
const KERNEL: usize = 3;

/// Products of a tile, an input and an output.
pub(super) const POINTS: usize = SIDE * SIDE;

/// The fewest channels of each side for which it pays.
const LEAST_CHANNELS: usize = 24;

/// Tiles that share a reading of the weights.
const TILES: usize = 24;

/// The most lanes of a vector.
const MOST_LANES: usize = 16;

/// Numbers between points: without them all of a tile's would share a few places of the cache.
const BETWEEN: usize = 16;

thread_local! {
    /// What a thread has at the points, before and behind products.
    static AT_POINTS: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Lends a thread's memory for so many numbers, whatever they are.
pub(super) fn with_points(lens: [usize; 2], run: impl FnOnce(&mut [f32], &mut [f32])) {
    AT_POINTS.with_borrow_mut(|[first, second]| {
        for (block, len) in [&mut *first, second].into_iter().zip(lens) {
            if block.len() < len {
                *block = vec![0.0; len];
            }
        }
        run(&mut first[..lens[0]], &mut second[..lens[1]]);
    });
}

/// Whether a convolution of so many channels can be made by tiles, and had better be.
pub(super) fn pays(op: &Conv2d, inputs: usize, outputs: usize) -> bool {
    let Conv2d { kernel, stride, padding, groups } = *op;
    [kernel, stride, padding, groups] == [KERNEL, 1, 1, 1] && inputs.min(outputs) >= LEAST_CHANNELS
}

/// Rows of pixels that are made together, in a map of this width: those of whole tiles.
pub(super) fn rows(width: usize) -> usize {
    TILE * TILES.div_ceil(width.div_ceil(TILE).max(1))
}

/// A convolution's weights at the points.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    inputs: usize,
    /// A product a point.
    panels: Vec<Panels>,
    bias: Vec<f32>,
}

impl Winograd {
    /// Those of the first inputs and some of the outputs.
    pub(super) fn new(weights: Weights<'_>, inputs: usize, outputs: Range<usize>) -> Self {
        let (first, size) = (outputs.start, [inputs, outputs.len()]);
        let mut points = vec![0.0; POINTS * inputs * outputs.len()];
        let numbers = |o: usize, i: usize| std::array::from_fn(|tap| weights.weight.at(first + o, i, tap));
        vectors::arch().dispatch(WeightsToPoints { numbers, size, points: &mut points });
        let panels = points.chunks_exact(inputs * outputs.len()).map(|of_point| {
            let weight = |i: usize, o: usize| of_point[i * outputs.len() + o];
            Panels::new(&Matrix { size, runs: &[inputs], start: |_| 0.0, weight })
        });
        let bias = weights.bias.map_or(vec![0.0; outputs.len()], |bias| bias[outputs.clone()].to_vec());
        Self { inputs, panels: panels.collect(), bias }
    }

    /// Writes a unit of [`rows`], or of the last of a map, into `y`.
    pub(super) fn fill(&self, input: &Input<'_>, unit: &Unit, y: &mut [f32]) {
        let grid = Grid::of(unit, input.width);
        let (inputs, outputs) = (self.inputs, self.bias.len());
        let [of_input, of_output] = [inputs, outputs].map(|channels| grid.of_point(channels));
        let places: Vec<usize> = (0..grid.tiles()).collect();
        with_points([of_input, of_output].map(|len| POINTS * len), |x, products| {
            vectors::arch().dispatch(ToPoints::<OfInputs, _>::new(&input.maps, grid, x));
            let of_points = x.chunks_exact(of_input).zip(products.chunks_exact_mut(of_output));
            for (panels, (values, products)) in self.panels.iter().zip(of_points) {
                let segments = &[Segment { values, stride: inputs, at: 0, len: inputs }];
                let (bases, places) = (&places, &places);
                panels.multiply(&Rows { segments, bases, places, stride: outputs, first: 0 }, products);
            }
            vectors::arch().dispatch(ToPixels { grid, products, bias: &self.bias, y });
        });
    }
}

/// The tiles of some rows of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) n: usize,
    /// The first row of pixels, and how many there are.
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
}

impl Grid {
    fn of(unit: &Unit, width: usize) -> Self {
        let (first, rows) = (unit.pixels.start / width, unit.pixels.len() / width);
        assert_eq!(unit.pixels, first * width..(first + rows) * width, "whole rows");
        Self { n: unit.n, first, rows, width }
    }

    fn across(self) -> usize {
        self.width.div_ceil(TILE)
    }

    pub(super) fn tiles(self) -> usize {
        self.across() * self.rows.div_ceil(TILE)
    }

    /// Numbers of a point, and those up to the next.
    pub(super) fn of_point(self, channels: usize) -> usize {
        self.tiles() * channels + BETWEEN
    }

    /// The first row of a tile, among those of the grid, and its first column.
    fn corner(self, tile: usize) -> [usize; 2] {
        [tile / self.across() * TILE, tile % self.across() * TILE]
    }
}

/// A product with one of the matrices.
pub(super) trait Transform<const FROM: usize, const TO: usize> {
    /// How far above and left of its tile begins what is transformed.
    const MARGIN: usize = 0;

    fn apply<S: Simd>(simd: S, x: [S::f32s; FROM]) -> [S::f32s; TO];

    /// Along both axes.
    #[inline(always)]
    fn along_both<S: Simd>(simd: S, x: [[S::f32s; FROM]; FROM]) -> [[S::f32s; TO]; TO] {
        let (mut rows, mut y) = ([[x[0][0]; TO]; FROM], [[x[0][0]; TO]; TO]);
        for at in 0..FROM {
            rows[at] = Self::apply(simd, x[at]);
        }
        for column in 0..TO {
            let mut of_column = x[0];
            for row in 0..FROM {
                of_column[row] = rows[row][column];
            }
            let made = Self::apply(simd, of_column);
            for row in 0..TO {
                y[row][column] = made[row];
            }
        }
        y
    }
}

/// Bᵀ.
#[derive(Debug)]
pub(super) struct OfInputs;

impl Transform<SIDE, SIDE> for OfInputs {
    const MARGIN: usize = 1;

    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
        let even = [add(simd, -2.0, x[2], x[4]), add(simd, -0.5, x[2], x[4])];
        let odd = [add(simd, -2.0, x[1], x[3]), add(simd, -0.5, x[1], x[3])];
        let ends = [simd.add_f32s(x[0], x[4]), simd.add_f32s(x[1], x[5])];
        at_points(simd, add(simd, -2.5, x[2], ends[0]), even, odd, add(simd, -2.5, x[3], ends[1]))
    }
}

/// G.
#[derive(Debug)]
struct OfWeights;

impl Transform<KERNEL, SIDE> for OfWeights {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, w: [S::f32s; KERNEL]) -> [S::f32s; SIDE] {
        let even = [
            scaled(simd, -2.0 / 3.0, add(simd, 0.5, w[2], w[0])),
            scaled(simd, 1.0 / 6.0, add(simd, 2.0, w[2], w[0])),
        ];
        let odd = [scaled(simd, -2.0 / 3.0, w[1]), scaled(simd, 1.0 / 6.0, w[1])];
        at_points(simd, w[0], even, odd, w[2])
    }
}

/// A.
#[derive(Debug)]
pub(super) struct OfOutputs;

impl Transform<TILE, SIDE> for OfOutputs {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, y: [S::f32s; TILE]) -> [S::f32s; SIDE] {
        let even = [add(simd, 0.5, y[2], y[0]), add(simd, 2.0, y[2], y[0])];
        let odd = [add(simd, 0.5, y[3], y[1]), add(simd, 2.0, y[3], y[1])];
        at_points(simd, y[0], even, odd, y[3])
    }
}

/// Aᵀ.
#[derive(Debug)]
struct ToOutputs;

impl Transform<SIDE, TILE> for ToOutputs {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, m: [S::f32s; SIDE]) -> [S::f32s; TILE] {
        let (even, odd) = pairs(simd, m);
        [
            simd.add_f32s(m[0], simd.add_f32s(even[0], even[1])),
            simd.add_f32s(odd[0], odd[1]),
            add(simd, 0.5, even[0], scaled(simd, 2.0, even[1])),
            simd.add_f32s(m[5], add(simd, 0.5, odd[0], scaled(simd, 2.0, odd[1]))),
        ]
    }
}

/// Gᵀ.
#[derive(Debug)]
pub(super) struct ToWeights;

impl Transform<SIDE, KERNEL> for ToWeights {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, m: [S::f32s; SIDE]) -> [S::f32s; KERNEL] {
        let (even, odd) = pairs(simd, m);
        [
            add(simd, -2.0 / 3.0, even[0], add(simd, 1.0 / 6.0, even[1], m[0])),
            add(simd, -2.0 / 3.0, odd[0], scaled(simd, 1.0 / 6.0, odd[1])),
            add(simd, 1.0 / 3.0, simd.sub_f32s(even[1], even[0]), m[5]),
        ]
    }
}

/// `even ± point · odd` at the pairs of points, between what 0 and infinity have.
#[inline(always)]
fn at_points<S: Simd>(
    simd: S,
    zero: S::f32s,
    even: [S::f32s; 2],
    odd: [S::f32s; 2],
    infinity: S::f32s,
) -> [S::f32s; SIDE] {
    let odd = [scaled(simd, FRAC_1_SQRT_2, odd[0]), scaled(simd, SQRT_2, odd[1])];
    [
        zero,
        simd.add_f32s(even[0], odd[0]),
        simd.sub_f32s(even[0], odd[0]),
        simd.add_f32s(even[1], odd[1]),
        simd.sub_f32s(even[1], odd[1]),
        infinity,
    ]
}

/// Its adjoint: of each pair of points the sum, and the difference times the point.
#[inline(always)]
fn pairs<S: Simd>(simd: S, m: [S::f32s; SIDE]) -> ([S::f32s; 2], [S::f32s; 2]) {
    let odd = [simd.sub_f32s(m[1], m[2]), simd.sub_f32s(m[3], m[4])];
    (
        [simd.add_f32s(m[1], m[2]), simd.add_f32s(m[3], m[4])],
        [scaled(simd, FRAC_1_SQRT_2, odd[0]), scaled(simd, SQRT_2, odd[1])],
    )
}

/// `factor · a + b`.
#[inline(always)]
fn add<S: Simd>(simd: S, factor: f32, a: S::f32s, b: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), a, b)
}

#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, a: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(factor), a)
}

/// A vector of numbers, the last of which may be missing.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, numbers: &[f32]) -> S::f32s {
    match S::as_simd_f32s(numbers) {
        ([whole], []) => *whole,
        _ => simd.partial_load_f32s(numbers),
    }
}

#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, numbers: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(numbers) {
        ([whole], []) => *whole = vector,
        _ => simd.partial_store_f32s(numbers, vector),
    }
}

/// Runs of as many channels as a vector has lanes, and the channels that are left.
#[inline(always)]
pub(super) fn runs<S: Simd>(channels: usize) -> impl Iterator<Item = Range<usize>> {
    (0..channels).step_by(S::F32_LANES).map(move |first| first..channels.min(first + S::F32_LANES))
}

/// Brings weights to the points: `points[point][input][output]`.
struct WeightsToPoints<'a, W> {
    /// The nine of an output and an input.
    numbers: W,
    size: [usize; 2],
    points: &'a mut [f32],
}

impl<W: Fn(usize, usize) -> [f32; KERNEL * KERNEL]> WithSimd for WeightsToPoints<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [inputs, outputs] = self.size;
        let mut lanes = [[0.0; KERNEL * KERNEL]; MOST_LANES];
        for i in 0..inputs {
            for run in runs::<S>(outputs) {
                lanes.iter_mut().zip(run.clone()).for_each(|(taps, o)| *taps = (self.numbers)(o, i));
                let mut w = [[simd.splat_f32s(0.0); KERNEL]; KERNEL];
                for (tap, w) in w.as_flattened_mut().iter_mut().enumerate() {
                    let numbers: &mut [f32] = bytemuck::cast_slice_mut(std::slice::from_mut(w));
                    numbers.iter_mut().zip(&lanes).for_each(|(number, taps)| *number = taps[tap]);
                }
                let points = OfWeights::along_both(simd, w);
                for (point, number) in points.as_flattened().iter().enumerate() {
                    store(simd, &mut self.points[(point * inputs + i) * outputs..][run.clone()], *number);
                }
            }
        }
    }
}

/// Brings pixels of tiles, or what tiles see, to the points: `points[point][tile][channel]`.
pub(super) struct ToPoints<'a, T, const FROM: usize> {
    /// Side by side.
    maps: &'a [&'a Map],
    grid: Grid,
    points: &'a mut [f32],
    transform: PhantomData<T>,
}

impl<'a, T: Transform<FROM, SIDE>, const FROM: usize> ToPoints<'a, T, FROM> {
    pub(super) fn new(maps: &'a [&'a Map], grid: Grid, points: &'a mut [f32]) -> Self {
        Self { maps, grid, points, transform: PhantomData }
    }
}

impl<T: Transform<FROM, SIDE>, const FROM: usize> WithSimd for ToPoints<'_, T, FROM> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { maps, grid, points, .. } = self;
        let channels: usize = maps.iter().map(|map| map.shape().channels).sum();
        let (zeros, of_point) = (vec![0.0; channels], grid.of_point(channels));
        for tile in 0..grid.tiles() {
            let [row, column] = grid.corner(tile);
            let mut first = tile * channels;
            for map in maps {
                let shape = map.shape();
                let mut pixels = [[&zeros[..]; FROM]; FROM];
                for (at, pixel) in pixels.as_flattened_mut().iter_mut().enumerate() {
                    let y =
                        (grid.first + row + at / FROM).checked_sub(T::MARGIN).filter(|y| *y < shape.height);
                    let x = (column + at % FROM).checked_sub(T::MARGIN).filter(|x| *x < shape.width);
                    if let Some((y, x)) = y.zip(x) {
                        *pixel = &map.row(grid.n, y)[x * shape.channels..];
                    }
                }
                for run in runs::<S>(shape.channels) {
                    let mut x = [[simd.splat_f32s(0.0); FROM]; FROM];
                    for (x, pixel) in x.as_flattened_mut().iter_mut().zip(pixels.as_flattened()) {
                        *x = load(simd, &pixel[run.clone()]);
                    }
                    let made = T::along_both(simd, x);
                    for (point, number) in made.as_flattened().iter().enumerate() {
                        store(simd, &mut points[point * of_point + first..][run.clone()], *number);
                    }
                }
                first += shape.channels;
            }
        }
    }
}

/// Makes pixels of `products[point][tile][output]`.
struct ToPixels<'a> {
    grid: Grid,
    products: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for ToPixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { grid, products, bias, y } = self;
        let (outputs, of_point) = (bias.len(), grid.of_point(bias.len()));
        for tile in 0..grid.tiles() {
            let [row, column] = grid.corner(tile);
            let [rows, columns] = [grid.rows - row, grid.width - column].map(|left| left.min(TILE));
            for run in runs::<S>(outputs) {
                let mut m = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                for (point, m) in m.as_flattened_mut().iter_mut().enumerate() {
                    *m = load(simd, &products[point * of_point + tile * outputs..][run.clone()]);
                }
                let made = ToOutputs::along_both(simd, m);
                let bias = load(simd, &bias[run.clone()]);
                for (r, made) in made[..rows].iter().enumerate() {
                    for (c, number) in made[..columns].iter().enumerate() {
                        let pixel = (row + r) * grid.width + column + c;
                        store(simd, &mut y[pixel * outputs..][run.clone()], simd.add_f32s(*number, bias));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{noise, parameter};
    use super::super::{Buffers, run_all};
    use super::*;
    use crate::graph::{Axes, Builder, Op, TrainingOperation};
    use crate::tensor::Shape;

    /// A convolution, its sums over channels, and the gradient of its weight.
    #[test]
    fn numbers_do_not_depend_on_the_number_of_threads() {
        let shape = Shape::new(3, 26, 70, 90);
        let (mut b, x) = Builder::new("threads", shape, 1.0);
        let weight = b.parameter("weight", &parameter([24, 26, 3, 3], 1)).unwrap();
        let conv = b.conv2d("conv", x, weight, Conv2d::same(3)).unwrap();
        let product = b.multiply("product", conv, conv).unwrap();
        let sum = |axes| Op::Training(TrainingOperation::Sum(axes));
        let channels = b.append("channels", sum(Axes::CHANNELS), &[product]).unwrap();
        let all = b.append("all", sum(Axes::ALL), &[channels]).unwrap();
        let (graph, parameters) = b.finish_all([("all", all), ("channels", channels)]).unwrap();
        let graph = graph.gradient(all, &[weight]).unwrap();
        let picture = noise(shape, 2);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run_all(&graph, &parameters, &[&picture], &mut Buffers::default()).unwrap())
        };
        let alone = on(1);
        assert!([2, 3, 8].into_iter().all(|threads| on(threads) == alone));
    }

    #[test]
    fn units_are_whole_rows_of_tiles() {
        for width in [1, 4, 5, 24, 48, 97, 1000] {
            let tiles = Grid { n: 0, first: 0, rows: rows(width), width }.tiles();
            assert!(rows(width).is_multiple_of(TILE) && tiles >= TILES, "{width}");
        }
    }
}
