//! Learning: what a network is trained with, on any engine.
//!
//! [`random`] draws every number of a training by its place and not by its turn, so that neither threads, nor an
//! interruption, nor the device change any. [`data`] makes batches of folders of pictures.

#[cfg(feature = "image")]
pub mod data;
pub mod random;

pub use random::Random;

use crate::tensor::Tensor;

/// Small pictures and what they shall become.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// N×3×h×w, samples `0 ..= 255`.
    pub low: Tensor,
    /// N×3×sh×sw at the scale s, samples `0 ..= 255`.
    pub high: Tensor,
}
