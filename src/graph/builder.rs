//! Appends nodes to a graph: one method an operator.

use std::collections::HashMap;

use super::value::Maker;
use super::{
    Activation, AveragePool, Binary, BinaryKind, Concat, Constant, Conv2d, ConvTranspose2d, Criterion,
    GlobalPool, GlobalPoolKind, Goal, Graph, Input, MaskedConv2d, Node, Op, Output, ParameterId,
    ParameterValue, Parameters, PixelShuffle, Resize, ResizeKind, ResizeTo, Slice, SpatialMask, Value,
    WeightOperation,
};
use crate::error::{Error, Result};
use crate::tensor::{Parameter, Shape, Tensor};

/// Builds a [`Graph`] for one input shape. Every method names its node by the checkpoint's path, infers the
/// shape, and refuses inputs that do not fit with [`Error::Shape`](crate::Error::Shape).
#[derive(Debug)]
pub struct Builder {
    name: String,
    range: f32,
    nodes: Vec<Node>,
    parameters: Parameters,
    named: HashMap<String, (Value, ParameterId)>,
    maker: Maker,
    /// Nodes of the graph that it goes on behind.
    given: usize,
}

/// A convolution's weight and, if it has one, its bias.
#[derive(Clone, Copy, Debug)]
pub struct Weighted {
    /// The weight.
    pub weight: Value,
    /// A number an output channel.
    pub bias: Option<Value>,
}

impl Weighted {
    fn values(self) -> Vec<Value> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }
}

impl From<Value> for Weighted {
    /// A weight alone.
    fn from(weight: Value) -> Self {
        Self { weight, bias: None }
    }
}

impl From<[Value; 2]> for Weighted {
    /// Weight and bias.
    fn from([weight, bias]: [Value; 2]) -> Self {
        Self { weight, bias: Some(bias) }
    }
}

impl Builder {
    /// A graph called `name` for pictures of `input`'s shape whose white is `range`; the picture is the
    /// value that comes back.
    pub fn new(name: impl Into<String>, input: Shape, range: f32) -> (Self, Value) {
        let node = Node {
            name: "input".into(),
            op: Op::Input(Input { shape: input }),
            inputs: vec![],
            shape: input,
        };
        let b = Self::behind_nodes(name.into(), range, vec![node], 0);
        let input = b.last();
        (b, input)
    }

    /// Goes on behind the nodes of a graph. Numbers of parameters that it has already stay where they are.
    pub fn behind(graph: &Graph) -> Self {
        let Graph { name, range, nodes, .. } = graph.clone();
        let given = nodes.len();
        Self::behind_nodes(name, range, nodes, given)
    }

    /// Behind nodes, of which the first are another's.
    fn behind_nodes(name: String, range: f32, nodes: Vec<Node>, given: usize) -> Self {
        let (parameters, named) = (Parameters::new(), HashMap::new());
        Self { name, range, nodes, parameters, named, maker: Maker::new(), given }
    }

    /// The graph without outputs yet.
    pub(super) fn into_graph(self) -> Graph {
        Graph { name: self.name, range: self.range, nodes: self.nodes, outputs: vec![] }
    }

    /// The graph that ends in `output`, and the numbers of its parameters.
    ///
    /// # Errors
    /// As [`Builder::finish_all`].
    pub fn finish(self, output: Value) -> Result<(Graph, Parameters)> {
        self.finish_all([("output", output)])
    }

    /// The graph with several outputs, each with its name; the first is the picture.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there is none, or one is another builder's; if pictures have no pixel or
    /// no channel, or white is not a number above 0.
    pub fn finish_all<N: Into<String>>(
        self,
        outputs: impl IntoIterator<Item = (N, Value)>,
    ) -> Result<(Graph, Parameters)> {
        if !(self.range.is_finite() && self.range > 0.0) {
            let reason = format!("expected a finite number above 0 for white, found {}", self.range);
            return Err(Error::shape(self.name, reason));
        }
        let Node { name, op, .. } = &self.nodes[0];
        op.infer(name, &[])?;
        let output = |(name, value): (N, Value)| {
            let name = name.into();
            self.checked(&name, value).map(|_| Output { name, value })
        };
        let outputs: Vec<Output> = outputs.into_iter().map(output).collect::<Result<_>>()?;
        if outputs.is_empty() {
            return Err(Error::shape(self.name, "expected at least one output, found none"));
        }
        let Self { name, range, nodes, parameters, .. } = self;
        Ok((Graph { name, range, nodes, outputs }, parameters))
    }

