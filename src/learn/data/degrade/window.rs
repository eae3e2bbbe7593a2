//! A square of a picture as three planes of numbers, `0 ..= 255` but for what noise and kernels add.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{Kernel, through_jpeg};
use crate::learn::Random;
use crate::pixels::{Pixels, Samples};

/// Red, green and blue, each `side` × `side` in raster order.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::learn::data) struct Window {
    side: usize,
    planes: Vec<f32>,
}

/// A blur: standard deviations along and across, turned by an angle.
pub(super) struct Gaussian {
    pub(super) sigma: [f64; 2],
    pub(super) turn: f64,
}

impl Window {
    pub(in crate::learn::data) fn new(side: usize, planes: Vec<f32>) -> Self {
        debug_assert_eq!(planes.len(), 3 * side * side, "three planes");
        Self { side, planes }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// The planes of a part of `side` pixels a side, from (`x`, `y`) on.
    pub(super) fn part(&self, [x, y]: [usize; 2], side: usize) -> Vec<f32> {
        let planes = self.planes.chunks_exact(self.side * self.side);
        let rows = planes.flat_map(|plane| plane.chunks_exact(self.side).skip(y).take(side));
        rows.flat_map(|row| &row[x..x + side]).copied().collect()
    }

    /// As a file of 8 bits has it.
    pub(super) fn rounded(mut self) -> Self {
        self.planes.iter_mut().for_each(|sample| *sample = sample.round_ties_even().clamp(0.0, 255.0));
        self
    }

    pub(super) fn blur(&mut self, gaussian: &Gaussian) {
        let (radius, kernel) = gaussian.kernel();
        let side = self.side;
        let padded_side = side + 2 * radius;
        let mut padded = vec![0.0; padded_side * padded_side];
        for plane in self.planes.chunks_exact_mut(side * side) {
            // The last row and column are repeated.
            for (y, row) in padded.chunks_exact_mut(padded_side).enumerate() {
                let from = &plane[y.saturating_sub(radius).min(side - 1) * side..][..side];
                row[..radius].fill(from[0]);
                row[radius..radius + side].copy_from_slice(from);
                row[radius + side..].fill(from[side - 1]);
            }
            for (y, row) in plane.chunks_exact_mut(side).enumerate() {
                row.fill(0.0);
                for (at, weight) in kernel.iter().enumerate() {
                    let [dx, dy] = [at % (2 * radius + 1), at / (2 * radius + 1)];
                    let from = &padded[(y + dy) * padded_side + dx..][..side];
                    row.iter_mut().zip(from).for_each(|(sum, sample)| *sum += weight * sample);
                }
            }
        }
    }

    pub(super) fn resize(&mut self, side: usize, kernel: Kernel) {
        if side == self.side {
            return;
        }
        let mut planes = vec![0.0_f32; 3 * side * side];
        let mut resizer = Resizer::new();
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kernel.filter()));
        let from = self.planes.chunks_exact(self.side * self.side);
        for (plane, from) in planes.chunks_exact_mut(side * side).zip(from) {
            let [from_side, side] = [self.side, side].map(|side| side as u32);
            let from = ImageRef::new(from_side, from_side, bytemuck::cast_slice(from), PixelType::F32);
            let to = Image::from_slice_u8(side, side, bytemuck::cast_slice_mut(plane), PixelType::F32);
            let done = from.ok().zip(to.ok()).map(|(from, mut to)| resizer.resize(&from, &mut to, &options));
            assert!(matches!(done, Some(Ok(()))), "a square plane becomes another: {done:?}");
        }
        *self = Self { side, planes };
    }

    /// Noise of a standard deviation, which at black is none if it is photons'.
    pub(super) fn add_noise(&mut self, random: &Random, strength: f32, is_poisson: bool, is_gray: bool) {
        let pixels = self.side * self.side;
        let mut noise = vec![0.0; if is_gray { pixels } else { 3 * pixels }];
        random.fill_normal(&mut noise);
        for (sample, noise) in self.planes.iter_mut().zip(noise.iter().cycle()) {
            let share = if is_poisson { (*sample / 255.0).clamp(0.0, 1.0).sqrt() } else { 1.0 };
            *sample += strength * share * noise;
        }
    }

    /// As it is after it was saved and read again.
    pub(super) fn save_as_jpeg(&mut self, quality: u8, has_half_chroma: bool) {
        let pixels = self.side * self.side;
        let sample =
            |at: usize| self.planes[at % 3 * pixels + at / 3].round_ties_even().clamp(0.0, 255.0) as u8;
        let samples: Vec<u8> = (0..3 * pixels).map(sample).collect();
        let picture = Pixels::of(self.side, self.side, Samples::U8(samples));
        let saved = through_jpeg(&picture, quality, has_half_chroma);
        let saved = saved.expect("a square of 8 bits, no larger than a crop with its margin, can be a JPEG");
        let Samples::U8(samples) = saved.samples() else { unreachable!("a JPEG is of 8 bits") };
        for (at, &sample) in samples.iter().enumerate() {
            self.planes[at % 3 * pixels + at / 3] = f32::from(sample);
        }
    }
}

