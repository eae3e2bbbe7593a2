//! How many submissions a run is: few, and each of them well below what drivers allow (Windows resets a device after
//! two seconds). From run to run that is measured; the first run of a session goes by those of others before it.

use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::tensor::packed_len;

/// How long a submission should be on a device of our own, at most.
pub(super) const OWN: Duration = Duration::from_millis(400);

/// On a device that others draw with: what they submit waits for as many as are on the device, a part of a frame.
pub(super) const SHARED: Duration = Duration::from_millis(4);

/// Steps of a submission before anything was measured.
const FIRST_STEPS: usize = 8;

/// How much longer than others a first run may take: networks' phases differ, and so do masks.
const DOUBT: f64 = 2.0;

/// What one session knows of its runs.
#[derive(Debug)]
pub(super) struct Pace {
    steps: usize,
    /// Numbers that all steps write.
    numbers: f64,
    submissions: usize,
    /// How long one of them should be, at most.
    longest: Duration,
    /// What a run is expected to take, in nanoseconds.
    expected: f64,
    /// When the last run came back.
    landed: Instant,
}

/// What the sessions of a pool know of the device: nanoseconds for each number that a step writes, once measured.
#[derive(Debug, Default)]
pub(super) struct Speed(Option<f64>);

impl Pace {
    pub(super) fn new(plan: &Plan, Speed(speed): &Speed, longest: Duration) -> Self {
        let (steps, landed) = (plan.steps.len(), Instant::now());
        let numbers = plan.steps.iter().map(|step| packed_len(step.shape) as f64).sum();
        let mut pace =
            Self { steps, numbers, submissions: steps.div_ceil(FIRST_STEPS), longest, expected: 0.0, landed };
        if let Some(speed) = speed {
            pace.expect(DOUBT * speed * numbers);
        }
        pace
    }

    /// Steps of a submission.
    pub(super) fn length(&self) -> usize {
        self.steps.div_ceil(self.submissions.max(1)).max(1)
    }

    /// What a run takes, as far as that is known.
    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.expected as u64)
    }

    /// More submissions if a run took long, fewer if it was short.
    pub(super) fn land(&mut self, begun: Instant, Speed(speed): &mut Speed) {
        let took = begun.max(self.landed).elapsed().as_nanos() as f64;
        self.landed = Instant::now();
        self.expect(took);
        // Slower at once, faster by and by.
        let known = speed.map_or(0.0, |speed| speed / 2.0);
        *speed = Some(known.max(took / self.numbers.max(1.0)));
    }

    fn expect(&mut self, nanoseconds: f64) {
        self.expected = nanoseconds;
        let wanted = (nanoseconds / self.longest.as_nanos() as f64).ceil() as usize;
        self.submissions = wanted.clamp(1, self.steps.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_run_goes_by_those_before_it() {
        let mut pace = Pace {
            steps: 80,
            numbers: 1e6,
            submissions: 10,
            longest: OWN,
            expected: 0.0,
            landed: Instant::now() - Duration::from_secs(9),
        };
        let mut speed = Speed::default();
        pace.land(Instant::now() - Duration::from_secs(1), &mut speed);
        assert_eq!((pace.submissions, pace.length()), (3, 27), "a second in parts of at most 0.4");
        let measured = speed.0.unwrap();
        assert!((1000.0..1100.0).contains(&measured), "{measured} ns");
        pace.land(Instant::now(), &mut speed);
        assert_eq!(pace.submissions, 1);
        assert_eq!(speed.0, Some(measured / 2.0), "one short run is not believed");
        pace.expect(DOUBT * measured * 100.0 * 1e6);
        assert_eq!(pace.submissions, 80, "never more than steps");
    }
}
