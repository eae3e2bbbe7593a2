//! An ONNX file: its nodes, tensors, and the picture that goes in and comes out, as they lie in the file.
//!
//! Everything is borrowed; what a tensor's numbers become is [`fixed`](super::fixed).

use std::collections::HashSet;

use super::protobuf::{Message, Reading};

/// Nodes and tensors that a file of any size may have, besides one for so many of its bytes.
const ENTRIES: usize = 512;
const BYTES_OF_AN_ENTRY: usize = 256;

/// The most values that a node reads.
const INPUTS: usize = 1024;

/// Fields of the messages that are read: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.
mod field {
    pub(super) const MODEL_VERSION: u64 = 1;
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const MODEL_OPERATORS: u64 = 8;
    pub(super) const OPERATORS_DOMAIN: u64 = 1;
    pub(super) const OPERATORS_VERSION: u64 = 2;
    pub(super) const GRAPH_NODE: u64 = 1;
    pub(super) const GRAPH_TENSOR: u64 = 5;
    pub(super) const GRAPH_INPUT: u64 = 11;
    pub(super) const GRAPH_OUTPUT: u64 = 12;
    pub(super) const GRAPH_SPARSE: u64 = 15;
    pub(super) const NODE_INPUT: u64 = 1;
    pub(super) const NODE_OUTPUT: u64 = 2;
    pub(super) const NODE_NAME: u64 = 3;
    pub(super) const NODE_OPERATOR: u64 = 4;
    pub(super) const NODE_ATTRIBUTE: u64 = 5;
    pub(super) const NODE_DOMAIN: u64 = 7;
    pub(super) const ATTRIBUTE_NAME: u64 = 1;
    pub(super) const ATTRIBUTE_FLOAT: u64 = 2;
    pub(super) const ATTRIBUTE_INTEGER: u64 = 3;
    pub(super) const ATTRIBUTE_TEXT: u64 = 4;
    pub(super) const ATTRIBUTE_TENSOR: u64 = 5;
    pub(super) const ATTRIBUTE_FLOATS: u64 = 7;
    pub(super) const ATTRIBUTE_INTEGERS: u64 = 8;
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const VALUE_NAME: u64 = 1;
    pub(super) const VALUE_TYPE: u64 = 2;
    pub(super) const TYPE_TENSOR: u64 = 1;
    pub(super) const TENSOR_TYPE_ELEMENT: u64 = 1;
    pub(super) const TENSOR_TYPE_SHAPE: u64 = 2;
    pub(super) const SHAPE_AXIS: u64 = 1;
    pub(super) const AXIS_LENGTH: u64 = 1;
}

/// Whether these bytes are an ONNX model: a message to the last byte, with a version and a graph.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let model = Message(bytes);
    let version = model.number(field::MODEL_VERSION);
    version.is_some_and(|version| (1..1000).contains(&version))
        && model.message(field::MODEL_GRAPH).is_some()
        && model.is_sound()
}

/// A model.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// The version of ONNX's own operators.
    pub(super) operators: i64,
    /// In an order of execution.
    pub(super) nodes: Vec<Node<'a>>,
    /// Names and numbers.
    pub(super) tensors: Vec<(&'a str, Message<'a>)>,
    /// What goes in.
    pub(super) input: Declared<'a>,
    /// What comes out.
    pub(super) output: &'a str,
    /// The file's size.
    pub(super) bytes: usize,
}

/// What a file says of a value.
#[derive(Debug)]
pub(super) struct Declared<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// ONNX's number of the type of its numbers.
    pub(super) element: i64,
    /// Lengths of its axes, where they are known.
    pub(super) axes: Vec<Option<usize>>,
}

impl<'a> File<'a> {
    /// Reads what a model holds.
    pub(super) fn read(bytes: &'a [u8]) -> Reading<Self> {
        if !is_model(bytes) {
            return Err("expected an ONNX model, found a file that is damaged or something else".into());
        }
        let model = Message(bytes);
        let graph = model.message(field::MODEL_GRAPH).filter(|graph| graph.is_sound());
        let graph = graph.ok_or("expected the graph of an ONNX model, found a damaged one")?;
        let own = |set: &Message<'_>| is_own(set.text(field::OPERATORS_DOMAIN));
        let operators = model.messages(field::MODEL_OPERATORS).filter(own);
        let operators = operators.filter_map(|set| set.number(field::OPERATORS_VERSION)).max();
        let most = ENTRIES + bytes.len() / BYTES_OF_AN_ENTRY;
        for (what, field) in [("nodes", field::GRAPH_NODE), ("tensors", field::GRAPH_TENSOR)] {
            let count = graph.messages(field).count();
            if count > most {
                let size = bytes.len();
                return Err(format!(
                    "expected at most {most} {what} in a file of {size} bytes, found {count}"
                ));
            }
        }
        if graph.messages(field::GRAPH_SPARSE).next().is_some() {
            return Err("expected dense tensors, found sparse ones".into());
        }
        let nodes = graph.messages(field::GRAPH_NODE).map(Node::read).collect::<Reading<Vec<_>>>()?;
        let tensor = |tensor: Message<'a>| match tensor.is_sound() {
            true => Ok((tensor.text(field::TENSOR_NAME), tensor)),
            false => Err("expected tensors, found a damaged one".to_owned()),
        };
        let tensors = graph.messages(field::GRAPH_TENSOR).map(tensor).collect::<Reading<Vec<_>>>()?;
        // Older files list tensors among what goes in.
        let given: HashSet<&str> = tensors.iter().map(|(name, _)| *name).collect();
        let is_picture = |value: &Message<'_>| !given.contains(value.text(field::VALUE_NAME));
        let mut inputs = graph.messages(field::GRAPH_INPUT).filter(is_picture);
        let input = inputs.next().ok_or("expected a picture that goes in, found no input")?;
        let further = inputs.count();
        if further > 0 {
            return Err(format!("expected one input, a picture, found {}", further + 1));
        }
        let mut outputs = graph.messages(field::GRAPH_OUTPUT).map(|value| value.text(field::VALUE_NAME));
        let output = outputs.next().ok_or("expected a picture that comes out, found no output")?;
        let further = outputs.count();
        if further > 0 {
            return Err(format!("expected one output, a picture, found {}", further + 1));
        }
        let input = Declared::read(input);
        Ok(Self { operators: operators.unwrap_or(1), nodes, tensors, input, output, bytes: bytes.len() })
    }
}

