//! The real program on real files: the right picture, or one sentence and a non-zero exit.
//!
//! All of it runs on the CPU engine, so that it needs no driver, but for the tests that ask for an adapter. After
//! every failure the folder must hold what it held before: no output, no half of one, no temporary file.

#![cfg(feature = "cli")]

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/pictures.rs"]
mod pictures;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, Rgba, RgbaImage};
use pictures::{TYPES, picture};
use program::Folder;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use sparsr::low_level::metrics::resize_bicubic_matlab;
use sparsr::{Pixels, Samples};

/// A checkpoint to spoil.
const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/smsr-x2.safetensors");

/// Small networks, a prefix each.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/edsr.safetensors");

#[test]
fn every_type_and_size_comes_back_twice_as_large() {
    let folder = Folder::new();
    for color in TYPES {
        for (width, height) in [(1, 1), (2, 1), (7, 5), (24, 18)] {
            let name = format!("{color:?}-{width}.png");
            let original = picture(color, width, height);
            original.save(folder.path(&name)).unwrap();
            folder.succeeds(&["upscale", &name, "-o", "large.png", "--force"]);
            let large = image::open(folder.path("large.png")).unwrap();
            assert_eq!((large.width(), large.height()), (2 * width, 2 * height), "{name}");
            assert_eq!(large.color(), color, "{name}");
            let expected = original.resize_exact(2 * width, 2 * height, image::imageops::CatmullRom);
            // A network is not bicubic, but a picture of the same thing.
            assert!(difference(&large, &expected) < 0.03, "{name}: {}", difference(&large, &expected));
        }
    }
}

#[test]
fn depth_makes_no_difference_but_precision() {
    let folder = Folder::new();
    for (narrow, wide) in [(ColorType::Rgb8, ColorType::Rgb16), (ColorType::L8, ColorType::L16)] {
        picture(narrow, 20, 14).save(folder.path("8.png")).unwrap();
        let widened = picture(narrow, 20, 14);
        let widened: DynamicImage =
            if wide == ColorType::L16 { widened.to_luma16().into() } else { widened.to_rgb16().into() };
        widened.save(folder.path("16.png")).unwrap();
        folder.succeeds(&["upscale", "8.png", "16.png", "--force"]);
        let [eight, sixteen] = ["8-x2.png", "16-x2.png"].map(|name| image::open(folder.path(name)).unwrap());
        assert_eq!((eight.color(), sixteen.color()), (narrow, wide));
        assert_eq!(eight.to_rgb8(), sixteen.to_rgb8());
        assert!(eight.to_rgb16() != sixteen.to_rgb16(), "16 bits hold more than 8");
    }
}

#[test]
fn opaque_stays_opaque_and_hidden_colours_stay_hidden() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 16, 16).to_rgba8().save(folder.path("opaque.png")).unwrap();
    see_through().save(folder.path("disc.png")).unwrap();
    folder.succeeds(&["upscale", "opaque.png", "disc.png"]);
    let opaque = image::open(folder.path("opaque-x2.png")).unwrap().to_rgba8();
    assert!(opaque.pixels().all(|pixel| pixel[3] == 255));

    // A gray disc on full transparency under which magenta is hidden.
    let disc = image::open(folder.path("disc-x2.png")).unwrap().to_rgba8();
    let gray = |pixel: &Rgba<u8>| pixel[0].abs_diff(pixel[1]) < 16 && pixel[2].abs_diff(pixel[1]) < 16;
    assert!(disc.pixels().filter(|pixel| pixel[3] > 0).all(gray), "a fringe");
    assert!(disc.pixels().any(|pixel| pixel[3] == 0) && disc.pixels().any(|pixel| pixel[3] == 255));
}

