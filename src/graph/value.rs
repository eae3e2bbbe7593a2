//! Values: what nodes make, each called by its node's index.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{self, AtomicU32};

/// The value that a node makes: the node's index in its graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) u32, Maker);

/// Which builder made a value, so that another's is not taken for one of its own. A finished graph has one builder, so there
/// the index is all: it has no part in comparisons.
#[derive(Clone, Copy)]
pub(super) struct Maker(u32);

impl Value {
    /// The value of the node at this place of a graph.
    pub(crate) const fn at(index: usize) -> Self {
        Self(index as u32, Maker::NOBODY)
    }

    /// The node's place in [`Graph::nodes`](super::Graph::nodes).
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The same, made by somebody.
    pub(super) const fn by(self, maker: Maker) -> Self {
        Self(self.0, maker)
    }

    pub(super) const fn is_by(self, maker: Maker) -> bool {
        self.1.0 == maker.0
    }
}

impl Maker {
    const NOBODY: Self = Self(0);

    /// One that is none of the others.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, atomic::Ordering::Relaxed))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.0).finish()
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

impl PartialEq for Maker {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Maker {}

impl Hash for Maker {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialOrd for Maker {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Maker {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_a_value_has_no_part_in_comparisons() {
        let [a, b] = [Maker::new(), Maker::new()];
        let [first, second] = [Value::at(3).by(a), Value::at(3).by(b)];
        assert!(first == second && first.cmp(&second) == Ordering::Equal && Value::at(2).by(b) < first);
        assert!(first.is_by(a) && !first.is_by(b) && !Value::at(3).is_by(a));
        assert_eq!(format!("{first:?}"), "Value(3)");
    }
}
