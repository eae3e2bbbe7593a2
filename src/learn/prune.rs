//! Pruning.

mod terms;

pub use terms::Terms;
