//! Files to pictures a band of rows at a time, so that the host holds a band and not the picture.
//!
//! ```text
//!   PNG, not interlaced ─────────────────► row by row ──────────────────┐
//!   TIFF, upright ───────────────────────► row by row ──────────────────┼─► bands
//!   everything else ─────────────────────► Picture::read, held whole ───┘
//! ```
//!
//! The bands, one below the other, are what [`Picture::read`] gives, to the last bit. The last one is given out
//! only when the file has been found whole.

mod png;
pub(super) mod tiff;

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageResult};

use self::tiff::Tiff;
use super::decode;
use super::kind::{Kind, kind};
use super::limits::{self, MAX_BYTES};
use super::{Picture, PictureHeader, Reading, encode::image_error, metadata};
use crate::error::{Error, Result};

/// The most that one row, or one row of strips or tiles, may take. What claims more is decoded whole, within the
/// bounds that a whole picture has.
const MAX_PIECE: u64 = 256 << 20;

/// A picture file that is read from top to bottom.
pub struct PictureReader {
    path: PathBuf,
    header: PictureHeader,
    rows: Box<dyn Rows>,
    streams: bool,
    /// How many rows have been read.
    y: u32,
    /// Why reading failed: what the decoder says after that is not worth hearing.
    failure: Option<String>,
}

/// The rows of a picture, from top to bottom.
pub(super) trait Rows: Send {
    /// Writes the next row, samples in the machine's byte order.
    fn next(&mut self, row: &mut [u8]) -> ImageResult<()>;

    /// Checks, behind the last row, what the file still says about the pixels.
    fn end(&mut self) -> ImageResult<()> {
        Ok(())
    }

    /// Begins again with the first row, if that costs nothing; whether it did.
    fn rewind(&mut self) -> bool {
        false
    }
}

impl PictureReader {
    /// Opens a picture file. The format is told by the content, not by the name.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Image`] if it does not begin as a picture; and
    /// whatever [`Picture::read`] says of a file that is decoded whole.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, &Reading::default())
    }

    /// [`PictureReader::open`], as `reading` says.
    ///
    /// # Errors
    /// As [`PictureReader::open`].
    pub fn open_with(path: &Path, reading: &Reading) -> Result<Self> {
        let (header, rows, streams) = match stream(path, reading)? {
            Some((header, rows)) => (header, rows, true),
            None => {
                let picture = Picture::read_with(path, reading)?;
                (picture.header(), Box::new(Whole { image: picture.image, read: 0 }) as Box<dyn Rows>, false)
            }
        };
        Ok(Self { path: path.to_owned(), header, rows, streams, y: 0, failure: None })
    }

    /// Columns and rows of a file's picture, upright. Nothing is decoded but what stands before the pixels, and nothing is
    /// said in the log.
    ///
    /// # Errors
    /// As [`PictureReader::open`]; and [`Error::Image`] if it is no ordinary file, since a pipe tells once.
    pub fn size_of(path: &Path) -> Result<[u32; 2]> {
        if !fs::metadata(path).map_err(Error::io(path))?.is_file() {
            return Err(image_error(path, "expected an ordinary file: a pipe has no size before it is read"));
        }
        let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
        quietly(|| decode::size(&path.display().to_string(), &mut file))
            .map_err(|reason| image_error(path, reason))
    }

    /// Size, type and notes of the picture, as [`Picture::read`] has them.
    pub fn header(&self) -> &PictureHeader {
        &self.header
    }

    /// Whether rows are decoded as they are asked for. Otherwise the picture is held whole.
    pub fn streams(&self) -> bool {
        self.streams
    }

    /// The next `rows` rows, fewer at the bottom, at least one; nothing below the bottom.
    ///
    /// # Errors
    /// [`Error::Image`] if the file ends too early or is damaged, then and ever after; [`Error::Limits`] if so
    /// many rows are too much to be held.
    pub fn read(&mut self, rows: u32) -> Result<Option<DynamicImage>> {
        if let Some(reason) = &self.failure {
            return Err(image_error(&self.path, reason));
        }
        let rows = rows.max(1).min(self.header.height - self.y);
        if rows == 0 {
            return Ok(None);
        }
        if u64::from(rows) * self.header.row_bytes() > MAX_BYTES {
            let (file, width) = (self.path.display(), self.header.width);
            let gigabytes = MAX_BYTES >> 30;
            return Err(Error::Limits(format!(
                "{file}: {rows} rows of {width} pixels take more than {gigabytes} GiB"
            )));
        }
        match self.band(rows) {
            Ok(band) => Ok(Some(band)),
            Err(error) => {
                let reason = self.failure.insert(decode::reason(error));
                Err(image_error(&self.path, &*reason))
            }
        }
    }

    /// Begins again at the top, where the picture is held whole; whether it did.
    pub(super) fn rewind(&mut self) -> bool {
        let rewound = self.rows.rewind();
        self.y = if rewound { 0 } else { self.y };
        rewound
    }

    fn band(&mut self, rows: u32) -> ImageResult<DynamicImage> {
        let band = self.header.picture(rows, |row| self.rows.next(row))?;
        self.y += rows;
        if self.y == self.header.height {
            self.rows.end()?;
        }
        Ok(band)
    }
}

