//! The options that say what to run and where, shared by the commands that run a network.

use std::path::Path;

use sparsr::{Device, DeviceChoice, Gpu, Model, Options, Precision, Upscaler};

use crate::Result;

#[derive(clap::Args)]
pub struct Engine {
    /// The network: a built-in name, or a checkpoint (.safetensors, .pth, .pt)
    #[arg(short, long, value_name = "NAME|PATH", default_value = "smsr-x2")]
    model: String,

    /// What to run on: `auto` (the best GPU, else the CPU), `cpu`, or one of `sparsr devices` by number or
    /// part of its name
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,

    /// How numbers are kept
    #[arg(long, default_value = "auto", value_parser = ["auto", "f32", "f16"])]
    precision: String,

    /// Whether work is skipped where the network's masks allow
    #[arg(long, default_value = "auto", value_parser = ["auto", "dense", "sparse"])]
    sparsity: String,

    /// Whether the picture is cut into tiles: `auto`, `whole`, or a tile's side in pixels
    #[arg(long, value_name = "PIXELS", default_value = "auto")]
    tile: String,
}

impl Engine {
    pub fn model(&self) -> Result<Model> {
        model(&self.model)
    }

    /// Opens the device. A choice that `auto` would rather not have made is said aloud.
    pub fn upscaler(&self, model: &Model) -> Result<Upscaler> {
        let options = self.options()?;
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
        Ok(match selection.device {
            Device::Cpu => Upscaler::on_cpu(model, options)?,
            Device::Gpu(adapter) => Upscaler::new(&Gpu::open(&adapter)?, model, options)?,
        })
    }

    /// Whether the device was left to us.
    pub fn is_auto(&self) -> bool {
        self.device == DeviceChoice::Auto
    }

    /// The CPU engine: what `auto` turns to for a picture that the GPU cannot take.
    pub fn cpu(&self, model: &Model) -> Result<Upscaler> {
        Ok(Upscaler::on_cpu(model, self.options()?)?)
    }

    /// What is asked for, refused where it comes in a later version.
    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        options.precision = match self.precision.as_str() {
            "auto" => Precision::Auto,
            "f32" => Precision::F32,
            other => return Err(format!("--precision {other} is not there yet: choose auto or f32").into()),
        };
        if self.sparsity == "sparse" {
            return Err("--sparsity sparse is not there yet: choose auto or dense".into());
        }
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
