//! Networks: a checkpoint's tensors tell which architecture they are, how wide, how deep, at what scale.

pub mod acnet;
pub mod bsrn;
mod builtin;
pub mod carn;
pub mod dat;
pub mod edsr;
mod esa;
pub mod esrt;
mod fit;
mod from_file;
pub mod imdn;
pub mod ledsr;
pub mod mdsr;
mod parts;
pub mod rcan;
mod recognise;
pub mod rfdn;
pub mod rlfn;
pub mod rrdb;
pub mod safmn;
pub mod smsr;
pub mod span;
pub mod srvgg;
pub mod swinir;
pub mod trilevelnas;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub(crate) use self::parts::DIV2K_MEAN;
use crate::error::{Error, Result};
use crate::export;
use crate::graph::{Graph, Parameters, in_colour};
use crate::net::{Facts, Net};
use crate::pixels::Edge;
use crate::tensor::Shape;
use crate::weights::{Stored, Weights};

/// The version of what [`Model::to_safetensors`] writes.
const LAYOUT: &str = "1";

/// A network with a name and where it comes from.
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    weights: Weights,
    /// What the tensors of a checkpoint told.
    known: Option<(&'static str, Arc<dyn Network>)>,
    net: Net,
    /// Whether it comes from a file and nothing is known of what it makes.
    unseen: bool,
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

    /// Channels of its pictures: three, or one, which then is luma.
    fn colours(&self) -> usize {
        3
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

    /// Whether the network has no use for a tensor of this name though checkpoints have it: what follows from sizes,
    /// or is for training alone. Any other that is not read is an error, since it would be a layer left out.
    fn ignores(&self, _name: &str) -> bool {
        false
    }

    /// What neither the tensors tell nor, once it is pruned, their sizes: entries of a file's metadata, which are read
    /// where they are there.
    fn told(&self) -> Vec<(&'static str, String)> {
        vec![]
    }

    /// What the network takes a pixel for, where no tensor tells it and trainers differ.
    fn convention(&self) -> Option<Convention> {
        None
    }

    /// The same network by another convention, where it has one.
    fn by_convention(&self, _convention: Convention) -> Option<Arc<dyn Network>> {
        None
    }

    /// Whether the paper counts the parameter of this name.
    fn counts(&self, _parameter: &str) -> bool {
        true
    }

    /// What a graph does not say of the pictures that go through it.
    fn facts(&self) -> Facts {
        let (scale, alignment) = (self.scale(), self.alignment());
        Facts::scale(scale).of_sides(alignment, self.smallest_side(), self.edge())
    }

    /// The network for pictures of `input`'s shape, of its own channels, and the numbers of its parameters.
    fn build(&self, weights: &Weights, input: Shape) -> Result<(Graph, Parameters)>;

    /// How each sparse module divides its channels.
    fn partitions(&self, _weights: &Weights) -> Result<Vec<Partition>> {
        Ok(vec![])
    }
}

/// What a network takes a pixel for: `white · (pixel − mean)`, of pixels in 0 … 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convention {
    /// The value of white, 1 or 255.
    pub white: f32,
    /// Red, green and blue.
    pub mean: [f32; 3],
}

impl Convention {
    /// By the mean of DIV2K's pictures.
    const fn div2k(white: f32) -> Self {
        Self { white, mean: DIV2K_MEAN }
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.mean;
        write!(f, "white {}, mean {r},{g},{b}", self.white)
    }
}

/// How a checkpoint is recognised.
struct Architecture {
    /// In lower case.
    name: &'static str,
    /// The paper's short name, its first author, where and when.
    title: &'static str,
    /// Typical tensors of each scheme of names, with spaces between, for who brings something else.
    keys: &'static [&'static str],
    /// The network that the tensors are; `None` if they are another architecture's.
    detect: fn(&Weights) -> Detected,
}

type Detected = Option<Result<Arc<dyn Network>>>;

