//! What may be chosen, from Python's words, and the devices that there are.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use sparsr_bindings::Choice;
use sparsr_rs::{Effort, Ladder, Model, Options, Tiling, Upscaler};

use crate::errors::{ChoiceError, Result};

/// The keyword arguments of an upscaler.
#[derive(Debug)]
pub(crate) struct Chosen {
    device: Choice,
    options: Options,
    /// A ladder's file, or the built-in one, and its effort.
    ladder: Option<(Option<PathBuf>, f64)>,
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

/// Where no network is given.
const USUAL: &str = "smsr-x2";

/// The effort of a ladder that is given without one, and the built-in ladder's scale where no network is.
const EFFORT: f64 = 0.5;
const SCALE: usize = 2;

impl Chosen {
    pub(crate) fn parse(words: Words<'_>) -> Result<Self> {
        let device = words.device.parse()?;
        let mut options = Options::default();
        options.precision = words.precision.parse()?;
        options.sparsity = words.sparsity.parse()?;
        options.tiling = tiling(words.tile)?;
        options.memory = words.memory;
        options.unusual = words.unusual;
        let effort = words.effort.unwrap_or(EFFORT);
        if !(0.0..=1.0).contains(&effort) {
            return Err(ChoiceError::new_err(format!("effort: expected 0 to 1, found {effort}")).into());
        }
        let is_laddered = words.effort.is_some() || words.ladder.is_some();
        Ok(Self { device, options, ladder: is_laddered.then_some((words.ladder, effort)) })
    }

    /// Opens the device for a network, which of a ladder is the best one; for the ladder's or a built-in one if none is given.
    pub(crate) fn upscaler(mut self, model: Option<Model>) -> Result<Upscaler> {
        let Some((file, effort)) = self.ladder else {
            let model = model.map_or_else(|| Model::builtin(USUAL), Ok)?;
            return Ok(self.device.upscaler(&model, self.options)?);
        };
        let ladder = match file {
            Some(file) => Ladder::load(&file)?,
            None => Ladder::builtin(model.as_ref().map_or(SCALE, Model::scale))?,
        };
        let model = model.unwrap_or_else(|| ladder.best().clone());
        self.options.ladder = Some(Effort { ladder: Arc::new(ladder), effort });
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
