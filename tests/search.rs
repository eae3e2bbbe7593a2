//! Supernets of TrilevelNAS: once all is decided they are the network that is found, in numbers and in multiply-adds, and
//! before that what is expected of them; and the choices that a radius makes for a few steps.

use std::collections::BTreeMap;

use sparsr::Model;
use sparsr::learn::{Objective, Optimiser, Trainer, fresh, search};
use sparsr::low_level::graph::Loss;
use sparsr::low_level::models::trilevelnas::{Operation, Pull, Space};
use sparsr::low_level::oracle::{self, Numbers};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

const PULL: Pull = Pull { target: 1000.0, weight: 0.5 };
const LOW: Shape = Shape::new(1, 3, 5, 4);

fn space(fewer: bool, operations: &[Operation], widths: &[usize]) -> Space {
    Space { channels: 6, cells: 2, fewer, operations: operations.to_vec(), widths: widths.to_vec(), scale: 2 }
}

fn number(number: f32) -> Tensor {
    Tensor::new(Shape::new(1, 1, 1, 1), vec![number])
}

fn picture(shape: Shape) -> Tensor {
    Tensor::from_fn(shape, |n, c, y, x| ((7 * n + 5 * c + 3 * y * x + 2 * x) % 11) as f32 / 11.0)
}

/// The supernet's picture, its multiply-adds a small pixel, and how far it is decided.
fn run(space: &Space, supernet: &Weights, radius: f32) -> (Numbers, f64, f64) {
    let (graph, parameters) = space.training(supernet, LOW, &[(Loss::L1, 1.0)], PULL).unwrap();
    let target = picture(LOW.with_size(2 * LOW.height, 2 * LOW.width));
    let given = [picture(LOW), number(radius), target, number(1.0)];
    let values = oracle::run(&graph, &parameters, &given.each_ref()).unwrap();
    let output = |name: &str| graph.outputs().iter().find(|output| output.name == name).unwrap().value;
    let at = |name: &str| values[output(name).index()].values()[0];
    let [loss, pixels, macs, decided] = ["loss", "pixels", "macs", "decided"].map(at);
    assert!((loss - pixels - PULL.weight * (macs - 1.0).powi(2)).abs() < 1e-6 * loss);
    (values[graph.find("pixelshuffle").unwrap().index()].clone(), PULL.target * macs, decided)
}

/// With logits by which these options are chosen.
fn chosen(space: &Space, option: impl Fn(&str) -> usize) -> Weights {
    let supernet = fresh::trilevelnas_supernet(space, 3);
    let mut tensors: BTreeMap<String, Parameter> =
        supernet.iter().map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect();
    for choice in space.choices() {
        let taken = option(&choice.name) % choice.options;
        let logits = (0..choice.options).map(|at| if at == taken { 0.02 } else { -0.01 * at as f32 });
        tensors.insert(choice.name, Parameter::new([choice.options], logits.collect::<Vec<f32>>()));
    }
    Weights::new("supernet", tensors)
}

#[test]
fn a_supernet_in_which_all_is_decided_is_the_network() {
    let mut networks = 0;
    for space in [
        space(true, &Operation::ALL, &[2, 3, 6]),
        space(false, &Operation::ALL, &[6]),
        space(true, &[Operation::Dwsblock, Operation::Skip], &[1, 5, 6]),
        space(false, &[Operation::Residual], &[3, 6]),
    ] {
        for seed in 0..8 {
            // Some option of each choice, by its name.
            let option =
                |name: &str| name.bytes().fold(seed, |sum, byte| (31 * sum + usize::from(byte)) % 1009);
            let supernet = chosen(&space, option);
            assert_eq!(space.undecided(&supernet), Vec::<String>::new());
            let genotype = space.chosen(&supernet).unwrap();
            let model = Model::from_weights("found", space.network(&supernet).unwrap()).unwrap();
            let net = model.net();
            let graph = net.unfolded().resized(&[LOW]).unwrap();
            let values = oracle::run(&graph, net.parameters(), &[&picture(LOW)]).unwrap();
            let expected = &values[graph.output().index()];

            let (found, macs, decided) = run(&space, &supernet, 1.0);
            let apart = found.values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs());
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < 1e-6, "{}: {apart:e}", model.description());
            assert!((decided - 1.0).abs() < 1e-6, "{decided}");
            let cost = graph.macs().total() as f64 / LOW.pixels() as f64;
            assert!((macs - cost).abs() < 1e-3, "{}: {macs}, {cost}", model.description());
            assert_eq!(cost, search::macs(&genotype) as f64);
            networks += 1;
        }
    }
    assert_eq!(networks, 32);
}

#[test]
fn before_anything_is_decided_all_options_are_expected_alike() {
    for space in [
        space(true, &Operation::ALL, &[2, 3, 6]),
        space(false, &[Operation::Conv3x3, Operation::Residual], &[6]),
        space(false, &Operation::ALL, &[1, 6]),
    ] {
        let supernet = fresh::trilevelnas_supernet(&space, 3);
        for radius in [0.0, 0.5, 1.0] {
            let (_, macs, _) = run(&space, &supernet, radius);
            let expected = space.undecided_macs();
            assert!((macs / expected - 1.0).abs() < 1e-6, "{macs}, {expected}");
        }
        assert_eq!(space.undecided(&supernet).len(), space.choices().len());
    }
}

#[test]
fn a_radius_that_grows_decides_and_meets_the_target() {
    let space = space(true, &Operation::ALL, &[2, 4, 6]);
    let supernet = fresh::trilevelnas_supernet(&space, 5);
    let target = 0.6 * space.undecided_macs();
    let pull = Pull { target, weight: 1.0 };
    let (graph, parameters) = space.training(&supernet, LOW, &[(Loss::L1, 1.0)], pull).unwrap();
    let objective = Objective::new(graph).unwrap();
    let turns = [false, true]
        .map(|choices| objective.clone().only(|name| Space::is_choice(name) == choices).unwrap());
    let mut trainer = Trainer::new(objective, parameters, Optimiser::default()).unwrap();
    let target_picture = picture(LOW.with_size(2 * LOW.height, 2 * LOW.width));
    let (steps, from) = (200, space.undecided_macs() / target);
    let mut watched = vec![];
    for step in 0..steps {
        trainer.set_objective(turns[step % 2].clone()).unwrap();
        let radius = step as f32 / (steps - 1) as f32;
        let wanted = from as f32 + (1.0 - from as f32) * radius;
        let inputs = [picture(LOW), number(radius), target_picture.clone(), number(wanted)];
        watched = trainer.step(&inputs.each_ref(), 5e-3).unwrap().watched;
    }
    let [_, macs, decided] = watched[..] else { panic!("pixels, macs and decided") };
    assert!((decided - 1.0).abs() < 1e-5, "{decided}");
    let tensors = trainer.parameters().unwrap();
    let tensors = tensors.iter().map(|(name, numbers)| (name.to_owned(), numbers));
    let genotype = space.chosen(&Weights::new("supernet", tensors.collect::<Vec<_>>())).unwrap();
    let share = search::macs(&genotype) as f64 / target;
    assert!((0.75..1.25).contains(&share), "{share} of the target, seen {macs}");
}
