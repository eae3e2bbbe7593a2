//! PyTorch checkpoints, `.pth` and `.pt`: what `torch.save` writes.
//!
//! ```text
//! since 1.6: a zip archive            before: one after the other
//!   <root>/data.pkl   the object        pickle  a magic number
//!   <root>/data/0     storage "0"       pickle  the format's version, 1001
//!   <root>/data/1     storage "1"       pickle  the system that wrote it
//!   …                                   pickle  the object
//!   <root>/byteorder  little            pickle  the storages' keys, in order
//!                                       of each storage: its length as i64, its numbers
//! ```
//!
//! The object is a state_dict: a dictionary of names and tensors, which are views into the storages. Of the
//! pickle language only a closed list of [opcodes](opcode) and [names](global) is accepted, and nothing of
//! it is executed. Both containers end in [`parameters`], which bounds what a small file may unfold to.

mod global;
mod opcode;
mod pickle;
mod state_dict;
mod tensor;
mod value;

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    io::{Cursor, Read},
};

use zip::{
    ZipArchive,
    read::{ArchiveOffset, Config},
};

use super::{Contents, Reading, stranger};
use crate::tensor::Parameter;

use pickle::Pickle;
use state_dict::StateDict;
use tensor::Storage;
use value::Value;

/// What the first pickle of the older container holds, and the second.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const VERSION: i128 = 1001;

/// To how many times its size a file may unfold: to so many bytes of tensors, and of storages that wait for theirs.
/// Deflated zeros, shared storages and strides of zero unfold; f16 does, to twice its size.
const UNFOLDING: usize = 3;

/// What a file may unfold to besides, so that small ones may be deflated.
const SLACK: usize = 64 << 10;

/// Reads a zip archive.
pub(super) fn read_zip(bytes: &[u8]) -> Reading<Contents> {
    let mut archive = Archive::open(bytes)?;
    let program = archive.read("data.pkl", bytes.len().saturating_add(SLACK))?;
    let pickle = Pickle::read(&program, 0).map_err(|reason| format!("data.pkl, {reason}"))?;
    parameters(state_dict::find(&pickle)?, bytes.len(), |storage| {
        archive.read(&format!("data/{}", storage.key), storage.bytes()?).map(Cow::Owned)
    })
}

/// Reads the older container.
pub(super) fn read_legacy(bytes: &[u8]) -> Reading<Contents> {
    let magic = Pickle::read(bytes, 0)?;
    if magic.root != Value::Int(MAGIC) {
        return Err("expected a checkpoint, found a Python pickle that torch.save did not write".to_owned());
    }
    let version = Pickle::read(bytes, magic.end)?;
    if version.root != Value::Int(VERSION) {
        return Err(format!("expected version {VERSION} of PyTorch's format, found {}", version.root));
    }
    let system = Pickle::read(bytes, version.end)?;
    if !is_little_endian(&system) {
        return Err("expected little-endian numbers; save the checkpoint anew".to_owned());
    }
    let object = Pickle::read(bytes, system.end)?;
    let keys = Pickle::read(bytes, object.end)?;

    let state_dict = state_dict::find(&object)?;
    let storages = legacy_storages(bytes, &keys, &object)?;
    parameters(state_dict, bytes.len(), |storage| match storages.get(storage.key) {
        Some(numbers) => Ok(Cow::Borrowed(*numbers)),
        None => Err(format!("the file has no storage {}", storage.key)),
    })
}

fn is_little_endian(system: &Pickle<'_>) -> bool {
    match system.root {
        Value::Dict(facts) => system.heap.entry(facts, "little_endian") == Some(Value::Bool(true)),
        _ => false,
    }
}

/// Finds each storage behind the last pickle. How long one is follows from its kind, which only the object
/// knows.
fn legacy_storages<'a>(
    bytes: &'a [u8],
    keys: &Pickle<'a>,
    object: &Pickle<'a>,
) -> Reading<HashMap<&'a str, &'a [u8]>> {
    let kinds: HashMap<_, _> = object.heap.storages().iter().map(|storage| (storage.key, storage)).collect();
    let Value::Sequence(order) = keys.root else {
        return Err(format!("expected a list of the storages' keys, found {}", keys.root));
    };
    let mut rest = &bytes[keys.end..];
    let mut storages = HashMap::new();
    for key in keys.heap.items(order) {
        let storage = match key {
            Value::Text(key) => kinds.get(key).copied(),
            _ => None,
        };
        let storage = storage.ok_or_else(|| format!("no tensor uses the storage {key}"))?;
        let (numbers, behind) = legacy_storage(storage, rest)?;
        storages.insert(storage.key, numbers);
        rest = behind;
    }
    Ok(storages)
}

