//! What a channel is worth by magnitudes that were learnt, and how many of each group stay if all are compared with all.

use super::{Scores, Target, best, cost};
use crate::error::{Error, Result};
use crate::graph::{Channels, Group, Role};
use crate::learn::layers::shares;
use crate::models::Model;

/// By the magnitudes of weight normalisation (Zhang et al., *Aligned Structured Sparsity Learning*, NeurIPS 2021, section
/// 3.2): each as a share of its layer's mean, summed over all layers that make the channel; or, to compare channels
/// `between_layers`, the mean of them as they are.
pub fn magnitudes(model: &Model, channels: &Channels, between_layers: bool) -> Scores {
    channels.groups().iter().map(|group| of_group(model, group, between_layers)).collect()
}

fn of_group(model: &Model, group: &Group, between_layers: bool) -> Vec<f64> {
    let parameters = model.net().parameters();
    let mut scores = vec![0.0; group.channels];
    let layers = group.in_role(Role::Magnitudes).count() as f64;
    for place in group.in_role(Role::Magnitudes) {
        let numbers = parameters.get(place.parameter).values();
        let of = |indices: &Vec<usize>| indices.iter().map(|at| f64::from(numbers[*at].abs())).sum::<f64>();
        let own: Vec<f64> = place.indices.iter().map(of).collect();
        let own = if between_layers { own.iter().map(|own| own / layers).collect() } else { shares(&own) };
        scores.iter_mut().zip(own).for_each(|(score, own)| *score += own);
    }
    scores
}

/// How many channels of each group stay if those of the least scores of all groups go: of the HAIR stage of GASSL
/// (Zhang et al., *Global Aligned Structured Sparsity Learning*, TPAMI 2023). One of each stays. `picture` is the size of
/// the result that multiply-adds are counted for.
///
/// # Errors
/// As [`counts`](super::counts).
pub fn counts_by(
    model: &Model,
    channels: &Channels,
    scores: &Scores,
    target: Target,
    picture: [usize; 2],
) -> Result<Vec<usize>> {
    let order = order(scores);
    let without = |gone: usize| {
        let mut counts: Vec<usize> = channels.groups().iter().map(|group| group.channels).collect();
        for group in &order[..gone] {
            counts[*group] = (counts[*group] - 1).max(1);
        }
        counts
    };
    if let Target::Keep(share) = target {
        let gone = ((1.0 - share) * order.len() as f64).round() as usize;
        return Ok(without(gone.min(order.len())));
    }
    let fits = |gone: usize| -> Result<bool> {
        let kept = best(channels, scores, &without(gone))?;
        Ok(target.admits(cost(model, channels, &kept, picture)?))
    };
    if !fits(order.len())? {
        let reason = format!("expected a target that one channel a group meets, found {target:?}");
        return Err(Error::Unsupported(reason));
    }
    let (mut few, mut enough) = (0, order.len());
    while few < enough {
        let middle = (few + enough) / 2;
        if fits(middle)? { enough = middle } else { few = middle + 1 }
    }
    Ok(without(enough))
}

/// The groups of all channels, those of the least scores first.
fn order(scores: &Scores) -> Vec<usize> {
    let of_group = |(group, scores): (usize, &Vec<f64>)| {
        scores.iter().map(move |score| (*score, group)).collect::<Vec<_>>()
    };
    let mut all: Vec<(f64, usize)> = scores.iter().enumerate().flat_map(of_group).collect();
    all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    all.into_iter().map(|(_, group)| group).collect()
}
