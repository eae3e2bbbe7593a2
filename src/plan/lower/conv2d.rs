//! Convolutions: tap by tap, by Winograd's algorithm, or as one product over several inputs.

use super::{Lowering, Step};
use crate::graph::{Activation, Conv2d as Op, MaskedConv2d, Op as AnyOp, Value};
use crate::kernel::activation::pack_slope;
use crate::kernel::conv2d_direct::Conv2dDirect;
use crate::kernel::conv2d_gather::{Conv2dGather, INPUTS};
use crate::kernel::conv2d_tiled::Conv2dTiled;
use crate::kernel::epilogue::Epilogue;
use crate::kernel::product;
use crate::kernel::winograd::{Chunk, Output, Winograd};
use crate::kernel::{self, Channels, Dispatch, Pixels, conv2d_tiled};
use crate::plan::choices::Candidate;
use crate::plan::fuse::Group;
use crate::plan::packed::{Packing, Same, bits};
use crate::plan::{Buffer, Slot};
use crate::tensor::{Parameter, Shape};

/// A convolution of stride 1 that keeps the size, in one group, and what is around it.
pub(super) struct Sum<'a> {
    pub label: &'a str,
    /// The shape of each input.
    pub x: Shape,
    /// What is summed over; one of them unless the kernel is 1×1.
    pub terms: Vec<Term<'a>>,
    /// A number an output channel.
    pub bias: Vec<f32>,
    /// A slope each, padded to whole groups, if the epilogue has such.
    pub slopes: Vec<f32>,
    pub epilogue: Epilogue,
    pub residual: Buffer,
    /// Whether its factors may not be rounded: nothing but a mask hangs on it, or an input must be f32.
    pub exact: bool,
}

pub(super) struct Term<'a> {
    pub input: Buffer,
    /// `[out, in, k, k]`.
    pub weight: &'a Parameter,
    /// How many input channels, the first ones, are wanted where no mask asks for more.
    pub dense_inputs: usize,
}

impl Term<'_> {
    pub(super) fn inputs(&self) -> usize {
        self.weight.dims()[1]
    }
}

