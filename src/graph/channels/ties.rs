//! What each operator ties: the class of every index along the first two axes of every value.

use super::Why;
use super::classes::{Axis, Classes};
use crate::graph::{
    Activation, Binary, BinaryKind, Conv2d, ConvTranspose2d, Graph, Node, Op, Value, WeightOperation,
};
use crate::tensor::Shape;

/// What is found of a graph.
#[derive(Debug)]
pub(super) struct Ties {
    pub(super) classes: Classes,
    /// Of every value its first two axes: outputs, or pictures of a batch, and channels.
    pub(super) axes: Vec<[Axis; 2]>,
    /// Of every value whether it is zero at a channel that is made by nothing but zeros.
    pub(super) vanishes: Vec<bool>,
}

/// Ties what the operators of a graph tie.
pub(super) fn of(graph: &Graph) -> Ties {
    let mut ties = Ties { classes: Classes::default(), axes: Vec::new(), vanishes: Vec::new() };
    let weights = graph.weights();
    for (value, node) in graph.values() {
        let at = Visit { graph, node, of_weights: weights[value.index()], weights: &weights };
        let axes = ties.axes_of(&at);
        let vanishes = ties.vanishes(&at);
        ties.axes.push(axes);
        ties.vanishes.push(vanishes);
    }
    for output in graph.outputs() {
        ties.fix(output.value, &Why::Output);
    }
    ties
}

/// A node, where it stands.
struct Visit<'g> {
    graph: &'g Graph,
    node: &'g Node,
    /// Whether no picture goes into it, nor into each value before it.
    of_weights: bool,
    weights: &'g [bool],
}

impl Visit<'_> {
    fn shape(&self, input: usize) -> Shape {
        self.graph.node(self.node.inputs[input]).shape
    }

    /// Of a norm, whether its magnitudes can make up for directions that become shorter: parameters both, and these
    /// magnitudes for these directions alone.
    fn can_be_corrected(&self) -> bool {
        let inputs = &self.node.inputs;
        let is_parameter = |value: &Value| matches!(self.graph.node(*value).op, Op::Parameter(_));
        let mut users = self.graph.nodes().iter().filter(|other| other.inputs.contains(&inputs[1]));
        inputs.iter().all(is_parameter) && users.all(|other| other.inputs == *inputs)
    }
}

impl Ties {
    fn axis(&self, value: Value, axis: usize) -> Axis {
        self.axes[value.index()][axis].clone()
    }

    fn both(&self, value: Value) -> [Axis; 2] {
        self.axes[value.index()].clone()
    }

    fn tie(&mut self, [a, a_axis]: [usize; 2], [b, b_axis]: [usize; 2], inputs: &[Value]) {
        let [a, b] = [self.axis(inputs[a], a_axis), self.axis(inputs[b], b_axis)];
        self.classes.tie_axes(&a, &b);
    }

    fn fix_axis(&mut self, value: Value, axis: usize, why: &Why) {
        let axis = self.axis(value, axis);
        self.classes.fix(&axis, why);
    }

    fn fix(&mut self, value: Value, why: &Why) {
        (0..2).for_each(|axis| self.fix_axis(value, axis, why));
    }

    fn fresh(&mut self, shape: Shape) -> [Axis; 2] {
        [shape.batch, shape.channels].map(|length| self.classes.fresh(length))
    }

    /// Of an operator that none of its values' channels can be taken from.
    fn fixed(&mut self, node: &Node, why: &Why) -> [Axis; 2] {
        node.inputs.iter().for_each(|input| self.fix(*input, why));
        let axes = self.fresh(node.shape);
        axes.iter().for_each(|axis| self.classes.fix(axis, why));
        axes
    }

