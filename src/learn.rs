//! Learning: what a network is trained with, on any engine.

pub mod fresh;
mod objective;
mod optimiser;
pub mod random;
mod state;
mod trainer;

pub use objective::Objective;
pub use optimiser::{Clip, Optimiser};
pub use random::Random;
pub use state::State;
pub use trainer::{Step, Trainer};
