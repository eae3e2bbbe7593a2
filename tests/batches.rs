//! Batches of the real program: folders, what is refused, what stops it, and how it goes on.
//!
//! All of it runs on the CPU engine. After every failure the folder must hold what it held before.

#![cfg(feature = "cli")]

#[path = "support/pictures.rs"]
mod pictures;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::time::Duration;

use image::ColorType;
use pictures::{TYPES, picture};
use program::{Folder, contents};
use serde_json::Value;

/// A folder with one small picture in it.
fn folder() -> Folder {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 6, 4).save(folder.path("a.png")).unwrap();
    folder
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Small pictures of all kinds, `count` of them, in folders of 10.
fn mixed(folder: &Folder, count: usize) {
    for at in 0..count {
        let parent = folder.path(&format!("in/{}", at / 10));
        fs::create_dir_all(&parent).unwrap();
        let [width, height] = [5 + (at * 7) % 23, 4 + (at * 5) % 19].map(|side| side as u32);
        let color = TYPES[at % TYPES.len()];
        let small = picture(color, width, height);
        let extension = ["png", "tif", "png", "bmp"][at % 4];
        let small = if extension == "png" { small } else { small.to_rgb8().into() };
        small.save(parent.join(format!("{at}.{extension}"))).unwrap();
    }
}

#[test]
fn a_folder_comes_out_as_the_same_tree() {
    let folder = Folder::new();
    mixed(&folder, 13);
    fs::write(folder.path("in/0/notes.txt"), "no picture").unwrap();
    folder.succeeds(&["upscale", "in", "-r", "-o", "out", "-f", "same", "--suffix", ""]);
    let below = |root: &str| {
        let files = contents(&folder.path(root)).into_iter().map(|(path, _)| path);
        let names = files.map(|path| path.strip_prefix(folder.path(root)).unwrap().to_owned());
        names.filter(|name| name.extension().is_some_and(|kind| kind != "txt")).collect::<Vec<_>>()
    };
    assert_eq!(below("in"), below("out"));
    for name in below("in") {
        let [small, large] = ["in", "out"].map(|root| image::open(folder.path(root).join(&name)).unwrap());
        assert_eq!(large.width(), 2 * small.width(), "{name:?}");
    }
    let sentence = folder.fails(&["upscale", "in"]);
    assert!(
        sentence.ends_with("in: there are no pictures in it; --recursive looks into the folders in it"),
        "{sentence}"
    );
}

#[test]
fn pictures_without_a_command_are_enlarged() {
    let folder = folder();
    fs::copy(folder.path("a.png"), folder.path("b.png")).unwrap();
    let outcome = folder.run(&["a.png", "b.png", "--device", "cpu"]);
    assert!(outcome.success, "{}", outcome.stderr);
    assert!(folder.path("a-x2.png").exists() && folder.path("b-x2.png").exists());
    fs::create_dir(folder.path("devices")).unwrap();
    assert!(folder.run(&["devices"]).text().contains("cpu"), "a command stays one");
    assert!(!folder.run(&["c.png"]).success);
}

