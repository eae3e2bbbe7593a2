//! ONNX: from a model's file to a network ([docs/import.md](../../docs/import.md)).
//!
//! A file's graph is traced at a size: all that hangs on sizes alone is computed, the rest becomes nodes
//! ([`trace`]). What sizes the network takes is found by trial:
//!
//! ```text
//!   for sides that are multiples of 1, 2, 3, 4 … 64
//!       trace at one size, trace at another
//!       the same graph at both, nothing padded and nothing cut  ⇒  the alignment
//!   then the smallest side that the graph takes
//! ```
//!
//! So a network that pads pictures to a multiple, computes, and cuts what it added has that multiple for its alignment, and
//! the engines extend the picture by what its `Pad` takes. A file that is made for pictures of one size is traced at that size;
//! its nodes, which know of no size, are those of every size.

mod file;
mod fixed;
mod fold;
mod live;
mod protobuf;
mod trace;
mod view;

use file::{Declared, File};
use fixed::Element;
use protobuf::Reading;
use trace::{Given, Padding, Traced};

use super::{ALIGNMENTS, Imported};
use crate::error::{Error, Result};
use crate::graph::in_colour;
use crate::net::{Facts, Net};
use crate::pixels::Edge;
use crate::tensor::Shape;
use crate::weights::Weights;

/// Sides of a trial are at least this.
const SIDE: usize = 48;

/// The largest side that a model may be made for.
const LARGEST_SIDE: usize = 4096;

/// The most that a network enlarges by.
const LARGEST: usize = 16;

/// Whether these bytes are an ONNX model.
pub(crate) fn is_model(bytes: &[u8]) -> bool {
    file::is_model(bytes)
}

/// Reads a model. `source` names it in errors.
///
/// # Errors
/// [`Error::Weights`] if it is none, is damaged, or holds what has no counterpart, with the node and its operator.
pub(crate) fn read(bytes: &[u8], source: &str) -> Result<Imported> {
    let refused = |reason: String| Error::weights(source, reason);
    let file = File::read(bytes).map_err(refused)?;
    let colours = colours(&file.input).map_err(refused)?;
    let given = Given::of(&file).map_err(refused)?;
    let (traced, facts) = network(&given, &file, colours).map_err(refused)?;
    let graph = traced.graph.resized(&[facts.smallest().with_channels(colours)])?;
    let (graph, parameters) = match colours {
        1 => in_colour(&graph, &traced.parameters, facts.scale)?,
        _ => (graph, traced.parameters),
    };
    let net = Net::from_graph(graph, parameters, facts).map_err(|error| refused(error.to_string()))?;
    Ok(Imported { net, weights: Weights::new(source, given.weights()) })
}

/// Channels of what goes in: those of a picture, or luma.
fn colours(input: &Declared<'_>) -> Reading<usize> {
    let element = Element::of(input.element);
    if !element.as_ref().is_ok_and(|element| element.is_real()) {
        let name = input.name;
        return Err(format!(
            "{name}: expected a picture of real numbers, found ONNX's type {}",
            input.element
        ));
    }
    match *input.axes {
        [_, Some(1), _, _] => Ok(1),
        [_, None | Some(3), _, _] | [] => Ok(3),
        ref axes => Err(format!(
            "{}: expected a picture of red, green and blue, N×3×H×W, or of luma, N×1×H×W, found {}",
            input.name,
            in_words(axes)
        )),
    }
}

/// `1×3×?×?`.
fn in_words(axes: &[Option<usize>]) -> String {
    let words = axes.iter().map(|length| length.map_or("?".into(), |length| length.to_string()));
    words.collect::<Vec<_>>().join("×")
}

/// The graph and the facts: by trial, or at the size that the model was made for.
fn network(given: &Given<'_>, file: &File<'_>, colours: usize) -> Reading<(Traced, Facts)> {
    if let [_, _, Some(height), Some(width)] = *file.input.axes {
        return at_its_size(given, colours, [height, width]);
    }
    let mut reason = String::new();
    for alignment in ALIGNMENTS {
        match at_alignment(given, colours, alignment) {
            Ok((traced, scale)) => return with_facts(traced, scale, alignment),
            Err(refused) => reason = refused,
        }
    }
    Err(reason)
}

