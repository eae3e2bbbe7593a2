//! Classes of channels: sets that are joined (union-find, by halves of paths).

use std::sync::Arc;

use super::Why;

/// Of each index along an axis its class.
pub(super) type Axis = Arc<[usize]>;

/// Every class is known by one of its members, its root.
#[derive(Debug, Default)]
pub(super) struct Classes {
    parents: Vec<usize>,
    /// Of roots, why the class stays.
    why: Vec<Option<Why>>,
}

impl Classes {
    /// So many of one member each.
    pub(super) fn fresh(&mut self, count: usize) -> Axis {
        let start = self.parents.len();
        self.parents.extend(start..start + count);
        self.why.resize(start + count, None);
        (start..start + count).collect()
    }

    pub(super) fn root(&mut self, mut class: usize) -> usize {
        while self.parents[class] != class {
            self.parents[class] = self.parents[self.parents[class]];
            class = self.parents[class];
        }
        class
    }

    /// Makes one class of two. The earlier root stays one.
    pub(super) fn tie(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (root, other) = (a.min(b), a.max(b));
        if root != other {
            self.parents[other] = root;
            let why = self.why[other].take();
            self.why[root] = self.why[root].take().or(why);
        }
    }

    /// Ties two axes, index by index.
    pub(super) fn tie_axes(&mut self, a: &Axis, b: &Axis) {
        a.iter().zip(b.iter()).for_each(|(a, b)| self.tie(*a, *b));
    }

    /// Lets classes stay. The first reason counts.
    pub(super) fn fix(&mut self, axis: &Axis, why: &Why) {
        for class in axis.iter() {
            let root = self.root(*class);
            self.why[root].get_or_insert_with(|| why.clone());
        }
    }

    pub(super) fn why(&mut self, class: usize) -> Option<&Why> {
        let root = self.root(class);
        self.why[root].as_ref()
    }
}
