//! Damaged checkpoints and models through the whole of loading: bytes to `Weights` to `Model`. Nothing panics, and no reader takes
//! more memory than [`TIMES`] the file's size and [`BESIDES`]. Every golden network is among them, and once the bytes
//! are read its tensors are renamed, reshaped and lost as well. ONNX models go to a network and take [`TIMES_MODEL`] their
//! size and [`BESIDES_MODEL`] at most.
//!
//! ```sh
//! SPARSR_FUZZ=1000000 cargo test --release --test fuzz -- --nocapture
//! ```
//!
//! takes a million cases in place of [`CASES`]; `SPARSR_FUZZ_FROM` is the first one. A case is its number: the same
//! number is the same file with the same damage. Files of others in `../shared/data` are taken in where they are there.

#[path = "fuzz/damage.rs"]
mod damage;
#[path = "weights/forge.rs"]
#[allow(dead_code, reason = "every test file takes the part that it needs")]
mod forge;
#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/networks.rs"]
mod networks;
#[path = "support/skip.rs"]
mod skip;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use damage::{Random, damaged};
use sparsr::Model;
use sparsr::low_level::weights::{Stored, Weights};
use zip::CompressionMethod;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// Cases in every run of the tests.
const CASES: u64 = 12_000;

/// One in so many cases is a published checkpoint, which takes a hundred times as long.
const PUBLISHED: u64 = 64;

/// One in so many is tensors that were read well and make no sense.
const TENSORS: u64 = 4;

/// How much a reader may have allocated at once, in sizes of the file: an f16 file, whose numbers become twice as large,
/// and a storage on its way to them are three.
const TIMES: usize = 4;

/// The same of a file that says that its weights are balanced: one in eight numbers stays, in f16 three bytes with its index.
const TIMES_BALANCED: usize = 24;

/// What it may take besides, which only shows in small files: the pickle's values, the archive's directory and
/// inflation's window.
const BESIDES: usize = 512 << 10;

/// Damaged ONNX models in every run of the tests.
const MODELS: u64 = 3_000;

/// What one may take on its way to a network, in sizes of the file, and besides.
const TIMES_MODEL: usize = 8;
const BESIDES_MODEL: usize = 1 << 20;

/// What a reader may take for a file.
fn most(bytes: &[u8]) -> usize {
    let is_balanced = bytes.windows(9).take(1 << 16).any(|bytes| bytes == b"\"balance\"");
    bytes.len() * if is_balanced { TIMES_BALANCED } else { TIMES } + BESIDES
}

/// A sound file.
struct Seed {
    name: String,
    bytes: Vec<u8>,
    /// The pickle and its storage, where damage to the pickle goes into a sound archive, whose checksums would
    /// otherwise give it away.
    pickled: Option<(Vec<u8>, Vec<u8>)>,
}

impl Seed {
    fn of(path: PathBuf) -> Self {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name: path.display().to_string(), bytes, pickled: None }
    }

    fn file(&self, random: &mut Random) -> Vec<u8> {
        let Some((pickle, numbers)) = &self.pickled else { return damaged(&self.bytes, random) };
        let pickle = damaged(pickle, random);
        forge::archive(&[("data.pkl", &pickle), ("data/0", numbers)], CompressionMethod::Stored)
    }
}

