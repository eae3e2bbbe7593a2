//! Convolutions: tap by tap, by Winograd's algorithm, or as one product over several inputs.

use super::{Lowering, Step};
use crate::graph::{Activation, Conv2d as Op, Node, Op as AnyOp, ParameterId, Value};
use crate::kernel::conv2d_direct::Conv2dDirect;
use crate::kernel::conv2d_gather::{Conv2dGather, INPUTS};
use crate::kernel::conv2d_tiled::Conv2dTiled;
use crate::kernel::epilogue::Epilogue;
use crate::kernel::product;
use crate::kernel::winograd::{Chunk, Output, Winograd};
use crate::kernel::{self, Channels, Dispatch, Pixels, conv2d_tiled};
use crate::plan::choices::Candidate;
use crate::plan::fuse::Group;
use crate::plan::packing::{Biases, Layout, Weight};
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

/// Winograd's dispatches for convolutions of one input, ready for one chunk after the other.
pub(super) struct Prepared<'a> {
    parts: Vec<Part<'a>>,
    conv: Winograd,
    weight: Buffer,
    biases: Vec<Buffer>,
}

impl Prepared<'_> {
    pub(super) fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        self.conv.chunks()
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn conv2d(&mut self, op: &Op, output: Shape, group: &Group) -> Buffer {
        let sum = self.sum(group);
        if !op.keeps_size() || output.pixels() == 1 {
            return self.direct(op, output, &sum);
        }
        let to = self.value_slot(output);
        let part = Part {
            sum: &sum,
            dense_inputs: false,
            channels: Channels::all(output.channels),
            pixels: Pixels::All,
            by: None,
            to,
        };
        if self.by_matrices(&part) {
            self.part(&part);
            return Buffer::Slot(to);
        }
        match self.choose(&part) {
            Candidate::Winograd(tile) => {
                self.with_dense_outputs_of_others(&part, tile, self.graph.node(group.root).inputs[0]);
            }
            candidate => self.part_by(candidate, &part),
        }
        Buffer::Slot(to)
    }

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
            AnyOp::Conv2d(_) => weight.inputs(),
            AnyOp::MaskedConv2d(op) => op.dense_inputs,
            other => unreachable!("a sum of convolutions, not of {other:?}"),
        };
        Term { input: self.buffers[node.inputs[0].index()], weight, dense_inputs }
    }

    /// A group's slopes, if its activation has such.
    fn slopes(&self, group: &Group) -> Option<ParameterId> {
        let node = self.graph.node(group.activation?);
        matches!(node.op, AnyOp::Activation(Activation::Prelu)).then(|| self.weight(node.inputs[1]).id)
    }

    pub(super) fn bias(&mut self, sum: &Sum<'_>, channels: Channels) -> Buffer {
        self.packed(Layout::Bias(sum.biases.clone(), channels))
    }

    /// The dispatches of a part whose pixels are not listed, by matrices or the candidate that is chosen for it.
    pub(super) fn part(&mut self, part: &Part<'_>) {
        if self.by_matrices(part) {
            return self.part_by_matrices(part);
        }
        let candidate = self.choose(part);
        self.part_by(candidate, part);
    }

    fn part_by(&mut self, candidate: Candidate, part: &Part<'_>) {
        match candidate {
            Candidate::Tiled(tile) => drop(self.tiled(part, tile)),
            Candidate::Product(tile) => drop(self.gather(part, tile)),
            Candidate::Matrices => unreachable!("asked before"),
            Candidate::Winograd(tile) => {
                let prepared = self.prepare(vec![*part], tile);
                for chunk in prepared.chunks() {
                    self.winograd(&prepared, chunk);
                }
            }
        }
    }

    /// Any stride, padding and groups; a kernel of its own where every channel is a group.
    fn direct(&mut self, op: &Op, output: Shape, sum: &Sum<'_>) -> Buffer {
        let weight = self.packed(Layout::Direct(sum.terms[0].weight));
        let bias = self.bias(sum, Channels::all(output.channels));
        let conv = Conv2dDirect {
            input: sum.x,
            output,
            kernel: op.kernel,
            stride: op.stride,
            padding: op.padding,
            groups: op.groups,
            epilogue: sum.epilogue,
        };
        let depthwise = op.groups > 1 && op.groups == sum.x.channels && op.groups == output.channels;
        let dispatch = match depthwise {
            true => kernel::conv2d_depthwise::dispatch(&conv),
            false => kernel::conv2d_direct::dispatch(&conv),
        };
        self.step(dispatch, vec![sum.terms[0].input, sum.residual, weight, bias], sum.label, output)
    }

    /// Tap by tap; of listed pixels `by` is the list of tiles.
    pub(super) fn tiled(&mut self, part: &Part<'_>, tile: conv2d_tiled::Tile) -> &mut Step {
        let sum = part.sum;
        let Term { input, weight, .. } = sum.terms[0];
        let conv = Conv2dTiled {
            input: sum.x,
            inputs: part.inputs(&sum.terms[0]),
            kernel: sum.kernel(),
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
        };
        let weight = self.packed(Layout::Tiled(weight, conv.inputs, conv.channels, tile));
        let bias = self.bias(sum, part.channels);
        let read = vec![input, sum.residual, part.by(), part.by(), weight, bias];
        self.write(conv.dispatch(), read, part.to, sum.label, sum.output())
    }

    /// A product over all terms, pixel by pixel; of listed pixels `by` is a list of pixels.
    pub(super) fn gather(&mut self, part: &Part<'_>, tile: product::Tile) -> &mut Step {
        self.product(part, tile, |conv| conv.dispatch())
    }

    /// A product over the active pixels that each workgroup finds; `by` is the mask.
    pub(super) fn compact(&mut self, part: &Part<'_>) -> &mut Step {
        self.product(part, product::Tile::STORAGE, |conv| conv.compact_dispatch())
    }

    fn product(
        &mut self,
        part: &Part<'_>,
        tile: product::Tile,
        dispatch: impl FnOnce(&Conv2dGather<'_>) -> Dispatch,
    ) -> &mut Step {
        let sum = part.sum;
        let terms = part.terms();
        let inputs: Vec<usize> = terms.iter().map(|(_, inputs)| *inputs).collect();
        let conv = Conv2dGather {
            input: sum.x,
            kernel: sum.kernel(),
            inputs: &inputs,
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
        };
        let weight = self.packed(Layout::Gather(terms, sum.biases.clone(), part.channels, tile));
        let mut read = vec![Buffer::Unused; INPUTS];
        read.iter_mut().zip(&sum.terms).for_each(|(to, term)| *to = term.input);
        read.extend([part.by(), sum.residual, weight]);
        self.write(dispatch(&conv), read, part.to, sum.label, sum.output())
    }

    pub(super) fn prepare<'p>(&mut self, parts: Vec<Part<'p>>, tile: product::Tile) -> Prepared<'p> {
        let output = |part: &Part<'_>| Output {
            channels: part.channels,
            pixels: part.pixels,
            epilogue: part.sum.epilogue,
        };
        let outputs = parts.iter().map(output).collect();
        let conv = Winograd { input: parts[0].sum.x, tile, outputs };
        let of = parts.iter().map(|part| (part.sum.terms[0].weight, part.channels)).collect();
        let weight = self.packed(Layout::Winograd(of, conv.input.channels, tile));
        let biases = parts.iter().map(|part| self.bias(part.sum, part.channels)).collect();
        Prepared { parts, conv, weight, biases }
    }

    /// The dispatches of a chunk: windows and products once, then every output.
    pub(super) fn winograd(&mut self, prepared: &Prepared<'_>, chunk: Chunk) {
        let Prepared { parts, conv, weight, biases } = prepared;
        let (list, label) = (parts[0].by, parts[0].sum.label);
        let read = vec![parts[0].sum.terms[0].input, parts[0].by()];
        let points = self.step(conv.input_dispatch(chunk), read, label, conv.points_shape(chunk));
        let read = vec![points, list.unwrap_or(Buffer::Unused), *weight];
        let products = self.step(conv.multiply_dispatch(chunk), read, label, conv.product_shape(chunk));
        for (at, (part, bias)) in parts.iter().zip(biases).enumerate() {
            let by = part.by();
            let read = vec![products, part.sum.residual, by, by, *bias];
            self.write(conv.output_dispatch(at, chunk), read, part.to, part.sum.label, part.sum.output());
        }
    }

    /// A convolution of `x` by Winograd's algorithm, and on the way the dense outputs of masked ones that read it
    /// too: they need no mask yet, and the windows are the same.
    fn with_dense_outputs_of_others(&mut self, part: &Part<'_>, tile: product::Tile, x: Value) {
        let others: Vec<(Value, Sum<'a>, Channels)> = (self.groups.iter().flatten())
            .filter(|group| group.residual.is_none() && group.terms.is_empty())
            .filter_map(|group| match self.graph.node(group.root) {
                Node { op: AnyOp::MaskedConv2d(op), inputs, shape, .. } if inputs[0] == x => {
                    let channels = Channels { start: 0, end: op.dense_outputs, of: shape.channels };
                    Some((group.root, self.sum(group), channels))
                }
                _ => None,
            })
            .filter(|(_, sum, channels)| !sum.has_sparse_inputs() && channels.end > 0 && sum.kernel() == 3)
            .filter(|(_, sum, channels)| {
                !self.by_matrices(&Part { sum, channels: *channels, ..*part }) // they round, this one may not
            })
            .collect();
        let begin = self.steps.len();
        let mut parts = vec![*part];
        for (root, sum, channels) in &others {
            let to = self.value_slot(sum.output());
            self.begun.insert(*root, to);
            parts.push(Part { sum, channels: *channels, to, ..*part });
        }
        let prepared = self.prepare(parts, tile);
        for chunk in prepared.chunks() {
            self.winograd(&prepared, chunk);
        }
        for (root, ..) in &others {
            self.begin_with_zeros(begin, self.begun[root]);
        }
    }
}
