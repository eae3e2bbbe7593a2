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

use super::Picture;
use crate::error::{Error, Result};

/// JPEG's quality: no loss that is seen, at a third of the size of 100.
const JPEG_QUALITY: u8 = 95;

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
    pub fn encode(&self, name: &Path, format: ImageFormat) -> Result<Vec<u8>> {
        self.check(name, format)?;
        let mut bytes = Cursor::new(Vec::new());
        let to = &mut bytes;
        match format {
            ImageFormat::Png => {
                let encoder =
                    PngEncoder::new_with_quality(to, CompressionType::Default, FilterType::Adaptive);
                self.write(name, format, encoder)
            }
            ImageFormat::Jpeg => self.write(name, format, JpegEncoder::new_with_quality(to, JPEG_QUALITY)),
            ImageFormat::WebP => self.write(name, format, WebPEncoder::new_lossless(to)),
            ImageFormat::Tiff => self.write(name, format, TiffEncoder::new(to)),
            ImageFormat::Bmp => self.write(name, format, BmpEncoder::new(to)),
            other => return Err(image_error(name, &format!("{other:?} is not a format that we write"))),
        }
        .map_err(|error| image_error(name, &error.to_string()))?;
        Ok(bytes.into_inner())
    }

    /// Whether [`Picture::encode`] can keep all that is seen: to be asked before the work.
    ///
    /// # Errors
    /// [`Error::Image`] if the picture shows transparency and the format has none.
    pub fn check(&self, name: &Path, format: ImageFormat) -> Result<()> {
        if format == ImageFormat::Jpeg && self.shows_transparency() {
            let reason = "JPEG cannot hold the picture's transparency: write PNG, WebP or TIFF";
            return Err(image_error(name, reason));
        }
        Ok(())
    }

    fn shows_transparency(&self) -> bool {
        self.image.has_alpha() && self.image.to_luma_alpha16().pixels().any(|pixel| pixel[1] < u16::MAX)
    }

    fn write(&self, name: &Path, format: ImageFormat, mut encoder: impl ImageEncoder) -> ImageResult<()> {
        let lost = |what: &str| tracing::warn!("{}: {format:?} cannot hold {what}", name.display());
        if let Some(profile) = &self.icc_profile
            && encoder.set_icc_profile(profile.clone()).is_err()
        {
            lost("the colour profile, which is left out");
        }
        if let Some(exif) = &self.exif
            && encoder.set_exif_metadata(exif.clone()).is_err()
        {
            lost("EXIF, which is left out");
        }
        let sixteen_bits = self.image.color().bytes_per_pixel() > self.image.color().channel_count();
        if sixteen_bits && !matches!(format, ImageFormat::Png | ImageFormat::Tiff) {
            lost("16 bits a sample, which are rounded to 8");
        }
        self.image_for(format).write_with_encoder(encoder)
    }

    /// TIFF's and BMP's encoders have no gray with alpha.
    fn image_for(&self, format: ImageFormat) -> Cow<'_, DynamicImage> {
        let gray_alpha = matches!(self.image.color(), ColorType::La8 | ColorType::La16);
        if gray_alpha && matches!(format, ImageFormat::Tiff | ImageFormat::Bmp) {
            Cow::Owned(self.image.to_rgba16().into())
        } else {
            Cow::Borrowed(&self.image)
        }
    }
}

fn image_error(name: &Path, reason: &str) -> Error {
    Error::Image { file: name.display().to_string(), reason: reason.to_owned() }
}
