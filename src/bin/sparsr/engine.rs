//! The options that say what to run and where, shared by the commands that run a network.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use sparsr::low_level::models::Convention;
use sparsr::{
    AdapterInfo, AdapterKind, Cancel, Device, DeviceChoice, Gpu, Model, Options, Precision, Selection,
    Sparsity, Tiling, Upscaler,
};

use crate::Result;
use crate::tuning::Tuning;
use crate::verdict;

/// Which network, and on what.
#[derive(clap::Args)]
pub struct Choice {
    /// The network: a built-in name, or a checkpoint (.safetensors, .pth, .pt); by default smsr-x2, or the built-in one of
    /// the network's scale that is asked for
    #[arg(short, long, value_name = "NAME|PATH")]
    model: Option<String>,

    /// Run a network that changes a picture's colours, which is otherwise refused: it is tried before its first use
    #[arg(long)]
    unusual: bool,

    /// The value of white that the network was trained with, where its tensors do not tell and the trial is wrong
    #[arg(long, value_name = "1|255", value_parser = white)]
    white: Option<f32>,

    /// The mean that it takes from a picture, of 0 to 1 each, likewise
    #[arg(long, value_name = "R,G,B", value_parser = mean)]
    mean: Option<[f32; 3]>,

    /// What to run on: `auto` (the best GPU, else the CPU; an adapter in software is slower than that), `cpu`, or one
    /// of `sparsr devices` by number or part of its name
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

/// Which network, on what, and how.
#[derive(clap::Args)]
pub struct Engine {
    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    tuning: Tuning,

    /// How a GPU keeps numbers: `f16` takes half the memory and its traffic, `auto` takes it where it makes the same
    /// picture and is faster
    #[arg(long, value_name = "auto|f32|f16", default_value_t)]
    precision: Precision,

    /// Whether a GPU skips work where the network's masks allow: `dense` never does, `sparse` always, `auto`
    /// where it pays. The picture is the same; the CPU always does
    #[arg(long, value_name = "auto|dense|sparse", default_value_t)]
    sparsity: Sparsity,

    /// Whether the picture is cut into tiles, which need less memory: `auto` where it does not fit in one piece,
    /// `whole` never, or a tile's side in pixels. The picture is the same
    #[arg(long, value_name = "auto|whole|PIXELS", default_value = "auto", value_parser = tiling)]
    tile: Tiling,

    /// MiB that the device may use, and half as many of the computer's memory for large pictures
    /// [default: from the device]
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
}

/// What upscalers are for.
pub struct Use {
    /// The folder of a file for what lies between the phases of a large picture, if it must.
    pub scratch: PathBuf,
    pub count: usize,
    /// Pictures are of about this size: a GPU's kernels are chosen for that.
    pub size: [usize; 2],
    pub cancel: Cancel,
}

impl Choice {
    /// The network, at a scale if one is named; one from a file is tried before its first use.
    pub fn model(&self, scale: Option<usize>) -> Result<Model> {
        let mut model = match (&self.model, scale) {
            (Some(name), _) => model(name, scale)?,
            (None, None) => Model::builtin("smsr-x2")?,
            (None, Some(scale)) => built_in(scale)?,
        };
        if self.white.is_some() || self.mean.is_some() {
            let own = model.convention().unwrap_or(Convention { white: 1.0, mean: [0.0; 3] });
            let (white, mean) = (self.white.unwrap_or(own.white), self.mean.unwrap_or(own.mean));
            model = model.by_convention(Convention { white, mean })?;
            verdict::only_as_told(&model, self.unusual)
        } else if self.unusual {
            Ok(model.seen(None)?)
        } else {
            verdict::admitted(&model)
        }
    }

    /// The device. A choice that `auto` would rather not have made is said aloud.
    pub fn device(&self) -> Result<Device> {
        let selection = select(&self.device)?;
        let reason = &selection.reason;
        if self.is_auto() && selection.device == Device::Cpu {
            tracing::warn!("runs on {reason}");
        } else {
            tracing::info!("runs on {reason}");
        }
        Ok(selection.device)
    }

    /// The adapter, for a command that measures one and is called `measures`. That `auto` found one in software only is
    /// said aloud.
    pub fn adapter(&self, measures: &str) -> Result<AdapterInfo> {
        if self.device == DeviceChoice::Cpu {
            let lists = "`sparsr devices` lists what there is";
            return Err(format!("{measures} measures a GPU, and this is the CPU: {lists}").into());
        }
        let adapter = self.device.adapter(&sparsr::adapters())?;
        if self.is_auto() && adapter.kind == AdapterKind::Software {
            tracing::warn!("measures {}: an adapter in software, no GPU was found", adapter.name);
        }
        Ok(adapter)
    }

    fn is_auto(&self) -> bool {
        self.device == DeviceChoice::Auto
    }
}

impl Engine {
    /// The scale of the built-in network that makes pictures so many times as large at once, if no other is named.
    pub fn scale_of(&self, factor: f64) -> Option<usize> {
        SCALES.into_iter().find(|scale| self.choice.model.is_none() && *scale as f64 == factor)
    }

