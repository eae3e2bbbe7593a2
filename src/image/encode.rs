//! Pictures to files. What a format cannot hold is either nothing that anyone sees (16 bits in a JPEG: rounded,
//! with a warning), or refused (transparency in a JPEG: what should shine through is for the caller to say).

use std::borrow::Cow;
use std::io::{self, Cursor};
use std::path::Path;

use image::codecs::bmp::BmpEncoder;
use image::{ColorType, DynamicImage, ImageFormat, ImageResult, Rgb};
use jpeg_encoder::{PixelDensity, PixelDensityUnit};

use super::animation;
use super::metadata::{self, Metadata, Resolution, Unit};
use super::writer::Body;
use super::{Encoding, Picture, PictureHeader, travel};
use crate::error::{Error, Result};

/// The format that a file name asks for: PNG, JPEG, WebP, TIFF, BMP or GIF.
///
/// # Errors
/// [`Error::Image`] if the extension names none of them.
pub fn format_of(path: &Path) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let format = ImageFormat::from_path(path).ok();
    format.filter(|format| matches!(format, Png | Jpeg | WebP | Tiff | Bmp | Gif)).ok_or_else(|| {
        image_error(path, "expected a name that ends in .png, .jpg, .webp, .tif, .bmp or .gif")
    })
}

impl Picture {
    /// The bytes of a file called `name`: JPEG with the loss that `encoding` allows, everything else without.
    /// What the format cannot hold of [`Metadata`] or of 16 bits is a warning in the log.
    ///
    /// # Errors
    /// As [`Picture::check`], and [`Error::Image`] if the encoder refuses, for example a size.
    pub fn encode(&self, name: &Path, format: ImageFormat, encoding: &Encoding) -> Result<Vec<u8>> {
        self.check(name, format, encoding)?;
        let header = self.header();
        let metadata = held(name, format, &header, encoding)?;
        let (mut body, mut bytes) = Body::begin(name, format, &header, metadata, encoding, None)?;
        bytes.extend(body.rows(&self.image).map_err(|error| image_error(name, error.to_string()))?);
        bytes.extend(body.finish(name, &header)?);
        Ok(bytes)
    }

    /// Whether [`Picture::encode`] can keep all that is seen: to be asked before the work.
    ///
    /// # Errors
    /// [`Error::Image`] if the picture shows transparency, the format has none, and there is no background.
    pub fn check(&self, name: &Path, format: ImageFormat, encoding: &Encoding) -> Result<()> {
        check_pixels(name, format, &self.image, encoding)
    }
}

/// [`Picture::check`] for some rows of a picture.
pub(super) fn check_pixels(
    name: &Path,
    format: ImageFormat,
    image: &DynamicImage,
    encoding: &Encoding,
) -> Result<()> {
    if format == ImageFormat::Jpeg && encoding.background.is_none() && travel::shows_transparency(image) {
        let reason = "JPEG cannot hold the picture's transparency: write PNG, WebP or TIFF, or give a background colour";
        return Err(image_error(name, reason));
    }
    Ok(())
}

/// What the file will say beside the pixels. Of what it cannot hold, of these or of the pixels' depth, warns in one
/// line; a file that would not say that its samples are of high dynamic range is refused.
pub(super) fn held(
    name: &Path,
    format: ImageFormat,
    header: &PictureHeader,
    encoding: &Encoding,
) -> Result<Metadata> {
    let stripped =
        encoding.strip.then(|| PictureHeader { metadata: header.metadata.colour_only(), ..*header });
    let (held, mut lost) = metadata::held(stripped.as_ref().unwrap_or(header), format);
    if header.has_16_bits() && !matches!(format, ImageFormat::Png | ImageFormat::Tiff) {
        lost.push("16 bits a sample, which are rounded to 8");
    }
    if let Some(curve) = header.metadata.high_range().filter(|_| format != ImageFormat::Png)
        && held.icc_profile.is_none()
    {
        let reason =
            format!("{format:?} cannot say that samples are {curve} (high dynamic range): write PNG");
        return Err(image_error(name, reason));
    }
    warn_of(name, format, &lost);
    Ok(held)
}

/// Names what a file loses, if it loses anything.
pub(super) fn warn_of(name: &Path, format: ImageFormat, lost: &[&str]) {
    if let [others @ .., last] = lost {
        let and = if others.is_empty() { "" } else { " and " };
        tracing::warn!("{}: {format:?} cannot hold {}{and}{last}", name.display(), others.join(", "));
    }
}

