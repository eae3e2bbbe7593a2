//! What happens to photographs before anybody enlarges them: a small picture that is worse than bicubic makes it.
//!
//! The kinds are those of Real-ESRGAN's first-order recipe (Wang et al., "Real-ESRGAN: training real-world blind
//! super-resolution with pure synthetic data", 2021): blur, resize, noise and JPEG. Here they come in random order, the
//! reduction to the small size being one of them, and a JPEG may come last, as it does in life. Strengths are gentler,
//! and there are neither blurs that no lens makes (generalised, plateau, sinc) nor a sharpened goal: a network that must undo
//! everything invents much.
//!
//! ```text
//!                 ┌──────────── in random order ────────────┐
//!   large crop ─► blur?   resize?   noise?   JPEG?   reduce ─► to size ─► JPEG? ─► rounded ─► small crop
//!   and margin                                                            without its margin
//! ```
//!
//! It is done on a crop with a margin of 8 small pixels at least, so that the crop's borders are as the whole picture's
//! would be; where the picture ends, it is mirrored. JPEG's blocks lie anywhere over the crop. All choices are drawn by
//! (seed, step, item): the same batch whatever the threads. Resizing takes the processor's vector instructions: another
//! kind of processor may round a sample of thousands otherwise.

mod jpeg;
mod steps;
mod window;

pub use jpeg::through_jpeg;
pub(super) use steps::{Frame, degraded};
pub(super) use window::Window;

use super::unsupported;
use crate::error::Result;

/// The least number of small pixels around a crop.
const MARGIN: usize = 8;

/// The largest crop: a JPEG of twice that and its margin is still one.
const LARGEST: usize = 16_384;

/// The side of JPEG's blocks where colour has half the size.
const BLOCK: usize = 16;

/// Kinds, probabilities and strengths. Strengths are drawn evenly from their ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Degradations {
    /// The share of crops that get none of it: MATLAB's bicubic, as without degradations.
    pub clean: f64,
    /// Out of focus, or shaken.
    pub blur: Blur,
    /// A size between.
    pub resize: Resize,
    /// From the sensor.
    pub noise: Noise,
    /// Saved with losses.
    pub jpeg: Jpeg,
    /// One of these for each change of size.
    pub kernels: Vec<Kernel>,
}

/// A Gaussian blur.
#[derive(Clone, Debug, PartialEq)]
pub struct Blur {
    /// How often there is one. Real-ESRGAN: always.
    pub probability: f64,
    /// The share that is longer than wide, turned anyhow. Real-ESRGAN: 0.36 of the Gaussian ones.
    pub anisotropic: f64,
    /// Standard deviation in small pixels, 2.5 at most. Real-ESRGAN at the scale 4: 0.05 to 0.75.
    pub sigma: [f64; 2],
}

/// A picture that was saved at another size.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How often it was. Real-ESRGAN: 0.9.
    pub probability: f64,
    /// Its size as a share of what it had, 0.25 to 2. Real-ESRGAN: 0.15 to 1.5.
    pub factor: [f64; 2],
}

/// Normally distributed noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// How often there is some. Real-ESRGAN: always.
    pub probability: f64,
    /// The share that grows with the root of the sample, as that of photons does. Real-ESRGAN: 0.5.
    pub poisson: f64,
    /// The share that is the same in red, green and blue. Real-ESRGAN: 0.4.
    pub gray: f64,
    /// Standard deviation in samples of 0 to 255, of the second kind at white, 100 at most. Real-ESRGAN: 1 to 30.
    pub strength: [f64; 2],
}

/// A baseline JPEG with the tables of the standard.
#[derive(Clone, Debug, PartialEq)]
pub struct Jpeg {
    /// How often there is one among the others.
    pub probability: f64,
    /// How often there is one at the end. Real-ESRGAN: always.
    pub last: f64,
    /// 1 to 100. Real-ESRGAN: 30 to 95.
    pub quality: [u8; 2],
    /// The share whose colour has half the size (4:2:0); the others keep it (4:4:4).
    pub half_chroma: f64,
}

/// How a picture gets another size; stretched where it becomes smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The mean of what a pixel covers.
    Area,
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −0.5.
    Bicubic,
    /// Three lobes of sinc.
    Lanczos,
}

impl Default for Degradations {
    fn default() -> Self {
        Self {
            clean: 0.1,
            blur: Blur { probability: 0.5, anisotropic: 0.3, sigma: [0.1, 0.8] },
            resize: Resize { probability: 0.3, factor: [0.6, 1.2] },
            noise: Noise { probability: 0.4, poisson: 0.5, gray: 0.4, strength: [0.0, 8.0] },
            jpeg: Jpeg { probability: 0.3, last: 0.7, quality: [40, 95], half_chroma: 0.7 },
            kernels: vec![Kernel::Area, Kernel::Bilinear, Kernel::Bicubic, Kernel::Lanczos],
        }
    }
}

/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for what is out of its range.
pub(super) fn check(options: &Degradations, size: usize, scale: usize) -> Result<()> {
    let Degradations { clean, blur, resize, noise, jpeg, kernels } = options;
    let shares = [
        ("clean", *clean),
        ("blur.probability", blur.probability),
        ("blur.anisotropic", blur.anisotropic),
        ("resize.probability", resize.probability),
        ("noise.probability", noise.probability),
        ("noise.poisson", noise.poisson),
        ("noise.gray", noise.gray),
        ("jpeg.probability", jpeg.probability),
        ("jpeg.last", jpeg.last),
        ("jpeg.half_chroma", jpeg.half_chroma),
    ];
    for (name, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return Err(unsupported(format!("degradations.{name}: expected 0 to 1, found {share}")));
        }
    }
    let ranges = [
        ("blur.sigma", blur.sigma, [0.0, 2.5]),
        ("resize.factor", resize.factor, [0.25, 2.0]),
        ("noise.strength", noise.strength, [0.0, 100.0]),
        ("jpeg.quality", jpeg.quality.map(f64::from), [1.0, 100.0]),
    ];
    for (name, [from, to], [least, most]) in ranges {
        if !(least <= from && from <= to && to <= most) {
            let expected = format!("expected a range in {least} to {most}");
            return Err(unsupported(format!("degradations.{name}: {expected}, found {from} to {to}")));
        }
    }
    if size.saturating_mul(scale) > LARGEST {
        return Err(unsupported(format!(
            "lq_size: expected {LARGEST} pixels at most at the large size, for degradations, found {}",
            size.saturating_mul(scale)
        )));
    }
    if kernels.is_empty() {
        return Err(unsupported("degradations.kernels: expected one at least, found none"));
    }
    Ok(())
}
