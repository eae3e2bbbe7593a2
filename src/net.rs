//! A network: a graph, the numbers of its parameters, and a few facts about the pictures that it takes.
//!
//! ```text
//!   Graph, Parameters ─► fold ─► weights ─► f64 oracle, once ─┐
//!                          └───► graph  ◄── all numbers ◄─────┘      resized to every picture's size
//! ```

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Folding, Graph, Parameters};
use crate::oracle;
use crate::pixels::Edge;
use crate::tensor::Shape;

/// What a graph does not say of the pictures that go through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Output pixels to an input pixel, along one side.
    pub scale: usize,
    /// Input widths and heights must be multiples of this.
    pub alignment: usize,
    /// Input widths and heights must be at least this.
    pub smallest_side: usize,
    /// What a picture of another size is extended by.
    pub edge: Edge,
    /// Columns and rows of [`Facts::edge`] that the network takes before and behind the picture, at the left and the top and at
    /// the right and the bottom. What it makes of them is cut off again.
    pub border: [usize; 2],
}

impl Facts {
    /// Of a network that takes pictures of any size and makes them `scale` times as large.
    pub const fn scale(scale: usize) -> Self {
        Self { scale, alignment: 1, smallest_side: 1, edge: Edge::Repeated, border: [0; 2] }
    }

    /// For pictures whose sides are multiples of `alignment`, at least `smallest_side`; others are extended by `edge`.
    #[must_use]
    pub const fn of_sides(self, alignment: usize, smallest_side: usize, edge: Edge) -> Self {
        Self { alignment, smallest_side, edge, ..self }
    }

    /// With so many columns and rows before and behind the picture.
    #[must_use]
    pub const fn with_border(self, border: [usize; 2]) -> Self {
        Self { border, ..self }
    }

    /// The size, width and height, of what a network is given for a picture.
    pub fn extended(self, size: [usize; 2]) -> [usize; 2] {
        let [before, behind] = self.border;
        self.aligned(size.map(|side| before + side + behind))
    }

    /// The size that a picture, with its border if there is one, is extended to, so that the network takes it.
    pub(crate) fn aligned(self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| side.max(self.smallest_side).next_multiple_of(self.alignment))
    }

    /// The smallest picture that the network takes, with its border.
    pub fn smallest(self) -> Shape {
        let side = self.smallest_side.next_multiple_of(self.alignment.max(1));
        Shape::new(1, 3, side, side)
    }

    fn check(self, name: &str) -> Result<()> {
        let Self { scale, alignment, smallest_side, .. } = self;
        let facts = [("scale", scale), ("alignment", alignment), ("smallest side", smallest_side)];
        match facts.into_iter().find(|(_, fact)| *fact == 0) {
            Some((fact, _)) => Err(Error::shape(name, format!("expected a {fact} of at least 1, found 0"))),
            None => Ok(()),
        }
    }
}

/// A network, whoever made it: a model's file, or a caller with a [`Builder`](crate::graph::Builder).
#[derive(Clone, Debug)]
pub struct Net {
    unfolded: Arc<Graph>,
    parameters: Parameters,
    facts: Facts,
    folding: Arc<Folding>,
    numbers: Parameters,
}

impl Net {
    /// A graph for pictures of any one size, the numbers of its parameters, and facts.
    ///
    /// # Errors
    /// [`Error::Shape`] if the picture that comes out is not of three channels and `scale` times as large as the one that
    /// goes in, numbers do not fit, or a fact is 0; [`Error::Unsupported`] if no engine runs an operator.
    pub fn from_graph(graph: Graph, parameters: Parameters, facts: Facts) -> Result<Self> {
        facts.check(graph.name())?;
        check_picture(&graph, facts)?;
        graph.check_numbers(&parameters)?;
        let folding = graph.fold_parameters(&parameters);
        folding.graph.check_folded()?;
        let numbers = computed(&folding, &parameters)?;
        Ok(Self { unfolded: Arc::new(graph), parameters, facts, folding: Arc::new(folding), numbers })
    }

    /// The same network with other numbers for the same parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not the same parameters, or the graph is made for other numbers: of SMSR's channels as
    /// many must be dense in each layer. The error names the node.
    pub fn with_parameters(&self, parameters: Parameters) -> Result<Self> {
        check_same(&self.parameters, &parameters)?;
        let numbers = computed(&self.folding, &parameters)?;
        Ok(Self { parameters, numbers, ..self.clone() })
    }

    /// The graph as it was made, with what is derived from parameters in it.
    pub fn unfolded(&self) -> &Graph {
        &self.unfolded
    }

    /// The numbers of [`Net::unfolded`].
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The facts.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The numbers of [`Net::graph`]: those of the parameters, and what is derived from them.
    pub fn numbers(&self) -> &Parameters {
        &self.numbers
    }

    /// What engines run, for pictures of one shape: N×3×H×W, RGB.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is not of three channels, or the size is no multiple of the alignment.
    pub fn graph(&self, input: Shape) -> Result<Graph> {
        let side = self.facts.alignment;
        let whole = input.height.is_multiple_of(side) && input.width.is_multiple_of(side);
        if input.channels == 3 && whole && input.pixels() > 0 {
            return self.folding.graph.resized(&[input]);
        }
        let sides = if side > 1 { format!(", H and W multiples of {side}") } else { String::new() };
        Err(Error::shape(self.unfolded.name(), format!("expected N×3×H×W{sides}, found {input}")))
    }

    /// Whether plans for this network serve another as well: whether engines run the same graph with other numbers.
    pub fn has_plans_of(&self, other: &Self) -> bool {
        self.folding.graph == other.folding.graph && self.facts == other.facts
    }
}

/// The parameters' numbers, and behind them what is derived from them.
fn computed(folding: &Folding, parameters: &Parameters) -> Result<Parameters> {
    let mut numbers = parameters.clone();
    let derived = oracle::weights(&folding.weights, parameters)?;
    for (output, made) in folding.weights.outputs().iter().zip(derived) {
        let shape = folding.weights.node(output.value).shape;
        numbers.push(output.name.clone(), &shape.axes(), &made, shape);
    }
    Ok(numbers)
}

fn check_picture(graph: &Graph, facts: Facts) -> Result<()> {
    let [input, output] = [graph.input(), graph.output()].map(|value| graph.node(value));
    let (from, to) = (input.shape, output.shape);
    let expected = from.with_size(facts.scale * from.height, facts.scale * from.width);
    if from.channels == 3 && to == expected {
        return Ok(());
    }
    let scale = facts.scale;
    let reason = format!("expected a picture of 3 channels, {scale} times as large as {from}, found {to}");
    Err(Error::shape(&output.name, reason))
}

/// Whether these are the same parameters, whatever their numbers.
fn check_same(expected: &Parameters, found: &Parameters) -> Result<()> {
    let mut others = found.iter();
    for (name, numbers) in expected.iter() {
        let dims = numbers.dims();
        match others.next() {
            Some((other, numbers)) if other == name && numbers.dims() == dims => {}
            found => {
                let found = found.map_or("none".into(), |(name, n)| format!("{name} of {:?}", n.dims()));
                return Err(Error::shape(name, format!("expected a parameter of {dims:?}, found {found}")));
            }
        }
    }
    match others.next() {
        Some((name, _)) => Err(Error::shape(name, "expected no further parameter, found this one")),
        None => Ok(()),
    }
}
