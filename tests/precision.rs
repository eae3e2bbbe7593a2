//! Numbers kept as f16: what lies so, how close the picture is to that of f32, and what happens where it is not.

#[path = "precision/pictures.rs"]
mod pictures;
mod support;

use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::Value;
use sparsr::low_level::job::engine::GpuEngine;
use sparsr::low_level::plan::{Algorithm, Options as PlanOptions, Plan, Step, Storage};
use sparsr::low_level::probe::precision::Calibration;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{
    AdapterKind, Error, Feature, Gpu, Model, Options, Pixels, Precision, Samples, Sparsity, Tiling, Upscaler,
};

use support::golden::{self, Golden};
use support::{adapter, compare, seeded};

/// Largest error of a small network's output, as a share of its largest magnitude.
const TOLERANCE: f32 = 4e-3;

/// The device under test, if it can.
fn gpu(test: &str) -> Option<Gpu> {
    let gpu = adapter::gpu(test)?;
    if !gpu.limits().f16 {
        support::skip::told(format_args!("{test}, since {} has no f16", gpu.name()));
        return None;
    }
    Some(gpu)
}

fn options(precision: Precision) -> Options {
    let mut options = Options::default();
    options.precision = precision;
    options
}

/// A plan for pictures of one size, and the values that stay f32 by their names.
fn plan(model: &Model, storage: Storage, gpu: &Gpu) -> Plan {
    let graph = model.graph(Shape::new(1, 3, 24, 32)).unwrap();
    Plan::new(&graph, &PlanOptions { storage, ..PlanOptions::default() }, gpu.limits()).unwrap()
}

#[test]
fn small_networks_are_close_in_f16() {
    let Some(gpu) = gpu("small_networks_are_close_in_f16") else { return };
    let mut worst = (0.0, String::new());
    let mut networks = golden::all();
    networks.dedup_by(|a, b| a.architecture == b.architecture);
    for (at, Golden { model, values, .. }) in networks.into_iter().enumerate() {
        let numbers = &values.iter().find(|(name, _)| name == "input").unwrap().1;
        let &[n, c, h, w] = numbers.dims() else { panic!("activations have four axes") };
        let input = Tensor::new(Shape::new(n, c, h, w), numbers.values().to_vec());
        let graph = model.graph(input.shape()).unwrap();
        let expected = cpu::run(&graph, model.net().numbers(), &input).unwrap();
        let storage = Calibration::new(&model).unwrap().storage();
        // One way and the other by turns: `operators` has each kernel both ways.
        let engine = if at % 2 == 0 { gpu.clone() } else { gpu.clone().without(Feature::Subgroups) };
        let options = PlanOptions { storage, ..PlanOptions::default() };
        let plan = Plan::new(&graph, &options, engine.limits()).unwrap();
        assert!(plan.to_string().contains("f16="), "{}: something lies as f16\n{plan}", model.name());
        let mut session = Session::new(&engine, &plan, model.net().numbers()).unwrap();
        session.poison();
        let found = session.run_tensor(&input).unwrap();
        let error = compare::close(&found, &expected, TOLERANCE)
            .unwrap_or_else(|reason| panic!("{} in f16 {reason}", model.name()));
        println!("{}: {error:.1e}", model.name());
        if error > worst.0 {
            worst = (error, model.name().to_owned());
        }
    }
    println!("the largest error: {worst:?}");
}

#[test]
fn f16_takes_half_the_memory() {
    let Some(gpu) = gpu("f16_takes_half_the_memory") else { return };
    let model = Model::builtin("smsr-x2").unwrap();
    let storage = Calibration::new(&model).unwrap().storage();
    let [wide, half] = [Storage::F32, storage].map(|storage| -> u64 {
        // Without Winograd's algorithm, whose points and products are f32.
        plan(&model, storage, &gpu.clone().without(Feature::Subgroups)).slots.iter().sum()
    });
    println!("{half} of {wide} bytes: {:.2}", half as f64 / wide as f64);
    assert!(10 * half < 7 * wide, "{half} of {wide} bytes");
}

#[test]
fn what_winograd_reads_lies_as_f16_and_what_is_between_does_not() {
    let Some(gpu) = gpu("what_winograd_reads_lies_as_f16_and_what_is_between_does_not") else { return };
    let model = Model::builtin("smsr-x2").unwrap();
    let graph = model.graph(Shape::new(1, 3, 24, 32)).unwrap();
    let storage = Calibration::new(&model).unwrap().storage();
    let options = PlanOptions { storage, algorithm: Algorithm::Winograd, ..PlanOptions::default() };
    let plan = Plan::new(&graph, &options, gpu.limits()).unwrap();
    let halves = |kernel: &str| {
        // But for what reads the picture, or is a mask's branch's own.
        let reads_exact = |label: &str| label == "head.0" || label.ends_with("spa_mask.3");
        let of_kernel =
            |step: &&Step| step.dispatch.kernel.name.starts_with(kernel) && !reads_exact(&step.label);
        let steps = plan.steps.iter().filter(of_kernel);
        steps.map(|step| step.dispatch.specialization.halves.clone()).collect::<Vec<_>>()
    };
    let read = halves("winograd_input");
    assert!(read.len() >= 20 && read.iter().all(|halves| halves == &["input"]), "{plan}");
    assert!(halves("winograd_multiply").iter().all(Vec::is_empty), "{plan}");
}