/// Small files: what PyTorch wrote, and networks in every container.
fn small(networks: &[(String, Weights)]) -> Vec<Seed> {
    let names =
        ["zip.pth", "legacy.pth", "protocol4.pth", "deflated.pth", "wrapped.pth", "f16.pth", "module.pth"];
    let names = names.into_iter().chain(["expected.safetensors", "hostile.pth"]);
    let mut seeds: Vec<Seed> =
        names.map(|name| Seed::of(Path::new(GOLDEN).join("weights").join(name))).collect();
    for (name, weights) in networks {
        let (pickle, storage, numbers) = forge::state_dict(weights);
        let around = forge::wrapped(&pickle, &["state_dict", "generator_ema"]);
        let sound = [("data.pkl", &pickle[..]), ("data/0", &numbers)];
        let wrapped = [("data.pkl", &around[..]), ("data/0", &numbers)];
        let files = [
            ("f32", weights.to_safetensors(Stored::F32).unwrap()),
            ("f16", weights.to_safetensors(Stored::F16).unwrap()),
            ("zip", forge::archive(&sound, CompressionMethod::Stored)),
            ("deflated", forge::archive(&sound, CompressionMethod::Deflated)),
            ("wrapped", forge::archive(&wrapped, CompressionMethod::Stored)),
            ("legacy", forge::legacy(&pickle, &[(storage, &numbers)])),
        ];
        let balanced = networks::balanced(name, weights);
        let balanced = balanced.iter().flat_map(|weights| {
            let stored = [("balanced f32", Stored::F32), ("balanced f16", Stored::F16)];
            stored.map(|(kind, stored)| (kind, weights.to_safetensors(stored).unwrap()))
        });
        for (kind, bytes) in files.into_iter().chain(balanced) {
            seeds.push(Seed { name: format!("{name}, {kind}"), bytes, pickled: None });
        }
        for (pickle, kind) in [(pickle, "pickle"), (around, "wrapped pickle")] {
            let name = format!("{name}, {kind} in a sound archive");
            seeds.push(Seed { name, bytes: vec![], pickled: Some((pickle, numbers.clone())) });
        }
    }
    seeds
}

/// Checkpoints as their authors published them.
fn published() -> Vec<Seed> {
    let mut folders = vec![PathBuf::from(DATA).join("smsr_x2")];
    if let Ok(models) = fs::read_dir(Path::new(DATA).join("models")) {
        folders.extend(models.map(|folder| folder.unwrap().path()));
    }
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "pth" || kind == "pt"));
    paths.sort();
    if paths.is_empty() {
        skip::told(format_args!("the published checkpoints, since {DATA} has none"));
    }
    paths.into_iter().map(Seed::of).collect()
}

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    /// By the readers.
    unreadable: u64,
    /// Read, and no network that is known, or one that does not fit.
    no_network: u64,
    networks: u64,
    /// The most that a reader had allocated at once, to the size of a file of more than a megabyte.
    largest_ratio: f64,
    /// The most beyond [`TIMES`] the size of a smaller file, in bytes.
    most_besides: usize,
    /// To damage and load a case, and which.
    slowest: (Duration, u64),
}

impl Tally {
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (peak, read) = memory::peak(|| Weights::from_bytes("damaged", bytes));
        if bytes.len() > 1 << 20 {
            self.largest_ratio = self.largest_ratio.max(peak as f64 / bytes.len() as f64);
        } else {
            self.most_besides = self.most_besides.max(peak.saturating_sub(most(bytes) - BESIDES));
        }
        match read {
            Err(_) => self.unreadable += 1,
            Ok(weights) => self.build(weights),
        }
        if peak > most(bytes) {
            return Err(format!("the reader took {peak} bytes for a file of {}", bytes.len()));
        }
        Ok(())
    }

    fn build(&mut self, weights: Weights) {
        match Model::from_weights("damaged", weights) {
            Err(_) => self.no_network += 1,
            Ok(_) => self.networks += 1,
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    let given = env::var(name).ok();
    given.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, found {text}"))
    })
}

