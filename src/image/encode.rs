//! Pictures to files. What a format cannot hold is either nothing that anyone sees (16 bits in a JPEG: rounded,
//! with a warning) or refused (transparency in a JPEG: what should shine through is not ours to say).

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use image::codecs::bmp::BmpEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ColorType, DynamicImage, ImageEncoder, ImageFormat, ImageResult};

use super::{Compression, Encoding, Picture, travel};
use crate::error::{Error, Result};

/// What a format without EXIF loses.
pub(super) const EXIF_LOST: &str = "EXIF, which is left out";

/// The format that a file name asks for: PNG, JPEG, WebP, TIFF or BMP.
///
/// # Errors
/// [`Error::Image`] if the extension names none of them.
pub fn format_of(path: &Path) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Jpeg, Png, Tiff, WebP};
    let format = ImageFormat::from_path(path).ok();
    format
        .filter(|format| matches!(format, Png | Jpeg | WebP | Tiff | Bmp))
        .ok_or_else(|| image_error(path, "expected a name that ends in .png, .jpg, .webp, .tif or .bmp"))
}

impl Picture {
    /// The bytes of a file called `name`: JPEG at quality 95, everything else without loss. Colour profile
    /// and EXIF go along; what the format cannot hold of them, or of 16 bits, is a warning in the log.
    ///
    /// # Errors
    /// As [`Picture::check`], and [`Error::Image`] if the encoder refuses, for example a size.
    pub fn encode(&self, name: &Path, format: ImageFormat, encoding: &Encoding) -> Result<Vec<u8>> {
        self.check(name, format)?;
        let mut bytes = Cursor::new(Vec::new());
        let to = &mut bytes;
        match format {
            ImageFormat::Png => {
                let encoder =
                    PngEncoder::new_with_quality(to, level(encoding.compression), FilterType::Adaptive);
                self.write(name, format, encoder)
            }
            ImageFormat::Jpeg => {
                self.write(name, format, JpegEncoder::new_with_quality(to, encoding.quality))
            }
            ImageFormat::WebP => self.write(name, format, WebPEncoder::new_lossless(to)),
            ImageFormat::Tiff => self.write(name, format, TiffEncoder::new(to)),
            ImageFormat::Bmp => self.write(name, format, BmpEncoder::new(to)),
            other => return Err(image_error(name, format!("{other:?} is not a format that we write"))),
        }
        .map_err(|error| image_error(name, error.to_string()))?;
        Ok(bytes.into_inner())
    }

    /// Whether [`Picture::encode`] can keep all that is seen: to be asked before the work.
    ///
    /// # Errors
    /// [`Error::Image`] if the picture shows transparency and the format has none.
    pub fn check(&self, name: &Path, format: ImageFormat) -> Result<()> {
        check_pixels(name, format, &self.image)
    }

    fn write(&self, name: &Path, format: ImageFormat, mut encoder: impl ImageEncoder) -> ImageResult<()> {
        let lost = |what: &str| warn_of_loss(name, format, what);
        if let Some(profile) = &self.metadata.icc_profile
            && encoder.set_icc_profile(profile.clone()).is_err()
        {
            lost("the colour profile, which is left out");
        }
        if let Some(exif) = &self.metadata.exif
            && encoder.set_exif_metadata(exif.clone()).is_err()
        {
            lost(EXIF_LOST);
        }
        let sixteen_bits = self.image.color().bytes_per_pixel() > self.image.color().channel_count();
        if sixteen_bits && !matches!(format, ImageFormat::Png | ImageFormat::Tiff) {
            lost("16 bits a sample, which are rounded to 8");
        }
        as_held(&self.image, format).write_with_encoder(encoder)
    }
}

fn level(compression: Compression) -> CompressionType {
    match compression {
        Compression::Fast => CompressionType::Fast,
        Compression::Small => CompressionType::Default,
    }
}

/// [`Picture::check`] for some rows of a picture.
pub(super) fn check_pixels(name: &Path, format: ImageFormat, image: &DynamicImage) -> Result<()> {
    if format == ImageFormat::Jpeg && travel::shows_transparency(image) {
        let reason = "JPEG cannot hold the picture's transparency: write PNG, WebP or TIFF";
        return Err(image_error(name, reason));
    }
    Ok(())
}

/// The pixels in a type that the format has: TIFF's and BMP's encoders have no gray with alpha.
pub(super) fn as_held(image: &DynamicImage, format: ImageFormat) -> Cow<'_, DynamicImage> {
    let gray_alpha = matches!(image.color(), ColorType::La8 | ColorType::La16);
    if gray_alpha && matches!(format, ImageFormat::Tiff | ImageFormat::Bmp) {
        Cow::Owned(image.to_rgba16().into())
    } else {
        Cow::Borrowed(image)
    }
}

pub(super) fn warn_of_loss(name: &Path, format: ImageFormat, what: &str) {
    tracing::warn!("{}: {format:?} cannot hold {what}", name.display());
}

pub(super) fn image_error(name: &Path, reason: impl Into<String>) -> Error {
    Error::Image { file: name.display().to_string(), reason: reason.into() }
}
