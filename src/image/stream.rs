//! From file to file a band of rows at a time: the reader decodes, the network enlarges and the writer encodes at
//! once, and the host holds a few bands.
//!
//! Pictures that show transparency are the exception: what lies under it is filled from all around, so they are
//! held whole. So are those whose format cannot be decoded by rows; see [`PictureReader::streams`].

use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage};

use super::encode::format_of;
use super::{Picture, PictureHeader, PictureReader, PictureWriter, travel};
use crate::error::{Error, Result};
use crate::pixels::{Depth, Pixels};
use crate::stream::{Sink, Source};
use crate::upscale::{Streamed, Upscaler};

/// Rows that are looked at once for transparency.
const ROWS: u32 = 256;

/// What [`Upscaler::upscale_file`] did.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UpscaledFile {
    /// Columns and rows of the picture that was read.
    pub from: [u32; 2],
    /// And of the one that was written.
    pub to: [u32; 2],
    /// The share of the dense network's multiply-adds that masks and channel partitions left, 0 … 1.
    pub macs_kept: f64,
}

impl Upscaler {
    /// Enlarges a picture file into another, whose extension says the format. The new file appears when it is
    /// complete, or not at all; `replace` says whether it may take the place of one that is there.
    ///
    /// # Errors
    /// Whatever [`PictureReader`], [`PictureWriter`] and [`Upscaler::upscale`] say. There is no new file then, and one
    /// that was there is as it was.
    pub fn upscale_file(&mut self, input: &Path, output: &Path, replace: bool) -> Result<UpscaledFile> {
        let mut reader = PictureReader::open(input)?;
        let (header, format) = (reader.header().clone(), format_of(output)?);
        let [from, scale] = [[header.width, header.height], [self.model().scale() as u32; 2]];
        let sides = [0, 1].map(|axis| from[axis].checked_mul(scale[axis]));
        let [Some(width), Some(height)] = sides else {
            let reason =
                format!("{}: {}x{} times {} is no picture", input.display(), from[0], from[1], scale[0]);
            return Err(Error::Limits(reason));
        };
        let seen_through = header.color.has_alpha() && !(reader.streams() && is_opaque(input)?);
        let mut writer = PictureWriter::create(output, format, &header.resized(width, height))?;
        let macs_kept = if seen_through {
            let image = reader.read(header.height)?.expect("a picture has rows");
            let picture = Picture::from(image);
            picture.check(output, format)?;
            let upscaled = self.upscale_picture(&picture)?;
            writer.write(&upscaled.picture.image)?;
            upscaled.macs_kept
        } else {
            let mut source = FileRows { path: input.to_owned(), reader, header };
            let mut sink = RowsFile { writer: &mut writer, color: source.header.color };
            let Streamed { macs_kept, .. } = self.upscale_rows(&mut source, &mut sink)?;
            macs_kept
        };
        writer.finish(replace)?;
        Ok(UpscaledFile { from, to: [width, height], macs_kept })
    }
}

/// Whether alpha, which is there, never shows.
fn is_opaque(path: &Path) -> Result<bool> {
    let mut reader = PictureReader::open(path)?;
    while let Some(band) = reader.read(ROWS)? {
        if travel::shows_transparency(&band) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A picture file as a source. Alpha is taken for opaque.
struct FileRows {
    path: PathBuf,
    reader: PictureReader,
    header: PictureHeader,
}

impl Source for FileRows {
    fn size(&self) -> [usize; 2] {
        [self.header.width as usize, self.header.height as usize]
    }

    fn depth(&self) -> Depth {
        if self.header.color == ColorType::Rgb8 { Depth::Eight } else { Depth::Sixteen }
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let band = self.reader.read(rows)?.ok_or_else(|| self.changed())?;
        Ok(travel::split(&band)?.0)
    }

    fn restart(&mut self) -> Result<()> {
        self.reader = PictureReader::open(&self.path)?;
        if *self.reader.header() == self.header { Ok(()) } else { Err(self.changed()) }
    }
}

impl FileRows {
    fn changed(&self) -> Error {
        let file = self.path.display().to_string();
        Error::Image { file, reason: "the file changed while it was read".into() }
    }
}

/// A picture file as a sink.
struct RowsFile<'a> {
    writer: &'a mut PictureWriter,
    color: ColorType,
}

impl Sink for RowsFile<'_> {
    fn write(&mut self, rows: Pixels) -> Result<()> {
        let band: DynamicImage = travel::join(&rows, None, self.color)?;
        self.writer.write(&band)
    }
}