#[test]
fn outputs_go_where_they_are_asked_to() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    picture(ColorType::L8, 5, 4).save(folder.path("b.png")).unwrap();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["a.png"], &["a-x2.png"]),
        (&["a.png", "-o", "one.webp"], &["one.webp"]),
        (&["a.png", "-o", "new/deep/one.jpg"], &["new/deep/one.jpg"]),
        (&["a.png", "-o", "single"], &["single/a-x2.png"]),
        (&["a.png", "b.png", "-o", "both"], &["both/a-x2.png", "both/b-x2.png"]),
        (&["./b.png", "-o", "v1.0/"], &["v1.0/b-x2.png"]),
    ];
    for (args, outputs) in cases {
        folder.succeeds(&[&["upscale"], args].concat());
        for output in outputs {
            let large = image::open(folder.path(output)).unwrap_or_else(|error| panic!("{output}: {error}"));
            assert_eq!(large.height(), 8, "{output}");
        }
    }
}

#[test]
fn pipes_take_and_give_a_picture_and_nothing_else() {
    let folder = Folder::new();
    picture(ColorType::Rgba8, 6, 4).save(folder.path("a.png")).unwrap();
    let outcome = folder.run_with_input(&["upscale", "-", "--device", "cpu"], "a.png");
    assert_eq!((outcome.success, outcome.stderr.as_str()), (true, ""));
    let large = image::load_from_memory(&outcome.stdout).unwrap();
    assert_eq!((large.width(), large.height(), large.color()), (12, 8, ColorType::Rgba8));

    let outcome = folder.run(&["upscale", "a.png", "-o", "-", "--device", "cpu"]);
    assert!(image::load_from_memory(&outcome.stdout).unwrap() == large);
}

#[test]
fn what_exists_is_kept_unless_forced() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    fs::write(folder.path("a-x2.png"), "precious").unwrap();
    let sentence = folder.fails(&["upscale", "a.png"]);
    assert_eq!(sentence, "a-x2.png exists already: --force replaces it");
    assert_eq!(fs::read(folder.path("a-x2.png")).unwrap(), b"precious");

    folder.succeeds(&["upscale", "a.png", "--force"]);
    assert_eq!(image::open(folder.path("a-x2.png")).unwrap().width(), 12);

    let sentence = folder.fails(&["upscale", "a.png", "-o", "./a.png", "--force"]);
    assert_eq!(sentence, "a.png would be written over a.png, which is an input");
}

#[cfg(unix)]
#[test]
fn an_output_has_the_permissions_of_an_ordinary_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    folder.succeeds(&["upscale", "a.png"]);
    let [ordinary, output] =
        ["a.png", "a-x2.png"].map(|name| fs::metadata(folder.path(name)).unwrap().permissions().mode());
    assert_eq!(output, ordinary);
}

#[test]
fn pictures_that_are_none_get_one_sentence() {
    let folder = Folder::new();
    let whole = png(&picture(ColorType::Rgb8, 40, 30));
    fs::write(folder.path("empty.png"), "").unwrap();
    fs::write(folder.path("text.png"), "Dear diary,\ntoday I was renamed.\n").unwrap();
    fs::write(folder.path("half.png"), &whole[..whole.len() / 2]).unwrap();
    fs::create_dir(folder.path("folder.png")).unwrap();
    let cases = [
        ("empty.png", "the file is empty"),
        ("text.png", "not a picture that we can read"),
        ("half.png", "the file ends too early"),
        ("folder.png", "there are no pictures in it"),
        ("absent.png", "No such file"),
    ];
    for (name, expected) in cases {
        let sentence = folder.fails(&["upscale", name]);
        assert!(sentence.starts_with(&format!("{name}: ")) && sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn one_bad_picture_does_not_stop_the_others() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("good.png")).unwrap();
    fs::write(folder.path("bad.png"), "").unwrap();
    let outcome = folder.run(&["upscale", "bad.png", "good.png", "gone.png", "--device", "cpu"]);
    assert!(!outcome.success);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.starts_with("error: ")), "{lines:?}");
    assert_eq!(lines[2], "error: 2 of 3 pictures failed: bad.png, gone.png");
    assert!(image::open(folder.path("good-x2.png")).is_ok());
}

