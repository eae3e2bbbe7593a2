//! Networks: a checkpoint's tensors tell which architecture they are, how wide, how deep, at what scale.

pub mod acnet;
pub mod carn;
pub mod edsr;
pub mod ledsr;
pub mod mdsr;
mod parts;
pub mod rcan;
pub mod rrdb;
pub mod safmn;
pub mod smsr;
pub mod span;
pub mod srvgg;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::pixels::Edge;
use crate::tensor::Shape;
use crate::weights::Weights;

/// Networks that are part of the program: name and checkpoint.
const BUILTIN: &[(&str, &[u8])] = &[("smsr-x2", include_bytes!("../weights/smsr-x2.safetensors"))];

/// A network with its weights.
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    weights: Weights,
    architecture: &'static str,
    network: Arc<dyn Network>,
    /// The network for the smallest picture: that for another has the same weights.
    smallest: Arc<Graph>,
}

/// What the sizes of a network, once they are read off the tensors, answer.
///
/// `Display` says what distinguishes the network from others of its architecture.
trait Network: fmt::Display + fmt::Debug + Send + Sync {
    /// Output pixels to an input pixel, along one side.
    fn scale(&self) -> usize;

    /// The same network at another of the scales that its checkpoint holds.
    fn at_scale(&self, _scale: usize) -> Option<Arc<dyn Network>> {
        None
    }

    /// Input widths and heights must be multiples of this.
    fn alignment(&self) -> usize {
        1
    }

    /// Input widths and heights must be at least this.
    fn smallest_side(&self) -> usize {
        1
    }

    /// What a picture of another size is extended by.
    fn edge(&self) -> Edge {
        Edge::Repeated
    }

    /// Whether the paper counts the parameter of this name.
    fn counts(&self, _parameter: &str) -> bool {
        true
    }

    /// The network for pictures of `input`'s shape.
    fn build(&self, weights: &Weights, input: Shape) -> Result<Graph>;

    /// How each sparse module divides its channels.
    fn partitions(&self, _weights: &Weights) -> Result<Vec<Partition>> {
        Ok(vec![])
    }
}

/// How a checkpoint is recognised.
struct Architecture {
    /// In lower case.
    name: &'static str,
    /// A typical tensor of each scheme of names, for who brings something else.
    keys: &'static [&'static str],
    /// The network that the tensors are; `None` if they are another architecture's.
    detect: fn(&Weights) -> Detected,
}

type Detected = Option<Result<Arc<dyn Network>>>;

/// Every architecture. Their tensors tell them apart, so the order is that of the alphabet.
const ARCHITECTURES: &[Architecture] = &[
    Architecture { name: "acnet", keys: acnet::KEYS, detect: |w| network(acnet::Config::detect(w)) },
    Architecture { name: "carn", keys: carn::KEYS, detect: |w| network(carn::Config::detect(w)) },
    Architecture { name: "edsr", keys: edsr::KEYS, detect: |w| network(edsr::Config::detect(w)) },
    Architecture { name: "ledsr", keys: ledsr::KEYS, detect: |w| network(ledsr::Config::detect(w)) },
    Architecture { name: "mdsr", keys: mdsr::KEYS, detect: |w| network(mdsr::Config::detect(w)) },
    Architecture { name: "rcan", keys: rcan::KEYS, detect: |w| network(rcan::Config::detect(w)) },
    Architecture { name: "rrdb", keys: rrdb::KEYS, detect: |w| network(rrdb::Config::detect(w)) },
    Architecture { name: "safmn", keys: safmn::KEYS, detect: |w| network(safmn::Config::detect(w)) },
    Architecture { name: "smsr", keys: smsr::KEYS, detect: |w| network(smsr::Config::detect(w)) },
    Architecture { name: "span", keys: span::KEYS, detect: |w| network(span::Config::detect(w)) },
    Architecture { name: "srvgg", keys: srvgg::KEYS, detect: |w| network(srvgg::Config::detect(w)) },
];

fn network<N: Network + 'static>(found: Option<Result<N>>) -> Detected {
    found.map(|config| Ok(Arc::new(config?) as Arc<dyn Network>))
}

/// How a sparse mask module divides the channels of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The module, by the checkpoint's path.
    pub module: String,
    /// Channels of every layer.
    pub channels: usize,
    /// Channels of each layer that are computed everywhere; the others only where the mask is set.
    pub dense: Vec<usize>,
}

