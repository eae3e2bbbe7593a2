//! The program and its networks: scales chosen, models listed, checkpoints converted.

#![cfg(feature = "cli")]

#[path = "support/pictures.rs"]
#[allow(dead_code, reason = "every test file takes the part that it needs")]
mod pictures;
#[path = "support/program.rs"]
#[allow(dead_code, reason = "every test file takes the part that it needs")]
mod program;

use std::fs;

use image::ColorType;
use pictures::picture;
use program::Folder;
use safetensors::SafeTensors;
use serde_json::json;
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::{Stored, Weights};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/edsr.safetensors");

/// One of the small golden networks.
fn golden(case: &str) -> Vec<(String, Parameter)> {
    let golden = Weights::load(GOLDEN.as_ref()).unwrap();
    let prefix = format!("{case}.weights.");
    let tensor =
        |(name, numbers): (&str, &Parameter)| Some((name.strip_prefix(&prefix)?.into(), numbers.clone()));
    golden.iter().filter_map(tensor).collect()
}

/// A folder with `edsr.safetensors`, x3, and `a.png`.
fn folder() -> Folder {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    write(&folder, "edsr.safetensors", golden("basicsr_x3"));
    folder
}

fn write(folder: &Folder, name: &str, tensors: Vec<(String, Parameter)>) {
    let bytes = Weights::new(name, tensors).to_safetensors(Stored::F32).unwrap();
    fs::write(folder.path(name), bytes).unwrap();
}

#[test]
fn a_scale_is_chosen_or_checked() {
    let folder = folder();
    folder.succeeds(&["upscale", "a.png", "-m", "edsr.safetensors", "--scale", "3", "--unusual"]);
    assert_eq!(image::open(folder.path("a-x3.png")).unwrap().width(), 18);
    folder.succeeds(&["upscale", "a.png", "-m", "edsr.safetensors", "--scale", "4", "--unusual"]);
    assert_eq!(image::open(folder.path("a-x4.png")).unwrap().width(), 24, "run twice, then made smaller");
    let other = "edsr.safetensors: expected a network of x4, found one of x3";
    fs::create_dir(folder.path("hr")).unwrap();
    picture(ColorType::Rgb8, 30, 24).save(folder.path("hr/one.png")).unwrap();
    for command in [&["eval", "--hr", "hr", "-m"][..], &["bench", "--device", "cpu", "-m"], &["inspect"]] {
        let args = [command, &["edsr.safetensors", "--scale", "4"]].concat();
        assert_eq!(folder.fails(&args), other, "{args:?}");
    }
    for (scale, name) in [("2", "smsr-x2"), ("3", "smsr-x3"), ("4", "smsr-x4")] {
        let report = folder.json(&["eval", "--hr", "hr", "--scale", scale, "--json"]);
        assert_eq!(report["model"], name);
    }
    let sentence = folder.fails(&["eval", "--hr", "hr", "--scale", "5"]);
    assert_eq!(sentence, "no built-in network of x5: there are x2, x3 and x4; -m names a checkpoint");
    let sentence = folder.fails(&["inspect", "smsr-x2", "--scale", "3"]);
    assert_eq!(sentence, "builtin:smsr-x2: expected a network of x3, found one of x2");
    let report = folder.json(&["inspect", "edsr.safetensors", "--scale", "3", "--json"]);
    assert_eq!((&report["scale"], &report["scales"]), (&json!(3), &json!([3])));
}

