//! Other numbers for the same network: they take their place where they are, and what comes out is as if they had been
//! the first.

mod support;

use std::sync::Arc;

use sparsr::learn::prune::{balanceable, balanced};
use sparsr::low_level::gpu::{Pool, Session};
use sparsr::low_level::graph::{Builder, Conv2d, Parameters};
use sparsr::low_level::job::engine::{CpuEngine, Engine, GpuEngine, Made, Window};
use sparsr::low_level::kernel::conv2d_pruned;
use sparsr::low_level::models::{edsr, smsr};
use sparsr::low_level::plan::{
    Algorithm, Candidate, Choices, Options as PlanOptions, Phase, Plan, Sparsity, Storage, Units, Zeros,
};
use sparsr::low_level::probe::precision::Calibration;
use sparsr::low_level::tensor::{Balance, Blocks, Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{
    Cancel, Depth, Error, Feature, Gpu, Model, Net, Options, Pixels, Precision, Replaced, Tiling, Upscaler,
};

use support::golden;
use support::{adapter, seeded};

/// Wide enough for Winograd's algorithm.
fn wider_smsr() -> Weights {
    seeded::smsr(&smsr::Config { channels: 20, ..seeded::TINY })
}

fn model(weights: Weights) -> Model {
    Model::from_weights("seeded", weights).unwrap()
}

/// The same tensors, each made another by `f` of name and numbers.
fn edited(weights: &Weights, f: impl Fn(&str, &[f32]) -> Vec<f32>) -> Weights {
    let edited = weights.iter().map(|(name, parameter)| {
        (name.to_owned(), Parameter::new(parameter.dims(), f(name, parameter.values())))
    });
    Weights::new("edited", edited.collect::<Vec<_>>())
}

/// Other numbers for the same parameters: each one's last number first. The channels of SMSR stay dense or sparse.
fn reversed(net: &Net) -> Parameters {
    let reversed = net.parameters().iter().filter(|(name, _)| !name.ends_with("ch_mask"));
    let reversed = reversed.map(|(name, parameter)| {
        let values: Vec<f32> = parameter.values().iter().rev().copied().collect();
        (name.to_owned(), Parameter::new(parameter.dims(), values))
    });
    net.parameters().with(reversed.collect::<Vec<_>>()).unwrap()
}

/// The logits of a module's channel masks by those of each channel's neighbour, in every layer: as many channels are
/// dense, and others.
fn rotated(weights: &Weights) -> Weights {
    edited(weights, |name, values| {
        let mut values = values.to_vec();
        if name.ends_with("ch_mask") {
            values.rotate_left(2 * seeded::TINY.layers);
        }
        values
    })
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.values().iter().map(|value| value.to_bits()).collect()
}

/// Every way that has kernels of its own.
fn ways(model: &Model, gpu: &Gpu) -> Vec<PlanOptions> {
    let ways = [
        (Algorithm::Auto, Sparsity::Auto, Units::Mixed),
        (Algorithm::Direct, Sparsity::Dense, Units::Mixed),
        (Algorithm::Direct, Sparsity::Sparse, Units::Pixels),
        (Algorithm::Winograd, Sparsity::Sparse, Units::Mixed),
        (Algorithm::Winograd, Sparsity::Dense, Units::Mixed),
    ];
    let storages = [Some(Storage::F32), gpu.limits().f16.then(|| Calibration::new(model).unwrap().storage())];
    let ways = storages.into_iter().flatten().flat_map(|storage| {
        ways.map(|(algorithm, sparsity, units)| {
            let storage = storage.clone();
            PlanOptions { algorithm, sparsity, units, storage, ..PlanOptions::default() }
        })
    });
    ways.collect()
}

fn plan(net: &Net, shape: Shape, options: &PlanOptions, gpu: &Gpu) -> Plan {
    Plan::new(&net.graph(shape).unwrap(), options, gpu.limits()).unwrap()
}

fn picture(model: &Model, [width, height]: [usize; 2], seed: u64) -> Tensor {
    let [width, height] = model.extended([width, height]);
    let range = model.net().unfolded().range();
    seeded::picture(width, height, seed).to_tensor(range)
}

/// Sessions of two sizes in one pool, and one alone, have the numbers of `other` after those of `model`.
fn check_sessions(gpu: &Gpu, model: &Model, other: &Net, options: &PlanOptions) {
    let name = model.name();
    let pictures = [picture(model, [20, 14], 1), picture(model, [9, 17], 2)];
    let plans = pictures.each_ref().map(|picture| plan(model.net(), picture.shape(), options, gpu));
    let fresh = |net: &Net, at: usize| {
        bits(&Session::new(gpu, &plans[at], net.numbers()).unwrap().run_tensor(&pictures[at]).unwrap())
    };
    let [before, after] = [model.net(), other].map(|net| [fresh(net, 0), fresh(net, 1)]);
    assert!(before[0] != after[0] && before[1] != after[1], "{name}: other numbers make other pictures");

    let mut pool = Pool::new(gpu, model.net().numbers());
    let mut sessions = plans.each_ref().map(|plan| pool.session(plan).unwrap());
    let mut alone = Session::new(gpu, &plans[0], model.net().numbers()).unwrap();
    let (uploads, held) = (pool.uploads(), pool.bytes());
    for (numbers, expected) in [(other.numbers(), &after), (model.net().numbers(), &before)] {
        pool.set_parameters(numbers).unwrap();
        alone.set_parameters(numbers).unwrap();
        for ((session, picture), expected) in sessions.iter_mut().zip(&pictures).zip(expected) {
            assert!(bits(&session.run_tensor(picture).unwrap()) == *expected, "{name}, {options:?}");
        }
        assert!(bits(&alone.run_tensor(&pictures[0]).unwrap()) == expected[0], "{name} alone, {options:?}");
    }
    assert_eq!((pool.uploads(), pool.bytes()), (uploads, held), "{name}: nothing is packed for a new buffer");
    // A session that comes later has the numbers of now.
    pool.set_parameters(other.numbers()).unwrap();
    let mut late = pool.session(&plans[0]).unwrap();
    assert!(bits(&late.run_tensor(&pictures[0]).unwrap()) == after[0], "{name}, a later session");
    assert_eq!(pool.uploads(), uploads);
}

/// An engine with numbers that were replaced, between windows and while one is under way, against one that began with
/// them.
fn check_engine(engine: &dyn Fn() -> Box<dyn Engine>, model: &Model, other: &Net) {
    let [width, height] = model.extended([20, 14]);
    let phase = Arc::new(Phase::whole(model.graph(Shape::new(1, 3, height, width)).unwrap()));
    let window = || Window {
        picture: Some(seeded::picture(width, height, 3)),
        given: vec![],
        blocks: Blocks::default(),
    };
    let made = |made: Made| -> Pixels { made.picture.expect("the phase is the whole network") };
    let run = |engine: &mut Box<dyn Engine>| {
        engine.prepare(&phase, Depth::Eight).unwrap();
        engine.submit(window(), &Cancel::default()).unwrap();
        made(engine.collect(&Cancel::default()).unwrap())
    };
    let begun = |net: &Net| {
        let mut engine = engine();
        engine.begin(net.numbers());
        engine
    };
    let [before, after] = [model.net(), other].map(|net| run(&mut begun(net)));
    let mut engine = begun(model.net());
    let name = format!("{} on {}", model.name(), engine.name());
    assert!(run(&mut engine) == before && before != after, "{name}");
    engine.submit(window(), &Cancel::default()).unwrap();
    engine.set_parameters(other.numbers()).unwrap();
    assert!(
        made(engine.collect(&Cancel::default()).unwrap()) == before,
        "{name}: what was begun has the earlier numbers"
    );
    assert!(run(&mut engine) == after, "{name}");
    engine.set_parameters(model.net().numbers()).unwrap();
    assert!(run(&mut engine) == before, "{name}, the first numbers again");
}

#[test]
fn replaced_numbers_are_as_if_they_had_been_the_first() {
    let gpu = adapter::gpu("replaced_numbers_are_as_if_they_had_been_the_first");
    let mut golden = golden::all();
    golden.dedup_by(|a, b| a.architecture == b.architecture);
    let golden = golden.into_iter().map(|golden| golden.model);
    for (at, model) in golden.chain([model(wider_smsr())]).enumerate() {
        println!("{}", model.name());
        let other = model.net().with_parameters(reversed(model.net())).unwrap();
        check_engine(&|| Box::new(CpuEngine::new()), &model, &other);
        let Some(gpu) = &gpu else { continue };
        // Of the small networks each in one way by turns.
        let ways = ways(&model, gpu);
        let own = if model.name() == "seeded" { &ways[..] } else { &ways[at % ways.len()..][..1] };
        own.iter().for_each(|options| check_sessions(gpu, &model, &other, options));
        if model.name() == "seeded" {
            let engine = || Box::new(GpuEngine::new(gpu, Sparsity::Auto, gpu.memory())) as Box<dyn Engine>;
            check_engine(&engine, &model, &other);
        }
    }
}

#[test]
fn other_channels_of_smsr_may_be_dense_if_they_are_as_many() {
    let (first, second) = (wider_smsr(), rotated(&wider_smsr()));
    let [first, second] = [first, second].map(model);
    assert_eq!(first.partitions(), second.partitions(), "as many are dense");
    let replaced = first.net().with_parameters(second.net().parameters().clone()).unwrap();
    let ordered = |net: &Net| {
        let id = net.numbers().find("body.0.body.body.0.weight.ordered").expect("it is derived");
        net.numbers().get(id).values().to_vec()
    };
    assert_ne!(ordered(first.net()), ordered(second.net()), "and others");
    assert!(first.net().has_plans_of(second.net()));
    for ((name, replaced), (_, made)) in replaced.numbers().iter().zip(second.net().numbers().iter()) {
        assert_eq!(replaced, made, "{name}");
    }
    check_engine(&|| Box::new(CpuEngine::new()), &first, &replaced);
    let Some(gpu) = adapter::gpu("other_channels_of_smsr_may_be_dense") else { return };
    for options in ways(&first, &gpu) {
        check_sessions(&gpu, &first, &replaced, &options);
    }
}

#[test]
fn as_many_channels_of_smsr_must_be_dense() {
    let weights = wider_smsr();
    let more = model(edited(&weights, |name, values| {
        let mut values = values.to_vec();
        if name == "body.1.body.ch_mask" {
            // Of the first channel in the last layer the logits are exchanged.
            values[2 * (seeded::TINY.layers - 1)..][..2].reverse();
        }
        values
    }));
    let made = model(weights);
    let [one, other] = [&made, &more].map(|model| model.partitions()[1].dense[1]);
    assert_eq!(one.abs_diff(other), 1);
    let error = made.net().with_parameters(more.net().parameters().clone()).unwrap_err();
    let said = format!(
        "body.1.body.body.1.order: expected numbers of which {one} channels of layer 1 are dense, found {other}; \
         plan anew"
    );
    assert!(matches!(error, Error::Shape { .. }));
    assert_eq!(error.to_string(), said);
    assert!(!made.net().has_plans_of(more.net()));
}

#[test]
fn parameters_of_another_network_are_refused() {
    let made = model(wider_smsr());
    let others = [
        (
            seeded::tiny_smsr(),
            "head.0.weight: expected a parameter of [20, 3, 3, 3], found head.0.weight of [8, 3, 3, 3]",
        ),
        (
            model(seeded::edsr(&seeded::TINY_EDSR)),
            "head.0.weight: expected a parameter of [20, 3, 3, 3], found head.0.weight of [6, 3, 3, 3]",
        ),
    ];
    for (other, expected) in &others {
        let refused = made.net().with_parameters(other.net().parameters().clone()).unwrap_err();
        assert_eq!(refused.to_string(), *expected);
    }
}

#[test]
fn what_f16_cannot_hold_is_refused_by_name_and_the_old_numbers_stay() {
    let test = "what_f16_cannot_hold_is_refused_by_name_and_the_old_numbers_stay";
    let Some(gpu) = adapter::gpu(test) else { return };
    if !gpu.limits().f16 {
        support::skip::told(format_args!("{test}, since {} has no f16", gpu.name()));
        return;
    }
    let (gpu, model) = (gpu.without(Feature::Subgroups), seeded::tiny_smsr());
    let name = "head.2.weight";
    let with = |value: f32| {
        let others = reversed(model.net());
        let weight = others.get(others.find(name).unwrap());
        let mut values = weight.values().to_vec();
        values[7] = value;
        let large = others.with([(name, Parameter::new(weight.dims(), values))]).unwrap();
        model.net().with_parameters(large).unwrap()
    };
    let (too_large, largest) = (with(-7e4), with(65504.0));
    let input = picture(&model, [80, 64], 1);
    let storage = Calibration::new(&model).unwrap().storage();
    for (storage, refuses) in [(storage, true), (Storage::F32, false)] {
        let options = PlanOptions { storage, algorithm: Algorithm::Direct, ..PlanOptions::default() };
        let plan = plan(model.net(), input.shape(), &options, &gpu);
        let mut pool = Pool::new(&gpu, model.net().numbers());
        let mut session = pool.session(&plan).unwrap();
        let before = bits(&session.run_tensor(&input).unwrap());
        let refusals =
            [pool.set_parameters(too_large.numbers()), session.set_parameters(too_large.numbers())];
        let after = bits(&session.run_tensor(&input).unwrap());
        if !refuses {
            assert!(refusals.iter().all(Result::is_ok) && after != before, "{refusals:?}");
            continue;
        }
        for refusal in refusals {
            let Err(Error::Unsupported(reason)) = refusal else { panic!("{refusal:?} of {plan}") };
            let said = format!("{name}: expected numbers that f16 holds, up to 65504");
            assert!(reason.starts_with(&said) && reason.contains("found -70000"), "{reason}");
        }
        assert!(after == before, "the old numbers stay");
        // A later session of the pool has them too.
        let mut late = pool.session(&plan).unwrap();
        assert!(bits(&late.run_tensor(&input).unwrap()) == before);
        pool.set_parameters(largest.numbers()).unwrap();
        assert!(bits(&session.run_tensor(&input).unwrap()) != before);
    }
}

/// An upscaler's pictures with a model that took the place of another, against those of one that was made for it.
fn check_upscaler(gpu: Option<&Gpu>, tiling: Tiling, first: &Model, then: &[(Model, Replaced)]) {
    let mut options = Options::default();
    (options.tiling, options.precision) = (tiling, Precision::F32);
    let upscaler = |model: &Model| match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options.clone()).unwrap(),
        None => Upscaler::on_cpu(model, options.clone()).unwrap(),
    };
    let pictures = [seeded::picture(50, 40, 1), seeded::picture(21, 33, 2)];
    let mut one = upscaler(first);
    for picture in &pictures {
        one.upscale_pixels(picture).unwrap();
    }
    for (model, replaced) in then {
        assert_eq!(one.set_model(model).unwrap(), *replaced, "{}", model.name());
        for picture in &pictures {
            let found = one.upscale_pixels(picture).unwrap();
            let expected = upscaler(model).upscale_pixels(picture).unwrap();
            assert!(found.pixels == expected.pixels, "{}, {tiling:?}", model.name());
            assert!((found.macs_kept - expected.macs_kept).abs() < 1e-9);
        }
        assert_eq!(one.model().name(), model.name());
    }
}

