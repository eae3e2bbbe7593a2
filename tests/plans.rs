//! Plans, without a device: their listings, and what must hold for every plan.
//!
//! `plans/*.txt` hold the listings. After a wanted change write them anew, and read the difference:
//!
//! ```text
//! SPARSR_BLESS=1 cargo test --test plans
//! ```

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use sparsr::learn::{Objective, fresh};
use sparsr::low_level::graph::{Activation, Builder, Conv2d, Graph, Loss, MaskedConv2d, Parameters, Value};
use sparsr::low_level::kernel::product::{self, Weights};
use sparsr::low_level::kernel::{conv2d_pruned, conv2d_tiled};
use sparsr::low_level::models::smsr::{self, Config};
use sparsr::low_level::plan::{
    Algorithm, Buffer, Candidate, Choices, Class, Density, Ends, Form, Limits, Options, Places, Plan, Ranked,
    Slot, Sparsity, Step, Storage, Units, Zeros, classes, exact, rewritten,
};
use sparsr::low_level::tensor::{Balance, Shape, packed_len};
use sparsr::{Error, Model, Result};

use support::seeded::{self, conv, parameter, weighted};

const HALVES: Limits = Limits { f16: true, ..Limits::PORTABLE };
const BROADCAST: Limits = Limits { subgroup_lanes: Some(8), ..Limits::PORTABLE };

