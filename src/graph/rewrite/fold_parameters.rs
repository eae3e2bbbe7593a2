//! What hangs on parameters alone is computed once, not in every run.
//!
//! ```text
//!   v ─┐                                          v ─┐
//!   g ─┴─► weight_norm ─► conv2d ◄─ x    ⇒        g ─┴─► weight_norm = p        p ─► conv2d ◄─ x
//!                                                 once, by the f64 oracle       in every run
//! ```

use crate::graph::{Graph, Node, Op, Output, ParameterId, ParameterValue, Parameters, Value};

/// A graph in two parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Folding {
    /// The part that a picture goes through. Its parameters are those of the whole graph and, behind them, the outputs of
    /// `weights` in order.
    pub graph: Graph,
    /// The part that hangs on parameters alone. It has no input, and no output if nothing is derived.
    pub weights: Graph,
}

impl Graph {
    /// Takes apart what a picture goes through and what hangs on the graph's `parameters` alone.
    pub fn fold_parameters(&self, parameters: &Parameters) -> Folding {
        let of_weights = self.weights();
        let (mut read, mut as_weight) = (vec![false; self.nodes.len()], vec![false; self.nodes.len()]);
        for output in &self.outputs {
            read[output.value.index()] = true;
        }
        for (node, _) in self.nodes.iter().zip(&of_weights).filter(|(_, weights)| !**weights) {
            node.inputs.iter().for_each(|input| read[input.index()] = true);
            let activations = node.op.operator().activations(node.inputs.len());
            node.inputs[activations..].iter().for_each(|input| as_weight[input.index()] = true);
        }
        let derived = |at: usize| match self.nodes[at].op {
            Op::Parameter(_) => false,
            Op::Constant(_) => as_weight[at],
            _ => true,
        };
        let derived: Vec<bool> =
            (0..self.nodes.len()).map(|at| of_weights[at] && read[at] && derived(at)).collect();
        let mut needed = derived.clone();
        for (value, node) in self.values().rev() {
            if needed[value.index()] {
                node.inputs.iter().for_each(|input| needed[input.index()] = true);
            }
        }
        let part = || Part { nodes: Vec::new(), renamed: vec![None; self.nodes.len()] };
        let (mut graph, mut weights, mut made) = (part(), part(), Vec::new());
        for (value, node) in self.values() {
            let at = value.index();
            if of_weights[at] && needed[at] {
                weights.append(value, node);
            }
            if derived[at] {
                let id = ParameterId((parameters.len() + made.len()) as u32);
                let op = Op::Parameter(ParameterValue { id, shape: node.shape });
                graph.append(value, &Node { op, inputs: vec![], ..node.clone() });
                made.push(Output { name: node.name.clone(), value: weights.of(value) });
            } else if !of_weights[at] || read[at] {
                graph.append(value, node);
            }
        }
        let outputs =
            self.outputs.iter().map(|output| Output { value: graph.of(output.value), ..output.clone() });
        let outputs = outputs.collect();
        Folding {
            graph: Graph { name: self.name.clone(), nodes: graph.nodes, outputs, ..*self },
            weights: Graph { name: self.name.clone(), nodes: weights.nodes, outputs: made, ..*self },
        }
    }
}

/// Some nodes of a graph, and where they went.
struct Part {
    nodes: Vec<Node>,
    renamed: Vec<Option<Value>>,
}

impl Part {
    fn append(&mut self, value: Value, node: &Node) {
        let inputs = node.inputs.iter().map(|input| self.of(*input)).collect();
        self.renamed[value.index()] = Some(Value::at(self.nodes.len()));
        self.nodes.push(Node { inputs, ..node.clone() });
    }

    fn of(&self, value: Value) -> Value {
        self.renamed[value.index()].expect("what a node reads comes before it, in its own part")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Conv2d, WeightOperation};
    use crate::tensor::{Parameter, Shape};

    fn numbers(dims: &[usize]) -> Parameter {
        Parameter::new(dims, vec![1.0; dims.iter().product()])
    }

    #[test]
    fn what_is_derived_becomes_a_parameter() {
        let (mut b, x) = Builder::new("normalised", Shape::new(1, 3, 4, 4), 1.0);
        let v = b.parameter("conv.weight_v", &numbers(&[3, 3, 1, 1])).unwrap();
        let g = b.parameter("conv.weight_g", &numbers(&[3, 1, 1, 1])).unwrap();
        let bias = b.parameter("conv.bias", &numbers(&[3])).unwrap();
        let weight = b.weight("conv.weight", WeightOperation::Norm, &[v, g]).unwrap();
        let y = b.conv2d("conv", x, [weight, bias], Conv2d::same(1)).unwrap();
        let (graph, parameters) = b.finish(y).unwrap();
        let Folding { graph: folded, weights } = graph.fold_parameters(&parameters);

        let names = |graph: &Graph| graph.nodes().iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&folded), ["input", "conv.bias", "conv.weight", "conv"]);
        assert_eq!(names(&weights), ["conv.weight_v", "conv.weight_g", "conv.weight"]);
        assert_eq!(weights.outputs(), [Output { name: "conv.weight".into(), value: Value::at(2) }]);
        assert_eq!(folded.parameter(folded.find("conv.weight").unwrap()), Some((ParameterId(3), 0)));
        assert!(graph.check_folded().is_err() && folded.check_folded().is_ok());
        assert_eq!(folded.fold_parameters(&parameters).graph, folded, "folded once is folded");
        assert_eq!(folded.macs(), graph.macs());
    }

    #[test]
    fn a_part_of_a_parameter_is_a_convolutions_weight_and_nothing_else() {
        let refused = |sliced_weight: bool| {
            let (mut b, x) = Builder::new("sliced", Shape::new(1, 3, 4, 4), 1.0);
            let weight =
                b.parameter("conv.weight", &numbers(&[3, 3 + usize::from(sliced_weight), 1, 1])).unwrap();
            let bias = b.parameter("conv.bias", &numbers(&[3 + usize::from(!sliced_weight)])).unwrap();
            let part = b.slice("part", if sliced_weight { weight } else { bias }, 1, 3).unwrap();
            let weights = if sliced_weight { [part, bias] } else { [weight, part] };
            let y = b.conv2d("conv", x, weights, Conv2d::same(1)).unwrap();
            b.finish(y).unwrap().0.check_folded().err().map(|error| error.to_string())
        };
        assert_eq!(refused(true), None);
        let message = "conv: expected parameters as weights, found computed ones; fold the graph";
        assert_eq!(refused(false).as_deref(), Some(message));
    }
}
