//! Parameters on a device: packed and uploaded once for all sessions of a pool, and replaced where they are.

use std::collections::HashMap;
use std::sync::Arc;

use super::Gpu;
use super::buffers::upload;
use super::queue::Queue;
use crate::error::Result;
use crate::graph::Parameters;
use crate::plan::{Packing, Plan};

/// A network's parameters, in all orders that kernels have asked for.
#[derive(Debug)]
pub(super) struct Numbers {
    parameters: Parameters,
    uploaded: HashMap<Packing, Arc<wgpu::Buffer>>,
    /// Packed, to know how long they are, and not uploaded yet.
    packed: HashMap<Packing, Vec<u32>>,
    uploads: usize,
}

impl Numbers {
    pub(super) fn new(parameters: &Parameters) -> Self {
        Self { parameters: parameters.clone(), uploaded: HashMap::new(), packed: HashMap::new(), uploads: 0 }
    }

    /// How many packings have been uploaded so far.
    pub(super) fn uploads(&self) -> usize {
        self.uploads
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        self.uploaded.values().map(|buffer| buffer.size()).sum()
    }

    /// Bytes that a plan's packings take.
    pub(super) fn bytes_of(&mut self, plan: &Plan) -> u64 {
        plan.parameters.iter().map(|packing| self.length(packing)).sum()
    }

    /// Bytes that a plan would add.
    pub(super) fn missing(&mut self, plan: &Plan) -> u64 {
        let missing: Vec<&Packing> =
            plan.parameters.iter().filter(|packing| !self.uploaded.contains_key(packing)).collect();
        missing.into_iter().map(|packing| self.length(packing)).sum()
    }

    /// Whether what is not there yet can be stored as a plan has it; what is there has been asked.
    ///
    /// # Errors
    /// As [`Packing::check`].
    pub(super) fn check(&self, plan: &Plan) -> Result<()> {
        let missing = plan.parameters.iter().filter(|packing| !self.uploaded.contains_key(packing));
        missing.into_iter().try_for_each(|packing| packing.check(&self.parameters))
    }

    /// A buffer for every packing of a plan.
    pub(super) fn buffers(&mut self, gpu: &Gpu, plan: &Plan) -> Vec<Arc<wgpu::Buffer>> {
        let buffers = plan.parameters.iter().map(|packing| self.buffer(gpu, packing)).collect();
        self.packed.clear();
        buffers
    }

    fn buffer(&mut self, gpu: &Gpu, packing: &Packing) -> Arc<wgpu::Buffer> {
        if let Some(buffer) = self.uploaded.get(packing) {
            return buffer.clone();
        }
        self.uploads += 1;
        let words = self.packed.remove(packing).unwrap_or_else(|| packing.words(&self.parameters));
        let buffer = Arc::new(upload(gpu, bytemuck::cast_slice(&words)));
        self.uploaded.insert(packing.clone(), buffer.clone());
        buffer
    }

    /// Drops what neither a session nor `plan` needs.
    pub(super) fn trim(&mut self, plan: &Plan) {
        self.uploaded
            .retain(|packing, buffer| Arc::strong_count(buffer) > 1 || plan.parameters.contains(packing));
    }

    /// Drops everything; sessions keep what they have.
    pub(super) fn clear(&mut self) {
        self.uploaded.clear();
        self.packed.clear();
    }

    /// Puts other numbers in the place of all.
    ///
    /// # Errors
    /// As [`write`], and then nothing is replaced.
    pub(super) fn replace(&mut self, gpu: &Gpu, queue: &Queue, parameters: &Parameters) -> Result<()> {
        if parameters.version() == self.parameters.version() {
            return Ok(());
        }
        write(gpu, queue, self.uploaded.iter(), parameters)?;
        self.packed.clear();
        self.parameters = parameters.clone();
        Ok(())
    }

    fn length(&mut self, packing: &Packing) -> u64 {
        if let Some(buffer) = self.uploaded.get(packing) {
            return buffer.size();
        }
        let words = self.packed.entry(packing.clone()).or_insert_with(|| packing.words(&self.parameters));
        size_of_val(&**words) as u64
    }
}

/// Writes numbers over those that buffers hold, behind all runs that were begun. Nothing is allocated on the device.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) with a number that is too large for how the plan stores it, and then
/// nothing is written; [`Error::Device`](crate::Error::Device) if the device is lost.
pub(super) fn write<'a>(
    gpu: &Gpu,
    queue: &Queue,
    buffers: impl Iterator<Item = (&'a Packing, &'a Arc<wgpu::Buffer>)> + Clone,
    parameters: &Parameters,
) -> Result<()> {
    buffers.clone().try_for_each(|(packing, _)| packing.check(parameters))?;
    queue.behind_all(gpu, || {
        for (packing, buffer) in buffers {
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&packing.words(parameters)));
        }
        gpu.queue.submit([]); // or the copies wait, and take memory, until the next run
    })
}
