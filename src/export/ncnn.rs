//! A network as ncnn's two files: layers as text, and their numbers. Pictures go in as `data` and come out as `output`, both RGB
//! in 0 … 1.
//!
//! Layers, keys and their order are those that `import/ncnn` reads; numbers are f32.

use super::constants;
use crate::error::{Error, Result};
use crate::graph::{
    Activation, Binary, BinaryKind, Conv2d, ConvTranspose2d, GlobalPool, GlobalPoolKind, Graph, Kind,
    MaxPool, Node, Op, Parameters, Repeats, Resize, ResizeKind, Value,
};
use crate::net::Net;
use crate::tensor::Parameter;

/// The `.param` and the `.bin` of a network.
///
/// # Errors
/// [`Error::Unsupported`] with the node that ncnn has no layer for, and if the network takes a border around pictures.
pub(crate) fn write(net: &Net) -> Result<[Vec<u8>; 2]> {
    let graph = super::graph(net)?;
    let mut writer = Writer::new(&graph, net.numbers());
    writer.network()?;
    let mut text = format!("7767517\n{} {}\n", writer.lines.len(), writer.blobs);
    writer.lines.iter().for_each(|line| text += &format!("{line}\n"));
    Ok([text.into_bytes(), writer.numbers])
}

struct Writer<'a> {
    graph: &'a Graph,
    parameters: &'a Parameters,
    /// Of every value who reads it, those alone that the output hangs on.
    readers: Vec<usize>,
    /// The blobs that it is in and that nobody has read yet.
    names: Vec<Vec<String>>,
    lines: Vec<String>,
    blobs: usize,
    numbers: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph, parameters: &'a Parameters) -> Self {
        let readers = super::readers(graph);
        let count = readers.len();
        let (names, lines, numbers) = (vec![vec![]; count], vec![], vec![]);
        Self { graph, parameters, readers, names, lines, blobs: 0, numbers }
    }

    fn network(&mut self) -> Result<()> {
        let (graph, range) = (self.graph, self.graph.range());
        let picture = graph.input();
        if range == 1.0 {
            self.layer("Input", "data", &[], "", picture);
        } else {
            self.line("Input", "data", &[], "", &["data"]);
            self.line("BinaryOp", "white", &["data"], &format!("0=2 1=1 2={range:e}"), &["picture"]);
            self.made(picture, "picture");
        }
        for (value, node) in graph.values().skip(1) {
            if self.readers[value.index()] > 0 && node.op.operator().kind() != Kind::Source {
                self.node(value, node)?;
            }
        }
        let last = self.read(graph.output());
        let keys = format!("0=2 1=1 2={:e}", 1.0 / range);
        self.line("BinaryOp", "output", &[&last], &keys, &["output"]);
        Ok(())
    }

    fn node(&mut self, value: Value, node: &Node) -> Result<()> {
        let (kind, keys) = match &node.op {
            Op::Conv2d(op) => return self.convolution(value, node, op),
            Op::ConvTranspose2d(op) => return self.deconvolution(value, node, op),
            Op::Activation(Activation::Prelu) => return self.prelu(value, node),
            Op::Binary(op) => return self.binary(value, node, op),
            Op::Activation(op) => activation(op),
            Op::Concat(_) => ("Concat", String::new()),
            Op::Slice(op) => {
                let (start, end) = (op.start, op.start + op.channels);
                ("Crop", format!("-23309=1,{start} -23310=1,{end} -23311=1,0"))
            }
            Op::AveragePool(op) => ("Pooling", format!("0=1 1={0} 2={0} 5=1", op.size)),
            Op::MaxPool(MaxPool { size, stride }) => ("Pooling", format!("0=0 1={size} 2={stride} 5=1")),
            Op::GlobalPool(GlobalPool { kind: GlobalPoolKind::Mean, margin: [0, 0] }) => {
                ("Pooling", "0=1 4=1".into())
            }
            Op::PixelShuffle(op) => ("PixelShuffle", format!("0={}", op.scale)),
            Op::Resize(Resize { kind, scale, below }) => {
                let kind = match kind {
                    ResizeKind::Nearest => 1,
                    ResizeKind::Bilinear => 2,
                    ResizeKind::Bicubic => 3,
                    ResizeKind::BilinearCorners => return Err(refused(node)),
                };
                let scale = *scale as f32 / *below as f32;
                ("Interp", format!("0={kind} 1={scale:e} 2={scale:e}"))
            }
            _ => return Err(refused(node)),
        };
        self.layer(kind, &node.name, &node.inputs, &keys, value);
        Ok(())
    }

    fn convolution(&mut self, value: Value, node: &Node, op: &Conv2d) -> Result<()> {
        let weight = self.weight(node, 1)?;
        let (outputs, count, biased) =
            (weight.dims()[0], weight.values().len(), u8::from(node.inputs.len() > 2));
        let (kind, keys) = if self.graph.node(node.inputs[0]).shape.pixels() == 1 && op.is_pointwise() {
            ("InnerProduct", format!("0={outputs} 1={biased} 2={count}"))
        } else {
            let Conv2d { kernel, stride, padding, groups } = *op;
            let keys = format!("0={outputs} 1={kernel} 3={stride} 4={padding} 5={biased} 6={count}");
            if groups == 1 {
                ("Convolution", keys)
            } else {
                ("ConvolutionDepthWise", format!("{keys} 7={groups}"))
            }
        };
        self.layer(kind, &node.name, &node.inputs[..1], &keys, value);
        self.weight_and_bias(&weight, node)
    }

    fn deconvolution(&mut self, value: Value, node: &Node, op: &ConvTranspose2d) -> Result<()> {
        let weight = self.weight(node, 1)?;
        let (swapped, outputs) = (weight.swapped(), weight.dims()[1]);
        let ConvTranspose2d { kernel, stride, padding, output_padding } = *op;
        let (count, biased) = (swapped.values().len(), u8::from(node.inputs.len() > 2));
        let keys = format!(
            "0={outputs} 1={kernel} 3={stride} 4={padding} 5={biased} 6={count} 18={output_padding} 19={output_padding}"
        );
        self.layer("Deconvolution", &node.name, &node.inputs[..1], &keys, value);
        self.weight_and_bias(&swapped, node)
    }

    fn prelu(&mut self, value: Value, node: &Node) -> Result<()> {
        let slopes = self.weight(node, 1)?;
        let keys = format!("0={}", slopes.values().len());
        self.layer("PReLU", &node.name, &node.inputs[..1], &keys, value);
        self.raw(slopes.values());
        Ok(())
    }

    fn binary(&mut self, value: Value, node: &Node, op: &Binary) -> Result<()> {
        let kind = match op.kind {
            BinaryKind::Add => 0,
            BinaryKind::Subtract => 1,
            BinaryKind::Multiply => 2,
            BinaryKind::Divide => 3,
        };
        let (&[a, b], name) = (&node.inputs[..], &node.name) else { return Err(refused(node)) };
        let Some(numbers) = constants::fixed(self.graph, self.parameters, b) else {
            let shapes = [a, b].map(|value| self.graph.node(value).shape);
            if Binary::repeats(shapes[0], shapes[1]) == Some(Repeats::Channels) && shapes[0].channels > 1 {
                return Err(refused(node));
            }
            self.layer("BinaryOp", name, &[a, b], &format!("0={kind}"), value);
            return Ok(());
        };
        if let [first, others @ ..] = &numbers[..]
            && others.iter().all(|number| number == first)
        {
            self.layer("BinaryOp", name, &[a], &format!("0={kind} 1=1 2={first:e}"), value);
            return Ok(());
        }
        let fixed = format!("fixed_{}", value.index());
        self.line("MemoryData", &fixed, &[], &format!("0=1 1=1 2={}", numbers.len()), &[&fixed]);
        self.raw(&numbers);
        let (a, made) = (self.read(a), blob(value));
        self.line("BinaryOp", name, &[&a, &fixed], &format!("0={kind}"), &[&made]);
        self.made(value, &made);
        Ok(())
    }

    /// The numbers that a node reads as one of its inputs.
    fn weight(&self, node: &Node, input: usize) -> Result<Parameter> {
        constants::weight(self.graph, self.parameters, node, input)
    }

    fn weight_and_bias(&mut self, weight: &Parameter, node: &Node) -> Result<()> {
        self.numbers.extend([0; 4]); // f32 follow
        self.raw(weight.values());
        if node.inputs.len() > 2 {
            let bias = self.weight(node, 2)?;
            self.raw(bias.values());
        }
        Ok(())
    }

    fn raw(&mut self, numbers: &[f32]) {
        self.numbers.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// A line that reads values and makes one.
    fn layer(&mut self, kind: &str, name: &str, inputs: &[Value], keys: &str, value: Value) {
        let inputs: Vec<String> = inputs.iter().map(|input| self.read(*input)).collect();
        let made = if kind == "Input" { "data".to_owned() } else { blob(value) };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.line(kind, name, &inputs, keys, &[&made]);
        self.made(value, &made);
    }

    /// A value is there, as often as it is read.
    fn made(&mut self, value: Value, blob: &str) {
        let readers = self.readers[value.index()];
        let mut names = vec![blob.to_owned()];
        if readers > 1 {
            names = (0..readers).rev().map(|reader| format!("{blob}_{reader}")).collect();
            let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
            self.line("Split", &format!("split_{blob}"), &[blob], "", &outputs);
        }
        self.names[value.index()] = names;
    }

    fn read(&mut self, value: Value) -> String {
        self.names[value.index()].pop().expect("made before, as often as it is read")
    }

    fn line(&mut self, kind: &str, name: &str, inputs: &[&str], keys: &str, outputs: &[&str]) {
        self.blobs += outputs.len();
        let name: String = name.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
        let blobs: String = inputs.iter().chain(outputs).map(|blob| format!(" {blob}")).collect();
        let line = format!("{kind:<16} {name:<24} {} {}{blobs} {keys}", inputs.len(), outputs.len());
        self.lines.push(line.trim_end().to_owned());
    }
}

/// What a value is called, unless it is the picture.
fn blob(value: Value) -> String {
    format!("v{}", value.index())
}

/// A function without numbers of its own, as a layer and its keys.
fn activation(op: &Activation) -> (&'static str, String) {
    let kind = match op {
        Activation::LeakyRelu { slope } => return ("ReLU", format!("0={slope:e}")),
        Activation::Relu => "ReLU",
        Activation::Gelu => "GELU",
        Activation::Sigmoid => "Sigmoid",
        Activation::Silu => "Swish",
        Activation::Tanh => "TanH",
        Activation::Prelu => "PReLU",
    };
    (kind, String::new())
}

fn refused(node: &Node) -> Error {
    let operator = node.op.operator().name();
    Error::Unsupported(format!("{}: ncnn has no layer for {operator} as it is used here", node.name))
}
