//! The binomial filter of Laplacian pyramids and its adjoint, an axis after the other.
//!
//! A pixel at either end of an axis is its own mirror image. The adjoint is therefore the filter itself of `s · g`, over s,
//! where s is 2 at the ends and 1 elsewhere.

use super::map::Map;
use crate::tensor::Shape;

/// Along either axis.
const TAPS: [f32; 5] = [0.0625, 0.25, 0.375, 0.25, 0.0625];

/// The filter, or its adjoint.
pub(super) fn blur(is_adjoint: bool, x: &Map, y: &mut Map) {
    let Shape { channels, height, width, .. } = y.shape();
    let own = |place: usize| if is_adjoint && (place == 0 || place + 1 == height) { 2.0 } else { 1.0 };
    y.by_row(|n, row, y| {
        let mut line = vec![0.0; (width + 4) * channels];
        let sum = &mut line[2 * channels..][..width * channels];
        for (tap, weight) in TAPS.iter().enumerate() {
            let from = mirrored((row + tap) as isize - 2, height);
            add(weight * own(from) / own(row), x.row(n, from), sum);
        }
        let ends = [0, (width - 1) * channels].map(|start| start..start + channels);
        if is_adjoint {
            ends.iter().for_each(|end| sum[end.clone()].iter_mut().for_each(|number| *number *= 2.0));
        }
        for (to, from) in [(0, 4), (1, 3), (width + 2, width), (width + 3, width - 1)] {
            line.copy_within(from * channels..(from + 1) * channels, to * channels);
        }
        y.fill(0.0);
        TAPS.iter().enumerate().for_each(|(tap, weight)| add(*weight, &line[tap * channels..], y));
        if is_adjoint {
            ends.into_iter().for_each(|end| y[end].iter_mut().for_each(|number| *number /= 2.0));
        }
    });
}

/// `y += weight · x`.
fn add(weight: f32, x: &[f32], y: &mut [f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
}

/// The pixel of a side of `len`, three at least, that stands for one up to two past an edge.
fn mirrored(place: isize, len: usize) -> usize {
    let place = place.unsigned_abs();
    place.min(2 * (len - 1) - place)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, noise, on_maps};
    use super::*;
    use crate::oracle::{self, Numbers};

    #[test]
    fn on_awkward_sizes_it_is_the_textbook() {
        for [channels, height, width] in [[1, 3, 3], [3, 4, 3], [6, 3, 5], [4, 5, 4], [3, 17, 32], [17, 9, 7]]
        {
            let x = noise(Shape::new(2, channels, height, width), 1);
            let numbers = Numbers::of(&x);
            for (is_adjoint, expected) in
                [(false, oracle::blur(&numbers)), (true, oracle::blur_gradient(&numbers))]
            {
                let found = on_maps(&[&x], x.shape(), |maps, y| blur(is_adjoint, maps[0], y));
                let case = format!("{}, adjoint: {is_adjoint}", x.shape());
                assert_close(&found, &expected.to_tensor(), &case);
            }
        }
    }
}
