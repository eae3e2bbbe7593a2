//! The façade: a picture in, one `scale` times as large out.

#[cfg(not(target_arch = "wasm32"))]
mod background;
mod frames;
#[cfg_attr(target_arch = "wasm32", path = "upscale/no_gpu.rs")]
mod gpu;
mod ladder;
mod profile;
mod warm_up;

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(not(target_arch = "wasm32"))]
pub use background::{Background, Enlarging};
pub use frames::{FrameCounts, FrameUpscaler};
use gpu::OnGpu;
#[cfg(not(target_arch = "wasm32"))]
pub use gpu::Parts;
pub use gpu::TextureAlpha;
use ladder::Rungs;
pub use ladder::{Effort, Ladder, LadderFit};
pub use profile::{Profile, ProfileRow, Roofline};

use crate::control::{Control, Progress};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::guard;
use crate::job::engine::{CpuEngine, Engine};
use crate::job::scratch;
use crate::job::stream::{Bordered, Budget, Cropped, Known, Outcome, PixelRows, Run, Sink, Source, Tiling};
use crate::models::Model;
use crate::pixels::Pixels;
use crate::plan::{Choices, Phase, Sparsity};

/// What the caller may choose.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// How a GPU keeps numbers. The CPU engine keeps them in f32.
    pub precision: Precision,
    /// Whether a GPU skips the work that the network's masks leave out. The CPU engine always does.
    pub sparsity: Sparsity,
    /// Whether and how pictures are cut into tiles. The result is the same.
    pub tiling: Tiling,
    /// Bytes that a GPU's buffers may take. A half as much may be taken of the host's memory by the CPU engine,
    /// and by what networks with global pools store of a picture in tiles; the rest of that goes to a temporary file.
    /// By default [`crate::Gpu::memory`], and 1 GiB for the host. If not even the smallest tile fits, that is an error;
    /// what [`Tiling::Whole`] and [`Tiling::Pixels`] ask for is made whatever it takes, and so are pictures of networks
    /// that look at the whole picture.
    pub memory: Option<u64>,
    /// The folder of that file; by default the system's for temporary files.
    pub scratch: Option<PathBuf>,
    /// What [`crate::probe::tune`] measured on the GPU, for its choice of kernels; otherwise it is by the shipped table. The
    /// result is the same but for rounding.
    pub choices: Option<Arc<Choices>>,
    /// Ends runs from without, and tells how far they are.
    pub control: Control,
    /// Whether the CPU engine takes a share of a GPU's tiles, so far as it is not too slow for that.
    pub cpu_takes_part: bool,
    /// Whether the CPU engine goes on where a GPU fails. A warning in the log then says so.
    pub cpu_fallback: bool,
    /// What becomes of alpha from texture to texture.
    pub texture_alpha: TextureAlpha,
    /// A ladder of networks and how much work it may do. The upscaler is made for the best of them; parts of pictures that
    /// need less go through others. Frames of a video that change are computed as a whole then; textures are the best
    /// network's alone.
    pub ladder: Option<Effort>,
    /// Whether a network from a file may change a picture's colours. Otherwise one is tried before its first use, and is
    /// refused if it does ([`crate::guard`]).
    pub unusual: bool,
}

/// What [`Options::memory`] is for the host where nothing is asked for.
const HOST_MEMORY: u64 = 1 << 30;

/// The most that the CPU engine takes for one window, however much there is: the halos of larger ones are not worth
/// speaking of.
const CPU_WINDOW: u64 = 512 << 20;

/// Enlarges pictures with one model on one device, or on several that share a picture ([`Upscaler::on_gpus`]).
///
/// What it prepares for a picture's size it keeps for the next picture of that size.
#[derive(Debug)]
pub struct Upscaler {
    model: Model,
    /// The first `together` work as one; the rest are for when those fail, one after the other.
    engines: Vec<Box<dyn Engine>>,
    together: usize,
    budget: Budget,
    known: Known,
    /// The GPUs that the first engines are, if they are.
    gpu: Option<OnGpu>,
    /// The other networks of a ladder.
    rungs: Option<Box<Rungs>>,
    options: Options,
}

/// What became of an upscaler's plans when it went on with another model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replaced {
    /// They hold: numbers alone were replaced. Nothing is planned, compiled or allocated on the device.
    Numbers,
    /// The network is another one, or its plans took something from the numbers that no longer holds, such as how many of
    /// SMSR's channels are dense: plans are made anew, as they are needed.
    Plans,
}