    /// Learned numbers: a convolution's weight `[out, in, k, k]`, a bias or a slope `[channels]`, a linear layer's
    /// `[out, in]`. Under one name there are the same numbers; whoever asks again gets the same value.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are others of that name, or more than four axes.
    pub fn parameter(&mut self, name: impl Into<String>, numbers: &Parameter) -> Result<Value> {
        let name = name.into();
        if let Some((value, id)) = self.named.get(&name) {
            let same = self.parameters.is(*id, numbers);
            let message = "expected one parameter of this name, found two with other numbers or axes";
            return if same { Ok(*value) } else { Err(Error::shape(name, message)) };
        }
        let (id, shape) = self.parameters.add(name.clone(), numbers)?;
        let value = self.append(name.clone(), Op::Parameter(ParameterValue { id, shape }), &[])?;
        self.named.insert(name, (value, id));
        Ok(value)
    }

    /// The shape of a value. That of another builder's is nothing, 0x0x0x0, of which nothing can be made.
    pub fn shape(&self, value: Value) -> Shape {
        self.own(value).map_or(Shape::new(0, 0, 0, 0), |node| node.shape)
    }

    /// The node of a value that is one of this builder's, or of the graph that it goes on behind.
    fn own(&self, value: Value) -> Option<&Node> {
        self.nodes.get(value.index()).filter(|_| value.index() < self.given || value.is_by(self.maker))
    }

    /// The shape of a value that `name` reads.
    fn checked(&self, name: &str, value: Value) -> Result<Shape> {
        let refused = || {
            let found = format!("value {} of another", value.index());
            Error::shape(name, format!("expected a value of this builder, found {found}"))
        };
        self.own(value).map(|node| node.shape).ok_or_else(refused)
    }

    /// What was appended last.
    fn last(&self) -> Value {
        Value::at(self.nodes.len() - 1).by(self.maker)
    }

    /// Convolution of `x` by `weights`: the weight `[out, in / groups, k, k]` and, if there is one, the bias.
    pub fn conv2d(
        &mut self,
        name: impl Into<String>,
        x: Value,
        weights: impl Into<Weighted>,
        op: Conv2d,
    ) -> Result<Value> {
        self.append(name, Op::Conv2d(op), &[&[x], &*weights.into().values()].concat())
    }

    /// Convolution whose sparse channels live where `mask` is set.
    pub fn masked_conv2d(
        &mut self,
        name: impl Into<String>,
        x: Value,
        mask: Value,
        weights: impl Into<Weighted>,
        op: MaskedConv2d,
    ) -> Result<Value> {
        self.append(name, Op::MaskedConv2d(op), &[&[x, mask], &*weights.into().values()].concat())
    }

    /// Transposed convolution of `x` by `weights`: the weight `[in, out, k, k]` and, if there is one, the bias.
    pub fn conv_transpose2d(
        &mut self,
        name: impl Into<String>,
        x: Value,
        weights: impl Into<Weighted>,
        op: ConvTranspose2d,
    ) -> Result<Value> {
        self.append(name, Op::ConvTranspose2d(op), &[&[x], &*weights.into().values()].concat())
    }

    /// Leaky ReLU with learned slopes, a number a channel or one for all.
    pub fn prelu(&mut self, name: impl Into<String>, x: Value, slopes: Value) -> Result<Value> {
        self.append(name, Op::Activation(Activation::Prelu), &[x, slopes])
    }

    /// Something done to weights.
    pub fn weight(
        &mut self,
        name: impl Into<String>,
        op: WeightOperation,
        inputs: &[Value],
    ) -> Result<Value> {
        self.append(name, Op::Weight(op), inputs)
    }

    /// A pointwise function without parameters.
    pub fn activation(&mut self, name: impl Into<String>, x: Value, op: Activation) -> Result<Value> {
        self.append(name, Op::Activation(op), &[x])
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, name: impl Into<String>, x: Value) -> Result<Value> {
        self.activation(name, x, Activation::Relu)
    }

    /// `a + b`; `b` may be one pixel or one channel.
    pub fn add(&mut self, name: impl Into<String>, a: Value, b: Value) -> Result<Value> {
        self.binary(name, BinaryKind::Add, a, b)
    }

    /// `a · b`; `b` may be one pixel or one channel.
    pub fn multiply(&mut self, name: impl Into<String>, a: Value, b: Value) -> Result<Value> {
        self.binary(name, BinaryKind::Multiply, a, b)
    }

    /// A sum, product or otherwise of two values; `b` may be one pixel or one channel.
    pub fn binary(&mut self, name: impl Into<String>, kind: BinaryKind, a: Value, b: Value) -> Result<Value> {
        self.append(name, Op::Binary(Binary { kind }), &[a, b])
    }

    /// Fixed numbers.
    pub fn constant(&mut self, name: impl Into<String>, numbers: Tensor) -> Result<Value> {
        self.append(name, Op::Constant(Constant::new(numbers)), &[])
    }

    /// One fixed number, 1×1×1×1.
    pub fn number(&mut self, name: impl Into<String>, number: f32) -> Result<Value> {
        self.constant(name, Tensor::new(Shape::new(1, 1, 1, 1), vec![number]))
    }

    /// Channels one after the other.
    pub fn concat(&mut self, name: impl Into<String>, parts: &[Value]) -> Result<Value> {
        self.append(name, Op::Concat(Concat), parts)
    }

