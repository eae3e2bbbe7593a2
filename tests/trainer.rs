//! A training as a whole: it learns, it is the same whoever interrupts it and however its batches are cut, and what is
//! not a number ends it.

#![cfg(feature = "image")]

mod support;

use std::sync::Arc;

use sparsr::learn::data::{Batches, Crops, DataOptions, Pairs, Taught, Teachers};
use sparsr::learn::{Batch, Clip, Objective, Optimiser, Step, Trainer, fresh};
use sparsr::low_level::graph::{Builder, Conv2d, Criterion, Goal, Input, Loss, Op, Parameters};
use sparsr::low_level::models::{Model, smsr};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::{Gpu, Options, Precision, Upscaler};

use support::adapter;

const SIDE: usize = 16;

/// A trainer on a GPU, or on the CPU engine.
fn trainer(gpu: Option<&Gpu>, objective: Objective, parameters: Parameters, optimiser: Optimiser) -> Trainer {
    let trainer = match gpu {
        None => Trainer::new(objective, parameters, optimiser),
        Some(gpu) => Trainer::on_gpu(gpu, Precision::F32, objective, parameters, optimiser),
    };
    trainer.unwrap()
}

/// The CPU engine, and a GPU if there is one.
fn engines() -> Vec<Option<Gpu>> {
    [None].into_iter().chain(adapter::gpu("trainings on a GPU").map(Some)).collect()
}

fn edsr(pictures: usize, optimiser: Optimiser) -> Trainer {
    edsr_on(None, pictures, optimiser)
}

/// An EDSR of 8 channels and 2 blocks that learns by L1, for so many pictures at once.
fn edsr_on(gpu: Option<&Gpu>, pictures: usize, optimiser: Optimiser) -> Trainer {
    let model = Model::from_weights("fresh", fresh::edsr(8, 2, 2, 3)).unwrap();
    let low = Shape::new(pictures, 3, SIDE, SIDE);
    let objective = Objective::of_net(model.net(), low, &[(Loss::L1, 1.0)]).unwrap();
    let objective = objective.only(|name| !name.contains("_mean")).unwrap();
    trainer(gpu, objective, model.net().parameters().clone(), optimiser)
}

fn batches(batch_size: usize) -> Batches {
    let options = DataOptions::new(["tests/pictures".into()], 2);
    let pairs = Pairs::open(&options, &Default::default(), &Default::default()).unwrap();
    Batches::new(Arc::new(pairs), Crops { lq_size: SIDE, batch_size, ..Crops::default() }, 7).unwrap()
}

fn learn(trainer: &mut Trainer, batches: &Batches, steps: std::ops::Range<u64>) -> Vec<Step> {
    let step = |step| {
        let Batch { low, high, .. } = batches.batch(step);
        trainer.step(&[&low, &high], 2e-3).unwrap()
    };
    steps.map(step).collect()
}

fn numbers(trainer: &Trainer) -> Vec<u32> {
    let parts = [trainer.parameters().unwrap(), trainer.averaged().unwrap()];
    let all = parts
        .iter()
        .flat_map(|parameters| parameters.iter().flat_map(|(_, p)| p.values().to_vec()).collect::<Vec<_>>());
    all.map(f32::to_bits).collect()
}

/// SMSR begins as its bicubic skip, and soon does better.
#[test]
fn it_learns() {
    let (config, batches) = (masked(), batches(8));
    let low = Shape::new(1, 3, SIDE, SIDE);
    let (graph, parameters) =
        config.training(&fresh::smsr(&config, 5), low, smsr::Masks::Open, &[(Loss::L1, 1.0)], 64.0).unwrap();
    let objective = Objective::new(graph).unwrap().only(|name| !name.contains("_mean")).unwrap();
    let mut trainer = Trainer::new(objective, parameters, Optimiser::default()).unwrap();
    let steps = learn(&mut trainer, &batches, 0..300);
    let mean = |steps: &[Step]| steps.iter().map(|step| step.loss).sum::<f32>() / steps.len() as f32;
    let (bicubic, last) = (mean(&steps[..20]), mean(&steps[260..]));
    assert!(last < 0.9 * bicubic, "{bicubic} by bicubic, {last} after 300 iterations");
}

