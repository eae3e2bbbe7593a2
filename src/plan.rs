//! How to compute a graph on a GPU: dispatches in order, whole buffers, packed weights. Plain data.
//!
//! ```text
//! Graph ─► split_concats ─► fuse ─► lower ─► slots ─► Plan
//! ```
//!
//! A plan is a function of graph, options and limits alone: the same three give the same plan, and its
//! listing ([`std::fmt::Display`]) is the test and the debugging view. No wgpu object is in it, and no number of a
//! parameter: it says how they are packed.
//!
//! Within a step no buffer is both read and written, because the device would refuse that: a step's output
//! never shares a slot with its inputs. (`concat` reads back what it wrote itself, through one binding.)

mod arrange;
mod choices;
mod fuse;
mod halves;
mod listing;
mod lower;
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "numbers are packed for GPUs"))]
mod packing;
mod phases;
mod slots;
mod training;
mod zeros;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use choices::{Candidate, Choices, Class, Density, Extent, Ranked, Side, Width};
pub use halves::{Storage, exact};
pub use packing::Packing;
pub use phases::{Given, Kept, Origin, Phase, uncut};
pub use training::{Array, Ends, Places, WATCHED};
pub use zeros::Zeros;

use crate::device::Feature;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::kernel::Dispatch;
use crate::tensor::{Shape, packed_len};

/// A buffer that lives as long as the session; values take turns in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// What a step binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Buffer {
    /// A slot.
    Slot(Slot),
    /// Numbers fixed when the plan is made, by their place in [`Plan::constants`].
    Constant(u32),
    /// Parameters of the graph, by their place in [`Plan::parameters`].
    Parameter(u32),
    /// Numbers that stay on the device from run to run, or some of them.
    Resident(Piece),
    /// Nothing: the kernel has a place for what this step has not.
    Unused,
}

/// A part of one of the arrays that outlive runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its place in [`Plan::residents`].
    pub array: u32,
    /// Where it begins, in bytes: a multiple of [`BLOCK_BYTES`](crate::kernel::update::BLOCK_BYTES).
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Numbers that are fixed when a plan is made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Constant {
    /// Activations.
    Numbers(Arc<[f32]>),
    /// What kernels count with.
    Words(Arc<[u32]>),
}

impl Constant {
    /// As the device reads them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Numbers(numbers) => bytemuck::cast_slice(numbers),
            Self::Words(words) => bytemuck::cast_slice(words),
        }
    }
}

/// One dispatch and its buffers.
#[derive(Clone, Debug)]
pub struct Step {
    /// What runs.
    pub dispatch: Dispatch,
    /// What it binds after its parameters, in the shader's order; the outputs come last.
    pub bindings: Vec<Buffer>,
    /// How many of the bindings are written.
    pub outputs: usize,
    /// Whether the outputs are filled with zeros first.
    pub zeroed: bool,
    /// Where the device finds the number of workgroups, if the plan does not know it.
    pub indirect: Option<Indirect>,
    /// The node that it computes, by the checkpoint's path.
    pub label: String,
    /// The shape of what it writes.
    pub shape: Shape,
}

/// A place in a buffer of workgroup counts that an earlier step wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indirect {
    /// The buffer.
    pub slot: Slot,
    /// Which of its entries.
    pub entry: u32,
}

impl Step {
    /// A dispatch whose last binding is written, without what few steps have.
    pub fn new(dispatch: Dispatch, bindings: Vec<Buffer>, label: impl Into<String>, shape: Shape) -> Self {
        let label = label.into();
        Self { dispatch, bindings, outputs: 1, zeroed: false, indirect: None, label, shape }
    }

    /// The slots that it writes.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = Slot> {
        slots_of(&self.bindings[self.bindings.len() - self.outputs..])
    }

    /// The bytes of what it writes.
    pub fn output_bytes(&self) -> u64 {
        let half = self.dispatch.specialization.halves.contains(&"output");
        packed_len(self.shape) as u64 * if half { 2 } else { 4 }
    }

    fn inputs(&self) -> impl Iterator<Item = Slot> {
        let indirect = self.indirect.iter().map(|indirect| indirect.slot);
        slots_of(&self.bindings[..self.bindings.len() - self.outputs]).chain(indirect)
    }
}

fn slots_of(bindings: &[Buffer]) -> impl Iterator<Item = Slot> {
    bindings.iter().filter_map(|buffer| match buffer {
        Buffer::Slot(slot) => Some(*slot),
        Buffer::Constant(_) | Buffer::Parameter(_) | Buffer::Resident(_) | Buffer::Unused => None,
    })
}