#[test]
fn an_upscaler_goes_on_with_another_model() {
    let weights = wider_smsr();
    let halved = |name: &str, values: &[f32]| {
        let factor = if name.starts_with("body.") && name.ends_with("weight") { 0.5 } else { 1.0 };
        values.iter().map(|value| factor * value).collect::<Vec<_>>()
    };
    let counts = edited(&weights, |name, values| {
        let mut values = values.to_vec();
        if name == "body.0.body.ch_mask" {
            values[..2].reverse();
        }
        values
    });
    let named = |name: &str, weights: Weights| Model::from_weights(name, weights).unwrap();
    let then = [
        (named("other numbers", edited(&weights, halved)), Replaced::Numbers),
        (named("other channels", rotated(&weights)), Replaced::Numbers),
        (named("more channels", counts), Replaced::Plans),
        (named("another network", seeded::edsr(&seeded::TINY_EDSR)), Replaced::Plans),
        (named("the first", weights.clone()), Replaced::Plans),
    ];
    let gpu = adapter::gpu("an_upscaler_goes_on_with_another_model");
    for tiling in [Tiling::Whole, Tiling::Pixels(24)] {
        for gpu in [None].into_iter().chain(gpu.as_ref().map(Some)) {
            check_upscaler(gpu, tiling, &named("the first", weights.clone()), &then);
        }
    }
}

