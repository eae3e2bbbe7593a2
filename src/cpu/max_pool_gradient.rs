//! Where the largest of every block stood, in two steps that both have a writer a number: each block finds its place, then
//! each row of the picture takes what belongs there, block by block in raster order.

use rayon::prelude::*;

use super::map::Map;
use crate::graph::MaxPool;

pub(super) fn max_pool_gradient(op: &MaxPool, x: &Map, g: &Map, y: &mut Map) {
    let (input, output, size) = (y.shape(), g.shape(), op.size);
    let len = output.width * output.channels;
    let mut places = vec![0; output.len()];
    places.par_chunks_mut(len.max(1)).enumerate().for_each_init(Vec::new, |largest, (row, places)| {
        find(op, x, [row / output.height, row % output.height], places, largest);
    });
    y.by_row(|n, row, y| {
        y.fill(0.0);
        // The blocks that this row is a row of.
        let first = (row + 1).saturating_sub(size).div_ceil(op.stride);
        for block in first..(row / op.stride + 1).min(output.height) {
            let places = &places[(n * output.height + block) * len..][..len];
            let tap = ((row - block * op.stride) * size) as u32;
            for (at, (g, place)) in g.row(n, block).iter().zip(places).enumerate() {
                let (column, c) = (at / output.channels, at % output.channels);
                let across = place.wrapping_sub(tap) as usize;
                if across < size {
                    y[(column * op.stride + across) * input.channels + c] += g;
                }
            }
        }
    });
}

/// Of one row of blocks the place of the first largest number in each, counted through the block in raster order.
fn find(op: &MaxPool, x: &Map, [n, row]: [usize; 2], places: &mut [u32], largest: &mut Vec<f32>) {
    let channels = x.shape().channels;
    largest.clear();
    largest.resize(places.len(), f32::NEG_INFINITY);
    for ky in 0..op.size {
        let line = x.row(n, row * op.stride + ky);
        let blocks = places.chunks_exact_mut(channels).zip(largest.chunks_exact_mut(channels)).enumerate();
        for (column, (places, largest)) in blocks {
            for kx in 0..op.size {
                let tap = (ky * op.size + kx) as u32;
                let x = &line[(column * op.stride + kx) * channels..][..channels];
                for ((place, largest), x) in places.iter_mut().zip(largest.iter_mut()).zip(x) {
                    let is_larger = x > largest || (x.is_nan() && !largest.is_nan());
                    *place = if is_larger { tap } else { *place };
                    *largest = if is_larger { *x } else { *largest };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps};
    use super::*;
    use crate::graph::Operator;
    use crate::oracle::{self, Numbers};
    use crate::tensor::{Shape, Tensor};

    #[test]
    fn on_awkward_shapes_and_with_ties_it_is_the_textbook() {
        for ([size, stride], [channels, height, width]) in [
            ([2, 2], [3, 6, 8]),
            ([2, 2], [17, 7, 5]),
            ([3, 1], [5, 3, 4]),
            ([3, 2], [1, 8, 9]),
            ([7, 3], [12, 25, 31]),
            ([2, 3], [4, 11, 8]),
            ([1, 1], [2, 3, 3]),
        ] {
            let op = MaxPool { size, stride };
            let input = Shape::new(2, channels, height, width);
            // Few different numbers, so that blocks have several largest, and one that is none.
            let mut x = noise(input, 1);
            x.values_mut().iter_mut().for_each(|x| *x = (*x * 3.0).round());
            x.values_mut()[input.len() / 2] = f32::NAN;
            let g = noise(op.infer(&[input]).unwrap(), 2);
            let expected = oracle::max_pool_gradient(&Numbers::of(&x), &Numbers::of(&g), size, stride);
            let found = on_maps(&[&x, &g], input, |maps, y| max_pool_gradient(&op, maps[0], maps[1], y));
            assert_close(&found, &expected.to_tensor(), &format!("{op:?} of {input}"));
        }
    }

    #[test]
    fn where_all_is_minus_infinity_it_is_the_first() {
        let x = Tensor::new(Shape::new(1, 1, 2, 2), vec![f32::NEG_INFINITY; 4]);
        let g = Tensor::new(Shape::new(1, 1, 1, 1), vec![3.0]);
        let op = MaxPool { size: 2, stride: 2 };
        let found = on_maps(&[&x, &g], x.shape(), |maps, y| max_pool_gradient(&op, maps[0], maps[1], y));
        assert_eq!(found.values(), [3.0, 0.0, 0.0, 0.0]);
    }
}
