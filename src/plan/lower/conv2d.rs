//! Convolutions: tap by tap, by Winograd's algorithm, or as one product over several inputs.

use super::Lowering;
use crate::graph::{Conv2d as Op, MaskedConv2d, Op as AnyOp, Value};
use crate::kernel::conv2d::{Conv2d, Masked, pack_bias};
use crate::kernel::conv2d_direct::Conv2dDirect;
use crate::kernel::conv2d_gather::{Conv2dGather, INPUTS};
use crate::kernel::epilogue::Epilogue;
use crate::kernel::winograd::{Chunk, Winograd};
use crate::kernel::{self, Channels, Dispatch, Pixels};
use crate::plan::fuse::Group;
use crate::plan::{Algorithm, Buffer, Slot};
use crate::tensor::{Parameter, Shape, channel_groups};

/// Channels on both sides below which Winograd's transforms cost more than the products that they save.
const WINOGRAD_CHANNELS: usize = 16;

/// A convolution of stride 1 that keeps the size, in one group, and what is around it.
pub(super) struct Sum<'a> {
    pub label: &'a str,
    /// The shape of each input.
    pub x: Shape,
    /// What is summed over; one of them unless the kernel is 1×1.
    pub terms: Vec<Term<'a>>,
    /// A number an output channel.
    pub bias: Vec<f32>,
    pub epilogue: Epilogue,
    pub residual: Buffer,
}

