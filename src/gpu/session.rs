//! A plan resident on a device: its buffers, its bind groups, and the run.
//!
//! Everything is allocated when the session is made, or taken over from a [`Pool`]; a run allocates nothing on the
//! device. Up to [`FLIGHTS`] runs are under way at once: while the device computes one, the host writes the next
//! one's input and reads the last one's output. The slots are shared, since the device goes through runs in order;
//! what the host touches, the buffers up and down, each flight has for itself.
//!
//! A run is a few submissions, as many as keep each of them short (see [`Pace`]), and few of them are on the device at once
//! ([`Queue`]). [`Session::submit`] and [`Session::poll`] never wait; what does is built of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Gpu;
use super::bound::{Bound, PARAMS_STEP};
use super::commands::Commands;
use super::flight::Flight;
use super::numbers;
use super::pace::Pace;
use super::pool::Pool;
use super::queue::{Part, Queue};
use crate::control::Cancel;
use crate::error::{Error, Result};
use crate::graph::Parameters;
use crate::kernel::Dispatch;
use crate::pixels::{Depth, Pixels};
use crate::plan::{Form, Packing, Plan, Port};
use crate::tensor::{Tensor, pack, unpack};

/// Runs under way at once.
pub const FLIGHTS: usize = 2;

/// A plan on a device, ready to run any number of times.
#[derive(Debug)]
pub struct Session {
    pub(super) gpu: Gpu,
    pub(super) commands: Arc<Commands>,
    /// How the parameters are packed, and where.
    parameters: Vec<(Packing, Arc<wgpu::Buffer>)>,
    /// Where runs wait, those of all sessions in the same slots.
    pub(super) queue: Arc<Queue>,
    /// Flights that wait, and flights under way, the oldest first.
    idle: Vec<Flight>,
    under_way: VecDeque<Flight>,
    pace: Pace,
    /// The kept values of the last run.
    last_kept: Vec<Vec<u32>>,
    /// Bytes that it has for itself beside what [`FLIGHTS`] take.
    fixed_bytes: u64,
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
        numbers::write(&self.gpu, &self.queue, buffers, parameters)
    }

    /// The same with what the pool has.
    pub(super) fn make(gpu: &Gpu, plan: &Plan, pool: &mut Pool) -> Result<Self> {
        let dispatches: Vec<&Dispatch> = plan.steps.iter().map(|step| &step.dispatch).collect();
        pool.check(plan)?;
        let pipelines = gpu.pipelines(&dispatches)?;
        let (commands, parameters, idle) = gpu.guarded(|| {
            let (slots, parameters, residents) =
                (pool.slots(&plan.slots), pool.parameters(plan), pool.residents(plan));
            let bound = Bound::new(gpu, plan, &slots, &parameters, &residents);
            let commands = Commands::new(gpu, plan, pipelines, slots.clone(), &bound);
            (commands, parameters, pool.flights(plan, FLIGHTS))
        })?;
        let queue = pool.queue();
        Ok(Self {
            gpu: gpu.clone(),
            commands: Arc::new(commands),
            parameters: plan.parameters.iter().cloned().zip(parameters).collect(),
            pace: queue.speed(|speed| Pace::new(plan, speed, gpu.longest_submission())),
            queue,
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

    /// Begins a run: the picture's words, if the plan reads a picture, and its given values, packed. Does not wait.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if [`FLIGHTS`] runs are under way; [`Error::Shape`] if the inputs are not those of the plan;
    /// [`Error::Device`], [`Error::OutOfMemory`].
    pub fn submit(&mut self, picture: Option<&[u32]>, given: &[&[f32]]) -> Result<()> {
        let inputs = picture.into_iter().chain(given.iter().map(|values| bytemuck::cast_slice(values)));
        let words: Vec<&[u32]> = inputs.collect();
        self.check_inputs(&words)?;
        let Some(mut flight) = self.idle.pop() else {
            let reason = format!("{FLIGHTS} runs are under way: collect one before another begins");
            return Err(Error::Unsupported(reason));
        };
        self.gpu.guarded(|| flight.write(&words)).and_then(|written| {
            written.map_err(|error| self.gpu.broken(&format!("an input could not be written: {error}")))
        })?;
        flight.begun = Instant::now();
        let mut parts = self.parts(&flight.run);
        parts[0].up = Some(flight.up.clone());
        let last = parts.len() - 1;
        parts[last].landing = Some(flight.landing(4 * self.commands.output_words() as u64));
        self.under_way.push_back(flight);
        self.queue.add(&self.gpu, parts)
    }

    pub(super) fn check_inputs(&self, words: &[&[u32]]) -> Result<()> {
        let expected: Vec<usize> = self.commands.inputs().map(Port::words).collect();
        let found: Vec<usize> = words.iter().map(|words| words.len()).collect();
        let reason = || format!("expected the plan's inputs, of {expected:?} words, found {found:?}");
        if found == expected { Ok(()) } else { Err(Error::shape("input", reason())) }
    }

    /// The outputs of the oldest run under way, if it is done: the words of its output, then of each kept value. Does not
    /// wait, and keeps the device busy.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if no run is under way, [`Error::Device`] if the device is lost.
    pub fn poll(&mut self) -> Result<Option<Vec<Vec<u32>>>> {
        self.gpu.look()?;
        self.queue.advance(&self.gpu)?;
        let Some(flight) = self.under_way.front_mut() else {
            return Err(Error::Unsupported("no run is under way: submit one first".into()));
        };
        if !flight.has_landed(&self.gpu)? {
            return Ok(None);
        }
        let read = self.read()?;
        if let Some(flight) = self.under_way.pop_front() {
            flight.down.unmap();
            self.queue.speed(|speed| self.pace.land(flight.begun, speed));
            self.idle.push(flight);
        }
        Ok(Some(read))
    }

    /// What the oldest run left in the buffer down.
    fn read(&self) -> Result<Vec<Vec<u32>>> {
        let bytes = 4 * self.commands.output_words() as u64;
        let down = &self.under_way[0].down;
        let view = down.get_mapped_range(..bytes).map_err(|error| self.gpu.broken(&error.to_string()))?;
        let mut rest: &[u32] = bytemuck::cast_slice(&view);
        let lengths = self.commands.outputs().map(Port::words);
        let take = |words| rest.split_off(..words).expect("the buffer has room for every output").to_vec();
        Ok(lengths.map(take).collect())
    }

    /// [`Session::poll`] until there is something.
    ///
    /// # Errors
    /// As [`Session::poll`].
    pub fn collect(&mut self) -> Result<Vec<Vec<u32>>> {
        self.collect_unless(&Cancel::default())
    }

    /// [`Session::collect`], unless it is cancelled meanwhile.
    ///
    /// # Errors
    /// As [`Session::poll`], and [`Error::Cancelled`]. The run is under way still.
    pub fn collect_unless(&mut self, cancel: &Cancel) -> Result<Vec<Vec<u32>>> {
        loop {
            if let Some(read) = self.poll()? {
                return Ok(read);
            }
            cancel.check()?;
            self.queue.rest(&self.gpu)?;
        }
    }

    /// Runs on a picture of the plan's size and depth, and waits.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost, or if any pixel of the result was not written or is not a finite number.
    /// Then there is no result: nothing of it can be trusted. [`Error::Shape`] if the plan's ends are not pixels of this
    /// size and depth, or there are given inputs; [`Error::Unsupported`] while other runs are under way.
    pub fn run_pixels(&mut self, picture: &Pixels) -> Result<Pixels> {
        let (found, depth) = ([picture.width(), picture.height()], picture.depth());
        let fits = |port: Port| [port.shape.width, port.shape.height] == found && port.form == form(depth);
        if !self.commands.picture.is_none_or(fits) {
            let [width, height] = found;
            return Err(
                self.misfit(&format!("a picture of {width}x{height} pixels, {depth:?} bits a sample"))
            );
        }
        let words = self.commands.picture.map(|_| picture.to_words());
        let output = self.run(words.as_deref())?;
        self.pixels(&output)
    }

    /// The picture that an output of [`Session::collect`] holds.
    ///
    /// # Errors
    /// As [`Session::run_pixels`].
    pub fn pixels(&self, words: &[u32]) -> Result<Pixels> {
        let Port { shape, form, .. } = self.commands.output;
        let depth = match form {
            Form::Pixels8 => Depth::Eight,
            Form::Pixels16 => Depth::Sixteen,
            Form::Tensor => {
                return Err(Error::shape(
                    "output",
                    "expected a plan whose output is pixels, found activations",
                ));
            }
        };
        if words.len() != self.commands.output.words() {
            let expected = self.commands.output.words();
            return Err(Error::shape("output", format!("expected {expected} words, found {}", words.len())));
        }
        check_proof(words, shape.width, depth).map_err(|reason| self.gpu.broken(&reason))?;
        Pixels::from_words(shape.width, shape.height, depth, words)
    }

    /// Runs on activations, and waits.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost; [`Error::Shape`] if the plan's ends are not tensors of this shape, or there
    /// are given inputs; [`Error::Unsupported`] while other runs are under way.
    pub fn run_tensor(&mut self, input: &Tensor) -> Result<Tensor> {
        let fits = |port: Port| (port.shape, port.form) == (input.shape(), Form::Tensor);
        if !self.commands.picture.is_none_or(fits) {
            return Err(self.misfit(&format!("activations of {}", input.shape())));
        }
        if self.commands.output.form != Form::Tensor {
            return Err(Error::shape("output", "expected a plan whose output is activations, found pixels"));
        }
        let words = self.commands.picture.map(|_| bytemuck::cast_vec(pack(input)));
        let output = self.run(words.as_deref())?;
        Ok(unpack(self.commands.output.shape, bytemuck::cast_slice(&output)))
    }

    /// The output's words of a run alone.
    fn run(&mut self, picture: Option<&[u32]>) -> Result<Vec<u32>> {
        if !self.is_idle() {
            let reason = "other runs are under way: collect them before one that is waited for";
            return Err(Error::Unsupported(reason.into()));
        }
        self.submit(picture, &[])?;
        let mut read = self.collect()?;
        let output = read.remove(0);
        self.last_kept = read;
        Ok(output)
    }

    fn misfit(&self, found: &str) -> Error {
        let expected = self.commands.picture.map(|Port { shape, form, .. }| match form {
            Form::Tensor => format!("activations of {shape}"),
            Form::Pixels8 => format!("a picture of {}x{} pixels, 8 bits a sample", shape.width, shape.height),
            Form::Pixels16 => {
                format!("a picture of {}x{} pixels, 16 bits a sample", shape.width, shape.height)
            }
        });
        Error::shape("input", format!("expected {}, found {found}", expected.unwrap_or_default()))
    }

    /// The values that the plan keeps, from the last [`Session::run_pixels`] or [`Session::run_tensor`].
    pub fn kept(&self) -> Vec<Tensor> {
        let kept = self.commands.kept.iter().zip(&self.last_kept);
        kept.map(|(port, words)| unpack(port.shape, bytemuck::cast_slice(words))).collect()
    }

    /// Fills every slot with NaN, so that a test sees what is read before it is written.
    #[doc(hidden)]
    pub fn poison(&mut self) {
        self.commands.poison(&self.gpu);
    }

    /// Runs once more on what is in the inputs' slots, and waits: what a benchmark of single steps times. (A plan of
    /// many steps uses those slots for other values later on, and so do other sessions of its pool.)
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    #[doc(hidden)]
    pub fn rerun(&mut self) -> Result<()> {
        let run = Arc::new(());
        self.queue.add(&self.gpu, self.parts(&run))?;
        self.queue.flush(&self.gpu)?;
        self.gpu.wait()
    }

    /// What a run takes, as far as that is known.
    pub(super) fn time(&self) -> Duration {
        self.pace.time()
    }

    /// The submissions of a run.
    fn parts(&self, run: &Arc<()>) -> Vec<Part> {
        let (steps, length) = (self.commands.len(), self.pace.length());
        let part = |start: usize| Part {
            commands: self.commands.clone(),
            steps: start..(start + length).min(steps),
            up: None,
            landing: None,
            run: Arc::downgrade(run),
        };
        (0..steps.max(1)).step_by(length).map(part).collect()
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
