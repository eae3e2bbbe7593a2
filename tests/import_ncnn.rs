//! Networks of ncnn's files against what ncnn makes by them, borders, crops, global means and all; and files that are refused.

mod support;

use std::path::{Path, PathBuf};

use sparsr::low_level::plan::{Phase, uncut};
use sparsr::low_level::tensor::Shape;
use sparsr::low_level::weights::Weights;
use sparsr::{Gpu, Model, Options, Pixels, Precision, Samples, Tiling, Upscaler};
use support::{adapter, compare, golden};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ncnn");

/// Name, scale, border before a picture, and phases that pictures pass in. `ncnn_networks.py` makes the files.
const NETWORKS: [(&str, usize, usize, usize); 10] = [
    ("compact", 2, 0, 1),
    ("upconv", 2, 4, 1),
    ("cunet_x2", 2, 18, 5),
    ("cunet_x1", 1, 28, 5),
    ("cugan_x3", 3, 14, 5),
    ("span", 2, 0, 1),
    ("rrdb", 2, 0, 1),
    ("three_quarters", 3, 0, 1),
    ("strided", 2, 0, 1),
    ("gates", 2, 0, 2),
];

/// How far a sample of 16 bits may be from ncnn's: f32 in another order, and rounding to a code value.
const NEAR: f32 = 2e-5;

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn model(name: &str) -> Model {
    Model::load(&file(&format!("{name}.param"))).unwrap()
}

/// Pictures that went in, and what came out of ncnn.
fn expected(name: &str) -> Vec<(Pixels, Vec<f32>)> {
    let all = Weights::load(&file("expected.safetensors")).unwrap();
    let pictures = ["21x17", "32x12"].map(|size| {
        let numbers = |part: &str| all.get(&format!("{name}.{size}.{part}")).unwrap().clone();
        let (input, output) = (numbers("input"), numbers("output"));
        let samples = input.values().iter().map(|sample| 257 * *sample as u16).collect();
        let &[height, width, _] = input.dims() else { panic!("H×W×3") };
        (Pixels::new(width, height, Samples::U16(samples)).unwrap(), output.values().to_vec())
    });
    pictures.into()
}

fn upscaler(gpu: Option<&Gpu>, model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    // Of random numbers no picture comes.
    (options.precision, options.tiling, options.unusual) = (Precision::F32, tiling, true);
    match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options),
        None => Upscaler::on_cpu(model, options),
    }
    .unwrap()
}

fn check(gpu: Option<&Gpu>) {
    for (name, scale, ..) in NETWORKS {
        let model = model(name);
        assert_eq!(model.scale(), scale, "{name}");
        let mut upscaler = upscaler(gpu, &model, Tiling::Whole);
        for (picture, expected) in expected(name) {
            let made = upscaler.upscale_pixels(&picture).unwrap().pixels;
            let Samples::U16(samples) = made.samples() else { panic!("as deep as the picture") };
            assert_eq!(
                [made.width(), made.height()],
                [picture.width(), picture.height()].map(|side| scale * side)
            );
            let apart = samples
                .iter()
                .zip(&expected)
                .map(|(found, expected)| (f32::from(*found) / 65535.0 - expected.clamp(0.0, 1.0)).abs());
            let worst = apart.fold(0.0, f32::max);
            assert!(worst < NEAR, "{name} of {}x{}: {worst}", picture.width(), picture.height());
        }
    }
}

#[test]
fn the_cpu_engine_makes_what_ncnn_makes() {
    check(None);
}

#[test]
fn a_gpu_makes_what_ncnn_makes() {
    let Some(gpu) = adapter::gpu("what ncnn makes") else { return };
    check(Some(&gpu));
}

#[test]
fn borders_and_phases_follow_from_the_layers() {
    for (name, _, border, phases) in NETWORKS {
        let model = model(name);
        let facts = model.net().facts();
        assert_eq!(facts.border[0], border, "{name}");
        let side = 96_usize.next_multiple_of(facts.alignment);
        let cut = Phase::all(model.graph(Shape::new(1, 3, side, side)).unwrap());
        assert_eq!((cut.len(), uncut(&cut).is_none()), (phases, true), "{name}");
    }
}

/// A picture with detail everywhere.
fn picture(width: usize, height: usize) -> Pixels {
    let sample = |at: usize| ((at * 7919 + at / 91 * 31) % 65_536) as u16;
    Pixels::new(width, height, Samples::U16((0..3 * width * height).map(sample).collect())).unwrap()
}

