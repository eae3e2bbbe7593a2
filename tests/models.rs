//! Whole networks: against PyTorch, against their authors' figures, and the device against the CPU engine.
//!
//! The scripts in `golden` made the small golden networks that are part of the project. The authors' checkpoint
//! and Set5 are not; the tests on them, in `models/authors.rs`, run where they are.

#[path = "models/acnet.rs"]
mod acnet;
#[path = "models/authors.rs"]
mod authors;
#[path = "models/cooperative.rs"]
mod cooperative;
#[path = "models/dat.rs"]
mod dat;
#[path = "models/distillation.rs"]
mod distillation;
#[path = "models/downloads.rs"]
mod downloads;
#[path = "models/edsr.rs"]
mod edsr;
#[path = "models/esrt.rs"]
mod esrt;
#[path = "models/ledsr.rs"]
mod ledsr;
#[path = "models/mdsr.rs"]
mod mdsr;
#[path = "models/published.rs"]
mod published;
#[path = "models/rcan.rs"]
mod rcan;
#[path = "models/spoilt.rs"]
mod spoilt;
mod support;
#[path = "models/swinir.rs"]
mod swinir;
#[path = "models/trilevelnas.rs"]
mod trilevelnas;

use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{Graph, Parameters, Value};
use sparsr::low_level::models::smsr::Config;
use sparsr::low_level::plan::{Options as PlanOptions, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Feature, Gpu, Model, Options, Pixels, Precision, Samples, Sparsity, Upscaled, Upscaler};

use support::case::{Case, check_all};
use support::golden::{self, Golden};
use support::{adapter, compare, seeded};

/// The output, then the values of `keep`, by the device.
fn run_on(gpu: &Gpu, graph: &Graph, parameters: &Parameters, input: &Tensor, keep: &[Value]) -> Vec<Tensor> {
    let options = PlanOptions { keep: keep.to_vec(), ..PlanOptions::default() };
    let plan = Plan::new(graph, &options, gpu.limits()).unwrap();
    let mut session = Session::new(gpu, &plan, parameters).unwrap();
    session.poison();
    let output = session.run_tensor(input).unwrap();
    [vec![output], session.kept()].concat()
}

/// The same by the CPU engine.
fn run_reference(graph: &Graph, parameters: &Parameters, input: &Tensor, keep: &[Value]) -> Vec<Tensor> {
    let (output, kept) = cpu::run_keeping(graph, parameters, input, keep).unwrap();
    [vec![output], kept].concat()
}

