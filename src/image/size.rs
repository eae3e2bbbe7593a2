//! The size that is wanted of a picture, and the way there.
//!
//! ```text
//!   picture ─► network ─► … ─► network ─► Lanczos, downwards ─► the size, to the pixel
//!                as often as it takes to reach it
//! ```
//!
//! The last step is taken on the numbers as they are in the file, not in linear light: see
//! `docs/decisions/sizes-by-the-network-then-lanczos.md`. What is smaller than the picture is that step alone.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::limits::MAX_BYTES;
use super::transfer::{self, Transfer};
use super::{Dpi, Picture, UpscaledPicture, travel};
use crate::alpha::{enlarged_alpha, is_opaque};
use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples};
use crate::upscale::{Upscaled, Upscaler};

/// The most pixels a side of any picture.
const LONGEST: f64 = 0x7fff_ffff as f64;

/// The size that is wanted of a picture. But for rounding its shape is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Size {
    /// Its own times the network's scale.
    #[default]
    Network,
    /// Its own times this.
    Times(f64),
    /// So many columns.
    Width(u32),
    /// So many rows.
    Height(u32),
    /// The largest that is in so many columns and rows.
    Within([u32; 2]),
    /// So many millions of pixels.
    Megapixels(f64),
}

/// How transparency is enlarged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpha {
    /// By bicubic interpolation.
    #[default]
    Bicubic,
    /// By the network, as a gray picture.
    Network,
}

impl Size {
    /// Columns and rows for a picture of `from` and a network of `scale`, at least one of each.
    ///
    /// # Errors
    /// [`Error::Limits`] if that is no picture's size.
    pub fn of(self, from: [u32; 2], scale: usize) -> Result<[u32; 2]> {
        let factor = self.factor(from, scale);
        let most = match self {
            Self::Within(box_) => box_.map(f64::from),
            _ => [LONGEST; 2],
        };
        let size = [0, 1].map(|axis| match (self, axis) {
            (Self::Width(width), 0) => f64::from(width),
            (Self::Height(height), 1) => f64::from(height),
            _ => (f64::from(from[axis]) * factor).round().max(1.0),
        });
        if !factor.is_finite() || factor <= 0.0 || size.iter().any(|side| !(1.0..=LONGEST).contains(side)) {
            let [width, height] = from;
            return Err(Error::Limits(format!("{width}x{height} times {factor} is no picture")));
        }
        Ok([0, 1].map(|axis| size[axis].min(most[axis]) as u32))
    }

    /// How many times as large a picture becomes, along a side.
    pub fn factor(self, from: [u32; 2], scale: usize) -> f64 {
        let [width, height] = from.map(f64::from);
        match self {
            Self::Network => scale as f64,
            Self::Times(factor) => factor,
            Self::Width(wanted) => f64::from(wanted) / width,
            Self::Height(wanted) => f64::from(wanted) / height,
            Self::Within([wide, high]) => (f64::from(wide) / width).min(f64::from(high) / height),
            Self::Megapixels(millions) => (millions * 1e6 / (width * height)).sqrt(),
        }
    }
}

