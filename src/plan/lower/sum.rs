//! Sums: convolutions as kernels see them, and the parts that a sum is made in.

use super::{Lowering, function};
use crate::graph::{Activation, Op, ParameterId, Value};
use crate::kernel::activation::Function;
use crate::kernel::epilogue::Epilogue;
use crate::kernel::{Channels, Pixels};
use crate::plan::fuse::Group;
use crate::plan::packing::{Biases, Weight};
use crate::plan::{Buffer, Slot};
use crate::tensor::Shape;

/// A convolution of stride 1 that keeps the size, in one group, and what is around it.
pub(super) struct Sum<'a> {
    pub label: &'a str,
    /// The shape of each input.
    pub x: Shape,
    /// What is summed over; one of them unless the kernel is 1×1.
    pub terms: Vec<Term>,
    /// A number an output channel and, if the epilogue has such, a slope each.
    pub biases: Biases,
    pub epilogue: Epilogue,
    pub residual: Buffer,
    /// Whether its factors may not be rounded: nothing but a mask hangs on it, or an input must be f32.
    pub exact: bool,
}

pub(super) struct Term {
    pub input: Buffer,
    pub weight: Weight,
    /// How many input channels, the first ones, are wanted where no mask asks for more.
    pub dense_inputs: usize,
}

impl Term {
    pub(super) fn inputs(&self) -> usize {
        self.weight.inputs()
    }
}

impl Sum<'_> {
    pub(super) fn kernel(&self) -> usize {
        self.terms[0].weight.shape.height
    }

    pub(super) fn outputs(&self) -> usize {
        self.terms[0].weight.shape.batch
    }

    pub(super) fn output(&self) -> Shape {
        self.x.with_channels(self.outputs())
    }

    pub(super) fn has_sparse_inputs(&self) -> bool {
        self.terms.iter().any(|term| term.dense_inputs < term.inputs())
    }
}

/// A part of a convolution: some of its channels, at some of its pixels.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub sum: &'a Sum<'a>,
    /// Whether only dense inputs are summed.
    pub dense_inputs: bool,
    pub channels: Channels,
    pub pixels: Pixels,
    /// The mask, if the pixels are under one; the list, if they are listed.
    pub by: Option<Buffer>,
    /// Where the value lies.
    pub to: Slot,
}

impl Part<'_> {
    pub(super) fn inputs(&self, term: &Term) -> usize {
        if self.dense_inputs { term.dense_inputs } else { term.inputs() }
    }

    pub(super) fn outputs(&self) -> usize {
        self.channels.end - self.channels.start
    }

    /// What to bind as mask or list.
    pub(super) fn by(&self) -> Buffer {
        self.by.unwrap_or(Buffer::Unused)
    }

    /// What is summed over, with how many inputs of each.
    pub(super) fn terms(&self) -> Vec<(Weight, usize)> {
        self.sum.terms.iter().map(|term| (term.weight, self.inputs(term))).collect()
    }
}

impl<'a> Lowering<'a> {
    /// A group whose root is a convolution.
    pub(super) fn sum(&self, group: &Group) -> Sum<'a> {
        let graph = self.graph;
        let root = graph.node(group.root);
        let mut biases = Biases { biases: vec![], slopes: self.slopes(group), channels: root.shape.channels };
        let terms = group.terms.iter().chain([&group.root]);
        let terms = terms.map(|value| self.term(*value, &mut biases)).collect();
        let (epilogue, residual) = self.epilogue(group);
        let x = graph.node(root.inputs[0]).shape;
        let mut read = group.terms.iter().chain([&group.root]).map(|value| graph.node(*value).inputs[0]);
        let exact = self.for_masks_only[group.end.index()] || read.any(|value| self.keeps_f32(value));
        Sum { label: &root.name, x, terms, biases, epilogue, residual, exact }
    }

    fn term(&self, value: Value, biases: &mut Biases) -> Term {
        let node = self.graph.node(value);
        let weights = &node.inputs[node.op.operator().activations(node.inputs.len())..];
        let weight = self.weight(weights[0]);
        biases.biases.extend(weights.get(1).map(|bias| self.weight(*bias).id));
        let dense_inputs = match &node.op {
            Op::Conv2d(_) => weight.inputs(),
            Op::MaskedConv2d(op) => op.dense_inputs,
            other => unreachable!("a sum of convolutions, not of {other:?}"),
        };
        Term { input: self.buffers[node.inputs[0].index()], weight, dense_inputs }
    }

    /// A group's slopes, if its activation has such.
    fn slopes(&self, group: &Group) -> Option<ParameterId> {
        let node = self.graph.node(group.activation?);
        matches!(node.op, Op::Activation(Activation::Prelu)).then(|| self.weight(node.inputs[1]).id)
    }

    /// What the group's convolution does after its sum, and the buffer to bind as residual.
    fn epilogue(&self, group: &Group) -> (Epilogue, Buffer) {
        let function =
            group.activation.map_or(Function::Identity, |value| match &self.graph.node(value).op {
                Op::Activation(op) => function(op),
                other => unreachable!("a group takes an activation along, not {other:?}"),
            });
        match group.residual {
            Some((value, residual)) => (Epilogue { function, residual }, self.buffers[value.index()]),
            None => (Epilogue { function, ..Epilogue::default() }, Buffer::Unused),
        }
    }
}
