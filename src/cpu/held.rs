//! The values of a run that are still needed: each is made of those before it, and freed after its last use.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::attention_gradient::Wanted;
use super::binary::Combination;
use super::buffers::Buffers;
use super::conv2d::{Convolution, Sums, Way};
use super::expression::Expression;
use super::layer::{Weight, Weights};
use super::map::Map;
use super::order::Order;
use super::{
    attention, attention_gradient, blur, canvas, channel_attention, concat, conv_transpose2d,
    conv2d_weight_gradient, layer_norm, layer_norm_gradient, loss, masked_conv2d, max_pool_gradient,
    pixel_shuffle, pool, resize, resize_gradient, sparsestmax, spatial_mask, sum, unfold, weight,
};
use crate::control::Cancel;
use crate::graph::{Attention, Axes, Binary, Conv2d, Graph, Node, Op, Parameters, TrainingOperation, Value};
use crate::tensor::{Parameter, Shape, Tensor};

/// The values that are still needed, of those that lie in memory.
pub(super) struct Held<'a> {
    graph: &'a Graph,
    parameters: &'a Parameters,
    order: Order,
    /// What there is already.
    common: Option<&'a Common>,
    maps: HashMap<Value, Map>,
    buffers: &'a mut Buffers,
    cancel: Option<&'a Cancel>,
    way: Way,
}

/// What several runs read and none makes.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) maps: HashMap<Value, Map>,
    /// Of convolutions whose weights are among them.
    pub(super) sums: HashMap<Value, Sums>,
}

