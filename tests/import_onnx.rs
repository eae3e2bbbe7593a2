//! Networks that come as ONNX models: against onnxruntime, on both engines, whole and in tiles; and what is refused.
//!
//! `tests/golden/onnx_models.py` makes the models and the numbers.

mod support;

use std::path::PathBuf;

use sparsr::low_level::cpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::plan::{Options as PlanOptions, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Edge, Gpu, Model, Options, Pixels, Precision, Samples, Tiling, Upscaler};
use support::{adapter, compare, golden};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/onnx");

/// A model, its scale, its alignment, its smallest side, and what pictures of other sizes are extended by.
type Case = (&'static str, usize, usize, usize, Edge);

const CASES: [Case; 11] = [
    ("compact", 2, 1, 1, Edge::Repeated),
    ("compact_f16", 2, 1, 1, Edge::Repeated),
    ("span_f16", 2, 4, 4, Edge::Mirrored),
    ("edsr", 3, 1, 1, Edge::Repeated),
    ("rcan", 2, 1, 1, Edge::Repeated),
    ("tokens", 2, 1, 7, Edge::Repeated),
    ("windows", 2, 4, 4, Edge::Repeated),
    ("windows_traced", 2, 4, 4, Edge::Repeated),
    ("luma", 3, 1, 1, Edge::Repeated),
    ("tensorflow", 2, 2, 2, Edge::Repeated),
    ("assorted", 4, 1, 1, Edge::Repeated),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(FOLDER).join(name)
}

fn load(name: &str) -> Model {
    Model::load(&path(&format!("{name}.onnx"))).unwrap_or_else(|error| panic!("{error}"))
}

/// What goes in and what onnxruntime makes of it, at several sizes.
fn numbers(name: &str) -> Vec<[Tensor; 2]> {
    let file = Weights::load(&path(&format!("{name}.safetensors"))).unwrap();
    let tensor = |parameter: &Parameter| {
        let &[n, c, h, w] = parameter.dims() else { panic!("activations have four axes") };
        Tensor::new(Shape::new(n, c, h, w), parameter.values().to_vec())
    };
    let pair = |at: usize| {
        let [input, output] = ["input", "output"].map(|part| file.get(&format!("{part}.{at}")).map(tensor));
        input.zip(output).map(|(input, output)| [input, output])
    };
    let pairs: Vec<_> = (0..3).filter_map(pair).collect();
    assert!(pairs.len() >= 2, "{name}: two sizes or more");
    pairs
}

/// By the device.
fn run_on(gpu: &Gpu, model: &Model, input: &Tensor) -> Tensor {
    let graph = model.graph(input.shape()).unwrap();
    let plan = Plan::new(&graph, &PlanOptions::default(), gpu.limits()).unwrap();
    let mut session = Session::new(gpu, &plan, model.net().numbers()).unwrap();
    session.poison();
    session.run_tensor(input).unwrap()
}

#[test]
fn facts_are_found_by_trial() {
    for (name, scale, alignment, smallest, edge) in CASES {
        let model = load(name);
        let facts = model.net().facts();
        assert_eq!(
            (facts.scale, facts.alignment, facts.smallest_side, facts.edge),
            (scale, alignment, smallest, edge),
            "{name}"
        );
        assert!(model.is_unseen() && model.parameters() > 500, "{name}: {}", model.parameters());
        assert_eq!((model.name(), model.architecture()), (name, "graph"));
    }
}

#[test]
fn networks_say_what_onnxruntime_says() {
    let gpu = adapter::gpu("networks_say_what_onnxruntime_says, on a GPU");
    for (name, _, alignment, ..) in CASES {
        let (model, mut sizes) = (load(name), 0);
        for [input, expected] in numbers(name) {
            let shape = input.shape();
            if shape.height % alignment + shape.width % alignment > 0 {
                continue;
            }
            let graph = model.graph(shape).unwrap();
            let found = cpu::run(&graph, model.net().numbers(), &input).unwrap();
            let apart = compare::close(&clamped(&found), &clamped(&expected), 1e-4);
            let apart = apart.unwrap_or_else(|text| panic!("{name} {shape}, the CPU engine: {text}"));
            println!("{name} {shape}: {apart:.1e} on the CPU engine");
            if let Some(gpu) = &gpu {
                let found = run_on(gpu, &model, &input);
                let apart = compare::close(&clamped(&found), &clamped(&expected), 1e-4);
                let apart = apart.unwrap_or_else(|text| panic!("{name} {shape}, the device: {text}"));
                println!("{name} {shape}: {apart:.1e} on the device");
            }
            sizes += 1;
        }
        assert!(sizes >= 2, "{name}: two sizes");
    }
}

/// As pictures are: a clip at the end of a model is not computed.
fn clamped(tensor: &Tensor) -> Tensor {
    Tensor::new(tensor.shape(), tensor.values().iter().map(|value| value.clamp(0.0, 1.0)).collect())
}

fn pixels(tensor: &Tensor) -> Pixels {
    let Shape { height, width, .. } = tensor.shape();
    let sample = |at: usize| {
        let (pixel, channel) = (at / 3, at % 3);
        (tensor.plane(0, channel)[pixel] * 255.0).round_ties_even().clamp(0.0, 255.0) as u8
    };
    Pixels::new(width, height, Samples::U8((0..3 * height * width).map(sample).collect())).unwrap()
}

fn upscaler(gpu: Option<&Gpu>, model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    (options.tiling, options.precision, options.unusual) = (tiling, Precision::F32, true);
    match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options).unwrap(),
        None => Upscaler::on_cpu(model, options).unwrap(),
    }
}