    fn axes_of(&mut self, at: &Visit<'_>) -> [Axis; 2] {
        let (node, inputs) = (at.node, &*at.node.inputs);
        match &node.op {
            Op::Input(_) => self.fixed(node, &Why::Picture),
            Op::Constant(_) | Op::Parameter(_) => self.fresh(node.shape),
            Op::Conv2d(conv) => self.conv2d(at, conv),
            Op::ConvTranspose2d(ConvTranspose2d { .. }) => self.conv_transpose2d(at),
            Op::Activation(activation) => self.activation(at, activation),
            Op::Binary(Binary { kind }) => self.binary(at, *kind),
            Op::Concat(_) => self.concat(inputs),
            Op::Slice(slice) => {
                let [rows, columns] = self.both(inputs[0]);
                [rows, columns[slice.start..slice.start + slice.channels].into()]
            }
            Op::PixelShuffle(shuffle) => self.pixel_shuffle(inputs[0], shuffle.scale.pow(2)),
            Op::PixelUnshuffle(unshuffle) => {
                let [rows, columns] = self.both(inputs[0]);
                let places = unshuffle.scale.pow(2);
                [rows, columns.iter().flat_map(|class| std::iter::repeat_n(*class, places)).collect()]
            }
            // Of the second input of a resize only the size counts.
            Op::AveragePool(_) | Op::MaxPool(_) | Op::AdaptiveMaxPool(_) | Op::GlobalPool(_) => {
                self.both(inputs[0])
            }
            Op::Resize(_) | Op::ResizeTo(_) | Op::Canvas(_) => self.both(inputs[0]),
            Op::Weight(operation) => self.weight(at, operation),
            Op::LayerNorm(_) => self.fixed(node, &Why::LayerNorm),
            Op::Attention(_) | Op::ChannelAttention(_) | Op::Unfold(_) | Op::Fold(_) => {
                self.fixed(node, &Why::Attention)
            }
            Op::MaskedConv2d(_) | Op::SpatialMask(_) => self.fixed(node, &Why::Mask),
            Op::Training(_) => self.fixed(node, &Why::Order),
        }
    }

    fn conv2d(&mut self, at: &Visit<'_>, conv: &Conv2d) -> [Axis; 2] {
        let inputs = &*at.node.inputs;
        let depthwise = conv.is_depthwise(at.shape(1));
        if inputs.len() > 2 {
            self.tie([2, 1], [1, 0], inputs);
        }
        if !depthwise && !self.vanishes[inputs[0].index()] {
            self.fix_axis(inputs[0], 1, &Why::NotZero);
        }
        if matches!(at.graph.node(inputs[1]).op, Op::Constant(_)) {
            self.fix(inputs[1], &Why::Constant);
            self.fix_axis(inputs[0], 1, &Why::Constant);
        }
        match (conv.groups, depthwise) {
            (1, _) => self.tie([0, 1], [1, 1], inputs),
            (_, true) => {
                self.tie([0, 1], [1, 0], inputs);
                self.fix_axis(inputs[1], 1, &Why::OneForAll);
            }
            (_, false) => {
                self.fix_axis(inputs[0], 1, &Why::Grouped);
                self.fix(inputs[1], &Why::Grouped);
            }
        }
        [self.axis(inputs[0], 0), self.axis(inputs[1], 0)]
    }

    fn conv_transpose2d(&mut self, at: &Visit<'_>) -> [Axis; 2] {
        let inputs = &*at.node.inputs;
        if inputs.len() > 2 {
            self.tie([2, 1], [1, 1], inputs);
        }
        if !self.vanishes[inputs[0].index()] {
            self.fix_axis(inputs[0], 1, &Why::NotZero);
        }
        self.tie([0, 1], [1, 0], inputs);
        [self.axis(inputs[0], 0), self.axis(inputs[1], 1)]
    }

    fn activation(&mut self, at: &Visit<'_>, activation: &Activation) -> [Axis; 2] {
        let inputs = &*at.node.inputs;
        if *activation == Activation::Prelu {
            self.along([0, 1], 1, inputs, at);
        }
        self.both(inputs[0])
    }

    fn binary(&mut self, at: &Visit<'_>, kind: BinaryKind) -> [Axis; 2] {
        let inputs = &*at.node.inputs;
        if kind == BinaryKind::Divide && self.vanishes[inputs[1].index()] {
            self.fix_axis(inputs[1], 1, &Why::Divisor);
        }
        (0..2).for_each(|axis| self.along([0, 1], axis, inputs, at));
        self.both(inputs[0])
    }

