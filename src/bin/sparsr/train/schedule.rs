//! What changes while a network learns, each a plain function of the iteration, and the steering of SMSR's sparsity,
//! which is one of what was seen besides.
//!
//! ```text
//!   rate  ▁▂▄▇█▇▇▆▅▄▃▂▁▁▁     warm-up, then half a cosine (or steps)
//!   masks │ open │ gumbel │ spatial │ hard │
//!   tau     –      1 ↘ 0.4   0.4      –
//! ```
//!
//! Iterations count from 0: the first one that is made has the number 0.

use super::schema::Masks;
use super::settings::Rate;

/// The way of the rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub first: f64,
    pub rate: Rate,
    pub warmup: u64,
    pub total: u64,
}

impl Schedule {
    /// The learning rate of an iteration.
    pub fn rate(&self, iteration: u64) -> f64 {
        let rate = match &self.rate {
            Rate::Cosine { last } => {
                let share = iteration as f64 / self.total as f64;
                last + (self.first - last) * 0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
            }
            Rate::Steps { milestones, gamma } => {
                let passed = milestones.iter().filter(|milestone| **milestone <= iteration).count();
                self.first * gamma.powi(passed as i32)
            }
        };
        rate * ((iteration + 1) as f64 / self.warmup.max(1) as f64).min(1.0)
    }
}

/// What is done with SMSR's masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All one.
    Open,
    /// Drawn, of pixels and of channels.
    Gumbel,
    /// Drawn of pixels; channels are divided for good.
    Spatial,
    /// As in the shipped network.
    Hard,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Open, Self::Gumbel, Self::Spatial, Self::Hard];

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Gumbel => "gumbel",
            Self::Spatial => "spatial",
            Self::Hard => "hard",
        }
    }
}

impl Masks {
    /// The first iteration of each phase, and the end.
    pub fn starts(&self, total: u64) -> [u64; 5] {
        let mut share = 0.0;
        let ends = [self.open, self.gumbel, self.spatial].map(|part| {
            share += part;
            (share * total as f64).round() as u64
        });
        [0, ends[0], ends[1], ends[2], total]
    }

    pub fn phase(&self, iteration: u64, total: u64) -> Phase {
        let starts = self.starts(total);
        let passed = starts[1..4].iter().filter(|start| **start <= iteration).count();
        // A phase without a share is passed over.
        Phase::ALL[passed]
    }

    /// The temperature of an iteration.
    pub fn tau(&self, iteration: u64, total: u64) -> f64 {
        let [_, start, end, ..] = self.starts(total);
        let span = (end.saturating_sub(start)) as f64 * self.tau_share;
        let share = (iteration.saturating_sub(start) as f64 / span.max(1.0)).min(1.0);
        self.tau_from + (self.tau_to - self.tau_from) * share
    }
}

/// The weight of each module's sparsity in the loss: one for all, steered by the mean density, times a factor of the
/// module's own, which moves while its density is out of bounds and goes back when it is within, times one that follows at once
/// from how far the module's density is from the goal, so that what is on its way there does not go past it.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    weight: f64,
    factors: Vec<f64>,
    densities: Vec<f64>,
    iterations: u64,
}

impl Steering {
    /// The share of an iteration in the running mean of densities.
    const SHARE: f64 = 0.02;

    pub fn new(masks: &Masks, modules: usize) -> Self {
        Self {
            weight: masks.sparsity_weight,
            factors: vec![1.0; modules],
            densities: vec![1.0; modules],
            iterations: 0,
        }
    }

    /// Of each module.
    pub fn weights(&self, masks: &Masks) -> Vec<f64> {
        let warm = match masks.sparsity_warmup_iter {
            0 => 1.0,
            iterations => self.iterations as f64 / iterations as f64,
        };
        let weight = |(factor, density): (&f64, &f64)| {
            let own = factor * (masks.steering_proportion * (density - masks.density)).exp();
            (self.weight * own).min(masks.sparsity_weight_max) * warm.min(1.0)
        };
        self.factors.iter().zip(&self.densities).map(weight).collect()
    }

    /// The running mean of what was seen of all modules.
    pub fn density(&self) -> f64 {
        self.densities.iter().sum::<f64>() / self.densities.len().max(1) as f64
    }

    /// The running mean of what was seen of each module.
    pub fn densities(&self) -> &[f64] {
        &self.densities
    }

    /// Takes what an iteration kept of each module.
    pub fn see(&mut self, kept: &[f64]) {
        for (density, kept) in self.densities.iter_mut().zip(kept) {
            *density += Self::SHARE * (kept - *density);
        }
    }

    /// Moves the weights by what was seen, once an iteration.
    pub fn steer(&mut self, masks: &Masks) {
        self.iterations += 1;
        if self.iterations <= masks.sparsity_warmup_iter {
            return;
        }
        let (least, most) = (masks.sparsity_weight_min, masks.sparsity_weight_max);
        let grown = self.weight * (masks.steering_gain * (self.density() - masks.density)).exp();
        self.weight = grown.clamp(least, most);
        for (factor, density) in self.factors.iter_mut().zip(&self.densities) {
            let beyond = density - density.clamp(masks.module_density_min, masks.module_density_max);
            let back = if beyond == 0.0 { -0.1 * factor.ln() } else { beyond };
            *factor = (*factor * (masks.steering_gain * back).exp()).clamp(0.0, 10.0);
        }
    }

