//! Pictures through a ladder of networks: each part is the network's that it was routed to, no pixel is left out, and the
//! ends of the effort are the networks alone.

mod support;

use std::sync::{Arc, LazyLock};

use sparsr::low_level::metrics::resize_bicubic_matlab;
use sparsr::{
    Cancel, Depth, Effort, Error, FrameUpscaler, Ladder, LadderFit, Mask, Model, Options, PixelRows, Pixels,
    Samples, Upscaler,
};
use support::adapter;

/// Networks without global pools: what they make of a window is what they make of it in the whole picture.
const NETWORKS: [&str; 2] = ["edsrtiny-x2", "edsrmini-x2"];

/// A picture that is a slope, and in its middle third a photograph, mirrored as often as it takes.
fn large(width: usize, height: usize) -> Pixels {
    static HARBOUR: LazyLock<image::RgbImage> = LazyLock::new(|| {
        image::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/harbour.png")).unwrap().into_rgb8()
    });
    let mirrored = |at: usize, length: u32| {
        let at = at as u32 % (2 * length);
        at.min(2 * length - 1 - at)
    };
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        if !(width / 3..2 * width / 3).contains(&x) {
            return [0, 10, 20].map(|channel| (channel + 40 + 60 * x / width + 50 * y / height) as u8);
        }
        HARBOUR.get_pixel(mirrored(x, HARBOUR.width()), mirrored(y, HARBOUR.height())).0
    };
    Pixels::new(width, height, Samples::U8((0..width * height).flat_map(pixel).collect())).unwrap()
}

/// The same, made small.
fn picture(width: usize, height: usize) -> Pixels {
    resize_bicubic_matlab(&large(2 * width, 2 * height), width, height)
}

fn fit(models: &[Model]) -> LadderFit {
    let mut fit = LadderFit::new(models).unwrap();
    for [width, height] in [[320, 256], [256, 320]] {
        fit.observe(&picture(width, height), &large(2 * width, 2 * height)).unwrap();
    }
    fit
}

static LADDER: LazyLock<Arc<Ladder>> = LazyLock::new(|| {
    let models: Vec<Model> = NETWORKS.iter().map(|name| Model::builtin(name).unwrap()).collect();
    Arc::new(fit(&models).ladder().unwrap())
});

fn options(effort: f64) -> Options {
    let mut options = Options::default();
    options.ladder = Some(Effort { ladder: LADDER.clone(), effort });
    options
}

fn with_effort(effort: f64) -> Upscaler {
    Upscaler::on_cpu(LADDER.best(), options(effort)).unwrap()
}

fn alone(name: &str) -> Upscaler {
    Upscaler::on_cpu(&Model::builtin(name).unwrap(), Options::default()).unwrap()
}

/// Samples as numbers.
fn samples(picture: &Pixels) -> Vec<i32> {
    match picture.samples() {
        Samples::U8(samples) => samples.iter().copied().map(i32::from).collect(),
        Samples::U16(samples) => samples.iter().copied().map(i32::from).collect(),
    }
}

/// The largest difference of samples at large pixels whose small one is `chosen`.
fn furthest(a: &Pixels, b: &Pixels, chosen: impl Fn(usize, usize) -> bool) -> i32 {
    let width = a.width();
    let pairs = samples(a).into_iter().zip(samples(b)).enumerate();
    let of = |(at, (a, b)): (usize, (i32, i32))| {
        chosen(at / 3 % width / 2, at / 3 / width / 2).then_some((a - b).abs())
    };
    pairs.filter_map(of).max().unwrap_or(0)
}

/// Whether a mask is set at a pixel and all around it.
fn well_within(mask: &Mask, x: usize, y: usize) -> bool {
    let around = |at: usize, length: usize| at.saturating_sub(5)..(at + 6).min(length);
    around(y, mask.height).all(|y| around(x, mask.width).all(|x| mask.active[y * mask.width + x]))
}

#[test]
fn the_ends_of_the_effort_are_networks_alone() {
    for size in [[1, 1], [5, 3], [33, 31], [200, 90]] {
        let small = picture(size[0], size[1]);
        for (effort, name) in [(0.0, NETWORKS[0]), (1.0, NETWORKS[1])] {
            let found = with_effort(effort).upscale_pixels(&small).unwrap().pixels;
            let expected = alone(name).upscale_pixels(&small).unwrap().pixels;
            assert_eq!(found, expected, "{size:?} at {effort}");
        }
    }
}

