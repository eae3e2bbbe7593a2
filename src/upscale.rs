//! The façade: a picture in, one `scale` times as large out.

mod profile;

pub use profile::{Profile, ProfileRow};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Session};
use crate::graph::{Graph, Value};
use crate::models::Model;
use crate::pixels::{Depth, Pixels};
use crate::plan::{Ends, Options as PlanOptions, Plan, Sparsity};
use crate::reference;
use crate::tensor::{Shape, Tensor};

/// How numbers are kept and computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// The fastest that gives the same picture. Today f32.
    #[default]
    Auto,
    /// 32-bit floating point.
    F32,
}

/// What the caller may choose.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// How numbers are kept and computed.
    pub precision: Precision,
    /// Whether a GPU skips the work that the network's masks leave out. The CPU engine always does.
    pub sparsity: Sparsity,
}

/// Enlarges pictures with one model on one device.
///
/// What it prepares for a picture's size it keeps for the next picture of that size.
#[derive(Debug)]
pub struct Upscaler {
    model: Model,
    engine: Engine,
    options: Options,
    prepared: Option<Prepared>,
}

#[derive(Debug)]
enum Engine {
    Cpu,
    Gpu(Gpu),
}

/// The network for one picture size, resident on the device if there is one.
#[derive(Debug)]
struct Prepared {
    graph: Graph,
    depth: Depth,
    resident: Option<Resident>,
}

/// The network on a device.
#[derive(Debug)]
struct Resident {
    session: Session,
    /// Of each of the plan's steps the node that it computes, and its kernel.
    steps: Vec<(String, &'static str)>,
}

/// An enlarged picture, and where the work went.
#[derive(Clone, Debug)]
pub struct Upscaled {
    /// The picture, of the input's depth.
    pub pixels: Pixels,
    /// The spatial mask of every sparse module, in order; none for a dense network.
    pub masks: Vec<Mask>,
    /// The share of the dense network's multiply-adds that masks and channel partitions leave, 0 … 1.
    pub macs_kept: f64,
}

/// Where a sparse module worked.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The module's mask, by the checkpoint's path.
    pub name: String,
    /// Columns: the input picture's.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// For every pixel in raster order whether sparse channels were needed there.
    pub active: Vec<bool>,
}

impl Mask {
    /// The share of active pixels, 0 … 1.
    pub fn density(&self) -> f64 {
        self.active.iter().filter(|active| **active).count() as f64 / self.active.len().max(1) as f64
    }
}

impl Upscaler {
    /// Runs on a GPU.
    ///
    /// # Errors
    /// None today; choices that a device cannot serve will be refused here.
    pub fn new(gpu: &Gpu, model: &Model, options: Options) -> Result<Self> {
        Ok(Self { model: model.clone(), engine: Engine::Gpu(gpu.clone()), options, prepared: None })
    }