impl Gaussian {
    /// Its radius, and the weights of the square around a pixel.
    fn kernel(&self) -> (usize, Vec<f32>) {
        // Narrower than this, the neighbours get nothing that a number shows.
        let [along, across] = self.sigma.map(|sigma| sigma.max(0.1));
        let radius = (3.0 * along.max(across)).ceil() as usize;
        let (sine, cosine) = (libm::sin(self.turn), libm::cos(self.turn));
        let weight = |at: usize| {
            let [x, y] = [at % (2 * radius + 1), at / (2 * radius + 1)].map(|at| at as f64 - radius as f64);
            let [u, v] = [(cosine * x + sine * y) / along, (cosine * y - sine * x) / across];
            libm::exp(-0.5 * (u * u + v * v))
        };
        let weights: Vec<f64> = (0..(2 * radius + 1) * (2 * radius + 1)).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        (radius, weights.iter().map(|weight| (weight / sum) as f32).collect())
    }
}

impl Kernel {
    fn filter(self) -> FilterType {
        match self {
            Self::Area => FilterType::Box,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Lanczos => FilterType::Lanczos3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNELS: [Kernel; 4] = [Kernel::Area, Kernel::Bilinear, Kernel::Bicubic, Kernel::Lanczos];

    /// By channel, column and row.
    fn window(side: usize, sample: impl Fn(usize, usize, usize) -> f32) -> Window {
        let places = (0..3 * side * side).map(|at| (at / (side * side), at % side, at / side % side));
        Window::new(side, places.map(|(c, x, y)| sample(c, x, y)).collect())
    }

    fn largest_difference(a: &Window, b: &Window) -> f32 {
        a.planes.iter().zip(&b.planes).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Of one pixel's light: all of it is left, and it is spread as far as was asked.
    #[test]
    fn a_blur_is_as_long_and_wide_as_it_says() {
        for (sigma, turn, [xx, yy, xy]) in [
            ([2.0, 2.0], 0.7, [4.0, 4.0, 0.0]),
            ([2.0, 1.0], 0.0, [4.0, 1.0, 0.0]),
            ([2.0, 1.0], std::f64::consts::FRAC_PI_2, [1.0, 4.0, 0.0]),
            ([2.0, 1.0], std::f64::consts::FRAC_PI_4, [2.5, 2.5, 1.5]),
            ([0.0, 0.0], 0.3, [0.0, 0.0, 0.0]),
        ] {
            let mut light = window(33, |_, x, y| if (x, y) == (16, 16) { 1000.0 } else { 0.0 });
            light.blur(&Gaussian { sigma, turn });
            let mut moments = [0.0; 4];
            for (at, &sample) in light.planes[33 * 33..2 * 33 * 33].iter().enumerate() {
                let [x, y] = [at % 33, at / 33].map(|at| at as f64 - 16.0);
                let terms = [1.0, x * x, y * y, x * y];
                moments
                    .iter_mut()
                    .zip(terms)
                    .for_each(|(sum, term)| *sum += term * f64::from(sample) / 1000.0);
            }
            for (found, expected) in moments.iter().zip([1.0, xx, yy, xy]) {
                assert!(
                    (found - expected).abs() < 0.02 * expected.max(1.0) + 0.06,
                    "{sigma:?} {turn}: {moments:?}"
                );
            }
        }
        let mut flat = window(9, |c, _, _| 80.0 + c as f32);
        flat.blur(&Gaussian { sigma: [3.0, 1.0], turn: 1.0 });
        assert!(largest_difference(&flat, &window(9, |c, _, _| 80.0 + c as f32)) < 1e-3);
    }

    /// A slope stays where it is, whatever the size in between.
    #[test]
    fn nothing_moves_when_the_size_changes() {
        for kernel in KERNELS {
            for side in [20, 33, 47, 80] {
                let mut slope = window(40, |c, x, y| [x, y, x + y][c] as f32 * 2.0);
                slope.resize(side, kernel);
                let at = |place: usize| (place as f32 + 0.5) * 40.0 / side as f32 - 0.5;
                let expected = window(side, |c, x, y| [at(x), at(y), at(x) + at(y)][c] * 2.0);
                let inner = |window: &Window| Window::new(side - 12, window.part([6, 6], side - 12));
                // Where a pixel covers others in part, its mean of whole ones is off by less than half of one.
                let bound = if kernel == Kernel::Area { 2.01 } else { 0.5 };
                let found = largest_difference(&inner(&slope), &inner(&expected));
                assert!(found < bound, "{kernel:?} to {side}: {found}");
            }
        }
    }

    #[test]
    fn noise_is_as_strong_as_it_says() {
        let random = Random::new(1, Random::NOISE, 2);
        for (is_poisson, is_gray) in [(false, false), (false, true), (true, false), (true, true)] {
            let levels = [0.0, 63.75, 255.0];
            let mut noisy = window(100, |c, _, _| levels[c]);
            noisy.add_noise(&random, 8.0, is_poisson, is_gray);
            let planes: Vec<&[f32]> = noisy.planes.chunks_exact(100 * 100).collect();
            for (plane, (level, share)) in planes.iter().zip(levels.into_iter().zip([0.0, 0.5, 1.0])) {
                let expected = if is_poisson { 8.0 * share } else { 8.0 };
                let spread = (plane.iter().map(|sample| (sample - level).powi(2)).sum::<f32>() / 1e4).sqrt();
                assert!((spread - expected).abs() <= 0.03 * expected, "{is_poisson} at {level}: {spread}");
            }
            let noise = |c: usize, at: usize| planes[c][at] - levels[c];
            let is_same = (0..100).all(|at| (noise(1, at) * 2.0 - noise(2, at)).abs() < 1e-3)
                || (0..100).all(|at| (noise(1, at) - noise(2, at)).abs() < 1e-3);
            assert_eq!(is_same, is_gray);
        }
    }

    /// Waves of light, and of colour from pixel to pixel.
    #[test]
    fn a_jpeg_loses_what_it_says() {
        let original = window(48, |c, x, y| {
            128.0 + 60.0 * ((x + y) as f32 / 5.0).sin() + [30.0, 0.0, -30.0][c] * (x % 2) as f32
        });
        let loss = |quality, has_half_chroma| {
            let mut saved = original.clone();
            saved.save_as_jpeg(quality, has_half_chroma);
            let squares = saved.planes.iter().zip(&original.planes).map(|(a, b)| (a - b).powi(2));
            (squares.sum::<f32>() / original.planes.len() as f32).sqrt()
        };
        let [best, good, bad, half] = [loss(100, false), loss(80, false), loss(20, false), loss(100, true)];
        assert!(best < 1.0 && best < good && good < bad && half > 5.0, "{best} {good} {bad} {half}");
    }
}
