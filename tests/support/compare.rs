//! Whether activations are what they should be, and if not, where and by how much.

use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::{Pixels, Samples};

/// `Ok` with the largest error if no number is further off than `tolerance`, as a share of the largest
/// expected magnitude (of 1, if all are zero); otherwise the worst place in words. NaN and infinities must
/// stand in the same places.
pub fn close(found: &Tensor, expected: &Tensor, tolerance: f32) -> Result<f32, String> {
    let shape = expected.shape();
    if found.shape() != shape {
        return Err(format!("expected a shape of {shape}, found {}", found.shape()));
    }
    let pairs = || found.values().iter().copied().zip(expected.values().iter().copied()).enumerate();
    if let Some((at, (found, expected))) =
        pairs().find(|(_, (found, expected))| !same_class(*found, *expected))
    {
        return Err(format!("at {}: expected {expected}, found {found}", place(shape, at)));
    }
    let finite = || pairs().filter(|(_, (_, expected))| expected.is_finite());
    let largest = match finite().map(|(_, (_, expected))| expected.abs()).fold(0.0, f32::max) {
        0.0 => 1.0,
        largest => largest,
    };
    let error = |(_, (found, expected)): &(usize, (f32, f32))| (found - expected).abs() / largest;
    let Some(worst) = finite().max_by(|a, b| error(a).total_cmp(&error(b))) else { return Ok(0.0) };
    if error(&worst) <= tolerance {
        return Ok(error(&worst));
    }
    let (at, (found, expected)) = worst;
    let wrong = finite().filter(|pair| error(pair) > tolerance).count();
    Err(format!(
        "at {}: expected {expected}, found {found}; off by {:.1e} of the largest, {largest}, and at most \
         {tolerance:.0e} is allowed; {wrong} of {} are further off",
        place(shape, at),
        error(&worst),
        shape.len()
    ))
}

/// How far apart two 8-bit pictures are.
#[derive(Clone, Copy, Debug)]
pub struct Apart {
    /// The largest difference of a sample, in code values.
    pub worst: u32,
    /// Peak signal-to-noise ratio over all samples, in dB.
    pub psnr: f64,
}

/// Compares sample by sample.
pub fn apart(a: &Pixels, b: &Pixels) -> Apart {
    assert_eq!((a.width(), a.height(), a.depth()), (b.width(), b.height(), b.depth()));
    let samples = |pixels: &Pixels| -> Vec<u32> {
        match pixels.samples() {
            Samples::U8(samples) => samples.iter().map(|sample| u32::from(*sample)).collect(),
            Samples::U16(samples) => samples.iter().map(|sample| u32::from(*sample)).collect(),
        }
    };
    let (a_samples, b_samples) = (samples(a), samples(b));
    let apart: Vec<u32> = a_samples.iter().zip(&b_samples).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|d| f64::from(*d).powi(2)).sum::<f64>() / apart.len() as f64;
    let white = f64::from(a.depth().white());
    Apart { worst: apart.into_iter().max().unwrap_or(0), psnr: 10.0 * (white * white / mean).log10() }
}

fn same_class(found: f32, expected: f32) -> bool {
    if expected.is_finite() {
        found.is_finite()
    } else {
        found == expected || (found.is_nan() && expected.is_nan())
    }
}

fn place(shape: Shape, at: usize) -> String {
    let (plane, pixel) = (at / shape.pixels(), at % shape.pixels());
    format!(
        "picture {}, channel {}, x {}, y {}",
        plane / shape.channels,
        plane % shape.channels,
        pixel % shape.width,
        pixel / shape.width
    )
}
