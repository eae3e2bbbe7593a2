//! Structured pruning: from a checkpoint to a smaller one that is read as any other.
//!
//! ```text
//!   Model ─► channels ─► scores (l1, random, or learnt) ─┐
//!                └─────► counts (of a target) ───────────┴─► best ─► sliced ─► Model
//! ```
//!
//! Which channels stand or fall together the graph tells ([`Channels`]), so that convolutions that are summed lose the
//! same ones. A method is what it gives a channel for a score, and a group for a count; the steps around it are the same
//! for all. Methods that learn add [`Terms`] to what a training minimises, so that what goes is zero by then.

mod balanced;
mod compact;
mod cost;
mod learnt;
mod scores;
mod slice;
mod terms;

pub use balanced::{balanceable, balanced};
pub use compact::{Compact, Density, compact};
pub use cost::{Cost, Target, cost, counts};
pub use learnt::{counts_by, magnitudes};
pub use scores::{Method, Scores, best, l1, random};
pub use slice::sliced;
pub use terms::Terms;

use crate::error::{Error, Result};
use crate::graph::{Channels, Graph, Group, Kept, Place, Role, Why};
use crate::learn::Random;
use crate::models::Model;

/// How often the widths of groups are tried.
const TRIALS: u64 = 3;

/// The groups of a network's channels that its architecture's file can be narrower in. [`Channels::without`] leaves more
/// alone.
///
/// # Errors
/// [`Error::Unsupported`] if the network is no checkpoint's.
pub fn channels(model: &Model) -> Result<Channels> {
    let graph = model.net().unfolded();
    if model.architecture() == "graph" {
        let reason =
            format!("{}: expected a checkpoint of a known architecture, found a graph", model.name());
        return Err(Error::Unsupported(reason));
    }
    let found = Channels::of(graph).without(graph, |group| is_made_up(model, group).then_some(Why::Constant));
    Ok(readable(model, graph, found))
}

/// Whether a parameter is none of the checkpoint's: what luma is made by.
fn is_made_up(model: &Model, group: &Group) -> bool {
    let name = |place: &Place| model.net().parameters().name(place.parameter);
    group.places.iter().any(|place| model.weights().get(name(place)).is_none())
}

/// What the convolutions are called that make a group, and the parameters that hold their filters.
pub fn makers<'m>(model: &'m Model, group: &Group) -> Vec<&'m str> {
    let convolutions = group.made_by.iter().map(|conv| &*model.net().unfolded().node(*conv).name);
    let filters = group.in_role(Role::Filters).map(|place| model.net().parameters().name(place.parameter));
    convolutions.chain(filters).collect()
}

/// The groups that the architecture's file reads narrower, each of a width of its own.
fn readable(model: &Model, graph: &Graph, channels: Channels) -> Channels {
    let mut trial = Trial { model, channels: &channels, taken: Vec::new(), refused: Vec::new() };
    trial.admit(&(0..channels.groups().len()).collect::<Vec<_>>());
    let mut refused = trial.refused.into_iter().peekable();
    let mut number = 0..;
    channels.clone().without(graph, |_| {
        let own = number.next();
        refused.next_if(|(group, _)| Some(*group) == own).map(|(_, reason)| Why::Unreadable(reason))
    })
}

/// Groups that were tried together.
struct Trial<'a> {
    model: &'a Model,
    channels: &'a Channels,
    taken: Vec<usize>,
    /// In order.
    refused: Vec<(usize, String)>,
}

impl Trial<'_> {
    /// Takes all of these groups that can be narrower beside those that were taken: at once if that does, otherwise half
    /// by half.
    fn admit(&mut self, groups: &[usize]) {
        let together = [&*self.taken, groups].concat();
        match (self.attempt(&together), groups) {
            (Ok(()), _) => self.taken = together,
            (Err(error), [one]) => self.refused.push((*one, words(&error))),
            (Err(_), _) => {
                let (first, second) = groups.split_at(groups.len() / 2);
                self.admit(first);
                self.admit(second);
            }
        }
    }

    fn attempt(&self, groups: &[usize]) -> Result<()> {
        for trial in 0..TRIALS {
            // At first all are narrower; then some are not, so that two of the same few widths are told apart.
            let kept = |(number, group): (usize, &Group)| {
                let lot = Random::new(trial, Random::FREE, number as u64);
                let choices = (group.channels - usize::from(trial == 0)).max(1);
                let fewer = 1 + lot.below(0, choices as u32) as usize;
                (0..if groups.contains(&number) { fewer } else { group.channels }).collect()
            };
            let kept: Vec<Vec<usize>> = self.channels.groups().iter().enumerate().map(kept).collect();
            sliced(self.model, self.channels, &Kept::new(self.channels, &kept)?)?;
        }
        Ok(())
    }
}

/// An error without the file's name.
fn words(error: &Error) -> String {
    match error {
        Error::Weights { reason, .. } => reason.clone(),
        error => error.to_string(),
    }
}