#[test]
fn damaged_checkpoints_neither_panic_nor_take_much() {
    let (cases, from) = (number("SPARSR_FUZZ", CASES), number("SPARSR_FUZZ_FROM", 0));
    let networks = networks::golden();
    let (small, published) = (small(&networks), published());
    let (mut tally, start) = (Tally::default(), Instant::now());
    for case in from..from + cases {
        let (mut random, begin) = (Random::new(case), Instant::now());
        let mut run = || {
            if case % TENSORS == 1 {
                let (name, weights) = &networks[random.below(networks.len())];
                let damaged = networks::damaged(weights, &mut random);
                let built = catch_unwind(AssertUnwindSafe(|| tally.build(damaged)));
                return (name, built.map(Ok));
            }
            let seeds = if case % PUBLISHED == 0 && !published.is_empty() { &published } else { &small };
            let seed = &seeds[random.below(seeds.len())];
            let bytes = seed.file(&mut random);
            (&seed.name, catch_unwind(AssertUnwindSafe(|| tally.take(&bytes))))
        };
        let (name, outcome) = run();
        let failed = outcome.unwrap_or_else(|_| Err("a panic".to_owned())).err();
        assert!(failed.is_none(), "case {case}, {name}: {}", failed.unwrap_or_default());
        tally.slowest = tally.slowest.max((begin.elapsed(), case));
    }
    println!(
        "{cases} cases of {} networks in {:.0} s, {} of them published checkpoints: {tally:?}",
        networks.len(),
        start.elapsed().as_secs_f64(),
        if published.is_empty() { 0 } else { cases / PUBLISHED }
    );
    assert!(tally.unreadable > 0 && tally.no_network > 0 && tally.networks > 0, "{tally:?}");
}

#[test]
fn sound_checkpoints_take_little() {
    for seed in
        small(&networks::golden()).into_iter().chain(published()).filter(|seed| seed.pickled.is_none())
    {
        let (peak, read) = memory::peak(|| Weights::from_bytes(&seed.name, &seed.bytes));
        let hopeless = ["module.pth", "hostile.pth"].iter().any(|name| seed.name.ends_with(name));
        assert_eq!(read.is_err(), hopeless, "{}", seed.name);
        let ratio = peak as f64 / seed.bytes.len() as f64;
        println!("{}: {} bytes, {peak} taken, {ratio:.2} times", seed.name, seed.bytes.len());
        assert!(peak <= most(&seed.bytes), "{}: {peak}", seed.name);
    }
}

/// ONNX models, those that are refused among them.
fn models() -> Vec<Seed> {
    let folders = ["onnx", "onnx/refused"].map(|folder| Path::new(GOLDEN).join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "onnx"));
    paths.sort();
    assert!(paths.len() > 12, "tests that look at nothing pass: {paths:?}");
    paths.into_iter().map(Seed::of).collect()
}

#[test]
fn damaged_models_neither_panic_nor_take_much() {
    let (cases, from) = (number("SPARSR_FUZZ", MODELS), number("SPARSR_FUZZ_FROM", 0));
    let (models, start) = (models(), Instant::now());
    let (mut refused, mut slowest, mut besides) = (0, (Duration::ZERO, 0), 0);
    // First the sound ones.
    for case in 0..models.len() as u64 + cases {
        let (mut random, begin) = (Random::new(from + case), Instant::now());
        let sound = models.get(case as usize);
        let seed = sound.unwrap_or_else(|| &models[random.below(models.len())]);
        let bytes = if sound.is_some() { seed.bytes.clone() } else { damaged(&seed.bytes, &mut random) };
        let load = || memory::peak(|| Model::from_bytes("damaged", &bytes).is_err());
        let (peak, is_refused) = catch_unwind(AssertUnwindSafe(load))
            .unwrap_or_else(|_| panic!("case {case} from {from}, {}: a panic", seed.name));
        refused += u64::from(is_refused);
        besides = besides.max(peak.saturating_sub(TIMES_MODEL * bytes.len()));
        let most = TIMES_MODEL * bytes.len() + BESIDES_MODEL;
        assert!(peak <= most, "case {case} from {from}, {}: {peak} taken of {most}", seed.name);
        slowest = slowest.max((begin.elapsed(), case));
    }
    println!(
        "{cases} damaged models in {:.0} s, {refused} refused, at most {besides} bytes besides {TIMES_MODEL} times \
         the file's, the slowest in {slowest:?}",
        start.elapsed().as_secs_f64()
    );
    assert!(refused > cases / 10 && refused < cases, "{refused} of {cases}");
}