#[test]
fn what_cannot_be_done_is_said_before_the_work() {
    let folder = Folder::new();
    fs::create_dir(folder.path("sub")).unwrap();
    for name in ["a.png", "sub/a.png"] {
        picture(ColorType::Rgb8, 6, 4).save(folder.path(name)).unwrap();
    }
    see_through().save(folder.path("disc.png")).unwrap();
    fs::write(folder.path("file"), "no folder").unwrap();
    let cases: [(&[&str], &str); 12] = [
        (&["a.png", "sub/a.png"], "would both be written to a-x2.png"),
        (&["a.png", "sub/a.png", "-o", "x.png"], "name a folder"),
        (&["a.png", "sub/a.png", "-o", "-"], "standard output takes one picture"),
        (&["a.png", "-o", "file/x.png"], "file: cannot write there: "),
        (&["a.png", "-o", "a.txt"], "expected a name that ends in .png"),
        (&["disc.png", "-o", "disc.jpg"], "JPEG cannot hold the picture's transparency"),
        (&["a.png", "--device", "no such GPU"], "no device `no such GPU`"),
        (&["a.png", "--device", "99"], "no device number 99"),
        (&["a.png", "-m", "no-such-model"], "no model `no-such-model`"),
        (&["a.png", "-m", "absent.pth"], "absent.pth: "),
        (&["a.png", "--precision", "f16"], "the CPU engine: it cannot keep numbers as 16-bit floating point"),
        (&["a.png", "--profile"], "the CPU engine has no profile"),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["upscale"], args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
}

#[test]
fn tiles_and_little_memory_change_no_picture() {
    let folder = Folder::new();
    picture(ColorType::Rgba16, 67, 45).save(folder.path("a.png")).unwrap();
    folder.succeeds(&["upscale", "a.png", "-o", "whole.png", "--tile", "whole"]);
    for args in [["--tile", "32"], ["--tile", "16"], ["--memory", "2"]] {
        folder.succeeds(&[&["upscale", "a.png", "-o", "tiled.png", "--force"], &args[..]].concat());
        let [whole, tiled] = ["whole.png", "tiled.png"].map(|name| image::open(folder.path(name)).unwrap());
        assert!(difference(&tiled, &whole) < 1e-5, "{args:?}: {}", difference(&tiled, &whole));
    }
    let sentence = folder.fails(&["upscale", "a.png", "-o", "tiled.png", "--force", "--memory", "1"]);
    assert!(sentence.contains("bytes for a tile of 16 pixels a side"), "{sentence}");
    for side in ["big", "15"] {
        let outcome = folder.run(&["upscale", "a.png", "--tile", side]);
        assert!(
            !outcome.success && outcome.stderr.contains("'--tile <auto|whole|PIXELS>'"),
            "{}",
            outcome.stderr
        );
    }
}

/// Linux alone has files without a name until they are complete.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_leaves_nothing_behind() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 900, 900).save(folder.path("a.png")).unwrap();
    for (signal, millis, target) in
        [("-INT", 400, "b.png"), ("-TERM", 800, "b.tif"), ("-KILL", 1200, "b.jpg")]
    {
        let after = std::time::Duration::from_millis(millis);
        folder.is_killed(&["upscale", "a.png", "-o", target, "--tile", "128"], signal, after);
    }
}