#[test]
fn a_student_learns_from_its_teacher() {
    let pairs = batches(8).pairs().clone();
    let teachers = Teachers { keys: vec!["edsrmini-x2".into()], cache: None };
    let mut teacher = Upscaler::on_cpu(&Model::builtin("edsrmini-x2").unwrap(), Options::default()).unwrap();
    let taught = Taught::open(&pairs, &teachers, &Default::default(), &Default::default(), |_, small| {
        Ok(teacher.upscale_pixels(small)?.pixels)
    });
    let batches = batches(8).taught_by(taught.unwrap()).unwrap();
    let model = Model::from_weights("fresh", fresh::edsr(8, 1, 2, 3)).unwrap();
    let multi_lap = vec![(Criterion::MultiLap, 1.0)];
    let goal = Goal { truth: vec![(Loss::L1.into(), 0.1)], teacher: multi_lap };
    let objective = Objective::of_net(model.net(), Shape::new(1, 3, SIDE, SIDE), goal).unwrap();
    let objective = objective.only(|name| !name.contains("_mean")).unwrap();
    let parameters = model.net().parameters().clone();
    let mut trainer = Trainer::new(objective, parameters, Optimiser::default()).unwrap();
    let mut step = |step| {
        let Batch { low, high, taught } = batches.batch(step);
        trainer.step(&[&low, &high, &taught.unwrap()], 2e-3).unwrap().loss
    };
    let losses: Vec<f32> = (0..120).map(&mut step).collect();
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    let (first, last) = (mean(&losses[..10]), mean(&losses[110..]));
    assert!(last < 0.4 * first, "{first} at first, {last} after 120 iterations");
}

#[test]
fn an_interrupted_training_ends_in_the_same_bits() {
    let optimiser = || {
        let mut optimiser = Optimiser::default();
        optimiser.clip = Clip::Mean(2.0);
        optimiser
    };
    for gpu in engines() {
        let edsr = || edsr_on(gpu.as_ref(), 1, optimiser());
        let (mut whole, batches) = (edsr(), batches(4));
        learn(&mut whole, &batches, 0..20);
        let (mut first, mut second) = (edsr(), edsr());
        learn(&mut first, &batches, 0..8);
        second.restore(&first.state().unwrap()).unwrap();
        assert_eq!(second.iteration(), 8);
        learn(&mut second, &batches, 8..20);
        assert_eq!(numbers(&whole), numbers(&second));
        assert_eq!(whole.state().unwrap(), second.state().unwrap());

        let mut state = first.state().unwrap();
        state.tensors.retain(|(name, _)| name != "averaged.head.0.bias");
        let message = second.restore(&state).unwrap_err().to_string();
        assert_eq!(message, "training state: averaged.head.0.bias: expected 8 numbers, found none");
        assert_eq!(numbers(&whole), numbers(&second), "what cannot be restored changes nothing");
    }
}

/// Kernels that are added have one gradient.
#[test]
fn a_gradient_that_two_parameters_have_goes_to_both() {
    let shape = Shape::new(2, 3, 8, 7);
    let (mut b, x) = Builder::new("sum", shape, 1.0);
    let [first, second] = ["first", "second"].map(|name| {
        let numbers = (0..81).map(|at| (at * at % 17) as f32 / 17.0 - 0.5).collect::<Vec<f32>>();
        b.parameter(name, &Parameter::new([3, 3, 3, 3], numbers)).unwrap()
    });
    let weight = b.add("weight", first, second).unwrap();
    let made = b.conv2d("made", x, weight, Conv2d::same(3)).unwrap();
    let target = b.append("target", Op::Input(Input { shape }), &[]).unwrap();
    let loss = b.losses("loss", made, target, &[(Loss::MeanSquare, 1.0)]).unwrap();
    let (graph, parameters) = b.finish_all([("loss", loss)]).unwrap();
    let [low, high] =
        [3, 5].map(|step| Tensor::from_fn(shape, |n, c, y, x| ((n + c + step * y + x) % 7) as f32));
    let after: Vec<Vec<f32>> = engines()
        .iter()
        .map(|gpu| {
            let objective = Objective::new(graph.clone()).unwrap();
            let mut own = trainer(gpu.as_ref(), objective, parameters.clone(), Optimiser::default());
            (0..3).for_each(|_| drop(own.step(&[&low, &high], 1e-2).unwrap()));
            let [first, second] = [0, 1].map(|at| own.parameters().unwrap().iter().nth(at).unwrap().1);
            assert_eq!(first.values(), second.values(), "the same start and gradient");
            assert_ne!(first.values(), parameters.iter().next().unwrap().1.values());
            first.values().to_vec()
        })
        .collect();
    for numbers in &after[1..] {
        assert!(
            numbers.iter().zip(&after[0]).all(|(a, b)| (a - b).abs() < 1e-4),
            "{numbers:?} and {:?}",
            after[0]
        );
    }
}

