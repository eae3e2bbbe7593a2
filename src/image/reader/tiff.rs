//! The rows of a TIFF, of every kind that scanners, cameras and editors write.
//!
//! ```text
//!   file ─► directories ─► the picture's ─► Layout: what its numbers mean, or a refusal in the user's words
//!                                              │
//!   strips, tiles ─► codec ─► predictor ─► samples ─► gray or RGB, straight alpha ─► rows
//! ```
//!
//! One row of strips or tiles is held as the file has it, and unpacked row by row. Up to 8 bits a sample come out as 8,
//! more as 16: also floating-point numbers, of which those between 0 and 1 are a picture.
//!
//! The pieces are libraries' where there are any (flate2, weezl, zune-jpeg, the tables of fax). What lies between is
//! ours since the `tiff` crate knows neither palettes nor YCbCr, 12 bits, fill order, premultiplied alpha, fax machines
//! of group 3 nor directories that are not pictures (docs/decisions/tiff-is-read-here.md).

mod codec;
mod colour;
mod directory;
mod fax;
mod layout;
mod metadata;
mod page;
mod samples;
mod tag;
mod tags;

use std::io::{self, ErrorKind, Read, Seek};

use image::metadata::Orientation;
use image::{ImageError, ImageResult};

use self::codec::Unpacked;
use self::colour::Conversion;
use self::directory::File;
use self::layout::{Codec, Colour, Layout};
use self::page::Page;
use self::samples::Span;
use super::Rows;
use crate::image::cmyk::{self, Inks};
use crate::image::decode::describes_rgb;
use crate::image::limits::{self, zeros};
use crate::image::{Metadata, PictureHeader, Reading};

pub(in crate::image) use page::raw_by_signature;

pub(in crate::image) struct Tiff<R> {
    file: File<R>,
    /// How many there are in the file.
    pages: u32,
    layout: Layout,
    metadata: Metadata,
    inks: Option<Inks>,
    /// The row of strips or tiles that is being read, plane by plane, and how many rows are left in it.
    chunks: Vec<Unpacked>,
    left: u32,
    /// The next row of the picture.
    y: u32,
    /// A row of a strip or tile, and one of the picture.
    bytes: Vec<u8>,
    samples: Vec<u16>,
    span: Span,
}

/// How inks become RGB; their profile says nothing of that.
fn inks(metadata: &mut Metadata, layout: &mut Layout) -> Option<Inks> {
    if !matches!(layout.colour, Colour::Cmyk) {
        return None;
    }
    let approximate = match metadata.icc_profile.take().map(|profile| cmyk::inks(&profile)) {
        Some(Ok(inks)) => return Some(inks),
        Some(Err(error)) => format!("its CMYK profile cannot be used ({error}): colours are approximate"),
        None => "CMYK without a profile: colours are approximate".to_owned(),
    };
    layout.warnings.push(approximate);
    None
}

/// An error that says why in words.
fn refused(reason: impl Into<String>) -> io::Error {
    io::Error::other(reason.into())
}

impl<R: Read + Seek> Tiff<R> {
    /// Finds the picture in a file; decodes nothing yet.
    pub(in crate::image) fn open(source: R, reading: &Reading) -> io::Result<Self> {
        let mut file = File::open(source)?;
        let Page { directory, pages, mask } = page::find(&mut file, reading.page.unwrap_or(0))?;
        let mut layout = Layout::of(&mut file, &directory)?;
        if pages > 1 && reading.page.is_none() {
            layout.warnings.push(format!("a file of {pages} pages; only the first is taken"));
        }
        if mask {
            layout.warnings.push("its transparency mask is left out".to_owned());
        }
        limits::check_pixels(reading, [layout.width, layout.height]).map_err(refused)?;
        let mut metadata = metadata::read(&mut file, &directory, &mut layout);
        let inks = inks(&mut metadata, &mut layout);
        let bytes = zeros(layout.chunk_row_bytes())?;
        let samples = zeros(u64::from(layout.width).saturating_mul(layout.samples as u64))?;
        Ok(Self {
            file,
            pages,
            layout,
            metadata,
            inks,
            chunks: Vec::new(),
            left: 0,
            y: 0,
            bytes,
            samples,
            span: Span::NONE,
        })
    }

    pub(in crate::image) fn header(&self, name: &str) -> PictureHeader {
        let Layout { width, height, .. } = self.layout;
        let mut metadata = self.metadata.clone();
        metadata.icc_profile = metadata.icc_profile.filter(|profile| describes_rgb(name, profile));
        // What else notes an orientation must not contradict the tag.
        metadata.take_orientation();
        PictureHeader { width, height, color: colour::color_type(&self.layout), metadata }
    }

