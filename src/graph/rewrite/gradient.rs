//! The gradient of a graph is a graph: behind the nodes of the forward pass stand those of the backward pass, each
//! operator's by its own rule ([`Operator::gradient`](crate::graph::Operator::gradient)).
//!
//! ```text
//!   x ─► conv2d ─► relu ─► loss        ⇒    … loss ─► loss_gradient ─► activation_gradient ─► conv2d_weight_gradient
//!           ▲ w                                                                 └─► (conv2d by the flipped w, if x asks)
//! ```
//!
//! - The result's first outputs are the graph's own; behind them is one for each value that was asked for, of its shape.
//! - Where a value has several readers, what each gives is added, in the order of the readers from last to first.
//! - What none of the asked values needs is not made.
//! - Nothing but the graph is looked at: how values are kept, recomputed or stored is a plan's choice.

use crate::error::{Error, Result};
use crate::graph::op::{Axes, TrainingOperation};
use crate::graph::{Binary, BinaryKind, Builder, Constant, Graph, Node, Op, Output, Value};
use crate::tensor::{Shape, Tensor};

impl Graph {
    /// The gradients of `loss`, a value of one number, with respect to each of `wrt`: the graph with an output for each
    /// behind its own, called as the value's node. Zeros for a value that the loss does not depend on.
    ///
    /// # Errors
    /// [`Error::Shape`] if the loss is more than one number; [`Error::Unsupported`] with the node on the way whose
    /// operator has no gradient.
    pub fn gradient(&self, loss: Value, wrt: &[Value]) -> Result<Self> {
        self.scaled_gradient(loss, wrt, 1.0)
    }

    /// The same, `scale` times as large: so that numbers that are stored as f16 do not vanish.
    pub(crate) fn scaled_gradient(&self, loss: Value, wrt: &[Value], scale: f32) -> Result<Self> {
        let Node { name, shape, .. } = self.node(loss);
        if shape.len() != 1 {
            return Err(Error::shape(name, format!("expected a loss of one number, found {shape}")));
        }
        let needed = self.hang_on(wrt);
        let mut b = Builder::behind(self);
        let mut gradients: Vec<Option<Value>> = vec![None; self.nodes.len()];
        gradients[loss.index()] =
            Some(b.constant(format!("{name}.gradient"), Tensor::new(*shape, vec![scale]))?);
        for (value, node) in self.values().rev().filter(|(_, node)| !node.inputs.is_empty()) {
            let Some(gradient) = gradients[value.index()].filter(|_| needed[value.index()]) else { continue };
            let needs = node.inputs.iter().map(|input| needed[input.index()]).collect();
            let mut at = Backward { b: &mut b, node, output: value, gradient, needs };
            let parts = node.op.operator().gradient(&mut at)?;
            for (input, part) in node.inputs.iter().zip(parts) {
                let Some(part) = part.filter(|_| needed[input.index()]) else { continue };
                let sum = &mut gradients[input.index()];
                *sum = Some(match *sum {
                    None => part,
                    Some(sum) => b.add(format!("{}.gradient", self.node(*input).name), sum, part)?,
                });
            }
        }
        let mut outputs = self.outputs.clone();
        for value in wrt {
            let Node { name, shape, .. } = self.node(*value);
            let gradient = match gradients[value.index()] {
                Some(gradient) => gradient,
                None => b.constant(format!("{name}.gradient"), Tensor::zeros(*shape))?,
            };
            outputs.push(Output { name: name.clone(), value: gradient });
        }
        let mut graph = b.into_graph();
        graph.outputs = outputs;
        Ok(graph.without_unread())
    }

    /// Of every value whether one of `these` goes into it.
    fn hang_on(&self, these: &[Value]) -> Vec<bool> {
        let mut hang: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for (value, node) in self.values() {
            let own = these.contains(&value) || node.inputs.iter().any(|input| hang[input.index()]);
            hang.push(own);
        }
        hang
    }

