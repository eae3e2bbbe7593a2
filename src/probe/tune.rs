//! Measures which kernels are fastest on a device, so that plans choose by what is and not by what was.
//!
//! ```text
//! graph ─► plan::classes ─► for each: candidates ─► agree? ─► timed in turns ─► ranked ─► plan::Choices
//! ```
//!
//! A class is timed on a convolution of its own, of seeded weights on noise. Before that each candidate's result is held
//! against the plain one's; one that is wrong is excluded. Times are the device's own where it has timestamps, the
//! process's on an adapter in software, the wall's otherwise; the least of some rounds, in which the candidates take
//! turns. What the time allowed did not reach keeps the shipped choice, and [`Tuned`] says what that is.
//!
//! The library keeps nothing on disk by itself: [`Choices::save`] and [`Choices::load`] do when they are called.
//!
//! ```no_run
//! # fn main() -> sparsr::Result<()> {
//! use std::sync::Arc;
//! use sparsr::{Gpu, Model, Options, Upscaler};
//! use sparsr::low_level::{plan, probe::tune, tensor::Shape};
//!
//! let (gpu, model) = (Gpu::new()?, Model::builtin("smsr-x2")?);
//! let zeros = Arc::new(plan::Zeros::of(model.net().numbers()));
//! let classes = plan::classes(&model.graph(Shape::new(1, 3, 512, 512))?, &zeros, gpu.limits());
//! let tuned = tune::tune(&gpu, &classes, Some(std::time::Duration::from_secs(2)))?;
//! let mut options = Options::default();
//! options.choices = Some(Arc::new(tuned.choices));
//! let upscaler = Upscaler::new(&gpu, &model, options)?;
//! # Ok(())
//! # }
//! ```

mod file;
mod trial;

use std::time::{Duration, Instant};

pub use file::{file_name, measured_on};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::plan::{Candidate, Choices, Class, Limits, Ranked};
use trial::{Clock, Prepared, Subject};

/// Rounds in which the candidates of a class take turns.
const ROUNDS: usize = 5;

/// How much faster than the shipped choice another must be to be taken: less is noise.
const WORTH: f64 = 0.97;

/// What was measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tuned {
    /// The choices of the classes that were reached.
    pub choices: Choices,
    /// What they rest on, in the order in which it was measured.
    pub measured: Vec<Measured>,
    /// The classes that were not reached: for them the shipped choice stands.
    pub unreached: Vec<Class>,
    /// The time on the wall that it took.
    pub took: Duration,
}

/// A class and its candidates.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The class.
    pub class: Class,
    /// What became of each candidate, in the order in which it was tried.
    pub trials: Vec<Trial>,
    /// The choice.
    pub ranking: Vec<Ranked>,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Which.
    pub candidate: Candidate,
    /// What was found.
    pub outcome: Outcome,
}

/// What was found of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// What sixteen pixels take, in nanoseconds.
    Nanoseconds(f64),
    /// Its result is not the plain candidate's.
    Wrong,
    /// The device refused it.
    Refused,
    /// No time was left for it.
    Unreached,
}

/// Measures `classes`, in this order, within `budget` on the wall; compiling counts. It may be exceeded by one
/// candidate's compiling and run. With no budget nothing is left out.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the device is lost, [`Error::OutOfMemory`](crate::Error::OutOfMemory) if
/// there is no room for a single convolution.
pub fn tune(gpu: &Gpu, classes: &[Class], budget: Option<Duration>) -> Result<Tuned> {
    let begin = Instant::now();
    let (clock, end) = (Clock::of(gpu), budget.map(|budget| begin + budget));
    let tuner = Tuner { gpu, clock, end, shipped: &Choices::shipped(gpu.limits()) };
    let mut tuned =
        Tuned { choices: Choices::default(), measured: vec![], unreached: vec![], took: Duration::ZERO };
    for class in classes {
        match tuner.class(*class)? {
            Some(measured) => {
                tracing::debug!(%class, choice = %measured.ranking[0].candidate, "measured");
                tuned.choices.set(*class, measured.ranking.clone());
                tuned.measured.push(measured);
            }
            None => tuned.unreached.push(*class),
        }
    }
    tuned.took = begin.elapsed();
    Ok(tuned)
}

struct Tuner<'a> {
    gpu: &'a Gpu,
    clock: Clock,
    end: Option<Instant>,
    shipped: &'a Choices,
}

impl Tuner<'_> {
    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// `None` if there is no time to begin it.
    fn class(&self, class: Class) -> Result<Option<Measured>> {
        if self.is_over() {
            return Ok(None);
        }
        let shipped = self.shipped.ranking(class);
        let mut subject = Subject::new(self.gpu, self.clock, class)?;
        let (mut trials, mut prepared): (Vec<Trial>, Vec<(usize, Prepared)>) = (vec![], vec![]);
        for candidate in candidates(class, self.gpu.limits(), shipped) {
            let outcome = if self.is_over() {
                Outcome::Unreached
            } else {
                match subject.prepare(candidate) {
                    Ok(None) => continue,
                    Ok(Some(ready)) if ready.agrees => {
                        prepared.push((trials.len(), ready));
                        Outcome::Unreached // until it is timed
                    }
                    Ok(Some(_)) => {
                        tracing::warn!("{class}: the result of {candidate} is wrong; it is not used");
                        Outcome::Wrong
                    }
                    Err(error) => {
                        tracing::warn!("{class}: {candidate} is not used: {error}");
                        Outcome::Refused
                    }
                }
            };
            trials.push(Trial { candidate, outcome });
        }
        for (at, nanoseconds) in self.rounds(&mut prepared)? {
            trials[at].outcome = Outcome::Nanoseconds(nanoseconds);
        }
        let ranking = rank(&trials, shipped);
        Ok(Some(Measured { class, trials, ranking }))
    }

    /// The least time of each, by its place among the trials. One round is made in any case.
    fn rounds(&self, prepared: &mut [(usize, Prepared)]) -> Result<Vec<(usize, f64)>> {
        let mut times: Vec<(usize, f64)> = prepared.iter().map(|(at, _)| (*at, f64::INFINITY)).collect();
        for round in 0..ROUNDS {
            for ((_, ready), (_, least)) in prepared.iter_mut().zip(&mut times) {
                if round == 0 || !self.is_over() {
                    *least = least.min(ready.time()?);
                }
            }
        }
        Ok(times)
    }
}

