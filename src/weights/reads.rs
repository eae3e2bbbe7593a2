//! What of a checkpoint was read: a tensor that nobody reads is a layer that nobody computes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Weights;
use crate::tensor::Parameter;

/// What scopes of a checkpoint were asked for. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Reads(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    found: BTreeSet<String>,
    missing: Vec<String>,
    /// How many zeros may still stand in for tensors that are missing or misshapen.
    zeros: usize,
}

impl Reads {
    fn new(zeros: usize) -> Self {
        Self(Arc::new(Mutex::new(Log { zeros, ..Log::default() })))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this tensor was handed out.
    pub(super) fn found(&self, name: &str) {
        let mut log = self.log();
        if !log.found.contains(name) {
            log.found.insert(name.to_owned());
        }
    }

    /// Notes that this tensor is not there.
    pub(super) fn missing(&self, name: &str) {
        self.log().missing.push(name.to_owned());
    }

    /// What may stand in for it.
    pub(super) fn stand_in(&self, dims: &[usize]) -> Option<Parameter> {
        let len = dims.iter().try_fold(1usize, |len, &dim| len.checked_mul(dim))?;
        let mut log = self.log();
        log.zeros = log.zeros.checked_sub(len)?;
        Some(Parameter::new(dims, vec![0.0; len]))
    }
}

impl Weights {
    /// The same, noting what its scopes are asked for.
    pub(crate) fn observed(&self) -> Self {
        Self { reads: Some(Reads::new(0)), ..self.clone() }
    }

    /// The same; zeros stand in for what is missing, as far as the checkpoint's own size goes, so that all of it is
    /// asked for.
    pub(crate) fn completed(&self) -> Self {
        let numbers: usize = self.iter().map(|(_, parameter)| parameter.values().len()).sum();
        Self { reads: Some(Reads::new(numbers.max(1 << 20))), ..self.clone() }
    }

    /// The tensors that no scope has handed out, of an observed checkpoint.
    pub(crate) fn unread(&self) -> Vec<&str> {
        let log = self.reads.as_ref().map(Reads::log);
        let read = |name: &&str| log.as_ref().is_some_and(|log| log.found.contains(*name));
        self.names().filter(|name| !read(name)).collect()
    }

    /// The tensors that a scope was asked for and that are not there, in that order.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.reads.as_ref().map_or_else(Vec::new, |reads| reads.log().missing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scopes_are_asked_for_is_noted() {
        let tensor = |name: &str| (name.to_owned(), Parameter::new([2], vec![1.0; 2]));
        let weights = Weights::new("some", ["a", "b.c", "d"].map(tensor));
        let observed = weights.observed();
        observed.root().parameter("a", &[2]).unwrap();
        observed.root().scope("b").get("c").unwrap();
        observed.get("d").unwrap();
        assert!(observed.root().get("e").is_none());
        assert_eq!((observed.unread(), observed.missing()), (vec!["d"], vec![]));
        observed.root().parameter("e", &[2]).unwrap_err();
        assert_eq!((observed.unread(), observed.missing()), (vec!["d"], vec!["e".to_owned()]));
        assert_eq!((weights.unread().len(), weights.missing().len()), (3, 0));

        let completed = weights.completed();
        assert_eq!(completed.root().parameter("e", &[1, 3]).unwrap().dims(), [1, 3]);
        assert_eq!(completed.root().parameter("a", &[3]).unwrap().dims(), [3]);
        completed.root().parameter("f", &[1 << 40]).unwrap_err();
        completed.root().parameter("g", &[usize::MAX, 2]).unwrap_err();
        assert_eq!(completed.missing(), ["e", "f", "g"]);
    }
}
