//! Which values and weights lie in memory as f16. Kernels compute in f32 whatever they read and write.
//!
//! ```text
//! f16:  values of two pixels and more        unless the caller names them, the host reads or writes them, or a kernel
//!                                            that binds them has no f16 form there
//!       weights of what is stored as f16     where the kernel has an f16 form for them; never a bias, and none that learns
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Buffer, Plan, Slot};
use crate::graph::{Graph, Kind, Node, Op, TrainingOperation, Value};

/// How values and weights lie in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As f32.
    #[default]
    F32,
    /// As f16, where the device and the kernels can; but as f32 the values of nodes with these names.
    F16(Arc<BTreeSet<String>>),
}

/// Names of the nodes whose values have more to tell than the eleven bits of an f16: those that are pictures, or are
/// added up to one, and those that decide nothing but a mask. `graph` is one that plans are made of, see
/// [`super::rewritten`].
pub fn exact(graph: &Graph) -> BTreeSet<String> {
    let decides = for_masks_only(graph);
    let exact = pictures(graph, [graph.output()])
        .into_iter()
        .zip(decides)
        .map(|(picture, decides)| picture || decides);
    let named = graph.nodes().iter().zip(exact).zip(graph.weights());
    let named =
        named.filter(|((node, exact), weights)| *exact && (!weights || matches!(node.op, Op::Constant(_))));
    named.map(|((node, _), _)| node.name.clone()).collect()
}

/// For every value whether nothing but spatial masks hangs on it, and for masks themselves. They are f32 throughout:
/// where two logits are close a rounded number would move the mask.
pub(super) fn for_masks_only(graph: &Graph) -> Vec<bool> {
    let mut read = vec![false; graph.nodes().len()];
    let mut only = vec![true; graph.nodes().len()];
    graph.outputs().iter().for_each(|output| only[output.value.index()] = false);
    for (value, node) in graph.values().rev() {
        let at = value.index();
        only[at] &= read[at];
        only[at] |= matches!(node.op, Op::SpatialMask(_));
        for input in &node.inputs {
            read[input.index()] = true;
            only[input.index()] &= only[at];
        }
    }
    only
}

/// Channels of a picture.
const COLOURS: usize = 3;

/// Of every value whether it is a picture, or what is only moved, resized and added until it is one of the `ends`.
fn pictures(graph: &Graph, ends: impl IntoIterator<Item = Value>) -> Vec<bool> {
    let mut exact = vec![false; graph.nodes().len()];
    ends.into_iter().for_each(|end| exact[end.index()] = true);
    // As the means of colours are taken away and added.
    let shifts = |node: &Node| match &node.op {
        Op::Conv2d(conv) => conv.is_pointwise() && graph.node(node.inputs[0]).shape.channels <= COLOURS,
        _ => false,
    };
    for (value, node) in graph.values().rev().filter(|(value, _)| *value != graph.input()) {
        let passes = matches!(node.op.operator().kind(), Kind::Pointwise | Kind::Moving) || shifts(node);
        if exact[value.index()] && passes {
            node.inputs.iter().for_each(|input| exact[input.index()] = true);
        }
    }
    exact[graph.input().index()] = true;
    for (value, node) in graph.values().filter(|(_, node)| shifts(node)) {
        exact[value.index()] |= exact[node.inputs[0].index()] && node.shape.channels <= COLOURS;
    }
    exact
}

/// Values of a training that lie as f32, where `weights` are those of parameters, computed ones too: pictures and what
/// decides a mask, as in inference; and all that is a weight, or the gradient of one. They are few, and updates are made
/// of them.
pub(super) fn exact_in_training(graph: &Graph, parameters: impl Iterator<Item = Value>) -> BTreeSet<Value> {
    let compared = graph.nodes().iter().filter(|node| is_loss(&node.op)).flat_map(|node| &node.inputs);
    let mut exact = pictures(graph, compared.copied());
    exact.iter_mut().zip(for_masks_only(graph)).for_each(|(exact, decides)| *exact |= decides);
    let mut of_weights = vec![false; graph.nodes().len()];
    parameters.for_each(|value| of_weights[value.index()] = true);
    for (value, node) in graph.values().filter(|(_, node)| !node.inputs.is_empty()) {
        let constant = |input: &&Value| graph.node(**input).inputs.is_empty() && !of_weights[input.index()];
        let mut read = node.inputs.iter().filter(|input| !constant(input)).peekable();
        of_weights[value.index()] |= is_gradient_of_a_weight(&node.op)
            || read.peek().is_some() && read.all(|input| of_weights[input.index()]);
    }
    let exact = graph.values().filter(|(value, _)| exact[value.index()] || of_weights[value.index()]);
    exact.map(|(value, _)| value).collect()
}

fn is_loss(op: &Op) -> bool {
    matches!(op, Op::Training(TrainingOperation::Loss(_)))
}

