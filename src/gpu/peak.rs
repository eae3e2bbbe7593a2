//! What a device can do at best, by kernels that do nothing else: the roofline that steps are held against.
//!
//! ```text
//! probe ─► plan ─► timed briefly ─► rounds for a turn ─► best of several turns ─► known answer? ─► rate
//! ```
//!
//! A rate whose kernel does not give the known answer, or that cannot be measured, is unknown, never an error.

use std::time::{Duration, Instant};

use super::{Gpu, Session};
use crate::device::Peak;
use crate::error::Result;
use crate::graph::Parameters;
use crate::kernel::{
    Dispatch, peak_cooperative, peak_copy, peak_multiply_add, peak_multiply_add_f16 as peak_f16,
};
use crate::plan::{Buffer, Constant, Form, Plan, Port, Slot, Step};
use crate::tensor::Shape;

/// What a turn should take, so that beginning it is nothing beside it.
const TURN: Duration = Duration::from_millis(8);
/// After this no further turn begins.
const BUDGET: Duration = Duration::from_millis(40);
/// How many times as long a turn may take on the wall as by its clock: a clock that stands still must not be waited for.
const LONGER: u32 = 4;
/// The most turns.
const TURNS: usize = 6;
/// The most rounds of a turn: the known answers are exact up to here.
const MOST_ROUNDS: u32 = 1 << 15;

/// Tells how long a call took.
type Clock<'a> = dyn FnMut(&mut dyn FnMut()) -> Duration + 'a;

impl Gpu {
    /// What the device can do at best, by its timestamps, which also time the steps of a profile; by the wall's clock
    /// where it has none. Measured once a device, in a fraction of a second; `None` if that failed.
    pub fn peak(&self) -> Option<Peak> {
        *self.peak.get_or_init(|| self.measure(None))
    }

    /// The same by another clock, and measured anew: for times that are taken by that clock. `clock` calls what it is
    /// given, once, and tells how long that took.
    pub fn peak_by(&self, clock: &mut dyn FnMut(&mut dyn FnMut()) -> Duration) -> Option<Peak> {
        self.measure(Some(clock))
    }

    fn measure(&self, mut clock: Option<&mut Clock<'_>>) -> Option<Peak> {
        let mut rate = |probe: Probe| self.rate(&probe, &mut clock);
        let cooperative = self.limits.cooperative_side.zip(self.limits.subgroup_lanes);
        Some(Peak {
            multiply_adds_per_second: rate(Probe::MultiplyAdd)?,
            f16: self.limits.f16.then(|| rate(Probe::MultiplyAddF16)).flatten(),
            cooperative: cooperative.and_then(|(side, lanes)| rate(Probe::Cooperative { side, lanes })),
            bytes_per_second: rate(Probe::Copy { rows: self.copied_rows() })?,
        })
    }

    /// Rows of a copy: more than caches hold, and little beside the device's memory. A software adapter, whose memory
    /// the system hands out page by page, copies less.
    fn copied_rows(&self) -> u32 {
        let software = self.device.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let wanted: u64 = if software { 16 << 20 } else { 256 << 20 };
        let bytes = wanted.min(self.limits.binding_bytes).min(self.memory / 8);
        (bytes / peak_copy::ROW).max(1) as u32
    }

    fn rate(&self, probe: &Probe, clock: &mut Option<&mut Clock<'_>>) -> Option<f64> {
        match self.try_rate(probe, clock) {
            Ok(rate) if rate.is_some_and(|rate| rate.is_finite() && rate > 0.0) => rate,
            Ok(_) => {
                tracing::warn!("{}: a wrong answer or no time, so the peak is unknown: {probe:?}", self.name);
                None
            }
            Err(error) => {
                tracing::warn!("the peak is unknown: {probe:?}: {error}");
                None
            }
        }
    }

