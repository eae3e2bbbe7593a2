//! Groups of nodes → dispatches: which kernel computes each operator.

mod attention;
mod choice;
mod conv2d;
mod cooperative;
mod draft;
mod lists;
mod masked_conv2d;
mod sum;
mod training;

pub(super) use attention::check;
pub(in crate::plan) use draft::Draft;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use choice::Chooser;
use lists::Lists;

use super::choices::Class;
use super::fuse::Group;
use super::packing::{Biases, Layout, Weight};
use super::{Buffer, Constant, Form, Limits, Options, Plan, Port, Slot, Storage, halves};
use crate::graph::{Activation, BinaryKind, GlobalPool, GlobalPoolKind, Graph, Node, Op, ResizeKind, Value};
use crate::kernel::activation::Function;
use crate::kernel::global_pool::{Finish, Pooled, Term};
use crate::kernel::{self, Channels};
use crate::tensor::{Shape, pack};

/// What a plan of training asks besides.
#[derive(Debug)]
pub(super) struct OfTraining<'a> {
    /// Values that are weights: they are made even where no node reads them.
    pub(super) weights: &'a [Value],
    /// Values that lie as f32 where others are f16.
    pub(super) exact: &'a BTreeSet<Value>,
}

/// A plan in which every value still has a slot of its own, and where each value lies.
pub(super) fn lower(
    graph: &Graph,
    groups: &[Option<Group>],
    options: &Options,
    limits: &Limits,
    training: Option<&OfTraining<'_>>,
) -> (Plan, Vec<Buffer>) {
    let (plan, buffers, _) = lowered(graph, groups, options, limits, training);
    (plan, buffers)
}

/// The classes of convolution for which a choice is made, each with its multiply-adds.
pub(super) fn classes(
    graph: &Graph,
    groups: &[Option<Group>],
    options: &Options,
    limits: &Limits,
) -> BTreeMap<Class, u64> {
    lowered(graph, groups, options, limits, None).2
}

fn lowered(
    graph: &Graph,
    groups: &[Option<Group>],
    options: &Options,
    limits: &Limits,
    training: Option<&OfTraining<'_>>,
) -> (Plan, Vec<Buffer>, BTreeMap<Class, u64>) {
    let keep = &options.keep;
    let also = training.map_or(&[][..], |training| training.weights);
    let mut lowering = Lowering {
        graph,
        groups,
        choice: Chooser::new(options, limits),
        draft: Draft::default(),
        lists: HashMap::new(),
        begun: HashMap::new(),
        for_masks_only: halves::for_masks_only(graph),
        exact: training.map(|training| training.exact),
        buffers: Vec::new(),
    };
    let uses = graph.uses();
    let wanted = |value: Value| uses[value.index()] > 0 || keep.contains(&value) || also.contains(&value);
    let weights = weights_alone(graph, &[keep, also].concat());
    let picture = lowering.picture(wanted(graph.input()));
    let mut given = Vec::new();
    for ((value, node), group) in graph.values().zip(groups).skip(1) {
        let buffer = match group {
            Some(_) if matches!(node.op, Op::Input(_)) => {
                given.push(Port {
                    slot: lowering.draft.value_slot(node.shape),
                    shape: node.shape,
                    form: Form::Tensor,
                });
                Buffer::Slot(given[given.len() - 1].slot)
            }
            Some(group) if wanted(value) && !weights[value.index()] => lowering.group(value, group),
            _ => Buffer::Unused, // inside a group, weights, or wanted no more: no step binds it as it is
        };
        lowering.buffers.push(buffer);
    }
    let output = lowering.output();
    let kept = keep.iter().map(|value| lowering.port(*value)).collect();
    lowering.lists.values().for_each(|lists| lists.answer(&mut lowering.draft));
    let halves = lowering.may_be_halves();
    let Lowering { draft: Draft { steps, slots, constants, parameters }, choice, buffers, .. } = lowering;
    let name = graph.name().into();
    let residents = vec![];
    let mut plan =
        Plan { name, steps, slots, constants, parameters, residents, picture, given, output, kept };
    if let Some(values) = halves {
        halves::apply(&mut plan, &values, training.is_none());
    }
    (plan, buffers, choice.classes)
}

