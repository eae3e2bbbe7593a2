//! Graph → Graph: the same function in another form, and where each value went.

mod fold_parameters;
mod gradient;
mod split_concats;

pub use fold_parameters::Folding;
pub use gradient::Backward;
