//! A guard against wrong pictures: before its first use a stranger's network enlarges a picture that is known.
//!
//! Tensors tell a network's sizes, and not what it takes a pixel for: with white 1 in place of 255, with another mean, or
//! with blue for red, it loads without a word and makes a picture of other colours. So a calibration picture, made here,
//! goes through it, and is held against the bicubic enlargement where enlargements of every kind agree:
//!
//! ```text
//! means  of each channel, the difference
//! low    of blocks of 8×8 pixels of the picture, the root of the mean square of the differences of their means
//! ```
//!
//! both in shares of white. Networks of scale 1 are held against the picture itself, less closely, since what they take
//! away is no more in it. Where trainers differ in what they took pixels for, and the network's own convention does not
//! pass, the one that comes nearest is taken.

use std::fmt;

use crate::cpu;
use crate::error::{Error, Result};
use crate::metrics::resize_bicubic_matlab;
use crate::models::{Convention, Model};
use crate::pixels::{Depth, Pixels, Samples};
use crate::tensor::Shape;

/// The picture's side.
const SIDE: usize = 64;

/// The side of a block, of the picture's pixels.
const BLOCK: usize = 8;

/// The most that a mean may be away, and low frequencies: ten times as far as the farthest of the published networks at
/// hand (0.002 and 0.0016; `cargo test --release --test guard -- --nocapture` prints them), since networks that were trained
/// by an adversary shift colours a little. A SPAN by another's mean and white is 0.16 and 0.15 away.
const NEAR: Figures = Figures { means: [0.025; 3], low: 0.03 };

/// How much farther the picture of a network of scale 1 may be.
const WIDER: f64 = 2.0;

/// What trainers took pixels for, where no tensor tells it.
const CONVENTIONS: [Convention; 6] = [
    Convention { white: 255.0, mean: [0.4488, 0.4371, 0.4040] }, // DIV2K
    Convention { white: 1.0, mean: [0.4488, 0.4371, 0.4040] },
    Convention { white: 1.0, mean: [0.485, 0.456, 0.406] }, // ImageNet
    Convention { white: 1.0, mean: [0.5; 3] },
    Convention { white: 1.0, mean: [0.0; 3] },
    Convention { white: 255.0, mean: [0.0; 3] },
];

/// How far a picture is from what it should be, in shares of white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Of the means of red, green and blue, the differences; below zero where the picture is too dark.
    pub means: [f64; 3],
    /// Of the means of blocks, the root of the mean square of the differences.
    pub low: f64,
}

/// What the calibration picture says of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How far its picture is away.
    pub figures: Figures,
    /// What it takes pixels for, where that is not what was thought of it.
    pub chosen: Option<Convention>,
}

/// Looks at what a network makes of the calibration picture, on the CPU engine.
///
/// # Errors
/// [`Error::Weights`] with the figures if it is another picture, whatever the network is told to take pixels for; and
/// [`Error::Device`] if it is none.
pub fn examine(model: &Model) -> Result<Verdict> {
    let figures = Figures::of(model)?;
    if figures.pass(model.scale()) {
        return Ok(Verdict { figures, chosen: None });
    }
    let own = model.convention();
    let mut best: Option<Verdict> = None;
    for convention in CONVENTIONS.into_iter().filter(|other| own.is_some_and(|own| own != *other)) {
        let figures = Figures::of(&model.by_convention(convention)?)?;
        if figures.pass(model.scale()) && best.is_none_or(|best| figures.low < best.figures.low) {
            best = Some(Verdict { figures, chosen: Some(convention) });
        }
    }
    best.ok_or_else(|| refused(model, figures))
}

fn refused(model: &Model, figures: Figures) -> Error {
    let like = if model.scale() == 1 { "the picture itself" } else { "its bicubic enlargement" };
    let tried = if model.convention().is_some() { ", whichever white and mean it is given" } else { "" };
    Error::weights(
        model.weights().source(),
        format!(
            "expected a network that keeps a picture's colours, found one whose calibration picture differs from \
             {like} by {figures}{tried}: it is damaged, or not what its tensors look like ({} x{}); \
             if it is meant to change colours, --unusual (`Options::unusual`) runs it",
            model.architecture(),
            model.scale()
        ),
    )
}

impl Figures {
    /// Of what a network makes of the calibration picture.
    ///
    /// # Errors
    /// [`Error::Device`] if that is no picture.
    pub fn of(model: &Model) -> Result<Self> {
        let (picture, scale, facts) = (calibration(), model.scale(), model.net().facts());
        let [before, _] = facts.border;
        let [width, height] = model.extended([SIDE; 2]);
        let graph = model.graph(Shape::new(1, 3, height, width))?;
        let input = picture.surrounded(facts.edge, before, [width, height]).to_tensor(graph.range());
        let output = cpu::run(&graph, model.net().numbers(), &input)?;
        let found = Pixels::from_tensor(&output, graph.range(), Depth::Sixteen)
            .map_err(|error| Error::Device(format!("{}: {error}", model.weights().source())))?;
        let range = scale * before..scale * (before + SIDE);
        let found = found.part(range.clone(), range)?;
        let expected = resize_bicubic_matlab(&picture, scale * SIDE, scale * SIDE);
        Ok(Self::between(&found, &expected, BLOCK * scale))
    }

