//! What the bindings have in common: a device and a ladder by words, and the library's log as lines.

mod choice;
pub mod log;
mod network;

pub use choice::Choice;
pub use network::network;
