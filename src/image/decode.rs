//! Files to pictures. What cannot be decoded whole is an error of one sentence: there is no half picture.

use std::fs;
use std::io::{self, BufRead, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits};

use super::kind::{self, Kind};
use super::limits::{self, MAX_BYTES};
use super::reader::Rows;
use super::reader::tiff::Tiff;
use super::{Metadata, Picture, PictureHeader, Reading, cmyk, jpeg, jpeg_xl, metadata};
use crate::error::{Error, Result};

impl Picture {
    /// Reads a picture from a file. The format is told by the content, not by the name.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Image`] if it holds no whole picture.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_with(path, &Reading::default())
    }

    /// [`Picture::read`], as `reading` says.
    ///
    /// # Errors
    /// As [`Picture::read`].
    pub fn read_with(path: &Path, reading: &Reading) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        Self::decode_with(&path.display().to_string(), &bytes, reading)
    }

    /// Decodes a picture; `name` is what errors call it. Of an animation the first frame is taken, with a
    /// warning in the log.
    ///
    /// # Errors
    /// [`Error::Image`] if the bytes are not a whole picture.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::decode_with(name, bytes, &Reading::default())
    }

    /// [`Picture::decode`], as `reading` says.
    ///
    /// # Errors
    /// As [`Picture::decode`].
    pub fn decode_with(name: &str, bytes: &[u8], reading: &Reading) -> Result<Self> {
        // Others' decoders say what they do not read; where one panics at a damaged file instead, that is such a sentence.
        let work = AssertUnwindSafe(|| decode(name, bytes, reading));
        let gave_up =
            |_| Err("the decoder gave up: the file is damaged, or of a kind that is not read".to_owned());
        let decoded = catch_unwind(work).unwrap_or_else(gave_up);
        decoded.map_err(|reason| Error::Image { file: name.to_owned(), reason })
    }
}

fn decode(name: &str, bytes: &[u8], reading: &Reading) -> Result<Picture, String> {
    let format = match kind::kind(name, bytes)? {
        Kind::Of(ImageFormat::Tiff) => {
            return tiff(name, bytes, reading).map_err(|error| reason(ImageError::IoError(error)));
        }
        Kind::JpegXl => return jpeg_xl::decode(name, bytes, reading),
        Kind::Of(format) => format,
    };
    if let Some(others) = kind::others(format, bytes) {
        tracing::warn!("{name}: {others}");
    }
    if format == ImageFormat::Jpeg
        && let Some(frame) = jpeg::frame(bytes)
    {
        check_size(format, bytes, reading, frame.size, 3)?;
        match jpeg::check(bytes) {
            Err(damage) if reading.lenient => tracing::warn!("{name}: {damage}; what is missing is gray"),
            checked => {
                checked.map_err(|damage| format!("{damage}: a lenient reading takes what there is"))?
            }
        }
        if frame.components == 4 {
            return four_inks(name, bytes);
        }
    }
    let (decoder, PictureHeader { mut metadata, .. }, orientation) = checked(name, format, bytes, reading)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    image.apply_orientation(orientation);
    metadata.turn(orientation);
    Ok(Picture { image, metadata })
}

/// The decoder of a file, which has read what stands before the pixels, after everything that [`limits`] says of it; and
/// what [`header`] gives.
pub(super) fn checked<'a>(
    name: &str,
    format: ImageFormat,
    bytes: &'a [u8],
    reading: &Reading,
) -> Result<(impl ImageDecoder + 'a, PictureHeader, Orientation), String> {
    let mut decoder = decoder(Cursor::new(bytes), format).map_err(reason)?;
    check_size(format, bytes, reading, decoder.dimensions().into(), decoder.color_type().bytes_per_pixel())?;
    let (header, orientation) =
        header(name, format, &mut decoder, &mut Cursor::new(bytes)).map_err(reason)?;
    Ok((decoder, header, orientation))
}

/// Everything that [`limits`] says of a picture that will be held whole.
fn check_size(
    format: ImageFormat,
    bytes: &[u8],
    reading: &Reading,
    size: [u32; 2],
    pixel_bytes: u8,
) -> Result<(), String> {
    limits::check_pixels(reading, size)?;
    limits::check_claim(format, bytes, bytes.len() as u64, size)?;
    limits::check_held(size, pixel_bytes.into())
}

