//! Phases on a GPU. What it prepares it keeps for the next picture, as long as there is room; weights and memory
//! serve pictures of other sizes too. What a device computes wrongly it does without ([`crate::probe::selftest`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Engine, Made, StepTime, Window};
use crate::control::Cancel;
use crate::device::{Feature, Peak, Precision};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Session, form};
use crate::graph::Parameters;
use crate::pixels::Depth;
use crate::plan::{Choices, Form, Options, Phase, Plan, Sparsity, Storage, Zeros};
use crate::probe::selftest;

/// Phases that are prepared at most: a picture in tiles has several, and the next picture has them again.
const PREPARED: usize = 8;

/// A GPU.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: Gpu,
    sparsity: Sparsity,
    choices: Option<Arc<Choices>>,
    storage: Storage,
    /// Whether values and weights may lie as f32 once f16 has failed.
    may_widen: bool,
    /// Bytes that all that is prepared may take together.
    memory: u64,
    parameters: Parameters,
    /// How sparse they are.
    zeros: Arc<Zeros>,
    pool: Pool,
    /// What is prepared, the one in use last.
    prepared: Vec<Prepared>,
    times: Option<Vec<StepTime>>,
}

#[derive(Debug)]
struct Prepared {
    phase: Arc<Phase>,
    depth: Depth,
    /// What the session has for itself.
    bytes: u64,
    session: Session,
    /// Of each of the plan's steps the node that it computes, and its kernel.
    steps: Vec<(String, &'static str)>,
}

impl GpuEngine {
    /// Keeps prepared phases up to `memory` bytes in all. One that needs more is kept alone.
    pub fn new(gpu: &Gpu, sparsity: Sparsity, memory: u64) -> Self {
        let parameters = Parameters::new();
        let pool = Pool::new(gpu, &parameters);
        Self {
            gpu: gpu.clone(),
            sparsity,
            choices: None,
            storage: Storage::F32,
            may_widen: false,
            memory,
            parameters,
            zeros: Arc::default(),
            pool,
            prepared: Vec::new(),
            times: None,
        }
    }

    /// With kernels by a table that was measured, not by the shipped one.
    #[must_use]
    pub fn with_choices(self, choices: Option<Arc<Choices>>) -> Self {
        Self { choices, ..self }
    }

    /// The same with values and weights kept so. If it `may_widen`, it keeps them in f32 after f16 has failed.
    #[must_use]
    pub fn keeping(self, storage: Storage, may_widen: bool) -> Self {
        Self { storage, may_widen, ..self }
    }

    /// Bytes that it holds on the device, for what is prepared and for what may come.
    pub fn held(&self) -> u64 {
        let prepared: u64 = self.prepared.iter().map(|prepared| prepared.bytes).sum();
        prepared + self.pool.bytes()
    }

    fn plan(&self, phase: &Phase, depth: Depth) -> Result<Plan> {
        Plan::new(&phase.graph, &self.options(phase, depth), self.gpu.limits())
    }

    fn options(&self, phase: &Phase, depth: Depth) -> Options {
        self.options_between(phase, [depth; 2])
    }

    /// With pictures of one depth in and of another out.
    fn options_between(&self, phase: &Phase, depths: [Depth; 2]) -> Options {
        let [input, pixels] = depths.map(form);
        // Without a picture the output is the first of what is kept.
        let (output, keep) =
            if phase.makes_picture { (pixels, &phase.keep[..]) } else { (Form::Tensor, &phase.keep[1..]) };
        let (keep, sparsity) = (keep.to_vec(), self.sparsity);
        let (choices, zeros, storage) = (self.choices.clone(), self.zeros.clone(), self.storage.clone());
        let cooperative = storage != Storage::F32; // where f16 is good enough its products are
        Options { input, output, keep, sparsity, choices, zeros, storage, cooperative, ..Options::default() }
    }

    /// A session for whole pictures, apart from those of windows.
    ///
    /// # Errors
    /// As [`Engine::prepare`]; [`Error::Limits`] if it takes more than the engine's memory.
    pub(crate) fn session(&mut self, phase: &Phase, depths: [Depth; 2]) -> Result<Session> {
        let plan = self.checked_plan(phase, self.options_between(phase, depths))?;
        let bytes = self.pool.bytes_of(&plan);
        if bytes > self.memory {
            let [needed, there] = [bytes, self.memory].map(|bytes| bytes.div_ceil(1 << 20));
            return Err(Error::Limits(format!(
                "{}: a picture of this size takes {needed} MiB in one piece, and {there} MiB may be taken",
                self.gpu.name()
            )));
        }
        self.pool.session(&plan)
    }

    /// A plan of kernels that have shown on this device that they give right answers.
    fn checked_plan(&mut self, phase: &Phase, options: Options) -> Result<Plan> {
        loop {
            let plan = Plan::new(&phase.graph, &options, self.gpu.limits())?;
            match selftest::check(&self.gpu, &phase.graph, &self.parameters, &options, &plan)? {
                None => return Ok(plan),
                Some(feature) if self.gpu.limits().has(feature) => {
                    self.gpu = self.gpu.clone().without(feature);
                }
                Some(feature) => {
                    let device = self.gpu.identity();
                    return Err(Error::Device(format!("{device}: a plan without {feature} uses it")));
                }
            }
        }
    }