/// The order of sums differs, so the last bits do.
#[test]
fn a_gpu_learns_what_the_cpu_engine_learns() {
    let Some(gpu) = adapter::gpu("a training on a GPU") else { return };
    let batches = batches(4);
    let mut optimiser = Optimiser::default();
    (optimiser.clip, optimiser.weight_decay, optimiser.decoupled) = (Clip::Mean(1.1), 0.01, true);
    let mut by_cpu = edsr(1, optimiser.clone());
    let expected = learn(&mut by_cpu, &batches, 0..20);
    for pictures in [1, 4] {
        let mut trainer = edsr_on(Some(&gpu), pictures, optimiser.clone());
        assert!(trainer.memory().iter().all(|(_, bytes)| *bytes > 0));
        let found = learn(&mut trainer, &batches, 0..20);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found.loss / expected.loss - 1.0).abs() < 1e-5, "{found:?} and {expected:?}");
            assert!((found.norm / expected.norm - 1.0).abs() < 1e-4, "{found:?} and {expected:?}");
        }
    }
}

/// Values are rounded to eleven bits, so losses differ in the fourth digit at first, and later as rounding grows; weights and
/// moments are f32, and it learns as well.
#[test]
fn a_training_in_f16_follows_the_one_in_f32() {
    let Some(gpu) = adapter::gpu("a training in f16") else { return };
    let begin = |precision| {
        let model = Model::from_weights("fresh", fresh::edsr(8, 2, 2, 3)).unwrap();
        let low = Shape::new(2, 3, SIDE, SIDE);
        let objective = Objective::of_net(model.net(), low, &[(Loss::L1, 1.0)]).unwrap();
        let objective = objective.only(|name| !name.contains("_mean")).unwrap();
        let parameters = model.net().parameters().clone();
        Trainer::on_gpu(&gpu, precision, objective, parameters, Optimiser::default())
    };
    if !gpu.limits().f16 {
        let message = begin(Precision::F16).unwrap_err().to_string();
        assert!(message.contains("cannot keep numbers as 16-bit floating point"), "{message}");
        return println!("{} does not store f16", gpu.name());
    }
    let batches = batches(4);
    let (mut exact, mut rounded) = (begin(Precision::F32).unwrap(), begin(Precision::F16).unwrap());
    let [of_values, half] = [&exact, &rounded].map(|trainer| trainer.memory()[0].1);
    assert!(half < of_values, "{half} bytes of {of_values}"); // of large pictures about half: tests/plans.rs
    let (expected, found) = (learn(&mut exact, &batches, 0..40), learn(&mut rounded, &batches, 0..40));
    for (found, expected) in found[..5].iter().zip(&expected) {
        assert!((found.loss / expected.loss - 1.0).abs() < 1e-3, "{found:?} and {expected:?}");
        assert!((found.norm / expected.norm - 1.0).abs() < 1e-2, "{found:?} and {expected:?}");
    }
    let mean = |steps: &[Step]| steps[20..].iter().map(|step| f64::from(step.loss)).sum::<f64>();
    assert!((mean(&found) / mean(&expected) - 1.0).abs() < 1e-2, "{found:?} and {expected:?}");
    assert_ne!(numbers(&exact), numbers(&rounded));
    let again = learn(&mut begin(Precision::F16).unwrap(), &batches, 0..40);
    assert_eq!(found, again, "the same bits from run to run");
}

/// The order of sums differs, so the last bits do.
#[test]
fn however_a_batch_is_cut_its_gradient_is_the_same() {
    let batches = batches(4);
    let Batch { low, high, .. } = batches.batch(0);
    let found = |trainer: &mut Trainer| trainer.step(&[&low, &high], 1e-3).unwrap();
    let whole = found(&mut edsr(4, Optimiser::default()));
    for pictures in [1, 2] {
        let part = found(&mut edsr(pictures, Optimiser::default()));
        assert!((part.loss - whole.loss).abs() < 1e-5 * whole.loss, "{part:?} and {whole:?}");
        assert!((part.norm - whole.norm).abs() < 1e-5 * whole.norm, "{part:?} and {whole:?}");
    }
    let mut gathered = edsr(2, Optimiser::default());
    for half in 0..2 {
        let of = |tensor: &Tensor| {
            let shape = Shape { batch: 2, ..tensor.shape() };
            Tensor::new(shape, tensor.values()[half * shape.len()..][..shape.len()].to_vec())
        };
        gathered.gather(&[&of(&low), &of(&high)]).unwrap();
    }
    let gathered = gathered.update(1e-3).unwrap();
    assert!((gathered.norm - whole.norm).abs() < 1e-5 * whole.norm, "{gathered:?} and {whole:?}");

    let message = edsr(3, Optimiser::default()).step(&[&low, &high], 1e-3).unwrap_err().to_string();
    assert_eq!(message, "input: expected an input of 3x3x16x16, or 1 times as many, found 4x3x16x16");
}