pub(super) struct Term<'a> {
    pub input: Buffer,
    /// `[out, in, k, k]`.
    pub weight: &'a Parameter,
    /// How many input channels, the first ones, are wanted where no mask asks for more.
    pub dense_inputs: usize,
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

    /// The same over dense inputs only, or over all.
    fn inputs(&self, dense: bool) -> impl Iterator<Item = (&Term<'_>, usize)> {
        let of = move |term: &Term<'_>| if dense { term.dense_inputs } else { term.weight.dims()[1] };
        self.terms.iter().map(move |term| (term, of(term)))
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn conv2d(&mut self, op: &Op, output: Shape, group: &Group) -> Buffer {
        let keeps_size = op.stride == 1 && op.groups == 1 && op.padding == op.kernel() / 2;
        let sum = self.sum(group);
        if !keeps_size || output.pixels() == 1 {
            return self.direct(op, output, &sum);
        }
        let to = self.value_slot(output);
        self.everywhere(&sum, false, Channels::all(output.channels), to);
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
        let x = graph.node(root.inputs[0]).shape;
        Sum { label: &root.name, x, terms, bias, epilogue, residual }
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

    /// All pixels of `channels`, over dense inputs or over all.
    pub(super) fn everywhere(&mut self, sum: &Sum<'_>, dense_inputs: bool, channels: Channels, to: Slot) {
        let inputs: usize = sum.inputs(dense_inputs).map(|(_, channels)| channels).sum();
        let several = sum.terms.len() > 1;
        if sum.kernel() == 1 && (several || channel_groups(channels.end) > 1) {
            let dispatch = self.gather(sum, dense_inputs, channels, Pixels::All);
            self.write_gather(sum, dispatch, sum.terms[0].input, to);
        } else if inputs == sum.x.channels && self.prefers_winograd(sum, channels) {
            let conv = winograd(sum, channels, Pixels::All);
            let weight = self.winograd_weight(sum, &conv);
            for chunk in conv.chunks() {
                self.winograd(sum, &conv, chunk, weight, [sum.terms[0].input; 2], to);
            }
        } else {
            self.tiled(sum, inputs, channels, None, sum.terms[0].input, to);
        }
    }

    pub(super) fn prefers_winograd(&self, sum: &Sum<'_>, channels: Channels) -> bool {
        let measured = self.broadcasts();
        let large = sum.x.channels.min(channels.end - channels.start) >= WINOGRAD_CHANNELS;
        sum.kernel() == 3
            && match self.options.algorithm {
                Algorithm::Auto => measured && large,
                Algorithm::Direct => false,
                Algorithm::Winograd => true,
            }
    }

    /// Whether weights are handed round in subgroups.
    fn broadcasts(&self) -> bool {
        self.limits.subgroup_lanes == Some(kernel::conv2d_subgroup::LANES)
    }

    /// Any stride, padding and groups.
    fn direct(&mut self, op: &Op, output: Shape, sum: &Sum<'_>) -> Buffer {
        let weight = self.constant(kernel::conv2d_direct::pack(&op.weight));
        let bias = self.constant(pack_bias(op.bias.as_ref(), output.channels));
        let dispatch = kernel::conv2d_direct::dispatch(&Conv2dDirect {
            input: sum.x,
            output,
            kernel: op.kernel(),
            stride: op.stride,
            padding: op.padding,
            groups: op.groups,
            epilogue: sum.epilogue,
        });
        self.step(dispatch, vec![sum.terms[0].input, sum.residual, weight, bias], sum.label, output)
    }

    /// By the register-tiled kernel that suits the device.
    pub(super) fn tiled(
        &mut self,
        sum: &Sum<'_>,
        inputs: usize,
        channels: Channels,
        masked: Option<Masked>,
        mask: Buffer,
        to: Slot,
    ) {
        let Term { input, weight, .. } = sum.terms[0];
        let (input_shape, kernel, epilogue) = (sum.x, sum.kernel(), sum.epilogue);
        let conv = Conv2d { input: input_shape, inputs, channels, kernel, masked, epilogue };
        let (dispatch, packed) = if self.broadcasts() && kernel::conv2d_subgroup::supports(&conv) {
            (kernel::conv2d_subgroup::dispatch(&conv), kernel::conv2d_subgroup::pack(&conv, weight))
        } else {
            (kernel::conv2d_tiled::dispatch(&conv), kernel::conv2d_tiled::pack(&conv, weight))
        };
        let weight = self.constant(packed);
        let bias = self.bias(sum);
        let read = vec![input, sum.residual, mask, weight, bias];
        self.write(dispatch, read, to, sum.label, sum.output());
    }

    /// A product over all terms, and its weights.
    pub(super) fn gather(
        &mut self,
        sum: &Sum<'_>,
        dense_inputs: bool,
        channels: Channels,
        pixels: Pixels,
    ) -> (Dispatch, Buffer) {
        let terms: Vec<(&Parameter, usize)> =
            sum.inputs(dense_inputs).map(|(term, channels)| (term.weight, channels)).collect();
        let conv = Conv2dGather {
            input: sum.x,
            terms: &terms,
            bias: &sum.bias,
            channels,
            pixels,
            epilogue: sum.epilogue,
        };
        let weight = self.constant(conv.pack());
        let dispatch = if self.broadcasts() {
            kernel::conv2d_gather_subgroup::dispatch(&conv)
        } else {
            kernel::conv2d_gather_tiled::dispatch(&conv)
        };
        (dispatch, weight)
    }

    /// Writes what [`Self::gather`] made; `work` is the list or mask that it goes by, or any buffer.
    pub(super) fn write_gather(
        &mut self,
        sum: &Sum<'_>,
        (dispatch, weight): (Dispatch, Buffer),
        work: Buffer,
        to: Slot,
    ) -> &mut super::Step {
        let mut read = vec![sum.terms[0].input; INPUTS];
        read.iter_mut().zip(&sum.terms).for_each(|(to, term)| *to = term.input);
        read.extend([work, sum.residual, weight]);
        self.write(dispatch, read, to, sum.label, sum.output())
    }

    pub(super) fn winograd_weight(&mut self, sum: &Sum<'_>, conv: &Winograd) -> Buffer {
        self.constant(conv.pack(sum.terms[0].weight))
    }

    /// The three dispatches of a chunk, which are the last three steps then. `mask` and `list` may be any buffers
    /// if the pixels need none.
    pub(super) fn winograd(
        &mut self,
        sum: &Sum<'_>,
        conv: &Winograd,
        chunk: Chunk,
        weight: Buffer,
        [mask, list]: [Buffer; 2],
        to: Slot,
    ) {
        let bias = self.bias(sum);
        let (dispatch, shape) = (conv.input_dispatch(chunk), conv.points_shape(chunk));
        let points = self.step(dispatch, vec![sum.terms[0].input, list], sum.label, shape);
        let dispatch = if self.broadcasts() {
            kernel::winograd_multiply_subgroup::dispatch(conv, chunk)
        } else {
            kernel::winograd_multiply_tiled::dispatch(conv, chunk)
        };
        let products = self.step(dispatch, vec![points, list, weight], sum.label, conv.product_shape(chunk));
        let read = vec![products, sum.residual, mask, list, bias];
        self.write(conv.output_dispatch(chunk), read, to, sum.label, sum.output());
    }

    fn bias(&mut self, sum: &Sum<'_>) -> Buffer {
        let mut bias = sum.bias.clone();
        bias.resize(bias.len().next_multiple_of(4), 0.0);
        self.constant(bias)
    }
}

pub(super) fn winograd(sum: &Sum<'_>, channels: Channels, pixels: Pixels) -> Winograd {
    Winograd { input: sum.x, channels, pixels, epilogue: sum.epilogue }
}
