//! Damaged files of ncnn's through the whole of loading. Nothing panics, and no more memory is taken than [`TIMES`] the two
//! files' size and [`BESIDES`]. `SPARSR_FUZZ` and `SPARSR_FUZZ_FROM` are as in `fuzz.rs`.

#[path = "fuzz/damage.rs"]
mod damage;
#[path = "fuzz/memory.rs"]
mod memory;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{env, fs};

use damage::{Random, damaged};
use sparsr::Model;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ncnn");

/// Cases in every run of the tests.
const CASES: u64 = 10_000;

const TIMES: usize = 8;
const BESIDES: usize = 1 << 20;

/// The two files of every network.
fn seeds() -> Vec<[Vec<u8>; 2]> {
    let mut stems: Vec<_> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    stems.retain(|path| path.extension().is_some_and(|kind| kind == "param"));
    stems.sort();
    let read = |path: std::path::PathBuf| fs::read(path).unwrap();
    stems.into_iter().map(|path| [read(path.clone()), read(path.with_extension("bin"))]).collect()
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

/// A few characters of a text changed to others that mean something there: bytes at random are seldom read so far.
fn reworded(text: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: [&str; 12] =
        ["0", "1", "2", "3", "9", "64", "-233", "65536", "2147483647", "-1", "0.5", "1e30"];
    let mut text = text.to_vec();
    for _ in 0..=random.below(3) {
        let numbers: Vec<usize> = (1..text.len()).filter(|at| text[at - 1] == b'=').collect();
        let at = numbers[random.below(numbers.len())];
        let end = (at..text.len()).find(|end| text[*end].is_ascii_whitespace()).unwrap_or(text.len());
        text.splice(at..end, WORDS[random.below(WORDS.len())].bytes());
    }
    text
}

#[test]
fn damaged_networks_neither_panic_nor_take_much() {
    let seeds = seeds();
    let (cases, from) = (number("SPARSR_FUZZ", CASES), number("SPARSR_FUZZ_FROM", 0));
    let (mut refused, mut built, mut most) = (0, 0, 0.0_f64);
    for case in from..from + cases {
        let mut random = Random::new(case);
        let [param, bin] = &seeds[random.below(seeds.len())];
        let [param, bin] = match random.below(4) {
            0 => [damaged(param, &mut random), bin.clone()],
            1 => [param.clone(), damaged(bin, &mut random)],
            2 => [reworded(param, &mut random), bin.clone()],
            _ => [reworded(param, &mut random), [bin.clone(), vec![0; 4 * random.below(4096)]].concat()],
        };
        let read = || memory::peak(|| Model::from_ncnn("damaged", &param, &bin).is_ok());
        let (peak, ok) =
            catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| panic!("case {case}: a panic"));
        let size = param.len() + bin.len();
        assert!(peak <= TIMES * size + BESIDES, "case {case}: {peak} bytes for files of {size}");
        most = most.max(peak as f64 / size as f64);
        *(if ok { &mut built } else { &mut refused }) += 1;
    }
    println!("{cases} cases: {refused} refused, {built} built, at most {most:.1} times the files");
    assert!(refused > 0 && built > 0);
}
