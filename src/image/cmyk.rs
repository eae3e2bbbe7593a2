//! Pictures of four inks, made RGB by the profile that they carry, or by the plain rule if they carry none.
//!
//! JPEGs of them have a decoder of their own: the one for other JPEGs knows them only where no ink is subsampled.

use std::io::Cursor;
use std::sync::Arc;

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};
use moxcms::{CmsError, ColorProfile, Layout, Transform16BitExecutor, TransformOptions};

use super::limits::MAX_BYTES;

/// The picture in sRGB.
pub(super) fn decode(name: &str, file: &[u8], profile: Option<&[u8]>) -> Result<RgbImage, String> {
    let mut decoder = Decoder::new(Cursor::new(file));
    decoder.set_max_decoding_buffer_size(MAX_BYTES as usize);
    let inks = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("no picture in the JPEG")?;
    if info.pixel_format != PixelFormat::CMYK32 {
        return Err(format!("expected a JPEG of four inks, found {:?}", info.pixel_format));
    }
    let converted = profile.map(|profile| by_profile(&inks, profile));
    let rgb = match converted {
        Some(Ok(rgb)) => rgb,
        Some(Err(error)) => {
            tracing::warn!("{name}: its CMYK profile cannot be used ({error}): colours are approximate");
            plain(&inks)
        }
        None => {
            tracing::warn!("{name}: CMYK without a profile: colours are approximate");
            plain(&inks)
        }
    };
    RgbImage::from_raw(info.width.into(), info.height.into(), rgb).ok_or_else(|| "too few pixels".to_owned())
}

fn by_profile(inks: &[u8], profile: &[u8]) -> Result<Vec<u8>, CmsError> {
    let (from, to) = (ColorProfile::new_from_slice(profile)?, ColorProfile::new_srgb());
    // A layout of four channels, whatever their names.
    let transform =
        from.create_transform_8bit(Layout::Rgba, &to, Layout::Rgb, TransformOptions::default())?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    transform.transform(inks, &mut rgb)?;
    Ok(rgb)
}

/// From rows of four inks to sRGB, in 16 bits.
pub(super) type Inks = Arc<Transform16BitExecutor>;

/// The way that the profile says.
pub(super) fn inks(profile: &[u8]) -> Result<Inks, CmsError> {
    let (from, to) = (ColorProfile::new_from_slice(profile)?, ColorProfile::new_srgb());
    from.create_transform_16bit(Layout::Rgba, &to, Layout::Rgb, TransformOptions::default())
}

/// Each ink takes its light away, and black takes all.
fn plain(inks: &[u8]) -> Vec<u8> {
    let light = |ink: u8, black: u8| ((255 - u16::from(ink)) * (255 - u16::from(black)) / 255) as u8;
    inks.as_chunks().0.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| light(ink, k))).collect()
}
