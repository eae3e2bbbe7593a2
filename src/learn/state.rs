//! Everything that a training needs to go on as if it had never stopped, as one safetensors file.
//!
//! The file appears whole or not at all: it is written beside its name, brought to the disk, and only then takes the
//! name. Whatever ends the program meanwhile, the file that was there before is still there. The same state gives the
//! same bytes.

use std::collections::BTreeMap;
#[cfg(feature = "image")]
use std::{fs, io::Write, path::Path};

use crate::error::{Error, Result};
#[cfg(feature = "image")]
use crate::image::NewFile;
use crate::tensor::Parameter;
use crate::weights;

/// The kind of file, and the version of its layout, under [`KIND`] among the notes of a file.
const LAYOUT: &str = "training state 1";
const KIND: &str = "sparsr";

/// What a training is made of at one moment: parameters, moments, averages, and text such as counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Numbers by name; no name twice.
    pub tensors: Vec<(String, Parameter)>,
    /// Everything else by name.
    pub notes: BTreeMap<String, String>,
}

impl State {
    /// The numbers of a name.
    pub fn tensor(&self, name: &str) -> Option<&Parameter> {
        self.tensors.iter().find(|(known, _)| known == name).map(|(_, numbers)| numbers)
    }

    /// The state as a file's bytes.
    ///
    /// # Errors
    /// [`Error::Weights`] with a name that two tensors have.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut tensors = BTreeMap::new();
        for (name, numbers) in &self.tensors {
            if tensors.insert(name.as_str(), numbers).is_some() {
                return Err(Error::weights("training state", format!("{name}: two tensors have this name")));
            }
        }
        let mut notes = self.notes.clone();
        notes.insert(KIND.into(), LAYOUT.into());
        weights::write_exactly(tensors.into_iter(), &notes)
            .map_err(|reason| Error::weights("training state", reason))
    }

    /// A state from a file's bytes; its tensors come in the order of their names. `source` names it in errors.
    ///
    /// # Errors
    /// [`Error::Weights`] where the bytes are no state, or a damaged one.
    pub fn from_bytes(source: &str, bytes: &[u8]) -> Result<Self> {
        let refused = |reason: String| Error::weights(source, reason);
        let (tensors, mut notes) = weights::read_exactly(bytes)
            .map_err(|reason| refused(format!("expected a training's state, found none: {reason}")))?;
        match notes.remove(KIND).as_deref() {
            Some(LAYOUT) => Ok(Self { tensors: tensors.into_iter().collect(), notes }),
            Some(other) => {
                Err(refused(format!("expected {LAYOUT}, found {other}: it is another version's of sparsr")))
            }
            None => Err(refused(
                "expected a training's state, found other tensors: a network's are no state of its training"
                    .into(),
            )),
        }
    }

    /// Writes the file, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Io`] with the system's reason; what was there before is then still there.
    #[cfg(feature = "image")]
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        let mut file = NewFile::create(path).map_err(Error::io(path))?;
        file.write_all(&bytes).map_err(Error::io(path))?;
        file.finish_on_disk(true).map_err(Error::io(path))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, and as [`State::from_bytes`].
    #[cfg(feature = "image")]
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        Self::from_bytes(&path.display().to_string(), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let tensors = [
            (
                "params.body.0.weight",
                Parameter::new([2, 3], vec![1.0, -0.0, f32::MIN_POSITIVE, 1e-45, 3.0, f32::MAX]),
            ),
            ("params_ema.body.0.weight", Parameter::new([2, 3], vec![0.1; 6])),
            ("module.step", Parameter::new([], vec![7.0])),
        ];
        let notes = [("iteration", "9007199254740993"), ("weight", "0.1;\n\"x\"")];
        State {
            tensors: tensors.map(|(name, numbers)| (name.into(), numbers)).into(),
            notes: notes.map(|(name, note)| (name.into(), note.into())).into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_to_the_bit() {
        let bytes = state().to_bytes().unwrap();
        let again = State::from_bytes("a.state", &bytes).unwrap();
        assert_eq!(again.notes, state().notes);
        assert_eq!(again.tensors.len(), 3);
        for (name, numbers) in &state().tensors {
            let found = again.tensor(name).unwrap();
            let bits = |numbers: &Parameter| numbers.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!((found.dims(), bits(found)), (numbers.dims(), bits(numbers)), "{name}");
        }
        assert_eq!(again.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let whole = state().to_bytes().unwrap();
        let short = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
        let other = weights::write_exactly(std::iter::empty(), &BTreeMap::new()).unwrap();
        let later = BTreeMap::from([(KIND.to_owned(), "training state 2".to_owned())]);
        let later = weights::write_exactly(std::iter::empty(), &later).unwrap();
        for (bytes, expected) in [
            (vec![], "found none: the safetensors file is cut short"),
            (short(&whole, 1), "cut short or damaged"),
            (short(&whole, whole.len() - 20), "cut short"),
            (b"<!DOCTYPE html>".to_vec(), "found none: "),
            (other, "found other tensors"),
            (later, "expected training state 1, found training state 2"),
        ] {
            let sentence = State::from_bytes("a.state", &bytes).unwrap_err().to_string();
            assert!(sentence.starts_with("a.state: expected ") && sentence.contains(expected), "{sentence}");
        }
        let mut twice = state();
        twice.tensors.push(twice.tensors[0].clone());
        assert!(twice.to_bytes().unwrap_err().to_string().contains("params.body.0.weight: two tensors"));
    }

    #[cfg(feature = "image")]
    #[test]
    fn a_save_that_fails_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("100.state");
        state().save(&path).unwrap();
        let mut other = state();
        other.notes.insert("iteration".into(), "200".into());
        // As much as found room, and then no more; then all but the name.
        for share in [3, 1] {
            let bytes = other.to_bytes().unwrap();
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(&bytes[..bytes.len() / share]).unwrap();
            drop(file);
            assert_eq!(State::load(&path).unwrap().notes, state().notes);
        }
        assert!(other.save(&folder.path().join("absent/200.state")).is_err());
        other.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap().notes, other.notes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
