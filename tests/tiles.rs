//! Tiled equals whole: a picture in tiles is the picture in one piece, whatever the tile, the size, the engine.

mod support;

use proptest::prelude::*;
use sparsr::low_level::cpu;
use sparsr::low_level::models::{edsr, swinir};
use sparsr::low_level::plan::{Phase, uncut};
use sparsr::low_level::tensor::Shape;
use sparsr::{Gpu, Model, Options, Pixels, Precision, Samples, Tiling, Upscaled, Upscaler};
use support::{adapter, compare, golden, seeded};

const TILES: [usize; 5] = [48, 64, 100, 128, 256];

/// A picture with edges, flats and fine detail.
fn picture(width: usize, height: usize) -> Pixels {
    let sample = |i: usize| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        let wave = ((x * (c + 2)) as f64 * 0.21).sin() * ((y + 3 * c) as f64 * 0.13).cos();
        let edge = if (x / 17 + y / 23).is_multiple_of(3) { 60.0 } else { 0.0 };
        let grain = if (x / 40).is_multiple_of(2) { ((x * 7 + y * 13 + c * 5) % 31) as f64 } else { 0.0 };
        (100.0 + 50.0 * wave + edge + grain).clamp(0.0, 255.0) as u8
    };
    Pixels::new(width, height, Samples::U8((0..3 * width * height).map(sample).collect())).unwrap()
}

/// On the CPU engine, or on a GPU.
fn enlarged(gpu: Option<&Gpu>, model: &Model, tiling: Tiling, picture: &Pixels) -> Upscaled {
    let mut options = Options::default();
    (options.tiling, options.precision) = (tiling, Precision::F32);
    let upscaler = match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options),
        None => Upscaler::on_cpu(model, options),
    };
    upscaler.unwrap().upscale_pixels(picture).unwrap()
}

fn tiny_edsr(scale: usize) -> Model {
    let config = edsr::Config { scale, ..seeded::TINY_EDSR };
    Model::from_weights("tiny", seeded::edsr(&config)).unwrap()
}

/// Holds tiles against one piece, masks included; the most that they are apart.
fn check(gpu: Option<&Gpu>, model: &Model, (width, height): (usize, usize), tiles: &[usize], allowed: u32) {
    let picture = picture(width, height);
    let whole = enlarged(gpu, model, Tiling::Whole, &picture);
    for tile in tiles {
        let tiled = enlarged(gpu, model, Tiling::Pixels(*tile), &picture);
        let case = format!("{} {width}x{height} in tiles of {tile}", gpu.map_or("CPU", Gpu::name));
        let apart = compare::apart(&tiled.pixels, &whole.pixels).worst;
        assert!(apart <= allowed, "{case}: {apart} code values apart");
        let flips = whole.masks.iter().zip(&tiled.masks).flat_map(|(a, b)| a.active.iter().zip(&b.active));
        let flips = flips.filter(|(a, b)| a != b).count();
        assert_eq!((tiled.masks.len(), flips), (whole.masks.len(), 0), "{case}: masks");
        assert!((tiled.macs_kept - whole.macs_kept).abs() < 1e-6, "{case}: {}", tiled.macs_kept);
    }
}

#[test]
fn a_local_network_gives_the_same_to_the_last_bit_on_the_cpu() {
    for scale in [2, 3, 4] {
        let model = tiny_edsr(scale);
        for size in [(1, 1), (2, 7), (49, 48), (63, 257), (517, 389)] {
            check(None, &model, size, &TILES, 0);
        }
    }
}

#[test]
fn windows_of_attention_are_the_same_to_the_last_bit_on_the_cpu() {
    for scale in [2, 4] {
        let config = swinir::Config { scale, ..seeded::tiny_swinir() };
        let model = Model::from_weights("tiny", seeded::swinir(&config)).unwrap();
        for size in [(1, 1), (7, 2), (49, 48), (203, 131)] {
            check(None, &model, size, &TILES, 0);
        }
    }
}

#[test]
fn what_looks_at_the_whole_picture_is_not_cut() {
    let model = Model::from_weights("tiny", seeded::esrt(4, 2)).unwrap();
    for size in [(1, 1), (49, 48), (63, 57)] {
        check(None, &model, size, &TILES, 0);
    }
}

#[test]
fn global_pools_see_the_whole_picture_on_the_cpu() {
    let model = seeded::tiny_smsr();
    for size in [(1, 1), (3, 2), (49, 48), (255, 131), (517, 389)] {
        check(None, &model, size, &TILES, 1);
    }
    check(None, &Model::builtin("smsr-x2").unwrap(), (203, 117), &[48, 100], 1);
}

