//! Sums in place of wide convolutions.

use crate::graph::{Binary, BinaryKind, Concat, Graph, Node, Op, Output, Slice, TrainingOperation, Value};

impl Graph {
    /// A 1×1 convolution of a concatenation becomes a sum of 1×1 convolutions of its parts:
    ///
    /// `W · [a; b; c] + bias = (W_a · a + bias) + W_b · b + W_c · c`
    ///
    /// The concatenation, the widest value of a network that has one, is then never made. Values in `keep` stay. In training
    /// the gradient of the weight is made part by part too, since it reads the same concatenation.
    ///
    /// Returns the graph and where each old value is in it.
    pub(crate) fn split_concats(&self, keep: &[Value]) -> (Self, Vec<Value>) {
        let (uses, convs, gradients) = (self.uses(), self.readers(is_pointwise), self.readers(is_gradient));
        let splittable = |value: Value| {
            let at = value.index();
            let taken = convs[at] <= 1 && convs[at] + gradients[at] == uses[at];
            matches!(self.node(value).op, Op::Concat(_)) && taken && !keep.contains(&value)
        };
        let mut new = Self { nodes: Vec::new(), ..self.clone() };
        let mut renamed: Vec<Value> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs: Vec<Value> = node.inputs.iter().map(|input| renamed[input.index()]).collect();
            let value = match &node.op {
                op if (is_pointwise(op) || is_gradient(op)) && splittable(node.inputs[0]) => {
                    let parts = &self.node(node.inputs[0]).inputs;
                    let parts: Vec<Value> = parts.iter().map(|part| renamed[part.index()]).collect();
                    match is_gradient(op) {
                        false => new.append_sum(node, &parts, &inputs[1..]),
                        true => new.append_gradients(node, &parts, inputs[1]),
                    }
                }
                _ => new.push(Node { inputs, ..node.clone() }),
            };
            renamed.push(value);
        }
        let moved = |output: &Output| Output { value: renamed[output.value.index()], ..output.clone() };
        new.outputs = self.outputs.iter().map(moved).collect();
        (new, renamed)
    }

    /// How often each value is the first input of such an operator.
    fn readers(&self, of: fn(&Op) -> bool) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        for node in self.nodes.iter().filter(|node| of(&node.op)) {
            readers[node.inputs[0].index()] += 1;
        }
        readers
    }

    /// The gradient of a convolution's weight by those of the `parts` that stand side by side.
    fn append_gradients(&mut self, node: &Node, parts: &[Value], g: Value) -> Value {
        let mut of_part = |part: &Value| {
            let shape = node.shape.with_channels(self.node(*part).shape.channels);
            self.push(Node { inputs: vec![*part, g], shape, ..node.clone() })
        };
        let inputs = parts.iter().map(&mut of_part).collect();
        self.push(Node { op: Op::Concat(Concat), inputs, ..node.clone() })
    }

    fn push(&mut self, node: Node) -> Value {
        self.nodes.push(node);
        Value::at(self.nodes.len() - 1)
    }

    /// The convolution of `node` over `parts` that stand side by side, by `weights`: the weight, and perhaps a bias.
    fn append_sum(&mut self, node: &Node, parts: &[Value], weights: &[Value]) -> Value {
        let (weight, mut bias) = (weights[0], weights.get(1).copied());
        let mut start = 0;
        let mut sum: Option<Value> = None;
        for part in parts {
            let channels = self.node(*part).shape.channels;
            let own = self.push(Node {
                name: self.node(weight).name.clone(),
                op: Op::Slice(Slice { start, channels }),
                inputs: vec![weight],
                shape: self.node(weight).shape.with_channels(channels),
            });
            start += channels;
            let inputs = [*part, own].into_iter().chain(bias.take()).collect();
            let term = self.push(Node { inputs, ..node.clone() });
            sum = Some(match sum {
                None => term,
                Some(sum) => {
                    let op = Op::Binary(Binary { kind: BinaryKind::Add });
                    self.push(Node { op, inputs: vec![term, sum], ..node.clone() })
                }
            });
        }
        sum.expect("a concatenation has at least one part")
    }
}

fn is_pointwise(op: &Op) -> bool {
    matches!(op, Op::Conv2d(conv) if conv.is_pointwise())
}

fn is_gradient(op: &Op) -> bool {
    matches!(op, Op::Training(TrainingOperation::Conv2dWeightGradient(conv)) if conv.groups == 1)
}