#[test]
fn what_a_device_cannot_store_it_does_not() {
    let Some(gpu) = gpu("what_a_device_cannot_store_it_does_not") else { return };
    let (model, without) = (seeded::tiny_smsr(), gpu.clone().without(Feature::F16));
    let storage = Calibration::new(&model).unwrap().storage();
    let [asked, plain] = [storage, Storage::F32].map(|storage| plan(&model, storage, &without).to_string());
    assert_eq!(asked, plain);
    for precision in [Precision::Auto, Precision::F32] {
        let upscaler = Upscaler::new(&without, &model, options(precision)).unwrap();
        assert_eq!(upscaler.precision(), Precision::F32);
    }
    let refused = |upscaler: sparsr::Result<Upscaler>| match upscaler {
        Err(Error::Unsupported(reason)) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    };
    let reason = refused(Upscaler::new(&without, &model, options(Precision::F16)));
    assert!(reason.starts_with(gpu.name()) && reason.contains("choose the precision f32"), "{reason}");
    assert!(refused(Upscaler::on_cpu(&model, options(Precision::F16))).starts_with("the CPU engine"));
}

#[test]
fn auto_takes_f16_on_a_gpu_where_the_network_agrees() {
    let Some(gpu) = gpu("auto_takes_f16_on_a_gpu_where_the_network_agrees") else { return };
    let built_in = Model::builtin("smsr-x2").unwrap();
    let psnr = Calibration::new(&built_in).unwrap().psnr(&gpu).unwrap();
    println!("smsr-x2 in f16: {psnr:.1} dB from f32");
    assert!((65.0..100.0).contains(&psnr), "{psnr} dB");
    let auto = Upscaler::new(&gpu, &built_in, options(Precision::Auto)).unwrap().precision();
    let expected = if gpu.kind() == AdapterKind::Software { Precision::F32 } else { Precision::F16 };
    assert_eq!(auto, expected);
    let asked = Upscaler::new(&gpu, &built_in, options(Precision::F16)).unwrap();
    assert_eq!(asked.precision(), Precision::F16);
}

/// The tiny EDSR with one block in which a pixel's first channel, if a chessboard lies around it, becomes `peak`.
fn sees_chessboards(peak: f32) -> Model {
    let sign = |tap: usize| if tap.is_multiple_of(2) { 1.0 } else { -1.0 };
    // Of black and white 4.55 · 255; of anything else much less.
    let (most, threshold) = (4.55 * 255.0, 4.0 * 255.0);
    let gain = peak / (most - threshold);
    let first = |tap: usize| if tap < 9 { sign(tap) * gain } else { 0.0 };
    let edited = |name: &str, parameter: &Parameter| -> Parameter {
        let with = |f: &dyn Fn(usize) -> f32| {
            Parameter::new(parameter.dims(), (0..parameter.values().len()).map(f).collect::<Vec<_>>())
        };
        match name {
            "head.0.weight" => with(&|at| if at == 4 { 1.0 } else { 0.0 }),
            "head.0.bias" => with(&|_| 0.0),
            "body.0.body.0.weight" => with(&first),
            "body.0.body.0.bias" => with(&|at| if at == 0 { -gain * threshold } else { 0.0 }),
            "body.0.body.2.weight" => with(&|at| if at == 4 { 10.0 / peak } else { 0.0 }),
            _ => parameter.clone(),
        }
    };
    let weights = seeded::edsr(&seeded::TINY_EDSR);
    let tensors = weights.iter().map(|(name, parameter)| (name.to_owned(), edited(name, parameter)));
    Model::from_weights("chessboards", Weights::new("chessboards", tensors.collect::<Vec<_>>())).unwrap()
}

fn chessboard(width: usize, height: usize) -> Pixels {
    let sample = |at: usize| if (at / 3 % width + at / 3 / width).is_multiple_of(2) { 255 } else { 0 };
    Pixels::new(width, height, Samples::U8((0..3 * width * height).map(sample).collect())).unwrap()
}

