pub mod error;
pub mod graph;
pub mod kernel;
pub mod pixels;
pub mod tensor;
pub use error::{Error, Result};
