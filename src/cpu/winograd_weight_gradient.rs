//! The gradient of a 3×3 convolution's weight, tile by tile (`winograd`): of each point a product whose sums go over
//! tiles, a quarter of those that go over pixels.
//!
//! Tiles are cut into slices by the shape alone, as `conv2d_weight_gradient` cuts pixels.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::conv2d_weight_gradient::{Products, slices};
use super::map::Map;
use super::vectors;
use super::winograd::rows;
use super::winograd_points::{
    Grid, KERNEL, OfInputs, OfOutputs, POINTS, SIDE, ToPoints, ToWeights, Transform, load, runs, store,
    with_points,
};
use crate::tensor::Shape;

/// The fewest pixels of a slice: a slice has four times as many sums as there are weights.
const LEAST_PIXELS: usize = 2048;

/// The memory that [`weight_gradient`] needs for sums: of each slice `[point][output][input]`.
pub(super) fn scratch(x: Shape, g: Shape) -> Shape {
    let products = Products { rows: 0, inputs: x.channels, outputs: g.channels };
    let slices = slices(g, LEAST_PIXELS, g.batch * g.height.div_ceil(rows(g.width)));
    Shape::new(slices, POINTS * products.len(), 1, 1)
}

/// Writes `y`, `[out, in, 3, 3]`.
pub(super) fn weight_gradient(x: &Map, g: &Map, sums: &mut Map, y: &mut Map) {
    let ([inputs, outputs], shape) = ([x, g].map(|map| map.shape().channels), g.shape());
    let (slices, height) = (sums.shape().batch, rows(shape.width));
    let grids = shape.height.div_ceil(height);
    let first = |slice: usize| slice * shape.batch * grids / slices;
    let len = sums.shape().channels;
    sums.values_mut().par_chunks_mut(len).enumerate().for_each(|(slice, sums)| {
        sums.fill(0.0);
        for at in first(slice)..first(slice + 1) {
            let row = at % grids * height;
            let rows = height.min(shape.height - row);
            let grid = Grid { n: at / grids, first: row, rows, width: shape.width };
            let products = Products { rows: grid.tiles(), inputs, outputs };
            let [of_input, of_output] = [inputs, outputs].map(|channels| grid.of_point(channels));
            with_points([POINTS * of_input + Products::BEHIND, POINTS * of_output], |at_x, at_g| {
                vectors::arch().dispatch(ToPoints::<OfInputs, _>::new(&[x], grid, at_x));
                vectors::arch().dispatch(ToPoints::<OfOutputs, _>::new(&[g], grid, at_g));
                for (point, sums) in sums.chunks_exact_mut(products.len()).enumerate() {
                    products.add(&at_x[point * of_input..], &at_g[point * of_output..], sums);
                }
            });
        }
    });
    let sums = sums.values();
    y.values_mut().par_chunks_mut((inputs * KERNEL * KERNEL).max(1)).enumerate().for_each(|(o, y)| {
        vectors::arch().dispatch(OfOutput { sums, len, o, size: [inputs, outputs], y });
    });
}

/// The numbers of an output, `y[tap][input]`, of the sums of all slices.
struct OfOutput<'a> {
    sums: &'a [f32],
    len: usize,
    o: usize,
    size: [usize; 2],
    y: &'a mut [f32],
}

impl WithSimd for OfOutput<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [inputs, outputs] = self.size;
        let run = self.len / POINTS / outputs;
        for part in runs::<S>(inputs) {
            let mut m = [[simd.splat_f32s(0.0); SIDE]; SIDE];
            for slice in self.sums.chunks_exact(self.len) {
                for (point, m) in m.as_flattened_mut().iter_mut().enumerate() {
                    let own = &slice[(point * outputs + self.o) * run..][part.clone()];
                    *m = simd.add_f32s(*m, load(simd, own));
                }
            }
            let taps = ToWeights::along_both(simd, m);
            for (tap, number) in taps.as_flattened().iter().enumerate() {
                store(simd, &mut self.y[tap * inputs..][part.clone()], *number);
            }
        }
    }
}
