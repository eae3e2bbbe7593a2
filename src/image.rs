//! Pictures of the `image` crate, to the network and back, with nothing lost on the way.
//!
//! ```text
//!   file ─► Picture ─► RGB  ──────── network ────────► RGB  ─► Picture ─► file
//!              │        └ gray: three equal channels    └ their mean │
//!              ├─► alpha ─────────── bicubic ─────────► alpha ───────┤
//!              └─► metadata, the size in it as it is then ───────────┘
//! ```
//!
//! Gray stays gray, 16 bits stay 16 bits, transparency stays transparency. The orientation that a camera
//! notes in EXIF is applied first, and the note then says upright.

mod animation;
mod cmyk;
mod decode;
mod encode;
mod exif;
mod file;
mod header;
mod jpeg;
mod jpeg_xl;
mod kind;
mod limits;
mod metadata;
mod options;
mod pages;
mod reader;
mod size;
mod stream;
mod transfer;
mod travel;
mod writer;
mod xmp;

use image::DynamicImage;

pub use encode::format_of;
pub use file::NewFile;
pub use header::PictureHeader;
pub use limits::asks_for_memory;
pub use metadata::{Metadata, Resolution, StatedColour, Text, Unit};
pub use options::{Animation, Compression, Dpi, Encoding, FileOptions, Pages, Reading};
pub use reader::PictureReader;
pub use size::{Alpha, Size};
pub use stream::UpscaledFile;
pub use writer::PictureWriter;

use crate::error::Result;
use crate::upscale::{Mask, Profile, Upscaler};

/// A decoded picture with what its file said about it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The pixels, upright.
    pub image: DynamicImage,
    /// What else the file said. A colour profile is carried along, not applied.
    pub metadata: Metadata,
}

/// What [`Upscaler::upscale_picture`] gives.
#[derive(Clone, Debug)]
pub struct UpscaledPicture {
    /// The enlarged picture.
    pub picture: Picture,
    /// Where the network worked, a mask a module.
    pub masks: Vec<Mask>,
    /// The share of multiply-adds that the masks left, `0.0 ..= 1.0`.
    pub macs_kept: f64,
}

impl From<DynamicImage> for Picture {
    /// A picture that comes from no file.
    fn from(image: DynamicImage) -> Self {
        Self { image, metadata: Metadata::default() }
    }
}

impl Upscaler {
    /// Enlarges a picture of any integer type; the result has the same colour type.
    ///
    /// Gray goes through the network as three equal channels, alpha is enlarged by bicubic interpolation.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for floating-point and empty pictures, and whatever
    /// [`Upscaler::upscale_pixels`] says.
    pub fn upscale(&mut self, image: &DynamicImage) -> Result<DynamicImage> {
        let picture = Picture::from(image.clone());
        Ok(self.upscale_picture(&picture)?.picture.image)
    }

    /// [`Upscaler::upscale`] for a picture from a file: keeps the metadata, resolution in step with the size
    /// ([`Metadata::enlarged`]), and shows the masks.
    ///
    /// # Errors
    /// As [`Upscaler::upscale`].
    pub fn upscale_picture(&mut self, picture: &Picture) -> Result<UpscaledPicture> {
        self.upscale_picture_to(picture, Size::Network, Alpha::Bicubic)
    }

    /// [`Upscaler::profile`] for such a picture.
    ///
    /// # Errors
    /// As [`Upscaler::upscale`] and [`Upscaler::profile`].
    pub fn profile_picture(&mut self, picture: &Picture) -> Result<Profile> {
        let (colour, _) = travel::split(&picture.image)?;
        self.profile(&colour)
    }
}