#[test]
fn checkpoints_that_are_none_get_one_sentence() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    let whole = fs::read(WEIGHTS).unwrap();
    fs::write(folder.path("empty.safetensors"), "").unwrap();
    fs::write(folder.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path("text.pth"), "Dear diary,\n").unwrap();
    fs::write(folder.path("evil.pth"), b"\x80\x02cos\nsystem\nX\x05\0\0\0touch\x85R.").unwrap();
    fs::write(folder.path("misshapen.safetensors"), misshapen(&whole)).unwrap();
    for name in ["empty.safetensors", "half.safetensors", "text.pth", "evil.pth", "misshapen.safetensors"] {
        for command in [&["upscale", "a.png", "-m", name][..], &["inspect", name]] {
            let sentence = folder.fails(command);
            assert!(sentence.starts_with(&format!("{name}: ")), "{sentence}");
        }
    }
    let sentence = folder.fails(&["inspect", "misshapen.safetensors"]);
    assert!(sentence.contains("body.0.spa_mask.0.weight"), "{sentence}");
}

#[test]
fn masks_are_pictures_of_where_the_work_went() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 7, 5).save(folder.path("a.png")).unwrap();
    folder.succeeds(&["upscale", "a.png", "--masks", "masks"]);
    for module in 0..5 {
        let mask = image::open(folder.path(&format!("masks/a-body.{module}.png"))).unwrap();
        assert_eq!((mask.width(), mask.height(), mask.color()), (7, 5, ColorType::L8));
        assert!(mask.as_bytes().iter().all(|value| [0, 255].contains(value)));
    }
    let sentence = folder.fails(&["upscale", "a.png", "-o", "b.png", "--masks", "masks"]);
    assert_eq!(sentence, "masks/a-body.0.png exists already: --force replaces it");
}

/// No file takes a byte: neither a mask nor anything else is left of what was begun.
#[cfg(unix)]
#[test]
fn a_full_folder_of_masks_is_an_error() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 7, 5).save(folder.path("a.png")).unwrap();
    let line = "trap '' XFSZ; ulimit -f 0; exec \"$0\" upscale a.png -o b.png --masks masks --device cpu";
    let run = std::process::Command::new("sh")
        .current_dir(folder.path(""))
        .args(["-c", line, env!("CARGO_BIN_EXE_sparsr")])
        .output()
        .unwrap();
    let sentence = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{sentence}");
    assert!(sentence.starts_with("error: masks/a-body.") && sentence.contains("too large"), "{sentence}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.png"]);
}

#[cfg(target_os = "linux")]
#[test]
fn where_nobody_hears_the_status_tells() {
    let line = "exec \"$0\" upscale absent.png --device cpu 2>/dev/full";
    let run = std::process::Command::new("sh").args(["-c", line, env!("CARGO_BIN_EXE_sparsr")]).status();
    assert_eq!(run.unwrap().code(), Some(1));
}

#[test]
fn skipping_work_changes_no_picture() {
    let Some(gpu) = adapter::gpu("skipping_work_changes_no_picture") else { return };
    let folder = Folder::new();
    picture(ColorType::Rgb8, 25, 18).save(folder.path("a.png")).unwrap();
    folder.succeeds(&["upscale", "a.png", "-o", "cpu.png"]);
    let expected = image::open(folder.path("cpu.png")).unwrap();
    for sparsity in ["auto", "dense", "sparse"] {
        let args = ["--sparsity", sparsity, "--device", gpu.name()];
        folder.succeeds(&[&["upscale", "a.png", "-o", "gpu.png", "--force"], &args[..]].concat());
        let found = image::open(folder.path("gpu.png")).unwrap();
        let pairs = found.as_bytes().iter().zip(expected.as_bytes());
        let largest = pairs.map(|(found, expected)| found.abs_diff(*expected)).max();
        assert!(found.color() == expected.color() && largest <= Some(2), "{sparsity}: {largest:?}");
    }
}

