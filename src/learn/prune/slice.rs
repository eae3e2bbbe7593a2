//! The checkpoint of fewer channels.

use crate::error::{Error, Result};
use crate::graph::{Channels, Graph, Kept, Node, Parameters};
use crate::models::Model;
use crate::tensor::Parameter;
use crate::weights::Weights;

/// What is written of the network that was, and is not true of the one that is made.
const STALE: [&str; 2] = ["psnr_y", Weights::BALANCE];

/// The network of the channels that are `kept`, read from the tensors that it comes to: names and metadata are the
/// checkpoint's, and what neither tensors nor sizes tell then stands in the metadata ([`Model::told`]). Of a checkpoint
/// of several scales the one remains that the model is of.
///
/// # Errors
/// [`Error::Weights`] if the architecture's file does not read such widths, [`Error::Shape`] if it would make another
/// network of them than the graph says.
pub fn sliced(model: &Model, channels: &Channels, kept: &Kept) -> Result<Model> {
    let (net, weights) = (model.net(), model.weights());
    let parameters = net.parameters().narrowed(net.unfolded(), channels, kept)?;
    let made = Weights::new(weights.source(), tensors(model, &parameters)).with_metadata(said(model));
    let made = Model::from_weights(model.name(), made)?;
    let made = match model.convention() {
        Some(convention) if made.convention() != Some(convention) => made.by_convention(convention)?,
        _ => made,
    };
    if made.scales() != [model.scale()] {
        let reason =
            format!("a file of this architecture holds all scales, and cannot hold x{} alone", model.scale());
        return Err(Error::weights(weights.source(), reason));
    }
    match difference(made.net().unfolded(), &net.unfolded().narrowed(channels, kept)?) {
        Some(error) => Err(error),
        None => Ok(made),
    }
}

/// What is true of a network that is made of another: what its file said, and what no tensor tells.
pub(super) fn said(model: &Model) -> Vec<(String, String)> {
    let metadata = model.weights().metadata().iter().filter(|(key, _)| !STALE.contains(&key.as_str()));
    let told = model.told().into_iter().map(|(key, value)| (key.to_owned(), value));
    metadata.map(|(key, value)| (key.clone(), value.clone())).chain(told).collect()
}

/// The parameters' numbers, and the tensors that the network does not read: but for what has a channel's axes, since it
/// is another scale's, or what branches take the place of.
fn tensors(model: &Model, parameters: &Parameters) -> Vec<(String, Parameter)> {
    let weights = model.weights();
    let sliced = parameters.iter().filter(|(name, _)| weights.get(name).is_some());
    let marks = weights.iter().filter(|(name, numbers)| {
        parameters.find(name).is_none() && numbers.values().len() == 1 && model.scales().len() == 1
    });
    let sliced = sliced.map(|(name, numbers)| (name.to_owned(), numbers));
    sliced.chain(marks.map(|(name, numbers)| (name.to_owned(), numbers.clone()))).collect()
}

/// Where a graph is not as expected.
fn difference(found: &Graph, expected: &Graph) -> Option<Error> {
    let pairs = found.nodes().iter().zip(expected.nodes());
    let told = |node: &Node| format!("{} {} of {}", node.name, node.op.operator().name(), node.shape);
    let other = pairs.clone().find(|(found, expected)| found != expected);
    let reason = match other {
        Some((found, expected)) => format!("{}, is read as {}", told(expected), told(found)),
        None if found.nodes().len() != expected.nodes().len() || found.outputs() != expected.outputs() => {
            format!("{} nodes, is read as {}", expected.nodes().len(), found.nodes().len())
        }
        None => return None,
    };
    Some(Error::shape(expected.name(), format!("with fewer channels what should be {reason}")))
}
