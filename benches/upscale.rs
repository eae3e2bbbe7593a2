//! A whole picture through the built-in network, from pixels to pixels, on every engine at hand.
//!
//! The picture is made here: its left half is smooth, its right half is all texture, so a sparse network has
//! something to leave out. Before anything is timed, each device's picture is held against the CPU engine's.

mod support;

use criterion::{Criterion, Throughput};
use sparsr::{Model, Options, Pixels, Samples, Upscaled, Upscaler};

use support::Machine;

/// What a picture of 8 bits may differ by between engines: one flipped mask pixel moves its neighbours so far.
const LARGEST_DIFFERENCE: u8 = 2;

fn main() {
    let mut criterion = support::criterion();
    let machine = Machine::open();
    let model = Model::builtin("smsr-x2").expect("the model is part of the program");
    println!("model    {}: {}", model.name(), model.description());
    let sizes: &[(usize, usize)] = if support::testing() { &[(23, 17)] } else { &[(96, 96), (160, 120)] };
    for (width, height) in sizes {
        upscale(&mut criterion, &machine, &model, &picture(*width, *height));
    }
    criterion.final_summary();
}

fn upscale(criterion: &mut Criterion, machine: &Machine, model: &Model, picture: &Pixels) {
    let (width, height) = (picture.width(), picture.height());
    let mut cpu = Upscaler::on_cpu(model, Options::default()).expect("the CPU engine takes any model");
    let expected = cpu.upscale_pixels(picture).expect("the CPU engine takes any picture");
    describe(&expected, width, height);

    let clock = machine.clock;
    let mut group = support::group(criterion, &format!("{} {width}x{height}", model.name()));
    group.throughput(Throughput::Elements((width * height) as u64)); // input pixels
    let mut bench = |name: &str, upscaler: &mut Upscaler| {
        let mut verified = false;
        group.bench_function(name, |bencher| {
            if !std::mem::replace(&mut verified, true) {
                verify(&upscaler.upscale_pixels(picture).expect("the device is there"), &expected, name);
            }
            bencher.iter_custom(|iterations| {
                clock.time(iterations, || upscaler.upscale_pixels(picture).expect("the device is there"))
            });
        });
    };
    let gpu = |gpu| Upscaler::new(gpu, model, Options::default()).expect("the device takes any model");
    if machine.broadcasts() {
        bench("gpu, subgroups", &mut gpu(&machine.gpu));
    }
    bench("gpu", &mut gpu(&machine.gpu.clone().without_subgroups()));
    bench("cpu", &mut cpu);
    group.finish();
}

/// Where the work went: what a time is to be read beside.
fn describe(upscaled: &Upscaled, width: usize, height: usize) {
    let densities: Vec<String> = upscaled.masks.iter().map(|mask| format!("{:.2}", mask.density())).collect();
    println!(
        "{width}x{height}: mask densities {}; {:.0} % of the multiply-adds kept",
        densities.join(" "),
        100.0 * upscaled.macs_kept
    );
}

fn verify(found: &Upscaled, expected: &Upscaled, engine: &str) {
    let (found, expected) = (bytes(&found.pixels), bytes(&expected.pixels));
    let differences = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected));
    let largest = differences.max().expect("a picture has pixels");
    assert_eq!(found.len(), expected.len(), "{engine}");
    assert!(largest <= LARGEST_DIFFERENCE, "{engine}: {largest} code values off the CPU engine's picture");
}

/// A smooth half beside a textured one.
fn picture(width: usize, height: usize) -> Pixels {
    let noise = support::seeded::numbers(7, width * height);
    let mut samples = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let smooth = 0.5 + 0.3 * (3.0 * u + 2.0 * v).sin();
            let texture = 0.25 * (1.3 * x as f32).sin() * (1.1 * y as f32).cos() + 0.1 * noise[y * width + x];
            let value = smooth + if u < 0.5 { 0.0 } else { texture };
            samples.extend([1.0, 0.9, 0.8].map(|tint| (255.0 * tint * value).round() as u8)); // saturates
        }
    }
    Pixels::new(width, height, Samples::U8(samples))
}

fn bytes(pixels: &Pixels) -> &[u8] {
    match pixels.samples() {
        Samples::U8(samples) => samples,
        Samples::U16(_) => panic!("a picture of 8 bits stays one"),
    }
}
