//! Pictures of many sizes, one after the other: what one leaves behind serves the next, and does not show in it.

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod seeded;

use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use sparsr::gpu::Pool;
use sparsr::job::engine::{Engine, GpuEngine};
use sparsr::models::{edsr, smsr};
use sparsr::plan::{Buffer, Form, Limits, Options as PlanOptions, Packed, Phase, Plan, Slot};
use sparsr::tensor::Shape;
use sparsr::{Depth, Error, Model, Options, Precision, Sparsity, Tiling, Upscaled, Upscaler};

/// More than an engine keeps prepared; each is larger, smaller, longer than those before, some come back.
const SIZES: &[(usize, usize)] = &[
    (20, 14),
    (34, 10),
    (7, 5),
    (64, 40),
    (1, 1),
    (34, 10),
    (45, 31),
    (9, 60),
    (2, 2),
    (66, 48),
    (12, 12),
    (50, 9),
    (64, 40),
    (33, 33),
    (20, 14),
];

fn models() -> [Model; 2] {
    [seeded::tiny_smsr(), Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap()]
}

/// Wide enough for Winograd's algorithm.
fn wider_smsr() -> Model {
    let config = smsr::Config { channels: 20, ..seeded::TINY };
    Model::from_weights("wider", seeded::smsr(&config)).unwrap()
}

fn options(model: &Model, shape: Shape) -> (sparsr::graph::Graph, PlanOptions) {
    let graph = model.graph(shape).unwrap();
    let keep = graph.masks().collect();
    let ends = Form::Pixels8;
    (graph, PlanOptions { input: ends, output: ends, keep, ..PlanOptions::default() })
}

fn plan(packed: &Packed, model: &Model, (width, height): (usize, usize), limits: &Limits) -> Plan {
    let (graph, options) = options(model, Shape::new(1, 3, height, width));
    Plan::sharing(packed, &graph, &options, limits).unwrap()
}

const BROADCAST: Limits = Limits { subgroup_lanes: Some(8), ..Limits::PORTABLE };

#[test]
fn a_graph_of_another_size_is_the_graph_built_for_it() {
    let (small, large) = (Shape::new(1, 3, 2, 2), Shape::new(2, 3, 46, 70));
    for shape in [small, large] {
        let weights = seeded::smsr(&seeded::TINY);
        let built = smsr::build(&seeded::TINY, &weights, shape).unwrap();
        assert_eq!(format!("{:?}", seeded::tiny_smsr().graph(shape).unwrap()), format!("{built:?}"));
        let weights = seeded::edsr(&seeded::TINY_EDSR);
        let built = edsr::build(&seeded::TINY_EDSR, &weights, shape).unwrap();
        assert_eq!(format!("{:?}", models()[1].graph(shape).unwrap()), format!("{built:?}"));
    }
}

#[test]
fn a_phase_of_another_size_is_the_phase_cut_for_it() {
    for model in models() {
        let cut = |height, width| Phase::all(model.graph(Shape::new(1, 3, height, width)).unwrap());
        let from = cut(128, 128);
        for (height, width) in [(4, 6), (38, 70), (256, 10)] {
            let resized: Vec<Phase> =
                from.iter().map(|phase| phase.resized(height, width).unwrap()).collect();
            assert_eq!(
                format!("{resized:?}"),
                format!("{:?}", cut(height, width)),
                "{height} rows, {width} columns"
            );
        }
    }
}

#[test]
fn what_is_remembered_does_not_change_a_plan() {
    let packed = Packed::default();
    for model in models().into_iter().chain([wider_smsr()]) {
        for limits in [Limits::PORTABLE, BROADCAST] {
            for sparsity in Sparsity::ALL {
                for (width, height) in [(34, 10), (64, 40), (34, 10)] {
                    let (graph, options) = options(&model, Shape::new(1, 3, height, width));
                    let options = PlanOptions { sparsity, ..options };
                    let alone = Plan::new(&graph, &options, &limits).unwrap();
                    let sharing = Plan::sharing(&packed, &graph, &options, &limits).unwrap();
                    assert_eq!(format!("{sharing:?}"), format!("{alone:?}"));
                }
            }
        }
    }
}