/// A value that the host writes or reads.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Where it lies.
    pub slot: Slot,
    /// Its shape.
    pub shape: Shape,
    /// How its numbers are written.
    pub form: Form,
}

impl Port {
    /// Words of 32 bits that it takes.
    pub fn words(&self) -> usize {
        self.form.words(self.shape)
    }
}

/// How the host writes or reads a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Activations, packed as on the device.
    #[default]
    Tensor,
    /// RGB pixels of 8 bits a sample.
    Pixels8,
    /// RGB pixels of 16 bits a sample.
    Pixels16,
}

impl Form {
    /// Words of 32 bits that a value of `shape` takes.
    pub fn words(self, shape: Shape) -> usize {
        match self {
            Self::Tensor => packed_len(shape),
            Self::Pixels8 => shape.batch * shape.pixels(),
            Self::Pixels16 => 2 * shape.batch * shape.pixels(),
        }
    }
}

/// What the caller chooses.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How the picture goes in.
    pub input: Form,
    /// How the output comes out.
    pub output: Form,
    /// Values to be read after the run. They are kept as they are: never fused away, never overwritten.
    pub keep: Vec<Value>,
    /// Whether masked convolutions skip what their mask leaves out.
    pub sparsity: Sparsity,
    /// How those that skip go through their active pixels.
    pub units: Units,
    /// How 3×3 convolutions are computed.
    pub algorithm: Algorithm,
    /// Which kernels are preferred: what was measured on the device. By default, and for what is not in it, the
    /// shipped table.
    pub choices: Option<Arc<Choices>>,
    /// How sparse the weights are that the plan is for. By default they are taken to be dense.
    pub zeros: Arc<Zeros>,
    /// Whether [`Algorithm::Auto`] may round the factors of convolutions to f16. Those that a mask hangs on stay f32.
    pub cooperative: bool,
    /// How values and weights lie in memory. A device that cannot store f16 keeps all in f32.
    pub storage: Storage,
}

/// Whether masked convolutions skip what their mask leaves out. The result is the same.
///
/// Printed as, and parsed from, `auto`, `dense` and `sparse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sparsity {
    /// The device decides, module by module, from the density that it finds.
    #[default]
    Auto,
    /// Every pixel is computed.
    Dense,
    /// Only active pixels are.
    Sparse,
}

impl Sparsity {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Dense, Self::Sparse];
}

impl fmt::Display for Sparsity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Dense => "dense",
            Self::Sparse => "sparse",
        })
    }
}

impl FromStr for Sparsity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|sparsity| sparsity.to_string() == text);
        named.ok_or_else(|| Error::parse("auto, dense or sparse", text))
    }
}

/// How a sparse convolution goes through its active pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Units {
    /// Tiles where many pixels of one are active, single pixels elsewhere.
    #[default]
    Mixed,
    /// 4×4 tiles that begin where a pixel is active.
    Tiles,
    /// Pixel by pixel.
    Pixels,
    /// Those that each workgroup finds in 16×16 pixels of its own.
    Workgroups,
}

/// How a 3×3 convolution is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// What was measured to be faster on such a device.
    #[default]
    Auto,
    /// Tap by tap.
    Direct,
    /// Winograd's F(4×4, 3×3), wherever it can be.
    Winograd,
    /// By cooperative matrices, with factors rounded to f16: wherever the device has them and no mask hangs on it.
    /// Elsewhere as [`Self::Auto`].
    Cooperative,
}

/// What the plan must know of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one binding may have.
    pub binding_bytes: u64,
    /// Workgroups along one axis of a dispatch.
    pub workgroups: u32,
    /// Bytes of memory that a workgroup's threads share.
    pub workgroup_bytes: u32,
    /// The width of every subgroup, if it is one and subgroup operations are there.
    pub subgroup_lanes: Option<u32>,
    /// Whether shaders may store 16-bit floating point.
    pub f16: bool,
    /// The side of the matrices that a subgroup multiplies, 8 or 16: f16 factors, f32 sums.
    pub cooperative_side: Option<u32>,
}

impl Limits {
    /// What every WebGPU device has.
    pub const PORTABLE: Self = Self {
        binding_bytes: 128 << 20,
        workgroups: 65_535,
        workgroup_bytes: 16 << 10,
        subgroup_lanes: None,
        f16: false,
        cooperative_side: None,
    };

