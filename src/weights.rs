//! Checkpoints: names to parameters, kept under their original `state_dict` names from the file to the
//! error message.
//!
//! Two families of files are read, told apart by their content and never by their extension:
//!
//! - *safetensors*;
//! - *PyTorch*, `.pth` and `.pt`: a zip archive, or before version 1.6 a run of pickles.
//!
//! What training programs put before all names, such as `module.`, is taken off. Every number becomes
//! `f32`. Tensors of integers (`num_batches_tracked`, `relative_position_index`) are
//! bookkeeping that a network derives from its own description: they are skipped. A checkpoint is a file
//! from a stranger: the readers execute nothing, check every index, unfold no file to more than three times its
//! size, or 24 times where weights are [balanced](Weights::BALANCE) (`tests/fuzz.rs` counts all that they allocate),
//! and answer what they cannot read with one sentence.

mod balanced;
mod container;
mod names;
mod number;
mod pytorch;
mod reads;
mod safetensors;
mod scope;
mod stranger;
mod weight_norm;

use std::{collections::BTreeMap, fs, path::Path};

use crate::{Error, Result, tensor::Parameter};

use container::Container;
pub use names::Taken;
use number::Number;
use reads::Reads;
pub use safetensors::Stored;
pub use scope::Scope;
use weight_norm::Normalised;

/// What a reader makes of a file: its parameters and its metadata.
#[derive(Debug, Default)]
struct Contents {
    parameters: BTreeMap<String, Parameter>,
    metadata: BTreeMap<String, String>,
    /// Of several networks that the file has, which these are.
    taken: Option<Taken>,
}

/// A safetensors file of tensors under exactly these names; of one name none is taken off, as [`Weights`] would.
pub(crate) fn write_exactly<'p>(
    tensors: impl Iterator<Item = (&'p str, &'p Parameter)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    safetensors::write(tensors, metadata, Stored::F32)
}

/// The tensors and the metadata of such a file, in the order of their names.
pub(crate) fn read_exactly(bytes: &[u8]) -> Result<Exactly, String> {
    let Contents { parameters, metadata, .. } = safetensors::read(bytes)?;
    Ok((parameters, metadata))
}

/// Tensors and metadata.
type Exactly = (BTreeMap<String, Parameter>, BTreeMap<String, String>);

/// A reader's result. Readers know no file name: they give the reason alone, and [`Weights::from_bytes`]
/// says of which file.
type Reading<T> = std::result::Result<T, String>;

/// A checkpoint: names to parameters, and what else the file says about itself.
#[derive(Clone, Debug)]
pub struct Weights {
    source: String,
    parameters: BTreeMap<String, Parameter>,
    /// The weights that are normalised, by their plain names.
    normalised: BTreeMap<String, Normalised>,
    metadata: BTreeMap<String, String>,
    taken: Option<Taken>,
    /// What scopes were asked for, where somebody wants to know.
    reads: Option<Reads>,
}

impl Weights {
    /// The entry of a file's metadata that tells how many numbers of every block of a weight stay, as in `4 of 16`
    /// ([`Balance`](crate::tensor::Balance)). With it weights that are so are written as `NAME.values`, F32 or F16, and
    /// `NAME.indices`, U8, both `[out, kernel height, kernel width, blocks, kept]`: an index is that of an input within its
    /// block, upwards; a block that has fewer numbers has zeros behind them.
    pub const BALANCE: &str = "balance";

    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, and as [`Weights::from_bytes`].
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        Self::from_bytes(&path.display().to_string(), &bytes)
    }

    /// Reads a checkpoint from memory. `source` names it in errors.
    ///
    /// # Errors
    /// [`Error::Weights`] where the bytes are no checkpoint, a damaged one, or one that holds what the
    /// readers do not accept.
    pub fn from_bytes(source: &str, bytes: &[u8]) -> Result<Self> {
        let contents = Container::recognise(bytes).and_then(|container| match container {
            Container::Safetensors => safetensors::read(bytes),
            Container::Zip => pytorch::read_zip(bytes),
            Container::Pickle => pytorch::read_legacy(bytes),
        });
        let Contents { parameters, metadata, taken } =
            contents.map_err(|reason| Error::weights(source, reason))?;
        let read = Self::new(source, parameters);
        Ok(Self { metadata, taken: read.taken.or(taken), ..read })
    }

    /// Parameters that were made, not read. As from a file, a prefix that wrappers put before all names goes, and of
    /// several networks the best is taken.
    pub fn new(source: impl Into<String>, parameters: impl IntoIterator<Item = (String, Parameter)>) -> Self {
        let (parameters, taken) = names::own(parameters.into_iter().collect());
        Self {
            source: source.into(),
            taken,
            normalised: weight_norm::normalised(&parameters),
            parameters,
            metadata: BTreeMap::new(),
            reads: None,
        }
    }

    /// The same with more said about itself.
    #[must_use]
    pub fn with_metadata<K: Into<String>, V: Into<String>>(
        mut self,
        more: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.metadata.extend(more.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// The checkpoint as a safetensors file, the same for the same tensors and metadata.
    ///
    /// # Errors
    /// [`Error::Weights`] with the tensor that has a number too large for `stored`.
    pub fn to_safetensors(&self, stored: Stored) -> Result<Vec<u8>> {
        safetensors::write(self.iter(), &self.metadata, stored)
            .map_err(|reason| Error::weights(&self.source, reason))
    }

    /// Where it came from: a path, or `builtin:<name>`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the file says about itself: the `__metadata__` of safetensors; PyTorch files have none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Which network this is, of a file that has several: averaged parameters before plain ones, a generator and not its
    /// discriminator.
    pub fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// The parameter of this name; of a normalised weight, under its plain name, the direction.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.stored(self.normalised.get(name).map_or(name, |normalised| &normalised.direction))
    }

    /// The tensor of exactly this name.
    fn stored(&self, name: &str) -> Option<&Parameter> {
        self.parameters.get(name)
    }

    /// The tensors that what a scope asks for is made of.
    fn made_of<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n str> {
        let normalised = self.normalised.get(name).map(Normalised::names);
        normalised.unwrap_or([name; 2]).into_iter()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// All names and parameters, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.parameters.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// The scope of the whole checkpoint, from which a model asks for its parameters.
    pub fn root(&self) -> Scope<'_> {
        Scope::root(self)
    }
}
