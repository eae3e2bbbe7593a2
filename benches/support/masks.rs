//! Masks of a wanted density: three made, of different character, and those that a network finds in a picture.
//!
//! ```text
//! blobs   connected regions: where a sum of slow waves is large
//! edges   lines, a pixel or two wide at low density: where that sum crosses one of several levels
//! salt    single pixels, anywhere
//! ```

use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Model, Options, Pixels, Upscaler};

use super::seeded;

/// Where a sum of slow waves is largest.
pub fn blobs(shape: Shape, density: f64) -> Tensor {
    smallest(shape, density, |y, x| -waves(y, x))
}

/// Where it is nearest to a level; levels are some six pixels apart.
pub fn edges(shape: Shape, density: f64) -> Tensor {
    smallest(shape, density, |y, x| (2.0 * waves(y, x)).sin().abs())
}

/// Where noise is smallest.
pub fn salt(shape: Shape, density: f64) -> Tensor {
    let noise = seeded::numbers(11, shape.pixels());
    smallest(shape, density, |y, x| noise[y * shape.width + x])
}

/// The masks that a network finds in a picture, by the CPU engine.
pub fn found(model: &Model, picture: &Pixels) -> Vec<Tensor> {
    let mut cpu = Upscaler::on_cpu(model, Options::default()).expect("the CPU engine takes any model");
    let upscaled = cpu.upscale_pixels(picture).expect("the CPU engine takes any picture");
    let tensor = |mask: &sparsr::Mask| {
        let values = mask.active.iter().map(|active| f32::from(u8::from(*active))).collect();
        Tensor::new(Shape::new(1, 1, mask.height, mask.width), values)
    };
    upscaled.masks.iter().map(tensor).collect()
}

/// The share of active pixels.
pub fn density(mask: &Tensor) -> f64 {
    mask.values().iter().map(|value| f64::from(*value)).sum::<f64>() / mask.values().len() as f64
}

/// The share of a grid's 4×4 tiles with an active pixel.
pub fn active_tiles(mask: &Tensor) -> f64 {
    let Shape { height, width, .. } = mask.shape();
    let (rows, columns) = (height.div_ceil(4), width.div_ceil(4));
    let mut active = vec![false; rows * columns];
    for (at, value) in mask.plane(0, 0).iter().enumerate() {
        active[at / width / 4 * columns + at % width / 4] |= *value != 0.0;
    }
    active.iter().filter(|active| **active).count() as f64 / active.len() as f64
}

fn waves(y: usize, x: usize) -> f32 {
    let (y, x) = (y as f32, x as f32);
    (0.21 * x + 0.05 * y).sin() + (0.17 * y - 0.09 * x).sin() + (0.11 * (x + y)).cos()
}

/// Set at the share `density` of all pixels, where `height` is smallest.
fn smallest(shape: Shape, density: f64, height: impl Fn(usize, usize) -> f32) -> Tensor {
    let height = Tensor::from_fn(shape.with_channels(1), |_, _, y, x| height(y, x));
    let mut sorted = height.values().to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let wanted = (density * sorted.len() as f64).round() as usize;
    let threshold = sorted.get(wanted).copied().unwrap_or(f32::INFINITY);
    Tensor::from_fn(shape.with_channels(1), |n, _, y, x| {
        f32::from(height.plane(n, 0)[y * shape.width + x] < threshold)
    })
}
