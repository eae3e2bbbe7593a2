//! Pictures that were saved as JPEGs.

use image::{ImageFormat, load_from_memory_with_format};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples};

/// What a JPEG of this quality, 1 to 100, leaves of a picture of 8 bits; its colour at half resolution (4:2:0) or at the
/// whole.
///
/// # Errors
/// [`Error::Unsupported`] if the picture is of 16 bits, or a side has more than 65,535 pixels.
pub fn through_jpeg(picture: &Pixels, quality: u8, has_half_chroma: bool) -> Result<Pixels> {
    let refused = |reason: String| Error::Unsupported(format!("a picture as a JPEG: {reason}"));
    let Samples::U8(samples) = picture.samples() else {
        return Err(refused("expected 8 bits a sample, found 16".into()));
    };
    let side = |side: usize| {
        u16::try_from(side)
            .map_err(|_| refused(format!("expected at most 65535 pixels a side, found {side}")))
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    let factor = if has_half_chroma { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 };
    encoder.set_sampling_factor(factor);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    encoder.encode(samples, width, height, ColorType::Rgb).map_err(|error| refused(error.to_string()))?;
    let read = load_from_memory_with_format(&file, ImageFormat::Jpeg);
    let read = read.map_err(|error| refused(error.to_string()))?.into_rgb8();
    Ok(Pixels::of(picture.width(), picture.height(), Samples::U8(read.into_raw())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_keeps_what_is_flat_and_loses_what_is_not() {
        let (width, height) = (23, 17);
        let flat = Pixels::of(width, height, Samples::U8([90, 130, 40].repeat(width * height)));
        let rough: Vec<u8> = (0..3 * width * height).map(|at| (at * at * 37 % 251) as u8).collect();
        let rough = Pixels::of(width, height, Samples::U8(rough));
        let worst = |picture: &Pixels, quality: u8| {
            let through = through_jpeg(picture, quality, true).unwrap();
            assert_eq!((through.width(), through.height()), (width, height));
            let (Samples::U8(a), Samples::U8(b)) = (picture.samples(), through.samples()) else { panic!() };
            a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
        };
        assert!(worst(&flat, 50) <= 3);
        assert!(worst(&rough, 50) > 40);
    }
}
