//! Pictures to files a band of rows at a time, so that the host holds a band and not the picture.
//!
//! PNG is compressed and TIFF written as the bands come. JPEG, WebP and BMP are collected and encoded whole by
//! [`PictureWriter::finish`]. [`Picture::encode`](super::Picture::encode) goes the same way with one band.

pub(super) mod png;
pub(super) mod tiff;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageFormat};

use super::encode::{self, as_held, check_pixels, image_error};
use super::limits::MAX_BYTES;
use super::{Encoding, Metadata, NewFile, PictureHeader};
use crate::error::{Error, Result};

/// A picture file that is written from top to bottom. It appears, whole, with [`PictureWriter::finish`]; a writer
/// that is dropped before leaves nothing.
#[derive(Debug)]
pub struct PictureWriter {
    path: PathBuf,
    format: ImageFormat,
    header: PictureHeader,
    file: NewFile,
    body: Body,
    /// How many rows have been written.
    y: u32,
    /// Whether a band was written in part: what follows would not lie where it belongs.
    broken: bool,
}

/// What becomes of the bands: each gives the bytes with which the file goes on.
#[derive(Debug)]
pub(super) struct Body {
    format: ImageFormat,
    metadata: Metadata,
    encoding: Encoding,
    bands: Bands,
}

#[derive(Debug)]
enum Bands {
    Png(Box<png::Stream>),
    /// They follow the directory as they are.
    Tiff(tiff::Stream),
    /// They wait until all are there.
    Collected(Vec<u8>),
}

impl PictureWriter {
    /// Begins the file of a picture: PNG, TIFF, JPEG, WebP or BMP. What the format cannot hold of [`Metadata`] or of
    /// 16 bits is a warning in the log.
    ///
    /// # Errors
    /// [`Error::Image`] if the format cannot hold a picture of this size or type, [`Error::Io`] if the folder
    /// takes no file.
    pub fn create(
        path: &Path,
        format: ImageFormat,
        header: &PictureHeader,
        encoding: &Encoding,
    ) -> Result<Self> {
        Self::begin(path, format, header, encoding, None)
    }

    /// Begins a TIFF of several pages with the first; [`PictureWriter::turn`] goes on to the next.
    pub(super) fn create_pages(
        path: &Path,
        header: &PictureHeader,
        encoding: &Encoding,
        pages: tiff::Layout,
    ) -> Result<Self> {
        Self::begin(path, ImageFormat::Tiff, header, encoding, Some(pages))
    }

    fn begin(
        path: &Path,
        format: ImageFormat,
        header: &PictureHeader,
        encoding: &Encoding,
        pages: Option<tiff::Layout>,
    ) -> Result<Self> {
        check_type(path, header)?;
        check_size(path, format, header)?;
        let metadata = encode::held(path, format, header, encoding)?;
        let (body, start) = Body::begin(path, format, header, metadata, encoding, pages)?;
        let mut file = NewFile::create(path).map_err(Error::io(path))?;
        file.write_all(&start).map_err(Error::io(path))?;
        let (path, header) = (path.to_owned(), PictureHeader { metadata: Metadata::default(), ..*header });
        Ok(Self { path, format, header, file, body, y: 0, broken: false })
    }

    /// Begins the next page, which may be the last.
    pub(super) fn turn(&mut self, header: &PictureHeader, last: bool) -> Result<()> {
        self.check_complete()?;
        check_type(&self.path, header)?;
        check_size(&self.path, self.format, header)?;
        let metadata = encode::held(&self.path, self.format, header, &self.body.encoding)?;
        let bytes = self.body.page(header, &metadata, last);
        let written = self.file.write_all(&bytes);
        self.broken = written.is_err();
        written.map_err(Error::io(&self.path))?;
        (self.header, self.y) = (PictureHeader { metadata: Metadata::default(), ..*header }, 0);
        Ok(())
    }

    /// Writes the next rows.
    ///
    /// # Errors
    /// [`Error::Image`] if the band does not fit the header or, in a JPEG, shows transparency without a background; [`Error::Io`] if
    /// the disk takes no more.
    pub fn write(&mut self, band: &DynamicImage) -> Result<()> {
        self.check_broken()?;
        self.check_band(band)?;
        check_pixels(&self.path, self.format, band, &self.body.encoding)?;
        let written = self.body.rows(band).and_then(|bytes| self.file.write_all(&bytes));
        self.broken = written.is_err();
        written.map_err(Error::io(&self.path))?;
        self.y += band.height();
        Ok(())
    }

    /// Completes the file and gives it its name. `replace` says whether that may be the name of another.
    ///
    /// # Errors
    /// [`Error::Image`] if rows are missing or the encoder refuses, [`Error::Io`] if the disk takes no more or
    /// there is a file that may not be replaced. There is no new file then.
    pub fn finish(mut self, replace: bool) -> Result<()> {
        self.check_complete()?;
        let path = &self.path;
        let rest = self.body.finish(path, &self.header)?;
        self.file.write_all(&rest).map_err(Error::io(path))?;
        self.file.finish(replace).map_err(Error::io(path))
    }

    /// Whether all rows are there.
    fn check_complete(&self) -> Result<()> {
        self.check_broken()?;
        let (expected, found) = (self.header.height, self.y);
        if found < expected {
            return Err(image_error(&self.path, format!("expected {expected} rows, found {found}")));
        }
        Ok(())
    }

