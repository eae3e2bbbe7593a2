//! What may be chosen, from Python's words, and the devices that there are.

use pyo3::prelude::*;
use sparsr_rs::{Device, DeviceChoice, Gpu, Options, Tiling, Upscaler};

use crate::errors::{ChoiceError, Result};

/// The keyword arguments of an upscaler.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// None: a GPU, whichever.
    device: Option<DeviceChoice>,
    options: Options,
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
}

impl Chosen {
    pub(crate) fn parse(words: &Words<'_>) -> Result<Self> {
        let device = choice(words.device)?;
        let mut options = Options::default();
        options.precision = words.precision.parse()?;
        options.sparsity = words.sparsity.parse()?;
        options.tiling = tiling(words.tile)?;
        options.memory = words.memory;
        options.unusual = words.unusual;
        // Who names a device wants that one.
        options.cpu_fallback = device == Some(DeviceChoice::Auto);
        Ok(Self { device, options })
    }

    /// Opens the device.
    pub(crate) fn upscaler(self, model: &sparsr_rs::Model) -> Result<Upscaler> {
        Ok(match device(self.device.as_ref())? {
            Device::Cpu => Upscaler::on_cpu(model, self.options)?,
            Device::Gpu(adapter) => Upscaler::new(&Gpu::open(&adapter)?, model, self.options)?,
        })
    }
}

/// What a word asks for. None: a GPU, whichever.
pub(crate) fn choice(word: &str) -> Result<Option<DeviceChoice>> {
    let any = word.trim().eq_ignore_ascii_case("gpu");
    Ok(if any { None } else { Some(word.parse()?) })
}

/// The device that was asked for.
pub(crate) fn device(choice: Option<&DeviceChoice>) -> Result<Device> {
    Ok(match choice {
        Some(DeviceChoice::Cpu) => Device::Cpu, // no driver is asked
        Some(choice) => choice.select(&sparsr_rs::adapters())?.device,
        None => Device::Gpu(DeviceChoice::Auto.adapter(&sparsr_rs::adapters())?),
    })
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