#[test]
fn several_devices_share_a_picture_and_many_pictures() {
    if adapter::gpu("several_devices_share_a_picture_and_many_pictures").is_none() {
        return;
    }
    let folder = Folder::new();
    for name in ["a.png", "b.png", "c.png"] {
        picture(ColorType::Rgb8, 90, 70).save(folder.path(name)).unwrap();
    }
    let network = ["-m", "edsrmini-x2", "--tile", "32", "--precision", "f32"];
    let upscale = |device: &str, inputs: &[&str], output: &str| {
        let more = [&["upscale", "--device", device, "-o", output], &network[..]].concat();
        folder.succeeds(&[&more[..], inputs].concat());
    };
    upscale("0", &["a.png"], "one.png");
    let one = image::open(folder.path("one.png")).unwrap();
    // Two devices of one adapter make the same picture, the processor one that is as good.
    upscale("0,0", &["a.png"], "two.png");
    assert_eq!(image::open(folder.path("two.png")).unwrap(), one);
    upscale("0,cpu", &["a.png"], "mixed.png");
    assert!(difference(&image::open(folder.path("mixed.png")).unwrap(), &one) < 1e-3);
    upscale("0,cpu", &["a.png", "b.png", "c.png"], "many/");
    for name in ["many/a-x2.png", "many/b-x2.png", "many/c-x2.png"] {
        assert!(difference(&image::open(folder.path(name)).unwrap(), &one) < 1e-3, "{name}");
    }
    for wrong in ["auto,0", "cpu,cpu", "0,"] {
        let outcome = folder.run(&["upscale", "a.png", "--device", wrong]);
        assert!(!outcome.success && outcome.stderr.contains("expected"), "{wrong}: {}", outcome.stderr);
    }
    let sentence = folder.fails(&["bench", "--device", "0,cpu"]);
    assert!(sentence.contains("several devices"), "{sentence}");
}

#[test]
fn a_profile_is_told_beside_the_picture() {
    let Some(gpu) = adapter::gpu("a_profile_is_told_beside_the_picture") else { return };
    let folder = Folder::new();
    picture(ColorType::Rgba8, 6, 4).save(folder.path("a.png")).unwrap();
    let outcome = folder.run(&["upscale", "a.png", "-o", "-", "--profile", "--device", gpu.name()]);
    if outcome.stderr.contains("no timestamp queries") {
        return skip::told(format_args!("{}", outcome.stderr));
    }
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(image::load_from_memory(&outcome.stdout).unwrap().width(), 12);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(lines[0].starts_with("a.png: ") && lines[0].contains(gpu.name()), "{}", lines[0]);
    assert!(lines[1].starts_with("peak: ") && lines[1].contains(" GMAC/s in f32"), "{}", lines[1]);
    assert!(lines[3].trim_start().starts_with("time ms  share"), "{}", lines[3]);
    assert!(lines.iter().any(|line| line.starts_with("body.4.body.collect ")), "{lines:?}");
    let total = lines.iter().find(|line| line.starts_with("total ")).expect("a line of sums");
    assert!(total.contains(" 100.0% ") && total.matches('%').count() >= 3, "{total}");
    assert!(lines.last().unwrap().contains("may exceed 100 %"), "{lines:?}");
}

