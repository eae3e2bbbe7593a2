//! A training on a GPU: parameters, moments and averages stay there; losses and what is watched come back, once an update.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Engine, Kept, Moved, Update, check_finite, nothing_gathered};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Session};
use crate::graph::{ParameterId, Parameters};
use crate::kernel::update::Settings;
use crate::learn::{Clip, Objective};
use crate::plan::{Array, Ends, Options, Places, Plan, Storage};
use crate::tensor::{Tensor, pack};

#[derive(Debug)]
pub(in crate::learn) struct OnGpu {
    gpu: Gpu,
    /// Whether values and their gradients are stored as f16.
    half: bool,
    pool: Pool,
    places: Places,
    /// Forward and backward pass of a part, and the update.
    sessions: Option<[Session; 2]>,
    memory: Vec<(&'static str, u64)>,
    /// Whether the graph reads its picture.
    reads_picture: bool,
    /// Parts that were gathered.
    parts: u32,
    /// How many times as large as they are gradients are gathered.
    scale: f32,
}

impl OnGpu {
    pub(in crate::learn) fn new(gpu: &Gpu, precision: Precision, parameters: &Parameters) -> Result<Self> {
        let half = precision == Precision::F16;
        if half && !gpu.limits().f16 {
            return Err(Precision::unsupported(gpu.name()));
        }
        Ok(Self {
            gpu: gpu.clone(),
            half,
            scale: 1.0,
            pool: Pool::new(gpu, parameters),
            places: Places::of(parameters),
            sessions: None,
            memory: vec![],
            reads_picture: false,
            parts: 0,
        })
    }

    fn sessions(&mut self) -> Result<&mut [Session; 2]> {
        self.sessions
            .as_mut()
            .ok_or_else(|| Error::Device("the device was lost in an earlier iteration".into()))
    }

    /// Names what is not finite, and makes the arrays fit for another update.
    fn failed(&mut self, update: &Update<'_>, loss: f32) -> Result<Error> {
        let sums = self.places.unpack(&self.pool.read(Array::Sums)?);
        let gradients = update.trained.iter().map(|id| &*sums[id.index()]);
        let loss = [loss];
        let numbers = std::iter::once(&loss[..]).chain(gradients);
        let found = check_finite(update.objective, update.iteration, numbers);
        self.forget()?;
        self.pool.write(Array::Control, &[0.0; 4])?;
        Ok(found.err().unwrap_or(Error::Diverged {
            iteration: update.iteration + 1,
            tensor: "the norm of the gradient".into(),
            found: f32::INFINITY,
        }))
    }
}

impl Engine for OnGpu {
    fn aim(&mut self, objective: &Objective, trained: &[ParameterId]) -> Result<()> {
        let own = objective.forward().outputs().len();
        let ends = Ends::Gathered { own, trained };
        let (storage, limits) =
            (if self.half { Storage::F16(Arc::default()) } else { Storage::F32 }, self.gpu.limits());
        self.scale = if self.half { objective.scale_for_f16() } else { 1.0 };
        let graph = match self.half {
            true => Cow::Owned(objective.scaled(self.scale)?),
            false => Cow::Borrowed(objective.graph()),
        };
        let options = Options { storage, ..Options::default() };
        let plan = Plan::training(&graph, &self.places, ends, &options, limits)?;
        let update = Plan::update(&self.places, own, self.scale, limits)?;
        for session in self.sessions.take().into_iter().flatten() {
            self.pool.take_back(session);
        }
        self.pool.trim(&plan);
        self.sessions = Some([self.pool.session(&plan)?, self.pool.session(&update)?]);
        self.reads_picture = plan.picture.is_some();
        self.memory = memory(&plan, &update);
        self.forget()
    }

    fn gather(
        &mut self,
        _objective: &Objective,
        parts: &[Vec<Cow<'_, Tensor>>],
        _iteration: u64,
    ) -> Result<()> {
        let reads_picture = self.reads_picture;
        for part in parts {
            let packed: Vec<Vec<f32>> = part.iter().map(|tensor| pack(tensor)).collect();
            let picture = reads_picture.then(|| bytemuck::cast_slice(&packed[0]));
            let given: Vec<&[f32]> = packed[1..].iter().map(Vec::as_slice).collect();
            let [gather, _] = self.sessions()?;
            if !gather.is_ready() {
                gather.collect()?;
            }
            gather.submit(picture, &given)?;
            self.parts += 1;
        }
        Ok(())
    }

    fn update(&mut self, update: &Update<'_>) -> Result<Moved> {
        let parts = std::mem::take(&mut self.parts);
        if parts == 0 {
            return Err(nothing_gathered());
        }
        let settings = settings(update, parts, self.scale).pack(update.pieces);
        let [gather, session] = self.sessions()?;
        session.submit(None, &[&settings])?;
        while !gather.is_idle() {
            gather.collect()?;
        }
        let read = session.collect()?;
        let numbers: &[[f32; 4]] = bytemuck::cast_slice(&read[0]);
        let [[_, norm, mean, failed], watched @ ..] = numbers else { unreachable!("what the plan says") };
        let watched: Vec<f32> = watched.iter().map(|number| number[0]).collect();
        if *failed != 0.0 {
            return Err(self.failed(update, watched[0])?);
        }
        Ok(Moved { watched, norm: f64::from(*norm), mean: f64::from(*mean) })
    }

    fn forget(&mut self) -> Result<()> {
        self.parts = 0;
        self.pool.write(Array::Sums, &vec![0.0; self.places.len()])?;
        self.pool.write(Array::Watched, &vec![0.0; crate::plan::WATCHED * 64])
    }

    fn take(&self, kept: Kept) -> Result<Vec<Vec<f32>>> {
        Ok(self.places.unpack(&self.pool.read(array(kept))?))
    }

    fn put(&mut self, kept: Kept, values: &[Vec<f32>]) -> Result<()> {
        self.pool.write(array(kept), &self.places.pack(values.iter().map(Vec::as_slice)))
    }

    fn memory(&self) -> Vec<(&'static str, u64)> {
        self.memory.clone()
    }
}

fn array(kept: Kept) -> Array {
    match kept {
        Kept::Parameters => Array::Parameters,
        Kept::First => Array::First,
        Kept::Second => Array::Second,
        Kept::Averages => Array::Averages,
    }
}

fn settings(update: &Update<'_>, parts: u32, scale: f32) -> Settings {
    let optimiser = update.optimiser;
    let (limit_kind, limit) = match optimiser.clip {
        Clip::None => (0, 0.0),
        Clip::Norm(limit) => (1, limit as f32),
        Clip::Mean(times) => (2, times as f32),
    };
    Settings {
        share: (1.0 / f64::from(parts)) as f32 / scale,
        limit_kind,
        limit,
        mean: update.norm as f32,
        kept: update.kept,
        rule: optimiser.rule(),
    }
}

fn memory(gather: &Plan, update: &Plan) -> Vec<(&'static str, u64)> {
    let constants =
        |plan: &Plan| plan.constants.iter().map(|constant| constant.bytes().len() as u64).sum::<u64>();
    let ports =
        |plan: &Plan| plan.inputs().chain(plan.outputs()).map(|port| 4 * port.words() as u64).sum::<u64>();
    vec![
        ("values and their gradients", gather.slots.iter().sum()),
        ("parameters, gradients, moments, averages", gather.residents.iter().sum()),
        ("orders of weights", constants(gather) + constants(update)),
        ("between host and device", 2 * (ports(gather) + ports(update))),
    ]
}