    /// The graph without the nodes that no output needs; inputs stay.
    fn without_unread(self) -> Self {
        let mut read = vec![false; self.nodes.len()];
        self.outputs.iter().for_each(|output| read[output.value.index()] = true);
        for (value, node) in self.values().rev() {
            if read[value.index()] {
                node.inputs.iter().for_each(|input| read[input.index()] = true);
            } else {
                read[value.index()] = matches!(node.op, Op::Input(_));
            }
        }
        let mut renamed = vec![Value::at(0); self.nodes.len()];
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (at, mut node) in self.nodes.into_iter().enumerate().filter(|(at, _)| read[*at]) {
            renamed[at] = Value::at(nodes.len());
            node.inputs.iter_mut().for_each(|input| *input = renamed[input.index()]);
            nodes.push(node);
        }
        let moved = |output: Output| Output { value: renamed[output.value.index()], ..output };
        Self { nodes, outputs: self.outputs.into_iter().map(moved).collect(), ..self }
    }
}

/// A node of the forward pass whose rule is asked for what goes back to its inputs. Its methods append nodes.
#[derive(Debug)]
pub struct Backward<'a> {
    b: &'a mut Builder,
    node: &'a Node,
    output: Value,
    gradient: Value,
    needs: Vec<bool>,
}

impl Backward<'_> {
    /// What the node reads.
    pub fn inputs(&self) -> &[Value] {
        &self.node.inputs
    }

    /// What the node makes.
    pub fn output(&self) -> Value {
        self.output
    }

    /// The gradient of the loss with respect to what the node makes.
    pub fn gradient(&self) -> Value {
        self.gradient
    }

    /// Whether the gradient with respect to this input is wanted; one that is not may be `None`.
    pub fn needs(&self, input: usize) -> bool {
        self.needs.get(input).is_some_and(|needs| *needs)
    }

    /// The shape of a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.b.shape(value)
    }

    /// Appends a node.
    pub fn append(&mut self, op: Op, inputs: &[Value]) -> Result<Value> {
        self.b.append(format!("{}.gradient", self.node.name), op, inputs)
    }

    /// Appends one of training.
    pub fn training(&mut self, op: TrainingOperation, inputs: &[Value]) -> Result<Value> {
        self.append(Op::Training(op), inputs)
    }

    /// Appends `a ∘ b`.
    pub fn binary(&mut self, kind: BinaryKind, a: Value, b: Value) -> Result<Value> {
        self.append(Op::Binary(Binary { kind }), &[a, b])
    }

    /// Appends fixed numbers, all the same.
    pub fn constant(&mut self, shape: Shape, number: f32) -> Result<Value> {
        self.append(Op::Constant(Constant::new(Tensor::new(shape, vec![number; shape.len()]))), &[])
    }

    /// `factor · x`.
    pub fn times(&mut self, x: Value, factor: f32) -> Result<Value> {
        let factor = self.constant(Shape::new(1, 1, 1, 1), factor)?;
        self.binary(BinaryKind::Multiply, x, factor)
    }

    /// `x / count`, exactly: a reciprocal would be rounded.
    pub fn over(&mut self, x: Value, count: usize) -> Result<Value> {
        let count = self.constant(Shape::new(1, 1, 1, 1), count as f32)?;
        self.binary(BinaryKind::Divide, x, count)
    }

    /// The sum of x over the axes of which `shape` has one number.
    pub fn sum_to(&mut self, x: Value, shape: Shape) -> Result<Value> {
        let from = self.shape(x);
        match Axes::between(from, shape) {
            _ if from == shape => Ok(x),
            Some(axes) => self.training(TrainingOperation::Sum(axes), &[x]),
            None => Err(self.refused()),
        }
    }

    /// x repeated along the axes of which it has one number.
    pub fn broadcast(&mut self, x: Value, shape: Shape) -> Result<Value> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        self.training(TrainingOperation::Broadcast { shape }, &[x])
    }

    /// That the node's operator, or this form of it, has no gradient.
    pub fn refused(&self) -> Error {
        let (name, op) = (&self.node.name, self.node.op.operator().name());
        Error::Unsupported(format!(
            "{name}: {op} of this form has no gradient; this network cannot be trained"
        ))
    }
}
