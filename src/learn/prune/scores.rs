//! What a channel is worth, before anything is learnt of it.

use crate::error::{Error, Result};
use crate::graph::{Channels, ConvTranspose2d, Graph, Kept, Op, Value};
use crate::learn::Random;
use crate::models::Model;
use crate::tensor::Parameter;

/// Of every group a number a channel: the larger, the more it is worth.
pub type Scores = Vec<Vec<f64>>;

/// By the filters' L1 norms (Li et al., *Pruning Filters for Efficient ConvNets*, ICLR 2017, section 3.1), each as a share
/// of its layer's mean, summed over all convolutions that make the channel. Weights count as pictures meet them: under
/// weight normalisation, or merged.
///
/// # Errors
/// [`Error::Shape`] if the network takes no picture of its smallest size.
pub fn l1(model: &Model, channels: &Channels) -> Result<Scores> {
    let net = model.net();
    let folded = net.graph(net.unfolded().node(net.unfolded().input()).shape)?;
    let mut scores: Scores = channels.groups().iter().map(|group| vec![0.0; group.channels]).collect();
    for ((value, _), (_, node)) in computed(net.unfolded()).zip(computed(&folded)) {
        let Some((weight, _)) = node.inputs.get(1).and_then(|weight| folded.parameter(*weight)) else {
            continue;
        };
        let norms = match node.op {
            Op::Conv2d(_) => norms(net.numbers().get(weight), 0),
            Op::ConvTranspose2d(ConvTranspose2d { .. }) => norms(net.numbers().get(weight), 1),
            _ => continue,
        };
        let mean = norms.iter().sum::<f64>() / norms.len() as f64;
        let made = channels.members(value, 1).iter().zip(&norms);
        for (member, norm) in made.filter_map(|(member, norm)| Some(((*member)?, norm))) {
            if mean > 0.0 && channels.groups()[member.group].made_by.contains(&value) {
                scores[member.group][member.channel] += norm / mean;
            }
        }
    }
    Ok(scores)
}

/// The nodes that pictures go through. Folding keeps all, in order.
fn computed(graph: &Graph) -> impl Iterator<Item = (Value, &crate::graph::Node)> {
    let weights = graph.weights();
    graph.values().filter(move |(value, _)| !weights[value.index()])
}

/// The L1 norm of each filter: all numbers of its index along the axis.
fn norms(weight: &Parameter, axis: usize) -> Vec<f64> {
    let dims = weight.dims();
    let within: usize = dims[axis + 1..].iter().product();
    let mut norms = vec![0.0; dims[axis]];
    for (at, number) in weight.values().iter().enumerate() {
        norms[at / within % dims[axis]] += f64::from(number.abs());
    }
    norms
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