/// What enlarging a stream of rows took.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Streamed {
    /// The share of the dense network's multiply-adds that masks and channel partitions leave, 0 … 1.
    pub macs_kept: f64,
    /// How many pixels were computed for each that was kept: 1 in one piece, more where tiles overlap.
    pub recomputed: f64,
}

/// What a run did.
struct Enlarged {
    /// Multiply-adds, and those of the dense network.
    macs: f64,
    dense: f64,
    masks: Vec<Mask>,
    /// Pixels computed for each that was kept.
    recomputed: f64,
}

/// An enlarged picture, and where the work went.
#[derive(Clone, Debug)]
pub struct Upscaled {
    /// The picture, of the input's depth.
    pub pixels: Pixels,
    /// The spatial mask of every sparse module, in order; none for a dense network. Of a ladder, where each network worked.
    pub masks: Vec<Mask>,
    /// The share of the dense network's multiply-adds that masks and channel partitions leave, 0 … 1; of a ladder, what all
    /// its networks took, halos and all, as a share of the best network's when it is dense.
    pub macs_kept: f64,
}

/// Where a sparse module, or a network of a ladder, worked.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The module's mask, by the checkpoint's path, or the network's name.
    pub name: String,
    /// Columns: the input picture's.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// For every pixel in raster order whether sparse channels, or the network, were needed there.
    pub active: Vec<bool>,
}

impl Mask {
    /// The share of active pixels, 0 … 1.
    pub fn density(&self) -> f64 {
        self.active.iter().filter(|active| **active).count() as f64 / self.active.len().max(1) as f64
    }
}

impl Upscaler {
    /// Runs on the CPU engine, which needs no driver.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for [`Precision::F16`]; [`Error::Weights`](crate::Error::Weights)
    /// for a network that changes colours, unless [`Options::unusual`] allows it.
    pub fn on_cpu(model: &Model, options: Options) -> Result<Self> {
        if options.precision == Precision::F16 {
            return Err(Precision::unsupported("the CPU engine"));
        }
        let model = &admitted(model, &options)?;
        let options = Options { cpu_fallback: false, cpu_takes_part: false, ..options };
        let memory = cpu_memory(&options);
        let upscaler = Self::on(vec![(Box::new(CpuEngine::new()), memory)], model, options);
        upscaler.with_rungs(Self::on_cpu)
    }

    /// Runs on any engine: a test's that fails on purpose, for example. Of the options `sparsity` and
    /// `precision` have no meaning to it.
    pub fn on_engine(engine: Box<dyn Engine>, model: &Model, options: Options) -> Self {
        Self::on_engines(vec![engine], model, options)
    }

    /// Runs on any engines, which share a picture's tiles ([`Upscaler::on_gpus`]).
    ///
    /// # Panics
    /// If there is none.
    #[doc(hidden)]
    pub fn on_engines(engines: Vec<Box<dyn Engine>>, model: &Model, options: Options) -> Self {
        let memory = options.memory.unwrap_or(HOST_MEMORY);
        Self::on(engines.into_iter().map(|engine| (engine, memory)).collect(), model, options)
    }

    /// Engines that work together, with the memory that each may take.
    fn on(engines: Vec<(Box<dyn Engine>, u64)>, model: &Model, options: Options) -> Self {
        let (mut engines, mut memory): (Vec<_>, Vec<_>) = engines.into_iter().unzip();
        assert!(!engines.is_empty(), "an upscaler has an engine");
        let mut together = engines.len();
        if options.cpu_takes_part || options.cpu_fallback {
            together += usize::from(options.cpu_takes_part);
            engines.push(Box::new(CpuEngine::new()) as Box<dyn Engine>);
            memory.push(cpu_memory(&options));
        }
        engines.iter_mut().for_each(|engine| engine.begin(model.net().numbers()));
        let scratch = options.scratch.clone().unwrap_or_else(scratch::usual_folder);
        let store = options.memory.unwrap_or(HOST_MEMORY) / 2;
        let budget = Budget { tiling: options.tiling, memory, store, scratch };
        let known = Known::default();
        Self { model: model.clone(), engines, together, budget, known, gpu: None, rungs: None, options }
    }

