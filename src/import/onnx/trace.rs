//! A file's nodes at one size of the picture: what is fixed there is computed, the rest becomes a graph's nodes.
//!
//! ```text
//!   sizes, places, weights ──► fold ──► fixed tensors ─┐
//!   the picture ──► views ─────────────────────────────┴──► graph::Builder
//! ```
//!
//! So a `Pad` to a multiple of a side is, at a size that is one, nothing at all, and a `Reshape` has numbers in it.

mod attention;
mod binary;
mod conv;
mod moving;
mod norm;
mod pool;
mod resize;
mod unary;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::file::{File, Node};
use super::fixed::{Element, Fixed};
use super::fold::{Budget, fold};
use super::live::live;
use super::protobuf::Reading;
use super::view::{Axes, Moves, View};
use crate::error::Error;
use crate::graph::{Builder, Graph, Op, Parameters, PixelUnshuffle, Value};
use crate::pixels::Edge;
use crate::tensor::{Parameter, Shape, Tensor};

/// The most numbers that a value may have for each of the picture's pixels.
const DENSEST: usize = 1 << 16;

/// Nodes of a graph that a file of any size may make, besides one for so many of its bytes: each costs up to 700 bytes here.
const NODES: usize = 1024;
const BYTES_OF_A_NODE: usize = 256;

/// Numbers that a file of any size may make, besides as many as it has bytes.
const NUMBERS: usize = 1 << 16;

/// A file with what is the same at every size.
#[derive(Debug)]
pub(super) struct Given<'f> {
    file: &'f File<'f>,
    tensors: HashMap<&'f str, Fixed>,
    /// Values that become the picture that comes out without a number being changed.
    last: HashSet<&'f str>,
    /// Numbers that were made of tensors, by what they were made for.
    made: RefCell<HashMap<String, Parameter>>,
    budget: Budget,
}

/// A graph for one size.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) graph: Graph,
    pub(super) parameters: Parameters,
    pub(super) padding: Padding,
}

/// Paddings of no width that were met, which at other sizes have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Padding {
    /// By what the picture is extended.
    pub(super) edge: Option<Edge>,
    /// Whether that is zeros.
    pub(super) zeros: bool,
    /// Whether something else than the picture is extended.
    pub(super) inside: bool,
}

/// What a name of the file stands for.
#[derive(Clone, Debug)]
enum Held {
    Fixed(Fixed),
    View(View),
    /// A value with zeros around it: rows above, columns left, rows below, columns right.
    Zeros(Value, [usize; 4]),
    /// The error function of a value over √2: 2 Φ − 1.
    Error(View),
    /// Φ of a value, so many times.
    Normal(View, f32),
    /// Some rows or columns of a value: the axis, the first, and how many.
    Part(View, [usize; 3]),
    /// A step on the way to a layer norm.
    Norm(norm::Step, View),
    /// Products of queries and keys.
    Scores(Rc<attention::Scores>),
}

impl Held {
    /// The value, if it is one as it stands.
    fn value(&self) -> Option<Value> {
        match self {
            Self::View(view) => Some(view.value),
            _ => None,
        }
    }
}

/// A graph under way.
struct Trace<'g, 'f> {
    given: &'g Given<'f>,
    budget: Budget,
    b: Builder,
    picture: Shape,
    held: HashMap<&'f str, Held>,
    /// Convolutions, of which another with other numbers may take the place.
    convs: HashMap<Value, conv::Appended>,
    /// What sigmoids were taken of.
    sigmoids: HashMap<Value, Value>,
    /// What is another value times a number.
    multiples: HashMap<Value, (Value, f32)>,
    /// What is another value's channels from one on.
    slices: HashMap<Value, (Value, usize)>,
    /// The picture, and what is made of it number by number.
    pointwise: HashSet<Value>,
    padding: Padding,
}

impl<'f> Given<'f> {
    /// Reads a file's tensors.
    pub(super) fn of(file: &'f File<'f>) -> Reading<Self> {
        let mut tensors = HashMap::with_capacity(file.tensors.len());
        for (name, tensor) in &file.tensors {
            let read = Fixed::read(*tensor).map_err(|reason| format!("{name}: {reason}"))?;
            if tensors.insert(*name, read).is_some() {
                return Err(format!("{name}: expected one tensor of this name, found two"));
            }
        }
        let mut uses = HashMap::new();
        for input in file.nodes.iter().flat_map(|node| node.inputs()).filter(|name| !name.is_empty()) {
            *uses.entry(input).or_insert(0) += 1;
        }
        let mut last: HashSet<&str> =
            [file.output].into_iter().filter(|name| !uses.contains_key(name)).collect();
        for node in file.nodes.iter().rev() {
            let input = node.input(0);
            let is_last = node.outputs().next().is_some_and(|output| last.contains(output));
            let keeps = matches!(node.operator, "Identity" | "Cast" | "Dropout" | "Clip" | "Slice");
            if is_last && keeps && uses.get(input) == Some(&1) {
                last.insert(input);
            }
        }
        let budget = Budget::of(NUMBERS + file.bytes);
        Ok(Self { file, tensors, last, made: RefCell::default(), budget })
    }

