//! What may be chosen, from Python's words, and the devices that there are.

use std::path::PathBuf;

use pyo3::prelude::*;
use sparsr_bindings::{Choice, network};
use sparsr_rs::{Model, Options, Tiling, Upscaler};

use crate::errors::{ChoiceError, Result};

/// The keyword arguments of an upscaler.
#[derive(Debug)]
pub(crate) struct Chosen {
    device: Choice,
    options: Options,
    ladder: Option<PathBuf>,
    effort: Option<f64>,
}

/// The words as they came.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) device: &'a str,
    pub(crate) precision: &'a str,
    pub(crate) sparsity: &'a str,
    pub(crate) tile: &'a str,
    pub(crate) memory: Option<u64>,
    pub(crate) unusual: bool,
    pub(crate) effort: Option<f64>,
    pub(crate) ladder: Option<PathBuf>,
}

impl Chosen {
    pub(crate) fn parse(words: Words<'_>) -> Result<Self> {
        let device = words.device.parse()?;
        let mut options = Options::default();
        options.precision = words.precision.parse()?;
        options.sparsity = words.sparsity.parse()?;
        options.tiling = tiling(words.tile)?;
        options.memory = words.memory;
        options.unusual = words.unusual;
        Ok(Self { device, options, ladder: words.ladder, effort: words.effort })
    }

    /// Opens the device for a network, or for those of a ladder.
    pub(crate) fn upscaler(mut self, model: Option<Model>) -> Result<Upscaler> {
        let (model, ladder) = network(model, self.ladder.as_deref(), self.effort)?;
        self.options.ladder = ladder;
        Ok(self.device.upscaler(&model, self.options)?)
    }
}

fn tiling(word: &str) -> Result<Tiling> {
    match (word, word.parse()) {
        ("auto", _) => Ok(Tiling::Auto),
        ("whole", _) => Ok(Tiling::Whole),
        (_, Ok(side)) => Ok(Tiling::Pixels(side)),
        _ => {
            let sentence = format!("tile: expected `auto`, `whole` or a number of pixels, found `{word}`");
            Err(ChoiceError::new_err(sentence).into())
        }
    }
}

/// Index, name, kind, backend, driver, and why it is not used.
type Row = (usize, String, String, String, String, Option<String>);

/// Every adapter, a row each.
#[pyfunction]
pub(crate) fn adapters(py: Python<'_>) -> Vec<Row> {
    let adapters = py.detach(sparsr_rs::adapters);
    let row = |adapter: sparsr_rs::AdapterInfo| {
        let (refused, kind) = (adapter.refusal(), adapter.kind.to_string());
        (adapter.index, adapter.name, kind, adapter.backend, adapter.driver, refused)
    };
    adapters.into_iter().map(row).collect()
}