impl Upscaler {
    /// [`Upscaler::upscale_picture`] to a size, and with alpha as it is wanted. Masks are those of the network's first
    /// run, and a share of multiply-adds that of all its runs.
    ///
    /// # Errors
    /// As [`Upscaler::upscale`], and [`Error::Limits`] if a picture on the way is too large to be held.
    pub fn upscale_picture_to(
        &mut self,
        picture: &Picture,
        size: Size,
        alpha: Alpha,
    ) -> Result<UpscaledPicture> {
        let from = [picture.image.width(), picture.image.height()];
        let to = size.of(from, self.model().scale())?;
        let (color, transfer) = (picture.image.color(), Transfer::of(&picture.metadata));
        let curved = transfer.map(|transfer| transfer.for_network(&picture.image));
        let (colour, transparency) = travel::split(curved.as_ref().unwrap_or(&picture.image))?;
        let Upscaled { pixels, masks, macs_kept } = self.sized(colour, to)?;
        let [width, height] = to.map(|side| side as usize);
        let transparency = match transparency {
            Some(plane) if alpha == Alpha::Network && !is_opaque(&plane) => {
                let made = self.sized(travel::gray(&plane), to)?;
                Some(travel::alpha_of(&made.pixels, &plane))
            }
            plane => plane.map(|plane| enlarged_alpha(&plane, width, height)),
        };
        let travelled = transfer.map_or(color, |_| transfer::wide(color));
        let mut image = travel::join(&pixels, transparency, travelled)?;
        if let Some(transfer) = transfer {
            image = transfer.back(&image, color);
        }
        image.set_color_space(picture.image.color_space()).expect("this colour space was set before");
        let metadata = picture.metadata.enlarged(from, to, Dpi::Scale);
        Ok(UpscaledPicture { picture: Picture { image, metadata }, masks, macs_kept })
    }

    /// By the network as often as it takes, then down.
    fn sized(&mut self, picture: Pixels, to: [u32; 2]) -> Result<Upscaled> {
        let passes = passes(self.model().scale(), &picture, to)?;
        let (mut kept, mut all) = (0.0, 0.0);
        let mut upscaled = Upscaled { pixels: picture, masks: vec![], macs_kept: 0.0 };
        for pass in 0..passes {
            let work = (upscaled.pixels.width() * upscaled.pixels.height()) as f64;
            let next = self.upscale_pixels(&upscaled.pixels)?;
            (kept, all) = (kept + work * next.macs_kept, all + work);
            upscaled.pixels = next.pixels;
            if pass == 0 {
                upscaled.masks = next.masks;
            }
        }
        upscaled.macs_kept = if passes > 0 { kept / all } else { 0.0 };
        upscaled.pixels = resampled(upscaled.pixels, to)?;
        Ok(upscaled)
    }
}

/// How often a network of `scale` runs until a picture has that size at least.
fn passes(scale: usize, picture: &Pixels, to: [u32; 2]) -> Result<usize> {
    let (from, to) = ([picture.width(), picture.height()], to.map(|side| side as usize));
    let reaches = |size: [usize; 2]| size[0] >= to[0] && size[1] >= to[1];
    if scale == 1 {
        let reason = || format!("a network of x1 makes no {}x{} of {}x{}", to[0], to[1], from[0], from[1]);
        return if reaches(from) { Ok(1) } else { Err(Error::Unsupported(reason())) };
    }
    let (mut passes, mut size) = (0, from);
    while !reaches(size) {
        size = size.map(|side| side * scale);
        passes += 1;
    }
    let bytes = size[0] as f64 * size[1] as f64 * 6.0 * f64::from(u8::from(passes > 0));
    if bytes > MAX_BYTES as f64 {
        let ([width, height], gigabytes) = (size, MAX_BYTES >> 30);
        let reason = format!(
            "expected at most {gigabytes} GiB on the way to {}x{}, found a picture of {width}x{height}: a size that the \
             network reaches by itself goes band by band",
            to[0], to[1]
        );
        return Err(Error::Limits(reason));
    }
    Ok(passes)
}