    /// Its tensors of real numbers.
    pub(super) fn weights(&self) -> impl Iterator<Item = (String, Parameter)> {
        let numbers = self.tensors.iter().filter(|(_, tensor)| !tensor.dims.is_empty() && tensor.len() > 1);
        numbers.filter_map(|(name, tensor)| {
            let floats: Arc<[f32]> = tensor.as_floats().ok()?.clone();
            Some(((*name).to_owned(), Parameter::new(tensor.dims.clone(), floats)))
        })
    }

    /// The graph for pictures of one shape.
    pub(super) fn trace(&self, name: &str, picture: Shape) -> Reading<Traced> {
        let (b, input) = Builder::new(name, picture, 1.0);
        let mut trace = Trace {
            given: self,
            budget: Budget::of(NUMBERS + self.file.bytes / 2),
            b,
            picture,
            held: HashMap::new(),
            convs: HashMap::new(),
            sigmoids: HashMap::new(),
            multiples: HashMap::new(),
            slices: HashMap::new(),
            pointwise: HashSet::from([input]),
            padding: Padding::default(),
        };
        trace.hold(self.file.input.name, Held::View(View { value: input, axes: Axes::of(picture) }))?;
        for node in &self.file.nodes {
            trace.step(*node).map_err(|reason| format!("{} ({}): {reason}", node.name, node.operator))?;
        }
        let output = self.file.output;
        let output = trace.picture_of(output).map_err(|reason| format!("{output}: {reason}"))?;
        let (graph, parameters) = trace.b.finish(output).map_err(told)?;
        let (graph, parameters) = live(&graph, &parameters).map_err(told)?;
        Ok(Traced { graph, parameters, padding: trace.padding })
    }
}

/// The reason of an error of the builder's, without the node that it was told.
fn told(error: Error) -> String {
    match error {
        Error::Shape { reason, .. } => reason,
        other => other.to_string(),
    }
}

