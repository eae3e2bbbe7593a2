//! Twenty steps of Adam and of AdamW on a small EDSR: losses, norms, and where they end.

use sparsr::learn::{Clip, Objective, Optimiser, Trainer};
use sparsr::low_level::graph::{Loss, Parameters};
use sparsr::low_level::tensor::{Parameter, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Gpu, Model, Precision};

use crate::support::adapter;
use crate::{distance, golden, tensor};

const RATE: f64 = 1e-3;
const BATCHES: usize = 4;

/// Of a loss and of a norm, relative.
const OF_A_STEP: f64 = 1e-5;
/// Of how far the parameters went, relative: where a gradient is tiny, Adam goes by its sign.
const OF_THE_WAY: f64 = 1e-3;

/// What the settings of `optimisers.py` are here.
fn optimiser(case: &str, golden: &Weights) -> Optimiser {
    let (mut adam, limit) = (Optimiser::default(), golden.get(&format!("{case}.limit")));
    adam.ema_decay = 0.9;
    if let Some(limit) = limit {
        (adam.weight_decay, adam.decoupled) = (0.05, true);
        adam.clip = Clip::Norm(f64::from(limit.values()[0]));
    }
    adam
}

#[test]
fn twenty_steps_are_pytorchs() {
    assert_twenty_steps(None);
}

#[test]
fn twenty_steps_by_kernels_are_pytorchs() {
    if let Some(gpu) = adapter::gpu("twenty steps by kernels") {
        assert_twenty_steps(Some(&gpu));
    }
}

/// On the CPU engine, if there is no GPU.
fn assert_twenty_steps(gpu: Option<&Gpu>) {
    let golden = golden("optimisers");
    let start = golden
        .iter()
        .filter_map(|(name, numbers)| Some((name.strip_prefix("start.")?.into(), numbers.clone())));
    let start: Vec<(String, Parameter)> = start.collect();
    let model = Model::from_weights("start", Weights::new("start", start.clone())).unwrap();
    let batches: Vec<[Tensor; 2]> = (0..BATCHES)
        .map(|i| ["low", "high"].map(|side| tensor(golden.get(&format!("batch.{i}.{side}")).unwrap())))
        .collect();
    for case in ["adam", "adamw"] {
        let objective = Objective::of_net(model.net(), batches[0][0].shape(), &[(Loss::L1, 1.0)]).unwrap();
        let optimiser = optimiser(case, &golden);
        let parameters = model.net().parameters().clone();
        let trainer = match gpu {
            None => Trainer::new(objective, parameters, optimiser),
            Some(gpu) => Trainer::on_gpu(gpu, Precision::F32, objective, parameters, optimiser),
        };
        let mut trainer = trainer.unwrap();
        let [losses, norms] =
            ["losses", "norms"].map(|name| golden.get(&format!("{case}.{name}")).unwrap().values().to_vec());
        for (at, (loss, norm)) in losses.iter().zip(&norms).enumerate() {
            let [low, high] = &batches[at % BATCHES];
            let step = trainer.step(&[low, high], RATE).unwrap();
            for (what, found, expected) in [("loss", f64::from(step.loss), loss), ("norm", step.norm, norm)] {
                let apart = (found / f64::from(*expected) - 1.0).abs();
                assert!(apart < OF_A_STEP, "{case}, step {at}: a {what} of {expected}, found {found}");
            }
        }
        let ends = [("parameters", trainer.parameters().unwrap()), ("averages", trainer.averaged().unwrap())];
        for (what, found) in ends {
            assert_ends(case, what, &start, &found, &golden);
        }
    }
}

/// Whether every parameter went where it should.
fn assert_ends(case: &str, what: &str, start: &[(String, Parameter)], found: &Parameters, golden: &Weights) {
    for (name, start) in start {
        let expected = golden.get(&format!("{case}.{what}.{name}")).unwrap();
        let way = |to: &[f32]| {
            let way = to.iter().zip(start.values()).map(|(to, from)| to - from).collect();
            Tensor::new(tensor(expected).shape(), way)
        };
        let found = found.get(found.find(name).unwrap());
        let apart = distance(&way(found.values()), &way(expected.values()), 1.0);
        assert!(apart < OF_THE_WAY, "{case}: {what}, {name}: the way is {apart:.1e} off");
    }
}
