//! The golden networks, and their tensors renamed, reshaped and lost.

use std::collections::BTreeMap;
use std::path::Path;

use sparsr::Model;
use sparsr::learn::prune;
use sparsr::low_level::tensor::{Balance, Parameter};
use sparsr::low_level::weights::Weights;

use crate::damage::Random;

/// Every small network of `golden/`: `<case>.weights.<name>` in its files.
pub fn golden() -> Vec<(String, Weights)> {
    let mut files: Vec<_> =
        std::fs::read_dir(crate::GOLDEN).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
    files.sort();
    files.iter().flat_map(|path| networks(path)).collect()
}

fn networks(path: &Path) -> Vec<(String, Weights)> {
    let file = Weights::load(path).unwrap();
    let mut networks: BTreeMap<&str, Vec<(String, Parameter)>> = BTreeMap::new();
    for (name, parameter) in file.iter() {
        if let Some((case, name)) = name.split_once(".weights.") {
            networks.entry(case).or_default().push((name.to_owned(), parameter.clone()));
        }
    }
    let named = |(case, tensors): (&str, Vec<(String, Parameter)>)| {
        let name = format!("{} {case}", path.file_stem().unwrap().to_string_lossy());
        let activation = case.starts_with("relu").then_some(("activation", "relu"));
        (name, Weights::new("golden", tensors).with_metadata(activation))
    };
    let networks = networks.into_iter().map(named);
    networks.filter(|(_, weights)| Model::from_weights("golden", weights.clone()).is_ok()).collect()
}

/// The same with one in eight numbers, where convolutions have as many channels.
pub fn balanced(name: &str, weights: &Weights) -> Option<Weights> {
    let (model, balance) = (Model::from_weights(name, weights.clone()).ok()?, Balance::new(1, 8).ok()?);
    let made = prune::balanced(&model, &prune::balanceable(&model, balance), balance).ok()?;
    Some(made.weights().clone())
}

/// The same with one to three tensors changed.
pub fn damaged(weights: &Weights, random: &mut Random) -> Weights {
    let mut tensors: Vec<(String, Parameter)> =
        weights.iter().map(|(name, parameter)| (name.to_owned(), parameter.clone())).collect();
    for _ in 0..=random.below(3) {
        let at = random.below(tensors.len());
        let other = tensors[random.below(tensors.len())].clone();
        match random.below(7) {
            0 => drop(tensors.remove(at)),
            1 => tensors[at].1 = other.1.clone(),
            2 => tensors.push((renamed(&tensors[at].0, random), other.1.clone())),
            3 => tensors[at].0 = renamed(&tensors[at].0, random),
            _ => tensors[at].1 = reshaped(&tensors[at].1, random),
        }
        if tensors.is_empty() {
            tensors.push(other);
        }
    }
    Weights::new("damaged", tensors)
}

/// With another digit, or one more part.
fn renamed(name: &str, random: &mut Random) -> String {
    let digits: Vec<usize> =
        name.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
    match digits.as_slice() {
        [_, ..] if random.below(4) > 0 => {
            let at = digits[random.below(digits.len())];
            format!("{}{}{}", &name[..at], random.below(10), &name[at + 1..])
        }
        _ => format!("{name}.0"),
    }
}

/// With other axes, and as many numbers as these ask for.
fn reshaped(parameter: &Parameter, random: &mut Random) -> Parameter {
    let mut dims = parameter.dims().to_vec();
    if dims.is_empty() {
        dims.push(1);
    }
    let at = random.below(dims.len());
    match random.below(7) {
        0 => dims[at] = 0,
        1 => dims[at] += 1,
        2 => dims[at] = dims[at].saturating_sub(1),
        3 => dims[at] *= 1 + random.below(8),
        4 => drop(dims.remove(at)),
        5 => dims.reverse(),
        // An axis of any length, where another is empty.
        _ => dims = vec![usize::MAX >> random.below(64), 0, 3, 3],
    }
    let len = dims.iter().fold(1usize, |len, &dim| len.saturating_mul(dim));
    if len > 1 << 16 {
        return parameter.clone();
    }
    let values = parameter.values();
    let numbers = (0..len).map(|i| values.get(i % values.len().max(1)).copied().unwrap_or(0.5));
    Parameter::new(dims, numbers.collect::<Vec<_>>())
}
