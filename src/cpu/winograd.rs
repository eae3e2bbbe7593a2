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

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::layer::{Input, Weights};
use super::map::Unit;
use super::product::{Matrix, Panels, Rows, Segment};
use super::vectors::{self, LANES};
use super::winograd_points::{
    Grid, KERNEL, OfInputs, OfWeights, POINTS, SIDE, TILE, ToOutputs, ToPoints, Transform, load, runs, store,
    with_points,
};
use crate::graph::Conv2d;

/// The fewest channels of each side for which it pays.
const LEAST_CHANNELS: usize = 24;

/// Tiles that share a reading of the weights.
const TILES: usize = 24;

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
        let mut lanes = [[0.0; KERNEL * KERNEL]; LANES];
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
