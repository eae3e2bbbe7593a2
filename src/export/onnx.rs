//! A network as an ONNX model of operators' version 17: N×3×H×W, RGB in 0 … 1, in and out, of any N, H and W that the network takes.
//!
//! Masks are multiplications: every channel is computed everywhere, and what a mask leaves out is zero.

mod attention;

use super::constants::{fixed, weight};
use super::protobuf::Message;
use super::readers;
use crate::error::{Error, Result};
use crate::graph::{
    Activation, BinaryKind, Conv2d, ConvTranspose2d, GlobalPoolKind, Graph, MaskedConv2d, Node, Op,
    Parameters, ResizeKind, Value,
};
use crate::net::Net;
use crate::tensor::Parameter;

/// The version of operators, and of the file.
const OPERATORS: i64 = 17;
const FILE: i64 = 8;

/// Kinds of numbers.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// The model's bytes.
///
/// # Errors
/// [`Error::Unsupported`] with the node that no operator of ONNX is, and if the network takes a border around pictures.
pub(crate) fn write(net: &Net) -> Result<Vec<u8>> {
    let graph = super::graph(net)?;
    let mut writer =
        Writer { graph: &graph, parameters: net.numbers(), nodes: vec![], tensors: vec![], made: 0 };
    writer.network()?;
    let picture = |name: &str| {
        let free = |name: &str| Message::new().bytes(2, name);
        let sides = ["batch", "", "height", "width"].map(|side| match side {
            "" => Message::new().number(1, 3),
            side if name == "output" => free(&format!("{side}_of_output")),
            side => free(side),
        });
        let shape = sides.iter().fold(Message::new(), |shape, side| shape.message(1, side));
        let tensor = Message::new().number(1, FLOAT).message(2, &shape);
        Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
    };
    let mut body = Message::new().bytes(2, graph.name());
    for node in &writer.nodes {
        body = body.message(1, node);
    }
    for tensor in &writer.tensors {
        body = body.message(5, tensor);
    }
    let body = body.message(11, &picture("input")).message(12, &picture("output"));
    let operators = Message::new().bytes(1, "").number(2, OPERATORS);
    let model = Message::new().number(1, FILE).bytes(2, "sparsr").bytes(3, env!("CARGO_PKG_VERSION"));
    Ok(model.message(7, &body).message(8, &operators).into_bytes())
}

struct Writer<'a> {
    graph: &'a Graph,
    parameters: &'a Parameters,
    nodes: Vec<Message>,
    tensors: Vec<Message>,
    /// Names that were made for what is between.
    made: usize,
}