impl<'a> Held<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        parameters: &'a Parameters,
        order: Order,
        buffers: &'a mut Buffers,
    ) -> Self {
        let (common, maps, cancel, way) = (None, HashMap::new(), None, Way::Pixels);
        Self { graph, parameters, order, common, maps, buffers, cancel, way }
    }

    /// Convolutions may be made by tiles.
    pub(super) fn by_tiles(self) -> Self {
        Self { way: Way::Tiles, ..self }
    }

    /// Ends in the middle of an operator if it is cancelled. What was made is then of no use.
    pub(super) fn unless(self, cancel: &'a Cancel) -> Self {
        Self { cancel: Some(cancel), ..self }
    }

    /// With what others made.
    pub(super) fn behind(self, common: &'a Common) -> Self {
        Self { common: Some(common), ..self }
    }

    /// Makes the values that are `wanted`; inputs are the picture, then what [`Graph::given`] names.
    pub(super) fn make_all(&mut self, inputs: &[&Tensor], wanted: impl Fn(Value) -> bool) {
        let (graph, mut inputs) = (self.graph, inputs.iter());
        for (value, node) in graph.values() {
            let input = if matches!(node.op, Op::Input(_)) { inputs.next() } else { None };
            match input {
                _ if !wanted(value) => {}
                Some(input) => self.put(value, |map| map.read(input)),
                None => self.make_any(value),
            }
        }
    }

    /// What is left for runs that make the values which are their `own`.
    pub(super) fn into_common(self, is_own: impl Fn(Value) -> bool) -> Common {
        let is_convolution = |node: &Node| match &node.op {
            Op::Conv2d(_) => true,
            Op::Slice(_) => self.order.is_with_reader(node.inputs[0]),
            _ => false,
        };
        let is_packed = |(value, node): &(Value, &Node)| {
            is_own(*value) && self.order.is_needed(*value) && is_convolution(node) && {
                let (_, inputs, _) = self.convolved(*value);
                inputs[1..].iter().all(|weight| !is_own(*weight))
            }
        };
        let packed: Vec<(Value, &Node)> = self.graph.values().filter(is_packed).collect();
        let sums = packed.par_iter().map(|(value, _)| (*value, self.sums(*value))).collect();
        Common { maps: self.maps, sums }
    }

    /// Holds numbers in the order of maps. In memory of its own: what is given back was taken before.
    pub(super) fn give(&mut self, value: Value, numbers: &[f32]) {
        let mut map = self.map(self.graph.node(value).shape);
        map.values_mut().copy_from_slice(numbers);
        self.maps.insert(value, map);
    }

    /// Gives back the memory of all that nobody took.
    pub(super) fn close(self) {
        let Self { maps, buffers, .. } = self;
        maps.into_values().for_each(|map| buffers.give_back(map));
    }

    /// Makes a value that is no input, if it is needed.
    pub(super) fn make_any(&mut self, value: Value) {
        match &self.graph.node(value).op {
            Op::Constant(op) => self.put(value, |map| map.read(&op.numbers)),
            Op::Parameter(op) => {
                let numbers = as_tensor(self.parameters.get(op.id), op.shape);
                self.put(value, |map| map.read(&numbers));
            }
            _ => self.make(value),
        }
    }

    /// Holds what is given, if it is needed.
    pub(super) fn put(&mut self, value: Value, read: impl Fn(&mut Map)) {
        if self.order.is_made(value) {
            let mut map = self.map(self.graph.node(value).shape);
            read(&mut map);
            self.maps.insert(value, map);
        }
    }

    /// Memory for a value.
    fn map(&mut self, shape: Shape) -> Map {
        self.buffers.map(shape).unless(self.cancel)
    }

    /// Makes a value, if it is needed and not made with its reader.
    fn make(&mut self, value: Value) {
        if self.order.is_made(value) {
            if self.maps.contains_key(&value) {
                return self.release_reads(value);
            }
            let mut made = self.map(self.graph.node(value).shape);
            match &self.graph.node(value).op {
                Op::Training(TrainingOperation::AttentionGradient(op)) => {
                    let of_table = self.of_table(value);
                    let mut table = of_table.map(|table| self.buffers.map(self.graph.node(table).shape));
                    let wanted = Wanted { inputs: Some(&mut made), table: table.as_mut() };
                    self.attention_gradient(op, &self.graph.node(value).inputs, wanted);
                    self.maps.extend(of_table.zip(table));
                }
                Op::Training(TrainingOperation::Conv2dWeightGradient(op)) => {
                    let inputs = &self.graph.node(value).inputs;
                    let [x, g] = [inputs[0], inputs[1]].map(|input| self.graph.node(input).shape);
                    let mut sums = self.buffers.map(conv2d_weight_gradient::scratch(op, x, g));
                    let [x, g] = [inputs[0], inputs[1]].map(|input| self.get(input));
                    conv2d_weight_gradient::conv2d_weight_gradient(op, x, g, &mut sums, &mut made);
                    self.buffers.give_back(sums);
                }
                _ => self.evaluate(value, &mut made),
            }
            self.maps.insert(value, made);
            self.release_reads(value);
        }
    }

    /// Notes what was read to make a value.
    fn release_reads(&mut self, value: Value) {
        self.order.reads(self.graph, value).into_iter().for_each(|read| self.release(read));
    }

    /// Writes what the value's node makes of its inputs.
    fn evaluate(&self, value: Value, y: &mut Map) {
        let node = self.graph.node(value);
        let x = || self.get(node.inputs[0]);
        match &node.op {
            Op::Input(_) | Op::Constant(_) | Op::Parameter(_) => unreachable!("given, not computed"),
            Op::Weight(op) => weight::weight(op, &self.all(&node.inputs), y),
            Op::Training(op) => self.train(op, value, y),
            Op::Conv2d(_) | Op::MaskedConv2d(_) | Op::Slice(_) | Op::Activation(_) | Op::Binary(_) => {
                self.expression(value).evaluate(y);
            }
            Op::ConvTranspose2d(op) => {
                conv_transpose2d::conv_transpose2d(op, self.weights(&node.inputs[1..]), x(), y)
            }
            Op::Concat(_) => concat::concat(&self.all(&node.inputs), y),
            Op::AveragePool(op) => pool::average_pool(op, x(), y),
            Op::MaxPool(op) => pool::max_pool(op, x(), y),
            Op::AdaptiveMaxPool(op) => pool::adaptive_max_pool(op, x(), y),
            Op::GlobalPool(op) => pool::global_pool(op, x(), y),
            Op::PixelShuffle(op) => pixel_shuffle::pixel_shuffle(op, x(), y),
            Op::PixelUnshuffle(op) => pixel_shuffle::pixel_unshuffle(op, x(), y),
            Op::Resize(op) => resize::resize(op, x(), y),
            Op::ResizeTo(op) => resize::resize_to(op, x(), y),
            Op::LayerNorm(op) => {
                layer_norm::layer_norm(op, [1, 2].map(|at| self.numbers(node.inputs[at])), x(), y)
            }
            Op::Attention(op) => {
                attention::attention(op, node.inputs.get(1).map_or(&[], |table| self.numbers(*table)), x(), y)
            }
            Op::ChannelAttention(op) => {
                let of_picture = [0, 1, 2].map(|at| self.get(node.inputs[at]));
                channel_attention::channel_attention(op, self.numbers(node.inputs[3]), of_picture, y);
            }
            Op::Canvas(_) => canvas::canvas(x(), y),
            Op::Unfold(op) => unfold::unfold(op, x(), y),
            Op::Fold(op) => unfold::fold(op, x(), y),
            Op::SpatialMask(_) => spatial_mask::spatial_mask(x(), y),
        }
    }

    /// The same of a node that only training has.
    fn train(&self, op: &TrainingOperation, value: Value, y: &mut Map) {
        let inputs = &self.graph.node(value).inputs;
        let at = |input: usize| self.get(inputs[input]);
        match op {
            TrainingOperation::Loss(op) => loss::loss(*op, at(0), at(1), y),
            TrainingOperation::Sum(Axes::CHANNELS) => {
                self.operand(inputs[0]).sum_channels(self.graph.node(inputs[0]).shape, y);
            }
            TrainingOperation::Sum(axes) => sum::sum(*axes, at(0), y),
            TrainingOperation::Broadcast { .. } => sum::broadcast(at(0), y),
            TrainingOperation::PadChannels { before, .. } => sum::pad_channels(*before, at(0), y),
            TrainingOperation::ActivationGradient(_) | TrainingOperation::LossGradient(_) => {
                self.expression(value).evaluate(y);
            }
            TrainingOperation::Conv2dWeightGradient(_) => unreachable!("made with memory for its sums"),
            TrainingOperation::Blur => blur::blur(false, at(0), y),
            TrainingOperation::BlurGradient => blur::blur(true, at(0), y),
            TrainingOperation::MaxPoolGradient(op) => {
                max_pool_gradient::max_pool_gradient(op, at(0), at(1), y)
            }
            TrainingOperation::ResizeGradient { kind, .. } => {
                resize_gradient::resize_gradient(*kind, at(0), y)
            }
            TrainingOperation::LayerNormGradient { epsilon } => {
                layer_norm_gradient::layer_norm_gradient(*epsilon, self.numbers(inputs[2]), at(0), at(1), y)
            }
            TrainingOperation::Sparsestmax => sparsestmax::sparsestmax(at(0), at(1), y),
            TrainingOperation::SparsestmaxGradient => {
                sparsestmax::sparsestmax_gradient(at(0), at(1), at(2), y);
            }
            TrainingOperation::AttentionGradient(_) => unreachable!("made with its table's gradient"),
            TrainingOperation::AttentionTableGradient(op) => {
                self.attention_gradient(op, inputs, Wanted { inputs: None, table: Some(y) });
            }
        }
    }

    fn attention_gradient(&self, op: &Attention, inputs: &[Value], wanted: Wanted<'_>) {
        let table = inputs.get(2).map_or(&[][..], |table| self.numbers(*table));
        let [x, g] = [inputs[0], inputs[1]].map(|input| self.get(input));
        attention_gradient::attention_gradient(op, table, x, g, wanted);
    }

    /// The gradient of attention's table that can be made with that of its other inputs.
    fn of_table(&self, value: Value) -> Option<Value> {
        let (next, node) = self.graph.values().nth(value.index() + 1)?;
        let is_own = matches!(node.op, Op::Training(TrainingOperation::AttentionTableGradient(_)));
        let is_same = node.inputs == self.graph.node(value).inputs;
        (is_own && is_same && self.order.is_made(next)).then_some(next)
    }

    /// A node that is made unit by unit, with the nodes before it that are made on the way.
    fn expression(&self, value: Value) -> Expression<'_> {
        let Node { op, inputs, shape, .. } = self.graph.node(value);
        let operand = |input: Value| self.operand(input);
        match op {
            Op::Conv2d(_) => self.convolution(value),
            Op::Slice(_) if self.order.is_with_reader(inputs[0]) => self.convolution(value),
            Op::Slice(op) => Expression::Part(self.get(inputs[0]), op.start),
            Op::MaskedConv2d(op) => {
                let [x, mask] = [inputs[0], inputs[1]].map(|input| self.get(input));
                Expression::Masked(masked_conv2d::MaskedConvolution::new(
                    op,
                    self.weights(&inputs[2..]),
                    x,
                    mask,
                ))
            }
            Op::Activation(op) => {
                let slopes = inputs.get(1).map_or(&[][..], |slopes| self.numbers(*slopes));
                Expression::Activated(op, slopes, Box::new(operand(inputs[0])))
            }
            Op::Binary(Binary { kind }) => Expression::Combined(
                Combination::Binary(*kind),
                Box::new([inputs[0], inputs[1]].map(operand)),
            ),
            Op::Training(TrainingOperation::ActivationGradient(op)) => {
                let slopes = inputs.get(2).map_or(&[][..], |slopes| self.numbers(*slopes));
                let combination = Combination::ActivationGradient(op, slopes);
                Expression::Combined(combination, Box::new([inputs[0], inputs[1]].map(operand)))
            }
            Op::Training(TrainingOperation::LossGradient(loss)) => {
                let factor = self.get(inputs[2]).values()[0] / shape.len() as f32;
                let combination = Combination::LossGradient(*loss, factor);
                Expression::Combined(combination, Box::new([inputs[0], inputs[1]].map(operand)))
            }
            _ => unreachable!("not made unit by unit"),
        }
    }

    /// What a node that is made unit by unit reads, or is made of.
    fn operand(&self, input: Value) -> Expression<'_> {
        match self.order.is_with_reader(input) {
            true => self.expression(input),
            false => Expression::Read(self.get(input)),
        }
    }

    /// The values whose channels a convolution takes side by side.
    fn side_by_side<'v>(&'v self, input: &'v Value) -> &'v [Value] {
        match self.order.is_with_reader(*input) {
            true => &self.graph.node(*input).inputs,
            false => std::slice::from_ref(input),
        }
    }

    /// The convolution that a value is, or some of whose outputs it is, and which of them.
    fn convolved(&self, value: Value) -> (&Conv2d, &[Value], Range<usize>) {
        let Node { op, inputs, shape, .. } = self.graph.node(value);
        match op {
            Op::Conv2d(op) => (op, inputs, 0..shape.channels),
            Op::Slice(slice) => {
                let (op, inputs, _) = self.convolved(inputs[0]);
                (op, inputs, slice.start..slice.start + slice.channels)
            }
            _ => unreachable!("a convolution, or some channels of one"),
        }
    }

    fn convolution(&self, value: Value) -> Expression<'_> {
        let (op, inputs, _) = self.convolved(value);
        let packed = self.common.and_then(|common| common.sums.get(&value));
        let sums = packed.map_or_else(|| Cow::Owned(self.sums(value)), Cow::Borrowed);
        let maps = self.all(self.side_by_side(&inputs[0]));
        Expression::Convolution(Convolution::new(op, sums, maps, self.graph.node(value).shape))
    }

    /// A convolution's numbers.
    fn sums(&self, value: Value) -> Sums {
        let (op, inputs, outputs) = self.convolved(value);
        let maps = self.side_by_side(&inputs[0]).iter();
        let channels: Vec<usize> = maps.map(|map| self.graph.node(*map).shape.channels).collect();
        Sums::new(op, self.weights(&inputs[1..]), &channels, outputs, self.way)
    }

    /// A weight and, if there is one, a bias.
    fn weights(&self, values: &[Value]) -> Weights<'_> {
        let weight = match self.graph.parameter(values[0]) {
            Some((id, start)) => Weight::of_parameter(self.parameters.get(id), start),
            None => Weight::of_map(self.get(values[0])),
        };
        Weights { weight, bias: values.get(1).map(|bias| self.numbers(*bias)) }
    }

    /// Those of a value along one of its axes, or two: they have the same order everywhere.
    fn numbers(&self, value: Value) -> &[f32] {
        match self.graph.parameter(value) {
            Some((id, start)) => &self.parameters.get(id).values()[start..],
            None => self.get(value).values(),
        }
    }

    fn all(&self, values: &[Value]) -> Vec<&Map> {
        values.iter().map(|value| self.get(*value)).collect()
    }

    pub(super) fn get(&self, value: Value) -> &Map {
        let common = || self.common?.maps.get(&value);
        self.maps.get(&value).or_else(common).expect("a value is held until its last use")
    }

    /// Notes a use. What others made stays.
    pub(super) fn release(&mut self, value: Value) {
        if self.order.is_last_read(value)
            && let Some(map) = self.maps.remove(&value)
        {
            self.buffers.give_back(map);
        }
    }

    /// What the graph is for.
    pub(super) fn take_outputs(&mut self) -> Vec<Tensor> {
        let graph = self.graph;
        graph.outputs().iter().map(|output| self.take(output.value, Map::to_tensor)).collect()
    }

    /// A use that wants the numbers in another order.
    pub(super) fn take<T>(&mut self, value: Value, ordered: impl Fn(&Map) -> T) -> T {
        let taken = ordered(self.get(value));
        self.release(value);
        taken
    }
}

/// A parameter as activations are.
fn as_tensor(numbers: &Parameter, shape: Shape) -> Tensor {
    Tensor::new(shape, numbers.values().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{diamond, picture};
    use super::*;

    #[test]
    fn only_values_with_uses_left_are_held() {
        let (graph, parameters, [x, once, twice, _]) = diamond();
        let mut buffers = Buffers::default();
        let mut held = Held::new(&graph, &parameters, Order::new(&graph, &[once]), &mut buffers);
        held.put(x, |map| map.read(&picture()));
        for (value, expected) in graph.values().skip(1).zip([vec![once], vec![once], vec![once], vec![once]])
        {
            held.make(value.0);
            let mut found: Vec<Value> = held.maps.keys().copied().collect();
            found.retain(|value| *value != graph.output());
            assert_eq!(found, expected, "{value:?}");
        }
        assert!(!held.maps.contains_key(&twice), "made with the sum");
    }
}
