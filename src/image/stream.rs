//! From file to file a band of rows at a time: the reader decodes, the network enlarges and the writer encodes at
//! once, and the host holds a few bands.
//!
//! ```text
//!   input ─► rows, colour spread under transparency ─► network ─► rows ─┐
//!   input ─► rows of alpha ─► bicubic ──────────────────────────────────┴─► output
//! ```
//!
//! Both need rows above and below those that they make, and keep them. Alpha is read once more rather than handed
//! from one end to the other, past a network that may be phases behind. What must be decoded whole
//! and has alpha, what comes through a pipe, and what goes to a size that is not the network's, is held whole; see [`PictureReader::streams`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageFormat};

use super::encode::format_of;
use super::reader::quietly;
use super::transfer::{self, Transfer};
use super::travel;
use super::{
    Alpha, Animation, FileOptions, Pages, Picture, PictureHeader, PictureReader, PictureWriter, Reading,
};
use crate::alpha::{ALPHA_MARGIN, SPREAD, enlarged_alpha};
use crate::error::{Error, Result};
use crate::job::stream::{Sink, Source};
use crate::pixels::{Depth, Pixels};
use crate::upscale::{Streamed, Upscaler};

/// Rows that are looked at once for transparency.
const ROWS: u32 = 256;

/// What [`Upscaler::upscale_file`] did.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UpscaledFile {
    /// How many frames or pages there are: 1, if it is a picture and nothing else.
    pub frames: u32,
    /// Columns and rows of the picture that was read.
    pub from: [u32; 2],
    /// And of the one that was written.
    pub to: [u32; 2],
    /// The share of the dense network's multiply-adds that masks and channel partitions left, 0 … 1.
    pub macs_kept: f64,
}

impl Upscaler {
    /// Enlarges a picture file into another, whose extension says the format. The new file appears when it is
    /// complete, or not at all. Of an animation every frame goes from GIF, APNG (`.png`) or WebP to any of these, with its
    /// delay; a frame that equals the one before has no work of its own, and GIF's palettes are made anew. Of a TIFF every
    /// page goes to another TIFF, with its metadata.
    ///
    /// # Errors
    /// Whatever [`PictureReader`], [`PictureWriter`] and [`Upscaler::upscale`] say. There is no new file then, and one
    /// that was there is as it was.
    pub fn upscale_file(
        &mut self,
        input: &Path,
        output: &Path,
        options: &FileOptions,
    ) -> Result<UpscaledFile> {
        if options.animation == Animation::All
            && let Some(done) = self.upscale_animation(input, output, options)?
        {
            return Ok(done);
        }
        if options.pages == Pages::All
            && let Some(done) = self.upscale_pages(input, output, options)?
        {
            return Ok(done);
        }
        let (begun, format) = (self.begin_file(input, output, options)?, format_of(output)?);
        let Begun { from, to, .. } = begun;
        let mut writer = PictureWriter::create(output, format, &begun.large(options), &options.encoding)?;
        let macs_kept = self.enlarge_into(begun, [input, output], options, &mut writer)?;
        writer.finish(options.replace)?;
        Ok(UpscaledFile { frames: 1, from, to, macs_kept })
    }

    /// Opens a picture, and refuses what the output cannot hold before the work.
    pub(super) fn begin_file(&self, input: &Path, output: &Path, options: &FileOptions) -> Result<Begun> {
        let FileOptions { reading, encoding, size, alpha, .. } = options;
        let rows = FileRows::open(input, reading)?;
        let (header, scale) = (rows.reader.header(), self.model().scale());
        let from = [header.width, header.height];
        let to = size.of(from, scale).map_err(|error| error.of_file(input))?;
        let has_alpha = header.color.has_alpha();
        // The network alone goes band by band, and alpha beside it. A pipe is read once.
        let by_bands = to == from.map(|side| side.saturating_mul(scale as u32))
            && !(has_alpha && *alpha == Alpha::Network)
            && (rows.reader.streams() || !has_alpha && input.is_file());
        let format = format_of(output)?;
        if format == ImageFormat::Jpeg && has_alpha && by_bands && encoding.background.is_none() {
            refuse_transparency(input, output, options)?;
        }
        Ok(Begun { rows, from, to, by_bands })
    }

