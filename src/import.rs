//! Import of networks that other programs describe as graphs.
//!
//! A file that holds a graph needs no known architecture: its nodes become those of a [`Graph`](crate::graph::Graph), the
//! facts of the network (scale, alignment, smallest side) are found by trial at several sizes, and what has no counterpart
//! is refused by the node's name with the reason.
//!
//! A file is a stranger's, as a checkpoint is: nothing in it is executed, and what it may allocate is bounded by its size
//! (`tests/fuzz.rs`, `tests/fuzz_ncnn.rs`). Whether the network makes pictures at all [`guard`](crate::guard) looks at before its first use.

pub(crate) mod ncnn;
pub(crate) mod onnx;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::net::Net;
use crate::weights::Weights;

/// Multiples of what a picture's sides may have to be, in the order in which they are tried.
const ALIGNMENTS: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

/// A reader's result: the reason alone, to which others add where.
type Reading<T> = std::result::Result<T, String>;

/// A network that was read from a file with its graph.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The graph, its numbers, and the facts.
    pub(crate) net: Net,
    /// The file's tensors of real numbers, under its own names.
    pub(crate) weights: Weights,
}

/// A network of ncnn's by one of its two files; `None` if by its name, and what lies beside it, it is none.
///
/// # Errors
/// [`Error::Io`] if it, or the other half of it, cannot be read; [`Error::Weights`] if it cannot be run as it is.
pub(crate) fn load_halves(path: &Path) -> Result<Option<Imported>> {
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
