//! The options that say what to run and where, shared by the commands that run a network.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use etcetera::BaseStrategy;
use sparsr::low_level::models::Convention;
use sparsr::{
    AdapterInfo, AdapterKind, Cancel, Device, DeviceChoice, Effort, Gpu, Ladder, Model, Options, Precision,
    Selection, Sparsity, Tiling, Upscaler,
};

use crate::Result;
use crate::tuning::Tuning;
use crate::verdict;

/// Which network, and on what.
#[derive(clap::Args)]
pub struct Choice {
    /// The network: a built-in name, a checkpoint (.safetensors, .pth, .pt) or a graph (.onnx; .param or .bin of ncnn); by
    /// default smsr-x2, or the built-in one of the scale that is asked for
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
    /// of `sparsr devices` by number or part of its name. Several, as in `0,1` or `0,cpu`, share the work
    #[arg(long, value_name = "DEVICE[,DEVICE]", default_value = "auto")]
    device: Choices,
}

/// One device, or several that are to share the work.
#[derive(Clone)]
struct Choices(Vec<DeviceChoice>);

impl FromStr for Choices {
    type Err = String;

    /// At commas; not at those that a space follows, which are parts of names.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<String> = Vec::new();
        for part in text.split(',') {
            match parts.last_mut() {
                Some(before) if part.starts_with(' ') => before.extend([",", part]),
                _ => parts.push(part.into()),
            }
        }
        let choices = parts.iter().map(|part| part.parse().map_err(|error: sparsr::Error| error.to_string()));
        let choices: Vec<DeviceChoice> = choices.collect::<Result<_, _>>()?;
        let count = |choice| choices.iter().filter(|other| **other == choice).count();
        if choices.len() > 1 && (count(DeviceChoice::Auto) > 0 || count(DeviceChoice::Cpu) > 1) {
            return Err("of several devices expected GPUs, and cpu once at most; auto stands alone".into());
        }
        Ok(Self(choices))
    }
}

/// Which network, on what, and how.
#[derive(clap::Args)]
pub struct Engine {
    #[command(flatten)]
    choice: Choice,

    /// How much work a picture is worth, 0 to 1: easy parts go through smaller networks of a ladder, by default the built-in
    /// one. 1 is its best network everywhere, 0 the cheapest; 0.5 is half of what lies between them
    #[arg(long, value_name = "0..1", value_parser = effort, conflicts_with = "model")]
    effort: Option<f64>,

    /// Networks that `sparsr ladder` made a ladder of [effort by default: 0.5]
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    ladder: Option<PathBuf>,

    /// The ladder, once it is read.
    #[arg(skip)]
    read: OnceLock<Effort>,

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

/// Pixels from which on a picture is on its way alone: it keeps the devices busy by itself, and memory is its bound.
pub const LARGE: u64 = 4 << 20;

/// What upscalers are for.
pub struct Use {
    /// The folder of a file for what lies between the phases of a large picture, if it must.
    pub scratch: PathBuf,
    /// Pictures that a device is to have under way at once, if it can.
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

    /// The devices. A choice that `auto` would rather not have made is said aloud.
    pub fn devices(&self) -> Result<Vec<Device>> {
        let mut devices = Vec::new();
        for choice in &self.device.0 {
            let Selection { device, reason, .. } = select(choice)?;
            if self.is_auto() && device == Device::Cpu {
                tracing::warn!("runs on {reason}");
            } else {
                tracing::info!("runs on {reason}");
            }
            devices.push(device);
        }
        Ok(devices)
    }

    /// The adapter, for a command that measures one and is called `measures`. That `auto` found one in software only is
    /// said aloud.
    pub fn adapter(&self, measures: &str) -> Result<AdapterInfo> {
        let lists = "`sparsr devices` lists what there is";
        let [choice] = &self.device.0[..] else {
            return Err(format!("{measures} measures one GPU, and these are several devices: {lists}").into());
        };
        if *choice == DeviceChoice::Cpu {
            return Err(format!("{measures} measures a GPU, and this is the CPU: {lists}").into());
        }
        let adapter = choice.adapter(&sparsr::adapters())?;
        if self.is_auto() && adapter.kind == AdapterKind::Software {
            tracing::warn!("measures {}: an adapter in software, no GPU was found", adapter.name);
        }
        Ok(adapter)
    }

