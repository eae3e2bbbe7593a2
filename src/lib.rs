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
//! To enlarge pictures, take an [`Upscaler`] with a [`Model`], on a [`Gpu`] or on the CPU engine
//! ([`Upscaler::on_cpu`]). To bring a network of your own, build a graph with
//! [`graph::Builder`] and make a [`Net`] of it. To see how it is computed, or to compute it
//! yourself, go on to [`low_level`].
//!
//! ```text
//!    checkpoint ─► Weights ─► Model ─┐
//!                                    ├─► Net ─► Graph ─► Plan ─► gpu::Session
//!    graph::Builder, Parameters ─────┘            │                ▲     │
//!                                                 └─► cpu          │     │
//!    picture ─► rows ─► window of a tile ──────────────────────────┘     │
//!    picture ◄─ rows ◄─ kept part of it ◄────────────────────────────────┘
//! ```
//!
//! Nothing here prints, exits, or panics on its input; in [`low_level`] a function that does has a section *Panics*. For
//! wasm32 there is the CPU engine alone so far, on one thread and without files.

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(unsafe_code)]

#[cfg(all(feature = "image", target_arch = "wasm32"))]
compile_error!("the feature `image` needs files, which wasm32 has not: build with --no-default-features");

mod alpha;
mod control;
#[doc(hidden)]
pub mod cpu;
mod device;
mod error;
mod export;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod guard;
#[cfg(feature = "image")]
mod image;
mod import;
#[doc(hidden)]
pub mod job;
#[doc(hidden)]
pub mod kernel;
pub mod learn;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod models;
mod net;
#[doc(hidden)]
pub mod oracle;
mod pixels;
#[doc(hidden)]
pub mod plan;
mod plane;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod probe;
#[doc(hidden)]
pub mod tensor;
mod upscale;
mod view;
#[doc(hidden)]
pub mod weights;

/// The modules that the façade is made of, for who builds networks by hand, looks at plans or drives the GPU. They move
/// faster than the names at the crate's root, and may change between minor versions.
///
/// [`graph`] says what to compute, [`plan`] how, [`gpu`] and
/// [`cpu`] do it; [`oracle`] says what is right.
pub mod low_level {
    #[doc(inline)]
    pub use crate::{cpu, graph, guard, job, kernel, metrics, models, oracle, plan, tensor, weights};
    #[cfg(not(target_arch = "wasm32"))]
    #[doc(inline)]
    pub use crate::{gpu, probe};
}

pub use control::{Cancel, Control, Position, Progress};
pub use device::{
    AdapterInfo, AdapterKind, Device, DeviceChoice, Feature, Peak, Precision, Selection, ShaderCompiler,
    Tier, Vectors, Without,
};
pub use error::{Error, Result};
#[cfg(not(target_arch = "wasm32"))]
pub use gpu::{Gpu, Texels, Ticket, adapters};
#[cfg(feature = "image")]
pub use image::{
    Alpha, Animation, Compression, Dpi, Encoding, FileOptions, Metadata, NewFile, Pages, Picture,
    PictureHeader, PictureReader, PictureWriter, Reading, Resolution, Size, StatedColour, Text, Unit,
    UpscaledFile, UpscaledPicture, asks_for_memory, format_of,
};
pub use job::stream::{PixelRows, Sink, Source, Tiling};
pub use models::{Model, Partition};
pub use net::{Facts, Net};
pub use pixels::{Depth, Edge, Pixels, Samples};
pub use plan::Sparsity;
#[cfg(not(target_arch = "wasm32"))]
pub use upscale::{Background, Enlarging, Parts};
pub use upscale::{
    Effort, FrameCounts, FrameUpscaler, Ladder, LadderFit, Mask, Options, Profile, ProfileRow, Replaced,
    Roofline, Streamed, TextureAlpha, Upscaled, Upscaler,
};
pub use view::{Packed, Sample, View, ViewMut};