    /// In units of work a second; `None` if the answer is wrong.
    fn try_rate(&self, probe: &Probe, clock: &mut Option<&mut Clock<'_>>) -> Result<Option<f64>> {
        let rounds = {
            let mut one = Timed::new(self, probe, 1)?;
            one.run(clock)?; // the first makes ready
            let begin = Instant::now();
            let time = one.run(clock)?;
            rounds_for_a_turn(time).min(rounds_for_a_turn(begin.elapsed() / LONGER))
        };
        let mut timed = Timed::new(self, probe, rounds)?;
        let begin = Instant::now();
        let mut best = timed.run(clock)?;
        for _ in 1..TURNS {
            if begin.elapsed() > BUDGET {
                break;
            }
            best = best.min(timed.run(clock)?);
        }
        let right = timed.is_right()?;
        Ok(right.then(|| probe.work() * f64::from(rounds) / best.as_secs_f64()))
    }
}

fn rounds_for_a_turn(one: Duration) -> u32 {
    let rounds = TURN.as_secs_f64() / one.as_secs_f64().max(1e-9);
    rounds.clamp(1.0, f64::from(MOST_ROUNDS)) as u32
}

/// A probe on the device.
struct Timed<'a> {
    probe: &'a Probe,
    rounds: u32,
    session: Session,
    /// How often the session has run.
    runs: u32,
}

impl<'a> Timed<'a> {
    fn new(gpu: &Gpu, probe: &'a Probe, rounds: u32) -> Result<Self> {
        let session = Session::new(gpu, &probe.plan(rounds), &Parameters::new())?;
        Ok(Self { probe, rounds, session, runs: 0 })
    }

    /// By timestamps, unless there is a clock or there are no timestamps.
    fn run(&mut self, clock: &mut Option<&mut Clock<'_>>) -> Result<Duration> {
        self.runs += 1;
        let session = &mut self.session;
        if clock.is_none() && session.gpu.can_time_steps().is_ok() {
            return Ok(session.profile(None, &[])?.into_iter().sum());
        }
        let mut done = Ok(());
        let mut run = || done = session.rerun();
        let time = match clock {
            Some(clock) => clock(&mut run),
            None => {
                let begin = Instant::now();
                run();
                begin.elapsed()
            }
        };
        done.map(|()| time)
    }

    /// Runs once more, and tells whether the answer is the known one.
    fn is_right(&mut self) -> Result<bool> {
        self.runs += 1;
        self.session.submit(None, &[])?;
        let read = self.session.collect()?;
        Ok(self.probe.is_right(self.rounds, self.runs, &read[0]))
    }
}

/// What is measured.
#[derive(Debug)]
enum Probe {
    MultiplyAdd,
    MultiplyAddF16,
    Cooperative { side: u32, lanes: u32 },
    Copy { rows: u32 },
}

impl Probe {
    /// Multiply-adds, or bytes, of a round.
    fn work(&self) -> f64 {
        match self {
            Self::MultiplyAdd | Self::MultiplyAddF16 => peak_multiply_add::WORK as f64,
            Self::Cooperative { side, .. } => peak_cooperative::work(*side) as f64,
            // There and back, read and written.
            Self::Copy { rows } => 4.0 * (u64::from(*rows) * peak_copy::ROW) as f64,
        }
    }

    /// The words that its plan gives.
    fn words(&self) -> usize {
        match self {
            Self::MultiplyAdd | Self::MultiplyAddF16 => peak_multiply_add::THREADS,
            Self::Cooperative { side, .. } => peak_cooperative::numbers(*side),
            Self::Copy { .. } => peak_copy::SAMPLE,
        }
    }

    /// Its output lies in slot 0.
    fn plan(&self, rounds: u32) -> Plan {
        let slot = |slot| Buffer::Slot(Slot(slot));
        let output = slot(0);
        match *self {
            Self::MultiplyAdd => {
                self.made_of(vec![(peak_multiply_add::dispatch(rounds), vec![output])], &[], vec![])
            }
            Self::MultiplyAddF16 => {
                self.made_of(vec![(peak_f16::dispatch(rounds), vec![output])], &[], vec![])
            }
            Self::Cooperative { side, lanes } => {
                let dispatch = peak_cooperative::dispatch(side, lanes, rounds);
                let bindings = vec![Buffer::Constant(0), output];
                self.made_of(vec![(dispatch, bindings)], &[], peak_cooperative::factors(side))
            }
            Self::Copy { rows } => {
                let (there, back) = (vec![slot(1), slot(2)], vec![slot(2), slot(1)]);
                let copy = |bindings| (peak_copy::dispatch(rows), bindings);
                let round = || [copy(there.clone()), copy(back.clone())];
                let mut steps: Vec<_> = (0..rounds).flat_map(|_| round()).collect();
                steps.push((peak_copy::sample(rows), vec![slot(1), output]));
                self.made_of(steps, &[u64::from(rows) * peak_copy::ROW; 2], vec![])
            }
        }
    }

