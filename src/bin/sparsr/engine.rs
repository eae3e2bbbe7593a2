//! The options that say what to run and where, shared by the commands that run a network.

use std::path::Path;

use sparsr::{Device, DeviceChoice, Gpu, Model, Options, Precision, Sparsity, Upscaler};

use crate::Result;

/// Which network, and on what.
#[derive(clap::Args)]
pub struct Choice {
    /// The network: a built-in name, or a checkpoint (.safetensors, .pth, .pt)
    #[arg(short, long, value_name = "NAME|PATH", default_value = "smsr-x2")]
    model: String,

    /// What to run on: `auto` (the best GPU, else the CPU), `cpu`, or one of `sparsr devices` by number or
    /// part of its name
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

/// Which network, on what, and how.
#[derive(clap::Args)]
pub struct Engine {
    #[command(flatten)]
    choice: Choice,

    /// How numbers are kept
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "f16"])]
    precision: String,

    /// Whether a GPU skips work where the network's masks allow: `dense` never does, `sparse` always, `auto`
    /// where it pays. The picture is the same; the CPU always does
    #[arg(long, value_name = "auto|dense|sparse", default_value_t)]
    sparsity: Sparsity,

    /// Whether the picture is cut into tiles: `auto`, `whole`, or a tile's side in pixels
    #[arg(long, value_name = "PIXELS", default_value = "auto")]
    tile: String,
}

impl Choice {
    pub fn model(&self) -> Result<Model> {
        model(&self.model)
    }

    /// The device. A choice that `auto` would rather not have made is said aloud.
    pub fn device(&self) -> Result<Device> {
        // The CPU needs no driver, so no driver is asked.
        let adapters = if self.device == DeviceChoice::Cpu { Vec::new() } else { sparsr::adapters() };
        let selection = self.device.select(&adapters)?;
        let reason = &selection.reason;
        let second_choice = match &selection.device {
            Device::Cpu => true,
            Device::Gpu(adapter) => adapter.kind == sparsr::AdapterKind::Software,
        };
        if self.is_auto() && second_choice {
            tracing::warn!("runs on {reason}");
        } else {
            tracing::info!("runs on {reason}");
        }
        Ok(selection.device)
    }

    fn is_auto(&self) -> bool {
        self.device == DeviceChoice::Auto
    }
}

impl Engine {
    pub fn model(&self) -> Result<Model> {
        self.choice.model()
    }

    /// Opens the device.
    pub fn upscaler(&self, model: &Model) -> Result<Upscaler> {
        let options = self.options()?;
        Ok(match self.choice.device()? {
            Device::Cpu => Upscaler::on_cpu(model, options)?,
            Device::Gpu(adapter) => Upscaler::new(&Gpu::open(&adapter)?, model, options)?,
        })
    }

    /// Whether the device was left to us.
    pub fn is_auto(&self) -> bool {
        self.choice.is_auto()
    }

    /// The CPU engine: what `auto` turns to for a picture that the GPU cannot take.
    pub fn cpu(&self, model: &Model) -> Result<Upscaler> {
        Ok(Upscaler::on_cpu(model, self.options()?)?)
    }

    /// What is asked for, refused where it comes in a later version.
    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        options.sparsity = self.sparsity;
        options.precision = match self.precision.as_str() {
            "auto" => Precision::Auto,
            "f32" => Precision::F32,
            other => return Err(format!("--precision {other} is not there yet: choose auto or f32").into()),
        };
        match self.tile.as_str() {
            "auto" | "whole" => Ok(options),
            other if other.parse::<usize>().is_ok() => {
                Err(format!("--tile {other} is not there yet: choose auto or whole").into())
            }
            other => {
                Err(format!("--tile: expected auto, whole or a number of pixels, found `{other}`").into())
            }
        }
    }
}

/// A built-in network by its name, or one from a file.
pub fn model(name: &str) -> Result<Model> {
    if Model::builtin_names().contains(&name) {
        return Ok(Model::builtin(name)?);
    }
    let path = Path::new(name);
    if path.exists() || path.extension().is_some() {
        return Ok(Model::load(path)?);
    }
    let names = Model::builtin_names().join(", ");
    Err(format!("no model `{name}`: it is neither a file nor built in (there are: {names})").into())
}
