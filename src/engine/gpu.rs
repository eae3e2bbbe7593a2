//! Phases on a GPU. What it prepares it keeps for the next picture, as long as there is room.

use std::sync::Arc;

use super::{Engine, Made, StepTime, Window};
use crate::error::Result;
use crate::gpu::{FLIGHTS, Gpu, Session, form};
use crate::pixels::Depth;
use crate::plan::{Form, Options, Phase, Plan, Sparsity};

/// A GPU.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: Gpu,
    sparsity: Sparsity,
    /// Bytes that all that is prepared may take together.
    memory: u64,
    /// What is prepared, the one in use last.
    prepared: Vec<Prepared>,
    times: Option<Vec<StepTime>>,
}

#[derive(Debug)]
struct Prepared {
    phase: Arc<Phase>,
    depth: Depth,
    bytes: u64,
    session: Session,
    /// Of each of the plan's steps the node that it computes, and its kernel.
    steps: Vec<(String, &'static str)>,
}

impl GpuEngine {
    /// Keeps prepared phases up to `memory` bytes in all. One that needs more is kept alone.
    pub fn new(gpu: &Gpu, sparsity: Sparsity, memory: u64) -> Self {
        Self { gpu: gpu.clone(), sparsity, memory, prepared: Vec::new(), times: None }
    }

    fn plan(&self, phase: &Phase, depth: Depth) -> Result<Plan> {
        let pixels = form(depth);
        // Without a picture the output is the first of what is kept.
        let (output, keep) =
            if phase.makes_picture { (pixels, &phase.keep[..]) } else { (Form::Tensor, &phase.keep[1..]) };
        let (keep, sparsity) = (keep.to_vec(), self.sparsity);
        Plan::new(
            &phase.graph,
            &Options { input: pixels, output, keep, sparsity, ..Options::default() },
            self.gpu.limits(),
        )
    }

    fn current(&mut self) -> &mut Prepared {
        self.prepared.last_mut().expect("prepared before a window comes")
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        self.gpu.name().into()
    }

    fn footprint(&self, phase: &Phase, depth: Depth) -> Result<u64> {
        Ok(bytes(&self.plan(phase, depth)?))
    }

    fn prepare(&mut self, phase: &Arc<Phase>, depth: Depth) -> Result<()> {
        let same = |prepared: &Prepared| Arc::ptr_eq(&prepared.phase, phase) && prepared.depth == depth;
        if let Some(at) = self.prepared.iter().position(same)
            && self.prepared[at].session.is_idle()
        {
            let found = self.prepared.remove(at);
            self.prepared.push(found);
            return Ok(());
        }
        self.prepared.retain(|prepared| prepared.session.is_idle());
        let plan = self.plan(phase, depth)?;
        tracing::debug!(%plan, "planned");
        let bytes = bytes(&plan);
        // The memory of the oldest goes before the new one's comes.
        while self.prepared.iter().map(|prepared| prepared.bytes).sum::<u64>() + bytes > self.memory
            && !self.prepared.is_empty()
        {
            self.prepared.remove(0);
        }
        let session = Session::new(&self.gpu, &plan)?;
        let steps = plan.steps.into_iter().map(|step| (step.label, step.dispatch.kernel.name)).collect();
        self.prepared.push(Prepared { phase: phase.clone(), depth, bytes, session, steps });
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.prepared.last().is_some_and(|prepared| prepared.session.is_ready())
    }

    fn submit(&mut self, window: Window) -> Result<()> {
        let timed = self.times.is_some();
        let Prepared { session, steps, .. } = self.current();
        let picture = window.picture.map(|picture| picture.to_words());
        let given: Vec<&[f32]> = window.given.iter().map(Vec::as_slice).collect();
        session.submit(picture.as_deref(), &given)?;
        if timed {
            let times = session.profile(picture.as_deref(), &given)?;
            let steps = steps.clone().into_iter().zip(times);
            let steps = steps.map(|((node, kernel), time)| StepTime { node, kernel, time });
            self.times.get_or_insert_default().extend(steps);
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<Made> {
        let Prepared { session, phase, .. } = self.current();
        let mut read = session.collect()?;
        let picture = if phase.makes_picture { Some(session.pixels(&read.remove(0))?) } else { None };
        Ok(Made { picture, kept: read.into_iter().map(bytemuck::cast_vec).collect() })
    }

    fn time_steps(&mut self, timed: bool) -> Result<()> {
        self.times = if timed { self.gpu.can_time_steps().map(|()| Some(Vec::new()))? } else { None };
        Ok(())
    }

    fn take_times(&mut self) -> Vec<StepTime> {
        self.times.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// What a plan's buffers take on the device.
fn bytes(plan: &Plan) -> u64 {
    let constants: usize = plan.constants.iter().map(Vec::len).sum();
    let transfers: usize = plan.inputs().chain(plan.outputs()).map(|port| port.words()).sum();
    plan.slots.iter().sum::<u64>() + 4 * (constants + FLIGHTS * transfers) as u64
}