/// The picture at another size, each sample by Lanczos' kernel over three of its lobes, stretched where it shrinks.
fn resampled(picture: Pixels, to: [u32; 2]) -> Result<Pixels> {
    let from = [picture.width(), picture.height()].map(|side| side as u32);
    if from == to {
        return Ok(picture);
    }
    let (bytes, kind): (&[u8], _) = match picture.samples() {
        Samples::U8(samples) => (samples, PixelType::U8x3),
        Samples::U16(samples) => (bytemuck::cast_slice(samples), PixelType::U16x3),
    };
    let refused = |error: &dyn std::fmt::Display| {
        Error::Limits(format!("{}x{} to {}x{}: {error}", from[0], from[1], to[0], to[1]))
    };
    let source = ImageRef::new(from[0], from[1], bytes, kind).map_err(|error| refused(&error))?;
    let mut made = Image::new(to[0], to[1], kind);
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
    Resizer::new().resize(&source, &mut made, &options).map_err(|error| refused(&error))?;
    let samples = match kind {
        PixelType::U8x3 => Samples::U8(made.into_vec()),
        _ => Samples::U16(bytemuck::pod_collect_to_vec(made.buffer())),
    };
    Ok(Pixels::of(to[0] as usize, to[1] as usize, samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Depth;

    #[test]
    fn sizes_keep_the_shape() {
        let cases: [([u32; 2], Size, [u32; 2]); 12] = [
            ([600, 400], Size::Network, [1200, 800]),
            ([600, 400], Size::Times(1.5), [900, 600]),
            ([5, 3], Size::Times(1.5), [8, 5]),
            ([5, 3], Size::Times(0.01), [1, 1]),
            ([600, 400], Size::Width(1000), [1000, 667]),
            ([600, 400], Size::Height(1000), [1500, 1000]),
            ([600, 400], Size::Within([1000, 1000]), [1000, 667]),
            ([400, 600], Size::Within([1000, 1000]), [667, 1000]),
            ([1001, 3], Size::Within([500, 1]), [334, 1]),
            ([600, 400], Size::Megapixels(0.96), [1200, 800]),
            ([600, 400], Size::Megapixels(0.06), [300, 200]),
            ([1, 1], Size::Width(7), [7, 7]),
        ];
        for (from, size, expected) in cases {
            assert_eq!(size.of(from, 2).unwrap(), expected, "{from:?} {size:?}");
        }
        for size in [
            Size::Times(0.0),
            Size::Times(f64::NAN),
            Size::Times(1e12),
            Size::Width(0),
            Size::Megapixels(-1.0),
        ] {
            assert!(matches!(size.of([600, 400], 2), Err(Error::Limits(_))), "{size:?}");
        }
    }

    #[test]
    fn the_network_runs_until_the_size_is_reached() {
        let picture = Pixels::black(10, 7, Depth::Eight);
        let cases: [(usize, [u32; 2], usize); 8] = [
            (2, [20, 14], 1),
            (2, [21, 14], 2),
            (2, [40, 28], 2),
            (2, [10, 7], 0),
            (2, [3, 2], 0),
            (3, [11, 8], 1),
            (1, [10, 7], 1),
            (1, [5, 3], 1),
        ];
        for (scale, to, expected) in cases {
            assert_eq!(passes(scale, &picture, to).unwrap(), expected, "x{scale} to {to:?}");
        }
        assert!(matches!(passes(1, &picture, [11, 7]), Err(Error::Unsupported(_))));
        let large = Pixels::black(100, 100, Depth::Eight);
        let refused = passes(2, &large, [30_000, 30_000]).unwrap_err().to_string();
        assert!(refused.contains("found a picture of 51200x51200"), "{refused}");
    }

    #[test]
    fn flat_stays_flat_in_every_depth_and_size() {
        for to in [[5, 4], [1, 1], [13, 9], [3, 9]] {
            let eight = Pixels::of(7, 5, Samples::U8([9, 77, 255].repeat(35)));
            let sixteen = Pixels::of(7, 5, Samples::U16([9, 30_000, 65_535].repeat(35)));
            let pixels = (to[0] * to[1]) as usize;
            assert_eq!(*resampled(eight, to).unwrap().samples(), Samples::U8([9, 77, 255].repeat(pixels)));
            let found = resampled(sixteen, to).unwrap();
            assert_eq!(*found.samples(), Samples::U16([9, 30_000, 65_535].repeat(pixels)), "{to:?}");
        }
    }
}
