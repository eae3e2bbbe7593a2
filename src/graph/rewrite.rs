//! Graph → Graph: the same function in another form, and where each value went.

mod fold_parameters;
mod split_concats;

pub use fold_parameters::Folding;
