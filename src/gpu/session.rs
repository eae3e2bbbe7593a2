//! A plan resident on a device: its buffers, its bind groups, and the run.
//!
//! Everything is allocated when the session is made; a run allocates nothing on the device. One run is one
//! compute pass in one submission: wgpu orders the dispatches by what they read and write.

use std::sync::Arc;

use super::Gpu;
use super::pipelines::Pipeline;
use crate::error::{Error, Result};
use crate::kernel::mask_arguments::ARGUMENT_WORDS;
use crate::pixels::{Depth, Pixels};
use crate::plan::{Buffer, Ends, Indirect, Plan, Port, Slot};
use crate::tensor::{Tensor, pack, packed_len, unpack};

/// Parameters lie at multiples of this in their one buffer: WebGPU's largest alignment for offsets.
const PARAMS_STEP: usize = 256;

/// A plan on a device, ready to run any number of times.
#[derive(Debug)]
pub struct Session {
    pub(super) gpu: Gpu,
    ends: Ends,
    pub(super) input: Port,
    output: Port,
    kept: Vec<Port>,
    slots: Vec<wgpu::Buffer>,
    pub(super) steps: Vec<Recorded>,
    readback: wgpu::Buffer,
}

/// A dispatch with everything it binds.
#[derive(Debug)]
pub(super) struct Recorded {
    pipeline: Arc<Pipeline>,
    bindings: wgpu::BindGroup,
    params: u32,
    workgroups: Workgroups,
    /// Buffers that are filled with zeros first.
    zeroed: Vec<wgpu::Buffer>,
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
        self.zeroed.iter().for_each(|buffer| encoder.clear_buffer(buffer, 0, None));
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
    /// [`Error::Device`] if the device is out of memory or lost.
    pub fn new(gpu: &Gpu, plan: &Plan) -> Result<Self> {
        let pipelines: Vec<Arc<Pipeline>> =
            plan.steps.iter().map(|step| gpu.pipeline(&step.dispatch)).collect::<Result<_>>()?;
        let (slots, steps, readback) = gpu.guarded(|| {
            let slots: Vec<wgpu::Buffer> = plan.slots.iter().map(|bytes| slot(gpu, *bytes)).collect();
            let constants: Vec<wgpu::Buffer> =
                plan.constants.iter().map(|numbers| constant(gpu, numbers)).collect();
            let params = params(gpu, plan);
            let steps = record(gpu, plan, pipelines, &slots, &constants, &params);
            let largest =
                plan.kept.iter().chain([&plan.output]).map(|port| slots[port.slot.0 as usize].size()).max();
            let readback = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("sparsr.readback"),
                size: largest.unwrap_or(4),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            (slots, steps, readback)
        })?;
        let (ends, input, output, kept) = (plan.ends, plan.input, plan.output, plan.kept.clone());
        Ok(Self { gpu: gpu.clone(), ends, input, output, kept, slots, steps, readback })
    }

    /// Runs on a picture of the plan's size and depth.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost, or if any pixel of the result was not written or is not a
    /// finite number. Then there is no result: nothing of it can be trusted.
    ///
    /// # Panics
    /// If the plan's ends are not pixels of this size and depth.
    pub fn run_pixels(&mut self, picture: &Pixels) -> Result<Pixels> {
        let depth = picture.depth();
        self.submit(bytemuck::cast_slice(&self.words(picture)))?;
        let shape = self.output.shape;
        let words = self.read(self.output, shape.pixels() * depth.words())?;
        check_proof(&words, shape.width, depth).map_err(|reason| self.broken(&reason))?;
        Ok(Pixels::from_words(shape.width, shape.height, depth, &words))
    }

    /// The picture as the input's slot takes it.
    pub(super) fn words(&self, picture: &Pixels) -> Vec<u32> {
        let depth = match self.ends {
            Ends::Pixels8 => Depth::Eight,
            Ends::Pixels16 => Depth::Sixteen,
            Ends::Tensors => panic!("a session made for pixels is run on pixels"),
        };
        let (given, wanted) = ((picture.width(), picture.height(), picture.depth()), self.input.shape);
        assert_eq!(given, (wanted.width, wanted.height, depth), "the picture that the plan was made for");
        picture.to_words()
    }

    /// Runs on activations.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    ///
    /// # Panics
    /// If the plan's ends are not tensors of this shape.
    pub fn run_tensor(&mut self, input: &Tensor) -> Result<Tensor> {
        assert_eq!(self.ends, Ends::Tensors, "a session made for tensors is run on tensors");
        assert_eq!(input.shape(), self.input.shape, "the shape that the plan was made for");
        self.submit(bytemuck::cast_slice(&pack(input)))?;
        self.read_tensor(self.output)
    }

