//! What a run of a plan tells a device: its steps with all that they bind, and the copies at both ends.

use std::ops::Range;
use std::sync::Arc;

use super::Gpu;
use super::bound::{Bound, PARAMS_STEP};
use super::pipelines::Pipeline;
use super::pool::Place;
use crate::kernel::mask_arguments::ARGUMENT_WORDS;
use crate::kernel::pixel_store;
use crate::plan::{Indirect, Plan, Port, Slot, Step};

/// A word that is NaN as an f32, and twice as an f16.
const NAN: u32 = 0x7fff_7fff;

/// A plan's steps in a pool's slots.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) picture: Option<Port>,
    pub(super) given: Vec<Port>,
    pub(super) output: Port,
    pub(super) kept: Vec<Port>,
    slots: Vec<Place>,
    steps: Vec<Recorded>,
}

/// A dispatch with everything it binds.
#[derive(Debug)]
struct Recorded {
    pipeline: Arc<Pipeline>,
    bindings: wgpu::BindGroup,
    params: u32,
    workgroups: Workgroups,
    /// Slots that are filled with zeros first.
    zeroed: Vec<Place>,
}

/// How many workgroups a dispatch has.
#[derive(Debug)]
enum Workgroups {
    Known([u32; 3]),
    /// What the device finds in a buffer, at an offset in bytes.
    At(wgpu::Buffer, u64),
}

impl Recorded {
    fn fill_zeros(&self, encoder: &mut wgpu::CommandEncoder) {
        self.zeroed.iter().for_each(|slot| slot.fill_zeros(encoder));
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.compute);
        pass.set_bind_group(0, &self.bindings, &[self.params]);
        match &self.workgroups {
            Workgroups::Known([x, y, z]) => pass.dispatch_workgroups(*x, *y, *z),
            Workgroups::At(buffer, offset) => pass.dispatch_workgroups_indirect(buffer, *offset),
        }
    }
}

impl Commands {
    /// `pipelines` has one for each of the plan's steps.
    pub(super) fn new(
        gpu: &Gpu,
        plan: &Plan,
        pipelines: Vec<Arc<Pipeline>>,
        slots: Vec<Place>,
        bound: &Bound<'_>,
    ) -> Self {
        let steps = record(gpu, plan, pipelines, &slots, bound);
        let (given, kept) = (plan.given.clone(), plan.kept.clone());
        Self { picture: plan.picture, given, output: plan.output, kept, slots, steps }
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// What the host writes, in order.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.picture.iter().chain(&self.given)
    }

    /// What the host reads, in order.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Port> {
        std::iter::once(&self.output).chain(&self.kept)
    }

    /// Words of all outputs.
    pub(super) fn output_words(&self) -> usize {
        self.outputs().map(Port::words).sum()
    }

    pub(super) fn slot(&self, slot: Slot) -> &wgpu::Buffer {
        &self.slots[slot.0 as usize].buffer
    }

    /// Copies the inputs from a buffer in which they lie one after the other.
    pub(super) fn read(&self, encoder: &mut wgpu::CommandEncoder, from: &wgpu::Buffer) {
        for (port, at) in places(self.inputs()) {
            encoder.copy_buffer_to_buffer(from, at, self.slot(port.slot), 0, bytes(port));
        }
    }

    /// Copies the outputs to such a buffer.
    pub(super) fn write(&self, encoder: &mut wgpu::CommandEncoder, to: &wgpu::Buffer) {
        for (port, at) in places(self.outputs()) {
            encoder.copy_buffer_to_buffer(self.slot(port.slot), 0, to, at, bytes(port));
        }
    }

    /// Some of the steps.
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder, steps: Range<usize>) {
        let mut rest = &self.steps[steps];
        while let Some(first) = rest.first() {
            first.fill_zeros(encoder);
            let more = rest[1..].iter().take_while(|step| step.zeroed.is_empty()).count();
            let (now, later) = rest.split_at(1 + more);
            let mut pass = encoder.begin_compute_pass(&Default::default());
            now.iter().for_each(|step| step.encode(&mut pass));
            rest = later;
        }
    }

    /// A pass a step, with what `pass` says of the step at a place.
    pub(super) fn encode_apart<'a>(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        pass: impl Fn(usize) -> wgpu::ComputePassDescriptor<'a>,
    ) {
        for (at, step) in self.steps.iter().enumerate() {
            step.fill_zeros(encoder);
            step.encode(&mut encoder.begin_compute_pass(&pass(at)));
        }
    }

    /// Fills every slot with NaN, so that a test sees what is read before it is written.
    pub(super) fn poison(&self, gpu: &Gpu) {
        for slot in &self.slots {
            let nan = vec![NAN; slot.buffer.size() as usize / 4];
            gpu.queue.write_buffer(&slot.buffer, 0, bytemuck::cast_slice(&nan));
        }
    }
}

fn bytes(port: &Port) -> u64 {
    4 * port.words() as u64
}

/// Ports, and where each begins, in bytes, if they lie one after the other.
fn places<'a>(ports: impl Iterator<Item = &'a Port>) -> impl Iterator<Item = (&'a Port, u64)> {
    ports.scan(0, |end, port| {
        let at = *end;
        *end += bytes(port);
        Some((port, at))
    })
}

/// Whether a step writes pixels with their proofs: an earlier picture's may not be left over.
fn proves(step: &Step) -> bool {
    step.dispatch.kernel.name == pixel_store::KERNEL.name
}

fn record(
    gpu: &Gpu,
    plan: &Plan,
    pipelines: Vec<Arc<Pipeline>>,
    slots: &[Place],
    bound: &Bound<'_>,
) -> Vec<Recorded> {
    let params = &bound.params;
    let steps = plan.steps.iter().zip(pipelines).enumerate();
    steps
        .map(|(at, (step, pipeline))| {
            let own = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: params,
                offset: 0,
                size: wgpu::BufferSize::new(step.dispatch.params.len() as u64),
            });
            let resources =
                [own].into_iter().chain(step.bindings.iter().map(|buffer| bound.resource(buffer)));
            let entries: Vec<wgpu::BindGroupEntry<'_>> = resources
                .zip(0..)
                .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&step.label),
                layout: &pipeline.layout,
                entries: &entries,
            });
            let params = (at * PARAMS_STEP) as u32;
            let workgroups = match step.indirect {
                None => Workgroups::Known(step.dispatch.workgroups),
                Some(Indirect { slot, entry }) => Workgroups::At(
                    slots[slot.0 as usize].buffer.as_ref().clone(),
                    4 * ARGUMENT_WORDS as u64 * u64::from(entry),
                ),
            };
            let zeroed = if step.zeroed || proves(step) {
                step.outputs().map(|slot| slots[slot.0 as usize].clone()).collect()
            } else {
                vec![]
            };
            Recorded { pipeline, bindings, params, workgroups, zeroed }
        })
        .collect()
}