    /// Ties a second operand to the first along an axis, unless there is one of it for all of the first's.
    fn along(&mut self, [a, b]: [usize; 2], axis: usize, inputs: &[Value], at: &Visit<'_>) {
        let [a_length, b_length] = [a, b].map(|input| at.shape(input).axes()[axis]);
        match a_length == b_length {
            true => self.tie([a, axis], [b, axis], inputs),
            false => self.fix_axis(inputs[b], axis, &Why::OneForAll),
        }
    }

    fn concat(&mut self, inputs: &[Value]) -> [Axis; 2] {
        (1..inputs.len()).for_each(|other| self.tie([0, 0], [other, 0], inputs));
        let columns = inputs.iter().flat_map(|input| self.axis(*input, 1).to_vec()).collect();
        [self.axis(inputs[0], 0), columns]
    }

    /// Every `places` channels become one.
    fn pixel_shuffle(&mut self, input: Value, places: usize) -> [Axis; 2] {
        let [rows, columns] = self.both(input);
        for together in columns.chunks(places) {
            together.iter().for_each(|class| self.classes.tie(together[0], *class));
        }
        [rows, columns.iter().step_by(places).copied().collect()]
    }

    fn weight(&mut self, at: &Visit<'_>, operation: &WeightOperation) -> [Axis; 2] {
        let inputs = &*at.node.inputs;
        match operation {
            WeightOperation::Norm => {
                // A magnitude an output, along either axis.
                let axis = usize::from(at.shape(1).batch != at.node.shape.batch);
                self.tie([0, 0], [1, axis], inputs);
                if !at.can_be_corrected() {
                    self.fix_axis(inputs[0], 1, &Why::Order);
                }
                self.both(inputs[0])
            }
            WeightOperation::Transpose => {
                let [rows, columns] = self.both(inputs[0]);
                [columns, rows]
            }
            WeightOperation::Pad { .. } | WeightOperation::Crop { .. } => self.both(inputs[0]),
            _ => self.fixed(at.node, &Why::Order),
        }
    }

    /// Whether the value is zero at a channel whose makers are: parameters are taken for zero, numbers are not.
    fn vanishes(&self, at: &Visit<'_>) -> bool {
        let of = |input: usize| self.vanishes[at.node.inputs[input].index()];
        match &at.node.op {
            Op::Parameter(_) | Op::Weight(_) => true,
            Op::Conv2d(_) | Op::ConvTranspose2d(_) => {
                let depthwise = matches!(&at.node.op, Op::Conv2d(conv) if conv.is_depthwise(at.shape(1)));
                of(usize::from(!depthwise)) && (at.node.inputs.len() < 3 || of(2))
            }
            Op::Activation(Activation::Sigmoid) => false,
            Op::Activation(_) | Op::Slice(_) | Op::PixelShuffle(_) | Op::PixelUnshuffle(_) => of(0),
            Op::AveragePool(_) | Op::MaxPool(_) | Op::AdaptiveMaxPool(_) | Op::GlobalPool(_) => of(0),
            Op::Resize(_) | Op::ResizeTo(_) | Op::Canvas(_) => of(0),
            Op::Concat(_) => (0..at.node.inputs.len()).all(of),
            Op::Binary(binary) => match binary.kind {
                BinaryKind::Add | BinaryKind::Subtract => of(0) && of(1),
                BinaryKind::Multiply => of(0) || self.is_zero_factor(at),
                BinaryKind::Divide => of(0),
            },
            _ => false,
        }
    }

    /// Whether a product is zero by its second factor: one a channel, and made of pictures, since a learned factor makes
    /// nothing.
    fn is_zero_factor(&self, at: &Visit<'_>) -> bool {
        let factor = at.node.inputs[1];
        let a_channel = at.shape(1).channels == at.shape(0).channels;
        let made = at.of_weights || !at.weights[factor.index()];
        a_channel && made && self.vanishes[factor.index()]
    }
}
