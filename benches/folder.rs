//! A folder of small pictures, from files to files: the program on all of them, one process a picture, and one
//! picture after the other within one process, each wait for the device in full.
//!
//! All write the same pictures, which is checked before anything is timed. The clock is the wall's: what is measured is
//! whether the machine is kept busy. So let nothing else run.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use image::RgbImage;
use sparsr::{Device, DeviceChoice, Gpu, Model, Options, Picture, Pixels, Samples, Upscaler};

use support::rounds::Rounds;
use support::{pictures, seeded};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sparsr");

const WAYS: [&str; 3] = ["the program, all of them", "one process a picture", "one picture after the other"];

fn main() {
    if !support::plain() && !support::testing() {
        return; // a table, and nothing for criterion
    }
    let (count, rounds) = if support::testing() { (3, 0) } else { (100, 3) };
    let device = std::env::var("SPARSR_DEVICE").unwrap_or_else(|_| "auto".into());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let inputs = small_pictures(folder.path(), count);
    let outputs = WAYS.map(|way| folder.path().join(way));
    let mut run = |way: usize| match way {
        0 => call(&inputs, &outputs[0], &device),
        1 => inputs.iter().for_each(|input| call(std::slice::from_ref(input), &outputs[1], &device)),
        _ => one_after_the_other(&inputs, &outputs[2], &device),
    };
    (0..WAYS.len()).for_each(&mut run);
    for output in &outputs[1..] {
        same(&inputs, &outputs[0], output);
    }
    println!("{count} pictures of 64x64 to 256x256 on `{device}`: the same pictures by {} ways", WAYS.len());
    if rounds == 0 {
        return;
    }
    let measured = Rounds::measure(WAYS.len(), rounds, |way, iterations| {
        let begin = Instant::now();
        (0..iterations).for_each(|_| run(way));
        begin.elapsed()
    });
    println!("\n| | s | to the program |\n|---|---:|---:|");
    for (way, name) in WAYS.iter().enumerate() {
        println!("| {name} | {:.1} | {:.2} |", measured.seconds(way), measured.ratio(way, 0));
    }
}

/// Parts of a picture that is half smooth and half texture, each of a size of its own.
fn small_pictures(folder: &Path, count: usize) -> Vec<PathBuf> {
    let source = pictures::halves(256, 256);
    let sides = seeded::numbers(7, 4 * count);
    let picture = |(at, numbers): (usize, &[f32])| {
        let part = |number: f32, most: usize| (f64::from(number + 1.0) / 2.0 * most as f64) as usize;
        let [width, height] = [0, 1].map(|axis| 64 + part(numbers[axis], 192));
        let x = part(numbers[2], source.width() - width);
        let y = part(numbers[3], source.height() - height);
        let path = folder.join(format!("{at:03}.png"));
        save(&source.part(x..x + width, y..y + height).unwrap(), &path);
        path
    };
    sides.chunks_exact(4).enumerate().map(picture).collect()
}

fn save(pixels: &Pixels, path: &Path) {
    let Samples::U8(samples) = pixels.samples() else { unreachable!("a picture of 8 bits") };
    let picture = RgbImage::from_raw(pixels.width() as u32, pixels.height() as u32, samples.clone());
    picture.expect("three samples a pixel").save(path).expect("the folder takes files");
}

fn call(inputs: &[PathBuf], output: &Path, device: &str) {
    let mut command = Command::new(PROGRAM);
    command.arg("upscale").args(inputs).arg("-o").arg(output).args(["--force", "--device", device]);
    assert!(command.output().expect("the program is built").status.success(), "{command:?}");
}

/// Decode, enlarge, encode, write; then the next.
fn one_after_the_other(inputs: &[PathBuf], output: &Path, device: &str) {
    let model = Model::builtin("smsr-x2").expect("the model is part of the program");
    let choice: DeviceChoice = device.parse().expect("any word is a choice");
    let options = Options::default();
    let mut upscaler = match choice.select(&sparsr::adapters()).expect("the device is there").device {
        Device::Cpu => Upscaler::on_cpu(&model, options),
        Device::Gpu(adapter) => Upscaler::new(&Gpu::open(&adapter).expect("it opens"), &model, options),
    }
    .expect("any device takes the model");
    std::fs::create_dir_all(output).expect("the folder takes folders");
    for input in inputs {
        let picture = Picture::read(input).expect("a picture");
        let large = upscaler.upscale_picture(&picture).expect("the device is there").picture;
        let path = enlarged(input, output);
        let bytes = large
            .encode(&path, image::ImageFormat::Png, &sparsr::Encoding::default())
            .expect("a PNG takes any picture");
        std::fs::write(path, bytes).expect("the folder takes files");
    }
}

fn enlarged(input: &Path, output: &Path) -> PathBuf {
    output.join(format!("{}-x2.png", input.file_stem().expect("a file has a name").display()))
}

/// Both folders hold the same pictures, to one code value: less memory may mean tiles.
fn same(inputs: &[PathBuf], one: &Path, other: &Path) {
    for input in inputs {
        let [one, other] =
            [one, other].map(|folder| image::open(enlarged(input, folder)).expect("it was written"));
        let apart =
            one.as_bytes().iter().zip(other.as_bytes()).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(one.color() == other.color() && apart <= Some(1), "{}: {apart:?} apart", input.display());
    }
}