#[test]
fn each_part_is_its_networks_and_no_pixel_is_left_out() {
    for size in [[320, 256], [321, 333], [320, 1100]] {
        let small = picture(size[0], size[1]);
        let made = with_effort(0.4).upscale_pixels(&small).unwrap();
        let [tiny, mini] = &made.masks[..] else { panic!("a mask a network") };
        assert_eq!([&*tiny.name, &*mini.name], NETWORKS);
        assert!(tiny.active.iter().zip(&mini.active).all(|(tiny, mini)| tiny != mini), "{size:?}: one each");
        assert!(mini.density() > 0.0 && mini.density() < 0.9, "{size:?}: {}", mini.density());
        for (name, mask) in NETWORKS.iter().zip(&made.masks) {
            let whole = alone(name).upscale_pixels(&small).unwrap().pixels;
            let difference = furthest(&made.pixels, &whole, |x, y| well_within(mask, x, y));
            assert!(difference <= 1, "{size:?}: {name} is {difference} away");
        }
        // Where they meet, nothing is outside of what the two make, but for what a short halo costs.
        let wholes = NETWORKS.map(|name| samples(&alone(name).upscale_pixels(&small).unwrap().pixels));
        for ((found, a), b) in samples(&made.pixels).into_iter().zip(&wholes[0]).zip(&wholes[1]) {
            assert!((a.min(b) - 4..=a.max(b) + 4).contains(&found), "{size:?}: {found}, not of {a} and {b}");
        }
    }
}

#[test]
fn more_effort_is_more_work_up_to_the_best_networks() {
    let small = picture(320, 256);
    let kept: Vec<f64> = [0.0, 0.3, 0.6, 0.9, 1.0]
        .map(|effort| with_effort(effort).upscale_pixels(&small).unwrap().macs_kept)
        .to_vec();
    assert!(kept.is_sorted(), "{kept:?}");
    assert!(kept[0] < 0.3 && kept[4] == 1.0, "{kept:?}");
}

#[test]
fn sixteen_bits_and_rows_go_the_same_way() {
    let eight = picture(320, 256);
    let Samples::U8(values) = eight.samples() else { unreachable!() };
    let sixteen = values.iter().map(|value| 257 * u16::from(*value)).collect();
    let sixteen = Pixels::new(320, 256, Samples::U16(sixteen)).unwrap();
    let mut upscaler = with_effort(0.5);
    let large = upscaler.upscale_pixels(&eight).unwrap();
    let deep = upscaler.upscale_pixels(&sixteen).unwrap();
    assert_eq!((deep.pixels.depth(), deep.macs_kept), (Depth::Sixteen, large.macs_kept));
    let near = samples(&deep.pixels)
        .into_iter()
        .zip(samples(&large.pixels))
        .all(|(a, b)| (a - 257 * b).abs() <= 257);
    assert!(near, "the same picture");
    let mut rows: Vec<Pixels> = Vec::new();
    let streamed = upscaler.upscale_rows(&mut PixelRows::new(&eight), &mut rows).unwrap();
    assert_eq!((rows[0].clone(), streamed.macs_kept), (large.pixels, large.macs_kept));
    assert!(streamed.recomputed > 1.0);
}

#[test]
fn a_gpu_makes_the_same_picture() {
    let Some(gpu) = adapter::gpu("a_gpu_makes_the_same_picture") else { return };
    let small = picture(300, 200);
    let mut on_gpu = Upscaler::new(&gpu, LADDER.best(), options(0.4)).unwrap();
    let made = on_gpu.upscale_pixels(&small).unwrap();
    let [tiny, mini] = &made.masks[..] else { panic!("a mask a network") };
    assert!(tiny.density() > 0.0 && mini.density() > 0.0);
    for (name, mask) in NETWORKS.iter().zip(&made.masks) {
        let whole = alone(name).upscale_pixels(&small).unwrap().pixels;
        let difference = furthest(&made.pixels, &whole, |x, y| well_within(mask, x, y));
        assert!(difference <= 2, "{name} is {difference} away"); // another engine's last digits besides
    }
}

