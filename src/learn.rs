//! Learning: a network's numbers made better, step by step.

mod state;

pub use state::State;