    /// Enlarges it into a file; the share of multiply-adds that masks left.
    pub(super) fn enlarge_into(
        &mut self,
        begun: Begun,
        [input, output]: [&Path; 2],
        options: &FileOptions,
        writer: &mut PictureWriter,
    ) -> Result<f64> {
        let Begun { mut rows, by_bands, .. } = begun;
        let header = rows.reader.header().clone();
        if by_bands {
            let has_alpha = header.color.has_alpha();
            let alpha = if has_alpha { Some(FileRows::again(input, &options.reading)?) } else { None };
            let transfer = Transfer::of(&header.metadata);
            let scale = self.model().scale() as u32;
            let mut sink = RowsFile { writer, color: header.color, transfer, scale, alpha, y: 0 };
            let Streamed { macs_kept, .. } = self.upscale_rows(&mut rows, &mut sink)?;
            return Ok(macs_kept);
        }
        let picture = Picture { image: rows.rows(0..header.height)?, metadata: header.metadata };
        picture.check(output, format_of(output)?, &options.encoding)?;
        let upscaled = self.upscale_picture_to(&picture, options.size, options.alpha)?;
        writer.write(&upscaled.picture.image)?;
        Ok(upscaled.macs_kept)
    }
}

/// A picture file that is opened to be enlarged.
pub(super) struct Begun {
    rows: FileRows,
    pub(super) from: [u32; 2],
    pub(super) to: [u32; 2],
    /// Whether a band of it is held, and not all.
    by_bands: bool,
}

impl Begun {
    /// The header of what it becomes.
    pub(super) fn large(&self, options: &FileOptions) -> PictureHeader {
        let [width, height] = self.to;
        self.rows.reader.header().resized(width, height, options.encoding.dpi)
    }
}

fn refuse_transparency(input: &Path, output: &Path, options: &FileOptions) -> Result<()> {
    let mut reader = quietly(|| PictureReader::open_with(input, &options.reading))?;
    while let Some(band) = reader.read(ROWS)? {
        Picture::from(band).check(output, ImageFormat::Jpeg, &options.encoding)?;
    }
    Ok(())
}

/// The rows of a picture file, each with those around it.
struct FileRows {
    path: PathBuf,
    reading: Reading,
    reader: PictureReader,
    transfer: Option<Transfer>,
    /// The bytes of rows that were read and may be needed again, and the number of the first.
    held: Vec<u8>,
    first: u32,
    /// The next row that [`Source::read`] gives.
    y: u32,
}

impl FileRows {
    fn open(path: &Path, reading: &Reading) -> Result<Self> {
        let reader = PictureReader::open_with(path, reading)?;
        let transfer = Transfer::of(&reader.header().metadata);
        Ok(Self { path: path.to_owned(), reading: *reading, reader, transfer, held: vec![], first: 0, y: 0 })
    }

    /// The file from the start. What there is to say of it was said.
    fn again(path: &Path, reading: &Reading) -> Result<Self> {
        quietly(|| Self::open(path, reading))
    }

    /// Some rows, at least one. Later calls ask for none above them.
    fn rows(&mut self, rows: Range<u32>) -> Result<DynamicImage> {
        let row = self.reader.header().row_bytes() as usize;
        self.held.drain(..row * (rows.start - self.first) as usize);
        self.first = rows.start;
        let missing = rows.len() - (self.held.len() / row).min(rows.len());
        if missing > 0 {
            let more = self.reader.read(missing as u32)?.filter(|band| band.height() as usize == missing);
            self.held.extend_from_slice(more.ok_or_else(|| self.changed())?.as_bytes());
        }
        let mut held = self.held.chunks_exact(row);
        let fill = |to: &mut [u8]| {
            to.copy_from_slice(held.next().expect("as many rows as were asked for"));
            Ok(())
        };
        let made = self.reader.header().picture(rows.len() as u32, fill);
        made.map_err(|error| Error::Image {
            file: self.path.display().to_string(),
            reason: error.to_string(),
        })
    }

