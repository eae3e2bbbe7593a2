//! Checkpoints are told apart by the names of their tensors.

use sparsr::models::{acnet, edsr, ledsr, mdsr, rcan, smsr};
use sparsr::tensor::Parameter;
use sparsr::weights::Weights;
use sparsr::{Model, models};

use crate::{GOLDEN, under};

/// Whether it takes tensors for its own.
type Detect = fn(&Weights) -> bool;

const DETECT: &[(&str, Detect)] = &[
    ("acnet", |w| acnet::Config::detect(w).is_some()),
    ("edsr", |w| edsr::Config::detect(w).is_some()),
    ("ledsr", |w| ledsr::Config::detect(w).is_some()),
    ("mdsr", |w| mdsr::Config::detect(w).is_some()),
    ("rcan", |w| rcan::Config::detect(w).is_some()),
    ("smsr", |w| smsr::Config::detect(w).is_some()),
];

#[test]
fn no_two_architectures_take_the_same_tensors() {
    for (architecture, cases) in GOLDEN {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        let golden = Weights::load(format!("{folder}/{architecture}.safetensors").as_ref()).unwrap();
        for case in *cases {
            let weights = Weights::new(*case, under(&golden, &format!("{case}.weights.")));
            let weights = weights.without_weight_norm().unwrap();
            let weights = weights.without_prefix().unwrap_or(weights);
            let takers: Vec<&str> =
                DETECT.iter().filter(|(_, detect)| detect(&weights)).map(|(name, _)| *name).collect();
            assert!(takers.iter().all(|taker| taker == architecture), "{architecture} {case}: {takers:?}");
        }
    }
}

/// HAN (Niu et al., ECCV 2020) is RCAN with more attention: it must not be run without it.
#[test]
fn more_than_a_network_is_not_that_network() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rcan.safetensors");
    let golden = Weights::load(golden.as_ref()).unwrap();
    let mut tensors = under(&golden, "pytorch_x2.weights.");
    let taken = |tensors: &[(String, Parameter)]| {
        Model::from_weights("some", Weights::new("some.pth", tensors.to_vec())).is_ok()
    };
    assert!(taken(&tensors));
    tensors.push(("la.gamma".into(), Parameter::new([1], vec![0.0])));
    assert!(!taken(&tensors));
    assert!(models::rcan::Config::detect(&Weights::new("some.pth", tensors)).is_none());
}
