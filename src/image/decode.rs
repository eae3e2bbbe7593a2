//! Files to pictures. What cannot be decoded whole is an error of one sentence: there is no half picture.

use std::fs;
use std::io::{self, BufRead, Cursor, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits};

use super::jpeg_xl;
use super::kind::{self, Kind};
use super::limits::{self, MAX_BYTES};
use super::reader::Rows;
use super::reader::tiff::Tiff;
use super::{Metadata, Picture, PictureHeader, Reading, exif};
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
        let mut warnings = Vec::new();
        let picture = Self::decode_quietly(name, bytes, reading, &mut warnings)?;
        warn(name, &warnings);
        Ok(picture)
    }

    /// [`Picture::decode_with`] for a file that was read before: what is lost of it is only told to the caller.
    pub(super) fn decode_quietly(
        name: &str,
        bytes: &[u8],
        reading: &Reading,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let picture = decode(name, bytes, reading, warnings);
        picture.map_err(|reason| Error::Image { file: name.to_owned(), reason })
    }
}

/// Tells what is lost of a file.
pub(super) fn warn(name: &str, warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{name}: {warning}");
    }
}

fn decode(
    name: &str,
    bytes: &[u8],
    reading: &Reading,
    warnings: &mut Vec<String>,
) -> Result<Picture, String> {
    let format = match kind::kind(name, bytes)? {
        Kind::Of(ImageFormat::Tiff) => {
            return tiff(bytes, reading, warnings).map_err(|error| reason(ImageError::IoError(error)));
        }
        Kind::JpegXl => return jpeg_xl::decode(bytes, reading, warnings),
        Kind::Of(format) => format,
    };
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err("the JPEG ends too early".to_owned());
    }
    warnings.extend(kind::others(format, bytes));
    let decoder = decoder(Cursor::new(bytes), format).map_err(reason)?;
    let size = decoder.dimensions().into();
    limits::check_pixels(reading, size)?;
    limits::check_held(size, decoder.total_bytes())?;
    limits::check_claim(format, bytes, bytes.len() as u64, size)?;
    decoded(decoder, warnings)
}

fn decoded(mut decoder: impl ImageDecoder, warnings: &mut Vec<String>) -> Result<Picture, String> {
    let orientation = decoder.orientation().map_err(reason)?;
    let PictureHeader { mut metadata, .. } = header(&mut decoder).map_err(reason)?;
    keep_profile(&mut metadata, warnings);
    let mut image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    image.apply_orientation(orientation);
    Ok(Picture { image, metadata })
}

fn tiff(bytes: &[u8], reading: &Reading, warnings: &mut Vec<String>) -> io::Result<Picture> {
    let mut tiff = Tiff::open(Cursor::new(bytes), reading)?;
    let mut header = tiff.header();
    let size = [header.width, header.height];
    limits::check_held(size, header.row_bytes().saturating_mul(header.height.into()))
        .map_err(io::Error::other)?;
    tiff.check_floats()?;
    let mut image = header.picture(header.height, |row| tiff.next(row)).map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })?;
    if let Some(orientation) = Orientation::from_exif(tiff.orientation()) {
        image.apply_orientation(orientation);
    }
    warnings.extend_from_slice(tiff.warnings());
    keep_profile(&mut header.metadata, warnings);
    Ok(Picture { image, metadata: header.metadata })
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

/// The header as the file has it. Orientation, which is the decoder's to tell, is taken out of EXIF.
pub(super) fn header(decoder: &mut impl ImageDecoder) -> ImageResult<PictureHeader> {
    let (width, height) = decoder.dimensions();
    let exif = decoder.exif_metadata()?.map(|exif| exif::upright(exif).0);
    let metadata = Metadata { icc_profile: decoder.icc_profile()?, exif, ..Metadata::default() };
    Ok(PictureHeader { width, height, color: decoder.color_type(), metadata })
}

/// Whether an end marker follows the start of the scan. The decoder itself fills what is missing with gray.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END: [u8; 2] = [0xff, 0xd9];
    let mut rest = &bytes[2..];
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == END);
        }
        // A run of fill bytes is a marker 0xff without a length.
        let skipped = if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    false
}

/// The profile of a CMYK file says nothing about the RGB picture that was decoded from it.
pub(super) fn keep_profile(metadata: &mut Metadata, warnings: &mut Vec<String>) {
    let space = metadata.icc_profile.as_ref().map(|profile| profile.get(16..20));
    if !matches!(space, None | Some(Some(b"RGB " | b"GRAY"))) {
        metadata.icc_profile = None;
        warnings.push("its colour profile is not for RGB or gray, and is left out".to_owned());
    }
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
