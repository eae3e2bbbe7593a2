//! [`Upscaler`]s on a GPU.

use super::{Options, Upscaler, admitted};
use crate::device::Precision;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::job::engine::GpuEngine;
use crate::models::Model;
use crate::plan::Storage;
use crate::probe::precision;

/// Where an upscaler runs, and how it stores numbers there.
#[derive(Debug)]
pub(super) struct OnGpu {
    gpu: Gpu,
    storage: Storage,
}

impl OnGpu {
    /// Whether another model's numbers are stored so.
    pub(super) fn stores(&self, model: &Model, options: &Options) -> Result<bool> {
        Ok(self.storage == precision::storage(&self.gpu, model, options.precision)?)
    }

    /// Another upscaler on the same device.
    pub(super) fn upscaler(&self, model: &Model, options: &Options) -> Result<Upscaler> {
        Upscaler::new(&self.gpu, model, options.clone())
    }
}

impl Upscaler {
    /// Runs on a GPU. Where [`Precision::F16`] is asked for or may be chosen, the network is tried on a small picture.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if the device cannot serve a choice;
    /// [`Error::Weights`](crate::Error::Weights) for a network that changes colours, unless [`Options::unusual`] allows it.
    pub fn new(gpu: &Gpu, model: &Model, options: Options) -> Result<Self> {
        let model = &admitted(model, &options)?;
        let memory = options.memory.unwrap_or_else(|| gpu.memory());
        let storage = precision::storage(gpu, model, options.precision)?;
        let may_widen = options.precision == Precision::Auto;
        let engine = GpuEngine::new(gpu, options.sparsity, memory)
            .with_choices(options.choices.clone())
            .keeping(storage.clone(), may_widen);
        let gpu = Some(OnGpu { gpu: gpu.clone(), storage });
        Ok(Self { gpu, ..Self::on(Box::new(engine), memory, model, options) })
    }
}