/// Name of the listing, graph, limits (values lie as f16 where they allow it), ends, names of the kept values.
type Row = (&'static str, fn() -> Graph, Limits, Form, &'static [&'static str]);

#[rustfmt::skip]
const PLANS: &[Row] = &[
    ("residual_block",           residual_block,    Limits::PORTABLE, Form::Tensor,   &[]),
    ("residual_block_broadcast", residual_block,    BROADCAST,        Form::Tensor,   &[]),
    ("residual_block_kept",      residual_block,    Limits::PORTABLE, Form::Tensor,   &["first", "relu"]),
    ("global_pool",              channel_attention, Limits::PORTABLE, Form::Tensor,   &[]),
    ("concat_pointwise",         concat_pointwise,  Limits::PORTABLE, Form::Tensor,   &[]),
    ("concat_pointwise_kept",    concat_pointwise,  Limits::PORTABLE, Form::Tensor,   &["concat"]),
    ("masked",                   masked,            Limits::PORTABLE, Form::Pixels16, &["mask"]),
    ("tiny_edsr",                tiny_edsr,         Limits::PORTABLE, Form::Pixels8,  &[]),
    ("tiny_smsr",                tiny_smsr,         Limits::PORTABLE, Form::Pixels8,  &["body.0.spa_mask", "body.1.spa_mask"]),
    ("residual_block_f16",       residual_block,    HALVES,           Form::Tensor,   &[]),
    ("tiny_smsr_f16",            tiny_smsr,         HALVES,           Form::Pixels8,  &["body.0.spa_mask", "body.1.spa_mask"]),
    ("tiny_smsr_broadcast",      wider_smsr,        BROADCAST,        Form::Pixels8,  &["body.0.spa_mask", "body.1.spa_mask"]),
];

/// Matrices as discrete GPUs have them.
const MATRICES: Limits = Limits {
    workgroup_bytes: 48 << 10,
    subgroup_lanes: Some(32),
    f16: true,
    cooperative_side: Some(16),
    ..Limits::PORTABLE
};

fn graph(name: &str, channels: usize, build: impl FnOnce(&mut Builder, Value) -> Result<Value>) -> Graph {
    let (mut b, x) = Builder::new(name, Shape::new(1, channels, 64, 80), 1.0);
    let output = build(&mut b, x).unwrap();
    b.finish(output).unwrap().0
}

fn residual_block() -> Graph {
    graph("residual block", 12, |b, x| {
        let y = conv(b, "first", x, 12, 3)?;
        let y = b.relu("relu", y)?;
        let y = conv(b, "second", y, 12, 3)?;
        b.add("sum", y, x)
    })
}

fn channel_attention() -> Graph {
    graph("channel attention", 12, |b, x| {
        let y = b.global_average_pool("mean", x)?;
        let y = conv(b, "squeeze", y, 3, 1)?;
        let y = b.relu("relu", y)?;
        let y = conv(b, "excite", y, 12, 1)?;
        let y = b.activation("sigmoid", y, Activation::Sigmoid)?;
        b.multiply("scaled", x, y)
    })
}

fn concat_pointwise() -> Graph {
    graph("concatenation", 3, |b, x| {
        let y = conv(b, "first", x, 5, 3)?;
        let z = conv(b, "second", y, 4, 3)?;
        let all = b.concat("concat", &[x, y, z])?;
        let all = conv(b, "collect", all, 6, 1)?;
        b.relu("relu", all)
    })
}

fn masked() -> Graph {
    graph("masked", 3, |b, x| {
        let logits = conv(b, "logits", x, 2, 1)?;
        let mask = b.spatial_mask("mask", logits)?;
        let weights = weighted(b, "masked", &parameter([3, 3, 3, 3], 3), None)?;
        let op = MaskedConv2d { kernel: 3, dense_inputs: 1, dense_outputs: 2 };
        let y = b.masked_conv2d("masked", x, mask, weights, op)?;
        b.relu("relu", y)
    })
}

fn tiny_edsr() -> Graph {
    let model = Model::from_weights("seeded", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    model.graph(Shape::new(1, 3, 64, 80)).unwrap()
}

fn tiny_smsr() -> Graph {
    smsr(seeded::TINY)
}

fn wider_smsr() -> Graph {
    smsr(Config { channels: 12, ..seeded::TINY })
}

fn smsr(config: Config) -> Graph {
    let model = Model::from_weights("seeded", seeded::smsr(&config)).unwrap();
    model.graph(Shape::new(1, 3, 64, 80)).unwrap()
}

fn plan((_, graph, limits, ends, keep): &Row) -> Plan {
    let graph = graph();
    let keep = keep.iter().map(|name| graph.find(name).expect("a node of the graph")).collect();
    let storage = match limits.f16 {
        true => Storage::F16(Arc::new(exact(&rewritten(&graph)))),
        false => Storage::F32,
    };
    let options = Options { input: *ends, output: *ends, keep, storage, ..Options::default() };
    Plan::new(&graph, &options, limits).unwrap()
}

/// What minimises the L1 loss of two pictures, and its parameters.
fn training(model: &Model, low: Shape) -> (Objective, Parameters) {
    let net = model.net();
    (Objective::of_net(net, low, &[(Loss::L1, 1.0)]).unwrap(), net.parameters().clone())
}

/// The plan of a part of a batch.
fn gathering(training: &(Objective, Parameters), limits: &Limits) -> Plan {
    gathering_by(training, &Options::default(), limits)
}

fn gathering_by(
    (objective, parameters): &(Objective, Parameters),
    options: &Options,
    limits: &Limits,
) -> Plan {
    let trained: Vec<_> = objective.trained().iter().map(|name| parameters.find(name).unwrap()).collect();
    let ends = Ends::Gathered { own: objective.forward().outputs().len(), trained: &trained };
    Plan::training(objective.graph(), &Places::of(parameters), ends, options, limits).unwrap()
}

/// Every plan that has a listing, by its name.
fn plans() -> Vec<(&'static str, Plan)> {
    let mut plans: Vec<(&'static str, Plan)> = PLANS.iter().map(|row| (row.0, plan(row))).collect();
    let model = Model::from_weights("seeded", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let objective = training(&model, Shape::new(2, 3, 24, 20));
    plans.push(("training_gather", gathering(&objective, &Limits::PORTABLE)));
    plans.push((
        "training_update",
        Plan::update(&Places::of(&objective.1), 1, 1.0, &Limits::PORTABLE).unwrap(),
    ));
    plans
}

#[test]
fn listings_are_as_written() {
    let mut changed = Vec::new();
    for (name, plan) in plans() {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "tests", "plans", &format!("{name}.txt")].iter().collect();
        if std::env::var_os("SPARSR_BLESS").is_some_and(|value| value != "0") {
            std::fs::write(&path, plan.to_string()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        if plan.to_string() != written {
            changed.push(format!("{}: expected\n{written}\nfound\n{plan}", path.display()));
        }
    }
    assert!(changed.is_empty(), "{}\nif that is wanted: SPARSR_BLESS=1", changed.join("\n"));
}

#[test]
fn the_same_in_gives_the_same_plan() {
    for ((name, a), (_, b)) in plans().into_iter().zip(plans()) {
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "{name}");
    }
}

/// The slots that a step reads, and those that it writes.
fn flow(step: &Step) -> (Vec<Slot>, Vec<Slot>) {
    let slots = |bindings: &[Buffer]| -> Vec<Slot> {
        let slot = |buffer: &Buffer| match buffer {
            Buffer::Slot(slot) => Some(*slot),
            _ => None,
        };
        bindings.iter().filter_map(slot).collect()
    };
    let (inputs, outputs) = step.bindings.split_at(step.bindings.len() - step.outputs);
    let beside = outputs.iter().filter(|buffer| matches!(buffer, Buffer::Resident(_))).count();
    assert_eq!(slots(outputs).len() + beside, step.outputs, "{}: a step writes slots", step.label);
    let indirect = step.indirect.map(|indirect| indirect.slot);
    ([slots(inputs), indirect.into_iter().collect()].concat(), slots(outputs))
}

#[test]
fn no_step_reads_the_slot_that_it_writes() {
    for (name, plan) in plans() {
        for step in &plan.steps {
            let (read, written) = flow(step);
            assert!(!read.iter().any(|slot| written.contains(slot)), "{name}: {}\n{plan}", step.label);
        }
    }
}

#[test]
fn every_slot_is_written_before_it_is_read() {
    for (name, plan) in plans() {
        let mut written: Vec<Slot> = plan.inputs().map(|port| port.slot).collect();
        for step in &plan.steps {
            let (read, output) = flow(step);
            assert!(read.iter().all(|slot| written.contains(slot)), "{name}: {}\n{plan}", step.label);
            written.extend(output);
        }
        assert!(plan.outputs().all(|port| written.contains(&port.slot)), "{name}");
    }
}

#[test]
fn every_value_fits_into_its_slot() {
    for row in PLANS {
        let plan = plan(row);
        // Pixels and lists have layouts of their own.
        for step in plan.steps.iter().filter(|step| step.label != "output" && step.outputs == 1) {
            let (_, slots) = flow(step);
            let bytes = step.output_bytes();
            assert!(bytes <= plan.slots[slots[0].0 as usize], "{}: {}\n{plan}", row.0, step.label);
        }
    }
}

#[test]
fn nothing_overwrites_what_the_host_reads_after_the_run() {
    for row in PLANS {
        let plan = plan(row);
        let last = |slot: Slot| {
            plan.steps.iter().rev().find(|step| flow(step).1.contains(&slot)).expect("a step writes it")
        };
        for (name, port) in row.4.iter().zip(&plan.kept) {
            assert_eq!(
                (last(port.slot).label.as_str(), port.shape),
                (*name, last(port.slot).shape),
                "{}\n{plan}",
                row.0
            );
        }
        assert_eq!(last(plan.output.slot).label, plan.steps.last().unwrap().label, "{}\n{plan}", row.0);
    }
}

#[test]
fn a_module_more_takes_its_feature_more() {
    // `collect` reads the features of all modules, so each of them must live; nothing else of a module must.
    let feature = 4 * packed_len(Shape::new(1, 8, 64, 80)) as u64;
    let memory = |modules: usize| -> u64 {
        let graph = smsr(Config { modules, ..seeded::TINY });
        let options = Options { input: Form::Pixels8, output: Form::Pixels8, ..Options::default() };
        Plan::new(&graph, &options, &Limits::PORTABLE).unwrap().slots.iter().sum()
    };
    for modules in 2..6 {
        let (less, more) = (memory(modules), memory(modules + 1));
        assert!(more <= less + feature, "{modules} modules take {less} bytes, one more takes {more}");
    }
}

#[test]
fn what_a_device_cannot_bind_is_refused_by_name_and_size() {
    let refused = |side: usize, limits: Limits| {
        let (mut b, x) = Builder::new("large", Shape::new(1, 12, side, side), 1.0);
        let output = conv(&mut b, "conv", x, 12, 3).unwrap();
        let options = Options::default();
        match Plan::new(&b.finish(output).unwrap().0, &options, &limits) {
            Err(Error::Limits(text)) => text,
            other => panic!("expected a limit, found {other:?}"),
        }
    };
    assert_eq!(
        refused(4096, Limits::PORTABLE),
        "conv: its 1x12x4096x4096 numbers need 768.0 MiB in one buffer and the device binds at most 128.0 MiB; \
         choose smaller tiles, or the CPU"
    );
    assert_eq!(
        refused(64, Limits { workgroups: 7, ..Limits::PORTABLE }),
        "conv: [2, 8, 2] workgroups, and the device takes at most 7 along an axis"
    );
}

/// The kernel that makes the products of a candidate, and its tile.
fn marks(candidate: Candidate) -> (&'static str, String) {
    let product = |names: [&'static str; 2], tile: product::Tile| {
        (names[usize::from(tile.weights == Weights::Broadcast)], format!("channel_groups={}", tile.groups))
    };
    match candidate {
        Candidate::Tiled(tile) => {
            ("conv2d_tiled", format!("pixels={} channel_groups={}", tile.pixels, tile.groups))
        }
        Candidate::Product(tile) => product(["conv2d_gather_tiled", "conv2d_gather_subgroup"], tile),
        Candidate::Winograd(tile) => product(["winograd_multiply_tiled", "winograd_multiply_subgroup"], tile),
        Candidate::Pruned(tile) => ("conv2d_pruned", format!("channel_groups={}", tile.groups)),
        Candidate::Matrices => ("conv2d_cooperative", "side=16".into()),
        other => panic!("{other}: by which of its steps is it known?"),
    }
}

fn wide(kernel: usize) -> Graph {
    graph("wide", 64, |b, x| conv(b, "conv", x, 64, kernel))
}

/// How sparse its weight is where four neighbouring outputs keep as many of every eight inputs.
fn zeros(kernel: usize, kept: usize) -> Arc<Zeros> {
    let balance = Balance::new(kept, 8).unwrap().with_rows(4).unwrap();
    let (mut b, x) = Builder::new("pruned", Shape::new(1, 64, 9, 9), 1.0);
    let weight = balance.thinned(&parameter([64, 64, kernel, kernel], 1));
    let weights = weighted(&mut b, "conv", &weight, Some(&parameter([64], 2))).unwrap();
    let y = b.conv2d("conv", x, weights, Conv2d::same(kernel)).unwrap();
    Arc::new(Zeros::of(&b.finish(y).unwrap().1))
}

#[test]
fn every_candidate_can_be_asked_for() {
    for candidate in Candidate::all() {
        let choices = Some(Arc::new(Choices::only(candidate)));
        let by_matrices = candidate == Candidate::Matrices;
        let zeros = zeros(3, 2);
        let options = Options { choices, zeros, cooperative: by_matrices, ..Options::default() };
        let limits = if by_matrices { MATRICES } else { BROADCAST };
        let plan = Plan::new(&wide(3), &options, &limits).unwrap();
        let (kernel, tile) = marks(candidate);
        let found = plan.steps.iter().any(|step| {
            step.dispatch.kernel.name == kernel && step.dispatch.specialization.to_string().contains(&tile)
        });
        assert!(found, "{candidate}: no {kernel} {tile} in\n{plan}");
    }
}

#[test]
fn lists_are_taken_where_weights_are_known_to_be_sparse_and_lists_to_be_faster() {
    let plan = |kernel, choices: Option<Choices>, zeros| {
        let options =
            Options { choices: choices.map(Arc::new), zeros, cooperative: true, ..Options::default() };
        Plan::new(&wide(kernel), &options, &MATRICES).unwrap().to_string()
    };
    let by_lists = |listing: &str| listing.contains("conv2d_pruned");
    let pruned = Candidate::Pruned(conv2d_pruned::Tile::USUAL);
    let class = Class::of(3, [64, 64], 64 * 64, false).with_density(Density::Quarter);
    let measured = |candidates: [Candidate; 2]| {
        let mut choices = Choices::default();
        choices.set(class, candidates.map(|candidate| Ranked { candidate, cost: Some(1.0) }).to_vec());
        Some(choices)
    };
    // Faster than what was measured beside it; also of a sparser weight, but of no denser one, and of none that is not known.
    let faster = || measured([pruned, Candidate::Matrices]);
    assert!(by_lists(&plan(3, faster(), zeros(3, 2))) && by_lists(&plan(3, faster(), zeros(3, 1))));
    assert!(!by_lists(&plan(3, faster(), zeros(3, 3))) && !by_lists(&plan(3, faster(), Arc::default())));
    assert!(!by_lists(&plan(3, measured([Candidate::Matrices, pruned]), zeros(3, 2))));
    // Where nothing was measured plans are those of dense weights.
    for limits in [Limits::PORTABLE, BROADCAST, MATRICES] {
        for (kernel, kept) in [(1, 1), (3, 2), (5, 4)] {
            let listing = |zeros| {
                let options = Options { zeros, cooperative: true, ..Options::default() };
                Plan::new(&wide(kernel), &options, &limits).unwrap().to_string()
            };
            assert_eq!(listing(zeros(kernel, kept)), listing(Arc::default()));
        }
    }
}

#[test]
fn matrices_that_were_measured_to_be_slower_are_passed_over() {
    let class = Class::of(3, [64, 64], 64 * 64, false);
    let ranked = |candidate| Ranked { candidate, cost: Some(1.0) };
    let found = |first, second| {
        let mut choices = Choices::default();
        choices.set(class, vec![ranked(first), ranked(second)]);
        let options = Options { choices: Some(Arc::new(choices)), cooperative: true, ..Options::default() };
        Plan::new(&wide(3), &options, &MATRICES).unwrap().to_string().contains("conv2d_cooperative")
    };
    assert!(found(Candidate::Matrices, Candidate::PLAIN));
    assert!(!found(Candidate::PLAIN, Candidate::Matrices));
}

#[test]
fn a_candidate_that_cannot_do_it_is_passed_over() {
    let plan = |graph: &Graph, choices, algorithm| {
        let options = Options { choices, algorithm, ..Options::default() };
        Plan::new(graph, &options, &Limits::PORTABLE).unwrap().to_string()
    };
    let only = |candidate| Some(Arc::new(Choices::only(candidate)));
    let usual = plan(&wide(3), None, Algorithm::Auto);
    // Not on this device, not for this kernel, not what was asked for.
    let broadcast = Candidate::Product(product::Tile::BROADCAST);
    assert_eq!(plan(&wide(3), only(broadcast), Algorithm::Auto), usual);
    let winograd = Candidate::Winograd(product::Tile::STORAGE);
    assert_eq!(plan(&wide(5), only(winograd), Algorithm::Auto), plan(&wide(5), None, Algorithm::Auto));
    assert_eq!(plan(&wide(3), only(winograd), Algorithm::Direct), usual);
    assert_ne!(plan(&wide(3), only(winograd), Algorithm::Auto), usual);
    // Sums over several inputs are products, whatever is preferred.
    let tiled = Candidate::Tiled(conv2d_tiled::Tile::USUAL);
    let summed = plan(&tiny_smsr(), only(tiled), Algorithm::Auto);
    assert!(summed.contains("inputs=2"), "{summed}");
}

#[test]
fn the_classes_of_a_network_are_those_that_its_plans_ask_for() {
    let graph = wider_smsr();
    let classes = classes(&graph, &Arc::default(), &BROADCAST);
    for (kernel, channels, listed) in [(3, [12, 12], true), (3, [12, 12], false), (3, [3, 12], false)] {
        let class = Class::of(kernel, channels, 64 * 80, listed);
        assert!(classes.contains(&class), "{class} in {classes:?}");
    }
    // A table of these classes is asked for nothing else: with it, no other table matters.
    let shipped = Choices::shipped(&BROADCAST);
    let mut table = Choices::only(Candidate::PLAIN);
    classes.iter().for_each(|class| table.set(*class, shipped.ranking(*class).to_vec()));
    let options = |choices| Options { choices, ..Options::default() };
    let plans = [None, Some(Arc::new(table))]
        .map(|choices| Plan::new(&graph, &options(choices), &BROADCAST).unwrap().to_string());
    assert_eq!(plans[0], plans[1]);
}

/// Labels of the steps by cooperative matrices, and of the others.
fn by_matrices(graph: &Graph, options: &Options, limits: &Limits) -> (Vec<String>, Vec<String>) {
    let plan = Plan::new(graph, options, limits).unwrap();
    let by_matrices = |step: &Step| step.dispatch.kernel.name.contains("cooperative");
    let (with, without): (Vec<Step>, Vec<Step>) = plan.steps.into_iter().partition(by_matrices);
    let labels = |steps: Vec<Step>| steps.into_iter().map(|step| step.label).collect();
    (labels(with), labels(without))
}

fn smsr_of_16() -> Graph {
    smsr(Config { channels: 16, mask_channels: 16, ..seeded::TINY })
}

#[test]
fn factors_are_rounded_only_where_that_is_allowed() {
    let graph = smsr_of_16();
    let options = |algorithm, cooperative| Options { algorithm, cooperative, ..Options::default() };
    for (algorithm, allowed, expected) in [
        (Algorithm::Auto, false, false),
        (Algorithm::Auto, true, true),
        (Algorithm::Direct, true, false),
        (Algorithm::Winograd, true, false),
        (Algorithm::Cooperative, false, true),
    ] {
        let found = |limits: &Limits| !by_matrices(&graph, &options(algorithm, allowed), limits).0.is_empty();
        assert_eq!(found(&MATRICES), expected, "{algorithm:?}, allowed {allowed}");
        let in_software = Limits { subgroup_lanes: Some(8), cooperative_side: Some(8), ..MATRICES };
        assert_eq!(found(&in_software), algorithm == Algorithm::Cooperative, "{algorithm:?} in software");
        for limits in [Limits::PORTABLE, BROADCAST, Limits { cooperative_side: None, ..MATRICES }] {
            assert!(!found(&limits), "{algorithm:?} without matrices");
        }
    }
}

#[test]
fn nothing_that_only_a_mask_hangs_on_is_rounded() {
    let graph = smsr_of_16();
    for sparsity in Sparsity::ALL {
        for units in [Units::Mixed, Units::Tiles, Units::Pixels] {
            let algorithm = Algorithm::Cooperative;
            let options = Options { sparsity, units, algorithm, ..Options::default() };
            let (rounded, exact) = by_matrices(&graph, &options, &MATRICES);
            let of_mask = |label: &&String| label.contains(".spa_mask.");
            assert_eq!(rounded.iter().find(of_mask), None, "{sparsity} {units:?}");
            assert!(exact.iter().any(|label| of_mask(&label)), "{sparsity} {units:?}: {exact:?}");
            for label in ["head.2", "body.1.body.body.0", "tail.0"] {
                assert!(rounded.iter().any(|rounded| rounded.starts_with(label)), "{label} of {rounded:?}");
            }
        }
    }
}

/// SMSR of the paper's size, 16 pictures of 48×48 at once, in the form that needs most.
#[test]
fn a_training_of_the_papers_smsr_takes_less_than_nine_tenths_of_a_gibibyte() {
    let config =
        Config { channels: 64, modules: 5, layers: 4, mask_channels: 16, attention_channels: 4, scale: 2 };
    let (low, losses) = (Shape::new(16, 3, 48, 48), [(Loss::L1, 1.0)]);
    let masks = smsr::Masks::Gumbel;
    let (graph, parameters) = config.training(&fresh::smsr(&config, 1), low, masks, &losses, 64.0).unwrap();
    let objective = Objective::new(graph).unwrap().only(|name| !name.contains("_mean")).unwrap();
    let training = (objective, parameters);
    let plan = gathering(&training, &Limits::PORTABLE);
    let constants: u64 = plan.constants.iter().map(|constant| constant.bytes().len() as u64).sum();
    let ports: u64 = plan.inputs().chain(plan.outputs()).map(|port| 4 * port.words() as u64).sum();
    let bytes = plan.slots.iter().chain(&plan.residents).sum::<u64>() + constants + 2 * ports;
    assert!(bytes < 9 * (1 << 30) / 10, "{} MiB", bytes >> 20);

    let options = Options { storage: Storage::F16(Arc::default()), ..Options::default() };
    let halved = gathering_by(&training, &options, &Limits { f16: true, ..Limits::PORTABLE });
    let [halved, whole] = [&halved, &plan].map(|plan| plan.slots.iter().sum::<u64>());
    assert!(halved * 10 < whole * 6, "{} MiB of {} in f16", halved >> 20, whole >> 20);
}

/// In f16 a training's pictures, what is one number, and all that is a weight or the gradient of one are f32.
#[test]
fn a_training_in_f16_keeps_pictures_and_gradients_of_weights_in_f32() {
    let model = Model::from_weights("seeded", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let training = training(&model, Shape::new(2, 3, 24, 20));
    let options = Options { storage: Storage::F16(Arc::default()), ..Options::default() };
    let plan = gathering_by(&training, &options, &Limits { f16: true, ..Limits::PORTABLE });
    let halves = |step: &Step| step.dispatch.specialization.halves.clone();
    let made = |kernel: &'static str| {
        plan.steps.iter().filter(move |step: &&Step| step.dispatch.kernel.name == kernel)
    };
    for kernel in ["arrange", "loss", "global_pool"] {
        let mut steps = made(kernel).peekable();
        assert!(steps.peek().is_some() && steps.all(|step| !halves(step).contains(&"output")), "{kernel}");
    }
    assert!(made("loss").all(|step| halves(step).is_empty()));
    assert!(made("conv2d_weight_gradient").any(|step| halves(step) == ["x", "g"]));
    assert!(made("conv2d_weight_gradient").all(|step| !halves(step).contains(&"output")));
    assert!(made("activation_gradient").all(|step| halves(step) == ["value", "g", "output"]));
    assert!(made("loss_gradient").all(|step| halves(step) == ["output"]));
    assert!(plan.steps.iter().all(|step| !halves(step).contains(&"weight")));
}
