//! A dotted prefix into a checkpoint, with which a model asks for its parameters as its paper names them.

use std::fmt::Display;

use super::Weights;
use crate::{Error, Result, tensor::Parameter};

/// A dotted prefix into a checkpoint.
///
/// ```
/// # use sparsr::low_level::{tensor::Parameter, weights::Weights};
/// let weights = Weights::new("example", [("body.0.weight".to_owned(), Parameter::new([1], vec![0.5]))]);
/// let block = weights.root().scope("body").scope(0);
/// assert_eq!(block.parameter("weight", &[1])?.values(), [0.5]);
/// # Ok::<(), sparsr::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    weights: &'a Weights,
    prefix: String,
}

impl<'a> Scope<'a> {
    pub(super) fn root(weights: &'a Weights) -> Self {
        Self { weights, prefix: String::new() }
    }

    pub(super) fn weights(&self) -> &'a Weights {
        self.weights
    }

    /// The scope below this one: a module's name, or its number in a sequence.
    pub fn scope(&self, name: impl Display) -> Self {
        Self { weights: self.weights, prefix: self.path(&name.to_string()) }
    }

    /// The dotted path of this scope itself.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full dotted path of `name` within this scope.
    pub fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// The parameter `name` of this scope, where there is one.
    pub fn get(&self, name: &str) -> Option<&'a Parameter> {
        let path = self.path(name);
        let found = self.weights.get(&path);
        if let (Some(reads), Some(_)) = (&self.weights.reads, found) {
            self.weights.made_of(&path).for_each(|name| reads.found(name));
        }
        found
    }

    /// The parameter `name` of this scope, which must have exactly the axes `dims`.
    ///
    /// # Errors
    /// [`Error::Weights`] with the full dotted path, both shapes, and the nearest name where there is none.
    pub fn parameter(&self, name: &str, dims: &[usize]) -> Result<Parameter> {
        let path = self.path(name);
        let found = self.get(name);
        if let Some(parameter) = found.filter(|parameter| parameter.dims() == dims) {
            return Ok(parameter.clone());
        }
        if let Some(reads) = &self.weights.reads {
            if found.is_none() {
                reads.missing(&path);
            }
            if let Some(zeros) = reads.stand_in(dims) {
                return Ok(zeros);
            }
        }
        let reason = match found {
            Some(parameter) => format!("{path}: expected {dims:?}, found {:?}", parameter.dims()),
            None => format!(
                "{path}: expected a tensor of shape {dims:?}, found none; {}",
                match nearest(&path, self.weights.names()) {
                    Some(name) => format!("the nearest name is {name}"),
                    None => "the checkpoint is empty".to_owned(),
                }
            ),
        };
        Err(Error::weights(self.weights.source(), reason))
    }
}

/// The name with the fewest edits between it and `wanted`; the first of equals.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names.min_by_key(|name| edits(wanted.as_bytes(), name.as_bytes()))
}

/// Levenshtein's distance: how many bytes to insert, remove or replace to make `b` of `a`.
fn edits(a: &[u8], b: &[u8]) -> usize {
    // row[i] is the distance from a[..i] to the part of b that has been seen.
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for &y in b {
        let mut diagonal = row[0];
        row[0] += 1;
        for (i, &x) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(edits(a.as_bytes(), b.as_bytes()), expected, "{a:?} to {b:?}");
        }
    }

    #[test]
    fn a_scope_names_what_it_misses() {
        let parameter = |dims: &[usize]| Parameter::new(dims, vec![0.0; dims.iter().product()]);
        let weights = Weights::new(
            "some.pth",
            ["body.3.ca.weight", "body.3.ca.bias", "head.bias"].map(|n| (n.to_owned(), parameter(&[4, 2]))),
        );
        let attention = weights.root().scope("body").scope(3).scope("ca");

        assert_eq!(attention.path("weight"), "body.3.ca.weight");
        assert_eq!(weights.root().path("head"), "head");
        assert!(attention.get("weight").is_some() && attention.get("scale").is_none());
        assert_eq!(attention.parameter("weight", &[4, 2]).unwrap().dims(), [4, 2]);

        let message = |name, dims: &[usize]| attention.parameter(name, dims).unwrap_err().to_string();
        assert_eq!(
            message("weight", &[64, 64, 1, 1]),
            "some.pth: body.3.ca.weight: expected [64, 64, 1, 1], found [4, 2]"
        );
        assert_eq!(
            message("biases", &[4]),
            "some.pth: body.3.ca.biases: expected a tensor of shape [4], found none; \
             the nearest name is body.3.ca.bias"
        );
        let empty = Weights::new("empty", []);
        let message = empty.root().parameter("head", &[1]).unwrap_err().to_string();
        assert_eq!(
            message,
            "empty: head: expected a tensor of shape [1], found none; the checkpoint is empty"
        );
    }
}
