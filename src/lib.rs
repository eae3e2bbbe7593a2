//! Super-resolution on any GPU: a picture in, one two to four times as large out.
//!
//! ```no_run
//! # #[cfg(feature = "image")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sparsr::{Gpu, Model, Options, Upscaler};
//!
//! let gpu = Gpu::new()?; // or Gpu::from_device(device, queue) for your own
//! let model = Model::builtin("smsr-x2")?; // or Model::load("model.pth".as_ref())
//! let mut upscaler = Upscaler::new(&gpu, &model, Options::default())?;
//! let large = upscaler.upscale(&image::open("photo.png")?)?;
//! large.save("photo-x2.png")?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "image"))]
//! # fn main() {}
//! ```
//!
//! ```text
//!    checkpoint ─► Weights ─► Model ─► Graph ─► Plan ─► gpu::Session
//!                                        │                ▲     │
//!                                        └─► cpu          │     │
//!    picture ─► rows ─► window of a tile ─────────────────┘     │
//!    picture ◄─ rows ◄─ kept part of it ◄───────────────────────┘
//! ```
//!
//! What to compute is a [`graph::Graph`], how is a [`plan::Plan`], both plain data that print; doing it is a
//! [`gpu::Session`], or [`cpu`] on the processor; an [`job::engine::Engine`] is either. Nothing here prints, exits, or panics on its input.

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(unsafe_code)]

pub mod cpu;
mod device;
mod error;
pub mod gpu;
pub mod graph;
#[cfg(feature = "image")]
mod image;
pub mod job;
pub mod kernel;
pub mod metrics;
pub mod models;
mod pixels;
pub mod plan;
mod plane;
pub mod probe;
pub mod tensor;
mod upscale;
pub mod weights;

pub use device::{AdapterInfo, AdapterKind, Device, DeviceChoice, Feature, Selection, Tier};
pub use error::{Error, Result};
pub use gpu::{Gpu, Peak, adapters};
#[cfg(feature = "image")]
pub use image::{
    NewFile, Picture, PictureHeader, PictureReader, PictureWriter, UpscaledFile, UpscaledPicture, format_of,
};
pub use job::stream::{PixelRows, Sink, Source, Tiling};
pub use models::{Model, Partition};
pub use pixels::{Depth, Pixels, Samples};
pub use plan::Sparsity;
pub use probe::precision::Precision;
pub use upscale::{Mask, Options, Profile, ProfileRow, Roofline, Streamed, Upscaled, Upscaler};
