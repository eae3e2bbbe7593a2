//! What the bindings have in common: a device by a word, and the library's log as lines.

mod choice;
pub mod log;

pub use choice::Choice;