/// A storage's length and numbers, and what lies behind them.
fn legacy_storage<'a>(storage: &Storage<'_>, rest: &'a [u8]) -> Reading<(&'a [u8], &'a [u8])> {
    let expected = storage.bytes()?;
    let short = || {
        let (key, found) = (storage.key, rest.len());
        format!("storage {key}: expected 8 + {expected} bytes, found {found}; the file is cut short")
    };
    let (len, numbers) = rest.split_first_chunk().ok_or_else(short)?;
    let len = i64::from_le_bytes(*len);
    if usize::try_from(len) != Ok(storage.len) {
        return Err(format!("storage {}: expected {} numbers, found {len}", storage.key, storage.len));
    }
    numbers.split_at_checked(expected).ok_or_else(short)
}

/// A zip archive whose entries lie under one root, as in `archive/data.pkl`.
struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    root: String,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Reading<Self> {
        // Archives begin where the file does. To search for another beginning takes quadratic time on a
        // hostile file: 21 s for 10 MB, in place of 4 ms (zip 9.4.1, debug build).
        let start = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(start, Cursor::new(bytes))
            .map_err(|error| format!("the zip archive is damaged or cut short: {error}"))?;
        if let Some(stranger) = stranger::zipped(|| zip.file_names().flatten()) {
            return Err(format!("expected a PyTorch checkpoint, found {stranger}"));
        }
        let root = zip.file_names().flatten().find_map(|name| {
            let root = name.strip_suffix("data.pkl")?;
            (root.is_empty() || root.ends_with('/')).then(|| root.to_owned())
        });
        let root = root.ok_or("expected a PyTorch checkpoint, found a zip archive without a data.pkl")?;
        let mut archive = Self { zip, root };
        match archive.byte_order()?.as_deref() {
            None | Some(b"little") => Ok(archive),
            Some(_) => Err("expected little-endian numbers; save the checkpoint anew".to_owned()),
        }
    }

    /// What the entry `byteorder` says, which files have since PyTorch 2.1.
    fn byte_order(&mut self) -> Reading<Option<Vec<u8>>> {
        let name = "byteorder";
        let found = self.zip.index_for_name(&format!("{}{name}", self.root));
        found.map(|_| self.read(name, 16)).transpose()
    }

    /// An entry of at most `limit` bytes, whatever the archive says of its length.
    fn read(&mut self, name: &str, limit: usize) -> Reading<Vec<u8>> {
        let path = format!("{}{name}", self.root);
        let damaged = |error: &dyn std::fmt::Display| format!("{path}: {error}; the file is damaged");
        let entry = self.zip.by_name(&path).map_err(|error| damaged(&error))?;
        let claimed = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(claimed.min(limit));
        // One byte more than the limit: the end, where the checksum is compared, must be reached.
        let read = entry.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| damaged(&error))?;
        match bytes.len() {
            len if len <= limit => Ok(bytes),
            _ => Err(format!("{path}: expected at most {limit} bytes, found more")),
        }
    }
}

/// The tensors' numbers out of the storages, each of which is read once and kept up to its last tensor.
fn parameters<'s>(
    StateDict { tensors, taken }: StateDict<'s>,
    file_bytes: usize,
    mut read: impl FnMut(&Storage<'s>) -> Reading<Cow<'s, [u8]>>,
) -> Reading<Contents> {
    let mut budget = Budget::of(file_bytes);
    let mut uses: HashMap<Storage<'s>, usize> = HashMap::new();
    for (_, tensor) in &tensors {
        *uses.entry(tensor.storage()).or_default() += 1;
    }
    let mut storages: HashMap<Storage<'s>, Cow<'s, [u8]>> = HashMap::new();
    let mut contents = Contents { taken, ..Contents::default() };
    for (name, tensor) in &tensors {
        let Some(number) = tensor.number() else { continue };
        let storage = tensor.storage();
        let stored = match storages.entry(storage) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let expected = storage.bytes()?;
                budget.spend(expected)?;
                let bytes = read(&storage)?;
                if bytes.len() != expected {
                    let (key, found) = (storage.key, bytes.len());
                    return Err(format!("storage {key}: expected {expected} bytes, found {found}"));
                }
                entry.insert(bytes)
            }
        };
        let spent = budget.spend(tensor.len().saturating_mul(size_of::<f32>()));
        spent.map_err(|reason| format!("{name}: {reason}"))?;
        contents
            .parameters
            .insert(name.clone(), Parameter::new(tensor.dims(), tensor.gather(number, stored)));
        let left = uses.entry(storage).and_modify(|left| *left -= 1).or_default();
        if *left == 0 {
            budget.left += storages.remove(&storage).map_or(0, |bytes| bytes.len());
        }
    }
    Ok(contents)
}

/// How many bytes a file may still unfold to.
struct Budget {
    file_bytes: usize,
    left: usize,
}

impl Budget {
    fn of(file_bytes: usize) -> Self {
        Self { file_bytes, left: file_bytes.saturating_mul(UNFOLDING).saturating_add(SLACK) }
    }

    fn spend(&mut self, bytes: usize) -> Reading<()> {
        let left = self.left.checked_sub(bytes).ok_or_else(|| {
            format!("the file's {} bytes unfold to more than {UNFOLDING} times as many", self.file_bytes)
        })?;
        self.left = left;
        Ok(())
    }
}
