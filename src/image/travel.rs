//! A picture taken apart for the network, and put together again.
//!
//! 8-bit RGB goes up as it is. Everything else travels in 16 bits, so that what is made of the result (the
//! mean of three channels, a narrower sample) is rounded once in effect: 65535 = 257 · 255, and with an odd
//! factor rounding to 16 bits and then to 8 is the same as rounding to 8.

use image::{ColorType, DynamicImage, ImageBuffer, Pixel};

use crate::alpha::{OPAQUE, neighbours, spread_visible};
use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples, mean};
use crate::plane::Plane;

/// Colour for the network, and alpha if there is any.
pub(super) fn split(image: &DynamicImage) -> Result<(Pixels, Option<Plane>)> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return Err(Error::Unsupported(format!("a picture of {width}x{height} has no pixels")));
    }
    match image {
        DynamicImage::ImageRgb8(rgb) => {
            // Its container may hold more.
            let samples = rgb.as_raw()[..3 * width * height].to_vec();
            Ok((Pixels::new(width, height, Samples::U8(samples))?, None))
        }
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => Err(Error::Unsupported(
            "expected samples of 8 or 16 bits, found floating point: convert the picture first".to_owned(),
        )),
        _ => {
            let rgba = image.to_rgba16();
            let alphas: Vec<u16> = rgba.pixels().map(|pixel| pixel[3]).collect();
            let mut colours: Vec<[u16; 3]> =
                rgba.pixels().map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
            spread_visible(&mut colours, &alphas, width);
            Ok((Pixels::of(width, height, Samples::U16(colours.into_flattened())), alpha(image)))
        }
    }
}

/// The inverse: enlarged colour and enlarged alpha, in the type of `original`.
pub(super) fn join(colour: &Pixels, alpha: Option<Vec<u16>>, original: ColorType) -> Result<DynamicImage> {
    let (width, height) = (colour.width(), colour.height());
    Ok(match colour.samples() {
        Samples::U8(samples) => DynamicImage::ImageRgb8(buffer(width, height, samples.clone())?),
        Samples::U16(samples) => {
            let alpha = alpha.unwrap_or_else(|| vec![OPAQUE; width * height]);
            let colours = samples.as_chunks().0.iter();
            let wide = if original.has_color() {
                let rgba = colours.zip(alpha).flat_map(|(&[r, g, b], a)| [r, g, b, a]).collect();
                DynamicImage::ImageRgba16(buffer(width, height, rgba)?)
            } else {
                let gray = colours.zip(alpha).flat_map(|(&rgb, a)| [mean(rgb), a]).collect();
                DynamicImage::ImageLumaA16(buffer(width, height, gray)?)
            };
            of_type(original, wide)
        }
    })
}

fn buffer<P: Pixel>(
    width: usize,
    height: usize,
    samples: Vec<P::Subpixel>,
) -> Result<ImageBuffer<P, Vec<P::Subpixel>>> {
    let size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    size.and_then(|(width, height)| ImageBuffer::from_raw(width, height, samples))
        .ok_or_else(|| Error::Limits(format!("a picture of {width}x{height} is too large to be held")))
}

/// The 16-bit picture in the type that it came in.
fn of_type(color: ColorType, wide: DynamicImage) -> DynamicImage {
    match color {
        ColorType::L8 => wide.to_luma8().into(),
        ColorType::La8 => wide.to_luma_alpha8().into(),
        ColorType::L16 => wide.to_luma16().into(),
        ColorType::Rgb16 => wide.to_rgb16().into(),
        ColorType::Rgba8 => wide.to_rgba8().into(),
        ColorType::La16 | ColorType::Rgba16 => wide,
        _ => unreachable!("8-bit RGB comes back as it went, floating point never went"),
    }
}

/// Alpha, if there is any.
pub(super) fn alpha(image: &DynamicImage) -> Option<Plane> {
    let values = || image.to_luma_alpha16().pixels().map(|pixel| f64::from(pixel[1])).collect();
    image.has_alpha().then(|| Plane::new(image.width() as usize, image.height() as usize, values()))
}

/// Whether any pixel lets something shine through.
pub(super) fn shows_transparency(image: &DynamicImage) -> bool {
    image.has_alpha() && image.to_luma_alpha16().pixels().any(|pixel| pixel[1] < OPAQUE)
}

