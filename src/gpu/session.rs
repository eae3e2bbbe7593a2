//! A plan resident on a device: its buffers, its bind groups, and the run.
//!
//! Everything is allocated when the session is made, or taken over from a [`Pool`]; a run allocates nothing on the
//! device. Up to [`FLIGHTS`] runs are under way at once: while the device computes one, the host writes the next
//! one's input and reads the last one's output. The slots are shared, since the device goes through runs in order;
//! what the host touches, the buffers up and down, each flight has for itself.
//!
//! A run is a few submissions, as many as keep each of them short; see [`Pace`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Gpu;
use super::bound::{Bound, PARAMS_STEP};
use super::flight::{Flight, copy_all};
use super::numbers;
use super::pace::{Pace, Speed};
use super::pipelines::Pipeline;
use super::pool::{Place, Pool};
use crate::error::Result;
use crate::graph::Parameters;
use crate::kernel::Dispatch;
use crate::kernel::mask_arguments::ARGUMENT_WORDS;
use crate::kernel::pixel_store;
use crate::pixels::{Depth, Pixels};
use crate::plan::{Form, Indirect, Packing, Plan, Port, Slot, Step};
use crate::tensor::{Tensor, pack, unpack};

/// A word that is NaN as an f32, and twice as an f16.
const NAN: u32 = 0x7fff_7fff;

/// Runs under way at once.
pub const FLIGHTS: usize = 2;

/// A plan on a device, ready to run any number of times.
#[derive(Debug)]
pub struct Session {
    pub(super) gpu: Gpu,
    picture: Option<Port>,
    given: Vec<Port>,
    output: Port,
    kept: Vec<Port>,
    slots: Vec<Place>,
    /// How the parameters are packed, and where.
    parameters: Vec<(Packing, Arc<wgpu::Buffer>)>,
    /// Held by that one of all sessions in the same slots whose commands are being submitted.
    turn: Arc<Mutex<Speed>>,
    pub(super) steps: Vec<Recorded>,
    /// Flights that wait, and flights under way, the oldest first.
    idle: Vec<Flight>,
    under_way: VecDeque<Flight>,
    pace: Pace,
    /// The kept values of the last run.
    last_kept: Vec<Vec<u32>>,
    /// Bytes that it has for itself beside what [`FLIGHTS`] take.
    fixed_bytes: u64,
}

/// A dispatch with everything it binds.
#[derive(Debug)]
pub(super) struct Recorded {
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
    pub(super) fn fill_zeros(&self, encoder: &mut wgpu::CommandEncoder) {
        self.zeroed.iter().for_each(|slot| slot.fill_zeros(encoder));
    }

    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.compute);
        pass.set_bind_group(0, &self.bindings, &[self.params]);
        match &self.workgroups {
            Workgroups::Known([x, y, z]) => pass.dispatch_workgroups(*x, *y, *z),
            Workgroups::At(buffer, offset) => pass.dispatch_workgroups_indirect(buffer, *offset),
        }
    }
}

impl Session {
    /// Makes the plan's pipelines and buffers.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) if they do not fit, [`Error::Device`](crate::Error::Device) if
    /// the device is lost, [`Error::Unsupported`](crate::Error::Unsupported) with a number that is too large for how the
    /// plan stores it.
    pub fn new(gpu: &Gpu, plan: &Plan, parameters: &Parameters) -> Result<Self> {
        Pool::new(gpu, parameters).session(plan)
    }

