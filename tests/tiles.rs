//! Tiled equals whole: a picture in tiles is the picture in one piece, whatever the tile, the size, the engine.

#[path = "support/adapter.rs"]
mod adapter;
#[path = "support/seeded.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod seeded;

use sparsr::{Gpu, Model, Options, Pixels, Samples, Tiling, Upscaled, Upscaler};

/// A picture with edges, flats and fine detail.
fn picture(width: usize, height: usize) -> Pixels {
    let sample = |i: usize| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        let wave = ((x * (c + 2)) as f64 * 0.21).sin() * ((y + 3 * c) as f64 * 0.13).cos();
        let edge = if (x / 17 + y / 23) % 3 == 0 { 60.0 } else { 0.0 };
        let grain = if x / 40 % 2 == 0 { f64::from((x * 7 + y * 13 + c * 5) as u32 % 31) } else { 0.0 };
        (100.0 + 50.0 * wave + edge + grain).clamp(0.0, 255.0) as u8
    };
    Pixels::new(width, height, Samples::U8((0..3 * width * height).map(sample).collect()))
}

fn upscaler(gpu: Option<&Gpu>, model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    options.tiling = tiling;
    match gpu {
        Some(gpu) => Upscaler::new(gpu, model, options).unwrap(),
        None => Upscaler::on_cpu(model, options).unwrap(),
    }
}

/// The largest difference, in code values.
fn apart(found: &Upscaled, expected: &Upscaled) -> u8 {
    let (Samples::U8(found), Samples::U8(expected)) = (found.pixels.samples(), expected.pixels.samples())
    else {
        unreachable!("8 bits stay 8 bits")
    };
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max().unwrap_or(0)
}

#[test]
fn smsr_in_tiles_is_smsr() {
    let model = Model::builtin("smsr-x2").unwrap();
    let gpu = adapter::gpu("smsr_in_tiles_is_smsr, on a GPU");
    for engine in [None, gpu.as_ref()].into_iter().take(1 + usize::from(gpu.is_some())) {
        for (width, height) in [(1, 1), (3, 2), (50, 37), (131, 95), (260, 201)] {
            let picture = picture(width, height);
            let whole = upscaler(engine, &model, Tiling::Whole).upscale_pixels(&picture).unwrap();
            for tile in [32, 48, 64, 100, 128] {
                let tiled = upscaler(engine, &model, Tiling::Pixels(tile)).upscale_pixels(&picture).unwrap();
                let apart = apart(&tiled, &whole);
                println!("{} {width}x{height} in {tile}: {apart}", engine.map_or("CPU", Gpu::name));
                assert!(apart <= 1, "{width}x{height} in tiles of {tile}: {apart}");
            }
        }
    }
}