    /// Whether a feature is there.
    pub fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::Subgroups => self.subgroup_lanes.is_some(),
            Feature::F16 => self.f16,
            Feature::CooperativeMatrices => self.cooperative_side.is_some(),
        }
    }

    /// The same without a feature.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        match feature {
            Feature::Subgroups => self.subgroup_lanes = None,
            Feature::F16 => self.f16 = false,
            Feature::CooperativeMatrices => {}
        }
        self.cooperative_side = None; // matrices are of f16, and belong to subgroups
        self
    }
}

/// The classes of convolution that plans of `graph`, with weights so sparse, may ask a choice for, those with the most
/// multiply-adds first.
pub fn classes(graph: &Graph, zeros: &Arc<Zeros>, limits: &Limits) -> Vec<Class> {
    let (graph, _) = graph.split_concats(&[]);
    let groups = fuse::fuse(&graph, &[]);
    let mut work = BTreeMap::new();
    for algorithm in [Algorithm::Auto, Algorithm::Direct] {
        let options = Options { algorithm, zeros: zeros.clone(), ..Options::default() };
        work.extend(lower::classes(&graph, &groups, &options, limits));
    }
    let mut classes: Vec<Class> = work.keys().copied().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(work[class]));
    classes
}

/// Dispatches in order, the buffers that they share, how kernels read the parameters.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The graph's name.
    pub name: String,
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// The bytes of every slot.
    pub slots: Vec<u64>,
    /// Fixed numbers.
    pub constants: Vec<Constant>,
    /// How the graph's parameters are packed.
    pub parameters: Vec<Packing>,
    /// Bytes of each array that outlives runs; all sessions of a pool share them.
    pub residents: Vec<u64>,
    /// Where the host writes the picture, if anything reads it.
    pub picture: Option<Port>,
    /// Where it writes the graph's further inputs, in order.
    pub given: Vec<Port>,
    /// Where it reads the result.
    pub output: Port,
    /// Where it reads each of the graph's further outputs, then each of [`Options::keep`], in that order.
    pub kept: Vec<Port>,
}

impl Plan {
    /// Plans `graph`, which is folded ([`Graph::check_folded`]).
    ///
    /// # Errors
    /// [`Error::Limits`] if a value does not fit into one of the device's bindings, [`Error::Unsupported`] if a head
    /// of an attention is deeper than its kernel takes, or the graph is not folded.
    pub fn new(graph: &Graph, options: &Options, limits: &Limits) -> Result<Self> {
        graph.check_folded()?;
        lower::check(graph)?;
        let further = graph.outputs()[1..].iter().map(|output| output.value);
        let options =
            Options { keep: further.chain(options.keep.iter().copied()).collect(), ..options.clone() };
        let (graph, renamed) = graph.split_concats(&options.keep);
        let keep: Vec<Value> = options.keep.iter().map(|value| renamed[value.index()]).collect();
        let groups = fuse::fuse(&graph, &keep);
        let (mut plan, _) = lower::lower(&graph, &groups, &Options { keep, ..options }, limits, None);
        slots::assign(&mut plan);
        plan.check(limits)?;
        Ok(plan)
    }

    /// What the host writes: the picture, if it is read, and what is given.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.picture.iter().chain(&self.given)
    }

    /// What the host reads: the output, and what is kept.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        std::iter::once(&self.output).chain(&self.kept)
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        for step in &self.steps {
            let bytes = step.output_bytes();
            if bytes > limits.binding_bytes {
                return Err(Error::Limits(format!(
                    "{}: its {} numbers need {:.1} MiB in one buffer and the device binds at most {:.1} MiB; \
                     choose smaller tiles, or the CPU",
                    step.label,
                    step.shape,
                    mebibytes(bytes),
                    mebibytes(limits.binding_bytes)
                )));
            }
            if step.dispatch.workgroups.iter().any(|count| *count > limits.workgroups) {
                return Err(Error::Limits(format!(
                    "{}: {:?} workgroups, and the device takes at most {} along an axis",
                    step.label, step.dispatch.workgroups, limits.workgroups
                )));
            }
        }
        Ok(())
    }
}

/// The graph as plans see it: the same function, with sums in place of wide convolutions. Its values are those that may
/// lie in memory.
pub fn rewritten(graph: &Graph) -> Graph {
    graph.split_concats(&[]).0
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparsity_is_parsed_as_it_is_printed() {
        for sparsity in Sparsity::ALL {
            assert_eq!(sparsity.to_string().parse::<Sparsity>().unwrap(), sparsity);
        }
        let error = "Dense".parse::<Sparsity>().unwrap_err();
        assert_eq!(error.to_string(), "expected auto, dense or sparse, found `Dense`");
    }
}
