//! What the benches share: the device, the clock, and the order of things: right first, then timed.
//!
//! ```text
//! auto, or SPARSR_DEVICE ─► Machine ─► Session ─► verify once ─► time     criterion: one after the other
//!                                                             └► rounds   tables: in turn, for ratios
//! ```
//!
//! Criterion measures one thing after the other, and on a busy machine what comes later is slower or faster for
//! reasons of its own. Where a figure is a ratio, the things take turns instead ([`rounds`]).

#![allow(dead_code, reason = "every bench compiles this file, and none uses all of it")]

pub mod masks;
#[cfg(feature = "image")]
pub mod pictures;
pub mod rounds;
#[path = "../../tests/support/seeded.rs"]
pub mod seeded;
#[path = "../../tests/support/shared_data.rs"]
pub mod shared_data;
#[path = "../../tests/support/skip.rs"]
pub mod skip;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use sparsr::low_level::gpu::{Peak, Session};
use sparsr::low_level::graph::{Graph, Parameters};
use sparsr::low_level::kernel::{Dispatch, product};
use sparsr::low_level::plan::{Buffer, Constant, Form, Limits, Options, Plan, Port, Slot, Step};
use sparsr::low_level::tensor::{Shape, Tensor, packed_len};
use sparsr::{AdapterInfo, AdapterKind, DeviceChoice, Gpu, adapters};

/// Runs in one submission on a GPU, so that the submission's own time disappears in theirs.
const GPU_REPEATS: u32 = 16;

/// Whether this is `cargo bench -- --test`: everything is verified, nothing is timed, pictures may be small.
pub fn testing() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Whether nothing was asked for: no filter, no baseline, no test. Then those benches that have tables print them.
pub fn plain() -> bool {
    std::env::args().skip(1).all(|argument| argument == "--bench")
}

/// Criterion as all benches want it: an iteration may take seconds on a software adapter.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args()
}

/// A group whose samples all have the same number of iterations.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// The device that is measured, and the clock for it.
#[derive(Debug)]
pub struct Machine {
    pub gpu: Gpu,
    pub clock: Clock,
    pub software: bool,
    /// By that clock.
    pub peak: Option<Peak>,
}

impl Machine {
    /// Opens the device that `SPARSR_DEVICE` asks for, or the best, and prints what stands beside a figure.
    ///
    /// # Panics
    /// If there is no adapter: a bench without one has nothing to say.
    pub fn open() -> Self {
        let adapter = adapter();
        let gpu = Gpu::open(&adapter).expect("an adapter that opens");
        let clock = Clock::of(adapter.kind);
        println!("adapter  {} ({}, {})", adapter.name, adapter.backend, adapter.kind);
        println!("driver   {}", adapter.driver);
        println!("clock    {}", clock.name());
        println!("Gelem/s  GFLOP/s: two a multiply-add, those that a mask saves included");
        let peak = gpu.peak_by(&mut |run| clock.time(1, run));
        println!("peak     {}", peak.map_or("unknown".into(), describe));
        Self { gpu, clock, software: adapter.kind == AdapterKind::Software, peak }
    }

    /// The share of the peak that so much work in so many seconds is, in percent.
    pub fn of_peak(&self, work: Throughput, seconds: f64) -> String {
        let share = self.peak.map(|peak| match work {
            Throughput::Elements(flops) => flops as f64 / 2.0 / seconds / peak.multiply_adds_per_second,
            Throughput::Bytes(bytes) => bytes as f64 / seconds / peak.bytes_per_second,
            _ => f64::NAN,
        });
        share.map_or("unknown".into(), |share| format!("{:.0} %", 100.0 * share))
    }

    /// Times one more benchmark of the group, which does so much work. Its session is made and verified when criterion
    /// first runs it, and so not at all if the filter leaves it out.
    pub fn bench(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        work: Throughput,
        (plan, parameters): (&Plan, &Parameters),
        verify: impl Fn(&mut Session),
    ) {
        group.throughput(work.clone());
        let (mut ready, mut best) = (None, f64::INFINITY);
        group.bench_function(name, |bencher| {
            let timed = ready.get_or_insert_with(|| {
                let mut timed = self.timed(plan, parameters);
                verify(&mut timed.session);
                timed
            });
            bencher.iter_custom(|iterations| {
                let time = timed.run(iterations);
                best = best.min(time.as_secs_f64() / iterations as f64);
                time
            });
        });
        if best.is_finite() && !testing() {
            println!("{:24}of peak: {}", "", self.of_peak(work, best));
        }
    }

    /// `plan` on the device, to be run on what lies in its input's slot: nothing is uploaded or read back while the
    /// clock runs.
    ///
    /// # Panics
    /// If the plan writes over its input; one made by [`rerunnable`] does not.
    pub fn timed(&self, plan: &Plan, parameters: &Parameters) -> Timed {
        let input = Buffer::Slot(plan.picture.expect("the operator reads it").slot);
        let kept = |bindings: &[Buffer]| !bindings.contains(&input);
        let survives =
            plan.steps.iter().all(|step| kept(&step.bindings[step.bindings.len() - step.outputs..]));
        assert!(survives, "a plan that writes over its input cannot be run again");
        let repeats = if self.clock == Clock::Wall { GPU_REPEATS } else { 1 };
        let steps = vec![plan.steps.as_slice(); repeats as usize].concat();
        let session = self.session(&Plan { steps, ..plan.clone() }, parameters);
        Timed { session, clock: self.clock, repeats }
    }