    /// `channels` of them, from `start` on.
    pub fn slice(
        &mut self,
        name: impl Into<String>,
        x: Value,
        start: usize,
        channels: usize,
    ) -> Result<Value> {
        self.append(name, Op::Slice(Slice { start, channels }), &[x])
    }

    /// The mean of every `size`×`size` block.
    pub fn average_pool(&mut self, name: impl Into<String>, x: Value, size: usize) -> Result<Value> {
        self.append(name, Op::AveragePool(AveragePool { size }), &[x])
    }

    /// One number of each channel over all pixels.
    pub fn global_pool(&mut self, name: impl Into<String>, x: Value, kind: GlobalPoolKind) -> Result<Value> {
        self.append(name, Op::GlobalPool(GlobalPool::of_all(kind)), &[x])
    }

    /// The mean over all pixels.
    pub fn global_average_pool(&mut self, name: impl Into<String>, x: Value) -> Result<Value> {
        self.global_pool(name, x, GlobalPoolKind::Mean)
    }

    /// Channels into pixels.
    pub fn pixel_shuffle(&mut self, name: impl Into<String>, x: Value, scale: usize) -> Result<Value> {
        self.append(name, Op::PixelShuffle(PixelShuffle { scale }), &[x])
    }

    /// Interpolation by a whole factor.
    pub fn resize(
        &mut self,
        name: impl Into<String>,
        x: Value,
        kind: ResizeKind,
        scale: usize,
    ) -> Result<Value> {
        self.append(name, Op::Resize(Resize::by(kind, scale)), &[x])
    }

    /// Interpolation to the size of `like`.
    pub fn resize_to(
        &mut self,
        name: impl Into<String>,
        x: Value,
        kind: ResizeKind,
        like: Value,
    ) -> Result<Value> {
        self.append(name, Op::ResizeTo(ResizeTo { kind }), &[x, like])
    }

    /// How far pictures are from what they shall be like: those that the input `target` gives and, where there is a teacher,
    /// those of the input `teacher` behind it.
    ///
    /// # Errors
    /// As [`Builder::losses`].
    pub fn goal(&mut self, name: &str, made: Value, goal: &Goal) -> Result<Value> {
        let input = Op::Input(Input { shape: self.shape(made) });
        let target = self.append("target", input.clone(), &[])?;
        let truth = self.losses(name, made, target, &goal.truth)?;
        if goal.teacher.is_empty() {
            return Ok(truth);
        }
        let teacher = self.append("teacher", input, &[])?;
        let taught = self.losses(&format!("{name}.teacher"), made, teacher, &goal.teacher)?;
        self.add(name, truth, taught)
    }

    /// A weighted sum of criteria: how far what is made is from its target.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if there is none; [`Error::Shape`](crate::Error::Shape) if the
    /// shapes differ, or a criterion has no room in them.
    pub fn losses(
        &mut self,
        name: &str,
        made: Value,
        target: Value,
        losses: &[(impl Into<Criterion> + Copy, f32)],
    ) -> Result<Value> {
        let mut sum = None;
        for (at, (loss, weight)) in losses.iter().enumerate() {
            let own = format!("{name}.{at}");
            let term = (*loss).into().of(self, &own, made, target)?;
            let weight = self.number(format!("{own}.weight"), *weight)?;
            let term = self.multiply(own, term, weight)?;
            sum = Some(match sum {
                None => term,
                Some(sum) => self.add(name, sum, term)?,
            });
        }
        sum.ok_or_else(|| Error::Unsupported(format!("{name}: expected at least one loss, found none")))
    }

    /// Two logits a pixel → 0 or 1.
    pub fn spatial_mask(&mut self, name: impl Into<String>, logits: Value) -> Result<Value> {
        self.append(name, Op::SpatialMask(SpatialMask), &[logits])
    }

    /// Appends any operation.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inputs do not fit, are another builder's, or nothing is made of them.
    pub fn append(&mut self, name: impl Into<String>, op: Op, inputs: &[Value]) -> Result<Value> {
        let name = name.into();
        let shapes = inputs.iter().map(|input| self.checked(&name, *input));
        let shapes = shapes.collect::<Result<Vec<Shape>>>()?;
        let shape = op.infer(&name, &shapes)?;
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), shape });
        Ok(self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_parameter() {
        let numbers = |value| Parameter::new([3], vec![value; 3]);
        let (mut b, _) = Builder::new("names", Shape::new(1, 3, 4, 4), 1.0);
        let first = b.parameter("a", &numbers(1.0)).unwrap();
        assert_eq!(b.parameter("a", &numbers(1.0)).unwrap(), first);
        let message = b.parameter("a", &numbers(2.0)).unwrap_err().to_string();
        assert_eq!(message, "a: expected one parameter of this name, found two with other numbers or axes");
        assert!(b.parameter("a", &Parameter::new([3, 1], vec![1.0; 3])).is_err());
    }
}
