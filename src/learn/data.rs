//! Folders of pictures, made into batches of small and large crops.
//!
//! ```text
//!   folders ─► names, without those held out ─► RGB of 8 bits ─► pairs ─► crops, turned and flipped ─► Batch
//!                                  cache file ──────────────────►  │
//!                                                     or degraded ─┘ by the crop, for photographs
//!   small pictures ─► teachers ─► their large pictures ─► the same crops ─► Batch
//! ```
//!
//! * Pictures of every format that the library reads, told by their names; folders are looked through to the bottom.
//! * The small picture is MATLAB's bicubic of the *whole* large one, to the last bit, or comes from a second folder.
//! * A name that is held out ([`HeldOut`]) is never opened.
//! * A picture that cannot be used (damaged, transparent, of a kind that is not read) is left out with a warning, which
//!   a start from the cache repeats; one whose partner is missing or of another size is an error, for then the folders
//!   are not what they were taken for.
//! * A student's batches have what teachers make of the whole small pictures ([`Taught`]), cropped as the truth is.
//! * A batch is a function of seed and step ([`Batches`]): threads, interruptions and what was drawn before change nothing.
//!
//! Everything is held in memory: `3 + 3 / scale²` bytes a pixel, 0.75 GiB for 200 megapixels at the scale 2. While
//! pictures are read come about 60 bytes for each pixel of the largest one, and a decoder a thread. Colour profiles
//! are not applied: a network learns numbers as files have them.

mod ahead;
mod cache;
mod cells;
mod crops;
mod degrade;
mod halves;
mod held_out;
mod kept;
mod make;
mod sources;
mod taught;

use std::path::PathBuf;

pub use ahead::Ahead;
pub use crops::{Batches, Crops, Draw};
pub use degrade::{Blur, Degradations, Jpeg, Kernel, Noise, Resize, through_jpeg};
pub use halves::Halves;
pub use held_out::HeldOut;
pub use taught::{Taught, Teachers};

use self::cells::Cell;
use crate::control::{Cancel, Progress};
use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples};

/// Which pictures there are to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataOptions {
    /// Folders of large pictures.
    pub dataroot_gt: Vec<PathBuf>,
    /// Folders of small pictures, one for each of the large ones', with the same names or those followed by `x2` at the
    /// scale 2. None: they are made by bicubic.
    pub dataroot_lq: Vec<PathBuf>,
    /// How many times as large the large pictures are.
    pub scale: usize,
    /// Pictures with a side longer than this are also taken at 0.55 of their size, which is sharper. Only where small
    /// pictures are made here.
    pub also_shrunk_above: Option<usize>,
    /// Pictures that are never opened.
    pub held_out: HeldOut,
    /// A file that keeps the pairs for the next start. It is made anew when names, sizes or times of the pictures or these
    /// options have changed, or when it is damaged.
    pub cache: Option<PathBuf>,
}

impl DataOptions {
    /// Folders of large pictures, and nothing else said.
    pub fn new(dataroot_gt: impl Into<Vec<PathBuf>>, scale: usize) -> Self {
        Self {
            dataroot_gt: dataroot_gt.into(),
            dataroot_lq: Vec::new(),
            scale,
            also_shrunk_above: None,
            held_out: HeldOut::default(),
            cache: None,
        }
    }
}

/// Small pictures and large ones, held in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    scale: usize,
    pairs: Vec<Pair>,
    left_out: Vec<String>,
    held_out: Vec<PathBuf>,
    /// The flattest first.
    cells: Vec<Cell>,
}

/// A picture in two sizes, 8 bits a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The large picture's file, below its folder.
    pub name: String,
    /// The small picture.
    pub low: Pixels,
    /// The large one, exactly the scale times as large.
    pub high: Pixels,
}

impl Pairs {
    /// Reads the pictures, or the cache that was made of them.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder cannot be read, [`Error::Image`] if a picture has no partner or one of the wrong size, or
    /// there is none to learn from, [`Error::Unsupported`] for options that contradict each other, and
    /// [`Error::Cancelled`].
    pub fn open(options: &DataOptions, cancel: &Cancel, progress: &Progress) -> Result<Self> {
        let listed = sources::list(options)?;
        let made = match cache::read(options, &listed.sources) {
            Some(made) => made,
            None => {
                let made = make::make(options, &listed.sources, cancel, progress)?;
                cache::write(options, &listed.sources, &made);
                made
            }
        };
        made.left_out.iter().for_each(|sentence| tracing::warn!("{sentence}; it is left out"));
        if made.pairs.is_empty() {
            let count = listed.sources.len();
            let reason = format!("none of the {count} pictures there can be used");
            return Err(sources::of_folders(options, reason));
        }
        let cells = cells::of(&made.pairs, options.scale);
        let held_out = listed.held_out;
        Ok(Self { scale: options.scale, pairs: made.pairs, left_out: made.left_out, held_out, cells })
    }

    /// How many times as large the large pictures are.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// The pictures, in the order of folders and names.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// A sentence for each picture that cannot be used.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The files that were there and not opened, being held out.
    pub fn held_out(&self) -> &[PathBuf] {
        &self.held_out
    }
}

/// The bytes of a picture, which has 8 bits a sample.
fn bytes(pixels: &Pixels) -> &[u8] {
    match pixels.samples() {
        Samples::U8(bytes) => bytes,
        Samples::U16(_) => &[],
    }
}

fn unsupported(reason: impl Into<String>) -> Error {
    Error::Unsupported(reason.into())
}