#[test]
fn what_is_no_number_ends_it_and_changes_nothing() {
    for gpu in engines() {
        let (mut trainer, batches) = (edsr_on(gpu.as_ref(), 1, Optimiser::default()), batches(2));
        learn(&mut trainer, &batches, 0..2);
        let before = numbers(&trainer);
        let Batch { mut low, high, .. } = batches.batch(2);
        low.values_mut()[700] = f32::NAN;
        let message = trainer.step(&[&low, &high], 1e-3).unwrap_err().to_string();
        assert!(message.starts_with("iteration 3: the loss is NaN; the training cannot go on"), "{message}");
        assert_eq!(numbers(&trainer), before);
        learn(&mut trainer, &batches, 2..3);
    }
}

/// A small SMSR whose masks lie around their thresholds.
fn masked() -> smsr::Config {
    smsr::Config { channels: 8, modules: 2, layers: 2, mask_channels: 4, attention_channels: 1, scale: 2 }
}

/// What learns with hard masks is what is shipped.
#[test]
fn smsr_with_hard_masks_is_the_network_of_inference() {
    let (config, batches) = (masked(), batches(1));
    let Batch { low, high, .. } = batches.batch(0);
    let weights = fresh::smsr(&config, 5);
    let (graph, parameters) =
        config.training(&weights, low.shape(), smsr::Masks::Hard, &[(Loss::L1, 1.0)], 1.0).unwrap();
    let mut buffers = Default::default();
    let outputs = sparsr::low_level::cpu::run_all(&graph, &parameters, &[&low, &high], &mut buffers).unwrap();
    let net = Model::from_weights("fresh", weights).unwrap();
    let made =
        sparsr::low_level::cpu::run(&net.graph(low.shape()).unwrap(), net.net().numbers(), &low).unwrap();
    let differences = made.values().iter().zip(high.values()).map(|(a, b)| f64::from((a - b).abs()));
    let loss = differences.sum::<f64>() / high.values().len() as f64;
    let found = f64::from(outputs[0].values()[0]);
    assert!((found - loss).abs() < 1e-5 * loss, "{found} in training, {loss} in inference");
}

/// Each phase has a graph of its own over the same parameters.
#[test]
fn smsr_learns_in_every_phase() {
    let (config, batches) = (masked(), batches(2));
    let weights = fresh::smsr(&config, 5);
    for masks in [smsr::Masks::Open, smsr::Masks::Gumbel, smsr::Masks::Spatial, smsr::Masks::Hard] {
        let low = Shape::new(1, 3, SIDE, SIDE);
        let (graph, parameters) = config.training(&weights, low, masks, &[(Loss::L1, 1.0)], 64.0).unwrap();
        let inputs = |batch: &Batch| -> Vec<Tensor> {
            let value = |value| match graph.node(value) {
                node if node.name == "target" => batch.high.clone(),
                node => Tensor::new(
                    node.shape,
                    vec![if node.name == "temperature" { 0.7 } else { 0.05 }; node.shape.len()],
                ),
            };
            std::iter::once(batch.low.clone()).chain(graph.given().map(value)).collect()
        };
        let objective = Objective::new(graph.clone()).unwrap().only(|name| !name.contains("_mean")).unwrap();
        let trained = objective.trained().iter().any(|name| name.contains("spa_mask"));
        assert_eq!(trained, masks.are_soft() || masks == smsr::Masks::Hard, "{masks:?}");
        let mut of_engines: Vec<Vec<f32>> = Vec::new();
        for gpu in engines() {
            let (objective, parameters) = (objective.clone(), parameters.clone());
            let mut own = trainer(gpu.as_ref(), objective, parameters, Optimiser::default());
            let mut loss = |step: u64| {
                let inputs = inputs(&batches.batch(step % 2));
                own.step(&inputs.iter().collect::<Vec<_>>(), 1e-3).unwrap().loss
            };
            let losses: Vec<f32> = (0..6).map(&mut loss).collect();
            assert!(losses[4] < losses[0] && losses[5] < losses[1], "{masks:?}: {losses:?}");
            of_engines.push(losses);
        }
        for losses in &of_engines[1..] {
            for (gpu, cpu) in losses.iter().zip(&of_engines[0]) {
                assert!(
                    (gpu / cpu - 1.0).abs() < 1e-4,
                    "{masks:?}: {losses:?} by kernels, {:?}",
                    of_engines[0]
                );
            }
        }
    }
}