impl Sum<'_> {
    pub(super) fn kernel(&self) -> usize {
        self.terms[0].weight.dims()[2]
    }

    pub(super) fn channels(&self) -> usize {
        self.terms[0].weight.dims()[0]
    }

    pub(super) fn output(&self) -> Shape {
        self.x.with_channels(self.channels())
    }

    /// By which biases and slopes are known.
    fn numbers(&self) -> [Vec<u32>; 2] {
        [bits(&self.bias), bits(&self.slopes)]
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
    pub(super) fn inputs(&self, term: &Term<'_>) -> usize {
        if self.dense_inputs { term.dense_inputs } else { term.inputs() }
    }

    pub(super) fn outputs(&self) -> usize {
        self.channels.end - self.channels.start
    }

    /// What to bind as mask or list.
    pub(super) fn by(&self) -> Buffer {
        self.by.unwrap_or(self.sum.terms[0].input)
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
        let mut bias = Vec::new();
        let terms = group.terms.iter().chain([&group.root]);
        let terms: Vec<Term<'a>> = terms.map(|value| self.term(*value, &mut bias)).collect();
        let (epilogue, residual) = self.epilogue(group, terms[0].input);
        let slopes = self.slopes(group, bias.len());
        let x = graph.node(root.inputs[0]).shape;
        let mut read = group.terms.iter().chain([&group.root]).map(|value| graph.node(*value).inputs[0]);
        let exact = self.for_masks_only[group.end.index()] || read.any(|value| self.keeps_f32(value));
        Sum { label: &root.name, x, terms, bias, slopes, epilogue, residual, exact }
    }

    fn term(&self, value: Value, bias: &mut Vec<f32>) -> Term<'a> {
        let node = self.graph.node(value);
        let (weight, own, dense_inputs) = match &node.op {
            AnyOp::Conv2d(Op { weight, bias, .. }) => (weight, bias, weight.dims()[1]),
            AnyOp::MaskedConv2d(MaskedConv2d { weight, bias, dense_inputs, .. }) => {
                (weight, bias, *dense_inputs)
            }
            other => unreachable!("a sum of convolutions, not of {other:?}"),
        };
        bias.resize(weight.dims()[0], 0.0);
        for (sum, own) in bias.iter_mut().zip(own.iter().flat_map(|own| own.values())) {
            *sum += own;
        }
        Term { input: self.buffers[node.inputs[0].index()], weight, dense_inputs }
    }

    /// A group's slopes, one a channel, if its activation has such.
    fn slopes(&self, group: &Group, channels: usize) -> Vec<f32> {
        match group.activation.map(|value| &self.graph.node(value).op) {
            Some(AnyOp::Activation(Activation::Prelu { slope })) => pack_slope(slope, channels),
            _ => Vec::new(),
        }
    }

    pub(super) fn bias(&mut self, sum: &Sum<'_>, channels: Channels) -> Buffer {
        self.packed(Packing::Bias(sum.numbers(), channels))
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
        let weight = self.packed(Packing::Direct(Same::new(&op.weight)));
        let bias = self.bias(sum, Channels::all(output.channels));
        let conv = Conv2dDirect {
            input: sum.x,
            output,
            kernel: op.kernel(),
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
        let weight = self.packed(Packing::Tiled(Same::new(weight), conv.inputs, conv.channels, tile));
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
        let terms: Vec<(&Parameter, usize)> =
            sum.terms.iter().map(|term| (term.weight, part.inputs(term))).collect();
        let conv = Conv2dGather {
            input: sum.x,
            terms: &terms,
            bias: &sum.bias,
            slopes: &sum.slopes,
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
        };
        let of = terms.iter().map(|(weight, inputs)| (Same::new(weight), *inputs)).collect();
        let weight = self.packed(Packing::Gather(of, sum.numbers(), part.channels, tile));
        let mut read = vec![sum.terms[0].input; INPUTS];
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
        let of = parts.iter().map(|part| (Same::new(part.sum.terms[0].weight), part.channels)).collect();
        let weight = self.packed(Packing::Winograd(of, conv.input.channels, tile));
        let biases = parts.iter().map(|part| self.bias(part.sum, part.channels)).collect();
        Prepared { parts, conv, weight, biases }
    }

    /// The dispatches of a chunk: windows and products once, then every output.
    pub(super) fn winograd(&mut self, prepared: &Prepared<'_>, chunk: Chunk) {
        let Prepared { parts, conv, weight, biases } = prepared;
        let (list, label) = (parts[0].by, parts[0].sum.label);
        let read = vec![parts[0].sum.terms[0].input, parts[0].by()];
        let points = self.step(conv.input_dispatch(chunk), read, label, conv.points_shape(chunk));
        let read = vec![points, list.unwrap_or(points), *weight];
        let products = self.step(conv.multiply_dispatch(chunk), read, label, conv.product_shape(chunk));
        for (at, (part, bias)) in parts.iter().zip(biases).enumerate() {
            let by = part.by.unwrap_or(products);
            let read = vec![products, part.sum.residual, by, by, *bias];
            self.write(conv.output_dispatch(at, chunk), read, part.to, part.sum.label, part.sum.output());
        }
    }

    /// A convolution of `x` by Winograd's algorithm, and on the way the dense outputs of masked ones that read it
    /// too: they need no mask yet, and the windows are the same.
    fn with_dense_outputs_of_others(&mut self, part: &Part<'_>, tile: product::Tile, x: Value) {
        let others: Vec<(Value, Sum<'a>, Channels)> = (self.groups.iter().flatten())
            .filter(|group| group.residual.is_none() && group.terms.is_empty())
            .filter_map(|group| match &self.graph.node(group.root).op {
                AnyOp::MaskedConv2d(op) if self.graph.node(group.root).inputs[0] == x => {
                    let channels = Channels { start: 0, end: op.dense_outputs, of: op.out_channels() };
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