    fn check_broken(&self) -> Result<()> {
        if self.broken {
            return Err(image_error(&self.path, "the file cannot be completed, since a write to it failed"));
        }
        Ok(())
    }

    fn check_band(&self, band: &DynamicImage) -> Result<()> {
        let PictureHeader { width, height, color, .. } = self.header;
        if (band.width(), band.color()) != (width, color) {
            let (found_width, found) = (band.width(), band.color());
            let reason = format!(
                "expected a band of {width} pixels of {color:?} a row, found {found_width} of {found:?}"
            );
            return Err(image_error(&self.path, reason));
        }
        if band.height() > height - self.y {
            let found = u64::from(self.y) + u64::from(band.height());
            return Err(image_error(&self.path, format!("expected {height} rows, found {found}")));
        }
        Ok(())
    }
}

impl Body {
    /// And the start of the file, which is one of several `pages` or of one.
    pub(super) fn begin(
        path: &Path,
        format: ImageFormat,
        header: &PictureHeader,
        metadata: Metadata,
        encoding: &Encoding,
        pages: Option<tiff::Layout>,
    ) -> Result<(Self, Vec<u8>)> {
        let mut start = Vec::new();
        let bands = match format {
            ImageFormat::Png => {
                let png = png::Stream::new(header, &metadata, encoding);
                Bands::Png(Box::new(png.map_err(|error| image_error(path, error.to_string()))?))
            }
            ImageFormat::Tiff => {
                let one = || tiff::Layout::of(header.tiff_bytes(), &metadata);
                let mut tiff = tiff::Stream::new(pages.unwrap_or_else(one));
                start = tiff.page(header, &metadata, pages.is_none());
                Bands::Tiff(tiff)
            }
            ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp | ImageFormat::Gif => {
                Bands::Collected(Vec::new())
            }
            other => return Err(image_error(path, format!("{other:?} is not a format that we write"))),
        };
        Ok((Self { format, metadata, encoding: encoding.clone(), bands }, start))
    }

    /// What stands in front of the next page's rows; only TIFFs have such.
    fn page(&mut self, header: &PictureHeader, metadata: &Metadata, last: bool) -> Vec<u8> {
        match &mut self.bands {
            Bands::Tiff(tiff) => tiff.page(header, metadata, last),
            _ => Vec::new(),
        }
    }

    /// What the file goes on with when it has these rows.
    pub(super) fn rows(&mut self, band: &DynamicImage) -> io::Result<Vec<u8>> {
        match &mut self.bands {
            Bands::Png(png) => png.encode(band.as_bytes()),
            Bands::Tiff(tiff) => {
                let band = as_held(band, self.format, &self.encoding);
                Ok(tiff.pixels(band.color(), band.as_bytes()).into_owned())
            }
            Bands::Collected(bytes) => {
                bytes.extend_from_slice(band.as_bytes());
                Ok(Vec::new())
            }
        }
    }

    /// What the file ends with.
    pub(super) fn finish(self, path: &Path, header: &PictureHeader) -> Result<Vec<u8>> {
        let Self { format, metadata, encoding, bands } = self;
        let refused = |error: &dyn std::error::Error| image_error(path, error.to_string());
        match bands {
            Bands::Png(png) => png.finish().map_err(|error| refused(&error)),
            Bands::Tiff(_) => Ok(Vec::new()),
            Bands::Collected(bytes) => {
                let mut rows = bytes.chunks_exact(header.row_bytes() as usize);
                let fill = |row: &mut [u8]| {
                    row.copy_from_slice(rows.next().expect("all rows have been counted"));
                    Ok(())
                };
                let image = header.picture(header.height, fill).map_err(|error| refused(&error))?;
                drop(bytes);
                let image = as_held(&image, format, &encoding);
                encode::whole(path, format, &image, &metadata, &encoding).map_err(|error| refused(&error))
            }
        }
    }
}

fn check_type(path: &Path, header: &PictureHeader) -> Result<()> {
    let PictureHeader { width, height, color, .. } = *header;
    if width == 0 || height == 0 {
        return Err(image_error(path, format!("a picture of {width}x{height} has no pixels")));
    }
    if matches!(color, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(image_error(path, format!("expected samples of 8 or 16 bits, found {color:?}")));
    }
    Ok(())
}

/// Whether the encoder will take the picture: to be known before the work, not after it.
pub(super) fn check_size(path: &Path, format: ImageFormat, header: &PictureHeader) -> Result<()> {
    let PictureHeader { width, height, .. } = *header;
    let side = match format {
        ImageFormat::Jpeg | ImageFormat::Gif => 0xffff,
        ImageFormat::WebP => 0x4000,
        _ => 0x7fff_ffff,
    };
    if width.max(height) > side {
        let reason =
            format!("{format:?} holds at most {side} pixels a side, not {width}x{height}: write PNG or TIFF");
        return Err(image_error(path, reason));
    }
    let streams = matches!(format, ImageFormat::Png | ImageFormat::Tiff);
    let (what, rows) = if streams { ("a row", 1) } else { ("a picture that must be held whole", height) };
    if u64::from(rows).saturating_mul(header.row_bytes()) > MAX_BYTES {
        let gigabytes = MAX_BYTES >> 30;
        let reason =
            format!("expected {what} of at most {gigabytes} GiB, found one of {width}x{rows} pixels");
        return Err(image_error(path, reason));
    }
    Ok(())
}