/// A convolution of weights, and a plan by lists of what is not zero in them.
fn by_lists(gpu: &Gpu, weight: &Parameter) -> (Plan, Parameters) {
    let (mut b, x) = Builder::new("pruned", Shape::new(1, 16, 9, 11), 1.0);
    let weights = seeded::weighted(&mut b, "conv", weight, None).unwrap();
    let y = b.conv2d("conv", x, weights, Conv2d::same(3)).unwrap();
    let (graph, parameters) = b.finish(y).unwrap();
    let choices = Some(Arc::new(Choices::only(Candidate::Pruned(conv2d_pruned::Tile::USUAL))));
    let zeros = Arc::new(Zeros::of(&parameters));
    let plan = Plan::new(&graph, &PlanOptions { choices, zeros, ..PlanOptions::default() }, gpu.limits());
    (plan.unwrap(), parameters)
}

#[test]
fn what_lists_have_no_room_for_is_refused_by_name_and_the_old_numbers_stay() {
    let Some(gpu) = adapter::gpu("what_lists_have_no_room_for") else { return };
    let dense = |seed| seeded::parameter([12, 16, 3, 3], seed);
    let alike = |kept, seed| Balance::new(kept, 8).unwrap().with_rows(4).unwrap().thinned(&dense(seed));
    let (plan, parameters) = by_lists(&gpu, &alike(2, 1));
    assert!(plan.to_string().contains("conv2d_pruned"), "{plan}");
    let with = |weight: Parameter| parameters.with([("conv.weight", weight)]).unwrap();
    let picture = seeded::noise(Shape::new(1, 16, 9, 11), 1);
    let mut pool = Pool::new(&gpu, &parameters);
    let mut session = pool.session(&plan).unwrap();
    let before = bits(&session.run_tensor(&picture).unwrap());
    // Other places of the same room, and fewer.
    for other in [alike(2, 5), alike(1, 3), Parameter::new([12, 16, 3, 3], vec![0.0; 12 * 16 * 9])] {
        pool.set_parameters(&with(other.clone())).unwrap();
        let found = bits(&session.run_tensor(&picture).unwrap());
        let (fresh, own) = by_lists(&gpu, &other);
        let expected = Session::new(&gpu, &fresh, &own).unwrap().run_tensor(&picture).unwrap();
        assert!(found != before && found == bits(&expected));
    }
    pool.set_parameters(&parameters).unwrap();
    // One number more in a cut that is full.
    let mut more = alike(2, 1).values().to_vec();
    let first_cut = |at: &usize| at / 9 % 16 < 8;
    let zero =
        (0..4 * 16 * 9).find(|at| first_cut(at) && (0..4).all(|o| more[at % 144 + 144 * o] == 0.0)).unwrap();
    more[zero] = 0.5;
    let more = with(Parameter::new([12, 16, 3, 3], more));
    let refusals = [
        pool.set_parameters(&more),
        session.set_parameters(&more),
        Session::new(&gpu, &plan, &more).map(drop),
        Session::new(&gpu, &plan, &with(dense(1))).map(drop),
    ];
    for (refusal, found) in refusals.into_iter().zip([19, 19, 19, 72]) {
        let Err(Error::Unsupported(reason)) = refusal else { panic!("{refusal:?}") };
        let said = format!(
            "conv.weight: expected weights of which four outputs need at most 18 of the 72 inputs of 8 channels, since the \
             plan lists them so, found {found}; plan anew"
        );
        assert_eq!(reason, said);
    }
    assert!(bits(&session.run_tensor(&picture).unwrap()) == before, "the old numbers stay");
}