#[test]
fn models_are_listed() {
    let folder = Folder::new();
    let report = folder.json(&["models", "--json"]);
    let built_in = json!({
        "name": "smsr-x2", "architecture": "smsr", "description": "5 modules of 4 layers, 32 channels", "scale": 2,
        "parameters": 269_976,
    });
    assert_eq!(report["built_in"][0], built_in);
    let known = report["architectures"].as_array().unwrap();
    let edsr = known.iter().find(|known| known["name"] == "edsr").unwrap();
    assert_eq!(edsr["title"], "EDSR, Lim et al., CVPR workshops 2017");
    assert_eq!(edsr["keys"][1], json!(["body.0.conv1.weight", "conv_after_body.weight"]));
    let text = folder.succeeds(&["models"]);
    assert!(text.starts_with("built in\n  smsr-x2 "), "{text}");
    for name in [
        "smsr-x3",
        "smsr-x4",
        "edsrtiny-x2",
        "edsrmini-x2",
        "edsrmini-x3",
        "edsrmini-x4",
        "edsrmini-x2-photo",
    ] {
        assert!(text.contains(&format!("\n  {name} ")), "{text}");
    }
    for known in known {
        assert!(text.contains(known["title"].as_str().unwrap()), "{text}");
    }
    assert!(text.contains("    body.0.conv1.weight, conv_after_body.weight\n"), "{text}");
}

#[test]
fn checkpoints_become_safetensors_that_say_what_they_are() {
    let folder = folder();
    folder.succeeds(&["convert", "edsr.safetensors", "new/whole.safetensors"]);
    folder.succeeds(&["convert", "edsr.safetensors", "half.safetensors", "--f16"]);
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    let [whole, half] = ["new/whole.safetensors", "half.safetensors"].map(read);
    let [whole_tensors, half_tensors] = [&whole, &half].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(whole_tensors.len(), golden("basicsr_x3").len());
    for (name, expected) in golden("basicsr_x3") {
        let found = whole_tensors.tensor(&name).unwrap();
        assert_eq!((found.shape(), found.dtype()), (expected.dims(), safetensors::Dtype::F32), "{name}");
        let bytes: Vec<u8> = expected.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert!(found.data() == bytes, "{name}");
        let found = half_tensors.tensor(&name).unwrap();
        assert_eq!((found.shape(), found.dtype()), (expected.dims(), safetensors::Dtype::F16), "{name}");
    }
    let about = [
        ("architecture", "edsr"),
        ("layout", "1"),
        ("scale", "3"),
        ("source", "edsr.safetensors"),
        ("written_by", concat!("sparsr ", env!("CARGO_PKG_VERSION"))),
    ];
    for bytes in [&whole, &half] {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let metadata = metadata.metadata().as_ref().unwrap();
        assert_eq!(metadata.len(), about.len());
        assert!(about.iter().all(|(key, value)| metadata[*key] == *value), "{metadata:?}");
    }
    for name in ["edsr", "new/whole", "half"] {
        let [model, output] = [format!("{name}.safetensors"), format!("{}.png", name.replace('/', "-"))];
        folder.succeeds(&["upscale", "a.png", "-m", &model, "-o", &output, "--unusual"]);
    }
    let [original, whole, half] =
        ["edsr.png", "new-whole.png", "half.png"].map(|name| image::open(folder.path(name)).unwrap());
    assert!(original == whole);
    let pairs = original.as_bytes().iter().zip(half.as_bytes());
    assert!(pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(2));
    folder.succeeds(&["convert", "smsr-x2", "smsr.safetensors"]);
    assert!(folder.succeeds(&["inspect", "smsr.safetensors"]).starts_with("smsr  smsr x2: "));
}

