//! Samples as the file has them to the samples of a picture: gray or RGB, straight alpha, 8 or 16 bits.

use image::ColorType;

use super::layout::{Colour, Layout, YCbCr};
use crate::image::cmyk::Inks;
use crate::image::travel;

/// How the samples of a pixel become those of the picture.
pub(super) struct Conversion<'a> {
    layout: &'a Layout,
    inks: Option<&'a Inks>,
    /// The largest sample, in the file and in the picture.
    white: u64,
    out_white: u64,
}

impl<'a> Conversion<'a> {
    pub(super) fn of(layout: &'a Layout, inks: Option<&'a Inks>) -> Self {
        let white = if layout.float { 16 } else { layout.bits.min(16) };
        let out_white = if color_type(layout).bytes_per_pixel() > color_type(layout).channel_count() {
            65_535
        } else {
            255
        };
        Self { layout, inks, white: (1 << white) - 1, out_white }
    }

    /// A row of pixels, samples in the machine's byte order.
    pub(super) fn convert(&self, samples: &[u16], row: &mut [u8]) {
        let printed = self.inks.map(|inks| self.printed(inks, samples));
        let samples = printed.as_deref().unwrap_or(samples);
        let pixels = samples.chunks_exact(self.layout.samples);
        let channels = usize::from(color_type(self.layout).channel_count());
        if self.out_white == 255 {
            for (pixel, out) in pixels.zip(row.chunks_exact_mut(channels)) {
                let converted = self.pixel(pixel);
                out.iter_mut().zip(converted).for_each(|(out, sample)| *out = sample as u8);
            }
        } else {
            for (pixel, out) in pixels.zip(row.chunks_exact_mut(2 * channels)) {
                let converted = self.pixel(pixel);
                out.as_chunks_mut()
                    .0
                    .iter_mut()
                    .zip(converted)
                    .for_each(|(out, sample)| *out = sample.to_ne_bytes());
            }
        }
    }

    /// The same pixels with red, green and blue in place of the first three inks, and no black.
    fn printed(&self, inks: &Inks, samples: &[u16]) -> Vec<u16> {
        let (mut printed, pixels) = (samples.to_vec(), samples.chunks_exact(self.layout.samples));
        let four: Vec<u16> =
            pixels.flat_map(|pixel| pixel[..4].iter().map(|&ink| between(ink, self.white, 65_535))).collect();
        let mut rgb = vec![0; four.len() / 4 * 3];
        // Rows of one length are all that could be wrong.
        if inks.transform(&four, &mut rgb).is_ok() {
            for (pixel, rgb) in printed.chunks_exact_mut(self.layout.samples).zip(rgb.as_chunks::<3>().0) {
                let light = rgb.map(|sample| between(sample, 65_535, self.white));
                pixel[..3].iter_mut().zip(light).for_each(|(ink, light)| *ink = self.white as u16 - light);
                pixel[3] = 0;
            }
        }
        printed
    }

    /// Colour, then alpha if there is any.
    fn pixel(&self, samples: &[u16]) -> [u16; 4] {
        let alpha =
            self.layout.alpha.as_ref().map(|alpha| (self.scaled(samples[alpha.at]), alpha.associated));
        let mut colour = match &self.layout.colour {
            Colour::Gray { white_is_zero: true } => [self.scaled(self.white as u16 - samples[0]); 3],
            Colour::Gray { white_is_zero: false } => [self.scaled(samples[0]); 3],
            Colour::Rgb => [0, 1, 2].map(|c| self.scaled(samples[c])),
            Colour::Palette(colours) => colours[usize::from(samples[0])].map(|sample| match self.out_white {
                255 => sample >> 8,
                _ => sample,
            }),
            Colour::Cmyk => [0, 1, 2].map(|c| self.ink(samples[c], samples[3])),
            Colour::YCbCr(ycbcr) => ycbcr.rgb([samples[0], samples[1], samples[2]]).map(u16::from),
        };
        if let Some((alpha, true)) = alpha {
            colour = colour.map(|sample| travel::straight(sample, alpha, self.out_white as u16));
        }
        let [r, g, b] = colour;
        match (alpha, is_gray(self.layout)) {
            (Some((alpha, _)), true) => [r, alpha, 0, 0],
            (Some((alpha, _)), false) => [r, g, b, alpha],
            (None, _) => [r, g, b, 0],
        }
    }

    /// A sample in the bits of the picture.
    fn scaled(&self, sample: u16) -> u16 {
        if self.white == self.out_white { sample } else { between(sample, self.white, self.out_white) }
    }

    /// What an ink and black leave of white.
    fn ink(&self, ink: u16, black: u16) -> u16 {
        let [ink, black] = [ink, black].map(|ink| self.out_white - u64::from(self.scaled(ink)));
        (ink * black / self.out_white) as u16
    }
}

impl YCbCr {
    fn rgb(&self, samples: [u16; 3]) -> [u8; 3] {
        let [red, green, blue] = self.luma;
        let coded = |i: usize, white: f64| {
            let [black, full] = [self.reference[2 * i], self.reference[2 * i + 1]];
            (f64::from(samples[i]) - black) * white / (full - black)
        };
        let [y, cb, cr] = [coded(0, 255.0), coded(1, 127.0), coded(2, 127.0)];
        let r = y + cr * (2.0 - 2.0 * red);
        let b = y + cb * (2.0 - 2.0 * blue);
        let g = (y - blue * b - red * r) / green;
        [r, g, b].map(|sample| sample.round() as u8)
    }
}

/// A sample of one range in another.
fn between(sample: u16, from: u64, to: u64) -> u16 {
    ((u64::from(sample) * to + from / 2) / from) as u16
}

fn is_gray(layout: &Layout) -> bool {
    matches!(layout.colour, Colour::Gray { .. })
}

/// The type of the picture: up to 8 bits become 8, more become 16.
pub(super) fn color_type(layout: &Layout) -> ColorType {
    let wide = match &layout.colour {
        // Palettes of 8 bits are written with a second byte of 0, or with the same byte twice.
        Colour::Palette(colours) => {
            let narrow = |sample: &u16| sample & 0xff == 0 || sample >> 8 == sample & 0xff;
            !colours.as_flattened().iter().all(narrow)
        }
        _ => layout.bits > 8,
    };
    match (is_gray(layout), layout.alpha.is_some(), wide) {
        (true, false, false) => ColorType::L8,
        (true, true, false) => ColorType::La8,
        (false, false, false) => ColorType::Rgb8,
        (false, true, false) => ColorType::Rgba8,
        (true, false, true) => ColorType::L16,
        (true, true, true) => ColorType::La16,
        (false, false, true) => ColorType::Rgb16,
        (false, true, true) => ColorType::Rgba16,
    }
}