    pub fn model(&self, scale: Option<usize>) -> Result<Model> {
        self.choice.model(scale)
    }

    /// Opens the device, once, for several upscalers that share its memory; for one, if it is the processor, which is
    /// busy with one picture.
    pub fn upscalers(&self, model: &Model, wanted: Use) -> Result<Vec<Upscaler>> {
        let Use { scratch, count, size, cancel } = wanted;
        let (gpu, count) = match self.choice.device()? {
            Device::Cpu => (None, 1),
            Device::Gpu(adapter) if adapter.kind == AdapterKind::Software => (Some(open(&adapter)?), 1),
            Device::Gpu(adapter) => (Some(open(&adapter)?), count),
        };
        let memory = self.memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20));
        let memory = memory.or(gpu.as_ref().map(Gpu::memory));
        let choices = match &gpu {
            None => None,
            Some(gpu) => self.tuning.choices(gpu, model, size)?,
        };
        let upscaler = |_| {
            let mut options = Options::default();
            (options.precision, options.sparsity, options.tiling) =
                (self.precision, self.sparsity, self.tile);
            options.memory = memory.map(|memory| memory / count as u64);
            options.choices = choices.clone();
            options.scratch = Some(scratch.clone());
            options.control.cancel = cancel.clone();
            // Who names a device wants that one.
            options.cpu_fallback = self.choice.is_auto();
            Ok(match &gpu {
                None => Upscaler::on_cpu(model, options)?,
                Some(gpu) => Upscaler::new(gpu, model, options)?,
            })
        };
        (0..count).map(upscaler).collect()
    }
}

/// Chooses a device. The CPU needs no driver, so no driver is asked.
pub fn select(choice: &DeviceChoice) -> Result<Selection> {
    let adapters = if *choice == DeviceChoice::Cpu { Vec::new() } else { sparsr::adapters() };
    Ok(choice.select(&adapters)?)
}

/// Opens an adapter, with the pipelines that earlier runs of the program left for it.
pub fn open(adapter: &AdapterInfo) -> Result<Gpu> {
    Ok(match pipelines(adapter) {
        Some(path) => Gpu::open_with_cache(adapter, path)?,
        None => Gpu::open(adapter)?,
    })
}

/// Their file among what can be made again.
fn pipelines(adapter: &AdapterInfo) -> Option<PathBuf> {
    let name: String = (adapter.name.chars())
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .collect();
    cache_folder().map(|folder| folder.join(format!("{}-{name}.pipelines", adapter.backend)))
}

/// The variable that names the folder in place of the system's for caches.
const CACHE: &str = "SPARSR_CACHE";

/// Where the program keeps what can be made again.
pub fn cache_folder() -> Option<PathBuf> {
    match std::env::var_os(CACHE).filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(folder.into()),
        None => Some(etcetera::base_strategy::choose_native_strategy().ok()?.cache_dir().join("sparsr")),
    }
}

fn white(text: &str) -> Result<f32, String> {
    match text {
        "1" => Ok(1.0),
        "255" => Ok(255.0),
        _ => Err(format!("expected 1 or 255, found `{text}`")),
    }
}

fn mean(text: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match <[f32; 3]>::try_from(numbers) {
        Ok(mean) if mean.iter().all(|number| (0.0..=1.0).contains(number)) => Ok(mean),
        _ => Err(format!("expected three numbers of 0 to 1, such as 0.485,0.456,0.406, found `{text}`")),
    }
}

fn tiling(text: &str) -> Result<Tiling, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(Tiling::Auto),
        ("whole", _) => Ok(Tiling::Whole),
        (_, Ok(side)) if side >= 16 => Ok(Tiling::Pixels(side)),
        _ => Err(format!("expected auto, whole or a number of pixels, 16 or more, found `{text}`")),
    }
}

/// Scales of built-in networks for clean pictures.
const SCALES: [usize; 3] = [2, 3, 4];

/// The built-in network of a scale.
fn built_in(scale: usize) -> Result<Model> {
    if !SCALES.contains(&scale) {
        let reason =
            format!("no built-in network of x{scale}: there are x2, x3 and x4; -m names a checkpoint");
        return Err(reason.into());
    }
    Ok(Model::builtin(&format!("smsr-x{scale}"))?)
}

/// A built-in network by its name, or one from a file; at that scale, if one is named.
pub fn model(name: &str, scale: Option<usize>) -> Result<Model> {
    let model = if Model::builtin_names().contains(&name) {
        Model::builtin(name)?
    } else {
        let path = Path::new(name);
        if !path.exists() && path.extension().is_none() {
            let names = Model::builtin_names().join(", ");
            let reason = format!("no model `{name}`: it is neither a file nor built in (there are: {names})");
            return Err(reason.into());
        }
        Model::load(path)?
    };
    match scale {
        Some(scale) => Ok(model.at_scale(scale)?),
        None => Ok(model),
    }
}