#[test]
fn tiles_equal_the_whole() {
    for (name, _, _, phases) in NETWORKS {
        let (model, picture) = (model(name), picture(71, 59));
        let whole = upscaler(None, &model, Tiling::Whole).upscale_pixels(&picture).unwrap().pixels;
        for side in [16, 33] {
            let tiled = upscaler(None, &model, Tiling::Pixels(side)).upscale_pixels(&picture).unwrap().pixels;
            let apart = compare::apart(&tiled, &whole).worst;
            // Global means are summed in another order.
            let allowed = if phases > 1 { 2 } else { 0 };
            assert!(apart <= allowed, "{name} in tiles of {side}: {apart} of 65535");
        }
    }
}

/// Of a network with a margin the means are of what ncnn has, not of the border's garbage.
#[test]
fn tiles_equal_the_whole_on_a_gpu() {
    let Some(gpu) = adapter::gpu("tiles of what is imported") else { return };
    for name in ["cunet_x2", "cugan_x3", "three_quarters"] {
        let (model, picture) = (model(name), picture(71, 59));
        let whole = upscaler(Some(&gpu), &model, Tiling::Whole).upscale_pixels(&picture).unwrap().pixels;
        let tiled = upscaler(Some(&gpu), &model, Tiling::Pixels(32)).upscale_pixels(&picture).unwrap().pixels;
        let apart = compare::apart(&tiled, &whole).worst;
        assert!(apart <= 4, "{name}: {apart} of 65535");
    }
}

#[test]
fn either_file_finds_the_other() {
    let by_bin = Model::load(&file("compact.bin")).unwrap();
    assert_eq!((by_bin.name(), by_bin.architecture()), ("compact", "graph"));
    assert_eq!(by_bin.parameters(), model("compact").parameters());
    let folder = tempfile::TempDir::new().unwrap();
    for half in ["compact.param", "compact.bin"] {
        std::fs::copy(file(half), folder.path().join(half)).unwrap();
    }
    std::fs::remove_file(folder.path().join("compact.bin")).unwrap();
    let message = Model::load(&folder.path().join("compact.param")).unwrap_err().to_string();
    assert!(
        message.contains("expected its other half, ") && message.ends_with("found no such file"),
        "{message}"
    );
}

#[test]
fn a_binary_param_is_the_same_network() {
    for name in ["cugan_x3", "rrdb"] {
        let [param, bin] =
            ["param.bin", "bin"].map(|ending| std::fs::read(file(&format!("{name}.{ending}"))).unwrap());
        let text = std::fs::read(file(&format!("{name}.param"))).unwrap();
        let [binary, text] = [&param, &text].map(|param| Model::from_ncnn(name, param, &bin).unwrap());
        let picture = picture(24, 24);
        let [a, b] = [&binary, &text]
            .map(|model| upscaler(None, model, Tiling::Whole).upscale_pixels(&picture).unwrap());
        assert_eq!(a.pixels, b.pixels, "{name}");
        for cut in [5, 11, param.len() / 2, param.len() - 4] {
            let message = Model::from_ncnn(name, &param[..cut], &bin).map(|_| ()).unwrap_err().to_string();
            assert!(message.contains("expected the layers of a binary .param"), "{message}");
        }
    }
}

/// What is changed in a file, and what is said of it.
#[test]
fn what_cannot_be_run_as_it_is_is_refused_by_name() {
    let text = std::fs::read_to_string(file("upconv.param")).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let says = |from: &str, to: &str, part: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(folder.path().join("a.param"), text.replacen(from, to, 1)).unwrap();
        std::fs::copy(file("upconv.bin"), folder.path().join("a.bin")).unwrap();
        let message = Model::load(&folder.path().join("a.param")).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("a.param: ") && message.contains(part), "{to}: {message}");
    };
    says("Deconvolution ", "Mystery ", "Mystery `conv4`: expected a layer that is known, found Mystery");
    says("7767517", "7767518", "which begins with 7767517");
    says(
        "conv1 conv2 0=8",
        "conv1 nowhere 0=8",
        "Convolution `conv3`: expected blobs that are made before, found conv2",
    );
    says("0=6 1=3", "0=6 1=3 8=2", "Convolution `conv1`: expected no int8 weights, term 0 (key 8), found 2");
    says(
        "9=2 -23310=1,0.100000",
        "9=5",
        "Convolution `conv1`: expected no function, or one of 1, 2 and 4 (key 9), found 5",
    );
    says("3=2 4=3", "3=2 4=1", "Deconvolution `conv4`: expected at least 2 pixels cut off");
    says("0=8 1=3 5=1 6=432", "0=8 1=3 5=1 6=432 4=1", "Convolution `conv2`: expected no padding behind");
    says(
        "0=8 1=3 5=1 6=576",
        "0=8 1=3 5=1 6=577",
        "Convolution `conv3`: expected weights of 8 channels, 3x3",
    );
}

