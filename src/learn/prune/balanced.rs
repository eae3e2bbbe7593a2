//! Balanced sparsity: single numbers go, as many of every block ([`Balance`]).

use super::slice::said;
use crate::error::{Error, Result};
use crate::graph::{BinaryKind, Graph, Op, ParameterId, Value, WeightOperation};
use crate::models::Model;
use crate::tensor::{Balance, Parameter};
use crate::weights::Weights;

/// The tensors of a checkpoint whose numbers may go: the weights of convolutions of all their input's channels, of at least
/// a block of them. Those under weight normalisation and those that are multiplied by a number are among them, since a zero
/// stays one; those that are merged or reordered are not.
pub fn balanceable(model: &Model, balance: Balance) -> Vec<&str> {
    let (net, graph) = (model.net(), model.net().unfolded());
    let mut names = Vec::new();
    for (_, node) in graph.values() {
        let is_whole = match &node.op {
            Op::Conv2d(op) => op.groups == 1,
            op => matches!(op, Op::MaskedConv2d(_)),
        };
        if !is_whole {
            continue;
        }
        let weight = node.inputs[node.op.operator().activations(node.inputs.len())];
        let Some(name) = tensor(graph, weight).map(|id| net.parameters().name(id)) else { continue };
        let is_for = model.weights().get(name).is_some_and(|numbers| balance.is_for(numbers));
        if is_for && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The parameter that a weight has its zeros of.
fn tensor(graph: &Graph, weight: Value) -> Option<ParameterId> {
    match &graph.node(weight).op {
        Op::Parameter(op) => Some(op.id),
        Op::Weight(WeightOperation::Norm) => tensor(graph, graph.node(weight).inputs[0]),
        Op::Binary(op) if op.kind == BinaryKind::Multiply => tensor(graph, graph.node(weight).inputs[0]),
        _ => None,
    }
}

/// The network in whose tensors of these names the smallest numbers of each block are zero. Its metadata say so, under
/// [`Weights::BALANCE`], and its file is smaller.
///
/// # Errors
/// [`Error::Unsupported`] if there are no such tensors.
pub fn balanced(model: &Model, names: &[&str], balance: Balance) -> Result<Model> {
    if names.is_empty() {
        let reason = format!(
            "{}: expected convolutions of at least {} channels, found none",
            model.name(),
            balance.block()
        );
        return Err(Error::Unsupported(reason));
    }
    let weights = model.weights();
    let numbers = |(name, numbers): (&str, &Parameter)| {
        let own = if names.contains(&name) { balance.thinned(numbers) } else { numbers.clone() };
        (name.to_owned(), own)
    };
    let made = Weights::new(weights.source(), weights.iter().map(numbers))
        .with_metadata(said(model))
        .with_metadata([(Weights::BALANCE, balance.to_string())]);
    Model::from_weights(model.name(), made)
}
