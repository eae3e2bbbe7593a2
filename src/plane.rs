//! One channel of a picture in double precision, and its bicubic resize.
//!
//! The resize is MATLAB's `imresize(…, 'bicubic')`, which the field makes its small pictures with: the
//! kernel is stretched when it shrinks (antialiasing), the picture is mirrored at its edges, the direction
//! that shrinks most goes first (rows at a tie), and samples are rounded after each of the two passes.

use rayon::prelude::*;

/// One channel, in raster order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<f64>,
}

/// Keys' cubic kernel, by the slope `a` at distance 1, for samples in `0 ..= white`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bicubic {
    pub(crate) a: f64,
    pub(crate) white: f64,
}

/// What one output sample is made of: consecutive (mirrored) inputs and their weights.
struct Taps {
    inputs: Vec<usize>,
    weights: Vec<f64>,
}

impl Plane {
    pub(crate) fn new(width: usize, height: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), width * height, "a {width}x{height} plane");
        Self { width, height, values }
    }

    /// The plane at another size; whole numbers in `0 ..= white`.
    pub(crate) fn resized(&self, width: usize, height: usize, kernel: Bicubic) -> Self {
        let rows_first = height * self.width <= width * self.height;
        if rows_first {
            self.with_height(height, kernel).with_width(width, kernel)
        } else {
            self.with_width(width, kernel).with_height(height, kernel)
        }
    }

    /// The plane without `border` samples at each edge.
    pub(crate) fn without_border(&self, border: usize) -> Self {
        let (width, height) = (self.width - 2 * border, self.height - 2 * border);
        let rows = self.values.chunks(self.width).skip(border).take(height);
        Self::new(width, height, rows.flat_map(|row| &row[border..border + width]).copied().collect())
    }

    pub(crate) fn transposed(&self) -> Self {
        let column = |x: usize| self.values.iter().skip(x).step_by(self.width).copied();
        Self::new(self.height, self.width, (0..self.width).flat_map(column).collect())
    }

    fn with_height(&self, height: usize, kernel: Bicubic) -> Self {
        self.transposed().with_width(height, kernel).transposed()
    }

    fn with_width(&self, width: usize, kernel: Bicubic) -> Self {
        let taps = kernel.taps(self.width, width);
        let mut resized = vec![0.0; width * self.height];
        resized.par_chunks_mut(width).zip(self.values.par_chunks(self.width)).for_each(|(out, row)| {
            for (sample, taps) in out.iter_mut().zip(&taps) {
                *sample = (taps.dot(row).clamp(0.0, kernel.white) + 0.5).floor();
            }
        });
        Self::new(width, self.height, resized)
    }
}

impl Taps {
    fn dot(&self, row: &[f64]) -> f64 {
        self.inputs.iter().zip(&self.weights).map(|(&input, weight)| row[input] * weight).sum()
    }
}

impl Bicubic {
    /// The taps of each of `to` samples made from `from`. Sample centres lie at half pixels.
    fn taps(self, from: usize, to: usize) -> Vec<Taps> {
        let scale = to as f64 / from as f64;
        let stretch = scale.min(1.0);
        let radius = 2.0 / stretch;
        (0..to)
            .map(|output| {
                let centre = (output as f64 + 0.5) / scale - 0.5;
                let first = (centre - radius).floor() as isize;
                let last = (centre + radius).ceil() as isize;
                let weight = |input: isize| self.at((centre - input as f64) * stretch);
                let total: f64 = (first..=last).map(weight).sum();
                let used = (first..=last).filter(|&input| weight(input) != 0.0);
                let (inputs, weights) =
                    used.map(|input| (mirrored(input, from), weight(input) / total)).unzip();
                Taps { inputs, weights }
            })
            .collect()
    }

    /// The kernel at distance `x`.
    fn at(self, x: f64) -> f64 {
        let (a, x) = (self.a, x.abs());
        if x <= 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            a * (((x - 5.0) * x + 8.0) * x - 4.0)
        } else {
            0.0
        }
    }
}

/// `… 1 0 | 0 1 2 … len-1 | len-1 len-2 …`
pub(crate) fn mirrored(index: isize, len: usize) -> usize {
    let period = 2 * len as isize;
    let index = index.rem_euclid(period);
    index.min(period - 1 - index) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATLAB: Bicubic = Bicubic { a: -0.5, white: 255.0 };

    #[test]
    fn the_edge_is_mirrored() {
        let indices: Vec<usize> = (-4..7).map(|index| mirrored(index, 3)).collect();
        assert_eq!(indices, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
        assert_eq!(mirrored(-7, 1), 0);
    }

    #[test]
    fn a_flat_plane_stays_flat() {
        let plane = Plane::new(5, 3, vec![77.0; 15]);
        for (width, height) in [(10, 6), (2, 1), (1, 9), (5, 3)] {
            assert_eq!(plane.resized(width, height, MATLAB).values, vec![77.0; width * height]);
        }
    }

    /// Expected numbers by an independent numpy `imresize`, itself checked against the pictures of Set5.
    #[test]
    fn a_picture_is_resized_as_matlab_does() {
        let rows = [[0, 10, 200, 255, 30], [90, 60, 7, 0, 255], [1, 2, 3, 250, 9]];
        let plane = Plane::new(5, 3, rows.concat().into_iter().map(f64::from).collect());
        let cases: [(usize, usize, &[i32]); 3] = [
            (3, 2, &[27, 129, 132, 27, 39, 121]),
            (2, 4, &[49, 151, 55, 126, 38, 104, 6, 97]),
            (
                10,
                6,
                &[
                    0, 0, 0, 48, 172, 246, 255, 208, 60, 0, 20, 17, 12, 50, 130, 181, 201, 176, 105, 70, 80,
                    73, 59, 51, 48, 38, 23, 72, 188, 245, 80, 74, 61, 39, 8, 0, 12, 74, 184, 239, 22, 20, 17,
                    7, 0, 41, 163, 180, 95, 52, 0, 0, 0, 0, 0, 60, 222, 221, 58, 0,
                ],
            ),
        ];
        for (width, height, expected) in cases {
            let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
            assert_eq!(plane.resized(width, height, MATLAB).values, expected, "{width}x{height}");
        }
    }
}