impl Model {
    /// Reads a checkpoint: `.safetensors`, or PyTorch's `.pth` and `.pt`. Nothing in the file is executed.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Weights`] if it is no checkpoint, not one of a known
    /// architecture, or lacks a tensor or has one of another shape.
    pub fn load(path: &Path) -> Result<Self> {
        let stem =
            path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
        Self::from_weights(stem, Weights::load(path)?)
    }

    /// One of [`Model::builtin_names`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is none of that name.
    pub fn builtin(name: &str) -> Result<Self> {
        let Some((name, bytes)) = BUILTIN.iter().find(|(builtin, _)| *builtin == name) else {
            let names = Self::builtin_names().join(", ");
            return Err(Error::Unsupported(format!("no built-in model `{name}`; there are: {names}")));
        };
        Self::from_weights(*name, Weights::from_bytes(&format!("builtin:{name}"), bytes)?)
    }

    /// The networks that are part of the program.
    pub fn builtin_names() -> &'static [&'static str] {
        const NAMES: &[&str] = &[BUILTIN[0].0];
        NAMES
    }

    /// The network that `weights` hold.
    ///
    /// # Errors
    /// [`Error::Weights`], as [`Model::load`].
    pub fn from_weights(name: impl Into<String>, weights: Weights) -> Result<Self> {
        all_finite(&weights)?;
        let (weights, (architecture, network)) = recognise(weights.without_weight_norm()?)?;
        // Building reads every tensor once, so a checkpoint that does not fit is refused here.
        let smallest = Arc::new(network.build(&weights, smallest(&*network))?);
        Ok(Self { name: name.into(), weights, architecture, network, smallest })
    }

    /// The same network at another scale, of a checkpoint that holds several.
    ///
    /// # Errors
    /// [`Error::Weights`] if it has not that scale, which is then named with the one that it has.
    pub fn at_scale(&self, scale: usize) -> Result<Self> {
        if scale == self.scale() {
            return Ok(self.clone());
        }
        let source = self.weights.source();
        let network = self.network.at_scale(scale).ok_or_else(|| {
            let scales: Vec<String> = self.scales().iter().map(|scale| format!("x{scale}")).collect();
            let reason = format!("expected a network of x{scale}, found one of {}", scales.join(", "));
            Error::weights(source, reason)
        })?;
        let smallest = Arc::new(network.build(&self.weights, smallest(&*network))?);
        Ok(Self { network, smallest, ..self.clone() })
    }

    /// The file's stem, or the built-in name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The architecture's name, in lower case.
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    /// What distinguishes this network from others of its architecture, in words.
    pub fn description(&self) -> String {
        self.network.to_string()
    }

    /// Output pixels to an input pixel, along one side.
    pub fn scale(&self) -> usize {
        self.network.scale()
    }

    /// Every scale that the checkpoint holds a network of, upwards.
    pub fn scales(&self) -> Vec<usize> {
        let has = |scale: &usize| *scale == self.scale() || self.network.at_scale(*scale).is_some();
        (1..=8).filter(has).collect()
    }

    /// Input widths and heights must be multiples of this.
    pub fn alignment(&self) -> usize {
        self.network.alignment()
    }

    /// Input widths and heights must be at least this.
    pub fn smallest_side(&self) -> usize {
        self.network.smallest_side()
    }

    /// What a picture of another size is extended by.
    pub(crate) fn edge(&self) -> Edge {
        self.network.edge()
    }

    /// The size that a picture is extended to, so that the network takes it.
    pub(crate) fn extended(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| side.max(self.smallest_side()).next_multiple_of(self.alignment()))
    }

    /// Numbers in the network's weights, counted as its paper does.
    pub fn parameters(&self) -> usize {
        let counted = self.weights.iter().filter(|(name, _)| self.network.counts(name));
        counted.map(|(_, parameter)| parameter.values().len()).sum()
    }

    /// The network for pictures of one shape: N×3×H×W, RGB. Graphs of one model share its weights.
    ///
    /// # Errors
    /// [`Error::Shape`] if the size is no multiple of [`Model::alignment`], or not of three channels.
    pub fn graph(&self, input: Shape) -> Result<Graph> {
        let side = self.alignment();
        if input.channels == 3 && input.height.is_multiple_of(side) && input.width.is_multiple_of(side) {
            self.smallest.resized(&[input])
        } else {
            self.network.build(&self.weights, input) // which says what it expects
        }
    }

    /// How each sparse module divides its channels; empty for a dense network.
    pub fn partitions(&self) -> Vec<Partition> {
        self.network.partitions(&self.weights).expect("the tensors were read when the model was made")
    }
}

