//! Pictures of many sizes, one after the other: what one leaves behind serves the next, and does not show in it.

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod seeded;
#[path = "support/skip.rs"]
mod skip;

use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use sparsr::low_level::gpu::Pool;
use sparsr::low_level::graph::{Graph, Parameters};
use sparsr::low_level::job::engine::{Engine, GpuEngine};
use sparsr::low_level::models::{edsr, smsr};
use sparsr::low_level::plan::{Buffer, Form, Limits, Options as PlanOptions, Phase, Plan, Slot};
use sparsr::low_level::tensor::Shape;
use sparsr::{Depth, Error, Gpu, Model, Options, Precision, Sparsity, Tiling, Upscaled, Upscaler};

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

fn options(model: &Model, shape: Shape) -> (Graph, PlanOptions) {
    let graph = model.graph(shape).unwrap();
    let keep = graph.masks().collect();
    let ends = Form::Pixels8;
    (graph, PlanOptions { input: ends, output: ends, keep, ..PlanOptions::default() })
}

fn plan(model: &Model, (width, height): (usize, usize), limits: &Limits) -> Plan {
    let (graph, options) = options(model, Shape::new(1, 3, height, width));
    Plan::new(&graph, &options, limits).unwrap()
}

fn pool(gpu: &Gpu, model: &Model) -> Pool {
    Pool::new(gpu, model.net().numbers())
}

const BROADCAST: Limits = Limits { subgroup_lanes: Some(8), ..Limits::PORTABLE };

#[test]
fn a_graph_of_another_size_is_the_graph_built_for_it() {
    let (small, large) = (Shape::new(1, 3, 2, 2), Shape::new(2, 3, 46, 70));
    for shape in [small, large] {
        let folded = |(graph, parameters): (Graph, Parameters)| graph.fold_parameters(&parameters).graph;
        let built = smsr::build(&seeded::TINY, &seeded::smsr(&seeded::TINY), shape).unwrap();
        assert_eq!(seeded::tiny_smsr().graph(shape).unwrap(), folded(built));
        let built = edsr::build(&seeded::TINY_EDSR, &seeded::edsr(&seeded::TINY_EDSR), shape).unwrap();
        assert_eq!(models()[1].graph(shape).unwrap(), folded(built));
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
fn for_another_size_parameters_are_packed_the_same_way() {
    for model in models().into_iter().chain([wider_smsr()]) {
        for limits in [Limits::PORTABLE, BROADCAST] {
            for sparsity in Sparsity::ALL {
                let plans = [(64, 40), (34, 10), (66, 48)].map(|(width, height)| {
                    let (graph, options) = options(&model, Shape::new(1, 3, height, width));
                    Plan::new(&graph, &PlanOptions { sparsity, ..options }, &limits).unwrap()
                });
                assert!(!plans[0].parameters.is_empty());
                for plan in &plans[1..] {
                    assert_eq!(plan.parameters, plans[0].parameters, "{sparsity}\n{plan}");
                }
            }
        }
    }
}

#[test]
fn the_dense_and_the_sparse_form_of_a_layer_share_their_weights() {
    let plan = plan(&wider_smsr(), (64, 40), &BROADCAST);
    let products = plan.steps.iter().filter(|step| step.dispatch.kernel.name == "winograd_multiply_subgroup");
    let weight = |buffer: &Buffer| match buffer {
        Buffer::Parameter(at) => Some(*at),
        _ => None,
    };
    let weights: Vec<u32> = products.filter_map(|step| step.bindings.iter().find_map(weight)).collect();
    let distinct: HashSet<&u32> = weights.iter().collect();
    assert!(distinct.len() < weights.len(), "{} of {}", distinct.len(), weights.len());
    let packings: HashSet<_> = plan.parameters.iter().collect();
    assert_eq!(packings.len(), plan.parameters.len(), "nothing is packed twice in one way");
}

#[test]
fn for_another_size_no_weight_is_uploaded_again() {
    let Some(gpu) = adapter::gpu("for_another_size_no_weight_is_uploaded_again") else { return };
    let model = wider_smsr();
    let mut pool = pool(&gpu, &model);
    for size in [(64, 40), (34, 10), (66, 48)] {
        let plan = plan(&model, size, gpu.limits());
        let session = pool.session(&plan).unwrap();
        pool.take_back(session);
        assert_eq!(pool.uploads(), plan.parameters.len(), "those of the first size");
    }
    let held = pool.bytes();
    let none = Plan { parameters: vec![], slots: vec![], ..plan(&model, (2, 2), gpu.limits()) };
    pool.trim(&none);
    assert!(pool.bytes() < held, "what nobody needs is dropped");
}

#[test]
fn a_slot_is_taken_over_where_it_is_large_enough() {
    let Some(gpu) = adapter::gpu("a_slot_is_taken_over_where_it_is_large_enough") else { return };
    let model = wider_smsr();
    let mut pool = pool(&gpu, &model);
    let plans = [(64, 40), (60, 40), (64, 40)].map(|size| plan(&model, size, gpu.limits()));
    let mut sessions = Vec::new();
    let mut held = Vec::new();
    for plan in &plans {
        sessions.push(pool.session(plan).unwrap());
        held.push(pool.bytes());
    }
    assert_eq!(held, [held[0]; 3], "nothing is new");
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
    let engine = |memory| {
        let mut engine = GpuEngine::new(&gpu, Sparsity::Auto, memory);
        engine.begin(model.net().numbers());
        engine
    };
    let mut probe = engine(0);
    let mut footprint = |phase: &Arc<Phase>| probe.footprint(phase, Depth::Eight).unwrap();
    let largest = phases.iter().map(&mut footprint).max().unwrap();
    for memory in [0, largest, largest * 5 / 4, largest * 3] {
        let mut engine = engine(memory);
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
    let model = seeded::tiny_smsr();
    let mut pool = pool(&gpu, &model);
    let mut plan = plan(&model, (34, 10), gpu.limits());
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
    let model = wider_smsr();
    let plans = [(34, 10), (12, 12)].map(|size| plan(&model, size, gpu.limits()));
    let pictures = [seeded::picture(34, 10, 1), seeded::picture(12, 12, 2)];
    let run = |plan: &Plan, picture| pool(&gpu, &model).session(plan).unwrap().run_pixels(picture).unwrap();
    let expected = [0, 1].map(|at| run(&plans[at], &pictures[at]));
    for _ in 0..20 {
        // A new pool knows nothing of the device's speed, so the first runs are many submissions.
        let mut pool = pool(&gpu, &model);
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