/// The constants of a plan but for those that tell the device its workgroups, which are of one size alone.
fn weights(plan: &Plan) -> Vec<&Arc<[f32]>> {
    let of_one_size: HashSet<u32> = (plan.steps.iter())
        .filter(|step| step.dispatch.kernel.name == "mask_arguments")
        .flat_map(|step| &step.bindings)
        .filter_map(|buffer| if let Buffer::Constant(at) = buffer { Some(*at) } else { None })
        .collect();
    (0..)
        .zip(&plan.constants)
        .filter(|(at, _)| !of_one_size.contains(at))
        .map(|(_, numbers)| numbers)
        .collect()
}

#[test]
fn for_another_size_no_weight_is_packed_again() {
    for model in models().into_iter().chain([wider_smsr()]) {
        for limits in [Limits::PORTABLE, BROADCAST] {
            let packed = Packed::default();
            let [first, second] = [(64, 40), (34, 10)].map(|size| plan(&packed, &model, size, &limits));
            let (first, second) = (weights(&first), weights(&second));
            assert_eq!(first.len(), second.len());
            assert!(first.iter().zip(&second).all(|(first, second)| Arc::ptr_eq(first, second)));
        }
    }
}

#[test]
fn the_dense_and_the_sparse_form_of_a_layer_share_their_weights() {
    let plan = plan(&Packed::default(), &wider_smsr(), (64, 40), &BROADCAST);
    let products = plan.steps.iter().filter(|step| step.dispatch.kernel.name == "winograd_multiply_subgroup");
    let weight = |buffer: &Buffer| match buffer {
        Buffer::Constant(at) => Some(plan.constants[*at as usize].as_ptr()),
        Buffer::Slot(_) => None,
    };
    let weights: Vec<_> = products.filter_map(|step| step.bindings.iter().find_map(weight)).collect();
    let distinct: HashSet<_> = weights.iter().collect();
    assert!(distinct.len() < weights.len(), "{} of {}", distinct.len(), weights.len());
}

#[test]
fn for_another_size_no_weight_is_uploaded_again() {
    let Some(gpu) = adapter::gpu("for_another_size_no_weight_is_uploaded_again") else { return };
    let (packed, mut pool, model) = (Packed::default(), Pool::new(&gpu), wider_smsr());
    let mut uploads = Vec::new();
    for size in [(64, 40), (34, 10), (66, 48)] {
        let (plan, before) = (plan(&packed, &model, size, gpu.limits()), pool.uploads());
        let session = pool.session(&plan).unwrap();
        pool.take_back(session);
        uploads.push((pool.uploads() - before, plan.constants.len() - weights(&plan).len()));
    }
    let [(first, own), rest @ ..] = uploads.as_slice() else { unreachable!("three sizes") };
    assert!(first > own && rest.iter().all(|(uploads, own)| uploads == own), "{uploads:?}");
    let held = pool.bytes();
    drop(packed);
    let none =
        Plan { constants: vec![], slots: vec![], ..plan(&Packed::default(), &model, (2, 2), gpu.limits()) };
    pool.trim(&none);
    assert!(pool.bytes() < held, "what nobody needs is dropped");
}

#[test]
fn a_slot_is_taken_over_where_it_is_large_enough() {
    let Some(gpu) = adapter::gpu("a_slot_is_taken_over_where_it_is_large_enough") else { return };
    let (packed, mut pool, model) = (Packed::default(), Pool::new(&gpu), wider_smsr());
    let plans = [(64, 40), (60, 40), (64, 40)].map(|size| plan(&packed, &model, size, gpu.limits()));
    let mut sessions = Vec::new();
    let mut held = Vec::new();
    for plan in &plans {
        sessions.push(pool.session(plan).unwrap());
        held.push(pool.bytes());
    }
    let of_one_size =
        |plan: &Plan| 4 * plan.constants.iter().map(|numbers| numbers.len()).sum::<usize>() as u64;
    assert!(held[2] < held[0] + of_one_size(&plans[0]) / 4, "only workgroups are new: {held:?}");
}

fn assert_same(found: &Upscaled, expected: &Upscaled, what: &str) {
    assert_eq!(found.pixels, expected.pixels, "{what}");
    assert_eq!(found.masks.len(), expected.masks.len());
    for (found, expected) in found.masks.iter().zip(&expected.masks) {
        assert_eq!(found.active, expected.active, "{what}, {}", found.name);
    }
}

