//! Networks as other programs store them: graphs, not tensors that an architecture has names for.
//!
//! ```text
//!   .param, .bin ─► ncnn ─► Net        nothing is recognised: what the file says is built, layer by layer
//! ```
//!
//! A file is a stranger's: what it does not say, or what no operator of ours is, is an error with the layer's name, and never
//! a picture. What a network takes a pixel for follows from the graph; [`crate::guard`] looks at what it makes before its first use.

pub(crate) mod ncnn;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::net::Net;
use crate::weights::Weights;

/// A network from a graph, and its numbers by the file's names.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) net: Net,
    pub(crate) weights: Weights,
}

/// The network of a file that is a graph; `None` if by its name it is no such file.
///
/// # Errors
/// [`Error::Io`] if it, or the other half of it, cannot be read; [`Error::Weights`] if it cannot be run as it is.
pub(crate) fn load(path: &Path) -> Result<Option<Imported>> {
    let Some([param, bin]) = halves(path) else { return Ok(None) };
    if path != param && !param.exists() {
        return Ok(None); // `.bin` is also what others call their checkpoints
    }
    let [graph, numbers] = [&param, &bin].map(|half| match fs::read(half) {
        Err(source) if half != path && source.kind() == std::io::ErrorKind::NotFound => {
            let reason =
                format!("expected its other half, {}, beside it, found no such file", half.display());
            Err(Error::weights(path.display().to_string(), reason))
        }
        read => read.map_err(Error::io(half)),
    });
    ncnn::read(&param.display().to_string(), &graph?, &numbers?).map(Some)
}

/// The two files of a network of ncnn's, by the name of one of them.
fn halves(path: &Path) -> Option<[PathBuf; 2]> {
    let name = path.file_name()?.to_str()?;
    let beside = |stem: &str, ending: &str| path.with_file_name(format!("{stem}{ending}"));
    if let Some(stem) = name.strip_suffix(".param.bin") {
        return Some([path.to_owned(), beside(stem, ".bin")]);
    }
    if let Some(stem) = name.strip_suffix(".param") {
        return Some([path.to_owned(), beside(stem, ".bin")]);
    }
    let stem = name.strip_suffix(".bin")?;
    let text = beside(stem, ".param");
    let param = if text.exists() { text } else { beside(stem, ".param.bin") };
    Some([param, path.to_owned()])
}
