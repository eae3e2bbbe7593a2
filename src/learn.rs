//! Learning: what a network is trained with, on any engine.

mod objective;
mod optimiser;
mod state;
mod trainer;

pub use objective::Objective;
pub use optimiser::{Clip, Optimiser};
pub use state::State;
pub use trainer::{Step, Trainer};