    /// Of pictures of one size, by blocks of so many pixels a side.
    fn between(found: &Pixels, expected: &Pixels, block: usize) -> Self {
        let (mut means, mut squares, mut count) = ([0.0; 3], 0.0, 0);
        for top in (0..expected.height()).step_by(block) {
            for left in (0..expected.width()).step_by(block) {
                let [found, expected] = [found, expected].map(|picture| mean(picture, left, top, block));
                for ((mean, found), expected) in means.iter_mut().zip(found).zip(expected) {
                    *mean += found - expected;
                    squares += (found - expected).powi(2);
                }
                count += 1;
            }
        }
        let blocks = f64::from(count);
        Self { means: means.map(|sum| sum / blocks), low: (squares / (3.0 * blocks)).sqrt() }
    }

    fn pass(&self, scale: usize) -> bool {
        let wider = if scale == 1 { WIDER } else { 1.0 };
        let near = |(found, near): (&f64, f64)| found.abs() <= wider * near;
        self.means.iter().zip(NEAR.means).all(near) && near((&self.low, NEAR.low))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.means.map(|mean| 255.0 * mean);
        let low = 255.0 * self.low;
        write!(
            f,
            "{r:+.1}, {g:+.1} and {b:+.1} of 255 in the means of red, green and blue and {low:.1} in low frequencies"
        )
    }
}

/// The mean of each channel of a block, in shares of white.
fn mean(picture: &Pixels, left: usize, top: usize, block: usize) -> [f64; 3] {
    let Samples::U16(samples) = picture.samples() else { unreachable!("made so") };
    let mut sums = [0.0; 3];
    for y in top..top + block {
        let row = &samples[3 * (y * picture.width() + left)..][..3 * block];
        for pixel in row.as_chunks::<3>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, sample)| *sum += f64::from(*sample));
        }
    }
    sums.map(|sum| sum / (65535.0 * (block * block) as f64))
}

/// Slopes and waves in warm colours, a disc and a few edges: what a photograph has, of means that differ by channel.
fn calibration() -> Pixels {
    let sample = |at: usize| {
        let (c, x, y) = (at % 3, (at / 3 % SIDE) as f64, (at / 3 / SIDE) as f64);
        let slope = [0.35 + x / 160.0, 0.25 + y / 180.0, 0.15 + (x + y) / 600.0][c];
        let wave = 0.10 * ((x + 2.0 * y) / 9.0 + c as f64).sin();
        let disc = if (x - 40.0).powi(2) + (y - 22.0).powi(2) < 144.0 { [0.15, 0.10, 0.05][c] } else { 0.0 };
        let bars = if y > 44.0 && (x / 6.0) as usize % 2 == 1 { -0.12 } else { 0.0 };
        ((slope + wave + disc + bars).clamp(0.03, 0.97) * 65535.0).round() as u16
    };
    Pixels::of(SIDE, SIDE, Samples::U16((0..3 * SIDE * SIDE).map(sample).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_darkness_colours_and_noise_apart() {
        let Samples::U16(samples) = calibration().samples().clone() else { unreachable!() };
        let of = |change: &dyn Fn(usize, u16) -> u16| {
            let changed = samples.iter().enumerate().map(|(at, sample)| change(at, *sample)).collect();
            Figures::between(&Pixels::of(SIDE, SIDE, Samples::U16(changed)), &calibration(), BLOCK)
        };
        assert_eq!(of(&|_, sample| sample), Figures { means: [0.0; 3], low: 0.0 });
        let dark = of(&|_, sample| sample - 1500);
        assert!(dark.means.iter().all(|mean| (mean + 1500.0 / 65535.0).abs() < 1e-6), "{dark}");
        // One in two up and down: no low frequencies.
        let noise = of(&|at, sample| if at / 3 % 2 == 0 { sample - 1500 } else { sample + 1500 });
        assert!(noise.low < 1e-6 && noise.pass(2), "{noise}");
        let swapped = of(&|at, _| samples[at / 3 * 3 + 2 - at % 3]);
        assert!(!swapped.pass(2) && !swapped.pass(1), "{swapped}");
        let darker = of(&|_, sample| sample / 2);
        assert!(!darker.pass(2) && !darker.pass(1), "{darker}");
    }
}