    /// The values that the plan keeps, from the last run.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn kept(&mut self) -> Result<Vec<Tensor>> {
        self.kept.clone().into_iter().map(|port| self.read_tensor(port)).collect()
    }

    /// Fills every slot with NaN, so that a test sees what is read before it is written.
    pub fn poison(&mut self) {
        for slot in &self.slots {
            let nan = vec![f32::NAN; slot.size() as usize / 4];
            self.gpu.queue.write_buffer(slot, 0, bytemuck::cast_slice(&nan));
        }
    }

    /// Runs once more on what is in the input's slot, and waits: what a benchmark of single steps times. (A plan of
    /// many steps uses that slot for other values later on.)
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn rerun(&mut self) -> Result<()> {
        self.submit(&[])?;
        self.wait()
    }

    fn submit(&mut self, input: &[u8]) -> Result<()> {
        self.gpu.guarded(|| {
            self.gpu.queue.write_buffer(self.slot(self.input.slot), 0, input); // nothing, for a rerun
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            let mut rest = self.steps.as_slice();
            while let Some(first) = rest.first() {
                first.fill_zeros(&mut encoder);
                let more = rest[1..].iter().take_while(|step| step.zeroed.is_empty()).count();
                let (now, later) = rest.split_at(1 + more);
                let mut pass = encoder.begin_compute_pass(&Default::default());
                now.iter().for_each(|step| step.encode(&mut pass));
                rest = later;
            }
            self.gpu.queue.submit([encoder.finish()]);
        })
    }

    fn read_tensor(&mut self, port: Port) -> Result<Tensor> {
        let words = self.read(port, packed_len(port.shape))?;
        Ok(unpack(port.shape, bytemuck::cast_slice(&words)))
    }

    /// Waits for the run and copies the first `words` of a slot to the host.
    fn read(&mut self, port: Port, words: usize) -> Result<Vec<u32>> {
        let bytes = 4 * words as u64;
        self.gpu.guarded(|| {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(self.slot(port.slot), 0, &self.readback, 0, bytes);
            self.gpu.queue.submit([encoder.finish()]);
        })?;
        self.map(&self.readback, bytes)
    }

    /// Waits for all that was submitted, and reads a buffer that can be mapped.
    pub(super) fn map<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<T>> {
        let (done, mapped) = std::sync::mpsc::channel();
        self.gpu.guarded(|| {
            // The receiver lives until the end of this function, so sending cannot fail before it.
            buffer.map_async(wgpu::MapMode::Read, ..bytes, move |result| drop(done.send(result)));
        })?;
        self.wait()?;
        match mapped.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.broken(&format!("the result could not be read: {error}"))),
            Err(_) => return Err(self.broken("the result never came")),
        }
        let view = buffer.get_mapped_range(..bytes).map_err(|error| self.broken(&error.to_string()))?;
        let read = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        Ok(read)
    }

    fn wait(&self) -> Result<()> {
        match self.gpu.device.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    pub(super) fn slot(&self, slot: Slot) -> &wgpu::Buffer {
        &self.slots[slot.0 as usize]
    }

    fn broken(&self, reason: &str) -> Error {
        Error::Device(format!("{}: {reason}; nothing of the result can be trusted", self.gpu.name))
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

fn slot(gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("sparsr.slot"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::INDIRECT
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn constant(gpu: &Gpu, numbers: &[f32]) -> wgpu::Buffer {
    let buffer = slot(gpu, 4 * numbers.len() as u64);
    gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(numbers));
    buffer
}

/// The parameters of every step in one buffer.
fn params(gpu: &Gpu, plan: &Plan) -> wgpu::Buffer {
    let mut bytes = vec![0; plan.steps.len() * PARAMS_STEP];
    for (step, place) in plan.steps.iter().zip(bytes.chunks_exact_mut(PARAMS_STEP)) {
        place[..step.dispatch.params.len()].copy_from_slice(&step.dispatch.params);
    }
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("sparsr.params"),
        size: bytes.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&buffer, 0, &bytes);
    buffer
}

fn record(
    gpu: &Gpu,
    plan: &Plan,
    pipelines: Vec<Arc<Pipeline>>,
    slots: &[wgpu::Buffer],
    constants: &[wgpu::Buffer],
    params: &wgpu::Buffer,
) -> Vec<Recorded> {
    let resource = |buffer: &Buffer| match buffer {
        Buffer::Slot(slot) => slots[slot.0 as usize].as_entire_binding(),
        Buffer::Constant(constant) => constants[*constant as usize].as_entire_binding(),
    };
    let steps = plan.steps.iter().zip(pipelines).enumerate();
    steps
        .map(|(at, (step, pipeline))| {
            let own = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: params,
                offset: 0,
                size: wgpu::BufferSize::new(step.dispatch.params.len() as u64),
            });
            let resources = [own].into_iter().chain(step.bindings.iter().map(resource));
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
                    slots[slot.0 as usize].clone(),
                    4 * ARGUMENT_WORDS as u64 * u64::from(entry),
                ),
            };
            let zeroed = if step.zeroed {
                step.outputs().map(|slot| slots[slot.0 as usize].clone()).collect()
            } else {
                vec![]
            };
            Recorded { pipeline, bindings, params, workgroups, zeroed }
        })
        .collect()
}