    /// Runs on the CPU engine, which needs no driver.
    ///
    /// # Errors
    /// None today, as [`Upscaler::new`].
    pub fn on_cpu(model: &Model, options: Options) -> Result<Self> {
        Ok(Self { model: model.clone(), engine: Engine::Cpu, options, prepared: None })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device's name.
    pub fn device(&self) -> String {
        match &self.engine {
            Engine::Cpu => "CPU".into(),
            Engine::Gpu(gpu) => gpu.name().into(),
        }
    }

    /// Enlarges RGB pixels. A size that is no multiple of the model's alignment is extended by its last row
    /// and column, and the result cropped.
    ///
    /// # Errors
    /// [`crate::Error::Limits`] if the picture is too large for the device in one piece,
    /// [`crate::Error::Device`] if the device is lost or makes anything but finite numbers.
    pub fn upscale_pixels(&mut self, picture: &Pixels) -> Result<Upscaled> {
        let (width, height) = (picture.width(), picture.height());
        let extended = self.extended(picture);
        let prepared = self.prepare(&extended)?;
        let (pixels, masks) = prepared.run(&extended)?;

        let graph = &prepared.graph;
        let macs_kept = graph.macs_kept(&densities(graph, &masks));
        let named = |(value, mask)| cropped(graph.node(value).name.clone(), mask, width, height);
        let masks = graph.masks().zip(&masks).map(named).collect();
        let scale = self.model.scale();
        Ok(Upscaled { pixels: pixels.cropped(width * scale, height * scale), masks, macs_kept })
    }

    /// Where the time of [`Upscaler::upscale_pixels`] goes on a GPU. Runs twice: only the second run counts.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on the CPU engine, and for a device without timestamp queries; and whatever
    /// [`Upscaler::upscale_pixels`] says.
    pub fn profile(&mut self, picture: &Pixels) -> Result<Profile> {
        let extended = self.extended(picture);
        let Prepared { graph, depth, resident } = match self.engine {
            Engine::Cpu => {
                let reason = "the CPU engine has no profile: only the steps of a GPU are timed";
                return Err(Error::Unsupported(reason.into()));
            }
            Engine::Gpu(_) => self.prepare(&extended)?,
        };
        let Resident { session, steps } = resident.as_mut().expect("a GPU's network is resident");
        session.run_pixels(&extended)?;
        let times = session.profile(&extended)?;
        let densities = densities(graph, &session.kept()?);
        Ok(Profile::new(graph, *depth, steps.iter().zip(times), &densities))
    }

    /// The picture at a size that the network takes.
    fn extended(&self, picture: &Pixels) -> Pixels {
        let aligned = |side: usize| side.next_multiple_of(self.model.alignment());
        picture.extended(aligned(picture.width()), aligned(picture.height()))
    }

    fn prepare(&mut self, picture: &Pixels) -> Result<&mut Prepared> {
        let shape = Shape::new(1, 3, picture.height(), picture.width());
        let fits = |prepared: &Prepared| {
            prepared.graph.node(prepared.graph.input()).shape == shape && prepared.depth == picture.depth()
        };
        if !self.prepared.as_ref().is_some_and(fits) {
            // The old one's memory goes before the new one's comes.
            self.prepared = None;
            let graph = self.model.graph(shape)?;
            let resident = match &self.engine {
                Engine::Cpu => None,
                Engine::Gpu(gpu) => Some(Resident::new(gpu, &graph, picture.depth(), self.options.sparsity)?),
            };
            self.prepared = Some(Prepared { graph, depth: picture.depth(), resident });
        }
        Ok(self.prepared.as_mut().expect("prepared above"))
    }
}

impl Prepared {
    /// The enlarged picture and the masks.
    fn run(&mut self, picture: &Pixels) -> Result<(Pixels, Vec<Tensor>)> {
        if let Some(Resident { session, .. }) = &mut self.resident {
            let pixels = session.run_pixels(picture)?;
            return Ok((pixels, session.kept()?));
        }
        let range = self.graph.range();
        let masks: Vec<Value> = self.graph.masks().collect();
        let (output, masks) = reference::run_keeping(&self.graph, &picture.to_tensor(range), &masks)?;
        Ok((Pixels::from_tensor(&output, range, self.depth)?, masks))
    }
}

impl Resident {
    fn new(gpu: &Gpu, graph: &Graph, depth: Depth, sparsity: Sparsity) -> Result<Self> {
        let ends = match depth {
            Depth::Eight => Ends::Pixels8,
            Depth::Sixteen => Ends::Pixels16,
        };
        let keep = graph.masks().collect();
        let options = PlanOptions { ends, keep, sparsity, ..PlanOptions::default() };
        let plan = Plan::new(graph, &options, gpu.limits())?;
        tracing::debug!(%plan, "planned");
        let session = Session::new(gpu, &plan)?;
        let steps = plan.steps.into_iter().map(|step| (step.label, step.dispatch.kernel.name)).collect();
        Ok(Self { session, steps })
    }
}

/// Of every mask of the graph, in order, the share of active pixels.
fn densities(graph: &Graph, masks: &[Tensor]) -> Vec<(Value, f64)> {
    graph.masks().zip(masks.iter().map(density)).collect()
}

fn density(mask: &Tensor) -> f64 {
    mask.values().iter().filter(|value| **value > 0.5).count() as f64 / mask.values().len() as f64
}

fn cropped(name: String, mask: &Tensor, width: usize, height: usize) -> Mask {
    let rows = mask.values().chunks(mask.shape().width).take(height);
    let active = rows.flat_map(|row| row[..width].iter().map(|value| *value > 0.5)).collect();
    Mask { name, width, height, active }
}
