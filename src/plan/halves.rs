//! Which values and weights lie in memory as f16. Kernels compute in f32 whatever they read and write.
//!
//! ```text
//! f16:  values of two pixels and more        unless the caller names them, the host reads or writes them, or a kernel
//!                                            that binds them has no f16 form there
//!       weights of what is stored as f16     where the kernel has an f16 form for them; never a bias
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Buffer, Packed, Plan, Slot};
use crate::graph::{Graph, Op};

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
    let exact = pictures(graph).into_iter().zip(decides).map(|(picture, decides)| picture || decides);
    let named = graph.nodes().iter().zip(exact).filter(|(_, exact)| *exact);
    named.map(|(node, _)| node.name.clone()).collect()
}

/// For every value whether nothing but spatial masks hangs on it, and for masks themselves. They are f32 throughout:
/// where two logits are close a rounded number would move the mask.
pub(super) fn for_masks_only(graph: &Graph) -> Vec<bool> {
    let mut read = vec![false; graph.nodes().len()];
    let mut only = vec![true; graph.nodes().len()];
    only[graph.output().index()] = false;
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

/// Of every value whether it is a picture, or what is only moved, resized and added until it is the output.
fn pictures(graph: &Graph) -> Vec<bool> {
    let mut exact = vec![false; graph.nodes().len()];
    exact[graph.output().index()] = true;
    // As the means of colours are taken away and added.
    let shifts =
        |op: &Op| matches!(op, Op::Conv2d(conv) if conv.is_pointwise() && conv.weight.dims()[1] <= COLOURS);
    for (value, node) in graph.values().rev().filter(|(value, _)| *value != graph.input()) {
        let passes = match &node.op {
            Op::PixelShuffle(_) | Op::PixelUnshuffle(_) | Op::Resize(_) | Op::ResizeTo(_) => true,
            Op::Binary(_) | Op::Activation(_) | Op::Slice(_) | Op::Concat(_) => true,
            op => shifts(op),
        };
        if exact[value.index()] && passes {
            node.inputs.iter().for_each(|input| exact[input.index()] = true);
        }
    }
    exact[graph.input().index()] = true;
    for (value, node) in graph.values().filter(|(_, node)| shifts(&node.op)) {
        exact[value.index()] |= exact[node.inputs[0].index()] && node.shape.channels <= COLOURS;
    }
    exact
}

/// Has values and weights lie as f16. `values` says which values may, by their slots; a slot is still one value's alone.
pub(super) fn apply(plan: &mut Plan, values: &[Slot], packed: &Packed) {
    let mut forms: HashMap<&str, Vec<Option<&'static str>>> = HashMap::new();
    for step in &plan.steps {
        let kernel = step.dispatch.kernel;
        forms.entry(kernel.name).or_insert_with(|| kernel.stored());
    }
    let slots = half_slots(plan, values, &forms);
    let weights = half_weights(plan, &slots, &forms);
    for step in &mut plan.steps {
        let names = &forms[step.dispatch.kernel.name];
        let is_half = |buffer: &Buffer| match buffer {
            Buffer::Slot(slot) => slots[slot.0 as usize],
            Buffer::Constant(constant) => weights[*constant as usize],
        };
        let halves = names.iter().zip(&step.bindings).filter(|(_, buffer)| is_half(buffer));
        step.dispatch.specialization.halves = halves.filter_map(|(name, _)| *name).collect();
    }
    for (bytes, _) in plan.slots.iter_mut().zip(&slots).filter(|(_, half)| **half) {
        *bytes /= 2;
    }
    for (numbers, _) in plan.constants.iter_mut().zip(&weights).filter(|(_, half)| **half) {
        *numbers = packed.halves(numbers);
    }
}

/// Of every slot whether it is half as large.
fn half_slots(plan: &Plan, values: &[Slot], forms: &HashMap<&str, Vec<Option<&'static str>>>) -> Vec<bool> {
    let mut half = vec![false; plan.slots.len()];
    values.iter().for_each(|slot| half[slot.0 as usize] = true);
    plan.inputs().chain(plan.outputs()).for_each(|port| half[port.slot.0 as usize] = false);
    for step in &plan.steps {
        let names = &forms[step.dispatch.kernel.name];
        for (at, (name, buffer)) in names.iter().zip(&step.bindings).enumerate() {
            // What a step binds once more fills a place that it does not read.
            if let Buffer::Slot(slot) = buffer
                && name.is_none()
                && !step.bindings[..at].contains(buffer)
            {
                half[slot.0 as usize] = false;
            }
        }
    }
    half
}

/// Of every constant whether it is halved: weights whose every step writes f16.
fn half_weights(plan: &Plan, slots: &[bool], forms: &HashMap<&str, Vec<Option<&'static str>>>) -> Vec<bool> {
    let mut half: Vec<Option<bool>> = vec![None; plan.constants.len()];
    for step in &plan.steps {
        let writes_half = step.outputs().all(|slot| slots[slot.0 as usize]);
        for (name, buffer) in forms[step.dispatch.kernel.name].iter().zip(&step.bindings) {
            if let Buffer::Constant(constant) = buffer {
                let half = &mut half[*constant as usize];
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

    fn conv(out: usize, inputs: usize) -> Conv2d {
        Conv2d::same(Parameter::new([out, inputs, 1, 1], vec![0.0; out * inputs]), None)
    }

    #[test]
    fn pictures_and_what_decides_a_mask_are_exact() {
        let (mut b, x) = Builder::new("all", Shape::new(1, 3, 8, 8), 1.0);
        let centred = b.conv2d("centred", x, conv(3, 3)).unwrap();
        let feature = b.conv2d("feature", centred, conv(8, 3)).unwrap();
        let branch = b.conv2d("branch", feature, conv(4, 8)).unwrap();
        let logits = b.conv2d("logits", branch, conv(2, 4)).unwrap();
        let mask = b.spatial_mask("mask", logits).unwrap();
        let product = b.multiply("product", feature, mask).unwrap();
        let tail = b.conv2d("tail", product, conv(12, 8)).unwrap();
        let shuffled = b.pixel_shuffle("shuffled", tail, 2).unwrap();
        let enlarged = b.resize("enlarged", centred, ResizeKind::Bicubic, 2).unwrap();
        let output = b.add("output", shuffled, enlarged).unwrap();
        let graph = b.finish(output);
        let expected =
            ["branch", "centred", "enlarged", "input", "logits", "mask", "output", "shuffled", "tail"];
        assert_eq!(exact(&graph).iter().collect::<Vec<_>>(), expected);
    }
}
