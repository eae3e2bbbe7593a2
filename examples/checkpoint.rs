//! A checkpoint that is part of a program: read from memory, looked at, run on a few pixels.
//! `cargo run --release --example checkpoint`

use sparsr::low_level::weights::Weights;
use sparsr::{Model, Options, Pixels, Result, Samples, Upscaler};

/// Any file that `Model::load` takes: safetensors, or PyTorch's `.pth` and `.pt`.
const CHECKPOINT: &[u8] = include_bytes!("../weights/smsr-x2.safetensors");

fn main() -> Result<()> {
    let weights = Weights::from_bytes("my network", CHECKPOINT)?;
    let model = Model::from_weights("my network", weights)?;
    println!(
        "{}: {}, ×{}, {} parameters",
        model.architecture(),
        model.description(),
        model.scale(),
        model.parameters()
    );

    let picture = Pixels::new(16, 16, Samples::U8((0..3 * 16 * 16).map(|at| (at % 251) as u8).collect()))?;
    let mut upscaler = Upscaler::on_cpu(&model, Options::default())?;
    let large = upscaler.upscale_pixels(&picture)?;
    println!(
        "{}×{} pixels, {:.0} % of the work",
        large.pixels.width(),
        large.pixels.height(),
        100.0 * large.macs_kept
    );
    Ok(())
}