    /// As text that reads back to the same numbers.
    pub fn note(&self) -> String {
        let list = |numbers: &[f64]| {
            numbers.iter().map(|number| format!("{number:?}")).collect::<Vec<_>>().join(",")
        };
        format!("{:?};{};{};{}", self.weight, list(&self.factors), list(&self.densities), self.iterations)
    }

    pub fn from_note(note: &str) -> Option<Self> {
        let list =
            |text: &str| text.split(',').map(|number| number.parse().ok()).collect::<Option<Vec<f64>>>();
        let mut parts = note.split(';');
        Some(Self {
            weight: parts.next()?.parse().ok()?,
            factors: list(parts.next()?)?,
            densities: list(parts.next()?)?,
            iterations: parts.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-12 * expected.abs().max(1e-3),
            "expected {expected}, found {found}"
        );
    }

    #[test]
    fn the_rate_warms_up_and_then_falls() {
        let cosine = Schedule { first: 1e-3, rate: Rate::Cosine { last: 1e-5 }, warmup: 10, total: 1000 };
        // last + (first − last) · (1 + cos(π·i/total)) / 2, times (i + 1)/10 up to 1.
        for (iteration, expected) in [(0, 1e-4), (500, 5.05e-4), (1000, 1e-5), (2000, 1e-5)] {
            near(cosine.rate(iteration), expected);
        }
        near(cosine.rate(250), 1e-5 + 9.9e-4 * 0.5 * (1.0 + 0.5_f64.sqrt()));
        let rate = Rate::Steps { milestones: vec![3, 6], gamma: 0.5 };
        let steps = Schedule { first: 8.0, rate, warmup: 0, total: 10 };
        for (iteration, expected) in [(0, 8.0), (2, 8.0), (3, 4.0), (5, 4.0), (6, 2.0), (9, 2.0)] {
            near(steps.rate(iteration), expected);
        }
    }

    #[test]
    fn phases_have_their_shares_and_the_temperature_falls_in_one() {
        let masks = Masks::default();
        assert_eq!(masks.starts(1000), [0, 170, 360, 620, 1000]);
        for (iteration, phase) in [
            (0, Phase::Open),
            (169, Phase::Open),
            (170, Phase::Gumbel),
            (359, Phase::Gumbel),
            (360, Phase::Spatial),
            (619, Phase::Spatial),
            (620, Phase::Hard),
            (999, Phase::Hard),
        ] {
            assert_eq!(masks.phase(iteration, 1000), phase, "{iteration}");
        }
        for (iteration, tau) in [(0, 1.0), (170, 1.0), (303, 0.4), (900, 0.4)] {
            near(masks.tau(iteration, 1000), tau);
        }
        near(masks.tau(170 + 133 / 2, 1000), 1.0 - 0.6 * 66.0 / 133.0);
        let hard = Masks { open: 0.0, gumbel: 0.0, spatial: 0.0, hard: 1.0, ..masks };
        assert_eq!(hard.phase(0, 10), Phase::Hard);
    }

    #[test]
    fn steering_goes_towards_the_density_and_holds_modules_open() {
        let masks = Masks { sparsity_warmup_iter: 0, steering_proportion: 0.0, ..Masks::default() };
        let mut steering = Steering::new(&masks, 2);
        assert_eq!(steering.weights(&masks), [0.1, 0.1]);
        let see = |steering: &mut Steering, kept: [f64; 2]| {
            steering.see(&kept);
            steering.steer(&masks);
        };
        see(&mut steering, [1.0, 1.0]);
        let denser = 0.1 * (0.006_f64 * 0.55).exp();
        near(steering.weights(&masks)[0], denser * (0.006_f64 * 0.05).exp());
        // One closes, the other is open: the mean is met, and the closed one's own weight falls.
        (0..4000).for_each(|_| see(&mut steering, [0.0, 0.9]));
        let [closed, open] = steering.weights(&masks)[..] else { panic!("two modules") };
        assert!(closed < 0.2 * open, "{closed} {open}");
        let again = Steering::from_note(&steering.note()).expect("a note is read again");
        assert_eq!(again, steering);
        assert_eq!(Steering::from_note("0.1;1,x;1;2"), None);
    }

    #[test]
    fn a_module_far_above_the_goal_weighs_most() {
        let masks = Masks { sparsity_warmup_iter: 0, ..Masks::default() };
        let mut steering = Steering::new(&masks, 3);
        (0..1000).for_each(|_| steering.see(&[0.45, 0.25, 0.55]));
        let found = steering.weights(&masks);
        for (found, apart) in found.into_iter().zip([0.0_f64, -0.2, 0.1]) {
            assert!((found / (0.1 * (5.0 * apart).exp()) - 1.0).abs() < 1e-6, "{apart}: {found}");
        }
        steering.densities[0] = 1.0;
        near(steering.weights(&masks)[0], 1.0);
    }

    #[test]
    fn sparsity_weighs_nothing_at_first() {
        let masks = Masks { steering_proportion: 0.0, ..Masks::default() };
        let mut steering = Steering::new(&masks, 1);
        assert_eq!(steering.weights(&masks), [0.0]);
        (0..150).for_each(|_| steering.steer(&masks));
        near(steering.weights(&masks)[0], 0.05);
    }
}
