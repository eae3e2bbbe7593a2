//! Sums, differences, products and quotients of two values, the second repeated where it is smaller.

use super::vectors;
use crate::graph::BinaryKind;

/// The other value of an operation, at the pixels of a unit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Other<'a> {
    /// The second, a number a number.
    Second(&'a [f32]),
    /// The second, one pixel for all.
    Pixel(&'a [f32]),
    /// The second, a number for all channels of a pixel.
    Channel(&'a [f32]),
    /// The first, a number a number.
    First(&'a [f32]),
}

/// In place, of some pixels of `channels` numbers each.
pub(super) fn combine(kind: BinaryKind, channels: usize, y: &mut [f32], other: Other<'_>) {
    vectors::arch().dispatch(
        #[inline(always)]
        || match kind {
            BinaryKind::Add => with(channels, y, other, |a, b| a + b),
            BinaryKind::Subtract => with(channels, y, other, |a, b| a - b),
            BinaryKind::Multiply => with(channels, y, other, |a, b| a * b),
            BinaryKind::Divide => with(channels, y, other, |a, b| a / b),
        },
    );
}

#[inline(always)]
fn with(channels: usize, y: &mut [f32], other: Other<'_>, function: impl Fn(f32, f32) -> f32) {
    match other {
        Other::Second(b) => y.iter_mut().zip(b).for_each(|(y, b)| *y = function(*y, *b)),
        Other::First(a) => y.iter_mut().zip(a).for_each(|(y, a)| *y = function(*a, *y)),
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
