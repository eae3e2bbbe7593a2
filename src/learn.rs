//! Learning: an objective, its gradients, an optimiser, and batches of pictures, on any engine.
//!
//! ```text
//!   Net ─► Objective (a graph up to the loss, and its gradients) ─► Trainer ◄─ Optimiser
//!   folders of pictures ─► data::Pairs ─► data::Batches ─► step(low, high) ─┘
//! ```
//!
//! [`random`] draws every number of a training by its place and not by its turn, so that neither threads, nor an
//! interruption, nor the device change any. [`data`] makes batches of folders of pictures. [`fresh`] has networks that
//! have learnt nothing yet, [`prune`] makes smaller ones of those that have, [`search`] finds structures, and
//! [`density`] tells where networks are near zero.

#[cfg(feature = "image")]
pub mod data;
pub mod density;
mod engine;
pub mod fresh;
mod layers;
mod objective;
mod optimiser;
pub mod prune;
pub mod random;
pub mod search;
mod state;
mod trainer;
mod unit;

pub use objective::Objective;
pub use optimiser::{Clip, Optimiser, Shrinkage};
pub use random::Random;
pub use state::State;
pub use trainer::{Step, Trainer};
pub use unit::unit_factor;

use crate::tensor::Tensor;

/// Small pictures and what they shall become.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// N×3×h×w, samples `0 ..= 255`.
    pub low: Tensor,
    /// N×3×sh×sw at the scale s, samples `0 ..= 255`.
    pub high: Tensor,
    /// What teachers make of the small pictures, for a student: of `high`'s shape.
    pub taught: Option<Tensor>,
}
