//! A graph that computes its weights, as plans take it: parameters become inputs, and in the place of each weight stands
//! a parameter.
//!
//! ```text
//!   p ─► flip ─► conv2d ◄─ g        ⇒        (input) p ─► flip        weight 0 ─► conv2d ◄─ g
//! ```
//!
//! So every pass behind sees what it knows from inference, and whoever makes the plan brings the values into the order
//! in which kernels read them.

use std::collections::HashMap;

use crate::graph::{Graph, Input, Node, Op, Output, ParameterId, ParameterValue, Value};

/// A graph whose weights are stood for.
#[derive(Clone, Debug)]
pub(crate) struct StandIns {
    pub(crate) graph: Graph,
    /// The value behind each of the graph's parameters, by their ids.
    pub(crate) sources: Vec<Value>,
    /// The inputs that were parameters, by their ids.
    pub(crate) parameters: HashMap<Value, ParameterId>,
}

impl Graph {
    /// Puts inputs in the place of parameters, and parameters in the place of weights.
    pub(crate) fn with_stand_ins(&self) -> StandIns {
        let mut made = StandIns {
            graph: Self { nodes: Vec::new(), outputs: Vec::new(), ..self.clone() },
            sources: Vec::new(),
            parameters: HashMap::new(),
        };
        let (mut renamed, mut standing): (Vec<Value>, HashMap<Value, Value>) = (Vec::new(), HashMap::new());
        for (_, node) in self.values() {
            let mut inputs: Vec<Value> = node.inputs.iter().map(|input| renamed[input.index()]).collect();
            let activations = match node.op {
                Op::Weight(_) => inputs.len(), // it computes values as any other does
                _ => node.op.operator().activations(inputs.len()),
            };
            for weight in &mut inputs[activations..] {
                *weight = *standing.entry(*weight).or_insert_with(|| made.stand_in(*weight));
            }
            let op = match &node.op {
                Op::Parameter(op) => {
                    made.parameters.insert(Value::at(made.graph.nodes.len()), op.id);
                    Op::Input(Input { shape: op.shape })
                }
                op => op.clone(),
            };
            renamed.push(Value::at(made.graph.nodes.len()));
            made.graph.nodes.push(Node { op, inputs, ..node.clone() });
        }
        let output = |output: &Output| Output { value: renamed[output.value.index()], ..output.clone() };
        made.graph.outputs = self.outputs.iter().map(output).collect();
        made
    }
}

impl StandIns {
    fn stand_in(&mut self, source: Value) -> Value {
        let Node { name, shape, .. } = self.graph.node(source).clone();
        let op = Op::Parameter(ParameterValue { id: ParameterId(self.sources.len() as u32), shape });
        self.sources.push(source);
        self.graph.nodes.push(Node { name, op, inputs: vec![], shape });
        Value::at(self.graph.nodes.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Builder, Conv2d, Op, WeightOperation};
    use crate::tensor::{Parameter, Shape};

    #[test]
    fn a_computed_weight_is_stood_for_once_and_operators_of_weights_read_values() {
        let (mut b, x) = Builder::new("net", Shape::new(1, 2, 3, 3), 1.0);
        let p = b.parameter("p", &Parameter::new([2, 2, 3, 3], vec![0.5; 36])).unwrap();
        let flipped = b.weight("flipped", WeightOperation::Flip { groups: 1 }, &[p]).unwrap();
        let once = b.conv2d("once", x, flipped, Conv2d::same(3)).unwrap();
        let twice = b.conv2d("twice", once, flipped, Conv2d::same(3)).unwrap();
        let (graph, _) = b.finish(twice).unwrap();
        let made = graph.with_stand_ins();
        assert_eq!(made.sources.len(), 1);
        assert_eq!(made.parameters.len(), 1);
        let source = made.graph.node(made.sources[0]);
        assert!(matches!(source.op, Op::Weight(_)));
        assert!(made.parameters.contains_key(&source.inputs[0]));
        let weight = |name: &str| made.graph.node(made.graph.find(name).unwrap()).inputs[1];
        assert_eq!(weight("once"), weight("twice"));
        assert_eq!(made.graph.parameter(weight("once")).unwrap().0.index(), 0);
    }
}