#[test]
fn every_size_is_as_if_it_were_the_first() {
    let Some(gpu) = adapter::gpu("every_size_is_as_if_it_were_the_first") else { return };
    for model in models().into_iter().chain([wider_smsr()]) {
        for tiling in [Tiling::Whole, Tiling::Pixels(24)] {
            for memory in [None, Some(1 << 20)] {
                let mut options = Options::default();
                (options.tiling, options.memory, options.precision) = (tiling, memory, Precision::F32);
                let upscaler = || Upscaler::new(&gpu, &model, options.clone()).unwrap();
                let mut one = upscaler();
                for (seed, (width, height)) in (0..).zip(SIZES) {
                    let picture = seeded::picture(*width, *height, seed);
                    let found = one.upscale_pixels(&picture).unwrap();
                    let expected = upscaler().upscale_pixels(&picture).unwrap();
                    let what =
                        format!("{} {width}x{height} {tiling:?}, {memory:?} bytes", model.architecture());
                    assert_same(&found, &expected, &what);
                }
            }
        }
    }
}

#[test]
fn an_engine_holds_no_more_than_it_may() {
    let Some(gpu) = adapter::gpu("an_engine_holds_no_more_than_it_may") else { return };
    let model = wider_smsr();
    let phase = |(width, height): &(usize, usize)| {
        let [width, height] = [width, height].map(|side| side.next_multiple_of(model.alignment()));
        Arc::new(Phase::whole(model.graph(Shape::new(1, 3, height, width)).unwrap()))
    };
    let phases: Vec<Arc<Phase>> = SIZES.iter().map(phase).collect();
    let probe = GpuEngine::new(&gpu, Sparsity::Auto, 0);
    let footprint = |phase: &Arc<Phase>| probe.footprint(phase, Depth::Eight).unwrap();
    let largest = phases.iter().map(footprint).max().unwrap();
    for memory in [0, largest, largest * 5 / 4, largest * 3] {
        let mut engine = GpuEngine::new(&gpu, Sparsity::Auto, memory);
        for phase in &phases {
            engine.prepare(phase, Depth::Eight).unwrap();
            let (held, alone) = (engine.held(), footprint(phase));
            assert!(held <= memory.max(alone), "{held} bytes held, {memory} allowed, {alone} needed");
        }
    }
}

#[test]
fn a_picture_left_over_is_no_picture() {
    let Some(gpu) = adapter::gpu("a_picture_left_over_is_no_picture") else { return };
    let (packed, mut pool, model) = (Packed::default(), Pool::new(&gpu), seeded::tiny_smsr());
    let mut plan = plan(&packed, &model, (34, 10), gpu.limits());
    // A slot of its own, of a size of its own, which nothing overwrites.
    let own = Slot(plan.slots.len() as u32);
    plan.slots.push(4 * plan.output.words() as u64 + (1 << 20));
    *plan.steps.last_mut().unwrap().bindings.last_mut().unwrap() = Buffer::Slot(own);
    plan.output.slot = own;
    let picture = seeded::picture(34, 10, 1);
    pool.session(&plan).unwrap().run_pixels(&picture).unwrap();
    plan.steps.last_mut().unwrap().dispatch.workgroups = [0; 3];
    let error = pool.session(&plan).unwrap().run_pixels(&picture).unwrap_err();
    assert!(matches!(&error, Error::Device(text) if text.contains("was never written")), "{error}");
}

#[test]
fn sessions_of_one_pool_run_on_two_threads() {
    let Some(gpu) = adapter::gpu("sessions_of_one_pool_run_on_two_threads") else { return };
    let (packed, model) = (Packed::default(), wider_smsr());
    let plans = [(34, 10), (12, 12)].map(|size| plan(&packed, &model, size, gpu.limits()));
    let pictures = [seeded::picture(34, 10, 1), seeded::picture(12, 12, 2)];
    let run = |plan: &Plan, picture| Pool::new(&gpu).session(plan).unwrap().run_pixels(picture).unwrap();
    let expected = [0, 1].map(|at| run(&plans[at], &pictures[at]));
    for _ in 0..20 {
        // A new pool knows nothing of the device's speed, so the first runs are many submissions.
        let mut pool = Pool::new(&gpu);
        let mut sessions = plans.each_ref().map(|plan| pool.session(plan).unwrap());
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            for ((session, picture), expected) in sessions.iter_mut().zip(&pictures).zip(&expected) {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    assert_eq!(&session.run_pixels(picture).unwrap(), expected);
                });
            }
        });
    }
}