#[test]
fn what_does_not_come_out_in_f16_is_made_in_f32() {
    let Some(gpu) = gpu("what_does_not_come_out_in_f16_is_made_in_f32") else { return };
    let model = sees_chessboards(3e5);
    let calibration = Calibration::new(&model).unwrap();
    assert!(calibration.large().all(|name| name != "body.0.relu"), "the small picture has no chessboard");
    let (board, plain) = (chessboard(40, 24), seeded::picture(40, 24, 1));
    let cpu = Upscaler::on_cpu(&model, Options::default()).unwrap().upscale_pixels(&board).unwrap().pixels;
    for tiling in [Tiling::Whole, Tiling::Pixels(16)] {
        let mut options = options(Precision::F16);
        options.tiling = tiling;
        let engine = GpuEngine::new(&gpu, Sparsity::Auto, gpu.memory()).keeping(calibration.storage(), true);
        let mut auto = Upscaler::on_engine(Box::new(engine), &model, options.clone());
        auto.upscale_pixels(&plain).unwrap();
        assert_eq!(auto.precision(), Precision::F16);
        let found = auto.upscale_pixels(&board).unwrap().pixels;
        assert_eq!(auto.precision(), Precision::F32, "{tiling:?}");
        let apart = compare::apart(&found, &cpu);
        assert!(apart.worst <= 1, "{tiling:?}: {apart:?}");
        auto.upscale_pixels(&plain).unwrap();

        let mut asked = Upscaler::new(&gpu, &model, options).unwrap();
        asked.upscale_pixels(&plain).unwrap();
        let error = asked.upscale_pixels(&board).unwrap_err();
        let said = matches!(&error, Error::Device(text) if text.contains("finite") && text.ends_with("choose the precision f32"));
        assert!(said, "{tiling:?}: {error}");
    }
}

#[test]
fn values_that_are_too_large_stay_f32() {
    let Some(gpu) = gpu("values_that_are_too_large_stay_f32") else { return };
    // A head whose numbers are a thousand times as large, and a last layer that makes up for it.
    let weights = seeded::edsr(&seeded::TINY_EDSR);
    let scaled = |name: &str, parameter: &Parameter| {
        let factor = match name {
            "head.0.weight" | "head.0.bias" => 1e3,
            _ => 1.0,
        };
        let values: Vec<f32> = parameter.values().iter().map(|value| factor * value).collect();
        (name.to_owned(), Parameter::new(parameter.dims(), values))
    };
    let tensors: Vec<_> = weights.iter().map(|(name, parameter)| scaled(name, parameter)).collect();
    let model = Model::from_weights("large", Weights::new("large", tensors)).unwrap();
    let calibration = Calibration::new(&model).unwrap();
    let large: Vec<&str> = calibration.large().collect();
    assert!(large.contains(&"head.0"), "{large:?}");
    let input = seeded::picture(32, 24, 1).to_tensor(255.0);
    let graph = model.graph(input.shape()).unwrap();
    let expected = cpu::run(&graph, model.net().numbers(), &input).unwrap();
    let plan = plan(&model, calibration.storage(), &gpu);
    let head = plan.steps.iter().find(|step| step.label == "head.0").unwrap();
    assert!(!head.dispatch.specialization.halves.contains(&"output"), "{plan}");
    let found = Session::new(&gpu, &plan, model.net().numbers()).unwrap().run_tensor(&input).unwrap();
    compare::close(&found, &expected, TOLERANCE).unwrap_or_else(|reason| panic!("{reason}"));
}

#[test]
fn pictures_and_kept_values_are_f32_in_every_plan() {
    let Some(gpu) = gpu("pictures_and_kept_values_are_f32_in_every_plan") else { return };
    let model = seeded::tiny_smsr();
    let graph = model.graph(Shape::new(1, 3, 24, 32)).unwrap();
    let keep: Vec<Value> = graph.masks().chain(graph.find("head.2")).collect();
    let storage = Calibration::new(&model).unwrap().storage();
    let options = PlanOptions { storage, keep: keep.clone(), ..PlanOptions::default() };
    let plan = Plan::new(&graph, &options, gpu.limits()).unwrap();
    let half = |label: &str| {
        let of_label = plan.steps.iter().filter(|step| step.label == label);
        of_label.map(|step| step.dispatch.specialization.halves.contains(&"output")).collect::<Vec<_>>()
    };
    let wide = [
        "sub_mean",
        "head.2",
        "body.0.spa_mask.3",
        "body.1.spa_mask.5",
        "tail.0",
        "tail.1",
        "tail",
        "bicubic",
    ];
    for label in wide {
        let found = half(label);
        assert!(found.iter().all(|half| !half), "{label}\n{plan}");
    }
    for label in ["head.0", "body.0.ca", "collect.0", "collect.2"] {
        let found = half(label);
        assert!(!found.is_empty() && found.iter().all(|half| *half), "{label}\n{plan}");
    }
}
