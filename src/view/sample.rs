//! The types of samples that hosts have.

use std::fmt::Debug;

use crate::pixels::Samples;

/// A sample of a [`View`](super::View): `u8` with white at 255, `u16` with white at 65535, or `f32` with white at 1.
pub trait Sample: Travels {}

/// How samples go to the network and come back.
pub trait Travels: Copy + Debug + Send + Sync + 'static {
    /// Whether three channels of them go in 8 bits.
    const EIGHT: bool;

    /// What is no number has no place in a picture.
    fn is_number(self) -> bool;

    /// In 16 bits: clamped and rounded, halves to the even neighbour.
    fn fine(self) -> u16;

    /// Back from 16 bits, rounded.
    fn of(fine: u16) -> Self;
}

impl Sample for u8 {}
impl Sample for u16 {}
impl Sample for f32 {}

impl Travels for u8 {
    const EIGHT: bool = true;

    fn is_number(self) -> bool {
        true
    }

    fn fine(self) -> u16 {
        257 * u16::from(self)
    }

    fn of(fine: u16) -> Self {
        ((u32::from(fine) + 128) / 257) as Self
    }
}

impl Travels for u16 {
    const EIGHT: bool = false;

    fn is_number(self) -> bool {
        true
    }

    fn fine(self) -> u16 {
        self
    }

    fn of(fine: u16) -> Self {
        fine
    }
}

impl Travels for f32 {
    const EIGHT: bool = false;

    fn is_number(self) -> bool {
        !self.is_nan()
    }

    fn fine(self) -> u16 {
        (self.clamp(0.0, 1.0) * 65535.0).round_ties_even() as u16
    }

    fn of(fine: u16) -> Self {
        Self::from(fine) / 65535.0
    }
}

/// Samples of three channels as the network takes them.
pub(super) fn travelling<T: Travels>(colours: &[[T; 3]], in_eight: bool) -> Samples {
    let samples = colours.as_flattened().iter();
    if in_eight {
        Samples::U8(samples.map(|sample| u8::of(sample.fine())).collect())
    } else {
        Samples::U16(samples.map(|sample| sample.fine()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_back() {
        for sample in 0..=u16::MAX {
            assert_eq!(u16::of(sample.fine()), sample);
            assert_eq!(f32::of(sample).fine(), sample);
            assert_eq!(u8::of(sample), (f64::from(sample) / 257.0).round() as u8);
        }
        (0..=u8::MAX).for_each(|sample| assert_eq!(u8::of(sample.fine()), sample));
    }

    #[test]
    fn floating_point_is_clamped_and_nan_is_no_number() {
        let cases = [(-0.1, 0), (-0.0, 0), (f32::NEG_INFINITY, 0), (1.5, 65535), (f32::INFINITY, 65535)];
        for (sample, expected) in cases {
            assert!(sample.is_number() && sample.fine() == expected, "{sample}");
        }
        assert!(!f32::NAN.is_number());
    }
}