#[test]
fn bench_verifies_and_measures() {
    let folder = Folder::new();
    let sentence = folder.fails(&["bench", "--device", "cpu"]);
    assert!(sentence.starts_with("bench measures a GPU"), "{sentence}");
    for size in ["480", "0x4", "4x5000", "4x"] {
        let outcome = folder.run(&["bench", "--size", size]);
        assert!(!outcome.success && outcome.stderr.contains("expected WIDTHxHEIGHT"), "{size}");
    }

    let Some(gpu) = adapter::gpu("bench_verifies_and_measures") else { return };
    let report = folder.json(&["bench", "--json", "--size", "14x9", "--device", gpu.name()]);
    assert_eq!(
        (report["version"].as_str(), report["model"].as_str()),
        (Some(env!("CARGO_PKG_VERSION")), Some("smsr-x2"))
    );
    for key in ["name", "kind", "backend", "driver"] {
        assert!(report["device"][key].is_string(), "{key}: {report}");
    }
    assert_eq!(report["picture"], serde_json::json!({ "name": "built-in", "width": 14, "height": 9 }));
    assert_eq!(report["densities"].as_array().unwrap().len(), 5);
    assert!(report["rounds"].as_u64().unwrap() > 0);
    let results = report["results"].as_array().unwrap();
    let names: Vec<&str> = results.iter().map(|result| result["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dense", "sparse", "auto", "cpu"]);
    assert_eq!(results[0]["ratio_to_dense"].as_f64(), Some(1.0));
    let positive = |value: &serde_json::Value| value.as_f64().is_some_and(|number| number > 0.0);
    assert!(report["macs"].as_u64() > Some(0), "{report}");
    for rate in ["multiply_adds_per_second", "bytes_per_second"] {
        assert!(positive(&report["peak"][rate]), "{rate}: {report}");
    }
    assert!(results.iter().all(|result| positive(&result["macs_per_second"])), "{report}");
    assert!(results[..3].iter().all(|result| positive(&result["of_peak"])), "{report}");
    assert!(results[3]["of_peak"].is_null(), "{report}");
    assert_eq!(
        (results[3]["largest_difference"].as_u64(), results[3]["psnr_y_to_cpu"].is_null()),
        (Some(0), true)
    );
    for result in results {
        assert!(
            result["wall_ms"].as_f64().unwrap() > 0.0 && result["largest_difference"].as_u64() <= Some(2)
        );
    }

    picture(ColorType::La16, 5, 4).save(folder.path("a.png")).unwrap();
    let text = folder.run(&["bench", "--picture", "a.png", "--device", gpu.name()]).text();
    assert!(text.contains("\npicture  a.png, 5x4; ") && text.contains("\nsparse "), "{text}");
}