/// The graph of a model for pictures of one size. Nodes know of no size, so they go for every other as well.
fn at_its_size(given: &Given<'_>, colours: usize, [height, width]: [usize; 2]) -> Reading<(Traced, Facts)> {
    let sides = 1..=LARGEST_SIDE;
    if !sides.contains(&height) || !sides.contains(&width) {
        return Err(format!(
            "expected a model for pictures of at most {LARGEST_SIDE} pixels a side, found {height}x{width}"
        ));
    }
    let traced = given.trace("onnx", Shape::new(1, colours, height, width))?;
    let alignment =
        traced.graph.alignment().ok_or("expected nodes that go for every size, found some that do not")?;
    let scale = scale(&traced)?;
    with_facts(traced, scale, alignment)
}

fn with_facts(traced: Traced, scale: usize, alignment: usize) -> Reading<(Traced, Facts)> {
    let edge = edge(traced.padding, alignment)?;
    let smallest = smallest(&traced, alignment);
    Ok((traced, Facts::scale(scale).of_sides(alignment, smallest, edge)))
}

/// The graph for pictures whose sides are multiples of so much and of nothing more, and the scale.
fn at_alignment(given: &Given<'_>, colours: usize, alignment: usize) -> Reading<(Traced, usize)> {
    let [first, second] = sizes(alignment).map(|size| size.with_channels(colours));
    let traced = given.trace("onnx", first)?;
    let scale = scale(&traced)?;
    let again = given.trace("onnx", second)?;
    let resized = traced.graph.resized(&[second]).map_err(|error| error.to_string())?;
    if resized != again.graph {
        let differs = resized.nodes().iter().zip(again.graph.nodes()).find(|(a, b)| a != b);
        let name = differs.map_or("the graph", |(node, _)| &node.name);
        return Err(format!(
            "{name}: expected the same nodes for pictures of all sizes, found others for {second}"
        ));
    }
    Ok((traced, scale))
}

/// Two sizes with multiples of so much. Of the first one's height nothing else of a few primes is a factor; the others have
/// such factors, so that what is right for odd sides alone is none.
fn sizes(alignment: usize) -> [Shape; 2] {
    let prime = |from: usize| (from..).find(|times| times % 2 != 0 && times % 3 != 0).unwrap_or(from);
    let height = prime(SIDE.div_ceil(alignment));
    let other = prime(height + 4);
    let [a, b, c, d] =
        [height, height + 1, other, (other + 1).next_multiple_of(12)].map(|times| alignment * times);
    [Shape::new(1, 3, a, b), Shape::new(1, 3, c, d)]
}

/// Output pixels to an input pixel.
fn scale(traced: &Traced) -> Reading<usize> {
    let [from, to] =
        [traced.graph.input(), traced.graph.output()].map(|value| traced.graph.node(value).shape);
    let scale = to.height / from.height;
    if (1..=LARGEST).contains(&scale) && to == from.with_size(scale * from.height, scale * from.width) {
        return Ok(scale);
    }
    Err(format!(
        "expected a picture of {} channels, 1 to {LARGEST} times as large as {from}, to come out, found {to}",
        from.channels
    ))
}

/// What pictures of other sizes are extended by.
fn edge(padding: Padding, alignment: usize) -> Reading<Edge> {
    if alignment > 1 && padding.zeros {
        return Err(format!(
            "expected pictures extended to a multiple of {alignment} by mirroring or by the last pixels, found zeros"
        ));
    }
    if alignment > 1 && padding.inside {
        return Err(format!(
            "expected the picture itself extended to a multiple of {alignment}, found a value inside the network"
        ));
    }
    Ok(padding.edge.unwrap_or_default())
}

/// The smallest side that the graph takes.
fn smallest(traced: &Traced, alignment: usize) -> usize {
    let picture = traced.graph.node(traced.graph.input()).shape;
    let takes = |side: &usize| traced.graph.resized(&[picture.with_size(*side, *side)]).is_ok();
    (1..)
        .map(|times| times * alignment)
        .take_while(|side| *side <= SIDE + alignment)
        .find(takes)
        .unwrap_or(SIDE)
}