    /// The same with an upscaler for each other network of the ladder that it is to have.
    fn with_rungs(mut self, make: impl Fn(&Model, Options) -> Result<Self>) -> Result<Self> {
        let Some(effort) = self.options.ladder.take() else { return Ok(self) };
        let (best, own) = (effort.ladder.best(), &self.model);
        if !(0.0..=1.0).contains(&effort.effort) {
            return Err(Error::Unsupported(format!("effort: expected 0 to 1, found {}", effort.effort)));
        }
        if best.name() != own.name() || best.scale() != own.scale() {
            let reason =
                format!("expected the best network of the ladder, {}, found {}", best.name(), own.name());
            return Err(Error::Unsupported(reason));
        }
        if effort.effort < 1.0 {
            let rungs = Rungs::new(&effort, |model| make(model, self.options.clone()))?;
            self.rungs = Some(Box::new(rungs));
        }
        Ok(self)
    }

    /// Whether a pixel's number depends on what it sees alone.
    fn is_placeless(&self) -> bool {
        self.engines[..self.together].iter().all(|engine| engine.is_placeless())
    }

    /// Goes on with another model: another network, or the same one with other numbers.
    ///
    /// # Errors
    /// As [`Upscaler::new`]; [`Error::Unsupported`](crate::Error::Unsupported) with a ladder, whose networks stay. The upscaler then has
    /// the model that it had.
    pub fn set_model(&mut self, model: &Model) -> Result<Replaced> {
        if self.rungs.is_some() {
            let reason = "a ladder's networks stay: make another upscaler for another model";
            return Err(Error::Unsupported(reason.into()));
        }
        let model = &admitted(model, &self.options)?;
        self.gpu.iter_mut().for_each(OnGpu::forget_textures);
        let stored_so =
            self.gpu.as_ref().map_or(Ok(true), |gpu| gpu.stores(model, &self.model, &self.options))?;
        if stored_so && self.model.net().has_plans_of(model.net()) {
            for engine in &mut self.engines {
                engine.set_parameters(model.net().numbers())?;
            }
            self.model = model.clone();
            return Ok(Replaced::Numbers);
        }
        if let Some(gpu) = &self.gpu {
            *self = gpu.upscaler(model, &self.options)?;
        } else {
            self.engines.iter_mut().for_each(|engine| engine.begin(model.net().numbers()));
            (self.model, self.known) = (model.clone(), Known::default());
        }
        Ok(Replaced::Plans)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device's name; of several that work together all their names.
    pub fn device(&self) -> String {
        let names: Vec<String> = self.engines[..self.together].iter().map(|engine| engine.name()).collect();
        names.join(" and ")
    }

    /// How the device keeps numbers, f32 or f16: of [`Precision::Auto`] what became of it.
    pub fn precision(&self) -> Precision {
        self.engines[0].precision()
    }

    /// How far the run is that is under way, for who looks on from another thread.
    pub fn progress(&self) -> Progress {
        self.options.control.progress.clone()
    }

    /// Puts the runs to come into other hands.
    pub fn set_control(&mut self, control: &Control) {
        self.options.control = control.clone();
    }

    /// Enlarges RGB pixels. A picture that is smaller than the model's smallest, or no multiple of its alignment, is
    /// extended by its last row and column, and the result cropped.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for tiles of no pixels,
    /// [`Error::Limits`](crate::Error::Limits) if the picture does not fit and may not be cut, [`Error::OutOfMemory`](crate::Error::OutOfMemory) if not even the
    /// smallest tile fits, [`Error::Device`](crate::Error::Device) if the device is lost or makes anything but finite numbers,
    /// [`Error::Cancelled`](crate::Error::Cancelled) if [`Options::control`] says so.
    pub fn upscale_pixels(&mut self, picture: &Pixels) -> Result<Upscaled> {
        let mut rows: Vec<Pixels> = Vec::new();
        let Enlarged { macs, dense, masks, .. } =
            self.enlarge(&mut PixelRows::new(picture), &mut rows, true)?;
        Ok(Upscaled { pixels: joined(rows), masks, macs_kept: macs / dense })
    }

    /// [`Upscaler::upscale_pixels`] from rows to rows: of a picture in tiles no more than some rows are in memory.
    ///
    /// # Errors
    /// As [`Upscaler::upscale_pixels`], and what `source` and `sink` say. The sink then has had a part of the picture,
    /// or nothing.
    pub fn upscale_rows(&mut self, source: &mut dyn Source, sink: &mut dyn Sink) -> Result<Streamed> {
        let Enlarged { macs, dense, recomputed, .. } = self.enlarge(source, sink, false)?;
        Ok(Streamed { macs_kept: macs / dense, recomputed })
    }

    /// Where the time of [`Upscaler::upscale_pixels`] goes on a GPU, the first of several. Runs everything twice: only the
    /// second run of each window counts.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on the CPU engine, and for a device without timestamp queries; and whatever
    /// [`Upscaler::upscale_pixels`] says.
    pub fn profile(&mut self, picture: &Pixels) -> Result<Profile> {
        self.engines[0].time_steps(true)?;
        let mut rows: Vec<Pixels> = Vec::new();
        let together = std::mem::replace(&mut self.together, 1);
        let outcome = self.run(&mut PixelRows::new(picture), &mut rows, false);
        self.together = together;
        let times = self.engines[0].take_times();
        self.engines[0].time_steps(false)?;
        let outcome = outcome?;
        let network = self.network([picture.width(), picture.height()])?;
        let densities = densities(&network.graph, &outcome);
        let device = (self.engines[0].peak(), self.precision());
        Ok(Profile::new(&network.graph, picture.depth(), &times, &densities, outcome.recomputed(), device))
    }

    fn run(&mut self, source: &mut dyn Source, sink: &mut dyn Sink, with_masks: bool) -> Result<Outcome> {
        let facts = self.model.net().facts();
        if facts.border == [0; 2] {
            return self.run_bordered(source, sink, with_masks);
        }
        let mut sink = Cropped::new(sink, source.size(), facts);
        self.run_bordered(&mut Bordered::new(source, facts), &mut sink, with_masks)
    }

    /// Of a picture that has its border, if the network takes one.
    fn run_bordered(
        &mut self,
        source: &mut dyn Source,
        sink: &mut dyn Sink,
        with_masks: bool,
    ) -> Result<Outcome> {
        let Self { model, engines, together, budget, known, options, .. } = self;
        let (together, control) = (*together, &options.control);
        let (real, depth) = (source.size(), source.depth());
        Run { model, engines, together, known, budget, control, real, depth, with_masks }.run(source, sink)
    }

    /// Enlarges by the ladder, if there is one.
    fn enlarge(
        &mut self,
        source: &mut dyn Source,
        sink: &mut dyn Sink,
        with_masks: bool,
    ) -> Result<Enlarged> {
        if let Some(mut rungs) = self.rungs.take() {
            let done = rungs.run(self, source, sink, with_masks);
            self.rungs = Some(rungs);
            return done;
        }
        let [width, height] = source.size();
        let outcome = self.run(source, sink, with_masks)?;
        let graph = &self.network([width, height])?.graph;
        let dense = graph.macs().total() as f64;
        let macs = graph.macs_kept(&densities(graph, &outcome)) * dense;
        let recomputed = outcome.recomputed();
        let names = graph.masks().map(|mask| graph.node(mask).name.clone());
        let masks = names.zip(outcome.masks).map(|(name, active)| Mask { name, width, height, active });
        Ok(Enlarged { macs, dense, masks: masks.collect(), recomputed })
    }

    /// The network for a picture.
    fn network(&mut self, size: [usize; 2]) -> Result<Arc<Phase>> {
        self.known.phase(&self.model, None, self.model.extended(size))
    }
}

/// A picture of its rows.
fn joined(rows: Vec<Pixels>) -> Pixels {
    let mut rows = rows.into_iter();
    let mut pixels = rows.next().expect("a picture has rows");
    rows.for_each(|below| pixels.append(below));
    pixels
}

/// The network, if it may be used: a stranger's is looked at before.
fn admitted(model: &Model, options: &Options) -> Result<Model> {
    if !model.is_unseen() || options.unusual {
        return Ok(model.clone());
    }
    let chosen = guard::examine(model)?.chosen;
    if let Some(convention) = chosen {
        tracing::warn!("{}: taken for one of {convention}, by a trial", model.weights().source());
    }
    model.seen(chosen)
}

fn cpu_memory(options: &Options) -> u64 {
    (options.memory.unwrap_or(HOST_MEMORY) / 2).min(CPU_WINDOW)
}

/// Of every mask of the graph, in order, the share of active pixels.
fn densities(graph: &Graph, outcome: &Outcome) -> Vec<(Value, f64)> {
    graph.masks().zip(outcome.densities.iter().copied()).collect()
}
