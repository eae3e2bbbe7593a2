//! Models from files: checkpoints, and networks that come with their graph. Which of them a file is its bytes tell; a file that
//! is named as a graph and is none is refused as such.

use std::fs;
use std::path::Path;

use super::Model;
use crate::error::{Error, Result};
use crate::import::{self, Imported};
use crate::weights::Weights;

impl Model {
    /// Reads a checkpoint: `.safetensors`, or PyTorch's `.pth` and `.pt`; an ONNX model, `.onnx`; or a network of ncnn's by
    /// either of its files, `.param` and `.bin`. Nothing in the file is executed.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Weights`] if it is no checkpoint, not one of a known
    /// architecture, lacks a tensor, has one of another shape, or one that the network does not read; or if a node of a
    /// model has no counterpart.
    pub fn load(path: &Path) -> Result<Self> {
        let stem =
            path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
        if let Some(imported) = import::load_halves(path)? {
            return Ok(Self::imported(stem, imported));
        }
        let (bytes, source) = (fs::read(path).map_err(Error::io(path))?, path.display().to_string());
        let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
        Self::read(stem, &source, &bytes, named)
    }

    /// [`Model::load`] of a file's bytes. `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        Self::read(name.into(), name, bytes, false)
    }

    /// A network of ncnn's from its two files, `.param` and `.bin`. `name` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Weights`] if they are none, do not fit together, or have a layer that cannot be run as it is.
    pub fn from_ncnn(name: &str, param: &[u8], bin: &[u8]) -> Result<Self> {
        Ok(Self::imported(name.into(), import::ncnn::read(name, param, bin)?))
    }

    /// A model, if it is one or is `named` so, or a checkpoint.
    fn read(name: String, source: &str, bytes: &[u8], named: bool) -> Result<Self> {
        if named || import::onnx::is_model(bytes) {
            return Ok(Self::imported(name, import::onnx::read(bytes, source)?));
        }
        Ok(Self { unseen: true, ..Self::from_weights(name, Weights::from_bytes(source, bytes)?)? })
    }

    /// A network that came from a file with its graph.
    fn imported(name: String, Imported { net, weights }: Imported) -> Self {
        Self { name, weights, known: None, net, unseen: true }
    }
}
