//! The small seeded networks in `tests/golden`: their weights, and what their definitions in PyTorch make.

use std::collections::BTreeMap;
use std::path::Path;

use sparsr::Model;
use sparsr::low_level::cpu;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// One network.
#[derive(Debug)]
pub struct Golden {
    /// The file's name, and the architecture's.
    pub architecture: String,
    /// Called by the architecture and the case.
    pub model: Model,
    /// What it is made of.
    pub weights: Vec<(String, Parameter)>,
    /// Nodes, `input` among them, and their values.
    pub values: Vec<(String, Parameter)>,
}

/// Every network of every file: tensors are called `<case>.weights.<key>` and `<case>.values.<node>`. Of a network of
/// several scales the case's name ends in the one that is taken, as `_x3`.
pub fn all() -> Vec<Golden> {
    let mut files: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    let networks: Vec<Golden> = files.iter().flat_map(|path| networks(path)).collect();
    assert!(networks.len() > 40, "tests that look at nothing pass: {} networks in {FOLDER}", networks.len());
    networks
}

fn networks(path: &Path) -> Vec<Golden> {
    let architecture = path.file_stem().unwrap().to_string_lossy().into_owned();
    let file =
        Weights::load(path).unwrap_or_else(|error| panic!("{error}: {architecture}.py makes the file"));
    // By case its weights, then its values.
    let mut cases: BTreeMap<String, [Vec<(String, Parameter)>; 2]> = BTreeMap::new();
    for (name, numbers) in file.iter() {
        for (at, part) in [".weights.", ".values."].into_iter().enumerate() {
            if let Some((case, name)) = name.split_once(part) {
                cases.entry(case.into()).or_default()[at].push((name.into(), numbers.clone()));
                break;
            }
        }
    }
    let golden = |(case, [weights, values]): (String, [Vec<_>; 2])| {
        let name = format!("{architecture} {case}");
        let scale = case.rsplit_once("_x").and_then(|(_, scale)| scale.parse().ok());
        let activation = case.starts_with("relu").then_some(("activation", "relu"));
        let named = Weights::new(&*name, weights.clone()).with_metadata(activation);
        let model = Model::from_weights(&*name, named);
        let model = model.and_then(|model| model.at_scale(scale.unwrap_or(model.scale())));
        let model = model.unwrap_or_else(|error| panic!("{error}"));
        Golden { architecture: architecture.clone(), model, weights, values }
    };
    cases.into_iter().map(golden).collect()
}

/// What the CPU engine makes of waves by a network, in shares of white.
pub fn made(model: &Model, shape: Shape) -> Tensor {
    let graph = model.graph(shape).unwrap();
    let wave = |at: usize| graph.range() * (0.5 + 0.4 * (at as f32 * 0.37).sin());
    let picture = Tensor::new(shape, (0..shape.len()).map(wave).collect());
    let made = cpu::run(&graph, model.net().numbers(), &picture).unwrap();
    Tensor::new(made.shape(), made.values().iter().map(|number| number / graph.range()).collect())
}