    /// Whether plans for this device use the kernel that hands weights round by broadcast.
    pub fn broadcasts(&self) -> bool {
        self.gpu.limits().subgroup_lanes == Some(product::LANES)
    }

    /// A session of `plan`, with these numbers.
    pub fn session(&self, plan: &Plan, parameters: &Parameters) -> Session {
        Session::new(&self.gpu, plan, parameters).expect("a plan that the device takes")
    }
}

/// The adapter that `SPARSR_DEVICE` asks for, or the best.
///
/// # Panics
/// If there is none.
pub fn adapter() -> AdapterInfo {
    let choice = std::env::var("SPARSR_DEVICE").unwrap_or_else(|_| "auto".into());
    let choice: DeviceChoice = choice.parse().expect("SPARSR_DEVICE is what --device takes");
    choice.adapter(&adapters()).expect("an adapter to measure")
}

/// A peak in a line.
fn describe(peak: Peak) -> String {
    let giga = |rate: f64| format!("{:.1}", rate / 1e9);
    let others = [("in f16", peak.f16), ("by cooperative matrices", peak.cooperative)];
    let others =
        others.map(|(kind, rate)| rate.map_or(String::new(), |rate| format!(", {} {kind}", giga(rate))));
    let [multiply_adds, bytes] = [peak.multiply_adds_per_second, peak.bytes_per_second].map(giga);
    format!("{multiply_adds} GMAC/s in f32{}, {bytes} GB/s copied", others.concat())
}

/// A session, several runs in each submission, and the clock for them.
#[derive(Debug)]
pub struct Timed {
    pub session: Session,
    clock: Clock,
    repeats: u32,
}

impl Timed {
    /// What `iterations` runs take together.
    pub fn run(&mut self, iterations: u64) -> Duration {
        let rerun = || self.session.rerun().expect("the device is there");
        self.clock.time(iterations, rerun) / self.repeats
    }
}

/// The planner's choice, such that it can be run again: its input keeps its slot to the end, and its output can be
/// read as the only kept value. (The planner would also copy the input for the host. That step is taken out.)
pub fn rerunnable(graph: &Graph, options: &Options, limits: &Limits) -> Plan {
    let options = Options { keep: vec![graph.output(), graph.input()], ..options.clone() };
    let mut plan = Plan::new(graph, &options, limits).expect("a bench's operator fits into any device");
    let copy = plan.steps.pop().expect("a plan has steps");
    let last = plan.kept.pop().expect("two values are kept");
    let ends = (copy.bindings.first(), copy.bindings.last());
    let expected = (
        Some(&Buffer::Slot(plan.picture.expect("the operator reads it").slot)),
        Some(&Buffer::Slot(last.slot)),
    );
    assert_eq!(ends, expected, "the last step copies the kept input");
    plan
}

/// What goes into a plan of [`alone`], and what comes out.
pub const INPUT: Buffer = Buffer::Slot(Slot(0));
pub const OUTPUT: Buffer = Buffer::Slot(Slot(1));

/// A plan of one dispatch.
pub fn alone(
    dispatch: Dispatch,
    bindings: Vec<Buffer>,
    constants: Vec<Vec<f32>>,
    input: Shape,
    output: Shape,
) -> Plan {
    let name = dispatch.kernel.name.to_owned();
    let step = Step::new(dispatch, bindings, &name, output);
    Plan {
        name,
        steps: vec![step],
        slots: [input, output].map(|shape| 4 * packed_len(shape) as u64).to_vec(),
        constants: constants.into_iter().map(|numbers| Constant::Numbers(numbers.into())).collect(),
        parameters: vec![],
        residents: vec![],
        picture: Some(Port { slot: Slot(0), shape: input, form: Form::Tensor }),
        given: vec![],
        output: Port { slot: Slot(1), shape: output, form: Form::Tensor },
        kept: vec![],
    }
}

/// What time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Seconds on the wall.
    Wall,
    /// Seconds of the process on all processors. For a software adapter this is the work done, and stays
    /// within a few percent when other programs want the processors too.
    Processor,
}

impl Clock {
    fn of(kind: AdapterKind) -> Self {
        if kind == AdapterKind::Software && cfg!(unix) { Self::Processor } else { Self::Wall }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall time",
            Self::Processor => "processor time of the process, all threads together",
        }
    }

    /// What `iterations` calls of `run` take together.
    pub fn time<T>(self, iterations: u64, mut run: impl FnMut() -> T) -> Duration {
        let (wall, processor) = (Instant::now(), processor_time());
        for _ in 0..iterations {
            run();
        }
        match self {
            Self::Wall => wall.elapsed(),
            Self::Processor => processor_time() - processor,
        }
    }
}

#[cfg(unix)]
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.try_into().expect("a process has spent no negative time")
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO // never asked for: `Clock::of` says so
}

/// Within 1e-5 of each other, as a share of the largest expected number.
#[track_caller]
pub fn assert_close(found: &Tensor, expected: &Tensor, case: &str) {
    assert_within(1e-5, found, expected, case);
}

/// Within such a share of the largest expected number.
#[track_caller]
pub fn assert_within(share: f32, found: &Tensor, expected: &Tensor, case: &str) {
    assert_eq!(found.shape(), expected.shape(), "{case}");
    let largest = expected.values().iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.values().iter().zip(expected.values()).enumerate() {
        let close = (found - expected).abs() <= share * largest;
        assert!(close, "{case}: expected {expected} at {at}, found {found}");
    }
}
