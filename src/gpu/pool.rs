//! What the sessions of one device have in common, so that one for another picture size costs little.
//!
//! - A network's parameters are packed and uploaded once for each order that kernels ask for ([`Numbers`]), and others
//!   take their place where they are.
//! - All sessions use the same slots. No run reads what an earlier one left, and the device goes through runs in order:
//!   those of all sessions wait in one [`Queue`]. What is learnt of the device's speed serves all.
//! - Buffers between host and device belong to one session, which hands them on at its end.

use std::sync::Arc;

use super::buffers::storage;
use super::flight::Flight;
use super::numbers::Numbers;
use super::queue::Queue;
use super::{Gpu, Session};
use crate::error::{Error, Result};
use crate::graph::Parameters;
use crate::plan::{Array, Plan, Port};

/// Where sessions take their buffers from.
#[derive(Debug)]
pub struct Pool {
    gpu: Gpu,
    numbers: Numbers,
    slots: Vec<Arc<wgpu::Buffer>>,
    residents: Vec<Arc<wgpu::Buffer>>,
    flights: Vec<Flight>,
    queue: Arc<Queue>,
}

/// Where a slot lies: at the beginning of a buffer that may be larger.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) buffer: Arc<wgpu::Buffer>,
    pub(super) bytes: u64,
}

impl Place {
    pub(super) fn binding(&self) -> wgpu::BindingResource<'_> {
        let (buffer, size) = (&self.buffer, wgpu::BufferSize::new(self.bytes));
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size })
    }

    pub(super) fn fill_zeros(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.buffer, 0, Some(self.bytes));
    }
}

impl Pool {
    /// An empty one, for plans of a network with these numbers.
    pub fn new(gpu: &Gpu, parameters: &Parameters) -> Self {
        let (numbers, queue) = (Numbers::new(parameters), Arc::default());
        Self {
            gpu: gpu.clone(),
            numbers,
            slots: Vec::new(),
            residents: Vec::new(),
            flights: Vec::new(),
            queue,
        }
    }