#[test]
fn a_device_gives_the_same_in_tiles() {
    let Some(gpu) = adapter::gpu("a_device_gives_the_same_in_tiles") else { return };
    for model in [tiny_edsr(2), tiny_edsr(3), seeded::tiny_smsr()] {
        for size in [(1, 1), (3, 2), (49, 48), (255, 131), (517, 389)] {
            check(Some(&gpu), &model, size, &TILES, 1);
        }
    }
    check(Some(&gpu), &Model::builtin("smsr-x2").unwrap(), (203, 117), &[48, 100], 1);
}

#[test]
fn sixteen_bits_pass_in_tiles_too() {
    let gpu = adapter::gpu("sixteen_bits_pass_in_tiles_too, on a GPU");
    let picture = seeded::picture16(77, 54, 3);
    for engine in std::iter::once(None).chain(gpu.as_ref().map(Some)) {
        let [whole, tiled] = [Tiling::Whole, Tiling::Pixels(32)]
            .map(|tiling| enlarged(engine, &tiny_edsr(2), tiling, &picture).pixels);
        let apart = compare::apart(&tiled, &whole).worst;
        // 16-bit noise is as hard as it gets: a hundredth of an 8-bit code value.
        assert!(apart <= if engine.is_none() { 0 } else { 3 }, "{apart}");
    }
}

/// Networks that look at the whole picture in a way that no passes over tiles serve.
const WHOLE_PICTURES: &[&str] = &["dat", "esrt", "safmn"];

/// One code value, since the grid of Winograd's tiles moves with the window, and sums of means with the tile.
#[test]
fn every_family_passes_in_tiles() {
    let gpu = adapter::gpu("every_family_passes_in_tiles");
    for golden in golden::all() {
        let [width, height] = [67, 50];
        let side = golden.model.alignment() * 16;
        let phases = Phase::all(golden.model.graph(Shape::new(1, 3, side, side)).unwrap());
        let whole = uncut(&phases).is_some();
        assert_eq!(whole, WHOLE_PICTURES.contains(&&*golden.architecture), "{}", golden.model.name());
        for gpu in [None].into_iter().chain(gpu.as_ref().map(Some)).filter(|_| !whole) {
            println!("{}", golden.model.name());
            check(gpu, &golden.model, (width, height), &[16, 27], 1);
        }
    }
}

#[test]
fn masks_come_tile_by_tile_as_the_network_makes_them() {
    let (model, picture) = (seeded::tiny_smsr(), picture(90, 70));
    let graph = model.graph(Shape::new(1, 3, 70, 90)).unwrap();
    let masks: Vec<_> = graph.masks().collect();
    let input = picture.to_tensor(graph.range());
    let (_, expected) = cpu::run_keeping(&graph, model.net().numbers(), &input, &masks).unwrap();
    for tiling in [Tiling::Whole, Tiling::Pixels(32)] {
        let found = enlarged(None, &model, tiling, &picture).masks;
        for ((found, expected), value) in found.iter().zip(&expected).zip(&masks) {
            assert_eq!((&found.name, found.width, found.height), (&graph.node(*value).name, 90, 70));
            let expected: Vec<bool> = expected.values().iter().map(|value| *value == 1.0).collect();
            assert!(found.active == expected && found.density() > 0.0, "{} {tiling:?}", found.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_size_in_any_tile(width in 1_usize..150, height in 1_usize..150, tile in 16_usize..80, scale in 2_usize..5) {
        check(None, &tiny_edsr(scale), (width, height), &[tile], 0);
        check(None, &seeded::tiny_smsr(), (width, height), &[tile], 1);
    }
}

/// Without the cut at its pools SMSR is another network in every tile. What this file checks would notice.
#[test]
fn ordinary_tiles_would_not_do() {
    let model = Model::builtin("smsr-x2").unwrap();
    let picture = picture(128, 64);
    let whole = enlarged(None, &model, Tiling::Whole, &picture);
    let left = enlarged(None, &model, Tiling::Whole, &picture.part(0..96, 0..64).unwrap());
    // Far from the cut, farther than any convolution sees.
    let [whole, left] = [whole, left].map(|upscaled| upscaled.pixels.part(0..64, 0..128).unwrap());
    assert_ne!(whole, left);
}

/// By hand: a module's mask branch and its four convolutions under it need 7 pixels, made even; the head has 2 more.
#[test]
fn a_phase_looks_no_further_than_its_module() {
    let model = Model::builtin("smsr-x2").unwrap();
    let phases = Phase::all(model.graph(Shape::new(1, 3, 64, 64)).unwrap());
    let radii: Vec<usize> = phases.iter().map(|phase| phase.receptive_field().unwrap().radius).collect();
    assert_eq!(radii, [10, 8, 8, 8, 8, 2]);
    // 256 kept pixels a side in windows inside a picture: less than 1.15 computed for each.
    let computed: f64 = radii.iter().map(|radius| (1.0 + 2.0 * *radius as f64 / 256.0).powi(2)).sum();
    assert!(computed / 6.0 < 1.15);
}
