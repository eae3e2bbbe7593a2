//! Numbers of a graph that are fixed: weights, and what stands a channel.

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Op, Parameters, Value};
use crate::tensor::{Parameter, Shape};

/// The numbers of a weight that a node reads as one of its inputs.
///
/// # Errors
/// [`Error::Unsupported`] if it is computed.
pub(super) fn weight(graph: &Graph, parameters: &Parameters, node: &Node, input: usize) -> Result<Parameter> {
    let (value, shape) = (node.inputs[input], graph.node(node.inputs[input]).shape);
    let (id, start) = graph.parameter(value).ok_or_else(|| {
        Error::Unsupported(format!(
            "{}: expected weights that are fixed, found some that are computed",
            node.name
        ))
    })?;
    let all = parameters.get(id);
    if all.values().len() == shape.len() {
        return Ok(if all.dims().len() == 4 { all.clone() } else { all.with_dims(shape.axes()) });
    }
    Ok(all.inputs(start..start + shape.channels).with_dims(shape.axes()))
}

/// A number a channel, if a value is that and computed from nothing.
pub(super) fn fixed(graph: &Graph, parameters: &Parameters, value: Value) -> Option<Vec<f32>> {
    let node = graph.node(value);
    let numbers = match &node.op {
        Op::Constant(op) => op.numbers.values().to_vec(),
        _ => parameters.get(graph.parameter(value)?.0).values().to_vec(),
    };
    (node.shape == Shape::new(1, numbers.len(), 1, 1)).then_some(numbers)
}
