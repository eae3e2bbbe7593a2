//! What a training runs on: the CPU engine, or a GPU, on which as many pictures of a batch go through at once as there is
//! room for.

use sparsr::learn::{Objective, Optimiser, Trainer};
use sparsr::low_level::graph::Parameters;
use sparsr::{AdapterKind, Device, DeviceChoice, Error, Gpu, Model, Options, Precision, Upscaler};

use crate::{Result, engine};

pub enum Machine {
    Cpu,
    Gpu(Gpu),
}

impl Machine {
    pub fn open(choice: &DeviceChoice) -> Result<Self> {
        let selection = engine::select(choice)?;
        tracing::info!("trains on {}", selection.reason);
        Ok(match selection.device {
            Device::Cpu => Self::Cpu,
            Device::Gpu(adapter) => Self::Gpu(engine::open(&adapter)?),
        })
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Cpu => "the CPU engine",
            Self::Gpu(gpu) => gpu.name(),
        }
    }

    /// The GPU, unless it is one in software.
    fn hardware(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) if gpu.kind() != AdapterKind::Software => Some(gpu),
            _ => None,
        }
    }

    /// Makes a trainer for an objective of so many pictures at once: of the most of a batch of `batch` for which there is
    /// memory. Processors, and GPUs that they stand for, take one, since what it leaves stays in their caches.
    pub fn begin(&self, batch: usize, make: impl Fn(usize) -> Result<Trainer>) -> Result<Trainer> {
        let mut pictures = if self.hardware().is_some() { batch } else { 1 };
        loop {
            match make(pictures) {
                Err(error) if pictures > 1 && wants_room(&*error) => {
                    let smaller = (1..pictures).rev().find(|fewer| batch.is_multiple_of(*fewer)).unwrap_or(1);
                    tracing::warn!("{pictures} pictures at once are too many, {smaller} are tried: {error}");
                    pictures = smaller;
                }
                made => return made,
            }
        }
    }

    pub fn trainer(
        &self,
        precision: Precision,
        objective: Objective,
        parameters: Parameters,
        optimiser: Optimiser,
    ) -> Result<Trainer> {
        Ok(match self {
            Self::Cpu if precision == Precision::F16 => {
                return Err(
                    "train.precision: the CPU engine keeps numbers as f32; expected f32, or a GPU".into()
                );
            }
            Self::Cpu => Trainer::new(objective, parameters, optimiser)?,
            Self::Gpu(gpu) => Trainer::on_gpu(gpu, precision, objective, parameters, optimiser)?,
        })
    }

    /// What enlarges whole pictures: a device in software leaves them to the CPU engine, which is faster.
    pub fn upscaler(&self, model: &Model, options: Options) -> Result<Upscaler, Error> {
        Ok(match self.hardware() {
            Some(gpu) => Upscaler::new(gpu, model, options)?,
            None => Upscaler::on_cpu(model, options)?,
        })
    }
}

fn wants_room(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(Error::OutOfMemory(_) | Error::Limits(_)))
}