#[test]
fn a_video_is_its_frames() {
    let mut frames = FrameUpscaler::new(with_effort(0.5)).unwrap();
    let mut whole = with_effort(0.5);
    for small in [picture(200, 96), picture(200, 96), picture(96, 200)].map(Arc::new) {
        assert_eq!(*frames.upscale(&small).unwrap(), whole.upscale_pixels(&small).unwrap().pixels);
    }
    assert_eq!(frames.counts().still, 1);
}

#[test]
fn a_run_is_ended_and_the_next_one_is_right() {
    let small = picture(200, 96);
    let mut options = options(0.5);
    let cancel = Cancel::default();
    options.control.cancel = cancel.clone();
    cancel.cancel();
    let mut upscaler = Upscaler::on_cpu(LADDER.best(), options).unwrap();
    assert!(matches!(upscaler.upscale_pixels(&small), Err(Error::Cancelled)));
    upscaler.set_control(&sparsr::Control::default());
    let expected = with_effort(0.5).upscale_pixels(&small).unwrap().pixels;
    assert_eq!(upscaler.upscale_pixels(&small).unwrap().pixels, expected);
    assert_eq!(upscaler.progress().share(), 1.0);
}

#[test]
fn a_file_is_the_ladder_and_the_same_pictures_make_the_same_file() {
    let bytes = LADDER.to_safetensors().unwrap();
    let models: Vec<Model> = LADDER.models().cloned().collect();
    assert_eq!(fit(&models).ladder().unwrap().to_safetensors().unwrap(), bytes);
    let read = Ladder::from_bytes("l", &bytes, &Model::builtin).unwrap();
    assert_eq!(read.to_safetensors().unwrap(), bytes);
    let names: Vec<&str> = read.models().map(Model::name).collect();
    assert_eq!(names, NETWORKS);
    let mut options = Options::default();
    options.ladder = Some(Effort { ladder: Arc::new(read), effort: 0.5 });
    let small = picture(200, 96);
    let found = Upscaler::on_cpu(LADDER.best(), options).unwrap().upscale_pixels(&small).unwrap();
    assert_eq!(found.pixels, with_effort(0.5).upscale_pixels(&small).unwrap().pixels);
}

#[test]
fn what_is_no_ladder_is_refused() {
    let says = |error: Error, expected: &str| {
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
    };
    let model = |name: &str| Model::builtin(name).unwrap();
    says(
        LadderFit::new(&[model("smsr-x2")]).unwrap_err(),
        "expected two networks or more for a ladder, found smsr-x2",
    );
    let scales = LadderFit::new(&[model("edsrmini-x2"), model("edsrmini-x3")]).unwrap_err();
    says(scales, "expected networks of one scale, found edsrmini-x2 of x2 and edsrmini-x3 of x3");
    let mut few = LadderFit::new(&[model("edsrtiny-x2"), model("edsrmini-x2")]).unwrap();
    says(few.ladder().unwrap_err(), "cells of 32x32 pixels at least, found 0: give more pictures");
    let small = picture(40, 40);
    says(few.observe(&small, &small).unwrap_err(), "expected a large picture of [80, 80], found [40, 40]");

    let network = model("edsrmini-x2").to_safetensors(sparsr::low_level::weights::Stored::F32).unwrap();
    says(Ladder::from_bytes("a", &network, &Model::builtin).unwrap_err(), "expected a ladder of networks");
    let bytes = LADDER.to_safetensors().unwrap();
    says(Ladder::from_bytes("a", &bytes[..bytes.len() - 9], &Model::builtin).unwrap_err(), "a");
    let nan = [&bytes[..bytes.len() - 4], &f32::NAN.to_le_bytes()].concat();
    says(Ladder::from_bytes("a", &nan, &Model::builtin).unwrap_err(), "the file is damaged");

    let other = Upscaler::on_cpu(&model("smsr-x2"), options(0.5)).unwrap_err();
    says(other, "expected the best network of the ladder, edsrmini-x2, found smsr-x2");
    says(with_effort(0.5).set_model(&model("smsr-x2")).unwrap_err(), "a ladder's networks stay");
}

#[test]
fn built_in_ladders_are_of_built_in_networks() {
    let ladder = Ladder::builtin(2).unwrap();
    let names: Vec<&str> = ladder.models().map(Model::name).collect();
    assert_eq!(names, ["edsrtiny-x2", "edsrmini-x2", "smsr-x2"]);
    assert!(Ladder::builtin(7).unwrap_err().to_string().contains("no built-in ladder of networks of x7"));
}