/// Sizes that are no multiples among them: pictures are extended as the model's own padding does.
#[test]
fn pictures_of_all_sizes_are_onnxruntimes() {
    let gpu = adapter::gpu("pictures_of_all_sizes_are_onnxruntimes, on a GPU");
    for (name, ..) in CASES {
        let model = load(name);
        for gpu in [None].into_iter().chain(gpu.as_ref().map(Some)) {
            let mut upscaler = upscaler(gpu, &model, Tiling::Whole);
            for [input, expected] in numbers(name) {
                let found = upscaler.upscale_pixels(&pixels(&input)).unwrap().pixels;
                let apart = compare::apart(&found, &pixels(&expected)).worst;
                assert!(apart <= 1, "{name} {}: {apart} code values apart", input.shape());
            }
        }
    }
}

#[test]
fn tiles_are_the_whole_picture() {
    let gpu = adapter::gpu("tiles_are_the_whole_picture, on a GPU");
    let sample = |at: usize| ((at / 3 % 67 * 7 + at / 201 * 13 + at % 3 * 50) % 200 + 20) as u8;
    let picture = Pixels::new(67, 50, Samples::U8((0..3 * 67 * 50).map(sample).collect())).unwrap();
    // What interpolates to another value's size looks at the whole picture.
    for (name, ..) in CASES.into_iter().filter(|(name, ..)| *name != "tokens") {
        let model = load(name);
        for gpu in [None].into_iter().chain(gpu.as_ref().map(Some)) {
            let of = |tiling| upscaler(gpu, &model, tiling).upscale_pixels(&picture).unwrap().pixels;
            let whole = of(Tiling::Whole);
            for tile in [16, 27] {
                let apart = compare::apart(&of(Tiling::Pixels(tile)), &whole).worst;
                assert!(apart <= 1, "{name} in tiles of {tile}: {apart} code values apart");
            }
        }
    }
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    let rows = [
        ("softmax", "softmax_1 (Softmax): expected products of queries and keys, found something else"),
        ("no_table", "expected one bias for all tokens as far apart as 1 and 2, found"),
        ("no_mask", "expected a mask that parts tokens 0 and 2 of window 3: true, found 0"),
        ("more_masked", "expected a mask that parts tokens 0 and 0 of window 0: false, found -100"),
        ("bytes", "x: expected a picture of real numbers, found ONNX's type 2"),
        ("places", "expected one number, or one a channel, beside [1, 3, 16, 16], found axes [3, 16, 16]"),
        ("smaller", "expected a picture of 3 channels, 1 to 16 times as large as"),
        ("mirrored", "pad_0 (Pad): expected zeros around rows and columns, found widths"),
        ("huge", "constantofshape_0 (ConstantOfShape): expected tensors in proportion to the file"),
        (
            "external",
            "conv.weight: expected its numbers in the file, found them in another one (external_data)",
        ),
        ("foreign", "conv_0 (Conv): expected ONNX's own operators, found one of com.microsoft"),
    ];
    for (name, expected) in rows {
        let path = path("refused").join(format!("{name}.onnx"));
        let message = Model::load(&path).unwrap_err().to_string();
        println!("{message}");
        assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
        assert!(message.contains(expected), "{name}: {message}");
    }
}

/// By its content where it has another name; and a file that has the name alone is told so.
#[test]
fn a_model_is_told_by_its_content() {
    let bytes = std::fs::read(path("compact.onnx")).unwrap();
    assert_eq!(Model::from_bytes("some", &bytes).unwrap().scale(), 2);
    for golden in golden::all().iter().take(3) {
        let weights = Weights::new("some", golden.weights.clone());
        let bytes = weights.to_safetensors(sparsr::low_level::weights::Stored::F32).unwrap();
        assert!(Weights::from_bytes("some", &bytes).is_ok());
        let folder = std::env::temp_dir().join(format!("sparsr-import-onnx-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("checkpoint.onnx");
        std::fs::write(&file, &bytes).unwrap();
        let message = Model::load(&file).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(message.contains("expected an ONNX model, found a file that is damaged or something else"));
    }
    let message = Model::from_bytes("some", &bytes[..bytes.len() - 9]).unwrap_err().to_string();
    assert!(message.starts_with("some: "), "{message}");
}
