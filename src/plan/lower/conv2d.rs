//! Convolutions: tap by tap, by Winograd's algorithm, or as one product over several inputs.

use super::Lowering;
use super::draft::Draft;
use super::sum::{Part, Sum, Term};
use crate::graph::{Conv2d as Op, Node, Op as AnyOp, Value};
use crate::kernel::conv2d_direct::Conv2dDirect;
use crate::kernel::conv2d_gather::{Conv2dGather, INPUTS};
use crate::kernel::conv2d_pruned::{self, Conv2dPruned};
use crate::kernel::conv2d_tiled::Conv2dTiled;
use crate::kernel::product;
use crate::kernel::winograd::{Chunk, Output, Winograd};
use crate::kernel::{self, Channels, Dispatch, Pixels, conv2d_tiled};
use crate::plan::choices::Candidate;
use crate::plan::fuse::Group;
use crate::plan::packing::{Layout, Lists};
use crate::plan::{Buffer, Step};
use crate::tensor::Shape;

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
            return self.draft.direct(op, output, &sum);
        }
        let to = self.draft.value_slot(output);
        let part = Part {
            sum: &sum,
            dense_inputs: false,
            channels: Channels::all(output.channels),
            pixels: Pixels::All,
            by: None,
            to,
        };
        if self.choice.by_matrices(&part) {
            self.part(&part);
            return Buffer::Slot(to);
        }
        match self.choice.choose(&part) {
            Candidate::Winograd(tile) => {
                self.with_dense_outputs_of_others(&part, tile, self.graph.node(group.root).inputs[0]);
            }
            candidate => self.part_by(candidate, &part),
        }
        Buffer::Slot(to)
    }

    /// The dispatches of a part whose pixels are not listed, by matrices or the candidate that is chosen for it.
    pub(super) fn part(&mut self, part: &Part<'_>) {
        if self.choice.by_matrices(part) {
            return self.part_by_matrices(part);
        }
        let candidate = self.choice.choose(part);
        self.part_by(candidate, part);
    }

    fn part_by_matrices(&mut self, part: &Part<'_>) {
        match self.choice.rectangle_tile(part) {
            Some(tile) => self.draft.rectangles_by_matrices(part, tile),
            None => drop(self.gather_by_matrices(part)),
        }
    }

    /// How many pixels a workgroup makes.
    pub(super) fn gather_by_matrices(&mut self, part: &Part<'_>) -> usize {
        let tile = self.choice.gather_tile(part).expect("asked for where there is one");
        self.draft.gather_by_matrices(part, tile)
    }

    fn part_by(&mut self, candidate: Candidate, part: &Part<'_>) {
        match candidate {
            Candidate::Tiled(tile) => drop(self.draft.tiled(part, tile)),
            Candidate::Product(tile) => drop(self.draft.gather(part, tile)),
            Candidate::Pruned(tile) => {
                let entries = self.choice.entries(part).expect("chosen where it is known");
                self.draft.pruned(part, tile, entries);
            }
            Candidate::Matrices => unreachable!("asked before"),
            Candidate::Winograd(tile) => {
                let prepared = self.draft.prepare(vec![*part], tile);
                for chunk in prepared.chunks() {
                    self.draft.winograd(&prepared, chunk);
                }
            }
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
                !self.choice.by_matrices(&Part { sum, channels: *channels, ..*part }) // they round, this one may not
            })
            .collect();
        let begin = self.draft.steps.len();
        let mut parts = vec![*part];
        for (root, sum, channels) in &others {
            let to = self.draft.value_slot(sum.output());
            self.begun.insert(*root, to);
            parts.push(Part { sum, channels: *channels, to, ..*part });
        }
        let prepared = self.draft.prepare(parts, tile);
        for chunk in prepared.chunks() {
            self.draft.winograd(&prepared, chunk);
        }
        for (root, ..) in &others {
            self.begin_with_zeros(begin, self.begun[root]);
        }
    }
}

impl Draft {
    pub(super) fn bias(&mut self, sum: &Sum<'_>, channels: Channels) -> Buffer {
        self.packed(Layout::Bias(sum.biases.clone(), channels))
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

    /// By lists of what is not zero, with room for so many entries.
    fn pruned(&mut self, part: &Part<'_>, tile: conv2d_pruned::Tile, entries: usize) {
        let sum = part.sum;
        let Term { input, weight, .. } = sum.terms[0];
        let inputs = part.inputs(&sum.terms[0]);
        let conv = Conv2dPruned {
            input: sum.x,
            inputs,
            kernel: sum.kernel(),
            channels: part.channels,
            pixels: part.pixels,
            epilogue: sum.epilogue,
            tile,
            entries,
        };
        let lists = Lists { weight, inputs, channels: part.channels, entries };
        let places = self.packed(Layout::Places(lists));
        let weight = self.packed(Layout::Listed(lists));
        let bias = self.bias(sum, part.channels);
        let read = vec![input, sum.residual, part.by(), places, weight, bias];
        self.write(conv.dispatch(), read, part.to, sum.label, sum.output());
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
}
