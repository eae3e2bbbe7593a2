//! A network of its layers: tried at two sizes, which must give one graph.

use std::collections::{HashMap, HashSet};

use super::layer::Layer;
use super::making::{Kind, Making};
use super::numbers::Own;
use super::place::Place;
use super::{ALIGNMENTS, Reading, said};
use crate::error::{Error, Result};
use crate::graph::{Builder, Graph, Parameters};
use crate::import::Imported;
use crate::net::{Facts, Net};
use crate::pixels::Edge;
use crate::tensor::Shape;
use crate::weights::Weights;

/// The side of the picture, at least, by which a network is tried: more than the border of any.
const TRIAL: usize = 192;

/// Zeros that may be put into kernels, besides as many as a network has numbers.
const ZEROS: usize = 1 << 15;

/// A network of its layers, and the numbers of each.
pub(super) fn build(source: &str, layers: &[Layer<'_>], numbers: &[Own]) -> Result<Imported> {
    let named = |reason: String| Error::weights(source, reason);
    let name = std::path::Path::new(source).file_stem().map_or("ncnn".into(), |stem| stem.to_string_lossy());
    let mut last = String::new();
    for alignment in ALIGNMENTS {
        // Odd, so that sides are multiples of no more than that.
        let side = alignment * (TRIAL.div_ceil(alignment) | 1);
        // One after the other, so that numbers are there once.
        let again = Network::build(&name, layers, numbers, side + alignment);
        let again = again.map(|again| (again.facts(alignment), again.graph));
        let both = again.and_then(|again| Ok((again, Network::build(&name, layers, numbers, side)?)));
        let ((again, graph), built) = match both {
            Ok(both) => both,
            Err(reason) => {
                last = reason;
                continue;
            }
        };
        let facts = built.facts(alignment);
        if facts != again || !built.is_resized(&graph) {
            let reason = "expected one graph for pictures of every size, found one that follows their size";
            return Err(named(reason.into()));
        }
        let net = Net::from_graph(built.graph, built.parameters, facts);
        let tensors = layers.iter().zip(numbers).flat_map(|(layer, own)| {
            own.iter().zip(PARTS).map(|(numbers, part)| (format!("{}.{part}", layer.name), numbers.clone()))
        });
        let weights = Weights::new(source, tensors);
        return Ok(Imported { net: net.map_err(|error| named(error.to_string()))?, weights });
    }
    Err(named(last)) // for sides that are multiples of everything
}

/// What the numbers of a layer are called, behind its name.
pub(super) const PARTS: [&str; 2] = ["weight", "bias"];

/// A network for pictures of one size, with their border.
struct Network {
    graph: Graph,
    parameters: Parameters,
    side: usize,
    output: Place,
    /// The fewest pixels that a value of ncnn's has, in pixels of the picture.
    least: usize,
}

impl Network {
    fn build(name: &str, layers: &[Layer<'_>], numbers: &[Own], side: usize) -> Reading<Self> {
        let (b, picture) = Builder::new(name, Shape::new(1, 3, side, side), 1.0);
        let factors = factors(layers)?;
        let count: usize = numbers.iter().flatten().map(|numbers| numbers.values().len()).sum();
        let (blobs, zeros) = (HashMap::new(), count + ZEROS);
        let mut making = Making { b, picture, side, blobs, factors, is_given: false, least: side, zeros };
        let mut last = None;
        for (layer, own) in layers.iter().zip(numbers) {
            let made = making.layer(layer, own)?;
            for output in layer.outputs() {
                making.blobs.insert(output, made);
            }
            last = Some((layer, made));
        }
        let (layer, made) = last.ok_or("expected layers, found none")?;
        let Kind::Map(output) = made.kind else {
            return Err(layer.wrong("a picture as the last layer's output", "another value"));
        };
        if !output.side.is_multiple_of(side) {
            let found = format!("{} of {side} pixels", output.side);
            return Err(layer.wrong("a picture that is a whole number of times as large", found));
        }
        let least = making.least;
        let (graph, parameters) = said(making.b.finish(made.value))?;
        Ok(Self { graph, parameters, side, output, least })
    }

    fn facts(&self, alignment: usize) -> Facts {
        let scale = self.output.side / self.side;
        let border = self.output.margin.map(|margin| margin.div_ceil(scale));
        let smallest = (self.side + 1).saturating_sub(self.least).next_multiple_of(alignment);
        Facts::scale(scale).of_sides(alignment, smallest.max(1), Edge::Repeated).with_border(border)
    }

    fn is_resized(&self, other: &Graph) -> bool {
        self.graph.resized(&[other.node(other.input()).shape]).is_ok_and(|graph| graph == *other)
    }
}

/// Factors of sums, `c · conv(x) + …`, that go into the convolution's numbers, by the blob that it makes: where nothing stands
/// between them and nobody else reads it.
fn factors<'a>(layers: &[Layer<'a>]) -> Reading<HashMap<&'a str, f32>> {
    let mut readers: HashMap<&str, usize> = HashMap::new();
    layers.iter().flat_map(Layer::inputs).for_each(|blob| *readers.entry(blob).or_default() += 1);
    let plain = |layer: &&Layer<'_>| layer.kind == "Convolution" && layer.int(9, 0) == Ok(0);
    let made: HashSet<&str> = layers.iter().filter(plain).flat_map(Layer::outputs).collect();
    let mut factors = HashMap::new();
    for layer in layers.iter().filter(|layer| layer.kind == "Eltwise") {
        let terms = layer.inputs().zip(layer.floats(1)?);
        factors.extend(terms.filter(|(blob, _)| made.contains(blob) && readers.get(blob) == Some(&1)));
    }
    Ok(factors)
}