    /// A plan of dispatches with what they bind, the output first among the slots.
    fn made_of(&self, steps: Vec<(Dispatch, Vec<Buffer>)>, slots: &[u64], constant: Vec<f32>) -> Plan {
        let shape = Shape::new(1, 4, 1, self.words() / 4);
        let step = |(dispatch, bindings): (Dispatch, Vec<Buffer>)| {
            let label = dispatch.kernel.name;
            Step::new(dispatch, bindings, label, shape)
        };
        Plan {
            name: "peak".into(),
            steps: steps.into_iter().map(step).collect(),
            slots: [4 * self.words() as u64].iter().chain(slots).copied().collect(),
            constants: [constant]
                .into_iter()
                .filter(|numbers| !numbers.is_empty())
                .map(|numbers| Constant::Numbers(numbers.into()))
                .collect(),
            parameters: vec![],
            residents: vec![],
            picture: None,
            given: vec![],
            output: Port { slot: Slot(0), shape, form: Form::Tensor },
            kept: vec![],
        }
    }

    /// Whether the words are what so many runs of so many rounds make.
    fn is_right(&self, rounds: u32, runs: u32, words: &[u32]) -> bool {
        let mut each = words.iter().enumerate();
        words.len() == self.words() && each.all(|(at, word)| *word == self.expected(rounds, runs, at))
    }

    fn expected(&self, rounds: u32, runs: u32, at: usize) -> u32 {
        let counted = |whole| peak_multiply_add::expected(at, rounds, whole).to_bits();
        match self {
            Self::MultiplyAdd => counted(peak_multiply_add::WHOLE),
            Self::MultiplyAddF16 => counted(peak_f16::WHOLE),
            Self::Cooperative { .. } => peak_cooperative::expected(rounds).to_bits(),
            Self::Copy { rows } => peak_copy::expected(at, *rows, 2 * rounds * runs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBES: [Probe; 5] = [
        Probe::MultiplyAdd,
        Probe::MultiplyAddF16,
        Probe::Cooperative { side: 8, lanes: 8 },
        Probe::Cooperative { side: 16, lanes: 32 },
        Probe::Copy { rows: 3 },
    ];

    #[test]
    fn a_wrong_answer_is_told_from_the_known_one() {
        for probe in PROBES {
            let (rounds, runs) = (5, 3);
            let words: Vec<u32> = (0..probe.words()).map(|at| probe.expected(rounds, runs, at)).collect();
            assert!(probe.is_right(rounds, runs, &words), "{probe:?}");
            assert!(!probe.is_right(rounds + 1, runs, &words), "{probe:?}: a round was left out");
            assert!(!probe.is_right(rounds, runs, &words[1..]), "{probe:?}: a word is missing");
            for at in [0, words.len() / 2, words.len() - 1] {
                let mut wrong = words.clone();
                wrong[at] ^= 1;
                assert!(!probe.is_right(rounds, runs, &wrong), "{probe:?}: word {at}");
            }
        }
    }

    #[test]
    fn known_answers_are_exact_for_the_longest_turn() {
        let chains = f64::from(peak_multiply_add::expected(7, MOST_ROUNDS, peak_multiply_add::WHOLE));
        let sums = f64::from(peak_cooperative::expected(MOST_ROUNDS));
        assert!(chains < peak_multiply_add::WHOLE && sums < peak_multiply_add::WHOLE);
    }

    #[test]
    fn a_turn_is_as_long_as_it_should_be() {
        assert_eq!(rounds_for_a_turn(Duration::from_micros(4)), 2000);
        assert_eq!(rounds_for_a_turn(Duration::from_secs(1)), 1);
        assert_eq!(rounds_for_a_turn(Duration::ZERO), MOST_ROUNDS);
    }
}
