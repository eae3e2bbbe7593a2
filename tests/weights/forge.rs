//! Checkpoints made by hand, honest and hostile: the containers of `torch.save` around any pickle.

use std::io::{Cursor, Write};

use sparsr::low_level::weights::Weights;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The three pickles before the object in the older container.
const PREAMBLE: [&[u8]; 3] = [
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x80\x02M\xe9\x03.",
    b"\x80\x02}U\x0dlittle_endian\x88s.",
];

/// A storage of `f32` whose key is one character.
#[derive(Clone, Copy, Debug)]
pub struct Storage {
    pub key: u8,
    pub len: u64,
}

/// A tensor: where in its storage it lies.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub storage: Storage,
    pub offset: u64,
    pub dims: &'a [u64],
    pub strides: &'a [u64],
}

/// A state_dict with one tensor, `a`.
pub fn object(view: View<'_>) -> Vec<u8> {
    objects(&[view])
}

/// A state_dict with the tensors `a`, `b`, `c`, ….
pub fn objects(views: &[View<'_>]) -> Vec<u8> {
    let names: Vec<String> = ('a'..).take(views.len()).map(String::from).collect();
    named(names.iter().map(String::as_str).zip(views.iter().copied()))
}

/// A state_dict.
pub fn named<'v>(tensors: impl Iterator<Item = (&'v str, View<'v>)>) -> Vec<u8> {
    let entry = |(name, view): (&str, View<'_>)| {
        let length = u8::try_from(name.len()).expect("a short name");
        [&[b'U', length], name.as_bytes(), &tensor(&view), b"s"].concat()
    };
    [&b"\x80\x02}"[..], &tensors.map(entry).collect::<Vec<_>>().concat(), b"."].concat()
}

/// The pickle of a state_dict in dictionaries under these names, the outermost first; beside it, in each, plain values and
/// an optimizer's state, as training programs leave them.
pub fn wrapped(state_dict: &[u8], names: &[&str]) -> Vec<u8> {
    const BESIDE: &[u8] = b"U\x04whencdatetime\ndatetime\n(c_codecs\nencode\n(X\x0b\0\0\0\x07\xc3\xa8\x01\x01\0\0\0\0\0\0\
        U\x06latin1tRtRsU\x04bestcnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02f8\x89\x88tRU\x01xtRs\
        U\x04pathcpathlib\nPosixPath\n(U\x01atRsU\x04kindctorch\nfloat32\nsU\x03optcargparse\nNamespace\n)\x81}bs\
        U\x09optimizer}(U\x05state}K\x00}U\x04stepK\x07ssU\x0cparam_groups]us";
    let object =
        state_dict.strip_prefix(b"\x80\x02").and_then(|rest| rest.strip_suffix(b".")).expect("made here");
    let wrap = |inner: Vec<u8>, name: &&str| {
        let length = u8::try_from(name.len()).expect("a short name");
        [&b"}"[..], BESIDE, &[b'U', length], name.as_bytes(), &inner, b"s"].concat()
    };
    let wrapped = names.iter().rev().fold(object.to_vec(), wrap);
    [&b"\x80\x02"[..], &wrapped, b"."].concat()
}

/// A whole state_dict, all of whose tensors lie in one storage: the pickle, the storage and its bytes.
pub fn state_dict(weights: &Weights) -> (Vec<u8>, Storage, Vec<u8>) {
    let numbers: Vec<u8> =
        weights.iter().flat_map(|(_, p)| p.values()).flat_map(|value| value.to_le_bytes()).collect();
    let storage = Storage { key: b'0', len: numbers.len() as u64 / 4 };
    let axes: Vec<(Vec<u64>, Vec<u64>)> = weights.iter().map(|(_, p)| contiguous(p.dims())).collect();
    let mut offset = 0;
    let views = weights.iter().zip(&axes).map(|((name, parameter), (dims, strides))| {
        let view = View { storage, offset, dims, strides };
        offset += parameter.values().len() as u64;
        (name, view)
    });
    (named(views), storage, numbers)
}

/// Axes, and strides without gaps.
fn contiguous(dims: &[usize]) -> (Vec<u64>, Vec<u64>) {
    let dims: Vec<u64> = dims.iter().map(|&dim| dim as u64).collect();
    let strides = (1..=dims.len()).map(|from| dims[from..].iter().product()).collect();
    (dims, strides)
}

fn tensor(view: &View<'_>) -> Vec<u8> {
    let mut program = b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n".to_vec();
    program.extend([b'U', 1, view.storage.key]);
    program.extend(b"U\x03cpu");
    program.extend(int(view.storage.len));
    program.extend(b"tQ");
    program.extend(int(view.offset));
    for axes in [view.dims, view.strides] {
        program.push(b'(');
        program.extend(axes.iter().flat_map(|&axis| int(axis)));
        program.push(b't');
    }
    program.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    program
}

fn int(value: u64) -> Vec<u8> {
    // Nine bytes, so that the top bit is no sign.
    [&[0x8a, 9][..], &value.to_le_bytes(), &[0]].concat()
}

/// The older container.
pub fn legacy(object: &[u8], storages: &[(Storage, &[u8])]) -> Vec<u8> {
    let mut file = [&PREAMBLE.concat(), object, b"\x80\x02](".as_slice()].concat();
    for (storage, _) in storages {
        file.extend([b'U', 1, storage.key]);
    }
    file.extend(b"e.");
    for (storage, numbers) in storages {
        file.extend(storage.len.to_le_bytes());
        file.extend(*numbers);
    }
    file
}

/// A zip archive of these entries.
pub fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