#[test]
fn an_upscaler_makes_lists_anew_for_denser_weights() {
    let Some(gpu) = adapter::gpu("an_upscaler_makes_lists_anew") else { return };
    let config = edsr::Config { channels: 16, upsampled: 16, ..seeded::TINY_EDSR };
    let dense = model(seeded::edsr(&config));
    let halved =
        model(edited(&seeded::edsr(&config), |_, values| values.iter().map(|own| own * 0.5).collect()));
    let thinned = |model: &Model, kept| {
        let balance = Balance::new(kept, 8).unwrap().with_rows(4).unwrap();
        balanced(model, &balanceable(model, balance), balance).unwrap()
    };
    let [quarter, other, eighth] = [thinned(&dense, 2), thinned(&halved, 2), thinned(&dense, 1)];
    let mut options = Options::default();
    options.precision = Precision::F32;
    options.choices = Some(Arc::new(Choices::only(Candidate::Pruned(conv2d_pruned::Tile::USUAL))));
    let upscaler = |model: &Model| Upscaler::new(&gpu, model, options.clone()).unwrap();
    let picture = seeded::picture(21, 33, 2);
    let mut one = upscaler(&quarter);
    one.upscale_pixels(&picture).unwrap();
    for (model, replaced) in [
        (&other, Replaced::Numbers),
        (&dense, Replaced::Plans),
        (&quarter, Replaced::Plans),
        (&eighth, Replaced::Plans),
    ] {
        assert_eq!(one.set_model(model).unwrap(), replaced);
        let expected = upscaler(model).upscale_pixels(&picture).unwrap();
        assert!(one.upscale_pixels(&picture).unwrap().pixels == expected.pixels);
    }
    if let Ok(profile) = upscaler(&quarter).profile(&picture) {
        let listed = profile.total().kernels.iter().any(|(kernel, _)| *kernel == "conv2d_pruned");
        assert!(listed, "{:?}", profile.total().kernels);
    }
}
