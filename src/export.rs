//! Networks as other programs read them: graphs of the operators that they know, with all that hangs on parameters computed.

mod constants;
pub(crate) mod ncnn;
pub(crate) mod onnx;
mod protobuf;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Op, Value};
use crate::net::Net;
use crate::tensor::Shape;

/// The side of the picture, at least, whose graph is written: large enough that a single pixel is a value of the whole picture. What
/// is written tells nothing of it.
const SIDE: usize = 64;

/// What engines run, of a picture of any size.
///
/// # Errors
/// [`Error::Unsupported`] if the network takes a border around pictures.
fn graph(net: &Net) -> Result<Graph> {
    let facts = net.facts();
    if facts.border != [0; 2] {
        let reason =
            "expected a network that takes pictures as they are, found one that takes a border around them";
        return Err(Error::Unsupported(format!("{}: {reason}", net.unfolded().name())));
    }
    let side = SIDE.max(facts.smallest().width).next_multiple_of(facts.alignment);
    net.graph(Shape::new(1, 3, side, side))
}

/// Of every value how often it is read as an activation, by what the output hangs on.
fn readers(graph: &Graph) -> Vec<usize> {
    let mut readers = vec![0; graph.nodes().len()];
    readers[graph.output().index()] = 1;
    for (value, node) in graph.values().rev() {
        if readers[value.index()] > 0 {
            activations(graph, node).for_each(|input| readers[input.index()] += 1);
        }
    }
    readers
}

/// The values that a node reads and that are computed.
fn activations<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = Value> + 'a {
    let count = node.op.operator().activations(node.inputs.len());
    let fixed = |value: &Value| matches!(graph.node(*value).op, Op::Constant(_) | Op::Parameter(_));
    node.inputs[..count].iter().copied().filter(move |value| !fixed(value))
}
