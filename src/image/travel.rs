//! A picture taken apart for the network, and put together again.
//!
//! 8-bit RGB goes up as it is. Everything else travels in 16 bits, so that what is made of the result (the
//! mean of three channels, a narrower sample) is rounded once in effect: 65535 = 257 · 255, and with an odd
//! factor rounding to 16 bits and then to 8 is the same as rounding to 8.

use image::{ColorType, DynamicImage, ImageBuffer, Pixel};

use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples};
use crate::plane::{Bicubic, Plane};

const OPAQUE: u16 = u16::MAX;

/// The coefficient of the bicubic that networks add their detail to (PyTorch's), so that the edges of
/// colour and transparency stay together.
const ALPHA_KERNEL: Bicubic = Bicubic { a: -0.75, white: OPAQUE as f64 };

/// How far colour is spread under full transparency, in pixels. Beyond it networks hardly look.
pub(super) const SPREAD: usize = 64;

/// How far the enlargement of alpha looks, in pixels.
pub(super) const ALPHA_MARGIN: usize = 3;

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

/// Rounded; there are no halves.
fn mean(rgb: [u16; 3]) -> u16 {
    let sum: u32 = rgb.map(u32::from).iter().sum();
    ((sum + 1) / 3) as u16
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

/// Whether nothing shines through anywhere.
pub(super) fn is_opaque(alpha: &Plane) -> bool {
    alpha.values.iter().all(|&value| value == f64::from(OPAQUE))
}

/// Alpha at the size of the enlarged picture. What is opaque everywhere stays so without any arithmetic.
pub(super) fn enlarged_alpha(alpha: &Plane, width: usize, height: usize) -> Vec<u16> {
    if is_opaque(alpha) {
        return vec![OPAQUE; width * height];
    }
    alpha.resized(width, height, ALPHA_KERNEL).values.iter().map(|&value| value as u16).collect()
}

/// Gives invisible pixels the mean colour of their visible neighbours, ring by ring outwards: a network
/// looks further than one pixel, and whatever colour a program left under full transparency (often black)
/// would show as a fringe. There are [`SPREAD`] rings.
fn spread_visible(colours: &mut [[u16; 3]], alphas: &[u16], width: usize) {
    let mut known: Vec<bool> = alphas.iter().map(|&alpha| alpha > 0).collect();
    let beside = |i: usize| neighbours(i, width, alphas.len());
    let mut ring: Vec<usize> =
        (0..alphas.len()).filter(|&i| !known[i] && beside(i).any(|n| known[n])).collect();
    for _ in 0..SPREAD {
        for &i in &ring {
            colours[i] = mean_colour(beside(i).filter(|&n| known[n]).map(|n| colours[n]));
        }
        for &i in &ring {
            known[i] = true;
        }
        ring = ring.iter().flat_map(|&i| beside(i)).filter(|&n| !known[n]).collect();
        ring.sort_unstable();
        ring.dedup();
    }
}

/// The up to eight pixels around pixel `i`.
fn neighbours(i: usize, width: usize, len: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (i % width, i / width);
    let columns = x.saturating_sub(1)..(x + 2).min(width);
    let rows = y.saturating_sub(1)..(y + 2).min(len / width);
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x)).filter(move |&n| n != i)
}

fn mean_colour(colours: impl Iterator<Item = [u16; 3]>) -> [u16; 3] {
    let (mut sum, mut count) = ([0; 3], 0);
    for colour in colours {
        for (sum, sample) in sum.iter_mut().zip(colour) {
            *sum += u32::from(sample);
        }
        count += 1;
    }
    sum.map(|sum| (sum / count) as u16)
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Rgb32FImage, RgbImage, RgbaImage};

    use super::*;

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

    #[test]
    fn opaque_stays_opaque_and_clear_stays_clear() {
        let flat = |value: u16| Plane::new(5, 3, vec![f64::from(value); 15]);
        assert_eq!(enlarged_alpha(&flat(OPAQUE), 10, 6), vec![OPAQUE; 60]);
        assert_eq!(enlarged_alpha(&flat(0), 10, 6), vec![0; 60]);
        let mut edge = flat(OPAQUE);
        edge.values[7] = 0.0;
        let enlarged = enlarged_alpha(&edge, 10, 6);
        assert!(enlarged.contains(&OPAQUE) && enlarged.iter().any(|&alpha| alpha < OPAQUE / 2));
    }

    #[test]
    fn hidden_colour_is_replaced_from_the_visible_side() {
        // One visible red pixel on the left of a row whose hidden part is black, and a second row of green.
        let (red, green, black) = ([60_000, 0, 0], [0, 60_000, 0], [0; 3]);
        let mut colours = [red, black, black, black];
        spread_visible(&mut colours, &[1, 0, 0, 0], 4);
        assert_eq!(colours, [red; 4]);
        let mut colours = [red, black, green, black];
        spread_visible(&mut colours, &[9, 0, 9, 0], 2);
        let middle = [30_000, 30_000, 0];
        assert_eq!(colours, [red, middle, green, middle]);
        let mut all_hidden = [black, red];
        spread_visible(&mut all_hidden, &[0, 0], 2);
        assert_eq!(all_hidden, [black, red]);
    }
}
