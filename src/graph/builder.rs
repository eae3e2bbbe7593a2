//! Appends nodes to a graph: one method an operator.

use super::{
    Activation, AveragePool, Binary, BinaryKind, Concat, Constant, Conv2d, ConvTranspose2d, GlobalPool,
    GlobalPoolKind, Graph, Input, MaskedConv2d, Node, Op, PixelShuffle, Resize, ResizeKind, ResizeTo, Slice,
    SpatialMask, Value,
};
use crate::error::Result;
use crate::tensor::{Shape, Tensor};

/// Builds a [`Graph`] for one input shape. Every method names its node by the checkpoint's path, infers the
/// shape, and refuses inputs that do not fit with [`Error::Shape`](crate::Error::Shape).
#[derive(Debug)]
pub struct Builder {
    name: String,
    range: f32,
    nodes: Vec<Node>,
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
        (Self { name: name.into(), range, nodes: vec![node] }, Value(0))
    }

    /// The graph that ends in `output`.
    pub fn finish(self, output: Value) -> Graph {
        Graph { name: self.name, range: self.range, nodes: self.nodes, output }
    }

    /// The shape of a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.nodes[value.index()].shape
    }

    /// Convolution.
    pub fn conv2d(&mut self, name: impl Into<String>, x: Value, op: Conv2d) -> Result<Value> {
        self.append(name, Op::Conv2d(op), &[x])
    }

    /// Convolution whose sparse channels live where `mask` is set.
    pub fn masked_conv2d(
        &mut self,
        name: impl Into<String>,
        x: Value,
        mask: Value,
        op: MaskedConv2d,
    ) -> Result<Value> {
        self.append(name, Op::MaskedConv2d(op), &[x, mask])
    }

    /// Transposed convolution.
    pub fn conv_transpose2d(
        &mut self,
        name: impl Into<String>,
        x: Value,
        op: ConvTranspose2d,
    ) -> Result<Value> {
        self.append(name, Op::ConvTranspose2d(op), &[x])
    }

    /// A pointwise function.
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
        self.append(name, Op::GlobalPool(GlobalPool { kind }), &[x])
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
        self.append(name, Op::Resize(Resize { kind, scale }), &[x])
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

    /// Two logits a pixel → 0 or 1.
    pub fn spatial_mask(&mut self, name: impl Into<String>, logits: Value) -> Result<Value> {
        self.append(name, Op::SpatialMask(SpatialMask), &[logits])
    }

    /// Appends any operation.
    pub fn append(&mut self, name: impl Into<String>, op: Op, inputs: &[Value]) -> Result<Value> {
        let name = name.into();
        let shapes: Vec<Shape> = inputs.iter().map(|input| self.shape(*input)).collect();
        let shape = op.infer(&name, &shapes)?;
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), shape });
        Ok(Value(self.nodes.len() as u32 - 1))
    }
}
