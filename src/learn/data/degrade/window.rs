//! A square of a picture as three planes of numbers, `0 ..= 255` but for what noise and kernels add.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{ImageFormat, load_from_memory_with_format};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use super::Kernel;
use crate::learn::Random;

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
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, quality);
        let factor = if has_half_chroma { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 };
        encoder.set_sampling_factor(factor);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        let side = self.side as u16;
        let saved = encoder.encode(&samples, side, side, ColorType::Rgb);
        let read = saved.ok().and_then(|()| load_from_memory_with_format(&file, ImageFormat::Jpeg).ok());
        let read = read.expect("a JPEG that was just saved can be read").into_rgb8();
        for (at, &sample) in read.as_raw().iter().enumerate() {
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