impl<'f> Trace<'_, 'f> {
    /// What one node makes.
    fn step(&mut self, node: Node<'f>) -> Reading<()> {
        if !node.domain.is_empty() {
            return Err(format!("expected ONNX's own operators, found one of {}", node.domain));
        }
        if let Some(made) = self.folded(node)? {
            for (name, fixed) in node.outputs().zip(made) {
                self.hold(name, Held::Fixed(fixed))?;
            }
            return Ok(());
        }
        let made = match node.operator {
            "Split" => return self.split(node),
            "Slice" => self.slice(node)?,
            "Concat" => Held::View(self.concat(node)?),
            "MatMul" if matches!(self.lookup(node.input(1))?, Some(Found::Other)) => self.product(node)?,
            "Softmax" => self.softmax(node)?,
            "Reshape" | "Unsqueeze" | "Squeeze" if matches!(self.held(node, 0)?, Held::Scores(_)) => {
                self.scores_of_other_axes(node)?
            }
            "Sqrt" => self.deviation(node)?,
            "ReduceMean" => self.reduce_mean(node)?,
            "Identity" | "Dropout" => self.held(node, 0)?,
            "Cast" | "CastLike" => self.cast(node)?,
            "Shape" => Held::Fixed(Fixed::list(self.dims(node)?)),
            "Pad" => self.pad(node)?,
            "Erf" => self.error_function(node)?,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" => self.binary(node)?,
            _ => Held::View(self.view_made(node)?),
        };
        let name = node.outputs().next().unwrap_or_default();
        self.hold(name, made)
    }

    /// What a node makes that is a view.
    fn view_made(&mut self, node: Node<'f>) -> Reading<View> {
        match node.operator {
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "MatMul" | "Gemm" => self.linear(node),
            "BatchNormalization" => self.batch_normalization(node),
            "LayerNormalization" => self.layer_normalization(node),
            "Gather" => self.gather(node),
            "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Flatten" => self.other_axes(node),
            "DepthToSpace" | "SpaceToDepth" => self.between_depth_and_space(node),
            "Resize" | "Upsample" => self.resize(node),
            "GlobalAveragePool" => self.mean(node),
            "AveragePool" | "MaxPool" => self.pool(node),
            "Relu" | "LeakyRelu" | "PRelu" | "Sigmoid" | "Tanh" | "Gelu" | "Swish" | "HardSigmoid"
            | "HardSwish" | "Clip" | "Neg" | "Abs" => self.unary(node),
            _ => Err("expected one of the operators that docs/import.md lists, found another".into()),
        }
    }

    /// What a node makes that reads nothing of the picture.
    fn folded(&self, node: Node<'f>) -> Reading<Option<Vec<Fixed>>> {
        let mut inputs = Vec::new();
        for name in node.inputs() {
            inputs.push(match self.lookup(name)? {
                None => None,
                Some(Found::Fixed(fixed)) => Some(fixed),
                Some(Found::Other) => return Ok(None),
            });
        }
        fold(node, &inputs, &self.budget)
    }

    /// What a name stands for; `None` for an empty one.
    fn lookup(&self, name: &str) -> Reading<Option<Found<'_>>> {
        if name.is_empty() {
            return Ok(None);
        }
        match (self.held.get(name), self.given.tensors.get(name)) {
            (Some(Held::Fixed(fixed)), _) | (None, Some(fixed)) => Ok(Some(Found::Fixed(fixed))),
            (Some(_), _) => Ok(Some(Found::Other)),
            (None, None) => Err(format!("expected a node that makes `{name}` before this one, found none")),
        }
    }

    /// Gives a name to what was made.
    fn hold(&mut self, name: &'f str, made: Held) -> Reading<()> {
        if let Held::View(View { value, .. }) = &made {
            let (shape, bytes) = (self.b.shape(*value), self.given.file.bytes);
            let most = NODES + bytes / BYTES_OF_A_NODE;
            if value.index() >= most {
                return Err(format!("expected at most {most} nodes of a file of {bytes} bytes, found more"));
            }
            if shape.len() / DENSEST > self.picture.pixels() {
                return Err(format!(
                    "expected at most {DENSEST} numbers a pixel, found {shape} of {}",
                    self.picture
                ));
            }
        }
        if self.held.insert(name, made).is_some() && !name.is_empty() {
            return Err(format!("expected one node that makes `{name}`, found two"));
        }
        Ok(())
    }

    /// What stands at an input.
    fn held(&self, node: Node<'f>, at: usize) -> Reading<Held> {
        let name = node.input(at);
        match self.held.get(name) {
            Some(held) => Ok(held.clone()),
            None => self.fixed(node, at).cloned().map(Held::Fixed),
        }
    }

    /// The fixed tensor at an input.
    fn fixed(&self, node: Node<'f>, at: usize) -> Reading<&Fixed> {
        match self.lookup(node.input(at))? {
            Some(Found::Fixed(fixed)) => Ok(fixed),
            Some(Found::Other) => {
                Err(format!("expected fixed numbers as input {at}, found some of the picture"))
            }
            None => Err(format!("expected an input {at}, found none")),
        }
    }

    /// The same, where there is one.
    fn optional(&self, node: Node<'f>, at: usize) -> Reading<Option<&Fixed>> {
        if node.input(at).is_empty() { Ok(None) } else { self.fixed(node, at).map(Some) }
    }

    /// Whole numbers that are an attribute in older versions and an input in newer ones.
    fn list(&self, node: Node<'f>, name: &str, at: usize) -> Reading<Option<Vec<i64>>> {
        match self.optional(node, at)? {
            Some(list) => list.as_integers().map(|list| Some(list.to_vec())),
            None => Ok(node.integers(name)),
        }
    }

    /// The view at an input.
    fn view(&self, node: Node<'f>, at: usize) -> Reading<View> {
        match self.held(node, at)? {
            Held::View(view) => Ok(view),
            Held::Fixed(_) => {
                Err(format!("expected a value of the picture as input {at}, found fixed numbers"))
            }
            Held::Zeros(..) => {
                Err("expected zeros around a value only in front of a convolution, found some".into())
            }
            Held::Error(_) | Held::Normal(..) => {
                Err("expected the error function only in a GELU, found one".into())
            }
            Held::Part(..) => {
                Err("expected rows or columns cut off only to stand at the other end, found some".into())
            }
            Held::Norm(..) => Err("expected the steps of a layer norm, found some of them alone".into()),
            Held::Scores(_) => {
                Err("expected products of queries and keys only in attention, found some".into())
            }
        }
    }

    /// The value at an input, N×C×H×W.
    fn picture(&mut self, node: Node<'f>, at: usize) -> Reading<Value> {
        self.view(node, at)?;
        self.picture_of(node.input(at))
    }

    /// The value of a name, N×C×H×W. It is made once.
    fn picture_of(&mut self, name: &'f str) -> Reading<Value> {
        let Some(Held::View(view)) = self.held.get(name).cloned() else {
            return Err("expected a picture, found something else".into());
        };
        let value = self.moved(name, &view)?;
        let axes = Axes::of(self.b.shape(value));
        self.held.insert(name, Held::View(View { value, axes }));
        Ok(value)
    }

    /// A view's numbers, moved to where it sees them.
    fn moved(&mut self, name: &str, view: &View) -> Reading<Value> {
        let (x, shape) = (view.value, self.b.shape(view.value));
        let moves = view.axes.moves(shape).ok_or_else(|| {
            format!("expected a picture, N×C×H×W, found axes {:?} of another order", view.axes.dims())
        })?;
        Ok(match moves {
            Moves::Channels(order) => self.reordered(name, x, order)?,
            Moves::Shuffle(order, scale) => {
                let x = self.reordered(name, x, order)?;
                self.b.pixel_shuffle(name, x, scale).map_err(told)?
            }
            Moves::Unshuffle(scale, order) => {
                let x =
                    self.b.append(name, Op::PixelUnshuffle(PixelUnshuffle { scale }), &[x]).map_err(told)?;
                self.reordered(name, x, order)?
            }
        })
    }

    /// A view of a value as it is.
    fn plain(&self, value: Value) -> View {
        View { value, axes: Axes::of(self.b.shape(value)) }
    }

    /// A tensor of the file, or what was folded, as a parameter under its name.
    fn parameter(&mut self, name: &str, numbers: &Parameter) -> Reading<Value> {
        self.b.parameter(name, numbers).map_err(told)
    }

    /// Numbers made of tensors, once for all sizes: their name and axes tell them from any others.
    fn made(&self, name: &str, dims: &[usize], number: impl Fn(usize) -> f32) -> Reading<Parameter> {
        let purpose = format!("{name} {dims:?}");
        if let Some(made) = self.given.made.borrow().get(&purpose) {
            return Ok(made.clone());
        }
        let numbers = self.given.budget.take(dims)?;
        let made = Parameter::new(dims, (0..numbers).map(number).collect::<Arc<[f32]>>());
        self.given.made.borrow_mut().insert(purpose, made.clone());
        Ok(made)
    }

    /// Fixed numbers, one a channel.
    fn constant(&mut self, name: String, numbers: Vec<f32>) -> Reading<Value> {
        if let Some(found) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(format!("expected finite numbers, found {found}"));
        }
        let shape = Shape::new(1, numbers.len(), 1, 1);
        self.budget.take(&shape.axes())?;
        self.b.constant(name, Tensor::new(shape, numbers)).map_err(told)
    }

    /// Numbers of another type. Engines choose their own, so of real numbers nothing changes.
    fn cast(&mut self, node: Node<'f>) -> Reading<Held> {
        if node.operator == "Cast" && !Element::of(node.integer("to").unwrap_or_default())?.is_real() {
            return Err("expected values of real numbers, found a cast of the picture to whole ones".into());
        }
        self.held(node, 0)
    }

    /// The axes of a value, or some of them.
    fn dims(&self, node: Node<'f>) -> Reading<Vec<i64>> {
        let dims = match self.held(node, 0)? {
            Held::Fixed(fixed) => fixed.dims,
            Held::View(view) | Held::Error(view) | Held::Normal(view, _) => view.axes.dims(),
            Held::Norm(step, view) => step.dims(&view),
            Held::Part(view, [at, _, taken]) => {
                let mut dims = view.axes.dims();
                dims[at] = taken;
                dims
            }
            Held::Scores(scores) => scores.dims.clone(),
            Held::Zeros(value, [top, left, bottom, right]) => {
                let Shape { batch, channels, height, width } = self.b.shape(value);
                vec![batch, channels, height + top + bottom, width + left + right]
            }
        };
        let place = |at: i64| {
            let at = if at < 0 { at.saturating_add(dims.len() as i64) } else { at };
            at.clamp(0, dims.len() as i64) as usize
        };
        let (start, end) =
            (place(node.integer("start").unwrap_or(0)), node.integer("end").map_or(dims.len(), place));
        Ok(dims.get(start..end).unwrap_or_default().iter().map(|length| *length as i64).collect())
    }
}

/// What a name stands for, as far as folding asks.
enum Found<'t> {
    Fixed(&'t Fixed),
    Other,
}
