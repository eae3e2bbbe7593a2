//! What the benches share: the device, the clock, and the order of things: right first, then timed.
//!
//! ```text
//! auto, or SPARSR_DEVICE ─► Machine ─► Session ─► verify once ─► time
//! ```

#![allow(dead_code, reason = "every bench compiles this file, and none uses all of it")]

#[path = "../../tests/support/seeded.rs"]
pub mod seeded;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use sparsr::gpu::Session;
use sparsr::kernel::conv2d_subgroup;
use sparsr::plan::Plan;
use sparsr::tensor::{Shape, Tensor};
use sparsr::{AdapterKind, Device, DeviceChoice, Gpu, adapters};

/// Steps in one submission on a GPU, so that the submission's own time disappears in theirs.
const GPU_REPEATS: u32 = 16;

/// Whether this is `cargo bench -- --test`: everything is verified, nothing is timed, pictures may be small.
pub fn testing() -> bool {
    std::env::args().any(|argument| argument == "--test")
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
}

impl Machine {
    /// Opens the device that `SPARSR_DEVICE` asks for, or the best, and prints what stands beside a figure.
    ///
    /// # Panics
    /// If there is no adapter: a bench without one has nothing to say.
    pub fn open() -> Self {
        let choice = std::env::var("SPARSR_DEVICE").unwrap_or_else(|_| "auto".into());
        let choice: DeviceChoice = choice.parse().expect("SPARSR_DEVICE is what --device takes");
        let selection = choice.select(&adapters()).expect("a device that the machine has");
        let Device::Gpu(adapter) = selection.device else { panic!("an adapter to measure; there is none") };
        let gpu = Gpu::open(&adapter).expect("an adapter that opens");
        let clock = Clock::of(adapter.kind);
        println!("adapter  {} ({}, {})", adapter.name, adapter.backend, adapter.kind);
        println!("driver   {}", adapter.driver);
        println!("clock    {}", clock.name());
        println!("Gelem/s  GFLOP/s: two a multiply-add, those that a mask saves included");
        Self { gpu, clock }
    }

    /// Times one more benchmark of the group: `plan` of one step, whose session is made and verified when
    /// criterion first runs it, and so not at all if the filter leaves it out.
    pub fn bench(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        plan: &Plan,
        verify: impl Fn(&mut Session),
    ) {
        let repeats = if self.clock == Clock::Wall { GPU_REPEATS } else { 1 };
        let mut ready = None;
        group.bench_function(name, |bencher| {
            let session = ready.get_or_insert_with(|| {
                assert_eq!(plan.steps.len(), 1, "only a single step can be repeated on its own output");
                let steps = vec![plan.steps[0].clone(); repeats as usize];
                let mut session = self.session(&Plan { steps, ..plan.clone() });
                verify(&mut session);
                session
            });
            bencher.iter_custom(|iterations| {
                self.clock.time(iterations, || session.rerun().expect("the device is there")) / repeats
            });
        });
    }

    /// Whether plans for this device use the kernel that hands weights round by broadcast.
    pub fn broadcasts(&self) -> bool {
        self.gpu.limits().subgroup_lanes == Some(conv2d_subgroup::LANES)
    }

    fn session(&self, plan: &Plan) -> Session {
        Session::new(&self.gpu, plan).expect("a plan that the device takes")
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

    fn name(self) -> &'static str {
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

/// A mask of blobs in which the share `density` of all pixels is set: where a sum of slow waves is largest.
pub fn blobs(shape: Shape, density: f64) -> Tensor {
    let wave = |y: usize, x: usize| {
        let (y, x) = (y as f32, x as f32);
        (0.21 * x + 0.05 * y).sin() + (0.17 * y - 0.09 * x).sin() + (0.11 * (x + y)).cos()
    };
    let height = Tensor::from_fn(shape.with_channels(1), |_, _, y, x| wave(y, x));
    let mut sorted = height.values().to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let wanted = (density * sorted.len() as f64).round() as usize;
    let threshold = sorted.get(wanted).copied().unwrap_or(f32::NEG_INFINITY);
    Tensor::from_fn(shape.with_channels(1), |n, _, y, x| {
        f32::from(height.plane(n, 0)[y * shape.width + x] > threshold)
    })
}

/// Within 1e-5 of each other, as a share of the largest expected number.
#[track_caller]
pub fn assert_close(found: &Tensor, expected: &Tensor, case: &str) {
    assert_eq!(found.shape(), expected.shape(), "{case}");
    let largest = expected.values().iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.values().iter().zip(expected.values()).enumerate() {
        let close = (found - expected).abs() <= 1e-5 * largest;
        assert!(close, "{case}: expected {expected} at {at}, found {found}");
    }
}
