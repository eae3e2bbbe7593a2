//! One convolution of a class by one candidate: made, held against the plain candidate's result, timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::AdapterKind;
use crate::error::Result;
use crate::gpu::{Gpu, Pool, Session};
use crate::graph::{Builder, Constant, Conv2d, Graph, MaskedConv2d, Op, Parameters, Value};
use crate::kernel::conv2d_pruned;
use crate::plan::{Candidate, Choices, Class, Density, Options, Plan, Sparsity, Zeros};
use crate::tensor::{Parameter, Shape, Tensor, pack};

/// The node that is timed.
const TIMED: &str = "convolution";

/// How far a right result may be from the plain one, as a share of the largest number.
fn rounding(candidate: Candidate) -> f32 {
    if candidate == Candidate::Matrices { 2e-3 } else { 1e-4 }
}

/// The side of a mask's blocks: whole tiles.
const BLOCK: usize = 16;

/// What time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The device's timestamps around each step.
    Device,
    /// The processors' time of the process: an adapter in software works there.
    Processor,
    /// Around the submission.
    Wall,
}

impl Clock {
    pub(super) fn of(gpu: &Gpu) -> Self {
        if gpu.kind() == AdapterKind::Software && processor_time().is_some() {
            Self::Processor
        } else if gpu.can_time_steps().is_ok() {
            Self::Device
        } else {
            Self::Wall
        }
    }

    /// Runs in one submission, so that the submission's own time disappears in theirs.
    fn repeats(self) -> usize {
        match self {
            Self::Device => 4,
            Self::Processor => 1,
            Self::Wall => 16,
        }
    }
}

/// A class's convolution.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    gpu: &'a Gpu,
    clock: Clock,
    pool: Pool,
    graph: Graph,
    input: Vec<u32>,
    /// Pixels that are computed.
    pixels: usize,
    plain: Vec<f32>,
    /// The plans that were tried.
    seen: Vec<String>,
    listed: bool,
    zeros: Arc<Zeros>,
}

/// A candidate that is ready to be timed.
#[derive(Debug)]
pub(super) struct Prepared {
    session: Session,
    clock: Clock,
    input: Vec<u32>,
    pixels: usize,
    /// Of each step whether it is the convolution's.
    is_timed: Vec<bool>,
    /// Whether its result is the plain candidate's.
    pub agrees: bool,
}

impl<'a> Subject<'a> {
    /// With the plain candidate's result.
    pub(super) fn new(gpu: &'a Gpu, clock: Clock, class: Class) -> Result<Self> {
        let side = class.extent.sample();
        let input = Shape::new(1, class.inputs.sample(), side, side);
        let (graph, parameters) = graph(class, input)?;
        let words = bytemuck::cast_vec(pack(&Tensor::new(input, numbers(1, input.len()))));
        let pixels = if class.listed { side * side / 2 } else { side * side };
        let (pool, plain, seen) = (Pool::new(gpu, &parameters), vec![], vec![]);
        let (listed, zeros) = (class.listed, Arc::new(Zeros::of(&parameters)));
        let mut subject = Self { gpu, clock, pool, graph, input: words, pixels, plain, seen, listed, zeros };
        let plan = subject.plan(Candidate::PLAIN)?;
        let mut session = subject.pool.session(&plan)?;
        subject.plain = subject.run(&mut session)?;
        subject.pool.take_back(session);
        Ok(subject)
    }

    /// `None` if it comes to the same dispatches as one before.
    pub(super) fn prepare(&mut self, candidate: Candidate) -> Result<Option<Prepared>> {
        let mut plan = self.plan(candidate)?;
        let listing = plan.to_string();
        if self.seen.contains(&listing) {
            return Ok(None);
        }
        self.seen.push(listing);
        let is_timed = plan.steps.iter().map(|step| step.label == TIMED).collect();
        plan.steps = vec![plan.steps; self.clock.repeats()].concat();
        let mut session = self.pool.session(&plan)?;
        let found = self.run(&mut session)?;
        let (clock, input, pixels) = (self.clock, self.input.clone(), self.pixels);
        let agrees = close(&found, &self.plain, rounding(candidate));
        Ok(Some(Prepared { session, clock, input, pixels, is_timed, agrees }))
    }

    /// A plan that can be run again on what is in its input's slot: that is kept to the end, as the only value beside
    /// the output, and the copy of it that a kept input gets is taken out.
    fn plan(&self, candidate: Candidate) -> Result<Plan> {
        let options = Options {
            keep: vec![self.graph.output(), self.graph.input()],
            sparsity: if self.listed { Sparsity::Sparse } else { Sparsity::Dense },
            choices: Some(Arc::new(Choices::only(candidate))),
            zeros: self.zeros.clone(),
            cooperative: candidate == Candidate::Matrices,
            ..Options::default()
        };
        let mut plan = Plan::new(&self.graph, &options, self.gpu.limits())?;
        plan.steps.pop();
        plan.kept.pop();
        Ok(plan)
    }