impl std::fmt::Debug for PictureReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, header, rows: _, streams, y, failure } = self;
        let mut debug = f.debug_struct("PictureReader");
        debug.field("path", path).field("header", header).field("streams", streams);
        debug.field("y", y).field("failure", failure).finish_non_exhaustive()
    }
}

/// Without a word in the log.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), work)
}

type Stream = (PictureHeader, Box<dyn Rows>);

/// A file whose rows can be decoded as they are asked for; nothing if it must be decoded whole.
fn stream(path: &Path, reading: &Reading) -> Result<Option<Stream>> {
    // In a pipe there is no way back to what tells the format, and it can be opened once.
    if !fs::metadata(path).map_err(Error::io(path))?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut start = Vec::new();
    (&mut file).take(64).read_to_end(&mut start).map_err(Error::io(path))?;
    file.rewind().map_err(Error::io(path))?;
    let name = path.display().to_string();
    let stream = match kind(&name, &start).map_err(|reason| image_error(path, reason))? {
        Kind::Of(ImageFormat::Png) => png_stream(&name, file, reading, &start),
        Kind::Of(ImageFormat::Tiff) => tiff_stream(&name, file, reading).map_err(ImageError::IoError),
        _ => return Ok(None),
    };
    stream.map_err(|error| image_error(path, decode::reason(error)))
}

/// The header of a TIFF's page, its sides as they are when it is upright, and how many pages there are; of other files,
/// and of what can be read once, nothing.
pub(super) fn tiff_page(path: &Path, reading: &Reading) -> Result<Option<(PictureHeader, u32)>> {
    if !fs::metadata(path).map_err(Error::io(path))?.is_file() {
        return Ok(None);
    }
    let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let mut start = Vec::new();
    (&mut file).take(64).read_to_end(&mut start).map_err(Error::io(path))?;
    let name = path.display().to_string();
    if kind(&name, &start) != Ok(Kind::Of(ImageFormat::Tiff)) {
        return Ok(None);
    }
    let opened = Tiff::open(file, reading).map_err(ImageError::IoError);
    let tiff = opened.map_err(|error| image_error(path, decode::reason(error)))?;
    let (mut header, pages) = (quietly(|| tiff.header(&name)), tiff.pages());
    if metadata::swaps_sides(tiff.orientation()) {
        (header.width, header.height) = (header.height, header.width);
    }
    Ok(Some((header, pages)))
}

fn tiff_stream(name: &str, file: File, reading: &Reading) -> io::Result<Option<Stream>> {
    let mut tiff = Tiff::open(file, reading)?;
    if tiff.orientation() != Orientation::NoTransforms || tiff.row_bytes() > MAX_PIECE {
        return Ok(None);
    }
    tiff.check_floats()?;
    tiff.warn(name);
    Ok(Some((tiff.header(name), Box::new(tiff))))
}

fn png_stream(name: &str, mut file: File, reading: &Reading, start: &[u8]) -> ImageResult<Option<Stream>> {
    let mut decoder = decode::decoder(BufReader::new(&file), ImageFormat::Png)?;
    let (len, size) = (file.metadata()?.len(), decoder.dimensions().into());
    let possible = limits::check_pixels(reading, size);
    let possible = possible.and_then(|()| limits::check_claim(ImageFormat::Png, start, len, size));
    possible.map_err(|reason| ImageError::IoError(io::Error::other(reason)))?;
    let (header, orientation) = decode::header(name, ImageFormat::Png, &mut decoder, &mut (&file))?;
    drop(decoder);
    if orientation != Orientation::NoTransforms || header.row_bytes() > MAX_PIECE {
        return Ok(None);
    }
    file.rewind()?;
    let rows = png::open(file, &header)?;
    Ok(rows.map(|rows| (header, rows)))
}

/// A picture that was decoded whole.
struct Whole {
    image: DynamicImage,
    /// How many bytes have been read.
    read: usize,
}

impl Rows for Whole {
    fn next(&mut self, row: &mut [u8]) -> ImageResult<()> {
        row.copy_from_slice(&self.image.as_bytes()[self.read..][..row.len()]);
        self.read += row.len();
        Ok(())
    }

    fn rewind(&mut self) -> bool {
        self.read = 0;
        true
    }
}
