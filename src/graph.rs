//! What to compute: an arena of nodes, plain data.
//!
//! A [`Graph`] is built for one input shape by a [`Builder`], whose methods refuse an ill-shaped node at
//! the line that made it. Its rules:
//!
//! - A node has one output and no side effect. [`Value`] is both the node's index and the value it makes.
//! - A node's inputs come before it, so the arena's order is an order of execution.
//! - Node 0 is the picture: N×3×H×W, RGB, in `0 ..= range`. A graph that is a part of another has more inputs,
//!   the values that are given to it.
//! - Names are the checkpoint's dotted paths, so that a wrong number can be traced to its layer.
//! - Weights are inputs like any other. A parameter is a node without inputs, and its numbers stand beside the graph
//!   ([`Parameters`]), so that the same graph takes others. What hangs on parameters alone, such as a normalised weight
//!   or merged branches, is made of ordinary nodes; [`Graph::fold_parameters`] takes them out.
//! - It has one output or several, each with a name. The first is the picture.
//!
//! Nothing here knows a device, a buffer or a shader.

mod builder;
mod channels;
mod criterion;
mod op;
mod parameters;
mod receptive_field;
mod rewrite;
mod value;

use std::fmt;

pub use builder::{Builder, Weighted};
pub use channels::{Channels, Fixed, Group, Kept, Member, Place, Role, Why};
pub use criterion::{Criterion, Goal};
pub use op::{
    Activation, AdaptiveMaxPool, Among, Attention, AveragePool, Axes, Binary, BinaryKind, Canvas,
    ChannelAttention, Concat, Constant, Conv2d, ConvTranspose2d, Fold, GlobalPool, GlobalPoolKind, Input,
    Kind, LayerNorm, Loss, Macs, MaskedConv2d, MaxPool, Op, Operator, ParameterValue, PixelShuffle,
    PixelUnshuffle, Repeats, Resize, ResizeKind, ResizeTo, Slice, SpatialMask, TrainingOperation, Unfold,
    WeightOperation,
};
pub use parameters::{ParameterId, Parameters, Version};
pub use receptive_field::ReceptiveField;
pub use rewrite::{Backward, Folding};
pub(crate) use rewrite::{StandIns, in_colour};
pub use value::Value;

use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};

/// One operation, what it reads and the shape of what it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The checkpoint's dotted path, or what stands nearest to it.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// What it reads, in the operation's order.
    pub inputs: Vec<Value>,
    /// What it makes.
    pub shape: Shape,
}

/// A network for one input shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub(crate) name: String,
    pub(crate) range: f32,
    pub(crate) nodes: Vec<Node>,
    /// The first is the picture.
    pub(crate) outputs: Vec<Output>,
}

/// A value that comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What it is called.
    pub name: String,
    /// The value.
    pub value: Value,
}

impl Graph {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a white pixel, 1 or 255: inputs and outputs lie in `0 ..= range`.
    pub fn range(&self) -> f32 {
        self.range
    }