#[test]
fn eval_measures_and_makes_its_own_small_pictures() {
    let folder = Folder::new();
    fs::create_dir(folder.path("hr")).unwrap();
    fs::create_dir(folder.path("lr")).unwrap();
    for (name, size) in [("one", [30, 24]), ("two", [25, 31])] {
        let large = picture(ColorType::Rgb8, size[0], size[1]);
        large.save(folder.path(&format!("hr/{name}.png"))).unwrap();
        halved(&large).save(folder.path(&format!("lr/{name}x2.png"))).unwrap();
    }
    let own = folder.json(&["eval", "--hr", "hr", "--json", "--device", "cpu"]);
    assert_eq!((own["model"].as_str(), own["device"].as_str()), (Some("smsr-x2"), Some("CPU")));
    let images = own["images"].as_array().unwrap();
    assert_eq!(
        images.iter().map(|image| image["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["one", "two"]
    );
    for key in ["psnr_y", "ssim_y", "macs_kept"] {
        let values = images.iter().map(|image| image[key].as_f64().unwrap());
        let mean = values.sum::<f64>() / 2.0;
        assert!((own["mean"][key].as_f64().unwrap() - mean).abs() < 1e-9, "{key}");
    }
    assert!(images[0]["psnr_y"].as_f64().unwrap() > 25.0);

    let given = folder.json(&["eval", "--hr", "hr", "--lr", "lr", "--json", "--device", "cpu"]);
    let timeless = |mut report: serde_json::Value| {
        report["mean"]["seconds"] = 0.into();
        report["images"].as_array_mut().unwrap().iter_mut().for_each(|image| image["seconds"] = 0.into());
        report
    };
    assert_eq!(timeless(given), timeless(own));
    let table = folder.succeeds(&["eval", "--hr", "hr"]);
    assert!(table.contains("PSNR-Y") && table.lines().last().unwrap().starts_with("mean"), "{table}");
}

#[test]
fn eval_refuses_what_it_cannot_compare() {
    let folder = Folder::new();
    for name in ["hr", "lr", "none", "small"] {
        fs::create_dir(folder.path(name)).unwrap();
    }
    picture(ColorType::Rgb8, 30, 24).save(folder.path("hr/one.png")).unwrap();
    picture(ColorType::Rgb8, 30, 24).save(folder.path("lr/one.png")).unwrap();
    picture(ColorType::Rgb8, 12, 40).save(folder.path("small/one.png")).unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--hr", "absent"], "absent: No such file"),
        (&["--hr", "none"], "none: there are no pictures"),
        (&["--hr", "small"], "small/one.png: SSIM needs at least 15 pixels a side"),
        (&["--hr", "hr", "--lr", "lr"], "lr/one.png: expected 15x12 pixels, found 30x24"),
        (&["--hr", "hr", "--lr", "none"], "none: there are no pictures"),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["eval"], args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
}

#[test]
fn inspect_and_devices_speak_to_people_and_programs() {
    let folder = Folder::new();
    let report = folder.json(&["inspect", "smsr-x2", "--json"]);
    assert_eq!((report["architecture"].as_str(), report["scale"].as_u64()), (Some("smsr"), Some(2)));
    let macs = &report["macs_per_input_pixel"];
    let [total, always, masked] = ["total", "always", "masked"].map(|key| macs[key].as_f64().unwrap());
    assert!(always > 0.0 && masked > 0.0 && (always + masked - total).abs() < 1e-6);
    assert_eq!(report["modules"][0]["name"].as_str(), Some("body.0"));
    assert!(folder.run(&["inspect", "smsr-x2"]).text().contains("body.4"));

    let report = folder.json(&["devices", "--json"]);
    assert!(report["devices"].is_array() && report["auto"]["reason"].is_string());
    let text = folder.run(&["devices"]).text();
    assert!(text.contains("\ncpu ") || text.starts_with("cpu "), "{text}");
    let vectors = report["cpu"]["vectors"].as_str().unwrap();
    assert!(text.contains(&format!("({vectors})")), "{text}");
    assert_eq!(vectors, sparsr::low_level::cpu::vectors().unwrap().to_string());
}

#[test]
fn auto_takes_the_cpu_where_the_only_adapter_is_in_software_and_says_so() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 7, 5).save(folder.path("a.png")).unwrap();
    let report = folder.json(&["devices", "--json"]);
    let devices = report["devices"].as_array().unwrap();
    if devices.iter().any(|device| device["kind"] != "software") {
        assert_ne!(report["auto"]["device"], "cpu");
        return skip::told(format_args!("there is a GPU"));
    }
    assert_eq!(report["auto"]["device"], "cpu");
    let outcome = folder.run(&["upscale", "a.png", "-o", "auto.png"]);
    assert!(outcome.success && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("runs on the CPU: no GPU"), "{}", outcome.stderr);
    folder.succeeds(&["upscale", "a.png", "-o", "cpu.png", "--device", "cpu"]);
    let [auto, cpu] = ["auto.png", "cpu.png"].map(|name| fs::read(folder.path(name)).unwrap());
    assert!(auto == cpu);

    let told = report["auto"]["reason"].as_str().unwrap();
    assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    let asked = |device: &&serde_json::Value| told.contains(&format!("`--device {}`", device["index"]));
    let Some(device) = devices.iter().find(asked) else {
        return assert!(devices.is_empty(), "the line says how to get the adapter: {told}");
    };
    assert!(told.contains(device["name"].as_str().unwrap()), "{told}");
    fs::create_dir(folder.path("hr")).unwrap();
    picture(ColorType::Rgb8, 16, 16).save(folder.path("hr/a.png")).unwrap();
    let index = device["index"].to_string();
    let report = folder.json(&["eval", "--hr", "hr", "--json", "--device", &index]);
    assert_eq!(report["device"], device["name"], "who asks for it gets it");
}