/// A row of [`ARCHITECTURES`], called as its module.
macro_rules! architecture {
    ($module:ident, $title:literal) => {
        Architecture {
            name: stringify!($module),
            title: $title,
            keys: $module::KEYS,
            detect: |weights| network($module::Config::detect(weights)),
        }
    };
}

/// Every architecture. Their tensors tell them apart, so the order is that of the alphabet.
const ARCHITECTURES: &[Architecture] = &[
    architecture!(acnet, "ACNet, Tian et al., IEEE Transactions on Systems, Man, and Cybernetics 2021"),
    architecture!(bsrn, "BSRN, Li et al., CVPR workshops 2022"),
    architecture!(carn, "CARN, Ahn et al., ECCV 2018"),
    architecture!(dat, "DAT, Chen et al., ICCV 2023"),
    architecture!(edsr, "EDSR, Lim et al., CVPR workshops 2017"),
    architecture!(esrt, "ESRT, Lu et al., CVPR workshops 2022"),
    architecture!(imdn, "IMDN, Hui et al., ACM MM 2019"),
    architecture!(ledsr, "ASSLN, Zhang et al., NeurIPS 2021"),
    architecture!(mdsr, "MDSR, Lim et al., CVPR workshops 2017"),
    architecture!(rcan, "RCAN, Zhang et al., ECCV 2018"),
    architecture!(rfdn, "RFDN, Liu et al., ECCV workshops 2020"),
    architecture!(rlfn, "RLFN, Kong et al., CVPR workshops 2022"),
    architecture!(rrdb, "ESRGAN's RRDBNet, Wang et al., ECCV workshops 2018"),
    architecture!(safmn, "SAFMN, Sun et al., ICCV 2023"),
    architecture!(smsr, "SMSR, Wang et al., CVPR 2021"),
    architecture!(span, "SPAN, Wan et al., CVPR workshops 2024"),
    architecture!(srvgg, "Real-ESRGAN's SRVGGNetCompact, Wang et al., ICCV workshops 2021"),
    architecture!(swinir, "SwinIR, Liang et al., ICCV workshops 2021"),
    architecture!(trilevelnas, "TrilevelNAS, Wu et al., arXiv 2021"),
];

fn network<N: Network + 'static>(found: Option<Result<N>>) -> Detected {
    found.map(|config| Ok(Arc::new(config?) as Arc<dyn Network>))
}

/// An architecture that checkpoints are recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// What [`Model::architecture`] calls it.
    pub name: &'static str,
    /// The paper's short name, its first author, where and when.
    pub title: &'static str,
    /// Typical tensors of each scheme of names, with spaces between.
    pub keys: &'static [&'static str],
}