    fn is_auto(&self) -> bool {
        self.device.0 == [DeviceChoice::Auto]
    }
}

impl Engine {
    /// The scale of the built-in network that makes pictures so many times as large at once, if no other is named.
    pub fn scale_of(&self, factor: f64) -> Option<usize> {
        let is_named = self.choice.model.is_some() || self.ladder.is_some();
        SCALES.into_iter().find(|scale| !is_named && *scale as f64 == factor)
    }

    /// The network; of a ladder the best one.
    pub fn model(&self, scale: Option<usize>) -> Result<Model> {
        match self.effort(scale)? {
            Some(effort) => Ok(effort.ladder.best().clone()),
            None => self.choice.model(scale),
        }
    }

    /// The ladder, if there is to be one, at a scale if one is named.
    pub fn effort(&self, scale: Option<usize>) -> Result<Option<Effort>> {
        if let Some(effort) = self.read.get() {
            return Ok(Some(effort.clone()));
        }
        let ladder = match (&self.ladder, self.effort) {
            (None, None) => return Ok(None),
            (Some(path), _) => Ladder::load(path)?,
            (None, Some(_)) => Ladder::builtin(scale.unwrap_or(SCALES[0]))?,
        };
        let effort = Effort { ladder: Arc::new(ladder), effort: self.effort.unwrap_or(EFFORT) };
        Ok(Some(self.read.get_or_init(|| effort).clone()))
    }

    /// Opens the devices, each once. Several share the pictures, or, if there is one or they are large, a picture's tiles.
    pub fn upscalers(&self, model: &Model, wanted: Use) -> Result<Vec<Upscaler>> {
        let devices = self.choice.devices()?;
        let [width, height] = wanted.size;
        if devices.len() > 1 && (wanted.count == 1 || width as u64 * height as u64 >= LARGE) {
            return Ok(vec![self.sharing(model, &devices, &wanted)?]);
        }
        let mut upscalers = Vec::new();
        for device in devices {
            upscalers.extend(self.on(model, device, &wanted)?);
        }
        Ok(upscalers)
    }

    /// Upscalers that share a device's memory; one, if it is the processor, which is busy with one picture.
    fn on(&self, model: &Model, device: Device, wanted: &Use) -> Result<Vec<Upscaler>> {
        let Device::Gpu(adapter) = device else {
            return Ok(vec![Upscaler::on_cpu(model, self.options(model, wanted)?)?]);
        };
        let gpu = open(&adapter)?;
        let count = if adapter.kind == AdapterKind::Software { 1 } else { wanted.count };
        let mut options = self.options(model, wanted)?;
        options.memory = Some(options.memory.unwrap_or_else(|| gpu.memory()) / count as u64);
        options.choices = self.tuning.choices(&gpu, model, wanted.size)?;
        (0..count).map(|_| Ok(Upscaler::new(&gpu, model, options.clone())?)).collect()
    }

    /// One upscaler for several devices.
    fn sharing(&self, model: &Model, devices: &[Device], wanted: &Use) -> Result<Upscaler> {
        let mut options = self.options(model, wanted)?;
        options.cpu_takes_part = devices.contains(&Device::Cpu);
        let adapters = devices.iter().filter_map(|device| match device {
            Device::Gpu(adapter) => Some(adapter),
            Device::Cpu => None,
        });
        let gpus = adapters.map(open).collect::<Result<Vec<Gpu>>>()?;
        Ok(Upscaler::on_gpus(&gpus, model, options)?)
    }

    fn options(&self, model: &Model, wanted: &Use) -> Result<Options> {
        let mut options = Options::default();
        options.ladder = self.effort(Some(model.scale()))?;
        (options.precision, options.sparsity, options.tiling) = (self.precision, self.sparsity, self.tile);
        options.memory = self.memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20));
        options.scratch = Some(wanted.scratch.clone());
        options.control.cancel = wanted.cancel.clone();
        // Who names a device wants that one.
        options.cpu_fallback = self.choice.is_auto();
        Ok(options)
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

fn effort(text: &str) -> Result<f64, String> {
    let effort = text.parse().ok().filter(|effort| (0.0..=1.0).contains(effort));
    effort.ok_or_else(|| format!("expected a number of 0 to 1, found `{text}`"))
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

/// The effort of a ladder that is named without one.
const EFFORT: f64 = 0.5;

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