fn tiff(name: &str, bytes: &[u8], reading: &Reading) -> io::Result<Picture> {
    let mut tiff = Tiff::open(Cursor::new(bytes), reading)?;
    let header = tiff.header(name);
    let size = [header.width, header.height];
    limits::check_held(size, header.color.bytes_per_pixel().into()).map_err(io::Error::other)?;
    tiff.check_floats()?;
    let mut image = header.picture(header.height, |row| tiff.next(row)).map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })?;
    let (orientation, mut metadata) = (tiff.orientation(), header.metadata);
    image.apply_orientation(orientation);
    metadata.turn(orientation);
    tiff.warn(name);
    Ok(Picture { image, metadata })
}

/// Columns and rows of the upright picture; nothing is decoded but what stands before the pixels.
pub(super) fn size(name: &str, source: &mut (impl BufRead + Seek)) -> Result<[u32; 2], String> {
    let failed = |error: io::Error| reason(ImageError::IoError(error));
    let mut start = Vec::new();
    source.take(64).read_to_end(&mut start).and_then(|_| source.rewind()).map_err(failed)?;
    let (size, orientation) = match kind::kind(name, &start)? {
        Kind::JpegXl => {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes).map_err(failed)?;
            return jpeg_xl::size(&bytes);
        }
        Kind::Of(ImageFormat::Tiff) => {
            let tiff = Tiff::open(source, &Reading::default()).map_err(failed)?;
            (tiff.size(), tiff.orientation())
        }
        Kind::Of(format) => {
            let mut decoder = decoder(&mut *source, format).map_err(reason)?;
            let size = decoder.dimensions().into();
            let exif = decoder.exif_metadata().map_err(reason)?;
            drop(decoder);
            let mut metadata = Metadata::read(name, format, source).unwrap_or_default();
            metadata.exif = metadata.exif.or(exif);
            (size, metadata.take_orientation())
        }
    };
    Ok(if metadata::swaps_sides(orientation) { [size[1], size[0]] } else { size })
}

/// A JPEG whose profile is for its inks: it is used here, and says nothing of the picture.
fn four_inks(name: &str, bytes: &[u8]) -> Result<Picture, String> {
    let mut metadata = Metadata::read(name, ImageFormat::Jpeg, &mut Cursor::new(bytes))
        .map_err(|error| error.to_string())?;
    let profile = metadata.icc_profile.take();
    let mut image = cmyk::decode(name, bytes, profile.as_deref())?.into();
    let orientation = metadata.take_orientation();
    DynamicImage::apply_orientation(&mut image, orientation);
    metadata.turn(orientation);
    Ok(Picture { image, metadata })
}

/// The decoder of a format, which has read what stands before the pixels.
pub(super) fn decoder<'a>(
    source: impl BufRead + Seek + 'a,
    format: ImageFormat,
) -> ImageResult<impl ImageDecoder + 'a> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits);
    reader.into_decoder()
}

/// The header as the file has it, and how the pixels must be turned: metadata speak of the upright picture already.
/// `source` is the same file.
pub(super) fn header(
    name: &str,
    format: ImageFormat,
    decoder: &mut impl ImageDecoder,
    source: &mut (impl Read + Seek),
) -> ImageResult<(PictureHeader, Orientation)> {
    let (width, height) = decoder.dimensions();
    let mut metadata = Metadata::read(name, format, source).unwrap_or_else(|error| {
        tracing::warn!("{name}: what it says beside the pixels cannot be read, and is left out: {error}");
        Metadata::default()
    });
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg) {
        metadata.icc_profile = decoder.icc_profile()?;
        metadata.exif = decoder.exif_metadata()?;
    }
    if format == ImageFormat::WebP {
        metadata.xmp = decoder.xmp_metadata()?;
    }
    metadata.icc_profile = metadata.icc_profile.filter(|profile| describes_rgb(name, profile));
    let orientation = metadata.take_orientation();
    Ok((PictureHeader { width, height, color: decoder.color_type(), metadata }, orientation))
}

/// The profile of a CMYK file says nothing about the RGB picture that was decoded from it.
pub(super) fn describes_rgb(name: &str, profile: &[u8]) -> bool {
    let fits = matches!(profile.get(16..20), Some(b"RGB " | b"GRAY"));
    if !fits {
        tracing::warn!("{name}: its colour profile is not for RGB or gray, and is left out");
    }
    fits
}

/// The decoder's complaint in one line.
pub(super) fn reason(error: ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file ends too early".to_owned()
        }
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            "there is no memory for a part of it".to_owned()
        }
        other => other.to_string().lines().collect::<Vec<_>>().join(" "),
    }
}
