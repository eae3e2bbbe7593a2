//! What a network costs with fewer channels, and how many it keeps for a cost.

use crate::error::{Error, Result};
use crate::graph::{Channels, Group, Kept, Op};
use crate::learn::prune::best;
use crate::models::Model;
use crate::tensor::Shape;

/// So often is the span halved in which a share is looked for: to below one channel of 2⁴⁰.
const HALVINGS: usize = 40;

/// What a network shall come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This share of every group's channels, more than 0 and at most 1.
    Keep(f64),
    /// At most so many multiply-adds, by one share of all groups.
    Macs(u64),
    /// At most so many numbers, by one share of all groups.
    Parameters(u64),
}

impl Target {
    /// Whether a network of this cost is small enough. A share asks nothing of it.
    pub(super) fn admits(self, cost: Cost) -> bool {
        match self {
            Self::Keep(_) => true,
            Self::Macs(most) => cost.macs <= most,
            Self::Parameters(most) => cost.parameters <= most,
        }
    }
}

/// What a network costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds of a picture, masks counted as full.
    pub macs: u64,
    /// Numbers in its tensors; magnitudes under weight normalisation, which say nothing more, are not among them.
    pub parameters: u64,
}

/// What the network costs with these channels, for a picture that comes out at a size, width and height.
///
/// # Errors
/// [`Error::Shape`] if the channels are another network's.
pub fn cost(model: &Model, channels: &Channels, kept: &Kept, [width, height]: [usize; 2]) -> Result<Cost> {
    let graph = model.net().unfolded().narrowed(channels, kept)?;
    let size = [width, height].map(|side| side.div_ceil(model.scale()));
    let [width, height] = model.extended(size);
    let (weights, names) = (model.weights(), model.net().parameters());
    let counted = graph.nodes().iter().filter_map(|node| match &node.op {
        Op::Parameter(parameter) => Some((names.name(parameter.id), node.shape.len() as u64)),
        _ => None,
    });
    let counted = counted.filter(|(name, _)| weights.get(name).is_some() && !weights.is_magnitude(name));
    let parameters = counted.map(|(_, numbers)| numbers).sum();
    Ok(Cost { macs: graph.resized(&[Shape::new(1, 3, height, width)])?.macs().total(), parameters })
}

/// How many channels of each group remain for a target: at least one. `picture` is the size of the result that
/// multiply-adds are counted for.
///
/// # Errors
/// [`Error::Unsupported`] if the share is none, the network is smaller already, or cannot be as small.
pub fn counts(model: &Model, channels: &Channels, target: Target, picture: [usize; 2]) -> Result<Vec<usize>> {
    let of = |share: f64| -> Vec<usize> {
        let count =
            |group: &Group| ((share * group.channels as f64).round() as usize).clamp(1, group.channels);
        channels.groups().iter().map(count).collect()
    };
    let cost_of = |share: f64| {
        let firsts = channels.groups().iter().map(|group| vec![0.0; group.channels]).collect();
        cost(model, channels, &best(channels, &firsts, &of(share))?, picture)
    };
    let (most, figure): (u64, fn(Cost) -> u64) = match target {
        Target::Keep(share) if share > 0.0 && share <= 1.0 => return Ok(of(share)),
        Target::Keep(share) => {
            let reason = format!("expected a share to keep above 0 and at most 1, found {share}");
            return Err(Error::Unsupported(reason));
        }
        Target::Macs(most) => (most, |cost| cost.macs),
        Target::Parameters(most) => (most, |cost| cost.parameters),
    };
    let [least, whole] = [figure(cost_of(0.0)?), figure(cost_of(1.0)?)];
    if !(least..whole).contains(&most) {
        let what = if matches!(target, Target::Macs(_)) { "multiply-adds" } else { "parameters" };
        let reason = format!(
            "expected at least {least} {what}, what is left with one channel a group, and fewer than the network's \
             {whole}, found {most}"
        );
        return Err(Error::Unsupported(reason));
    }
    let (mut fits, mut beyond) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (fits + beyond) / 2.0;
        if target.admits(cost_of(middle)?) { fits = middle } else { beyond = middle }
    }
    Ok(of(fits))
}