/// The pixels in a type that the format has: TIFF's and BMP's encoders have no gray with alpha, JPEG has no alpha, and
/// 16 bits only PNG and TIFF have.
pub(super) fn as_held<'a>(
    image: &'a DynamicImage,
    format: ImageFormat,
    encoding: &Encoding,
) -> Cow<'a, DynamicImage> {
    use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    match (format, image.color()) {
        (ImageFormat::Gif, _) => Cow::Owned(image.to_rgba8().into()),
        (ImageFormat::Tiff, La8 | La16) => Cow::Owned(image.to_rgba16().into()),
        (ImageFormat::Jpeg, La8 | La16 | Rgba8 | Rgba16) => Cow::Owned(flattened(image, encoding.background)),
        (ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp, L16) => {
            Cow::Owned(image.to_luma8().into())
        }
        (ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp, Rgb16) => {
            Cow::Owned(image.to_rgb8().into())
        }
        (ImageFormat::WebP, La16) => Cow::Owned(image.to_luma_alpha8().into()),
        (ImageFormat::Bmp, La8 | La16) | (ImageFormat::WebP | ImageFormat::Bmp, Rgba16) => {
            Cow::Owned(image.to_rgba8().into())
        }
        (_, L8 | L16 | La8 | La16 | Rgb8 | Rgb16 | Rgba8 | Rgba16) | (_, _) => Cow::Borrowed(image),
    }
}

/// In 8 bits and without alpha: what is transparent shows the background. Gray stays gray if that is.
fn flattened(image: &DynamicImage, background: Option<[u8; 3]>) -> DynamicImage {
    let [red, green, blue] = background.unwrap_or_default();
    let over = |sample: u16, alpha: u16, below: u8| {
        let [sample, alpha, below] = [sample.into(), alpha.into(), u64::from(below) * 257];
        let white = u64::from(u16::MAX);
        let sum = sample * alpha + below * (white - alpha);
        ((sum + white * 257 / 2) / (white * 257)) as u8
    };
    let rgba = image.to_rgba16();
    let flat = image::RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, alpha] = rgba[(x, y)].0;
        Rgb([over(r, alpha, red), over(g, alpha, green), over(b, alpha, blue)])
    });
    let flat = DynamicImage::from(flat);
    if image.color().has_color() || red != green || green != blue { flat } else { flat.to_luma8().into() }
}

/// A whole file, of pixels as [`as_held`] gives them.
pub(super) fn whole(
    name: &Path,
    format: ImageFormat,
    image: &DynamicImage,
    metadata: &Metadata,
    encoding: &Encoding,
) -> io::Result<Vec<u8>> {
    match format {
        ImageFormat::Jpeg => jpeg(image, metadata, encoding.quality),
        ImageFormat::WebP => webp(image, metadata),
        ImageFormat::Gif => animation::gif::still(name, image),
        _ => bmp(image, metadata).map_err(io::Error::other),
    }
}

fn jpeg(image: &DynamicImage, metadata: &Metadata, quality: u8) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // From quality 90 on the encoder keeps colours at full resolution, below at half of it.
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality.clamp(1, 100));
    if let Some(density) = metadata.resolution.and_then(density) {
        encoder.set_density(density);
    }
    let color =
        if image.color().has_color() { jpeg_encoder::ColorType::Rgb } else { jpeg_encoder::ColorType::Luma };
    let [width, height] = [image.width(), image.height()].map(|side| side as u16);
    encoder.encode(image.as_bytes(), width, height, color).map_err(io::Error::other)?;
    metadata::jpeg::with_segments(&bytes, metadata)
}

/// JFIF's, if it has room. A number that is none of dots an inch may be one of dots a centimetre.
fn density(resolution: Resolution) -> Option<PixelDensity> {
    let unit = match resolution.unit {
        Unit::Unknown => PixelDensityUnit::PixelAspectRatio,
        Unit::Inch => PixelDensityUnit::Inches,
        Unit::Centimetre => PixelDensityUnit::Centimeters,
    };
    let [x, y] = [resolution.x, resolution.y].map(f64::round);
    let room = 1.0..=f64::from(u16::MAX);
    (room.contains(&x) && room.contains(&y)).then_some(PixelDensity { density: (x as u16, y as u16), unit })
}

fn webp(image: &DynamicImage, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = image_webp::WebPEncoder::new(&mut bytes);
    encoder.set_icc_profile(metadata.icc_profile.clone().unwrap_or_default());
    encoder.set_exif_metadata(metadata.exif.clone().unwrap_or_default());
    encoder.set_xmp_metadata(metadata.xmp.clone().unwrap_or_default());
    let color = match image.color() {
        ColorType::L8 => image_webp::ColorType::L8,
        ColorType::La8 => image_webp::ColorType::La8,
        ColorType::Rgb8 => image_webp::ColorType::Rgb8,
        _ => image_webp::ColorType::Rgba8,
    };
    encoder.encode(image.as_bytes(), image.width(), image.height(), color).map_err(io::Error::other)?;
    Ok(bytes)
}

fn bmp(image: &DynamicImage, metadata: &Metadata) -> ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_with_encoder(BmpEncoder::new(&mut bytes))?;
    let mut bytes = bytes.into_inner();
    let centimetres = metadata.resolution.map(|resolution| resolution.to(Unit::Centimetre));
    if let Some(Resolution { x, y, unit: Unit::Centimetre }) = centimetres {
        let metres = [x, y].map(|number| ((number * 100.0).round() as u32).to_le_bytes());
        bytes[metadata::BMP_RESOLUTION].copy_from_slice(metres.as_flattened());
    }
    Ok(bytes)
}

pub(super) fn image_error(name: &Path, reason: impl Into<String>) -> Error {
    Error::Image { file: name.display().to_string(), reason: reason.into() }
}