#[test]
fn what_is_no_place_for_a_picture_is_refused_before_the_work() {
    let folder = folder();
    fs::write(folder.path("file"), "no folder").unwrap();
    fs::create_dir_all(folder.path("a-x2.png/full")).unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["-o", ".png"], ".png is only an extension"),
        (&["-o", "file/b.png"], "cannot write there"),
        (&["-o", "file"], "expected a name that ends in .png"),
        (&["--force"], "a-x2.png: it is a folder"),
        (&[], "a-x2.png: it is a folder"),
        (&["-o", "-", "--json"], "--json prints to standard output"),
        (&["-o", "b.png", "--format", "webp"], "is a name for Png"),
        (&["-o", "new/b.txt"], "expected a name that ends in .png"),
    ];
    for (args, expected) in cases {
        let sentence = folder.fails(&[&["upscale", "a.png"], args].concat());
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    assert!(!folder.path("new").exists(), "no folder is left of what failed");
    fs::write(folder.path("bad.png"), "").unwrap();
    folder.fails(&["upscale", "bad.png", "-o", "new/deep/b.png"]);
    assert!(!folder.path("new").exists(), "no folder is left of what failed");
    for format in ["avif", "jxl"] {
        let outcome = folder.run(&["upscale", "a.png", "--format", format]);
        assert!(outcome.stderr.contains("is not written: take png, and convert"), "{}", outcome.stderr);
    }
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_devices_stay_devices() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    fs::create_dir(folder.path("far")).unwrap();
    fs::write(folder.path("far/old.png"), "old").unwrap();
    symlink("far/old.png", folder.path("old.png")).unwrap();
    symlink("far/new.png", folder.path("new.png")).unwrap();
    symlink("absent/new.png", folder.path("lost.png")).unwrap();
    symlink("/dev/null", folder.path("null.png")).unwrap();
    for name in ["old.png", "new.png", "lost.png", "null.png"] {
        let sentence = folder.fails(&["upscale", "a.png", "-o", name]);
        assert_eq!(sentence, format!("{name} exists already: --force replaces it"));
    }
    for (name, expected) in [("lost.png", "lost.png: No such file"), ("null.png", "null.png: it is a device")]
    {
        let sentence = folder.fails(&["upscale", "a.png", "-o", name, "--force"]);
        assert!(sentence.starts_with(expected), "{sentence}");
    }
    for name in ["old.png", "new.png"] {
        folder.succeeds(&["upscale", "a.png", "-o", name, "--force"]);
        assert!(folder.path(name).is_symlink() && !folder.path("far").join(name).is_symlink());
        assert_eq!(image::open(folder.path("far").join(name)).unwrap().width(), 12);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_with_a_name_is_read_once() {
    let folder = folder();
    picture(ColorType::Rgba8, 7, 5).save(folder.path("b.png")).unwrap();
    picture(ColorType::Rgb8, 7, 5).save(folder.path("c.jpg")).unwrap();
    for (input, output) in [("a.png", "1.png"), ("b.png", "2.tif"), ("c.jpg", "3.webp"), ("a.png", "4.jpg")] {
        let pipe = folder.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut child = folder.spawn(&["upscale", "pipe", "-o", output]);
        fs::copy(folder.path(input), &pipe).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while child.try_wait().unwrap().is_none() {
            assert!(std::time::Instant::now() < deadline, "{input} by a pipe hangs");
            std::thread::sleep(Duration::from_millis(20));
        }
        folder.succeeds(&["upscale", input, "-o", &format!("file-{output}")]);
        let [piped, read] =
            [output.to_owned(), format!("file-{output}")].map(|name| fs::read(folder.path(&name)).unwrap());
        assert!(piped == read, "{input}");
        fs::remove_file(pipe).unwrap();
    }
}

#[test]
fn records_and_events_are_told_to_programs() {
    let folder = folder();
    fs::copy(folder.path("a.png"), folder.path("b.png")).unwrap();
    fs::write(folder.path("bad.png"), "").unwrap();
    fs::write(folder.path("b-x2.png"), "there").unwrap();
    picture(ColorType::Rgb16, 5, 4).save(folder.path("deep.png")).unwrap();
    let args =
        ["upscale", "a.png", "b.png", "bad.png", "deep.png", "-f", "jpg", "--json", "--progress", "json"];
    fs::write(folder.path("b-x2.jpg"), "there").unwrap();
    let outcome = folder.run(&[&args[..], &["--skip-existing", "--device", "cpu"]].concat());
    assert_eq!(outcome.code, Some(1));
    let mut records = lines(&outcome.text());
    records.sort_by_key(|record| record["input"].as_str().unwrap().to_owned());
    let [a, b, bad, deep] = &records[..] else { panic!("{records:?}") };
    assert_eq!((&a["output"], &a["from"], &a["to"]), (&"a-x2.jpg".into(), &[6, 4].into(), &[12, 8].into()));
    assert!(a["error"].is_null() && a["seconds"].as_f64() > Some(0.0) && a["device"] == "CPU", "{a}");
    assert!(a["macs_kept"].as_f64().is_some_and(|share| share > 0.0 && share <= 1.0), "{a}");
    assert!(b["skipped"] == true && b["to"].is_null(), "{b}");
    assert_eq!((&bad["error"], &bad["skipped"]), (&"bad.png: the file is empty".into(), &false.into()));
    assert!(deep["warnings"][0].as_str().unwrap().contains("16 bits"), "{deep}");

    let events = lines(&outcome.stderr);
    assert!(events.iter().all(|event| event["v"] == 1), "{events:?}");
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!(events[0], serde_json::json!({ "v": 1, "event": "start", "pictures": 3, "skipped": 1 }));
    assert_eq!(
        (named("picture").len(), named("done").len(), named("warning").len()),
        (3, 3, 1),
        "{events:?}"
    );
    let end = serde_json::json!({ "v": 1, "event": "end", "done": 2, "failed": 1, "skipped": 1, "left": 0 });
    assert_eq!(named("end"), [&end]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_batch_in_order() {
    use std::io::{BufRead, Read};
    let folder = Folder::new();
    for name in ["a.png", "b.png"] {
        picture(ColorType::Rgb8, 700, 700).save(folder.path(name)).unwrap();
    }
    let before = contents(&folder.path(""));
    let args = ["upscale", "a.png", "b.png", "--tile", "64", "-o", "new/", "--progress", "json"];
    let mut child = folder.spawn(&args);
    let mut events = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"progress\"") {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0, "it is under way");
    }
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    events.read_to_string(&mut said).unwrap();
    assert!(said.contains("stopped: 0 done, 0 failed, 2 left"), "{said}");
    assert_eq!(contents(&folder.path("")), before, "nothing is left");
}

/// A batch is killed now and then, goes on, and must end as one run. `SPARSR_BATCH=500` makes it larger, with a kill
/// for every 50.
#[cfg(unix)]
#[test]
fn a_batch_that_is_killed_goes_on_to_the_same_end() {
    use std::io::BufRead;
    let count = std::env::var("SPARSR_BATCH").ok().and_then(|count| count.parse().ok()).unwrap_or(40);
    let kills = (count / 50).max(3);
    let folder = Folder::new();
    mixed(&folder, count);
    folder.succeeds(&["upscale", "in", "-r", "-f", "same", "-o", "whole"]);

    let args = ["upscale", "in", "-r", "-f", "same", "-o", "parts", "--skip-existing", "--json"];
    let (mut seed, mut done) = (count as u64, vec![]);
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..kills {
        let mut child = folder.spawn(&args);
        let mut records = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + random(count / (kills + 1));
        while left > 0 {
            let record: Value = serde_json::from_str(&records.next().unwrap().unwrap()).unwrap();
            left -= usize::from(record["skipped"] == false);
        }
        std::thread::sleep(Duration::from_millis(random(20) as u64));
        let signal = ["-KILL", "-TERM", "-INT"][random(3)];
        assert!(
            std::process::Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        assert!(!child.wait().unwrap().success());
        done.push(contents(&folder.path("parts")).len());
    }
    folder.succeeds(&args);
    let below = |root: &str| -> Vec<_> {
        let strip = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
            (path.strip_prefix(folder.path(root)).map(Path::to_owned).unwrap(), bytes)
        };
        contents(&folder.path(root)).into_iter().map(strip).collect()
    };
    let (whole, parts) = (below("whole"), below("parts"));
    assert_eq!(whole.len(), count);
    assert!(whole == parts, "after {kills} kills, with {done:?} done by then");
    println!("{count} pictures, {kills} kills, with {done:?} done by then");
}

#[test]
fn sizes_go_by_the_options_and_into_the_name() {
    let folder = Folder::new();
    picture(ColorType::Rgb8, 12, 8).save(folder.path("a.png")).unwrap();
    let cases: [(&[&str], &str, [u32; 2]); 7] = [
        (&[], "a-x2.png", [24, 16]),
        (&["--scale", "1.5"], "a-x1.5.png", [18, 12]),
        (&["--scale", "3"], "a-x3.png", [36, 24]),
        (&["--width", "30"], "a-w30.png", [30, 20]),
        (&["--height", "4"], "a-h4.png", [6, 4]),
        (&["--fit", "50x20"], "a-50x20.png", [30, 20]),
        (&["--megapixels", "0.0006"], "a-0.0006mp.png", [30, 20]),
    ];
    for (args, name, size) in cases {
        folder.succeeds(&[&["upscale", "a.png"], args].concat());
        let large = image::open(folder.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!([large.width(), large.height()], size, "{args:?}");
    }
    for args in
        [["--scale", "0"], ["--scale", "big"], ["--width", "0"], ["--fit", "30"], ["--megapixels", "-1"]]
    {
        assert_eq!(folder.run(&[&["upscale", "a.png"], &args[..]].concat()).code, Some(2), "{args:?}");
    }
    assert_eq!(folder.run(&["upscale", "a.png", "--width", "9", "--height", "9"]).code, Some(2));
    let sentence = folder.fails(&["upscale", "a.png", "--width", "3000000000"]);
    assert!(sentence.starts_with("a.png: 12x8 times"), "{sentence}");
    let sentence = folder.fails(&["upscale", "a.png", "--width", "300000"]);
    assert!(sentence.starts_with("a.png: expected at most 4 GiB on the way"), "{sentence}");
}

#[test]
fn eval_makes_a_papers_table() {
    let folder = Folder::new();
    for (set, name) in [("one/HR", "p"), ("two", "q")] {
        fs::create_dir_all(folder.path(set)).unwrap();
        picture(ColorType::Rgb8, 30, 24).save(folder.path(&format!("{set}/{name}.png"))).unwrap();
    }
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/smsr-x2.safetensors");
    fs::copy(weights, folder.path("my_net.safetensors")).unwrap();
    let eval = |format: &str| {
        let args = ["eval", "smsr-x2", "my_net.safetensors", "--hr", "one/HR", "--hr", "two", "--npy", "npy"];
        folder.succeeds(&[&args[..], &["--format", format]].concat())
    };
    let runs: Value = serde_json::from_str(&eval("json")).unwrap();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 4);
    let run = &runs[3];
    assert_eq!((&run["model"], &run["set"], &run["scale"]), (&"my_net".into(), &"two".into(), &2.into()));
    assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
    let image = &run["images"][0];
    assert_eq!((&image["name"], &image["size"]), (&"q".into(), &[15, 12].into()));
    let inspected = folder.json(&["inspect", "smsr-x2", "--json"]);
    assert_eq!(run["parameters"], inspected["parameters"]);
    let a_pixel = inspected["macs_per_input_pixel"]["total"].as_f64().unwrap();
    let macs = image["macs"].as_f64().unwrap();
    // What is done once a picture counts for more in a small one.
    assert!((1.0..1.1).contains(&(macs / (15.0 * 12.0) / a_pixel)), "{macs}, {a_pixel} a pixel");
    for key in ["psnr_rgb", "ssim_rgb", "seconds"] {
        assert!(image[key].as_f64() > Some(0.0), "{key}");
    }

    let csv = eval("csv");
    assert_eq!(csv.lines().count(), 1 + 4 * 2);
    assert!(csv.lines().all(|line| line.split(',').count() == 17), "{csv}");
    let markdown: Vec<String> = eval("markdown").lines().map(str::to_owned).collect();
    assert_eq!(
        markdown[0],
        "| Model | Scale | Parameters | Multiply-adds | one PSNR | two PSNR | one SSIM | two SSIM |"
    );
    assert!(markdown.len() == 4 && markdown[3].starts_with("| my_net | x2 | "), "{markdown:?}");
    let latex = eval("latex");
    assert!(latex.contains("my\\_net & x2 & ") && latex.ends_with("\\end{tabular}\n"), "{latex}");

    let array = fs::read(folder.path("npy/my_net/two/q-body.0.spa_mask.npy")).unwrap();
    assert!(array.starts_with(b"\x93NUMPY\x01\x00") && array.len() % 64 == (15 * 12) % 64, "{}", array.len());
    assert!(
        String::from_utf8_lossy(&array)
            .contains("'descr': '|b1', 'fortran_order': False, 'shape': (12, 15), }")
    );
    assert!(folder.path("npy/my_net/two/q-output.npy").exists());
    let sentence = folder.fails(&["eval", "smsr-x2", "smsr-x2", "--hr", "two"]);
    assert!(sentence.starts_with("two networks are called smsr-x2"), "{sentence}");
    let sentence = folder.fails(&["eval", "--hr", "two", "--hr", "one/HR", "--lr", "two"]);
    assert!(sentence.starts_with("expected a folder --lr for each of 2 --hr"), "{sentence}");
}

#[test]
fn shells_and_manuals_are_told() {
    let folder = Folder::new();
    assert!(folder.run(&["completions", "bash"]).text().contains("--skip-existing"));
    assert!(folder.run(&["man"]).text().contains(".TH sparsr 1"));
    assert!(folder.run(&["man", "upscale"]).text().contains("skip\\-existing"));
    assert_eq!(folder.fails(&["man", "nothing"]), "no command `nothing`: `sparsr --help` lists them");
}