/// The smallest picture that a network takes.
fn smallest(network: &dyn Network) -> Shape {
    let side = network.smallest_side().next_multiple_of(network.alignment());
    Shape::new(1, 3, side, side)
}

/// An architecture's name, and a network of it.
type Known = (&'static str, Arc<dyn Network>);

/// The architecture whose tensors these are, and the network; the tensors without a prefix that is not the network's.
fn recognise(weights: Weights) -> Result<(Weights, Known)> {
    let known = |weights: Weights| {
        let found = ARCHITECTURES.iter().find_map(|known| Some((known.name, (known.detect)(&weights)?)));
        found.map(|(name, network)| Ok((weights, (name, network?))))
    };
    let mut candidates = std::iter::successors(Some(weights.clone()), Weights::without_prefix);
    candidates.find_map(known).unwrap_or_else(|| Err(unknown(&weights)))
}

/// What is said of the tensors of no known architecture.
fn unknown(weights: &Weights) -> Error {
    let typical = |architecture: &Architecture| {
        let keys: Vec<String> = architecture.keys.iter().map(|key| format!("`{key}`")).collect();
        format!("{} ({})", architecture.name, keys.join(" or "))
    };
    let known: Vec<String> = ARCHITECTURES.iter().map(typical).collect();
    let names: Vec<&str> = weights.names().take(3).collect();
    let reason = format!(
        "expected the tensors of a known architecture, {}; found {} tensors: {} …",
        known.join(", "),
        weights.names().count(),
        names.join(", ")
    );
    Error::weights(weights.source(), reason)
}

/// A NaN among the weights of a mask branch would not show in the picture: it would only empty the mask.
fn all_finite(weights: &Weights) -> Result<()> {
    for (name, parameter) in weights.iter() {
        if let Some((at, value)) = parameter.values().iter().enumerate().find(|(_, value)| !value.is_finite())
        {
            let reason =
                format!("{name}: expected finite numbers, found {value} at index {at}; the file is damaged");
            return Err(Error::weights(weights.source(), reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tensor::Parameter;

    #[test]
    fn a_weight_that_is_no_number_is_refused_by_name() {
        let broken = Parameter::new([2], vec![0.5, f32::NAN]);
        let weights = Weights::new("some.pth", [("body.0.spa_mask.5.bias".to_owned(), broken)]);
        assert_eq!(
            Model::from_weights("some", weights).unwrap_err().to_string(),
            "some.pth: body.0.spa_mask.5.bias: expected finite numbers, found NaN at index 1; the file is damaged"
        );
    }

    #[test]
    fn what_no_architecture_knows_is_told_what_is_known() {
        let names = ["conv.weight", "conv.bias", "features.0.weight", "features.1.weight"];
        let weights =
            Weights::new("other.pth", names.map(|name| (name.to_owned(), Parameter::new([1], vec![0.0]))));
        assert_eq!(
            Model::from_weights("other", weights).unwrap_err().to_string(),
            "other.pth: expected the tensors of a known architecture, …; found 4 tensors: conv.bias, conv.weight, \
             features.0.weight …"
        );
    }

    #[test]
    fn a_checkpoint_is_of_one_architecture_alone() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        for Architecture { name, .. } in ARCHITECTURES {
            let golden = Weights::load(format!("{folder}/{name}.safetensors").as_ref()).unwrap();
            let cases = golden.names().filter_map(|name| Some(name.split_once(".weights.")?.0));
            let cases: BTreeSet<&str> = cases.collect();
            assert!(!cases.is_empty(), "{name}");
            for case in cases {
                let prefix = format!("{case}.weights.");
                let tensor = |(name, numbers): (&str, &Parameter)| {
                    Some((name.strip_prefix(&prefix)?.to_owned(), numbers.clone()))
                };
                let weights = Weights::new(case, golden.iter().filter_map(tensor));
                let (weights, _) = recognise(weights.without_weight_norm().unwrap()).unwrap();
                let found = ARCHITECTURES.iter().filter(|known| (known.detect)(&weights).is_some());
                assert_eq!(found.map(|known| known.name).collect::<Vec<_>>(), [*name], "{case}");
            }
        }
    }
}