/// The colours of a picture are guarded as those of checkpoints are: a network that is sound, and then asked for another white,
/// another mean, blue for red, or given one picture in place of another.
#[test]
fn a_network_that_makes_another_picture_is_refused() {
    let [param, bin] = Model::builtin("edsrmini-x2").unwrap().to_ncnn().unwrap();
    let sound = String::from_utf8(param).unwrap();
    let run = |text: &str| {
        let model = Model::from_ncnn("trap", text.as_bytes(), &bin)?;
        let mut upscaler = Upscaler::on_cpu(&model, Options::default())?;
        upscaler.upscale_pixels(&picture(24, 24)).map(|made| made.pixels)
    };
    run(&sound).unwrap();
    let with = |text: String, lines: &[String]| {
        let mut all: Vec<String> = text.lines().map(str::to_owned).chain(lines.iter().cloned()).collect();
        let layers = all.len() - 2;
        all[1] = format!("{layers} 999");
        all.join("\n") + "\n"
    };
    let input = "0 1 data";
    let white = "1 1 data picture 0=2 1=1 2=2.55e2";
    assert!(sound.contains(input) && sound.contains(white) && sound.contains(" output 0=2"), "{sound}");
    let mean = sound.replace(" output 0=2", " almost 0=2");
    let mean = with(mean, &["BinaryOp mean 1 1 almost output 0=0 1=1 2=1.2e-1".into()]);
    let parts: Vec<String> = (0..3)
        .map(|at| format!("Crop c{at} 1 1 data{at} c{at} -23309=1,{at} -23310=1,{} -23311=1,0", at + 1))
        .collect();
    let swap = [
        "Split three 1 3 data data0 data1 data2".to_owned(),
        parts.join("\n"),
        "Concat bgr 3 1 c2 c1 c0 swapped".to_owned(),
    ];
    let at = sound.find("BinaryOp").unwrap();
    let swapped = format!("{}{}\n{}", &sound[..at], swap.join("\n"), &sound[at..]);
    let swapped = with(swapped.replace(white, "1 1 swapped picture 0=2 1=1 2=2.55e2"), &[]);
    for (name, text) in [
        ("white", sound.replace("2=2.55e2", "2=1e0")),
        ("gain", sound.replace("output 0=2 1=1 2=3.9", "output 0=2 1=1 2=5.9")),
        ("mean", mean),
        ("blue for red", swapped),
    ] {
        assert_ne!(text, sound, "{name}");
        let message = run(&text).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("expected a network that keeps a picture's colours"), "{name}: {message}");
    }
    let message =
        Upscaler::on_cpu(&model("cunet_x1"), Options::default()).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("expected a network that keeps a picture's colours"), "{message}");
    // An enlargement that is added has another scale.
    let text = std::fs::read_to_string(file("compact.param"))
        .unwrap()
        .replace("1=2.000000e+00 2=2", "1=3.000000e+00 2=3");
    let bin = std::fs::read(file("compact.bin")).unwrap();
    let message = Model::from_ncnn("trap", text.as_bytes(), &bin).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("BinaryOp `output`: expected two values that lie alike"), "{message}");
}

/// What is written for ncnn makes the same pictures when it is read again, or names the node that ncnn has no layer for.
#[test]
fn what_is_written_for_ncnn_is_the_same_network() {
    let mut written = std::collections::BTreeSet::new();
    for golden in golden::all() {
        let [param, bin] = match golden.model.to_ncnn() {
            Ok(files) => files,
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains(": ncnn has no layer for "), "{}: {message}", golden.model.name());
                continue;
            }
        };
        let again = Model::from_ncnn(golden.model.name(), &param, &bin)
            .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&param)));
        let side = 24_usize.next_multiple_of(golden.model.alignment()).max(golden.model.smallest_side());
        let shape = Shape::new(1, 3, side, side);
        compare::close(&golden::made(&again, shape), &golden::made(&golden.model, shape), 1e-5)
            .unwrap_or_else(|error| panic!("{}: {error}", golden.model.name()));
        written.insert(golden.architecture);
    }
    for family in ["acnet", "carn", "edsr", "ledsr", "rcan", "rrdb", "span", "srvgg"] {
        assert!(written.contains(family), "{family}: {written:?}");
    }
}
