//! Checkpoint readers: files that PyTorch wrote, files made by hand, and files that somebody damaged.
//!
//! `golden/weights/` has the small files and the script that made them.

#[path = "weights/forge.rs"]
#[allow(dead_code, reason = "every test file takes the part that it needs")]
mod forge;
#[path = "support/skip.rs"]
mod skip;

use std::{fs, path::Path};

use forge::{Storage, View, archive, legacy, named, object, objects, wrapped};
use proptest::prelude::*;
use sparsr::Error;
use sparsr::low_level::weights::Weights;
use zip::CompressionMethod::{Deflated, Stored};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/weights");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// The files of `golden/weights/` that hold what `expected.safetensors` holds.
const FILES: [&str; 7] = [
    "zip.pth",
    "legacy.pth",
    "protocol4.pth",
    "deflated.pth",
    "wrapped.pth",
    "beside.pth",
    "beside_legacy.pth",
];

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(GOLDEN).join(name)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Weights, String> {
    Weights::from_bytes("test", bytes).map_err(|error| error.to_string())
}

fn assert_same(found: &Weights, expected: &Weights) {
    let source = found.source();
    assert_eq!(found.names().collect::<Vec<_>>(), expected.names().collect::<Vec<_>>(), "{source}");
    for (name, parameter) in expected.iter() {
        let found = found.get(name).unwrap();
        assert_eq!(found.dims(), parameter.dims(), "{source}: {name}");
        let same = found.values().iter().zip(parameter.values()).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{source}: {name}: {:?}, not {:?}", found.values(), parameter.values());
    }
}

#[test]
fn pytorch_files_hold_what_pytorch_saved() {
    let expected = Weights::load(&Path::new(GOLDEN).join("expected.safetensors")).unwrap();
    assert_eq!(expected.iter().count(), 8);
    assert_eq!(expected.metadata()["scale"], "2");
    for name in FILES {
        assert_same(&Weights::load(&Path::new(GOLDEN).join(name)).unwrap(), &expected);
    }
}

#[test]
fn half_precision_widens_exactly() {
    let weights = read(&golden("f16.pth")).unwrap();
    assert_eq!(weights.get("half").unwrap().values(), [1.5, -2.0, 65504.0]);
    // The nearest bfloat16 to 3e38.
    assert_eq!(weights.get("brain").unwrap().values(), [1.5, -2.0, f32::from_bits(0x7f62_0000)]);
}

/// `bytes` with the one place that says `old` saying `new`.
fn replaced(mut bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    bytes.splice(at..at + old.len(), new.iter().copied());
    bytes
}

#[test]
fn what_is_no_state_dict_is_refused_in_a_sentence() {
    let flat = Storage { key: b'0', len: 2 };
    let bytes = [0u8; 8];
    let good = object(View { storage: flat, offset: 0, dims: &[2], strides: &[1] });
    let entries = |root: &str, pickle: &[u8]| {
        archive(&[(&format!("{root}data.pkl"), pickle), (&format!("{root}data/0"), &bytes)], Stored)
    };
    assert!(read(&entries("", &good)).is_ok());
    assert!(read(&entries("any/root/", &good)).is_ok());
    assert!(read(&legacy(&good, &[(flat, &bytes)])).is_ok());

    let cases = [
        (golden("hostile.pth"), "system is not accepted, nothing was executed"),
        (golden("module.pth"), "object of class torch.nn.modules.conv.Conv2d; save its state_dict instead"),
        (golden("make.py"), "found a text that begins with"),
        (Vec::new(), "found an empty file"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "found a PNG picture"),
        (b"\x80\x02}.".to_vec(), "a Python pickle that torch.save did not write"),
        (archive(&[("a.txt", b"")], Stored), "a zip archive without a data.pkl"),
        (archive(&[("a/data.pkl", &good)], Stored), "a/data/0: "),
        (archive(&[("data.pkl", &good), ("data/0", &bytes[1..])], Stored), "expected 8 bytes, found 7"),
        (archive(&[("data.pkl", &good), ("data/0", &bytes), ("byteorder", b"big")], Stored), "little-endian"),
        (entries("", b"\x80\x02K\x01."), "expected a state_dict, found 1"),
        (
            entries("", b"\x80\x02}U\x02lrG\0\0\0\0\0\0\0\0s."),
            "found a dictionary without tensors, of 1 entries: lr",
        ),
        // Dictionaries that contain themselves under the name of a wrapper.
        (
            entries("", b"\x80\x02}q\0U\x05modelh\0s."),
            "found a dictionary without tensors, of 1 entries: model",
        ),
        (replaced(legacy(&good, &[(flat, &bytes)]), b"endian\x88", b"endian\x89"), "expected little-endian"),
        (replaced(legacy(&good, &[(flat, &bytes)]), b"M\xe9\x03", b"M\xe8\x03"), "expected version 1001"),
        (legacy(&good, &[]), "the file has no storage 0"),
        (legacy(&good, &[(Storage { key: b'1', len: 0 }, &[])]), "no tensor uses the storage the text 1"),
        (legacy(&good, &[(Storage { key: b'0', len: 3 }, &bytes)]), "expected 2 numbers, found 3"),
    ];
    for (bytes, expected) in cases {
        let message = read(&bytes).unwrap_err();
        assert!(message.starts_with("test: ") && message.contains(expected), "{message}, not {expected}");
        assert!(!message.contains('\n'), "{message}");
    }
    let missing = Weights::load(Path::new("no such file.pth"));
    assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
}