    fn run(&self, session: &mut Session) -> Result<Vec<f32>> {
        session.submit(Some(&self.input), &[])?;
        Ok(bytemuck::cast_vec(session.collect()?.swap_remove(0)))
    }
}

impl Prepared {
    /// What sixteen pixels take, in nanoseconds.
    pub(super) fn time(&mut self) -> Result<f64> {
        let time = match self.clock {
            Clock::Device => {
                let times = self.session.profile(Some(&self.input), &[])?;
                let timed = times.iter().zip(self.is_timed.iter().cycle()).filter(|(_, is_timed)| **is_timed);
                timed.map(|(time, _)| *time).sum()
            }
            Clock::Processor => {
                let begin = processor_time().unwrap_or_default();
                self.session.rerun()?;
                processor_time().unwrap_or_default().saturating_sub(begin)
            }
            Clock::Wall => {
                let begin = Instant::now();
                self.session.rerun()?;
                begin.elapsed()
            }
        };
        // A clock that stands still has measured nothing, but not nothing's time.
        let nanoseconds = time.as_secs_f64().max(1e-9) * 1e9;
        Ok(16.0 * nanoseconds / (self.clock.repeats() * self.pixels) as f64)
    }
}

/// The convolution; of listed pixels under a mask of blocks that leaves a half of them.
fn graph(class: Class, input: Shape) -> Result<(Graph, Parameters)> {
    let (mut b, x) = Builder::new("trial", input, 1.0);
    let side = class.side.sample();
    let [inputs, outputs] = [class.inputs, class.outputs].map(|width| width.sample());
    let gain = (3.0 / (inputs * side * side) as f32).sqrt();
    let mut weight = numbers(2, outputs * inputs * side * side);
    for (at, number) in weight.iter_mut().enumerate() {
        *number *= if is_kept(class.density, at, [inputs, side]) { gain } else { 0.0 };
    }
    let weight = b.parameter("weight", &Parameter::new([outputs, inputs, side, side], weight))?;
    let output = if class.listed {
        let mask = mask(&mut b, input.with_channels(1))?;
        let op = MaskedConv2d { kernel: side, dense_inputs: 0, dense_outputs: 0 };
        b.masked_conv2d(TIMED, x, mask, weight, op)?
    } else {
        b.conv2d(TIMED, x, weight, Conv2d::same(side))?
    };
    b.finish(output)
}

/// Whether a number of a weight is not zero: one in so many of the inputs and taps that are listed together, the same for
/// four outputs, and others for the next.
fn is_kept(density: Density, at: usize, [inputs, side]: [usize; 2]) -> bool {
    let (taps, one_in) = (side * side, density.one_in());
    let (output, input, tap) = (at / (inputs * taps), at / taps % inputs, at % taps);
    let entry = input % conv2d_pruned::staged(side) * taps + tap;
    entry % one_in == output / 4 % one_in && entry / one_in < conv2d_pruned::all_entries(side) / one_in
}

fn mask(b: &mut Builder, shape: Shape) -> Result<Value> {
    let is_set = |at: usize| (at / shape.width / BLOCK + at % shape.width / BLOCK).is_multiple_of(2);
    let numbers = (0..shape.len()).map(|at| f32::from(u8::from(is_set(at)))).collect();
    b.append("mask", Op::Constant(Constant::new(Tensor::new(shape, numbers))), &[])
}

/// Numbers in −1 … 1 (splitmix64).
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let word = |at: u64| {
        let z = (seed << 32).wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..count as u64).map(|at| (word(at) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn close(found: &[f32], expected: &[f32], rounding: f32) -> bool {
    let largest = expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    // Not a number is close to nothing.
    let close = |(found, expected): (&f32, &f32)| (found - expected).abs() <= rounding * largest;
    found.len() == expected.len() && found.iter().zip(expected).all(close)
}

/// What all threads of the process have spent so far, where the system tells.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().ok()
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trials_weights_are_of_its_class() {
        for class in Class::all().filter(|class| !class.listed) {
            let side = class.extent.sample();
            let input = Shape::new(1, class.inputs.sample(), side, side);
            let (graph, parameters) = graph(class, input).unwrap();
            let zeros = Arc::new(Zeros::of(&parameters));
            assert_eq!(crate::plan::classes(&graph, &zeros, &crate::plan::Limits::PORTABLE), [class]);
        }
    }

    #[test]
    fn a_result_that_is_off_is_seen() {
        let expected = numbers(3, 64);
        assert!(close(&expected, &expected, 1e-4));
        for (at, wrong) in [(0, f32::NAN), (63, 2.0), (7, expected[7] + 3e-4)] {
            let mut found = expected.clone();
            found[at] = wrong;
            assert!(!close(&found, &expected, 1e-4), "{wrong} at {at}");
        }
        assert!(!close(&expected[1..], &expected, 1e-4));
    }
}