    /// Puts other numbers in the place of the network's, as [`Pool::set_parameters`]; for a session of a pool that does.
    ///
    /// # Errors
    /// As [`Pool::set_parameters`].
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        let buffers = self.parameters.iter().map(|(packing, buffer)| (packing, buffer));
        numbers::write(&self.gpu, buffers, parameters)
    }

    /// The same with what the pool has.
    pub(super) fn make(gpu: &Gpu, plan: &Plan, pool: &mut Pool) -> Result<Self> {
        let dispatches: Vec<&Dispatch> = plan.steps.iter().map(|step| &step.dispatch).collect();
        pool.check(plan)?;
        let pipelines = gpu.pipelines(&dispatches)?;
        let (slots, parameters, steps, idle) = gpu.guarded(|| {
            let (slots, parameters, residents) =
                (pool.slots(&plan.slots), pool.parameters(plan), pool.residents(plan));
            let bound = Bound::new(gpu, plan, &slots, &parameters, &residents);
            let steps = record(gpu, plan, pipelines, &bound);
            (slots, parameters, steps, pool.flights(plan, FLIGHTS))
        })?;
        let (output, kept) = (plan.output, plan.kept.clone());
        Ok(Self {
            gpu: gpu.clone(),
            picture: plan.picture,
            given: plan.given.clone(),
            output,
            kept,
            slots,
            parameters: plan.parameters.iter().cloned().zip(parameters).collect(),
            turn: pool.turn(),
            pace: Pace::new(plan, &pool.speed()),
            steps,
            idle,
            under_way: VecDeque::new(),
            last_kept: Vec::new(),
            fixed_bytes: fixed_bytes(plan),
        })
    }

    /// Whether another run may be begun before one is collected.
    pub fn is_ready(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Whether no run is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.idle.len() == FLIGHTS
    }

    /// Begins a run: the picture's words, if the plan reads a picture, and its given values, packed.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    ///
    /// # Panics
    /// If [`FLIGHTS`] runs are under way, or the inputs are not those of the plan.
    pub fn submit(&mut self, picture: Option<&[u32]>, given: &[&[f32]]) -> Result<()> {
        let mut flight = self.idle.pop().expect("a run is collected before the next but one begins");
        let inputs = picture.into_iter().chain(given.iter().map(|values| bytemuck::cast_slice(values)));
        let words: Vec<&[u32]> = inputs.collect();
        let expected: Vec<usize> = self.inputs().map(Port::words).collect();
        let found: Vec<usize> = words.iter().map(|words| words.len()).collect();
        assert_eq!(found, expected, "the words of the plan's inputs");
        let outputs: usize = self.outputs().map(Port::words).sum();
        self.gpu.guarded(|| flight.write(&words)).and_then(|written| {
            written.map_err(|error| self.gpu.broken(&format!("an input could not be written: {error}")))
        })?;
        flight.begun = Instant::now();
        let turn = self.turn();
        self.gpu.guarded(|| {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            copy_all(&mut encoder, self.inputs(), |encoder, port, at, bytes| {
                encoder.copy_buffer_to_buffer(&flight.up, at, self.slot(port.slot), 0, bytes);
            });
            let mut encoder = self.submit_steps(encoder);
            copy_all(&mut encoder, self.outputs(), |encoder, port, at, bytes| {
                encoder.copy_buffer_to_buffer(self.slot(port.slot), 0, &flight.down, at, bytes);
            });
            flight.last = Some(self.gpu.queue.submit([encoder.finish()]));
            flight.map(4 * outputs as u64);
        })?;
        drop(turn);
        self.under_way.push_back(flight);
        Ok(())
    }

    /// Waits for the oldest run under way: the words of its output, then of each kept value.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    ///
    /// # Panics
    /// If no run is under way.
    pub fn collect(&mut self) -> Result<Vec<Vec<u32>>> {
        let mut flight = self.under_way.pop_front().expect("a run was begun");
        self.gpu.wait(flight.last.take())?;
        for mapped in std::mem::take(&mut flight.mapped) {
            self.gpu.is_mapped(&mapped)?;
        }
        let bytes = 4 * self.outputs().map(Port::words).sum::<usize>() as u64;
        let view =
            flight.down.get_mapped_range(..bytes).map_err(|error| self.gpu.broken(&error.to_string()))?;
        let mut rest: &[u32] = bytemuck::cast_slice(&view);
        let lengths = self.outputs().map(Port::words);
        let read = lengths
            .map(|words| rest.split_off(..words).expect("the buffer has room for every output").to_vec())
            .collect();
        drop(view);
        flight.down.unmap();
        self.pace.land(flight.begun, &mut self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.idle.push(flight);
        Ok(read)
    }

    /// Runs on a picture of the plan's size and depth, and waits.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost, or if any pixel of the result was not written or is
    /// not a finite number. Then there is no result: nothing of it can be trusted.
    ///
    /// # Panics
    /// If the plan's ends are not pixels of this size and depth, or there are given inputs.
    pub fn run_pixels(&mut self, picture: &Pixels) -> Result<Pixels> {
        let (found, depth) = ((picture.width(), picture.height()), picture.depth());
        let fits = |port: Port| (port.shape.width, port.shape.height) == found && port.form == form(depth);
        assert!(self.picture.is_none_or(fits), "a picture of the plan's size and depth");
        let words = self.picture.map(|_| picture.to_words());
        self.submit(words.as_deref(), &[])?;
        let mut read = self.collect()?.into_iter();
        let output = read.next().expect("every plan has an output");
        self.last_kept = read.collect();
        self.pixels(&output)
    }

    /// The picture that an output of [`Session::collect`] holds.
    ///
    /// # Errors
    /// As [`Session::run_pixels`].
    ///
    /// # Panics
    /// If the plan's output is not pixels.
    pub fn pixels(&self, words: &[u32]) -> Result<Pixels> {
        let Port { shape, form, .. } = self.output;
        let depth = match form {
            Form::Pixels8 => Depth::Eight,
            Form::Pixels16 => Depth::Sixteen,
            Form::Tensor => panic!("a session whose output is pixels is asked for pixels"),
        };
        check_proof(words, shape.width, depth).map_err(|reason| self.gpu.broken(&reason))?;
        Ok(Pixels::from_words(shape.width, shape.height, depth, words))
    }

    /// Runs on activations, and waits.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    ///
    /// # Panics
    /// If the plan's ends are not tensors of this shape, or there are given inputs.
    pub fn run_tensor(&mut self, input: &Tensor) -> Result<Tensor> {
        let fits = |port: Port| (port.shape, port.form) == (input.shape(), Form::Tensor);
        assert!(self.picture.is_none_or(fits), "a tensor of the plan's input shape");
        let words = self.picture.map(|_| bytemuck::cast_vec(pack(input)));
        self.submit(words.as_deref(), &[])?;
        let mut read = self.collect()?.into_iter();
        let output = read.next().expect("every plan has an output");
        self.last_kept = read.collect();
        Ok(unpack(self.output.shape, bytemuck::cast_slice(&output)))
    }

    /// The values that the plan keeps, from the last [`Session::run_pixels`] or [`Session::run_tensor`].
    pub fn kept(&self) -> Vec<Tensor> {
        let kept = self.kept.iter().zip(&self.last_kept);
        kept.map(|(port, words)| unpack(port.shape, bytemuck::cast_slice(words))).collect()
    }

    /// Fills every slot with NaN, so that a test sees what is read before it is written.
    #[doc(hidden)]
    pub fn poison(&mut self) {
        for slot in &self.slots {
            let nan = vec![NAN; slot.buffer.size() as usize / 4];
            self.gpu.queue.write_buffer(&slot.buffer, 0, bytemuck::cast_slice(&nan));
        }
    }

    /// Runs once more on what is in the inputs' slots, and waits: what a benchmark of single steps times. (A plan of
    /// many steps uses those slots for other values later on, and so do other sessions of its pool.)
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    #[doc(hidden)]
    pub fn rerun(&mut self) -> Result<()> {
        let turn = self.turn();
        self.gpu.guarded(|| {
            let encoder = self.submit_steps(self.gpu.device.create_command_encoder(&Default::default()));
            self.gpu.queue.submit([encoder.finish()]);
        })?;
        drop(turn);
        self.gpu.wait(None)
    }

    /// Its turn to submit: no other session of the pool does until it is dropped.
    pub(super) fn turn(&self) -> MutexGuard<'_, Speed> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that it has for itself, not from what the pool keeps, while no run is under way.
    pub(crate) fn own_bytes(&self) -> u64 {
        let flights: u64 = self.idle.iter().map(Flight::bytes).sum();
        flights + self.fixed_bytes
    }

    /// What another session may take over.
    pub(super) fn into_flights(self) -> Vec<Flight> {
        self.idle
    }

    /// Records all steps behind what `encoder` has, and submits all but the last part, which comes back.
    fn submit_steps(&self, mut encoder: wgpu::CommandEncoder) -> wgpu::CommandEncoder {
        for (at, steps) in self.steps.chunks(self.pace.length()).enumerate() {
            if at > 0 {
                let next = self.gpu.device.create_command_encoder(&Default::default());
                self.gpu.queue.submit([std::mem::replace(&mut encoder, next).finish()]);
            }
            let mut rest = steps;
            while let Some(first) = rest.first() {
                first.fill_zeros(&mut encoder);
                let more = rest[1..].iter().take_while(|step| step.zeroed.is_empty()).count();
                let (now, later) = rest.split_at(1 + more);
                let mut pass = encoder.begin_compute_pass(&Default::default());
                now.iter().for_each(|step| step.encode(&mut pass));
                rest = later;
            }
        }
        encoder
    }

    pub(super) fn slot(&self, slot: Slot) -> &wgpu::Buffer {
        &self.slots[slot.0 as usize].buffer
    }

    /// What the host writes, in order.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.picture.iter().chain(&self.given)
    }

    /// What the host reads, in order.
    fn outputs(&self) -> impl Iterator<Item = &Port> {
        std::iter::once(&self.output).chain(&self.kept)
    }
}

