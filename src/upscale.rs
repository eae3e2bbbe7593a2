//! The façade: a picture in, one `scale` times as large out.

use crate::error::Result;
use crate::gpu::{Gpu, Session};
use crate::graph::{Graph, Value};
use crate::models::Model;
use crate::pixels::{Depth, Pixels};
use crate::plan::{Ends, Options as PlanOptions, Plan};
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
}

/// Enlarges pictures with one model on one device.
///
/// What it prepares for a picture's size it keeps for the next picture of that size.
#[derive(Debug)]
pub struct Upscaler {
    model: Model,
    engine: Engine,
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
    session: Option<Session>,
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
    pub fn new(gpu: &Gpu, model: &Model, _options: Options) -> Result<Self> {
        Ok(Self { model: model.clone(), engine: Engine::Gpu(gpu.clone()), prepared: None })
    }

    /// Runs on the CPU engine, which needs no driver.
    ///
    /// # Errors
    /// None today, as [`Upscaler::new`].
    pub fn on_cpu(model: &Model, _options: Options) -> Result<Self> {
        Ok(Self { model: model.clone(), engine: Engine::Cpu, prepared: None })
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
        let alignment = self.model.alignment();
        let extended =
            picture.extended(width.next_multiple_of(alignment), height.next_multiple_of(alignment));
        let prepared = self.prepare(&extended)?;
        let (pixels, masks) = prepared.run(&extended)?;

        let masks: Vec<(Value, Tensor)> = prepared.graph.masks().zip(masks).collect();
        let densities: Vec<(Value, f64)> =
            masks.iter().map(|(value, mask)| (*value, density(mask))).collect();
        let macs_kept = prepared.graph.macs_kept(&densities);
        let masks = masks
            .into_iter()
            .map(|(value, mask)| cropped(prepared.graph.node(value).name.clone(), &mask, width, height))
            .collect();
        let scale = self.model.scale();
        Ok(Upscaled { pixels: pixels.cropped(width * scale, height * scale), masks, macs_kept })
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
            let session = match &self.engine {
                Engine::Cpu => None,
                Engine::Gpu(gpu) => Some(session(gpu, &graph, picture.depth())?),
            };
            self.prepared = Some(Prepared { graph, depth: picture.depth(), session });
        }
        Ok(self.prepared.as_mut().expect("prepared above"))
    }
}

impl Prepared {
    /// The enlarged picture and the masks.
    fn run(&mut self, picture: &Pixels) -> Result<(Pixels, Vec<Tensor>)> {
        if let Some(session) = &mut self.session {
            let pixels = session.run_pixels(picture)?;
            return Ok((pixels, session.kept()?));
        }
        let range = self.graph.range();
        let masks: Vec<Value> = self.graph.masks().collect();
        let (output, masks) = reference::run_keeping(&self.graph, &picture.to_tensor(range), &masks)?;
        Ok((Pixels::from_tensor(&output, range, self.depth)?, masks))
    }
}

fn session(gpu: &Gpu, graph: &Graph, depth: Depth) -> Result<Session> {
    let ends = match depth {
        Depth::Eight => Ends::Pixels8,
        Depth::Sixteen => Ends::Pixels16,
    };
    let keep = graph.masks().collect();
    let plan = Plan::new(graph, &PlanOptions { ends, keep, ..PlanOptions::default() }, gpu.limits())?;
    tracing::debug!(%plan, "planned");
    Session::new(gpu, &plan)
}

fn density(mask: &Tensor) -> f64 {
    mask.values().iter().filter(|value| **value > 0.5).count() as f64 / mask.values().len() as f64
}

fn cropped(name: String, mask: &Tensor, width: usize, height: usize) -> Mask {
    let rows = mask.values().chunks(mask.shape().width).take(height);
    let active = rows.flat_map(|row| row[..width].iter().map(|value| *value > 0.5)).collect();
    Mask { name, width, height, active }
}