    /// Some rows and up to `margin` above and below; how many there are above.
    fn around(&mut self, rows: Range<u32>, margin: usize) -> Result<(DynamicImage, u32)> {
        let (margin, height) = (margin as u32, self.reader.header().height);
        let above = rows.start.min(margin);
        let band = self.rows(rows.start - above..rows.end.saturating_add(margin).min(height))?;
        Ok((band, above))
    }

    fn changed(&self) -> Error {
        let file = self.path.display().to_string();
        Error::Image { file, reason: "the file changed while it was read".into() }
    }
}

impl Source for FileRows {
    fn size(&self) -> [usize; 2] {
        let PictureHeader { width, height, .. } = self.reader.header();
        [*width as usize, *height as usize]
    }

    fn depth(&self) -> Depth {
        if self.reader.header().color == ColorType::Rgb8 && self.transfer.is_none() {
            Depth::Eight
        } else {
            Depth::Sixteen
        }
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let PictureHeader { height, color, .. } = *self.reader.header();
        let rows = self.y..self.y.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX)).min(height);
        let (band, above) = self.around(rows.clone(), if color.has_alpha() { SPREAD } else { 0 })?;
        self.y = rows.end;
        let curved = self.transfer.map(|transfer| transfer.for_network(&band));
        let (colour, _) = travel::split(curved.as_ref().unwrap_or(&band))?;
        let above = above as usize;
        colour.part(0..colour.width(), above..above + rows.len())
    }

    fn restart(&mut self) -> Result<()> {
        if self.reader.rewind() {
            (self.held, self.first, self.y) = (Vec::new(), 0, 0);
            return Ok(());
        }
        let again = Self::again(&self.path, &self.reading)?;
        if again.reader.header() != self.reader.header() {
            return Err(self.changed());
        }
        *self = again;
        Ok(())
    }
}

/// A picture file as a sink.
struct RowsFile<'a> {
    writer: &'a mut PictureWriter,
    color: ColorType,
    transfer: Option<Transfer>,
    scale: u32,
    /// Where alpha comes from, if there is any.
    alpha: Option<FileRows>,
    /// The next row to be written.
    y: u32,
}

impl Sink for RowsFile<'_> {
    fn write(&mut self, rows: Pixels) -> Result<()> {
        let height = rows.height() as u32;
        let alpha = match &mut self.alpha {
            Some(alpha) => Some(alpha.enlarged_alpha(self.y..self.y + height, self.scale)?),
            None => None,
        };
        self.y += height;
        match self.transfer {
            Some(transfer) => {
                let rows = travel::join(&rows, alpha, transfer::wide(self.color))?;
                self.writer.write(&transfer.back(&rows, self.color))
            }
            None => self.writer.write(&travel::join(&rows, alpha, self.color)?),
        }
    }
}

impl FileRows {
    /// Some rows of the enlarged alpha: whole rows of the picture, enlarged.
    fn enlarged_alpha(&mut self, rows: Range<u32>, scale: u32) -> Result<Vec<u16>> {
        let (band, above) = self.around(rows.start / scale..rows.end / scale, ALPHA_MARGIN)?;
        let [width, height] = [band.width(), band.height()].map(|side| (side * scale) as usize);
        let alpha = travel::alpha(&band).expect("only of pictures that have it");
        let enlarged = enlarged_alpha(&alpha, width, height);
        let start = width * (above * scale) as usize;
        Ok(enlarged[start..start + width * rows.len()].to_vec())
    }
}
