//! Which degradations a crop gets, and in which order.

use super::window::{Gaussian, Window};
use super::{BLOCK, Blur, Degradations, Jpeg, MARGIN, Noise, Resize};
use crate::learn::Random;

/// One step between the large crop and the small one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Blur,
    Resize,
    Noise,
    Jpeg,
    Reduce,
}

/// A square around a small crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::learn::data) struct Frame {
    /// The side of the square in small pixels.
    pub(in crate::learn::data) side: usize,
    /// The crop's.
    pub(in crate::learn::data) size: usize,
    /// Where the crop lies in it: columns and rows before it.
    pub(in crate::learn::data) at: [usize; 2],
}

impl Frame {
    /// No more than the crop.
    pub(in crate::learn::data) fn of_crop(size: usize) -> Self {
        Self { side: size, size, at: [0, 0] }
    }

    /// With a margin. Blocks of JPEG are whole, and begin anywhere before the crop.
    fn with_margin(size: usize, random: &Random) -> Self {
        let phase = [0, 1].map(|at| random.below(at, BLOCK as u32) as usize);
        let side = size + 2 * MARGIN + phase[0].max(phase[1]);
        Self { side: side.next_multiple_of(BLOCK), size, at: phase.map(|phase| MARGIN + phase) }
    }
}

/// A small crop by what `cut` gives of the large picture; nothing if it is one of those that are not degraded.
pub(in crate::learn::data) fn degraded(
    options: &Degradations,
    size: usize,
    [choices, noise]: [Random; 2],
    cut: impl FnOnce(Frame) -> Window,
) -> Option<Vec<f32>> {
    let frame = Frame::with_margin(size, &choices);
    // The first two numbers are the frame's.
    let mut dice = Dice { random: choices, next: 2 };
    if dice.happens(options.clean) {
        return None;
    }
    let mut work = Work { window: cut(frame), side: frame.side, options, dice, noise };
    for step in work.order() {
        work.take(step);
    }
    Some(work.finish().part(frame.at, size))
}

/// Random numbers, one after the other.
struct Dice {
    random: Random,
    next: u32,
}

impl Dice {
    fn next(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn below(&mut self, n: usize) -> usize {
        let at = self.next();
        self.random.below(at, n as u32) as usize
    }

    fn between(&mut self, [from, to]: [f64; 2]) -> f64 {
        let at = self.next();
        from + (to - from) * f64::from(self.random.uniform(at))
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.between([0.0, 1.0]) < probability
    }
}

struct Work<'a> {
    window: Window,
    side: usize,
    options: &'a Degradations,
    dice: Dice,
    noise: Random,
}

impl Work<'_> {
    /// The steps that are taken.
    fn order(&mut self) -> Vec<Step> {
        let Degradations { blur, resize, noise, jpeg, .. } = self.options;
        let mut steps = vec![Step::Reduce];
        let others = [
            (Step::Blur, blur.probability),
            (Step::Resize, resize.probability),
            (Step::Noise, noise.probability),
            (Step::Jpeg, jpeg.probability),
        ];
        for (step, probability) in others {
            if self.dice.happens(probability) {
                let at = self.dice.below(steps.len() + 1);
                steps.insert(at, step);
            }
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Blur => self.blur(),
            Step::Resize => self.resize(),
            Step::Noise => self.noise(),
            Step::Jpeg => self.jpeg(),
            Step::Reduce => self.bring_to(self.side),
        }
    }

    fn finish(mut self) -> Window {
        self.bring_to(self.side);
        if self.dice.happens(self.options.jpeg.last) {
            self.jpeg();
        }
        self.window.rounded()
    }

    /// Its strength is the same wherever it comes: it is said in small pixels.
    fn blur(&mut self) {
        let Blur { anisotropic, sigma, .. } = &self.options.blur;
        let pixels = self.window.side() as f64 / self.side as f64;
        let long = self.dice.between(*sigma);
        let short = if self.dice.happens(*anisotropic) { self.dice.between([sigma[0], long]) } else { long };
        let turn = self.dice.between([0.0, std::f64::consts::PI]);
        self.window.blur(&Gaussian { sigma: [long * pixels, short * pixels], turn });
    }

    fn resize(&mut self) {
        let Resize { factor, .. } = &self.options.resize;
        let factor = self.dice.between(*factor);
        self.bring_to(((self.window.side() as f64 * factor).round() as usize).max(1));
    }

    fn noise(&mut self) {
        let Noise { poisson, gray, strength, .. } = &self.options.noise;
        let strength = self.dice.between(*strength) as f32;
        let [is_poisson, is_gray] = [*poisson, *gray].map(|share| self.dice.happens(share));
        self.window.add_noise(&self.noise, strength, is_poisson, is_gray);
    }

    fn jpeg(&mut self) {
        let Jpeg { quality: [low, high], half_chroma, .. } = self.options.jpeg;
        let quality = low + self.dice.below(usize::from(high - low) + 1) as u8;
        let has_half_chroma = self.dice.happens(half_chroma);
        self.window.save_as_jpeg(quality, has_half_chroma);
    }

    fn bring_to(&mut self, side: usize) {
        let kernel = self.options.kernels[self.dice.below(self.options.kernels.len())];
        self.window.resize(side, kernel);
    }
}