/// The colour that was multiplied by alpha; under full transparency there is none.
pub(super) fn straight(sample: u16, alpha: u16, white: u16) -> u16 {
    let [sample, alpha, white] = [sample, alpha, white].map(u64::from);
    let straight = (sample * white + alpha / 2).checked_div(alpha).unwrap_or(0);
    straight.min(white) as u16
}

/// Alpha as a gray picture.
pub(super) fn gray(alpha: &Plane) -> Pixels {
    let samples = alpha.values.iter().flat_map(|&value| [value as u16; 3]).collect();
    Pixels::of(alpha.width, alpha.height, Samples::U16(samples))
}

/// What a network made of [`gray`]. Where the old alpha was opaque, or clear, all around, so is the new one: networks
/// come near, and nearly opaque shows.
pub(super) fn alpha_of(made: &Pixels, old: &Plane) -> Vec<u16> {
    let Samples::U16(samples) = made.samples() else { unreachable!("alpha travels in 16 bits") };
    let around = |x: usize, y: usize| {
        let i = y * old.width + x;
        let alone = old.values[i];
        let alike = neighbours(i, old.width, old.values.len()).all(|n| old.values[n] == alone);
        (alike && (alone == 0.0 || alone == f64::from(OPAQUE))).then_some(alone as u16)
    };
    let certain: Vec<Option<u16>> = (0..old.height)
        .flat_map(|y| (0..old.width).map(move |x| (x, y)))
        .map(|(x, y)| around(x, y))
        .collect();
    let pixels = samples.as_chunks().0.iter().enumerate();
    let value = |(at, rgb): (usize, &[u16; 3])| {
        let (x, y) = (at % made.width(), at / made.width());
        let (x, y) = (x * old.width / made.width(), y * old.height / made.height());
        certain[y * old.width + x].unwrap_or(mean(*rgb))
    };
    pixels.map(value).collect()
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Rgb32FImage, RgbImage, RgbaImage};

    use super::*;
    use crate::alpha::enlarged_alpha;

    /// Every type that travels, with samples that differ.
    fn pictures() -> Vec<DynamicImage> {
        let eight = |channels: u8| (0..12 * channels).map(|i| i.wrapping_mul(83) | 1).collect();
        let sixteen = |channels: u16| (0..12 * channels).map(|i| i.wrapping_mul(20_011) | 1).collect();
        vec![
            GrayImage::from_raw(4, 3, eight(1)).unwrap().into(),
            GrayAlphaImage::from_raw(4, 3, eight(2)).unwrap().into(),
            RgbImage::from_raw(4, 3, eight(3)).unwrap().into(),
            RgbaImage::from_raw(4, 3, eight(4)).unwrap().into(),
            DynamicImage::ImageLuma16(ImageBuffer::from_raw(4, 3, sixteen(1)).unwrap()),
            DynamicImage::ImageLumaA16(ImageBuffer::from_raw(4, 3, sixteen(2)).unwrap()),
            DynamicImage::ImageRgb16(ImageBuffer::from_raw(4, 3, sixteen(3)).unwrap()),
            DynamicImage::ImageRgba16(ImageBuffer::from_raw(4, 3, sixteen(4)).unwrap()),
        ]
    }

    #[test]
    fn every_type_comes_back_as_it_went() {
        for picture in pictures() {
            let (colour, alpha) = split(&picture).unwrap();
            assert_eq!(alpha.is_some(), picture.has_alpha());
            let alpha = alpha.map(|alpha| enlarged_alpha(&alpha, 4, 3));
            let joined = join(&colour, alpha, picture.color()).unwrap();
            assert!(joined == picture, "{:?}", picture.color());
        }
    }

    #[test]
    fn gray_is_the_mean_rounded_once() {
        let gray = DynamicImage::from(GrayImage::new(2, 1));
        // In 8 bits 100.4 100.4 100.8 and 100.6 100.6 100.2: rounded first, their means would be 100 and 101.
        let [below, above] = [[25_803, 25_803, 25_906], [25_854, 25_854, 25_751]];
        let colour = Pixels::of(2, 1, Samples::U16([below, above].concat()));
        let joined = join(&colour, None, gray.color()).unwrap();
        assert_eq!(joined.as_bytes(), [101, 100]);
    }

    #[test]
    fn floating_point_and_nothing_are_refused() {
        for picture in [DynamicImage::from(Rgb32FImage::new(2, 2)), RgbImage::new(0, 3).into()] {
            assert!(matches!(split(&picture), Err(Error::Unsupported(_))));
        }
    }
}
