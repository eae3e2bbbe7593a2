//! Operations on two values, the second repeated where it is smaller.

use pulp::{Simd, WithSimd};

use super::loss::slope;
use super::map::{Map, Unit};
use super::{activation, vectors};
use crate::graph::{Activation, BinaryKind, Loss};
use crate::tensor::Shape;

/// What is made of two numbers of one place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Combination<'a> {
    /// A sum, a difference, a product or a quotient.
    Binary(BinaryKind),
    /// A function's value, or what it is of, and the gradient behind it: the gradient before it. With the slopes of a PReLU.
    ActivationGradient(&'a Activation, &'a [f32]),
    /// What was made and its target: the gradient, times a factor.
    LossGradient(Loss, f32),
}

/// The other value of an operation, at the pixels of a unit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Other<'a> {
    /// The second, a number a number.
    Second(&'a [f32]),
    /// The second, one pixel for all.
    Pixel(&'a [f32]),
    /// The second, a number for all channels of a pixel.
    Channel(&'a [f32]),
    /// The second, one number.
    Number(f32),
    /// The first, a number a number.
    First(&'a [f32]),
}

/// How a second value of this shape is repeated over the first one's.
pub(super) fn is_repeated(shape: Shape, b: Shape) -> bool {
    let pictures = b.batch == shape.batch || b.batch == 1;
    let pixels = [(1, 1), (shape.height, shape.width)].contains(&(b.height, b.width));
    pictures && pixels && (b.channels == shape.channels || b.channels == 1)
}

/// The second operand of what has this shape.
pub(super) fn second<'a>(b: &'a Map, unit: &Unit, shape: Shape) -> Other<'a> {
    let own = b.shape();
    let unit = Unit { n: unit.n % own.batch.max(1), ..unit.clone() }; // of a parameter there is one for all pictures
    match ((own.height, own.width) == (shape.height, shape.width), own.channels == shape.channels) {
        (true, true) => Other::Second(b.of(&unit)),
        (true, false) => Other::Channel(b.of(&unit)),
        (false, true) => Other::Pixel(b.picture(unit.n)),
        (false, false) => Other::Number(b.picture(unit.n)[0]),
    }
}

impl Other<'_> {
    /// Writes it as often as it is repeated, of a second.
    pub(super) fn repeat(self, channels: usize, y: &mut [f32]) {
        with(channels, y, self, |_, b| b);
    }
}

/// In place, of some pixels of `channels` numbers each.
pub(super) fn combine(combination: Combination<'_>, channels: usize, y: &mut [f32], other: Other<'_>) {
    vectors::arch().dispatch(Job { combination, channels, y, other });
}

/// No closure: one of this size would not be inlined, and so be compiled without the instructions.
struct Job<'a> {
    combination: Combination<'a>,
    channels: usize,
    y: &'a mut [f32],
    other: Other<'a>,
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { combination, channels, y, other } = self;
        match combination {
            Combination::Binary(BinaryKind::Add) => with(channels, y, other, |a, b| a + b),
            Combination::Binary(BinaryKind::Subtract) => with(channels, y, other, |a, b| a - b),
            Combination::Binary(BinaryKind::Multiply) => with(channels, y, other, |a, b| a * b),
            Combination::Binary(BinaryKind::Divide) => with(channels, y, other, |a, b| a / b),
            Combination::ActivationGradient(op, slopes) => {
                activation::gradient(simd, (op, slopes), channels, y, other);
            }
            Combination::LossGradient(loss, factor) => {
                with(channels, y, other, |a, b| slope(loss, a, b, factor));
            }
        }
    }
}

#[inline(always)]
pub(super) fn with(channels: usize, y: &mut [f32], other: Other<'_>, function: impl Fn(f32, f32) -> f32) {
    match other {
        Other::Second(b) => y.iter_mut().zip(b).for_each(|(y, b)| *y = function(*y, *b)),
        Other::First(a) => y.iter_mut().zip(a).for_each(|(y, a)| *y = function(*a, *y)),
        Other::Number(b) => y.iter_mut().for_each(|y| *y = function(*y, b)),
        Other::Pixel(b) => {
            for pixel in y.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(b).for_each(|(y, b)| *y = function(*y, *b));
            }
        }
        Other::Channel(b) => {
            for (pixel, b) in y.chunks_exact_mut(channels).zip(b) {
                pixel.iter_mut().for_each(|y| *y = function(*y, *b));
            }
        }
    }
}