/// The device with its subgroup kernels, and without them.
fn both_ways(gpu: Gpu) -> [(&'static str, Gpu); 2] {
    [("the device", gpu.clone()), ("the device without subgroups", gpu.without(Feature::Subgroups))]
}

/// `[N, C, H, W]` as activations.
fn activations(parameter: &Parameter) -> Tensor {
    let &[n, c, h, w] = parameter.dims() else { panic!("activations have four axes") };
    Tensor::new(Shape::new(n, c, h, w), parameter.values().to_vec())
}

/// Thousands of parameters, and 10⁹ multiply-adds for a picture of 1280×720 pixels.
fn costs(model: &Model) -> [f64; 2] {
    // What is computed once a picture is not counted with what is computed once a pixel.
    let macs = |width| model.graph(Shape::new(1, 3, 1, width)).unwrap().macs().total();
    let a_pixel = (macs(2) - macs(1)) as f64;
    let pixels = (1280 * 720) as f64 / model.scale().pow(2) as f64;
    [model.parameters() as f64 / 1e3, a_pixel * pixels / 1e9]
}

/// [`costs`] are these, but for rounding to `units`.
fn assert_costs(model: &Model, expected: [f64; 2], units: [f64; 2]) {
    let found = costs(model);
    println!("{} x{}: {found:?}", model.description(), model.scale());
    for i in 0..2 {
        let (found, expected, unit) = (found[i], expected[i], units[i]);
        let right = (found - expected).abs() <= unit / 2.0;
        assert!(right, "{} x{}: {found}, and not {expected}", model.description(), model.scale());
    }
}

/// The tensors with one of them left out, or of other axes, and what is said of them.
fn spoilt(tensors: &Weights, name: &str, dims: Option<&[usize]>) -> String {
    assert!(tensors.get(name).is_some(), "{name} is there to be spoilt");
    let tensors = tensors.iter().filter(|(found, _)| *found != name || dims.is_some());
    let tensors = tensors.map(|(found, parameter)| match dims {
        Some(dims) if found == name => {
            (found.to_owned(), Parameter::new(dims, vec![0.0; dims.iter().product()]))
        }
        _ => (found.to_owned(), parameter.clone()),
    });
    let weights = Weights::new("some.pth", tensors.collect::<Vec<_>>());
    Model::from_weights("some", weights).unwrap_err().to_string()
}

#[test]
fn small_networks_say_what_pytorch_says() {
    let gpus: Vec<_> = adapter::gpu("small networks on the device").into_iter().flat_map(both_ways).collect();
    for Golden { model, architecture, values, .. } in golden::all() {
        let name = model.name();
        let input = activations(&values.iter().find(|(name, _)| name == "input").unwrap().1);
        let (graph, numbers) = (model.graph(input.shape()).unwrap(), model.net().numbers());
        assert_eq!(model.architecture(), architecture);
        let brightest = input.values().iter().fold(0.0, |a: f32, b| a.max(*b));
        assert!((0.5..=1.0).contains(&(brightest / graph.range())), "{name}: {}", graph.range());

        let keep: Vec<Value> = values.iter().map(|(name, _)| graph.find(name).unwrap()).collect();
        let check = |engine: &str, found: Vec<Tensor>, tolerance: f32| {
            for ((node, expected), found) in values.iter().zip(&found[1..]) {
                compare::close(found, &activations(expected), tolerance)
                    .unwrap_or_else(|reason| panic!("{name} on {engine}, {node} {reason}"));
            }
        };
        check("the CPU engine", run_reference(&graph, numbers, &input, &keep), 1e-4);
        for (engine, gpu) in &gpus {
            check(engine, run_on(gpu, &graph, numbers, &input, &keep), 5e-4);
        }
    }
}

#[test]
fn a_whole_network_agrees_value_by_value() {
    let edsr = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    let cases = [
        (seeded::tiny_smsr(), [(1, 2, 2), (1, 8, 6), (2, 10, 34)]),
        (edsr, [(1, 1, 1), (1, 9, 7), (2, 5, 34)]),
    ]
    .into_iter()
    .flat_map(|(model, sizes)| {
        sizes.map(|(n, h, w)| {
            let shape = Shape::new(n, 3, h, w);
            let numbers =
                seeded::noise(shape, 1).values().iter().map(|value| 127.5 * (value + 1.0)).collect();
            let name = format!("tiny {} {shape}", model.architecture());
            let (graph, parameters) = (model.graph(shape).unwrap(), model.net().numbers().clone());
            let input = Tensor::new(shape, numbers);
            Case { name, graph, parameters, input, keep: vec![], tolerance: 1e-4 }
        })
    });
    let cases: Vec<Case> = cases.collect();
    let kept = cases.iter().map(|case| Case {
        name: format!("{}, every value kept", case.name),
        graph: case.graph.clone(),
        parameters: case.parameters.clone(),
        input: case.input.clone(),
        keep: vec![],
        tolerance: case.tolerance,
    });
    let kept: Vec<Case> = kept.map(Case::keeping_all).collect();
    check_all("a_whole_network_agrees_value_by_value", cases.into_iter().chain(kept));
}

/// The device, dense, sparse and as it chooses, makes the CPU engine's picture.
fn assert_all_agree(gpu: &Gpu, name: &str, model: &Model, picture: &Pixels) {
    let cpu = Upscaler::on_cpu(model, Options::default()).unwrap().upscale_pixels(picture).unwrap();
    for sparsity in Sparsity::ALL {
        let mut options = Options::default();
        (options.sparsity, options.precision) = (sparsity, Precision::F32);
        let device = Upscaler::new(gpu, model, options).unwrap().upscale_pixels(picture).unwrap();
        assert_agree(&format!("{name}, {sparsity}"), picture, model.scale(), &cpu, &device);
    }
}

/// At most two code values of 8 bits anywhere, and 80 dB; and the size and the masks are the picture's.
fn assert_agree(name: &str, picture: &Pixels, scale: usize, cpu: &Upscaled, device: &Upscaled) {
    let apart = compare::apart(&cpu.pixels, &device.pixels);
    let size = format!("{}x{}", picture.width(), picture.height());
    println!("{name} {size} {:?}: {apart:?}", picture.depth());
    assert_eq!(
        (device.pixels.width(), device.pixels.height(), device.pixels.depth()),
        (scale * picture.width(), scale * picture.height(), picture.depth())
    );
    let two = 2 * picture.depth().white() as u32 / 255;
    assert!(apart.worst <= two && apart.psnr >= 80.0, "{name} {size}: {apart:?}");
    for (a, b) in cpu.masks.iter().zip(&device.masks) {
        assert_eq!((a.width, a.height), (picture.width(), picture.height()), "{}", a.name);
        assert_eq!(a.active, b.active, "{name} {size}: {}", a.name);
    }
    assert!((cpu.macs_kept - device.macs_kept).abs() < 1e-9);
}

#[test]
fn pictures_of_every_size_and_depth_agree() {
    let Some(gpu) = adapter::gpu("pictures_of_every_size_and_depth_agree") else { return };
    for scale in [2, 3, 4] {
        let model = Model::from_weights("tiny", seeded::smsr(&Config { scale, ..seeded::TINY })).unwrap();
        for (width, height) in [(1, 1), (1, 9), (7, 5), (34, 10)] {
            for picture in [seeded::picture(width, height, 1), seeded::picture16(width, height, 2)] {
                assert_all_agree(&gpu, "tiny", &model, &picture);
            }
        }
    }
}

/// Discs on a slope: edges of every direction, and flat parts.
fn drawn(width: usize, height: usize) -> Pixels {
    let sample = |at: usize| {
        let (c, x, y) = (at % 3, at / 3 % width, at / 3 / width);
        let ring = ((x as f32 - 20.0).hypot(y as f32 - 14.0) / 5.0) as usize;
        (if ring.is_multiple_of(2) { 40 + 50 * c + x } else { 220 - 2 * y - 30 * c }) as u8
    };
    Pixels::new(width, height, Samples::U8((0..3 * width * height).map(sample).collect())).unwrap()
}

#[test]
fn the_built_in_networks_agree() {
    let Some(gpu) = adapter::gpu("the_built_in_networks_agree") else { return };
    for name in Model::builtin_names() {
        let model = Model::builtin(name).unwrap();
        for (engine, gpu) in both_ways(gpu.clone()) {
            assert_all_agree(&gpu, &format!("{name} on {engine}"), &model, &drawn(45, 31));
        }
    }
}

#[test]
fn masks_matter() {
    let model = seeded::tiny_smsr();
    let input = seeded::picture(14, 10, 3).to_tensor(255.0);
    let graph = model.graph(input.shape()).unwrap();
    let open = |graph: Graph| {
        let masks: Vec<(Value, Shape)> =
            graph.masks().map(|value| (value, graph.node(value).shape)).collect();
        masks.into_iter().fold(graph, |graph, (mask, shape)| {
            graph.with_constant(mask, Tensor::new(shape, vec![1.0; shape.len()]))
        })
    };
    let opened = open(graph.clone());
    let differ = |engine: &str, [obeyed, ignored]: [Tensor; 2]| {
        let error = compare::close(&ignored, &obeyed, 0.01).err();
        assert!(error.is_some(), "{engine}: masks of ones change the picture by more than a hundredth");
    };
    let numbers = model.net().numbers();
    let run = |graph| run_reference(graph, numbers, &input, &[]).remove(0);
    differ("the CPU engine", [run(&graph), run(&opened)]);
    for (engine, gpu) in adapter::gpu("masks on the device").into_iter().flat_map(both_ways) {
        let run = |graph| run_on(&gpu, graph, numbers, &input, &[]).remove(0);
        differ(engine, [run(&graph), run(&opened)]);
        let (found, expected) = (run(&opened), run_reference(&opened, numbers, &input, &[]).remove(0));
        compare::close(&found, &expected, 1e-4).unwrap_or_else(|reason| panic!("{engine}, opened: {reason}"));
    }
}

#[test]
fn a_host_application_shares_its_device() {
    if adapter::gpu("a_host_application_shares_its_device").is_none() {
        return;
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let (device, queue) = pollster::block_on(async {
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.unwrap();
        // What every WebGPU device has, and no feature: the host asked for nothing more.
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    });
    let gpu = Gpu::from_device(device.clone(), queue).unwrap();
    assert_eq!(gpu.limits().subgroup_lanes, None);
    let picture = seeded::picture(7, 5, 4);
    assert_all_agree(&gpu, "shared", &seeded::tiny_smsr(), &picture);
    drop(gpu);
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the device is still the host's");
}
