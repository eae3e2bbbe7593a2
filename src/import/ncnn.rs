//! Networks of ncnn: a `.param` has the layers, a `.bin` their numbers, in the same order.
//!
//! ```text
//!   .param ─► layers ─┐
//!   .bin ───► numbers ┴─► places ─► graph::Builder ─► Net
//! ```
//!
//! Convolutions of many of them are *valid*: what they make is smaller than what they read, and their hosts put a border around
//! pictures. Here every value is as large as the picture with its border, times its scale, and is right but for a
//! margin that grows from layer to layer (`place`); so crops come to nothing, and convolutions keep the size.

mod binary;
mod build;
mod convolution;
mod layer;
mod making;
mod numbers;
mod place;
mod sums;

use super::{ALIGNMENTS, Imported, Reading};
use crate::error::{Error, Result};

/// Layers that any file may have, and bytes for each more: a layer of a few letters takes as much memory as another.
const LAYERS: usize = 512;
const BYTES_A_LAYER: usize = 256;

/// What the builder of a graph said.
fn said<T>(made: Result<T>) -> Reading<T> {
    made.map_err(|error| error.to_string())
}

/// A network of its two files. `source` names it in errors.
///
/// # Errors
/// [`Error::Weights`] if they are none, do not fit together, or have a layer that cannot be run as it is.
pub(crate) fn read(source: &str, param: &[u8], bin: &[u8]) -> Result<Imported> {
    let named = |reason| Error::weights(source, reason);
    let text = layer::text(param).map_err(named)?;
    let most = LAYERS + (param.len() + bin.len()) / BYTES_A_LAYER;
    let layers = layer::layers(&text, most).map_err(named)?;
    // Before the numbers, which nobody finds behind those of an unknown layer.
    if let Some(layer) = layers.iter().find(|layer| !binary::has(layer.kind)) {
        return Err(named(layer.wrong("a layer that is known", layer.kind)));
    }
    let numbers = numbers::read(&layers, bin).map_err(named)?;
    build::build(source, &layers, &numbers)
}
