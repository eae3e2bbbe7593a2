//! What a caller may choose of reading and writing files.

use super::{Alpha, Size};

/// How a file is read.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Reading {
    /// Whether a damaged picture is taken as far as it goes, with a warning in the log; otherwise it is an error.
    pub lenient: bool,
    /// The largest picture that is taken, in pixels; by default what memory bounds.
    pub limit: Option<u64>,
    /// Which page of a TIFF is taken, from 0 on; by default the first, with a warning in the log if there are others.
    pub page: Option<u32>,
}

/// How a picture is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Encoding {
    /// That of a JPEG, 1 … 100. By default 95: no loss that is seen, at a third of the size of 100. From 90 on
    /// colours are kept at full resolution, below at half of it.
    pub quality: u8,
    /// How hard a PNG is pressed.
    pub compression: Compression,
    /// What shines through where the format has no transparency; by default a transparent picture is then refused.
    pub background: Option<[u8; 3]>,
    /// Whether everything is left out that is neither pixels nor what their colours mean.
    pub strip: bool,
    /// What becomes of the resolution of an enlarged picture: [`Upscaler::upscale_file`](crate::Upscaler::upscale_file).
    pub dpi: Dpi,
}

/// How hard a PNG is pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// A fifteenth of the time of `Small`, for 1.8 % more bytes (photographs, 3072×2048).
    #[default]
    Fast,
    /// zlib's middle level.
    Small,
}

/// What becomes of the resolution of an enlarged picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpi {
    /// It grows with the picture, which keeps its size on paper.
    #[default]
    Scale,
    /// It stays, and the picture grows on paper.
    Keep,
}

/// What [`Upscaler::upscale_file`](crate::Upscaler::upscale_file) may be told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FileOptions {
    /// Whether the new file may take the place of one that is there.
    pub replace: bool,
    /// How large the new picture is.
    pub size: Size,
    /// How transparency is enlarged.
    pub alpha: Alpha,
    /// How the old one is read.
    pub reading: Reading,
    /// How the new one is written.
    pub encoding: Encoding,
    /// Which frames of an animation are taken.
    pub animation: Animation,
    /// Which pages of a TIFF are taken.
    pub pages: Pages,
}

/// Which frames of an animation are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Animation {
    /// All, where the new file's format holds animations: GIF, PNG, WebP. Else the first, with a warning in the log.
    #[default]
    All,
    /// The first, with a warning in the log.
    First,
}

/// Which pages of a TIFF are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pages {
    /// All, where the new file is a TIFF, too. Else the first, with a warning in the log.
    #[default]
    All,
    /// The first, with a warning in the log.
    First,
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            quality: 95,
            compression: Compression::default(),
            background: None,
            strip: false,
            dpi: Dpi::default(),
        }
    }
}
