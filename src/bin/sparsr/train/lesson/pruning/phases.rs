//! When what is done to the channels that go, as plain functions of the iteration.

use super::super::super::settings::{Method, Pruning};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All channels are pulled, and what is left of each tells its worth among all.
    Rank,
    /// Layers whose channels go together are brought to agree on them; all others are pulled.
    Align,
    /// What goes is pulled, ever more.
    Grow,
    /// It is pulled as strongly as before, or is zero, and the rest makes up for it.
    Settle,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rank => "rank",
            Self::Align => "align",
            Self::Grow => "grow",
            Self::Settle => "settle",
        }
    }
}

/// The phases, each with its first iteration, and the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Phases {
    pub list: Vec<(Phase, u64)>,
    total: u64,
}

impl Phases {
    /// Phases without an iteration are left out.
    pub fn of(own: &Pruning, total: u64) -> Self {
        let rank = if own.method == Method::Gassl { own.rank } else { 0.0 };
        let align = if own.method.is_normalised() { own.align } else { 0.0 };
        let behind = align + own.grow + own.settle;
        let shares = [
            (Phase::Rank, rank),
            (Phase::Align, (1.0 - rank) * align / behind),
            (Phase::Grow, (1.0 - rank) * own.grow / behind),
            (Phase::Settle, (1.0 - rank) * own.settle / behind),
        ];
        let (mut share, mut list) = (0.0, Vec::new());
        for (phase, own) in shares {
            let start = (share * total as f64).round() as u64;
            share += own;
            if (share * total as f64).round() as u64 > start {
                list.push((phase, start));
            }
        }
        Self { list, total }
    }

    /// The number of the phase of an iteration.
    pub fn at(&self, iteration: u64) -> usize {
        self.list.iter().rposition(|(_, start)| *start <= iteration).unwrap_or(0)
    }

    /// The first iteration of a phase, if there is such.
    fn start(&self, wanted: Phase) -> Option<u64> {
        self.list.iter().find(|(phase, _)| *phase == wanted).map(|(_, start)| *start)
    }

    /// Iterations until the network settles.
    pub fn until_settled(&self, iteration: u64) -> u64 {
        self.start(Phase::Settle).unwrap_or(self.total).saturating_sub(iteration)
    }

    /// The weight of the L2 pull: in steps from nothing to its limit, where it stays. Channels that several layers make
    /// have `waited` until these were aligned.
    pub fn pull(&self, own: &Pruning, iteration: u64, waited: bool) -> f64 {
        let (first, last) = match self.list[self.at(iteration)].0 {
            Phase::Rank => (0, self.list.get(1).map_or(self.total, |(_, start)| *start)),
            _ => {
                let aligned = if waited { None } else { self.start(Phase::Align) };
                let first = aligned.or(self.start(Phase::Grow)).unwrap_or(0);
                (first, self.start(Phase::Settle).unwrap_or(self.total))
            }
        };
        let steps = (last.saturating_sub(first) / own.interval).max(1);
        let passed = (iteration.saturating_sub(first) / own.interval).min(steps);
        own.limit * passed as f64 / steps as f64
    }
}

#[cfg(test)]
mod tests {
    use sparsr::learn::prune::Target;

    use super::super::super::super::settings::Shrinking;
    use super::*;

    fn own(method: Method) -> Pruning {
        Pruning {
            method,
            target: Target::Keep(0.5),
            picture: [1280, 720],
            skip: vec![],
            rank: 0.5,
            align: 0.1,
            grow: 0.6,
            settle: 0.3,
            ramp: false,
            interval: 20,
            limit: 0.5,
            shrinking: Shrinking { weight: 1e-4, epsilon: 1e-4, prox: 1.0 },
            balance: None,
        }
    }

    #[test]
    fn a_method_has_its_phases() {
        let starts = |method| Phases::of(&own(method), 1000).list;
        let (rank, align, grow, settle) = (Phase::Rank, Phase::Align, Phase::Grow, Phase::Settle);
        assert_eq!(starts(Method::Assl), [(align, 0), (grow, 100), (settle, 700)]);
        assert_eq!(starts(Method::Gassl), [(rank, 0), (align, 500), (grow, 550), (settle, 850)]);
        assert_eq!(starts(Method::Srp), [(grow, 0), (settle, 667)]);
    }

    #[test]
    fn the_pull_grows_in_steps_and_stays() {
        let own = own(Method::Assl);
        let phases = Phases::of(&own, 1000);
        let pull = |iteration, waited| phases.pull(&own, iteration, waited);
        assert_eq!(
            [0, 119, 120, 400, 700, 999].map(|i| pull(i, true)),
            [0.0, 0.0, 0.5 / 30.0, 0.25, 0.5, 0.5]
        );
        assert_eq!([0, 20, 350, 700].map(|i| pull(i, false)), [0.0, 0.5 / 35.0, 0.5 * 17.0 / 35.0, 0.5]);
        assert_eq!([0, 699, 700, 900].map(|i| phases.until_settled(i)), [700, 1, 0, 0]);
    }
}