    /// How many pictures at full size the file holds; at least one.
    pub(in crate::image) fn pages(&self) -> u32 {
        self.pages.max(1)
    }

    /// Columns and rows, as they lie in the file.
    pub(in crate::image) fn size(&self) -> [u32; 2] {
        [self.layout.width, self.layout.height]
    }

    /// How many bytes a row of the picture takes.
    pub(in crate::image) fn row_bytes(&self) -> u64 {
        u64::from(self.layout.width) * u64::from(colour::color_type(&self.layout).bytes_per_pixel())
    }

    /// How the pixels must be turned.
    pub(in crate::image) fn orientation(&self) -> Orientation {
        Orientation::from_exif(self.layout.orientation).unwrap_or(Orientation::NoTransforms)
    }

    /// Says what is not kept.
    pub(in crate::image) fn warn(&self, name: &str) {
        for warning in &self.layout.warnings {
            tracing::warn!("{name}: {warning}");
        }
    }

    /// Reads floating-point samples once through, since what they are is known at the end: a picture between 0 and 1,
    /// or other numbers.
    pub(in crate::image) fn check_floats(&mut self) -> io::Result<()> {
        if !self.layout.float {
            return Ok(());
        }
        let mut row = zeros(self.row_bytes())?;
        for _ in 0..self.layout.height {
            self.next_row(&mut row)?;
        }
        let Span { least, most, nan, samples, above } = self.span;
        if nan {
            return Err(refused("samples that are no numbers (NaN or infinite)"));
        }
        if above > samples / 2 {
            let reason = "expected floating-point samples between 0 and 1, found most above 1";
            return Err(refused(format!("{reason}, up to {most}: scale them first")));
        }
        let lost = "floating-point samples are read as 16 bits";
        self.layout.warnings.push(match least < 0.0 || most > 1.0 {
            true => format!("{lost}, and those outside 0 to 1 ({least} to {most}) are clamped"),
            false => lost.to_owned(),
        });
        (self.chunks, self.left, self.y) = (Vec::new(), 0, 0);
        Ok(())
    }

    fn next_row(&mut self, row: &mut [u8]) -> io::Result<()> {
        if self.left == 0 {
            self.open_chunks()?;
        }
        let Self { layout, inks, chunks, bytes, samples, span, .. } = self;
        let (width, together) = (layout.chunks.width as usize, layout.samples_together());
        for (i, chunk) in chunks.iter_mut().enumerate() {
            let (plane, column) = (i / layout.chunks.across as usize, i % layout.chunks.across as usize);
            chunk.read_exact(bytes)?;
            samples::unpredict(layout, bytes, together);
            let to = &mut samples[column * width * layout.samples + plane..];
            let end = (width * layout.samples).min(to.len());
            samples::spread(
                layout,
                bytes,
                &mut to[..end],
                if layout.planar { layout.samples } else { 1 },
                span,
            );
        }
        Conversion::of(layout, inks.as_ref()).convert(samples, row);
        self.left -= 1;
        self.y += 1;
        if self.left == 0 {
            self.close_chunks()?;
        }
        Ok(())
    }

    /// Looks, behind the rows, at the checksum where there is one.
    fn close_chunks(&mut self) -> io::Result<()> {
        for chunk in self.chunks.iter_mut().filter(|_| matches!(self.layout.codec, Codec::Deflate)) {
            match chunk.read(&mut [0]) {
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn open_chunks(&mut self) -> io::Result<()> {
        let Self { file, layout, .. } = self;
        let chunks = &layout.chunks;
        let (across, down) = (chunks.across as usize, chunks.down as usize);
        let rows = chunks.height.min(layout.height - self.y);
        let stored_rows = if chunks.padded { chunks.height } else { rows };
        let first = (self.y / chunks.height) as usize * across;
        let planes = if layout.planar { layout.samples } else { 1 };
        let mut opened = Vec::with_capacity(across * planes);
        for plane in 0..planes {
            for &(at, size) in &chunks.places[plane * across * down + first..][..across] {
                opened.push(codec::unpacked(layout, file.bytes(at, size)?, stored_rows)?);
            }
        }
        (self.chunks, self.left) = (opened, rows);
        Ok(())
    }
}

impl<R: Read + Seek + Send> Rows for Tiff<R> {
    fn next(&mut self, row: &mut [u8]) -> ImageResult<()> {
        self.next_row(row).map_err(ImageError::IoError)
    }
}
