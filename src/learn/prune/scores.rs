//! What a channel is worth, before anything is learnt of it.

use crate::error::{Error, Result};
use crate::graph::{Channels, Kept};
use crate::learn::Random;
use crate::learn::layers::{layers, shares};
use crate::models::Model;

/// Of every group a number a channel: the larger, the more it is worth.
pub type Scores = Vec<Vec<f64>>;

/// What a channel is worth by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// See [`l1`].
    L1,
    /// See [`random`].
    Random {
        /// What lots are drawn by.
        seed: u64,
    },
}

impl Method {
    /// The scores of a network's channels.
    ///
    /// # Errors
    /// As the method's.
    pub fn scores(self, model: &Model, channels: &Channels) -> Result<Scores> {
        match self {
            Self::L1 => l1(model, channels),
            Self::Random { seed } => Ok(random(channels, seed)),
        }
    }
}

/// By the filters' L1 norms (Li et al., *Pruning Filters for Efficient ConvNets*, ICLR 2017, section 3.1), each as a share
/// of its layer's mean, summed over all convolutions that make the channel. Weights count as pictures meet them: under
/// weight normalisation, or merged.
///
/// # Errors
/// [`Error::Shape`] if the network takes no picture of its smallest size.
pub fn l1(model: &Model, channels: &Channels) -> Result<Scores> {
    let mut scores: Scores = channels.groups().iter().map(|group| vec![0.0; group.channels]).collect();
    for layer in layers(model)? {
        let made = channels.members(layer.value, 1).iter().zip(shares(&layer.norms()));
        for (member, share) in made.filter_map(|(member, share)| Some(((*member)?, share))) {
            if channels.groups()[member.group].made_by.contains(&layer.value) {
                scores[member.group][member.channel] += share;
            }
        }
    }
    Ok(scores)
}

/// By lot.
pub fn random(channels: &Channels, seed: u64) -> Scores {
    let drawn = |(number, channels): (u64, usize)| {
        let random = Random::new(seed, Random::FREE, number);
        (0..channels as u32).map(|at| f64::from(random.uniform(at))).collect()
    };
    (0..).zip(channels.groups().iter().map(|group| group.channels)).map(drawn).collect()
}

/// The best of each group, so many of them; of equals the first.
///
/// # Errors
/// [`Error::Shape`] if there is not a score for each channel and a count for each group, from 1 on.
pub fn best(channels: &Channels, scores: &Scores, counts: &[usize]) -> Result<Kept> {
    let groups = channels.groups();
    let fits = scores.len() == groups.len()
        && counts.len() == groups.len()
        && scores.iter().zip(groups).all(|(scores, group)| scores.len() == group.channels);
    if !fits {
        let reason = format!("expected scores of {} groups and as many counts", groups.len());
        return Err(Error::shape("channels to keep", reason));
    }
    let best = |(scores, count): (&Vec<f64>, &usize)| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order.truncate(*count);
        order
    };
    Kept::new(channels, &scores.iter().zip(counts).map(best).collect::<Vec<_>>())
}
