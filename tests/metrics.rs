//! The yardstick itself: Set5's small pictures and the bicubic line of every paper's table.

#![cfg(feature = "image")]

#[path = "support/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};

use sparsr::low_level::metrics::{psnr_y, resize_bicubic_matlab, ssim_y};
use sparsr::{Pixels, Samples};

const SET5: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/set5");

fn read(folder: &str, name: &str) -> Pixels {
    let path: PathBuf = [SET5, folder, name].iter().collect();
    let rgb = image::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_rgb8();
    Pixels::new(rgb.width() as usize, rgb.height() as usize, Samples::U8(rgb.into_raw())).unwrap()
}

/// Large and small picture of each of the five, or nothing where the set is absent.
fn set5() -> Vec<(Pixels, Pixels)> {
    if !Path::new(SET5).exists() {
        skip::told(format_args!("Set5 is not at {SET5}"));
        return Vec::new();
    }
    ["baby.png", "bird.png", "butterfly.png", "head.png", "woman.png"]
        .map(|name| (read("HR", name), read("LR_x2", name)))
        .into()
}

#[test]
fn set5_is_made_small_to_the_last_bit() {
    for (large, small) in set5() {
        assert!(resize_bicubic_matlab(&large, small.width(), small.height()) == small);
    }
}

#[test]
fn bicubic_scores_what_papers_print() {
    let scores: Vec<(f64, f64)> = set5()
        .iter()
        .map(|(large, small)| {
            let bicubic = resize_bicubic_matlab(small, large.width(), large.height());
            (psnr_y(&bicubic, large, 2), ssim_y(&bicubic, large, 2))
        })
        .collect();
    if scores.is_empty() {
        return;
    }
    let mean = |score: fn(&(f64, f64)) -> f64| scores.iter().map(score).sum::<f64>() / scores.len() as f64;
    let (psnr, ssim) = (mean(|score| score.0), mean(|score| score.1));
    assert!((psnr - 33.673).abs() < 0.001, "{psnr:.4} dB");
    assert!((ssim - 0.9303).abs() < 0.0001, "{ssim:.5}");
}
