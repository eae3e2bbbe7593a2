//! Where Winograd's algorithm takes its products (`winograd`): the tiles of a picture, the five matrices, and what brings
//! pixels to the points.

use std::cell::RefCell;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::map::{Map, Unit};

/// Pixels of a tile's side, those of what it sees, and the kernel's.
pub(super) const TILE: usize = 4;
pub(super) const SIDE: usize = 6;
pub(super) const KERNEL: usize = 3;

/// Products of a tile, an input and an output.
pub(super) const POINTS: usize = SIDE * SIDE;

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
    pub(super) fn of(unit: &Unit, width: usize) -> Self {
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
    pub(super) fn corner(self, tile: usize) -> [usize; 2] {
        [tile / self.across() * TILE, tile % self.across() * TILE]
    }
}

/// A product with one of the matrices.
pub(super) trait Transform<const FROM: usize, const TO: usize> {
    /// How far above and left of its tile begins what is transformed.
    const MARGIN: usize = 0;

    /// Along one axis.
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
pub(super) struct OfWeights;

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
pub(super) struct ToOutputs;

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