/// Whatever stands around the state_dict and beside it, and whatever stands before all names.
#[test]
fn wrappers_are_taken_off() {
    let numbers: Vec<u8> = (0..4u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    let storage = Storage { key: b'0', len: 4 };
    let view = |offset| View { storage, offset, dims: &[2], strides: &[1] };
    let read = |pickle: &[u8]| read(&archive(&[("data.pkl", pickle), ("data/0", &numbers)], Stored)).unwrap();
    let plain = objects(&[view(0), view(2)]);
    for names in [
        &["params-ema"][..],
        &["module"],
        &["ema"],
        &["ema_state_dict"],
        &["g"],
        &["state"],
        &["state_dict", "generator"],
        &["model", "state_dict", "module"],
    ] {
        let weights = read(&wrapped(&plain, names));
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b"], "{names:?}");
        assert_eq!(weights.get("b").unwrap().values(), [2.0, 3.0], "{names:?}");
        assert_eq!(weights.taken(), None, "{names:?}");
    }
    let both = |first: &str, second: &str| {
        let tensors = [(first, view(0)), (second, view(2))];
        read(&wrapped(&named(tensors.into_iter()), &["state_dict"]))
    };
    let rows = [
        ("generator.a.b", "discriminator.c.d", "a.b", 0.0, "generator, not discriminator"),
        ("generator.a.b", "generator_ema.a.b", "a.b", 2.0, "generator_ema, not generator"),
    ];
    for (first, second, name, number, told) in rows {
        let weights = both(first, second);
        assert_eq!(weights.names().collect::<Vec<_>>(), [name]);
        assert_eq!(weights.get(name).unwrap().values()[0], number);
        assert_eq!(weights.taken().unwrap().to_string(), told);
    }
}

/// Small files that claim to hold much. Each must fail before it has taken what it claims.
#[test]
fn claims_are_bounded_by_the_file() {
    let number = [0u8; 4];
    let zeros = vec![0; 2 << 20];
    let zip = |object: &[u8], numbers: &[u8]| archive(&[("data.pkl", object), ("data/0", numbers)], Deflated);
    let storage = |len| Storage { key: b'0', len };
    let all = |len| object(View { storage: storage(len), offset: 0, dims: &[len], strides: &[1] });

    let expanded = |dims| View { storage: storage(1), offset: 0, dims, strides: &[0, 0] };
    let once = object(expanded(&[1 << 20, 1 << 20]));
    // Each is within what the file may unfold to, all of them are not.
    let often = objects(&[expanded(&[64, 64]); 20]);
    let junk = [&[b'N'; 1 << 20][..], b"."].concat();

    let cases = [
        (legacy(&all(1 << 38), &[(storage(1 << 38), &number)]), "the file is cut short"),
        (zip(&all(1 << 38), &number), "unfold to more than 3 times as many"),
        (legacy(&all(u64::MAX), &[(storage(u64::MAX), &number)]), "has 18446744073709551615 numbers"),
        (legacy(&once, &[(storage(1), &number)]), "a: the file's"),
        (zip(&once, &number), "a: the file's"),
        (legacy(&often, &[(storage(1), &number)]), "unfold to more than 3 times as many"),
        (zip(&all(1 << 19), &zeros), "unfold to more than 3 times as many"),
        (zip(&all(1), &zeros), "data/0: expected at most 4 bytes, found more"),
        (archive(&[("data.pkl", &junk)], Deflated), "bytes, found more"),
    ];
    for (bytes, expected) in cases {
        let message = read(&bytes).unwrap_err();
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

/// A file that is cut off anywhere is an error, not a smaller checkpoint.
#[test]
fn truncated_files_are_refused() {
    for name in FILES.into_iter().chain(["expected.safetensors"]) {
        let bytes = golden(name);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{name}, the first {length} of {} bytes", bytes.len());
        }
    }
}

/// One change to a file.
#[derive(Clone, Debug)]
enum Damage {
    Overwrite(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let interesting =
            prop_oneof![any::<u8>(), prop::sample::select(b"\x00\xff\x7f\x80.(0t}]RQbuahj".to_vec())];
        let at = any::<usize>;
        prop_oneof![
            (at(), interesting.clone()).prop_map(|(at, byte)| Self::Overwrite(at, byte)),
            (at(), 0u8..8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            (at(), interesting).prop_map(|(at, byte)| Self::Insert(at, byte)),
            (at(), 1usize..40).prop_map(|(at, length)| Self::Remove(at, length)),
            (at(), 1usize..40).prop_map(|(at, length)| Self::Repeat(at, length)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let index = |at: usize| at % bytes.len().max(1);
        let range = |at: usize, length: usize| index(at)..(index(at) + length).min(bytes.len());
        match *self {
            _ if bytes.is_empty() => {}
            Self::Overwrite(at, byte) => {
                let at = index(at);
                bytes[at] = byte;
            }
            Self::Flip(at, bit) => {
                let at = index(at);
                bytes[at] ^= 1 << bit;
            }
            Self::Insert(at, byte) => bytes.insert(index(at), byte),
            Self::Remove(at, length) => drop(bytes.drain(range(at, length))),
            Self::Repeat(at, length) => bytes.extend_from_within(range(at, length)),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec(Damage::any(), 1..6)
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    damages.iter().for_each(|damage| damage.apply(&mut bytes));
    bytes
}

/// The pickle inside one of PyTorch's archives.
fn pickle() -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(golden("zip.pth"))).unwrap();
    let mut pickle = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_name("zip/data.pkl").unwrap(), &mut pickle).unwrap();
    pickle
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    /// No file makes the readers panic, whichever bytes of it are wrong.
    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select([&FILES[..], &["expected.safetensors", "f16.pth"]].concat()),
        damages in damages(),
    ) {
        let _ = read(&damaged(golden(name), &damages));
    }

    /// A damaged pickle in a sound archive, whose checksum does not give the damage away.
    #[test]
    fn damaged_pickles_never_panic(damages in damages()) {
        let pickle = damaged(pickle(), &damages);
        let _ = read(&archive(&[("data.pkl", &pickle), ("data/0", &[0; 48])], Stored));
    }

    /// Whatever view a tensor claims, it is read as indexing would have it, or refused.
    #[test]
    fn views_are_read_as_indexing_would(
        offset in 0u64..8,
        axes in prop::collection::vec((0u64..4, 0u64..5), 0..4),
    ) {
        let (dims, strides): (Vec<_>, Vec<_>) = axes.iter().copied().unzip();
        let storage = Storage { key: b'0', len: 12 };
        let numbers: Vec<u8> = (0..12u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let found = read(&legacy(&object(View { storage, offset, dims: &dims, strides: &strides }), &[(storage, &numbers)]));

        // All positions in C order, axis by axis.
        let positions = axes.iter().fold(vec![offset], |positions, &(dim, stride)| {
            positions.iter().flat_map(|at| (0..dim).map(move |i| at + i * stride)).collect()
        });
        match found {
            Ok(weights) => {
                let expected: Vec<_> = positions.iter().map(|&at| at as f32).collect();
                prop_assert_eq!(weights.get("a").unwrap().values(), expected);
            }
            Err(message) => prop_assert!(positions.iter().any(|&at| at >= 12), "{}", message),
        }
    }
}

/// The authors' SMSR checkpoint, in the older container, against the same as safetensors.
#[test]
fn the_smsr_checkpoint() {
    let folder = Path::new(DATA).join("smsr_x2");
    if !folder.exists() {
        return skip::told(format_args!("no {}", folder.display()));
    }
    let expected = Weights::load(&folder.join("smsr_x2.safetensors")).unwrap();
    let found = Weights::load(&folder.join("model_1000.pt")).unwrap();
    assert_eq!(found.iter().count(), 99);
    assert_eq!(found.iter().map(|(_, parameter)| parameter.values().len()).sum::<usize>(), 987_330);
    assert_same(&found, &expected);
    found
        .root()
        .scope("body")
        .scope(0)
        .scope("ca")
        .scope("conv_du")
        .scope(0)
        .parameter("weight", &[4, 64, 1, 1])
        .unwrap();
}

/// Every published checkpoint at hand loads.
#[test]
fn published_checkpoints() {
    let Ok(folders) = fs::read_dir(Path::new(DATA).join("models")) else {
        return skip::told(format_args!("no {DATA}/models"));
    };
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    for file in
        files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|e| e == "pth"))
    {
        let weights = Weights::load(&file).unwrap();
        let numbers: usize = weights.iter().map(|(_, parameter)| parameter.values().len()).sum();
        eprintln!("{}: {} tensors, {numbers} numbers", weights.source(), weights.iter().count());
        assert!(numbers > 100_000, "{}", weights.source());
    }
}
