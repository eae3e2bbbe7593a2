//! sparsr for C.
//!
//! ```text
//!   C ─► pointers, strides in bytes ─► checked ─► View, ViewMut ─► Upscaler ─► status, sentence
//! ```
//!
//! What comes from C is looked at before it is believed: null, misaligned and overlapping memory, strides and numbers that mean
//! nothing are errors. What cannot be looked at, that a pointer leads to as much memory as is said, stands under *Safety*. No
//! panic leaves the library, and nothing is global but the log.

#![warn(missing_docs, unreachable_pub)]
#![deny(unsafe_op_in_unsafe_fn)]

mod image;
mod log;
mod pointers;
mod run;
mod status;
mod upscaler;

pub use image::*;
pub use log::*;
pub use run::*;
pub use status::*;
pub use upscaler::*;