/// What may be tried of a class: the shipped choices first, so that what is reached has them.
fn candidates(class: Class, limits: &Limits, shipped: &[Ranked]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = shipped.iter().map(|ranked| ranked.candidate).collect();
    all.extend(
        Candidate::all().filter(|candidate| !shipped.iter().any(|ranked| ranked.candidate == *candidate)),
    );
    all.retain(|candidate| candidate.suits(class) && candidate.runs_on(limits));
    all
}

/// The order of preference: by time, but the shipped choice before what is hardly faster; then those of the shipped
/// ones that were not reached. What was wrong or refused is not in it.
fn rank(trials: &[Trial], shipped: &[Ranked]) -> Vec<Ranked> {
    let time = |candidate: Candidate| {
        trials.iter().find(|trial| trial.candidate == candidate).and_then(|trial| match trial.outcome {
            Outcome::Nanoseconds(time) => Some(time),
            _ => None,
        })
    };
    let usual = shipped.iter().map(|ranked| ranked.candidate).find(|candidate| time(*candidate).is_some());
    let handicap = |candidate| if Some(candidate) == usual { WORTH } else { 1.0 };
    let mut timed: Vec<(Candidate, f64)> =
        trials.iter().filter_map(|trial| Some((trial.candidate, time(trial.candidate)?))).collect();
    timed.sort_by(|(a, a_time), (b, b_time)| (a_time * handicap(*a)).total_cmp(&(b_time * handicap(*b))));
    let mut ranking: Vec<Ranked> =
        timed.into_iter().map(|(candidate, time)| Ranked { candidate, cost: Some(time as f32) }).collect();
    let unreached = |candidate: Candidate| trials.contains(&Trial { candidate, outcome: Outcome::Unreached });
    let left = shipped.iter().map(|ranked| ranked.candidate).filter(|candidate| unreached(*candidate));
    ranking.extend(left.map(|candidate| Ranked { candidate, cost: None }));
    if ranking.is_empty() {
        ranking.push(Ranked { candidate: Candidate::PLAIN, cost: None });
    }
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{conv2d_tiled, product};

    const TILED: Candidate = Candidate::Tiled(conv2d_tiled::Tile::USUAL);
    const WINOGRAD: Candidate = Candidate::Winograd(product::Tile::STORAGE);

    fn ranked(shipped: &[Candidate], trials: &[(Candidate, Outcome)]) -> Vec<Candidate> {
        let shipped: Vec<Ranked> =
            shipped.iter().map(|&candidate| Ranked { candidate, cost: Some(1.0) }).collect();
        let trials: Vec<Trial> =
            trials.iter().map(|&(candidate, outcome)| Trial { candidate, outcome }).collect();
        rank(&trials, &shipped).into_iter().map(|ranked| ranked.candidate).collect()
    }

    #[test]
    fn the_fastest_that_is_right_is_chosen() {
        use Outcome::{Nanoseconds, Refused, Unreached, Wrong};
        let shipped = [TILED, Candidate::PLAIN];
        let plain = (Candidate::PLAIN, Nanoseconds(9.0));
        for (tiled, winograd, expected) in [
            (Nanoseconds(8.0), Nanoseconds(5.0), vec![WINOGRAD, TILED, Candidate::PLAIN]),
            (Nanoseconds(8.0), Nanoseconds(7.9), vec![TILED, WINOGRAD, Candidate::PLAIN]),
            (Nanoseconds(8.0), Wrong, vec![TILED, Candidate::PLAIN]),
            (Wrong, Wrong, vec![Candidate::PLAIN]),
            (Wrong, Nanoseconds(5.0), vec![WINOGRAD, Candidate::PLAIN]),
            (Refused, Nanoseconds(20.0), vec![Candidate::PLAIN, WINOGRAD]),
            (Unreached, Nanoseconds(5.0), vec![WINOGRAD, Candidate::PLAIN, TILED]),
            (Nanoseconds(8.0), Unreached, vec![TILED, Candidate::PLAIN]),
        ] {
            assert_eq!(ranked(&shipped, &[(TILED, tiled), plain, (WINOGRAD, winograd)]), expected);
        }
        let all = |outcome| ranked(&shipped, &[(TILED, outcome), (Candidate::PLAIN, outcome)]);
        assert_eq!(all(Wrong), [Candidate::PLAIN]);
        assert_eq!(all(Unreached), shipped);
    }

    #[test]
    fn the_shipped_choices_are_tried_first() {
        for class in Class::all() {
            let shipped = Choices::shipped(&Limits::PORTABLE);
            let tried = candidates(class, &Limits::PORTABLE, shipped.ranking(class));
            assert_eq!(tried[0], shipped.ranking(class)[0].candidate);
            assert!(tried.iter().all(|candidate| candidate.runs_on(&Limits::PORTABLE)), "{class}");
            let possible =
                |candidate: &Candidate| candidate.suits(class) && candidate.runs_on(&Limits::PORTABLE);
            assert_eq!(tried.len(), Candidate::all().filter(possible).count(), "{class}");
        }
    }
}