#[test]
fn what_cannot_be_converted_leaves_nothing() {
    let folder = folder();
    fs::write(folder.path("there.safetensors"), "precious").unwrap();
    fs::write(folder.path("file"), "no folder").unwrap();
    let mut large = golden("basicsr_x3");
    let at = large.iter().position(|(name, _)| name == "conv_last.bias").unwrap();
    large[at].1 = Parameter::new([3], vec![0.0, -7e4, 0.0]);
    write(&folder, "large.safetensors", large);
    let cases: [(&[&str], &str); 6] = [
        (&["edsr.safetensors", "edsr.pth"], "edsr.pth: expected a name that ends in .safetensors"),
        (&["edsr.safetensors", "there.safetensors"], "there.safetensors exists already: --force replaces it"),
        (&["edsr.safetensors", "./edsr.safetensors", "--force"], "would be written over itself"),
        (&["absent.pth", "b.safetensors"], "absent.pth: "),
        (&["edsr.safetensors", "file/b.safetensors"], "file: cannot write there: "),
        (
            &["large.safetensors", "b.safetensors", "--f16"],
            "large.safetensors: conv_last.bias: expected numbers that f16 can hold, of at most 65504, found -70000",
        ),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["convert"], args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    folder.succeeds(&["convert", "large.safetensors", "b.safetensors"]);
    folder.succeeds(&["convert", "edsr.safetensors", "there.safetensors", "--force"]);
    assert!(fs::read(folder.path("there.safetensors")).unwrap().len() > 1000);
}

#[test]
fn checkpoints_that_are_no_known_network_get_one_sentence() {
    let folder = folder();
    let with =
        |name: &str| [golden("basicsr_x3"), vec![(name.into(), Parameter::new([2], vec![1.0; 2]))]].concat();
    let without = |names: &[&str]| {
        let mut tensors = golden("basicsr_x3");
        tensors.retain(|(name, _)| !names.contains(&name.as_str()));
        tensors
    };
    write(&folder, "more.safetensors", with("body.0.conv3.bias"));
    write(&folder, "less.safetensors", without(&["body.1.conv2.bias", "conv_last.weight", "conv_last.bias"]));
    write(&folder, "near.safetensors", without(&["conv_after_body.weight", "conv_after_body.bias"]));
    let model = "edsr (2 residual blocks, 3 channels)";
    let cases = [
        (
            "more.safetensors",
            format!("expected the tensors of {model} and no others, found 1 that it does not read: body.0.conv3.bias"),
        ),
        (
            "less.safetensors",
            "body.1.conv2.bias: expected a tensor of shape [3], found none; the nearest name is body.0.conv2.bias; \
             2 more are missing: conv_last.bias, conv_last.weight"
                .to_owned(),
        ),
        (
            "near.safetensors",
            "expected the tensors of a known architecture; the nearest is edsr (EDSR, Lim et al., CVPR workshops \
             2017), which has `conv_after_body.weight`; found 14 tensors: body.0.conv1.bias, body.0.conv1.weight, \
             body.0.conv2.bias …"
                .to_owned(),
        ),
    ];
    for (name, expected) in cases {
        for command in [&["upscale", "a.png", "-m", name][..], &["inspect", name]] {
            assert_eq!(folder.fails(command), format!("{name}: {expected}"));
        }
    }
}

/// What trainers put before all names goes, in either kind of file.
#[test]
fn prefixed_names_are_the_network_s() {
    let folder = folder();
    for prefix in ["module.", "params_ema.", "state_dict.model.", "_orig_mod.net_g.", "generator."] {
        let prefixed = |(name, numbers)| (format!("{prefix}{name}"), numbers);
        write(&folder, "prefixed.safetensors", golden("basicsr_x3").into_iter().map(prefixed).collect());
        let text = folder.succeeds(&["inspect", "prefixed.safetensors"]);
        assert!(text.starts_with("prefixed  edsr x3: 2 residual blocks"), "{prefix}: {text}");
    }
}

/// Random numbers make no picture that anybody wants: they are refused with the figures, and the way out is told.
#[test]
fn a_network_that_changes_colours_is_refused_by_its_trial() {
    let folder = folder();
    let sentence = folder.fails(&["upscale", "a.png", "-m", "edsr.safetensors", "--device", "cpu"]);
    assert!(sentence.contains("of 255 in the means of red, green and blue"), "{sentence}");
    assert!(sentence.contains("--unusual"), "{sentence}");
    assert!(!folder.path("a-x3.png").exists());
    for (flag, value) in [("--white", "2"), ("--mean", "1,2"), ("--mean", "0.5,0.5,7"), ("--mean", "")] {
        let outcome = folder.run(&["upscale", "a.png", "-m", "edsr.safetensors", flag, value]);
        assert!(
            !outcome.success && outcome.stderr.contains("expected "),
            "{flag} {value}: {}",
            outcome.stderr
        );
    }
    let told = ["--white", "1", "--mean", "0.5,0.5,0.5", "--unusual"];
    folder
        .succeeds(&[&["upscale", "a.png", "-m", "edsr.safetensors", "--device", "cpu"][..], &told].concat());
    let known = folder.fails(&["upscale", "a.png", "-o", "b.png", "-m", "smsr-x2", "--white", "1"]);
    assert!(
        known.contains("white and mean are known of this network (smsr) and cannot be chosen"),
        "{known}"
    );
}

#[test]
fn checkpoints_are_pruned() {
    let folder = folder();
    let read = |name: &str| Weights::load(&folder.path(name)).unwrap();
    let text =
        folder.succeeds(&["prune", "edsr.safetensors", "-o", "new/small.safetensors", "--keep", "0.7"]);
    for line in [
        "edsr edsr: 2 residual blocks, 3 channels → 2 residual blocks, 2 channels\n",
        "\nconv_first, with 3 more                               3          2\n",
        "\nbody.0.conv1                                          3          2  2 such\n",
        "\n10⁹ multiply-adds to 1280x720 ",
        "\n  conv_last: of the result\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let small = read("new/small.safetensors");
    assert_eq!(small.get("body.0.conv1.weight").unwrap().dims(), [2, 2, 3, 3]);
    assert_eq!(small.metadata()["res_scale"], "1");
    folder.succeeds(&["upscale", "a.png", "-m", "new/small.safetensors", "--unusual"]);
    assert_eq!(image::open(folder.path("a-x3.png")).unwrap().width(), 18);

    let prune = |output: &str, more: &[&str]| {
        folder.json(&[&["prune", "edsr.safetensors", "--json", "-o", output], more].concat())
    };
    let report = prune(
        "b.safetensors",
        &["--params", "0.5k", "--skip", "upsample*", "--method", "random", "--seed", "3"],
    );
    let numbers = report["parameters"][1].as_u64().unwrap();
    assert!(numbers <= 500 && report["parameters"][0].as_u64().unwrap() > 500, "{report}");
    let held: usize = read("b.safetensors").iter().map(|(_, numbers)| numbers.values().len()).sum();
    assert_eq!(numbers, held as u64);
    assert_eq!(read("b.safetensors").get("upsample.0.weight").unwrap().dims()[0], 27);
    let report = prune("c.safetensors", &["--macs", "0.2G", "--size", "1920x1080"]);
    assert!(report["macs"][1].as_u64().unwrap() <= 200_000_000, "{report}");
    assert_eq!(report["stay"][0], json!({ "name": "conv_last", "channels": 3, "why": "of the result" }));
}

#[test]
fn what_cannot_be_pruned_leaves_nothing() {
    let folder = folder();
    fs::write(folder.path("there.safetensors"), "precious").unwrap();
    let cases: [(&[&str], &str); 8] = [
        (
            &["edsr.safetensors", "-o", "b.pth", "--keep", "0.5"],
            "b.pth: expected a name that ends in .safetensors",
        ),
        (
            &["edsr.safetensors", "-o", "there.safetensors", "--keep", "0.5"],
            "exists already: --force replaces it",
        ),
        (&["edsr.safetensors", "-o", "edsr.safetensors", "--keep", "0.5"], "would be written over itself"),
        (&["absent.pth", "-o", "b.safetensors", "--keep", "0.5"], "absent.pth: "),
        (
            &["edsr.safetensors", "-o", "b.safetensors", "--keep", "2"],
            "expected a share to keep above 0 and at most 1, found 2",
        ),
        (
            &["edsr.safetensors", "-o", "b.safetensors", "--params", "9M"],
            "and fewer than the network's 1344, found 9000000",
        ),
        (
            &["edsr.safetensors", "-o", "b.safetensors", "--keep", "0.5", "--skip", "x"],
            "skip: x is the name of no convolution that could be pruned; there are conv_first, body.0.conv1, body.1.conv1, upsample.0, …",
        ),
        (
            &["smsr-x2", "-o", "b.safetensors", "--keep", "0.5"],
            "builtin:smsr-x2: expected channels that can be taken away, found none; collect.2: under a mask",
        ),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["prune"], args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    folder.succeeds(&["prune", "edsr.safetensors", "-o", "there.safetensors", "--keep", "0.5", "--force"]);
    assert!(fs::read(folder.path("there.safetensors")).unwrap().len() > 1000);
}

#[test]
fn density_is_told_and_drawn() {
    let folder = folder();
    let mut sparse = golden("basicsr_x3");
    let at = sparse.iter().position(|(name, _)| name == "body.1.conv1.weight").unwrap();
    let values = sparse[at].1.values().iter().enumerate();
    let values: Vec<f32> = values.map(|(at, value)| if at < 27 { 0.0 } else { *value }).collect();
    sparse[at].1 = Parameter::new([3, 3, 3, 3], values);
    write(&folder, "sparse.safetensors", sparse);
    let args = ["inspect", "edsr.safetensors", "--density", "--beside", "sparse.safetensors"];
    let text = folder.succeeds(&[&args[..], &["--plot", "both.svg"]].concat());
    let line = text.lines().rfind(|line| line.starts_with("body.1.conv1 ")).unwrap();
    assert!(line.contains("  33.3%   0.000"), "{line}");
    let svg = fs::read_to_string(folder.path("both.svg")).unwrap();
    let filters = 2 * (3 + 4 * 3 + 3 + 27 + 3);
    assert_eq!(svg.matches("<circle").count(), filters);
    assert!(
        svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf")
    );
    let report = folder.json(&[&args[..], &["--json"]].concat());
    assert_eq!(report[1]["layers"][3]["near_zero"], json!(27));
    assert_eq!(report[1]["layers"][3]["norms"][0], json!(0.0));
    let sentence = folder.fails(&[&args[..], &["--plot", "both.svg"]].concat());
    assert_eq!(sentence, "both.svg exists already: --force replaces it");
    let sentence = folder.fails(&[&args[..], &["--plot", "both.png"]].concat());
    assert_eq!(sentence, "both.png: expected a name that ends in .svg");
}

#[test]
fn networks_become_a_ladder_that_pictures_go_through() {
    let folder = Folder::new();
    fs::create_dir(folder.path("photos")).unwrap();
    for name in ["a", "b"] {
        picture(ColorType::Rgb8, 640, 512).save(folder.path(&format!("photos/{name}.png"))).unwrap();
    }
    let make = ["ladder", "edsrtiny-x2", "edsrmini-x2", "-o", "l.safetensors", "--pictures", "photos"];
    folder.succeeds(&make);
    assert!(folder.fails(&make).contains("--force replaces it"));
    let small = picture(ColorType::Rgb8, 70, 40);
    small.save(folder.path("a.png")).unwrap();
    let upscale = ["upscale", "a.png", "--device", "cpu", "--force", "--ladder", "l.safetensors", "--effort"];
    folder.succeeds(&[&upscale[..], &["1"]].concat());
    let best = fs::read(folder.path("a-x2.png")).unwrap();
    folder.succeeds(&["upscale", "a.png", "--device", "cpu", "--force", "-m", "edsrmini-x2"]);
    assert!(best == fs::read(folder.path("a-x2.png")).unwrap(), "the best network alone");
    folder.succeeds(&[&upscale[..], &["0", "--masks", "masks"]].concat());
    let mask = |name: &str| image::open(folder.path(&format!("masks/a-{name}.png"))).unwrap().into_luma8();
    assert!(mask("edsrtiny-x2").pixels().all(|pixel| pixel.0 == [255]), "the cheapest network alone");
    assert!(mask("edsrmini-x2").pixels().all(|pixel| pixel.0 == [0]));
    // The built-in one.
    folder.succeeds(&["upscale", "a.png", "--device", "cpu", "--force", "--effort", "0.5"]);
    let none =
        folder.fails(&["upscale", "a.png", "--effort", "0.5", "--scale", "3", "--device", "cpu", "--force"]);
    assert_eq!(none, "no built-in ladder of networks of x3; there are: x2");
    assert!(folder.fails(&["upscale", "a.png", "--ladder", "a.png"]).contains("a.png"));
    let one =
        folder.fails(&["ladder", "smsr-x2", "edsrmini-x3", "-o", "m.safetensors", "--pictures", "photos"]);
    assert_eq!(one, "expected networks of one scale, found smsr-x2 of x2 and edsrmini-x3 of x3");
}