/// What is said of a node besides its inputs.
#[derive(Clone)]
enum Attribute<'a> {
    Float(&'a str, f32),
    Int(&'a str, i64),
    Ints(&'a str, Vec<i64>),
    Text(&'a str, &'a str),
}

use Attribute::{Float, Int, Ints, Text};

impl Attribute<'_> {
    fn message(&self) -> Message {
        match self {
            Float(name, number) => Message::new().bytes(1, name).float(2, *number).number(20, 1),
            Int(name, number) => Message::new().bytes(1, name).number(3, *number).number(20, 2),
            Text(name, text) => Message::new().bytes(1, name).bytes(4, text).number(20, 3),
            Ints(name, numbers) => {
                Message::new().bytes(1, name).numbers(8, numbers.iter().copied()).number(20, 7)
            }
        }
    }
}

impl Writer<'_> {
    fn network(&mut self) -> Result<()> {
        let (graph, range) = (self.graph, self.graph.range());
        let readers = readers(graph);
        let white = self.numbers(&[], &[range]);
        self.node("Mul", &["input", &white], &name(graph.input()), &[]);
        for (value, node) in graph.values().skip(1).filter(|(value, _)| readers[value.index()] > 0) {
            self.operator(node, &name(value))?;
        }
        let share = self.numbers(&[], &[1.0 / range]);
        self.node("Mul", &[&name(graph.output()), &share], "output", &[]);
        Ok(())
    }

    fn operator(&mut self, node: &Node, to: &str) -> Result<()> {
        let inputs: Vec<String> = node.inputs.iter().map(|input| name(*input)).collect();
        let x = inputs.first().map_or("", String::as_str);
        match &node.op {
            Op::Conv2d(op) => return self.convolution(node, op, to),
            Op::MaskedConv2d(op) => return self.masked(node, op, to),
            Op::ConvTranspose2d(op) => return self.transposed(node, op, to),
            Op::Activation(op) => return self.activation(node, op, to),
            Op::Attention(op) => return self.attention(node, op, to),
            Op::Binary(op) => {
                let kind = match op.kind {
                    BinaryKind::Add => "Add",
                    BinaryKind::Subtract => "Sub",
                    BinaryKind::Multiply => "Mul",
                    BinaryKind::Divide => "Div",
                };
                let second = match fixed(self.graph, self.parameters, node.inputs[1]) {
                    Some(numbers) => self.numbers(&[numbers.len(), 1, 1], &numbers),
                    None => inputs[1].clone(),
                };
                self.node(kind, &[x, &second], to, &[]);
            }
            Op::Concat(_) => {
                let parts: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.node("Concat", &parts, to, &[Int("axis", 1)]);
            }
            Op::Slice(op) => self.slice(x, 1, [op.start, op.start + op.channels], to),
            Op::AveragePool(op) => {
                let side = vec![op.size as i64; 2];
                self.node(
                    "AveragePool",
                    &[x],
                    to,
                    &[Ints("kernel_shape", side.clone()), Ints("strides", side)],
                );
            }
            Op::MaxPool(op) => {
                let [size, stride] = [op.size, op.stride].map(|side| vec![side as i64; 2]);
                self.node("MaxPool", &[x], to, &[Ints("kernel_shape", size), Ints("strides", stride)]);
            }
            Op::GlobalPool(op) if op.margin == [0; 2] => self.global_pool(x, op.kind, to),
            Op::PixelShuffle(op) => {
                let attributes = [Int("blocksize", op.scale as i64), Text("mode", "CRD")];
                self.node("DepthToSpace", &[x], to, &attributes);
            }
            Op::PixelUnshuffle(op) => {
                // `SpaceToDepth` has another order of channels: each goes through a kernel for every place.
                let (side, groups) = (op.scale, self.graph.node(node.inputs[0]).shape.channels);
                let places = side * side;
                let one = |at: usize| f32::from(u8::from(at / places % places == at % places));
                let ones: Vec<f32> = (0..groups * places * places).map(one).collect();
                let weights = Parameter::new([groups * places, 1, side, side], ones);
                let op = Conv2d { kernel: side, stride: side, padding: 0, groups };
                self.conv(x, &weights, "", &op, to);
            }
            Op::Resize(op) => {
                let (mode, attributes) = resizing(op.kind);
                let scale = op.scale as f32 / op.below as f32;
                let scales = self.numbers(&[4], &[1.0, 1.0, scale, scale]);
                self.node("Resize", &[x, "", &scales], to, &[&[mode][..], &attributes].concat());
            }
            Op::ResizeTo(op) => {
                let (mode, attributes) = resizing(op.kind);
                let [own, like] = [x, inputs[1].as_str()].map(|value| self.between("Shape", &[value], &[]));
                let [channels, sides] = [self.sliced(&own, 0, [0, 2]), self.sliced(&like, 0, [2, 4])];
                let sizes = self.between("Concat", &[&channels, &sides], &[Int("axis", 0)]);
                self.node("Resize", &[x, "", "", &sizes], to, &[&[mode][..], &attributes].concat());
            }
            Op::LayerNorm(op) => {
                let parts = [1, 2].map(|at| weight(self.graph, self.parameters, node, at));
                let [scale, bias] = parts;
                let [scale, bias] =
                    [scale?, bias?].map(|part| self.numbers(&[part.values().len()], part.values()));
                let last = self.between("Transpose", &[x], &[Ints("perm", vec![0, 2, 3, 1])]);
                let attributes = [Int("axis", -1), Float("epsilon", op.epsilon)];
                let normal = self.between("LayerNormalization", &[&last, &scale, &bias], &attributes);
                self.node("Transpose", &[&normal], to, &[Ints("perm", vec![0, 3, 1, 2])]);
            }
            Op::SpatialMask(_) => {
                let [off, on] = [0, 1].map(|at| self.sliced(x, 1, [at, at + 1]));
                let is_set = self.between("Greater", &[&on, &off], &[]);
                self.node("Cast", &[&is_set], to, &[Int("to", FLOAT)]);
            }
            _ => return Err(refused(node)),
        }
        Ok(())
    }

    fn convolution(&mut self, node: &Node, op: &Conv2d, to: &str) -> Result<()> {
        let weights = weight(self.graph, self.parameters, node, 1)?;
        let bias = self.bias(node, 2)?;
        self.conv(&name(node.inputs[0]), &weights, &bias, op, to);
        Ok(())
    }

    /// `bias` is empty where there is none.
    fn conv(&mut self, x: &str, weights: &Parameter, bias: &str, op: &Conv2d, to: &str) {
        let Conv2d { kernel, stride, padding, groups } = *op;
        let attributes = [
            Ints("kernel_shape", vec![kernel as i64; 2]),
            Ints("strides", vec![stride as i64; 2]),
            Ints("pads", vec![padding as i64; 4]),
            Int("group", groups as i64),
        ];
        let weights = self.numbers(weights.dims(), weights.values());
        let inputs = [x, &weights, bias];
        self.node("Conv", if bias.is_empty() { &inputs[..2] } else { &inputs }, to, &attributes);
    }

    /// `y = G · (bias + conv(dense inputs)) + M · conv(sparse inputs)`, G being 1 for dense outputs and M for the others.
    fn masked(&mut self, node: &Node, op: &MaskedConv2d, to: &str) -> Result<()> {
        let weights = weight(self.graph, self.parameters, node, 2)?;
        let &[outputs, inputs, kernel, _] = weights.dims() else { return Err(refused(node)) };
        let ([x, mask], dense) = ([0, 1].map(|at| name(node.inputs[at])), op.dense_inputs);
        let bias = match node.inputs.len() > 3 {
            true => weight(self.graph, self.parameters, node, 3)?.values().to_vec(),
            false => vec![0.0; outputs],
        };
        let flags: Vec<f32> = (0..outputs).map(|o| f32::from(u8::from(o < op.dense_outputs))).collect();
        let flags = self.numbers(&[outputs, 1, 1], &flags);
        let gate = self.between("Max", &[&mask, &flags], &[]);
        let same = Conv2d::same(kernel);
        let of_dense = if dense == 0 {
            self.numbers(&[outputs, 1, 1], &bias)
        } else {
            let (part, bias) = (self.sliced(&x, 1, [0, dense]), self.numbers(&[outputs], &bias));
            let made = self.new_name();
            self.conv(&part, &weights.inputs(0..dense), &bias, &same, &made);
            made
        };
        if dense == inputs {
            self.node("Mul", &[&gate, &of_dense], to, &[]);
            return Ok(());
        }
        let of_dense = self.between("Mul", &[&gate, &of_dense], &[]);
        let (part, made) = (self.sliced(&x, 1, [dense, inputs]), self.new_name());
        self.conv(&part, &weights.inputs(dense..inputs), "", &same, &made);
        let of_sparse = self.between("Mul", &[&made, &mask], &[]);
        self.node("Add", &[&of_dense, &of_sparse], to, &[]);
        Ok(())
    }

    fn transposed(&mut self, node: &Node, op: &ConvTranspose2d, to: &str) -> Result<()> {
        let weights = weight(self.graph, self.parameters, node, 1)?;
        let bias = self.bias(node, 2)?;
        let ConvTranspose2d { kernel, stride, padding, output_padding } = *op;
        let attributes = [
            Ints("kernel_shape", vec![kernel as i64; 2]),
            Ints("strides", vec![stride as i64; 2]),
            Ints("pads", vec![padding as i64; 4]),
            Ints("output_padding", vec![output_padding as i64; 2]),
        ];
        let weights = self.numbers(weights.dims(), weights.values());
        let x = name(node.inputs[0]);
        let inputs = [x.as_str(), &weights, &bias];
        self.node("ConvTranspose", if bias.is_empty() { &inputs[..2] } else { &inputs }, to, &attributes);
        Ok(())
    }

    /// The bias that stands among a node's inputs, if one does.
    fn bias(&mut self, node: &Node, input: usize) -> Result<String> {
        if node.inputs.len() <= input {
            return Ok(String::new());
        }
        let bias = weight(self.graph, self.parameters, node, input)?;
        Ok(self.numbers(&[bias.values().len()], bias.values()))
    }

    fn activation(&mut self, node: &Node, op: &Activation, to: &str) -> Result<()> {
        let x = &name(node.inputs[0]);
        match op {
            Activation::Relu => self.node("Relu", &[x], to, &[]),
            Activation::Sigmoid => self.node("Sigmoid", &[x], to, &[]),
            Activation::Tanh => self.node("Tanh", &[x], to, &[]),
            Activation::LeakyRelu { slope } => self.node("LeakyRelu", &[x], to, &[Float("alpha", *slope)]),
            Activation::Silu => {
                let gate = self.between("Sigmoid", &[x], &[]);
                self.node("Mul", &[x, &gate], to, &[]);
            }
            Activation::Gelu => {
                let [root, one, half] = [2.0_f32.sqrt(), 1.0, 0.5].map(|number| self.numbers(&[], &[number]));
                let share = self.between("Div", &[x, &root], &[]);
                let error = self.between("Erf", &[&share], &[]);
                let more = self.between("Add", &[&error, &one], &[]);
                let twice = self.between("Mul", &[x, &more], &[]);
                self.node("Mul", &[&twice, &half], to, &[]);
            }
            Activation::Prelu => {
                let slopes = weight(self.graph, self.parameters, node, 1)?;
                let slopes = self.numbers(&[slopes.values().len(), 1, 1], slopes.values());
                self.node("PRelu", &[x, &slopes], to, &[]);
            }
        }
        Ok(())
    }

    fn global_pool(&mut self, x: &str, kind: GlobalPoolKind, to: &str) {
        match kind {
            GlobalPoolKind::Mean => self.node("GlobalAveragePool", &[x], to, &[]),
            GlobalPoolKind::Norm => self.node("ReduceL2", &[x], to, &[Ints("axes", vec![2, 3])]),
            GlobalPoolKind::Deviation => {
                let mean = self.between("GlobalAveragePool", &[x], &[]);
                let apart = self.between("Sub", &[x, &mean], &[]);
                let square = self.between("Mul", &[&apart, &apart], &[]);
                let variance = self.between("GlobalAveragePool", &[&square], &[]);
                self.node("Sqrt", &[&variance], to, &[]);
            }
        }
    }

    /// Some neighbours along an axis.
    fn slice(&mut self, x: &str, axis: i64, range: [usize; 2], to: &str) {
        let [start, end] = range.map(|place| self.ints(&[place as i64]));
        let axis = self.ints(&[axis]);
        self.node("Slice", &[x, &start, &end, &axis], to, &[]);
    }

    fn sliced(&mut self, x: &str, axis: i64, range: [usize; 2]) -> String {
        let made = self.new_name();
        self.slice(x, axis, range, &made);
        made
    }

    /// A node whose value has a name of its own.
    fn between(&mut self, operator: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        let made = self.new_name();
        self.node(operator, inputs, &made, attributes);
        made
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute<'_>]) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.bytes(1, input));
        let node = node.bytes(2, output).bytes(4, operator);
        self.nodes
            .push(attributes.iter().fold(node, |node, attribute| node.message(5, &attribute.message())));
    }

    fn numbers(&mut self, dims: &[usize], numbers: &[f32]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(dims, FLOAT, &bytes)
    }

    fn ints(&mut self, numbers: &[i64]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(&[numbers.len()], INT64, &bytes)
    }

    fn tensor(&mut self, dims: &[usize], kind: i64, bytes: &[u8]) -> String {
        let name = self.new_name();
        let tensor = Message::new().numbers(1, dims.iter().map(|side| *side as i64)).number(2, kind);
        self.tensors.push(tensor.bytes(8, &name).bytes(9, bytes));
        name
    }

    fn new_name(&mut self) -> String {
        self.made += 1;
        format!("n{}", self.made)
    }
}

/// What a value is called.
fn name(value: Value) -> String {
    format!("v{}", value.index())
}

/// How pixels in between are found, and how their places.
fn resizing(kind: ResizeKind) -> (Attribute<'static>, Vec<Attribute<'static>>) {
    let place = |place| Text("coordinate_transformation_mode", place);
    match kind {
        ResizeKind::Nearest => {
            (Text("mode", "nearest"), vec![place("asymmetric"), Text("nearest_mode", "floor")])
        }
        ResizeKind::Bilinear => (Text("mode", "linear"), vec![place("half_pixel")]),
        ResizeKind::BilinearCorners => (Text("mode", "linear"), vec![place("align_corners")]),
        ResizeKind::Bicubic => {
            (Text("mode", "cubic"), vec![place("half_pixel"), Float("cubic_coeff_a", -0.75)])
        }
    }
}

fn refused(node: &Node) -> Error {
    let operator = node.op.operator().name();
    Error::Unsupported(format!("{}: ONNX has no operator for {operator} as it is used here", node.name))
}
