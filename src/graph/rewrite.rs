//! Graph → Graph: the same function in another form, and where each value went.

mod fold_parameters;
mod gradient;
mod in_colour;
mod narrow;
mod split_concats;
mod stand_ins;

pub use fold_parameters::Folding;
pub use gradient::Backward;
pub(crate) use in_colour::in_colour;
pub(crate) use stand_ins::StandIns;