#[test]
fn what_is_left_unused_is_named_rightly() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 7, 5).save(folder.path("a.png")).unwrap();
    let upscale = ["upscale", "a.png", "-o", "-", "--device", "cpu"];
    let outcome = folder.run_without("f16,sse", &upscale);
    assert!(!outcome.success && outcome.stdout.is_empty());
    for part in ["SPARSR_WITHOUT: `sse`", "subgroups", "cooperative-matrices", "neon", "avx2", "avx512"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let scalar = folder.run_without("avx512,avx2,neon", &["devices", "--json"]).text();
    assert!(scalar.contains("\"vectors\": \"scalar\""), "{scalar}");
    let outcome = folder.run_without("avx512,avx2,neon", &upscale);
    let [scalar, own] = [outcome.stdout, folder.run(&upscale).stdout].map(|bytes| {
        image::load_from_memory(&bytes).unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr))
    });
    assert!(difference(&scalar, &own) < 1e-3, "{}", difference(&scalar, &own));
}

#[test]
fn a_network_without_masks_is_told_as_one() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    let golden = fs::read(GOLDEN).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let tensors =
        golden.iter().filter_map(|(name, view)| Some((name.strip_prefix("basicsr_x3.weights.")?, view)));
    fs::write(folder.path("edsr.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();

    let text = folder.succeeds(&["inspect", "edsr.safetensors"]);
    assert!(text.starts_with("edsr  edsr x3: 2 residual blocks, 3 channels\n"), "{text}");
    assert!(!text.contains("masks") && !text.contains("partition"), "{text}");
    let report = folder.json(&["inspect", "edsr.safetensors", "--json"]);
    assert_eq!((report["alignment"].as_u64(), &report["modules"]), (Some(1), &serde_json::json!([])));

    folder.succeeds(&["upscale", "a.png", "-m", "edsr.safetensors", "--unusual"]);
    assert_eq!(image::open(folder.path("a-x3.png")).unwrap().width(), 18);
    let sentence =
        folder.fails(&["upscale", "a.png", "-m", "edsr.safetensors", "--unusual", "--masks", "masks"]);
    assert_eq!(sentence, "--masks: edsr has no spatial masks");
}

#[test]
fn help_shows_examples() {
    let folder = Folder::new();
    for args in [
        &["--help"][..],
        &["upscale", "--help"],
        &["eval", "--help"],
        &["inspect", "--help"],
        &["bench", "--help"],
    ] {
        assert!(folder.run(args).text().contains("Examples:\n  sparsr "), "{args:?}");
    }
}

/// A gray disc on full transparency under which magenta is hidden.
fn see_through() -> RgbaImage {
    RgbaImage::from_fn(24, 24, |x, y| {
        let inside = x.abs_diff(12).pow(2) + y.abs_diff(12).pow(2) < 50;
        if inside { Rgba([128, 128, 128, 255]) } else { Rgba([255, 0, 255, 0]) }
    })
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The small picture of a test set: cut to even sides and halved.
fn halved(large: &DynamicImage) -> DynamicImage {
    let rgb = large.crop_imm(0, 0, large.width() / 2 * 2, large.height() / 2 * 2).to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let large = Pixels::new(width, height, Samples::U8(rgb.into_raw())).unwrap();
    let Samples::U8(samples) = resize_bicubic_matlab(&large, width / 2, height / 2).samples().clone() else {
        unreachable!("8 bits stay 8 bits")
    };
    image::RgbImage::from_raw(width as u32 / 2, height as u32 / 2, samples).unwrap().into()
}

/// The mean difference of samples, white being 1.
fn difference(a: &DynamicImage, b: &DynamicImage) -> f64 {
    let (a, b) = (a.to_rgba16().into_raw(), b.to_rgba16().into_raw());
    let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.len() as f64 / 65535.0
}

/// The checkpoint with one tensor of another shape.
fn misshapen(whole: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(whole).unwrap().tensors();
    let misshapen = tensors.into_iter().map(|(name, tensor)| {
        let mut shape = tensor.shape().to_vec();
        if name == "body.0.spa_mask.0.weight" {
            shape.reverse();
        }
        (name, TensorView::new(tensor.dtype(), shape, tensor.data()).unwrap())
    });
    safetensors::serialize(misshapen, None).unwrap()
}