/// Of every value whether it is read as weights alone.
fn weights_alone(graph: &Graph, keep: &[Value]) -> Vec<bool> {
    let mut weights = graph.weights();
    let outputs = graph.outputs().iter().map(|output| output.value);
    outputs.chain(keep.iter().copied()).for_each(|value| weights[value.index()] = false);
    for (value, node) in graph.values().rev() {
        let activations = match node.op {
            Op::Weight(_) => node.inputs.len(), // in training alone, where it computes values as any other does
            _ => node.op.operator().activations(node.inputs.len()),
        };
        // Of a parameter some channels are taken where they are packed, unless they are activations themselves.
        if !matches!(node.op, Op::Slice(_)) || !weights[value.index()] {
            node.inputs[..activations].iter().for_each(|input| weights[input.index()] = false);
        }
    }
    weights
}

/// A graph on its way into a plan: [`Chooser`] says which kernel makes a part of a convolution, [`Draft`] takes the
/// steps, and what stands between is here.
struct Lowering<'a> {
    graph: &'a Graph,
    groups: &'a [Option<Group>],
    choice: Chooser<'a>,
    draft: Draft,
    /// Of every mask that sparse convolutions obey.
    lists: HashMap<Value, Lists>,
    /// Masked convolutions, by their roots, whose dense outputs have been made already.
    begun: HashMap<Value, Slot>,
    /// Of every value, whether nothing but masks hangs on it.
    for_masks_only: Vec<bool>,
    /// Values that lie as f32, besides those that the options name.
    exact: Option<&'a BTreeSet<Value>>,
    /// Where each value is stored.
    buffers: Vec<Buffer>,
}

