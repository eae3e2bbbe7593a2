//! A picture's way through a network: windows of tiles, computed by an engine, read from rows and written to rows.

pub(crate) mod cells;
mod crew;
pub mod engine;
mod schedule;
pub(crate) mod scratch;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod tiles;