    /// Puts other numbers in the place of the network's, in all sessions. Runs that were begun have the earlier ones.
    /// Nothing is planned, compiled or allocated on the device.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) with a number that is too large for how a plan stores it,
    /// [`Error::Device`](crate::Error::Device) if the device is lost. Nothing is replaced then.
    ///
    /// # Panics
    /// If they are not the same parameters; [`Net::with_parameters`](crate::net::Net::with_parameters) sees to that.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        self.numbers.replace(&self.gpu, &self.queue, parameters)
    }

    /// Makes the plan's pipelines, and those of its buffers that are not there yet.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) if they do not fit,
    /// [`Error::Device`](crate::Error::Device) if the device is lost. The pool is then empty.
    pub fn session(&mut self, plan: &Plan) -> Result<Session> {
        let gpu = self.gpu.clone();
        let session = Session::make(&gpu, plan, self);
        if session.is_err() {
            self.clear();
        }
        session
    }

    /// Takes over what a session had for itself.
    pub fn take_back(&mut self, session: Session) {
        self.flights.extend(session.into_flights());
    }

    /// How many packings of parameters have been uploaded so far.
    pub fn uploads(&self) -> usize {
        self.numbers.uploads()
    }

    /// Bytes of a plan's buffers.
    pub fn bytes_of(&mut self, plan: &Plan) -> u64 {
        plan.slots.iter().chain(&plan.residents).sum::<u64>()
            + self.numbers.bytes_of(plan)
            + super::own_bytes(plan)
    }

    /// Bytes of all buffers but those that sessions have for themselves.
    pub fn bytes(&self) -> u64 {
        let flights: u64 = self.flights.iter().map(Flight::bytes).sum();
        let buffers = self.slots.iter().chain(&self.residents).map(|buffer| buffer.size());
        flights + self.numbers.bytes() + buffers.sum::<u64>()
    }

    /// Bytes that a session would add: buffers that are not there, and those that it would have for itself.
    pub fn missing(&mut self, plan: &Plan) -> u64 {
        let slots = plan.slots.iter().zip(self.fitting(&plan.slots));
        let slots: u64 = slots.filter(|(_, found)| found.is_none()).map(|(bytes, _)| bytes).sum();
        let residents: u64 = plan.residents.iter().skip(self.residents.len()).sum();
        slots + residents + self.numbers.missing(plan) + super::own_bytes(plan)
    }

    /// Drops what neither a session nor `plan` needs.
    pub fn trim(&mut self, plan: &Plan) {
        let fitting: Vec<usize> = self.fitting(&plan.slots).into_iter().flatten().collect();
        let mut at = 0;
        self.slots.retain(|slot| {
            at += 1;
            Arc::strong_count(slot) > 1 || fitting.contains(&(at - 1))
        });
        self.numbers.trim(plan);
        let (inputs, outputs) = words(plan);
        self.flights.retain(|flight| flight.suits(inputs, outputs));
    }

    /// Drops everything; sessions keep what they have.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.slots.clear();
        self.residents.clear();
        self.flights.clear();
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    /// Whether the parameters can be stored as a plan has them.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) with a number that is too large.
    pub(super) fn check(&self, plan: &Plan) -> Result<()> {
        self.numbers.check(plan)
    }

    /// A buffer for every packing of a plan's parameters.
    pub(super) fn parameters(&mut self, plan: &Plan) -> Vec<Arc<wgpu::Buffer>> {
        self.numbers.buffers(&self.gpu, plan)
    }

    /// A place for every slot of a plan.
    pub(super) fn slots(&mut self, wanted: &[u64]) -> Vec<Place> {
        let found = self.fitting(wanted);
        let place = |(bytes, found): (&u64, Option<usize>)| {
            let at = found.unwrap_or_else(|| {
                self.slots.push(Arc::new(storage(&self.gpu, *bytes)));
                self.slots.len() - 1
            });
            Place { buffer: self.slots[at].clone(), bytes: *bytes }
        };
        wanted.iter().zip(found).map(place).collect()
    }

    /// The arrays that outlive runs: zeros, until a run or the host writes them.
    pub(super) fn residents(&mut self, plan: &Plan) -> Vec<Arc<wgpu::Buffer>> {
        for bytes in plan.residents.iter().skip(self.residents.len()) {
            self.residents.push(Arc::new(storage(&self.gpu, *bytes)));
        }
        self.residents[..plan.residents.len()].to_vec()
    }

    /// Writes numbers to the beginning of an array that outlives runs.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost, or no session was made that has the array.
    ///
    /// # Panics
    /// If the array is shorter.
    pub fn write(&self, array: Array, numbers: &[f32]) -> Result<()> {
        let buffer = self.resident(array)?;
        self.queue.behind_all(&self.gpu, || {
            self.gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(numbers));
            self.gpu.queue.submit([]);
        })
    }

    /// The numbers of an array that outlives runs, as all runs that were begun leave them.
    ///
    /// # Errors
    /// As [`Pool::write`].
    pub fn read(&self, array: Array) -> Result<Vec<f32>> {
        self.queue.flush(&self.gpu)?;
        self.gpu.read(self.resident(array)?)
    }

    fn resident(&self, array: Array) -> Result<&wgpu::Buffer> {
        let gone = || Error::Device(format!("{}: the numbers of the training are gone", self.gpu.name));
        self.residents.get(array as usize).map(AsRef::as_ref).ok_or_else(gone)
    }

    /// Buffers for so many runs of a plan at once.
    pub(super) fn flights(&mut self, plan: &Plan, count: usize) -> Vec<Flight> {
        let (inputs, outputs) = words(plan);
        let suiting = |flights: &[Flight]| flights.iter().position(|flight| flight.suits(inputs, outputs));
        let flight = |_| match suiting(&self.flights) {
            Some(at) => self.flights.swap_remove(at),
            None => Flight::new(&self.gpu, inputs, outputs),
        };
        (0..count).map(flight).collect()
    }

    /// For each slot the smallest buffer that is large enough and not another's, the largest slots first.
    fn fitting(&self, wanted: &[u64]) -> Vec<Option<usize>> {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(wanted[*at]));
        let mut free: Vec<usize> = (0..self.slots.len()).collect();
        free.sort_by_key(|at| self.slots[*at].size());
        let mut found = vec![None; wanted.len()];
        for at in order {
            let first = free.partition_point(|slot| self.slots[*slot].size() < wanted[at]);
            if first < free.len() {
                found[at] = Some(free.remove(first));
            }
        }
        found
    }
}

/// Words that go up and that come down.
fn words(plan: &Plan) -> (usize, usize) {
    (plan.inputs().map(Port::words).sum(), plan.outputs().map(Port::words).sum())
}
