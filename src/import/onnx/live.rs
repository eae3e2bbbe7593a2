//! A graph without what nothing hangs on: convolutions whose place another took, sigmoids that became part of a SiLU.

use std::collections::HashMap;

use crate::error::Result;
use crate::graph::{Builder, Graph, Op, Parameters, Value};
use crate::tensor::Parameter;

/// The nodes that the output hangs on, and the numbers of their parameters.
pub(super) fn live(graph: &Graph, parameters: &Parameters) -> Result<(Graph, Parameters)> {
    let mut wanted = vec![false; graph.nodes().len()];
    wanted[graph.output().index()] = true;
    for (value, node) in graph.values().rev() {
        if wanted[value.index()] {
            node.inputs.iter().for_each(|input| wanted[input.index()] = true);
        }
    }
    let input = graph.node(graph.input()).shape;
    let (mut b, picture) = Builder::new(graph.name(), input, graph.range());
    let numbers: Vec<(&str, Parameter)> = parameters.iter().collect();
    let mut made: HashMap<Value, Value> = HashMap::from([(graph.input(), picture)]);
    for (value, node) in graph.values().skip(1).filter(|(value, _)| wanted[value.index()]) {
        let new = match &node.op {
            Op::Parameter(op) => {
                let (name, numbers) = &numbers[op.id.index()];
                b.parameter(*name, numbers)?
            }
            op => {
                let inputs: Vec<Value> = node.inputs.iter().map(|input| made[input]).collect();
                b.append(node.name.clone(), op.clone(), &inputs)?
            }
        };
        made.insert(value, new);
    }
    b.finish(made[&graph.output()])
}