impl Lowering<'_> {
    /// The slots of all values that may lie as f16, if any may. Of one pixel none does: there is nothing to win.
    fn may_be_halves(&self) -> Option<Vec<Slot>> {
        let Storage::F16(_) = &self.choice.options.storage else { return None };
        let values = self.graph.values().zip(&self.buffers);
        let slot = |((value, node), buffer): ((Value, &Node), &Buffer)| match buffer {
            Buffer::Slot(slot) if node.shape.pixels() > 1 && !self.keeps_f32(value) => Some(*slot),
            _ => None,
        };
        self.choice.limits.f16.then(|| values.filter_map(slot).collect())
    }

    /// Whether the caller wants a value to be f32 where others are f16.
    fn keeps_f32(&self, value: Value) -> bool {
        let name = &self.graph.node(value).name;
        let named = matches!(&self.choice.options.storage, Storage::F16(exact) if exact.contains(name));
        named || self.exact.is_some_and(|exact| exact.contains(&value))
    }

    /// Where the picture goes in, if it is wanted.
    fn picture(&mut self, wanted: bool) -> Option<Port> {
        if !wanted {
            self.buffers.push(Buffer::Unused);
            return None;
        }
        let (shape, form) = (self.graph.node(self.graph.input()).shape, self.choice.options.input);
        let port = Port { slot: self.draft.slot(4 * form.words(shape) as u64), shape, form };
        let mut buffer = Buffer::Slot(port.slot);
        if let Some((wide, largest)) = samples(form) {
            let dispatch = kernel::pixel_load::dispatch(shape, wide, self.graph.range() / largest);
            buffer = self.draft.step(dispatch, vec![buffer], "input", shape);
        }
        self.buffers.push(buffer);
        Some(port)
    }

    fn output(&mut self) -> Port {
        let (value, form) = (self.graph.output(), self.choice.options.output);
        let Some((wide, largest)) = samples(form) else { return self.port(value) };
        let shape = self.graph.node(value).shape;
        let slot = self.draft.slot(4 * form.words(shape) as u64);
        let dispatch = kernel::pixel_store::dispatch(shape, wide, largest / self.graph.range());
        self.draft.write(dispatch, vec![self.buffers[value.index()]], slot, "output", shape);
        Port { slot, shape, form }
    }

    /// Where the host reads a value. One that no step makes, a constant or an input, is copied: a port is
    /// a slot, and an input's is overwritten.
    fn port(&mut self, value: Value) -> Port {
        let node = self.graph.node(value);
        let slot = match self.buffers[value.index()] {
            Buffer::Slot(slot) if !matches!(node.op, Op::Input(_)) => slot,
            buffer => {
                let copy = kernel::activation::dispatch(node.shape, Function::Identity);
                match self.draft.step(copy, vec![buffer, Buffer::Unused], &node.name, node.shape) {
                    Buffer::Slot(slot) => slot,
                    _ => unreachable!("a step writes a slot"),
                }
            }
        };
        Port { slot, shape: node.shape, form: Form::Tensor }
    }

    /// Appends the dispatches that make `value`.
    fn group(&mut self, value: Value, group: &Group) -> Buffer {
        let graph = self.graph;
        let (root, name, output) =
            (graph.node(group.root), &graph.node(group.root).name, graph.node(value).shape);
        let x = root.inputs.first().map_or(Shape::new(0, 0, 0, 0), |input| graph.node(*input).shape);
        let (activations, weights) = root.inputs.split_at(root.op.operator().activations(root.inputs.len()));
        let mut read: Vec<Buffer> = activations.iter().map(|input| self.buffers[input.index()]).collect();
        let dispatch = match &root.op {
            Op::Input(_) => unreachable!("inputs are lowered by themselves"),
            Op::Constant(op) => return self.draft.constant(Constant::Numbers(pack(&op.numbers).into())),
            Op::Parameter(op) => return self.draft.packed(Layout::Activations(op.id)),
            Op::Weight(op) => return self.weight_operation(op, root, output),
            Op::Training(op) => return self.training(op, root, read, output),
            Op::Conv2d(op) => return self.conv2d(op, output, group),
            Op::MaskedConv2d(_) => return self.masked_conv2d(group),
            Op::ConvTranspose2d(op) => {
                read.push(self.draft.packed(Layout::Transposed(self.weight(weights[0]))));
                read.push(self.numbers(weights.get(1), output.channels));
                kernel::conv_transpose2d::dispatch(x, output, op.kernel, op.stride, op.padding)
            }
            Op::Activation(Activation::Prelu) => {
                read.push(self.draft.packed(Layout::Slope(self.weight(weights[0]).id, x.channels)));
                kernel::activation::dispatch(x, Function::Prelu)
            }
            Op::Activation(op) => {
                read.push(Buffer::Unused);
                kernel::activation::dispatch(x, function(op))
            }
            Op::Binary(op) => {
                let kind = match op.kind {
                    BinaryKind::Add => kernel::binary::Kind::Add,
                    BinaryKind::Subtract => kernel::binary::Kind::Subtract,
                    BinaryKind::Multiply => kernel::binary::Kind::Multiply,
                    BinaryKind::Divide => kernel::binary::Kind::Divide,
                };
                read.push(
                    group.residual.map_or(Buffer::Unused, |(residual, _)| self.buffers[residual.index()]),
                );
                let second = graph.node(root.inputs[1]).shape;
                kernel::binary::dispatch(kind, x, second, group.residual.is_some())
            }
            Op::Concat(_) => return self.concat(&root.inputs, output, name),
            Op::AveragePool(op) => kernel::average_pool::dispatch(x, output, op.size),
            Op::MaxPool(op) => kernel::max_pool::dispatch(x, output, op.size, op.stride),
            Op::AdaptiveMaxPool(_) => kernel::max_pool::dispatch_adaptive(x, output),
            Op::GlobalPool(op) => return self.global_pool(op, x, read[0], name),
            Op::PixelShuffle(op) => kernel::pixel_shuffle::dispatch(x, output, op.scale),
            Op::PixelUnshuffle(op) => kernel::pixel_unshuffle::dispatch(x, output, op.scale),
            Op::Slice(op) => kernel::slice::dispatch(x, output, op.start),
            Op::Unfold(op) => kernel::unfold::dispatch(x, output, op.kernel),
            Op::Fold(op) => kernel::fold::dispatch(output, op.kernel),
            Op::Resize(op) => match op.kind {
                ResizeKind::Bicubic => kernel::resize_bicubic::dispatch(x, output, [op.scale, op.below]),
                ResizeKind::Nearest => kernel::resize_nearest::dispatch(x, output, op.scale),
                kind => kernel::resize_bilinear::dispatch(x, output, kind == ResizeKind::BilinearCorners),
            },
            Op::ResizeTo(op) => {
                read.truncate(1); // of the other only the size matters
                match op.kind {
                    ResizeKind::Nearest => kernel::resize_nearest_to::dispatch(x, output),
                    kind => kernel::resize_bilinear::dispatch(x, output, kind == ResizeKind::BilinearCorners),
                }
            }
            Op::LayerNorm(op) => {
                read.extend([0, 1].map(|at| self.numbers(weights.get(at), x.channels)));
                kernel::layer_norm::dispatch(x, op.epsilon)
            }
            Op::Attention(op) => return self.attention(op, read[0], weights, output, name),
            Op::ChannelAttention(op) => {
                let of_picture = [read[0], read[1], read[2]];
                return self.channel_attention(op.heads, of_picture, weights[0], output, name);
            }
            Op::Canvas(_) => {
                read.truncate(1); // of the other only the size matters
                kernel::canvas::dispatch(x, output)
            }
            Op::SpatialMask(_) => kernel::spatial_mask::dispatch(output),
        };
        self.draft.step(dispatch, read, name, output)
    }

    fn concat(&mut self, parts: &[Value], output: Shape, name: &str) -> Buffer {
        let to = self.draft.value_slot(output);
        let mut offset = 0;
        for part in parts {
            let shape = self.graph.node(*part).shape;
            let dispatch = kernel::concat::dispatch(shape, output, offset);
            self.draft.write(dispatch, vec![self.buffers[part.index()]], to, name, output);
            offset += shape.channels;
        }
        Buffer::Slot(to)
    }

    fn global_pool(&mut self, op: &GlobalPool, x: Shape, input: Buffer, name: &str) -> Buffer {
        let mean = Finish { scale: 1.0 / op.pixels(x) as f32, root: false };
        let x = Pooled { shape: x, rows: op.within(x.height), columns: op.within(x.width) };
        match op.kind {
            GlobalPoolKind::Mean => self.sum_of_pixels(x, [input, Buffer::Unused], Term::Value, mean, name),
            GlobalPoolKind::Deviation => {
                let centre = self.sum_of_pixels(x.clone(), [input, Buffer::Unused], Term::Value, mean, name);
                let root = Finish { root: true, ..mean };
                self.sum_of_pixels(x, [input, centre], Term::SquaredDistance, root, name)
            }
            GlobalPoolKind::Norm => {
                let root = Finish { root: true, ..Finish::NONE };
                self.sum_of_pixels(x, [input, Buffer::Unused], Term::Square, root, name)
            }
        }
    }

    /// Sums over pixels; `read` are the input and, if the term has one, the mean.
    fn sum_of_pixels(
        &mut self,
        x: impl Into<Pooled>,
        read: [Buffer; 2],
        term: Term,
        last: Finish,
        name: &str,
    ) -> Buffer {
        let (mut x, mut read, mut term) = (x.into(), read, term);
        loop {
            let next = x.reduced();
            let finish = if next.pixels() == 1 { last } else { Finish::NONE };
            let dispatch = kernel::global_pool::dispatch(&x, term, finish);
            let sums = self.draft.step(dispatch, read.to_vec(), name, next);
            if next.pixels() == 1 {
                return sums;
            }
            (x, read, term) = (next.into(), [sums, Buffer::Unused], Term::Value);
        }
    }

    /// The weight that a value is.
    fn weight(&self, value: Value) -> Weight {
        let (id, start) = self.graph.parameter(value).expect("a folded graph's weights are parameters");
        Weight { id, start, shape: self.graph.node(value).shape }
    }

    /// A number a channel: those of a parameter, or zeros.
    fn numbers(&mut self, value: Option<&Value>, channels: usize) -> Buffer {
        let biases = value.map(|value| self.weight(*value).id).into_iter().collect();
        self.draft.packed(Layout::Bias(Biases { biases, slopes: None, channels }, Channels::all(channels)))
    }
}

/// Of pixels whether samples are 16 bits wide, and the largest sample.
fn samples(form: Form) -> Option<(bool, f32)> {
    match form {
        Form::Tensor => None,
        Form::Pixels8 => Some((false, 255.0)),
        Form::Pixels16 => Some((true, 65535.0)),
    }
}

fn function(op: &Activation) -> Function {
    match op {
        Activation::Relu => Function::Relu,
        Activation::LeakyRelu { slope } => Function::LeakyRelu(*slope),
        Activation::Gelu => Function::Gelu,
        Activation::Sigmoid => Function::Sigmoid,
        Activation::Silu => Function::Silu,
        Activation::Tanh => Function::Tanh,
        Activation::Prelu => Function::Prelu,
    }
}