    /// The memory of the oldest goes before a new one's comes.
    fn make_room(&mut self, plan: &Plan) {
        if self.is_short_of(plan) {
            self.pool.trim(plan);
        }
        while !self.prepared.is_empty() && (self.prepared.len() >= PREPARED || self.is_short_of(plan)) {
            let oldest = self.prepared.remove(0);
            self.pool.take_back(oldest.session);
            if self.is_short_of(plan) {
                self.pool.trim(plan);
            }
        }
        if self.is_short_of(plan) {
            self.pool.clear();
        }
    }

    fn is_short_of(&mut self, plan: &Plan) -> bool {
        self.held() + self.pool.missing(plan) > self.memory
    }

    /// Lets all go that is prepared, and its memory.
    fn forget(&mut self) {
        self.prepared.clear();
        self.pool.clear();
    }

    fn current(&mut self) -> Result<&mut Prepared> {
        self.prepared.last_mut().ok_or_else(super::unprepared)
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        self.gpu.name().into()
    }

    fn begin(&mut self, parameters: &Parameters) {
        self.prepared.clear();
        self.pool = Pool::new(&self.gpu, parameters);
        self.zeros = Arc::new(Zeros::of(parameters));
        self.parameters = parameters.clone();
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        self.pool.set_parameters(parameters)?;
        self.zeros = Arc::new(Zeros::of(parameters));
        self.parameters = parameters.clone();
        Ok(())
    }

    fn footprint(&mut self, phase: &Phase, depth: Depth) -> Result<u64> {
        let plan = self.plan(phase, depth)?;
        Ok(self.pool.bytes_of(&plan))
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        if !self.prepared.iter().all(|prepared| prepared.session.is_idle()) {
            // Something failed or was given up: for want of memory, perhaps, so nothing stays.
            self.forget();
        }
        let same = |prepared: &Prepared| Arc::ptr_eq(&prepared.phase, phase) && prepared.depth == depth;
        if let Some(at) = self.prepared.iter().position(same) {
            let found = self.prepared.remove(at);
            self.prepared.push(found);
            return Ok(());
        }
        let plan = self.checked_plan(phase, self.options(phase, depth))?;
        tracing::debug!(%plan, "planned");
        self.make_room(&plan);
        let session = self.pool.session(&plan).inspect_err(|_| self.prepared.clear())?;
        let bytes = session.own_bytes();
        let steps = plan.steps.into_iter().map(|step| (step.label, step.dispatch.kernel.name)).collect();
        self.prepared.push(Prepared { phase: phase.clone(), depth, bytes, session, steps });
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.prepared.last().is_some_and(|prepared| prepared.session.is_ready())
    }

    fn submit(&mut self, window: Window, _cancel: &Cancel) -> Result<()> {
        let timed = self.times.is_some();
        let Prepared { session, steps, .. } = self.current()?;
        let picture = window.picture.map(|picture| picture.to_words());
        let given: Vec<&[f32]> = window.given.iter().map(Vec::as_slice).collect();
        session.submit(picture.as_deref(), &given)?;
        if timed {
            let times = session.profile(picture.as_deref(), &given)?;
            let steps = steps.clone().into_iter().zip(times);
            let steps = steps.map(|((node, kernel), time)| StepTime { node, kernel, time });
            self.times.get_or_insert_default().extend(steps);
        }
        window.given.into_iter().for_each(|block| window.blocks.give(block));
        Ok(())
    }

    fn collect(&mut self, cancel: &Cancel) -> Result<Made> {
        let Prepared { session, phase, .. } = self.current()?;
        let mut read = session.collect_unless(cancel)?;
        let picture = if phase.makes_picture { Some(session.pixels(&read.remove(0))?) } else { None };
        Ok(Made { picture, kept: read.into_iter().map(bytemuck::cast_vec).collect() })
    }

    fn lacks(&self) -> BTreeSet<Feature> {
        Feature::ALL.into_iter().filter(|feature| !self.gpu.limits().has(*feature)).collect()
    }

    fn do_without(&mut self, features: &BTreeSet<Feature>) -> bool {
        let mut changed = false;
        for feature in features.difference(&self.lacks()) {
            self.gpu = self.gpu.clone().without(*feature);
            changed = true;
        }
        if changed {
            self.forget();
        }
        changed
    }

    fn precision(&self) -> Precision {
        match &self.storage {
            Storage::F16(_) if self.gpu.limits().f16 => Precision::F16,
            _ => Precision::F32,
        }
    }

    fn fall_back(&mut self, error: Error) -> Result<String> {
        match error {
            Error::Device(text) if self.precision() == Precision::F16 && self.may_widen => {
                self.storage = Storage::F32;
                self.forget();
                Ok(format!("{text}; numbers were kept in f16, from now on they are in f32"))
            }
            Error::Device(text) if self.precision() == Precision::F16 => {
                Err(Error::Device(format!("{text}; numbers were kept in f16: choose the precision f32")))
            }
            error => Err(error),
        }
    }

    fn time_steps(&mut self, timed: bool) -> Result<()> {
        self.times = if timed { self.gpu.can_time_steps().map(|()| Some(Vec::new()))? } else { None };
        Ok(())
    }

    fn peak(&self) -> Option<Peak> {
        self.gpu.peak()
    }

    fn take_times(&mut self) -> Vec<StepTime> {
        self.times.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