    /// Every node, inputs before users.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that makes `value`.
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.index()]
    }

    /// Every value with its node, in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (Value, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (Value::at(index), node))
    }

    /// The picture that goes in.
    pub fn input(&self) -> Value {
        Value::at(0)
    }

    /// The inputs behind the picture, in order.
    pub fn given(&self) -> impl Iterator<Item = Value> {
        self.values().skip(1).filter(|(_, node)| matches!(node.op, Op::Input(_))).map(|(value, _)| value)
    }

    /// What comes out: the picture, unless the graph is a part of another.
    pub fn output(&self) -> Value {
        self.outputs[0].value
    }

    /// All that comes out: the picture, and what else was asked for.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The spatial masks, in order of execution.
    pub fn masks(&self) -> impl Iterator<Item = Value> {
        self.values().filter(|(_, node)| matches!(node.op, Op::SpatialMask(_))).map(|(value, _)| value)
    }

    /// The value of the node called `name`; of several, the last.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.values().rev().find(|(_, node)| node.name == name).map(|(value, _)| value)
    }

    /// How many nodes read each value; the graph's output counts as read once.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input.index()] += 1;
        }
        for output in &self.outputs {
            uses[output.value.index()] += 1;
        }
        uses
    }

    /// Of every value whether it is of weights: whether no picture goes into it.
    pub(crate) fn weights(&self) -> Vec<bool> {
        let mut weights: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let own =
                !matches!(node.op, Op::Input(_)) && node.inputs.iter().all(|input| weights[input.index()]);
            weights.push(own);
        }
        weights
    }

    /// The parameter that a value is, or some of whose input channels it is, and from which one on.
    pub(crate) fn parameter(&self, value: Value) -> Option<(ParameterId, usize)> {
        match &self.node(value).op {
            Op::Parameter(op) => Some((op.id, 0)),
            Op::Slice(op) => match &self.node(self.node(value).inputs[0]).op {
                Op::Parameter(parameter) => Some((parameter.id, op.start)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether an engine can run the graph: weights are parameters, of a convolution in one group also some input channels
    /// of one, and whatever is computed of weights alone was folded.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the node that no engine runs.
    pub fn check_folded(&self) -> Result<()> {
        for node in self.nodes() {
            let refused = |reason: &str| Err(Error::Unsupported(format!("{}: {reason}", node.name)));
            if matches!(node.op, Op::Weight(_)) {
                return refused("an operator of weights; fold the graph, or apply it to parameters alone");
            }
            if matches!(node.op, Op::Training(_)) {
                return refused("an operator of training; only a trainer runs it");
            }
            let activations = node.op.operator().activations(node.inputs.len());
            for (at, weight) in node.inputs[activations..].iter().enumerate() {
                let some_channels = at == 0 && matches!(&node.op, Op::Conv2d(conv) if conv.groups == 1);
                let is_parameter = matches!(self.node(*weight).op, Op::Parameter(_));
                if !(is_parameter || some_channels && self.parameter(*weight).is_some()) {
                    return refused("expected parameters as weights, found computed ones; fold the graph");
                }
            }
            if let (Op::Binary(_), [a, b]) = (&node.op, &*node.inputs) {
                let (a, b) = (self.node(*a).shape, self.node(*b).shape);
                let for_all = Shape { batch: a.batch, ..b }; // of a parameter there is one for all pictures
                if Binary::repeats(a, b).is_none() && Binary::repeats(a, for_all) != Some(Repeats::Pixels) {
                    return refused(&format!("{b} beside {a} is repeated in a way that engines do not know"));
                }
            }
        }
        Ok(())
    }

    /// Whether these are numbers for the graph's parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] with the first parameter that has none, or some of another shape.
    pub fn check_numbers(&self, parameters: &Parameters) -> Result<()> {
        for node in &self.nodes {
            let Op::Parameter(op) = &node.op else { continue };
            let found = (op.id.index() < parameters.len()).then(|| parameters.get(op.id).dims());
            if found != Some(&op.shape.axes()[..]) {
                let found = found.map_or("none".into(), |dims| format!("{dims:?}"));
                let reason = format!("expected numbers of {}, found {found}", op.shape);
                return Err(Error::shape(&node.name, reason));
            }
        }
        Ok(())
    }

    /// Multiply-adds of one run, node by node summed.
    pub fn macs(&self) -> Macs {
        self.computed().map(|node| self.node_macs(node)).sum()
    }

    /// The share of [`Graph::macs`] that masks of these densities leave, as `(value of the mask, density)`.
    /// A mask that is not named counts as full.
    pub fn macs_kept(&self, densities: &[(Value, f64)]) -> f64 {
        let kept: f64 = self.computed().map(|node| self.macs_needed(node, densities)).sum();
        kept / self.macs().total() as f64
    }

    /// The nodes that a picture goes into.
    fn computed(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().zip(self.weights()).filter(|(_, weights)| !weights).map(|(node, _)| node)
    }

    /// Multiply-adds of one of the graph's nodes that masks of these densities leave.
    pub(crate) fn macs_needed(&self, node: &Node, densities: &[(Value, f64)]) -> f64 {
        let density =
            |mask: Value| densities.iter().find(|(value, _)| *value == mask).map_or(1.0, |(_, d)| *d);
        let macs = self.node_macs(node);
        let share = match node.op {
            Op::MaskedConv2d(_) => density(node.inputs[1]),
            _ => 1.0,
        };
        macs.always as f64 + share * macs.masked as f64
    }

    /// The same graph for inputs of other shapes: the picture, then what is given. The parameters are the same ones.
    ///
    /// # Errors
    /// [`Error::Shape`] if a node does not take such a shape, or there are not as many shapes as inputs.
    pub fn resized(&self, inputs: &[Shape]) -> Result<Self> {
        let expected = self.nodes.iter().filter(|node| matches!(node.op, Op::Input(_))).count();
        if inputs.len() != expected {
            let reason = format!("expected a shape for each of {expected} inputs, found {}", inputs.len());
            return Err(Error::shape(&self.name, reason));
        }
        let mut inputs = inputs.iter();
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let op = match &node.op {
                Op::Input(_) => Op::Input(Input { shape: *inputs.next().expect("counted above") }),
                op => op.clone(),
            };
            let read: Vec<Shape> = node.inputs.iter().map(|input| nodes[input.index()].shape).collect();
            let shape = op.infer(&node.name, &read)?;
            nodes.push(Node { op, shape, ..node.clone() });
        }
        Ok(Self { name: self.name.clone(), nodes, outputs: self.outputs.clone(), ..*self })
    }

    /// The same graph with the node of `value` replaced by fixed numbers: golden masks, for a test.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn with_constant(mut self, value: Value, numbers: Tensor) -> Self {
        let node = &mut self.nodes[value.index()];
        assert_eq!(node.shape, numbers.shape(), "{}: the constant has the node's shape", node.name);
        node.op = Op::Constant(Constant::new(numbers));
        node.inputs.clear();
        self
    }

    /// Multiply-adds of one of the graph's nodes.
    pub(crate) fn node_macs(&self, node: &Node) -> Macs {
        let inputs: Vec<Shape> = node.inputs.iter().map(|input| self.node(*input).shape).collect();
        node.op.operator().macs(&inputs, node.shape)
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph {}  {} nodes", self.name, self.nodes.len())?;
        for (value, node) in self.values() {
            let inputs: Vec<String> = node.inputs.iter().map(|input| format!("%{}", input.0)).collect();
            let operation = format!("{} {}", node.op.operator().name(), inputs.join(" "));
            let output = self.outputs.iter().find(|output| output.value == value);
            let mark = output.map(|output| format!("  ({})", output.name)).unwrap_or_default();
            writeln!(
                f,
                "{:>4}  {operation:<32} → {:<16} {}{mark}",
                format!("%{}", value.0),
                node.shape,
                node.name
            )?;
        }
        Ok(())
    }
}