fn is_gradient_of_a_weight(op: &Op) -> bool {
    use TrainingOperation::{AttentionTableGradient, Conv2dWeightGradient};
    matches!(op, Op::Training(Conv2dWeightGradient(_) | AttentionTableGradient(_)))
}

/// Has values lie as f16, and with `weights` weights. `values` says which values may, by their slots; a slot is still one
/// value's alone.
pub(super) fn apply(plan: &mut Plan, values: &[Slot], weights: bool) {
    let mut forms: HashMap<&str, Vec<Option<&'static str>>> = HashMap::new();
    for step in &plan.steps {
        let kernel = step.dispatch.kernel;
        forms.entry(kernel.name).or_insert_with(|| kernel.stored());
    }
    let slots = half_slots(plan, values, &forms);
    let weights =
        if weights { half_weights(plan, &slots, &forms) } else { vec![false; plan.parameters.len()] };
    for step in &mut plan.steps {
        let names = &forms[step.dispatch.kernel.name];
        let is_half = |buffer: &Buffer| match buffer {
            Buffer::Slot(slot) => slots[slot.0 as usize],
            Buffer::Parameter(parameter) => weights[*parameter as usize],
            Buffer::Constant(_) | Buffer::Resident(_) | Buffer::Unused => false,
        };
        let halves = names.iter().zip(&step.bindings).filter(|(_, buffer)| is_half(buffer));
        step.dispatch.specialization.halves = halves.filter_map(|(name, _)| *name).collect();
    }
    for (bytes, _) in plan.slots.iter_mut().zip(&slots).filter(|(_, half)| **half) {
        *bytes /= 2;
    }
    for (packing, half) in plan.parameters.iter_mut().zip(weights) {
        packing.half = half;
    }
}

/// Of every slot whether it is half as large.
fn half_slots(plan: &Plan, values: &[Slot], forms: &HashMap<&str, Vec<Option<&'static str>>>) -> Vec<bool> {
    let mut half = vec![false; plan.slots.len()];
    values.iter().for_each(|slot| half[slot.0 as usize] = true);
    plan.inputs().chain(plan.outputs()).for_each(|port| half[port.slot.0 as usize] = false);
    for step in &plan.steps {
        let names = &forms[step.dispatch.kernel.name];
        for (name, buffer) in names.iter().zip(&step.bindings) {
            if let Buffer::Slot(slot) = buffer
                && name.is_none()
            {
                half[slot.0 as usize] = false;
            }
        }
    }
    half
}

/// Of every packing whether it is halved: weights whose every step writes f16.
fn half_weights(plan: &Plan, slots: &[bool], forms: &HashMap<&str, Vec<Option<&'static str>>>) -> Vec<bool> {
    let mut half: Vec<Option<bool>> = vec![None; plan.parameters.len()];
    for step in &plan.steps {
        let writes_half = step.outputs().all(|slot| slots[slot.0 as usize]);
        for (name, buffer) in forms[step.dispatch.kernel.name].iter().zip(&step.bindings) {
            if let Buffer::Parameter(parameter) = buffer {
                let half = &mut half[*parameter as usize];
                *half = Some(half.unwrap_or(true) && writes_half && *name == Some("weight"));
            }
        }
    }
    half.into_iter().map(|half| half == Some(true)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Conv2d, ResizeKind};
    use crate::tensor::{Parameter, Shape};

    /// A pointwise convolution.
    fn conv(b: &mut Builder, name: &str, x: Value, [out, inputs]: [usize; 2]) -> Value {
        let numbers = Parameter::new([out, inputs, 1, 1], vec![0.0; out * inputs]);
        let weight = b.parameter(format!("{name}.weight"), &numbers).unwrap();
        b.conv2d(name, x, weight, Conv2d::same(1)).unwrap()
    }

    #[test]
    fn pictures_and_what_decides_a_mask_are_exact() {
        let (mut b, x) = Builder::new("all", Shape::new(1, 3, 8, 8), 1.0);
        let centred = conv(&mut b, "centred", x, [3, 3]);
        let feature = conv(&mut b, "feature", centred, [8, 3]);
        let branch = conv(&mut b, "branch", feature, [4, 8]);
        let logits = conv(&mut b, "logits", branch, [2, 4]);
        let mask = b.spatial_mask("mask", logits).unwrap();
        let product = b.multiply("product", feature, mask).unwrap();
        let tail = conv(&mut b, "tail", product, [12, 8]);
        let shuffled = b.pixel_shuffle("shuffled", tail, 2).unwrap();
        let enlarged = b.resize("enlarged", centred, ResizeKind::Bicubic, 2).unwrap();
        let output = b.add("output", shuffled, enlarged).unwrap();
        let (graph, _) = b.finish(output).unwrap();
        let expected =
            ["branch", "centred", "enlarged", "input", "logits", "mask", "output", "shuffled", "tail"];
        assert_eq!(exact(&graph).iter().collect::<Vec<_>>(), expected);
    }
}
