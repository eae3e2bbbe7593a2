//! Pictures in two halves, each for what the other is not for.

use super::make::SHRUNK_NAME;
use super::{Pair, Pairs};

/// Which half a step's crops are of: the first at first, and from an iteration on the first and the second in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    /// The iteration from which on they take turns, the first half first.
    pub from: u64,
    /// Steps of an iteration.
    pub each: u64,
}

impl Halves {
    /// The half of a step, 0 or 1.
    pub fn of(&self, step: u64) -> usize {
        match (step / self.each.max(1)).checked_sub(self.from) {
            Some(turn) if !turn.is_multiple_of(2) => 1,
            _ => 0,
        }
    }
}

/// Of each picture the half that it is in: names in turn, so that one at two sizes is in one half.
pub(super) fn of_pictures(pairs: &Pairs) -> Vec<usize> {
    let name = |pair: &Pair| pair.name.trim_end_matches(SHRUNK_NAME).to_owned();
    let mut names: Vec<String> = pairs.pairs().iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    let half = |pair: &Pair| names.binary_search(&name(pair)).unwrap_or(0) % 2;
    pairs.pairs().iter().map(half).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_take_turns_by_iterations() {
        let halves = Halves { from: 3, each: 2 };
        let found: Vec<usize> = (0..14).map(|step| halves.of(step)).collect();
        assert_eq!(found, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1]);
    }
}
