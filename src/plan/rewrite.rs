//! Graph → Graph: the same function in a form that costs less.

use super::Packed;
use crate::graph::{Binary, BinaryKind, Conv2d, Graph, Node, Op, Value};

/// A 1×1 convolution of a concatenation becomes a sum of 1×1 convolutions of its parts:
///
/// `W · [a; b; c] + bias = (W_a · a + bias) + W_b · b + W_c · c`
///
/// The concatenation, the widest value of a network that has one, is then never made. Values in `keep` stay.
///
/// Returns the graph and where each old value is in it.
pub(super) fn split_concats(graph: &Graph, keep: &[Value], packed: &Packed) -> (Graph, Vec<Value>) {
    let uses = graph.uses();
    let splittable = |value: Value| {
        matches!(graph.node(value).op, Op::Concat(_)) && uses[value.index()] == 1 && !keep.contains(&value)
    };
    let mut new = Graph { nodes: Vec::new(), ..graph.clone() };
    let mut renamed: Vec<Value> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let value = match &node.op {
            Op::Conv2d(conv) if conv.is_pointwise() && splittable(node.inputs[0]) => {
                let parts = &graph.node(node.inputs[0]).inputs;
                let parts: Vec<Value> = parts.iter().map(|part| renamed[part.index()]).collect();
                append_sum(&mut new, node, conv, &parts, packed)
            }
            _ => {
                let inputs = node.inputs.iter().map(|input| renamed[input.index()]).collect();
                append(&mut new, Node { inputs, ..node.clone() })
            }
        };
        renamed.push(value);
    }
    new.output = renamed[graph.output().index()];
    (new, renamed)
}

fn append(graph: &mut Graph, node: Node) -> Value {
    graph.nodes.push(node);
    Value(graph.nodes.len() as u32 - 1)
}

fn append_sum(graph: &mut Graph, node: &Node, conv: &Conv2d, parts: &[Value], packed: &Packed) -> Value {
    let mut offset = 0;
    let mut sum: Option<Value> = None;
    for part in parts {
        let channels = graph.node(*part).shape.channels;
        let weight = packed.columns(&conv.weight, offset, channels);
        offset += channels;
        let bias = if sum.is_none() { conv.bias.clone() } else { None };
        let op = Op::Conv2d(Conv2d { weight, bias, ..conv.clone() });
        let term = append(graph, Node { op, inputs: vec![*part], ..node.clone() });
        sum = Some(match sum {
            None => term,
            Some(sum) => {
                let op = Op::Binary(Binary { kind: BinaryKind::Add });
                append(graph, Node { op, inputs: vec![term, sum], ..node.clone() })
            }
        });
    }
    sum.expect("a concatenation has at least one part")
}