/// Whether operators of this domain are ONNX's own.
fn is_own(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

impl<'a> Declared<'a> {
    fn read(value: Message<'a>) -> Self {
        let tensor = value.message(field::VALUE_TYPE).and_then(|kind| kind.message(field::TYPE_TENSOR));
        let shape = tensor.and_then(|tensor| tensor.message(field::TENSOR_TYPE_SHAPE));
        let axes = shape.map(|shape| shape.messages(field::SHAPE_AXIS).take(8));
        let length = |axis: Message<'_>| {
            axis.number(field::AXIS_LENGTH).and_then(|length| usize::try_from(length).ok()).filter(|n| *n > 0)
        };
        Self {
            name: value.text(field::VALUE_NAME),
            element: tensor.and_then(|tensor| tensor.number(field::TENSOR_TYPE_ELEMENT)).unwrap_or_default(),
            axes: axes.into_iter().flatten().map(length).collect(),
        }
    }
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    /// Its name, or that of what it makes.
    pub(super) name: &'a str,
    /// The name of the first value that it makes, which no other node has.
    pub(super) output: &'a str,
    /// The operator.
    pub(super) operator: &'a str,
    /// The operator's domain, where it is not ONNX's own.
    pub(super) domain: &'a str,
    message: Message<'a>,
}

impl<'a> Node<'a> {
    fn read(message: Message<'a>) -> Reading<Self> {
        let attributes = || message.messages(field::NODE_ATTRIBUTE);
        let sound = message.is_sound() && attributes().all(Message::is_sound);
        let mut tensors = attributes().filter_map(|attribute| attribute.message(field::ATTRIBUTE_TENSOR));
        if !sound || !tensors.all(Message::is_sound) {
            return Err("expected nodes, found a damaged one".into());
        }
        let (name, operator) = (message.text(field::NODE_NAME), message.text(field::NODE_OPERATOR));
        let output = message.texts(field::NODE_OUTPUT).next();
        let output = output.ok_or_else(|| format!("expected nodes that make a value, found {operator}"))?;
        let inputs = message.texts(field::NODE_INPUT).count();
        if inputs > INPUTS {
            return Err(format!("{output} ({operator}): expected at most {INPUTS} inputs, found {inputs}"));
        }
        let domain = message.text(field::NODE_DOMAIN);
        let domain = if is_own(domain) { "" } else { domain };
        let name = if name.is_empty() { output } else { name };
        Ok(Self { name, output, operator, domain, message })
    }

    /// Names of what it reads; empty for what is left out.
    pub(super) fn inputs(self) -> impl Iterator<Item = &'a str> {
        self.message.texts(field::NODE_INPUT)
    }

    /// The name of one of the values that it reads; empty if it is left out.
    pub(super) fn input(self, at: usize) -> &'a str {
        self.inputs().nth(at).unwrap_or_default()
    }

    /// Names of what it makes.
    pub(super) fn outputs(self) -> impl Iterator<Item = &'a str> {
        self.message.texts(field::NODE_OUTPUT)
    }

    fn attribute(self, name: &str) -> Option<Message<'a>> {
        let mut attributes = self.message.messages(field::NODE_ATTRIBUTE);
        attributes.find(|attribute| attribute.text(field::ATTRIBUTE_NAME) == name)
    }

    /// A whole number.
    pub(super) fn integer(self, name: &str) -> Option<i64> {
        self.attribute(name)?.number(field::ATTRIBUTE_INTEGER)
    }

    /// Whole numbers.
    pub(super) fn integers(self, name: &str) -> Option<Vec<i64>> {
        Some(self.attribute(name)?.numbers(field::ATTRIBUTE_INTEGERS).take(1024).collect())
    }

    /// A real number.
    pub(super) fn float(self, name: &str) -> Option<f32> {
        self.attribute(name)?.floats(field::ATTRIBUTE_FLOAT).last()
    }

    /// Real numbers.
    pub(super) fn floats(self, name: &str) -> Option<Vec<f32>> {
        Some(self.attribute(name)?.floats(field::ATTRIBUTE_FLOATS).take(1024).collect())
    }

    /// A word.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        Some(self.attribute(name)?.text(field::ATTRIBUTE_TEXT))
    }

    /// A tensor.
    pub(super) fn tensor(self, name: &str) -> Option<Message<'a>> {
        self.attribute(name)?.message(field::ATTRIBUTE_TENSOR)
    }
}