/// Every pixel carries a proof that it was written, and that its numbers were finite; see
/// `shaders/pixel_store.wgsl`.
fn check_proof(words: &[u32], width: usize, depth: Depth) -> Result<(), String> {
    let (shift, proof) = match depth {
        Depth::Eight => (24, 0xff),
        Depth::Sixteen => (16, 0xffff),
    };
    let proofs = words.chunks(depth.words()).map(|pixel| pixel[depth.words() - 1] >> shift);
    match proofs.enumerate().find(|(_, found)| *found != proof) {
        None => Ok(()),
        Some((at, found)) => {
            let what = if found == 1 { "is not a finite number" } else { "was never written" };
            Err(format!("pixel ({}, {}) {what}", at % width, at / width))
        }
    }
}

/// How pixels of a depth are written and read.
pub(crate) fn form(depth: Depth) -> Form {
    match depth {
        Depth::Eight => Form::Pixels8,
        Depth::Sixteen => Form::Pixels16,
    }
}

/// Bytes that a plan's session needs for itself.
pub(crate) fn own_bytes(plan: &Plan) -> u64 {
    let transfers: usize = plan.inputs().chain(plan.outputs()).map(Port::words).sum();
    (FLIGHTS * 4 * transfers) as u64 + fixed_bytes(plan)
}

/// The dispatches' parameters and the plan's constants.
fn fixed_bytes(plan: &Plan) -> u64 {
    let constants: usize = plan.constants.iter().map(|constant| constant.bytes().len()).sum();
    (plan.steps.len() * PARAMS_STEP + constants) as u64
}

/// Whether a step writes pixels with their proofs: an earlier picture's may not be left over.
fn proves(step: &Step) -> bool {
    step.dispatch.kernel.name == pixel_store::KERNEL.name
}

fn record(gpu: &Gpu, plan: &Plan, pipelines: Vec<Arc<Pipeline>>, bound: &Bound<'_>) -> Vec<Recorded> {
    let Bound { slots, params, .. } = bound;
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
