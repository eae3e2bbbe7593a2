//! The buffers that a plan's steps bind, made once for a session.

use std::sync::Arc;

use super::Gpu;
use super::buffers::upload;
use super::pool::Place;
use crate::plan::{Buffer, Piece, Plan};

/// Parameters are stored at multiples of this in their one buffer: WebGPU's largest alignment for offsets.
pub(super) const PARAMS_STEP: usize = 256;

/// What is bound where a step has nothing to bind: room for one element of any binding.
const UNUSED_BYTES: usize = 64;

/// What steps bind.
pub(super) struct Bound<'a> {
    pub(super) slots: &'a [Place],
    parameters: &'a [Arc<wgpu::Buffer>],
    residents: &'a [Arc<wgpu::Buffer>],
    constants: Vec<wgpu::Buffer>,
    /// Where a step has nothing to bind.
    unused: wgpu::Buffer,
    /// The parameters of every dispatch.
    pub(super) params: wgpu::Buffer,
}

impl<'a> Bound<'a> {
    pub(super) fn new(
        gpu: &Gpu,
        plan: &Plan,
        slots: &'a [Place],
        parameters: &'a [Arc<wgpu::Buffer>],
        residents: &'a [Arc<wgpu::Buffer>],
    ) -> Self {
        let constants = plan.constants.iter().map(|constant| upload(gpu, constant.bytes())).collect();
        Self {
            slots,
            parameters,
            residents,
            constants,
            unused: upload(gpu, &[0; UNUSED_BYTES]),
            params: params(gpu, plan),
        }
    }

    pub(super) fn resource(&self, buffer: &Buffer) -> wgpu::BindingResource<'_> {
        match buffer {
            Buffer::Slot(slot) => self.slots[slot.0 as usize].binding(),
            Buffer::Constant(constant) => self.constants[*constant as usize].as_entire_binding(),
            Buffer::Parameter(parameter) => self.parameters[*parameter as usize].as_entire_binding(),
            Buffer::Resident(Piece { array, offset, bytes }) => {
                let (buffer, size) = (&self.residents[*array as usize], wgpu::BufferSize::new(*bytes));
                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: *offset, size })
            }
            Buffer::Unused => self.unused.as_entire_binding(),
        }
    }
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