/// Every architecture that checkpoints are recognised as, in the order of the alphabet.
pub fn architectures() -> impl Iterator<Item = Known> {
    ARCHITECTURES.iter().map(|&Architecture { name, title, keys, .. }| Known { name, title, keys })
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

impl Partition {
    /// The share of all layers' channels that is computed everywhere.
    pub fn dense_share(&self) -> f64 {
        self.dense.iter().sum::<usize>() as f64 / (self.channels * self.dense.len()).max(1) as f64
    }
}

impl Model {
    /// The network that `weights` hold.
    ///
    /// # Errors
    /// [`Error::Weights`], as [`Model::load`].
    pub fn from_weights(name: impl Into<String>, weights: Weights) -> Result<Self> {
        fit::sound(&weights)?;
        let (architecture, network) = recognise::recognise(&weights)?;
        // Building reads every tensor once, so a checkpoint that does not fit is refused here.
        let (graph, parameters) = fit::build(architecture, &*network, &weights)?;
        let net =
            Net::from_graph(graph, parameters, network.facts()).map_err(|error| fit::of(&weights, error))?;
        Ok(Self { name: name.into(), weights, known: Some((architecture, network)), net, unseen: false })
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
        let other = self.known.as_ref().and_then(|(architecture, network)| {
            network.at_scale(scale).map(|network| (*architecture, network))
        });
        let (architecture, network) = other.ok_or_else(|| {
            let reason = format!("expected a network of x{scale}, found one of {}", self.scales_in_words());
            Error::weights(source, reason)
        })?;
        let (graph, parameters) = built(&*network, &self.weights)?;
        let net = Net::from_graph(graph, parameters, network.facts())?;
        Ok(Self { known: Some((architecture, network)), net, ..self.clone() })
    }

    /// What the network takes a pixel for, where no tensor tells it.
    pub fn convention(&self) -> Option<Convention> {
        self.known.as_ref().and_then(|(_, network)| network.convention())
    }

    /// The same network by another convention.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if its tensors, or its architecture, tell which it is.
    pub fn by_convention(&self, convention: Convention) -> Result<Self> {
        let other = self.known.as_ref().and_then(|(architecture, network)| {
            network.by_convention(convention).map(|network| (*architecture, network))
        });
        let (architecture, network) = other.ok_or_else(|| {
            Error::Unsupported(format!(
                "{}: white and mean are known of this network ({}) and cannot be chosen",
                self.weights.source(),
                self.architecture()
            ))
        })?;
        let (graph, parameters) = built(&*network, &self.weights)?;
        let net = Net::from_graph(graph, parameters, network.facts())?;
        Ok(Self { known: Some((architecture, network)), net, ..self.clone() })
    }

    /// Entries of a file's metadata that say of the network what its tensors, of other sizes than the published ones, would
    /// not.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        self.known.as_ref().map_or_else(Vec::new, |(_, network)| network.told())
    }

    /// Whether it is a stranger's, from a file, and nobody has looked yet at what it makes.
    pub fn is_unseen(&self) -> bool {
        self.unseen
    }

    /// The same once [`crate::guard::examine`] has looked at it, by the convention that it chose, if it chose one.
    ///
    /// # Errors
    /// As [`Model::by_convention`].
    pub fn seen(&self, chosen: Option<Convention>) -> Result<Self> {
        let model = chosen.map_or_else(|| Ok(self.clone()), |convention| self.by_convention(convention))?;
        Ok(Self { unseen: false, ..model })
    }

    /// The file's stem, or the built-in name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network itself.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The architecture's name, in lower case; `graph` for a network that was made by hand or came with its graph.
    pub fn architecture(&self) -> &'static str {
        self.known.as_ref().map_or("graph", |(architecture, _)| *architecture)
    }

    /// Whether a graph tells what it is, and not its tensors: one from a file of ncnn's, or one that was made by hand.
    pub fn told_by_graph(&self) -> bool {
        self.known.is_none()
    }

    /// What distinguishes this network from others of its architecture, in words.
    pub fn description(&self) -> String {
        let nodes = || format!("{} nodes", self.net.unfolded().nodes().len());
        let told = |network: &dyn Network| match network.colours() {
            1 => format!("{network}, of luma alone; colour is interpolated"),
            _ => network.to_string(),
        };
        self.known.as_ref().map_or_else(nodes, |(_, network)| told(&**network))
    }

    /// Output pixels to an input pixel, along one side.
    pub fn scale(&self) -> usize {
        self.net.facts().scale
    }

    /// Every scale that the checkpoint holds a network of, upwards.
    pub fn scales(&self) -> Vec<usize> {
        self.known.as_ref().map_or_else(|| vec![self.scale()], |(_, network)| scales(&**network))
    }

    /// `x2, x3, x4`.
    fn scales_in_words(&self) -> String {
        let scales: Vec<String> = self.scales().iter().map(|scale| format!("x{scale}")).collect();
        scales.join(", ")
    }

    /// The tensors that the network is made of.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The checkpoint as a safetensors file, under the same names. Its metadata says what the tensors are:
    /// `architecture`, `scale` (of several `2, 3, 4`), `source` (the name of the file that it was), `written_by` and
    /// `layout`, the version of this list, and what was there before.
    ///
    /// # Errors
    /// [`Error::Weights`] with the tensor that has a number too large for `stored`.
    pub fn to_safetensors(&self, stored: Stored) -> Result<Vec<u8>> {
        let scales: Vec<String> = self.scales().iter().map(usize::to_string).collect();
        let source = self.weights.source();
        let source = Path::new(source).file_name().map_or(source.into(), |name| name.to_string_lossy());
        let about = [
            ("architecture", self.architecture().to_owned()),
            ("layout", LAYOUT.to_owned()),
            ("scale", scales.join(", ")),
            ("source", source.into_owned()),
            ("written_by", concat!("sparsr ", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        self.weights.clone().with_metadata(about).to_safetensors(stored)
    }

    /// The network as ncnn's two files, `.param` and `.bin`, for pictures of RGB in 0 … 1.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the node that ncnn has no layer for.
    pub fn to_ncnn(&self) -> Result<[Vec<u8>; 2]> {
        export::ncnn::write(&self.net)
    }

    /// The network as an ONNX model, N×3×H×W of RGB in 0 … 1, whose sides are what [`Facts`] say. Masks are multiplications.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the node that no operator of ONNX is.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        export::onnx::write(&self.net)
    }

    /// Input widths and heights must be multiples of this.
    pub fn alignment(&self) -> usize {
        self.net.facts().alignment
    }

    /// Input widths and heights must be at least this.
    pub fn smallest_side(&self) -> usize {
        self.net.facts().smallest_side
    }

    /// What a picture of another size is extended by.
    pub(crate) fn edge(&self) -> Edge {
        self.net.facts().edge
    }

    /// The size, width and height, that a picture is extended to, so that the network takes it.
    pub fn extended(&self, size: [usize; 2]) -> [usize; 2] {
        self.net.facts().extended(size)
    }

    /// Numbers in the network's weights, counted as its paper does.
    pub fn parameters(&self) -> usize {
        let counts = |name: &str| self.known.as_ref().is_none_or(|(_, network)| network.counts(name));
        let counted =
            self.weights.iter().filter(|(name, _)| !self.weights.is_magnitude(name) && counts(name));
        counted.map(|(_, parameter)| parameter.values().len()).sum()
    }

    /// What engines run, for pictures of one shape: N×3×H×W, RGB. Its numbers are [`Net::numbers`].
    ///
    /// # Errors
    /// [`Error::Shape`] if the size is no multiple of [`Model::alignment`], or not of three channels.
    pub fn graph(&self, input: Shape) -> Result<Graph> {
        self.net.graph(input)
    }

    /// How each sparse module divides its channels; empty for a dense network.
    pub fn partitions(&self) -> Vec<Partition> {
        let partitions = self.known.as_ref().map(|(_, network)| network.partitions(&self.weights));
        partitions.map_or_else(Vec::new, |read| read.expect("the tensors were read when the model was made"))
    }
}

impl From<Net> for Model {
    /// A network that was made by hand, called as its graph.
    fn from(net: Net) -> Self {
        let name = net.unfolded().name().to_owned();
        let parameters = net.parameters().iter().map(|(name, numbers)| (name.to_owned(), numbers));
        Self { weights: Weights::new(name.clone(), parameters), name, known: None, net, unseen: false }
    }
}

/// The network for the smallest picture, in colour.
fn built(network: &dyn Network, weights: &Weights) -> Result<(Graph, Parameters)> {
    let (graph, parameters) =
        network.build(weights, network.facts().smallest().with_channels(network.colours()))?;
    match network.colours() {
        1 => in_colour(&graph, &parameters, network.scale()),
        _ => Ok((graph, parameters)),
    }
}

/// Every scale that a network's checkpoint holds, upwards.
fn scales(network: &dyn Network) -> Vec<usize> {
    (1..=8).filter(|scale| *scale == network.scale() || network.at_scale(*scale).is_some()).collect()
}
