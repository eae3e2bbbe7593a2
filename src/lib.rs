#![warn(missing_docs, unreachable_pub, missing_debug_implementations)]
#![deny(unsafe_code)]
//! lib
pub mod device;
pub mod error;
pub mod gpu;
pub mod graph;
pub mod kernel;
pub mod models;
pub mod pixels;
pub mod plan;
pub mod reference;
pub mod tensor;
pub mod upscale;
pub mod weights;
pub use device::{AdapterInfo, AdapterKind, Device, DeviceChoice, Selection};
pub use error::{Error, Result};
pub use gpu::{Gpu, adapters};
pub use models::{Model, Partition};
pub use pixels::{Depth, Pixels, Samples};
pub use upscale::{Mask, Options, Precision, Upscaled, Upscaler};
