//! The bytes of a row as samples: predictors undone, bits counted off, and what is wider than 16 bits rounded to 16.

use half::f16;

use super::directory::number;
use super::layout::{Layout, Predictor};

/// What floating-point samples a picture has, as far as it has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) least: f32,
    pub(super) most: f32,
    /// Whether any is no number.
    pub(super) nan: bool,
    /// How many there are, and how many of them are above 1.
    pub(super) samples: u64,
    pub(super) above: u64,
}

impl Span {
    pub(super) const NONE: Self = Self { least: 0.0, most: 0.0, nan: false, samples: 0, above: 0 };

    /// The sample in 16 bits.
    fn take(&mut self, value: f32) -> u16 {
        self.samples += 1;
        self.above += u64::from(value > 1.0);
        self.nan |= !value.is_finite();
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        (f64::from(value) * 65_535.0).round_ties_even() as u16 // `as` clamps
    }
}

/// Undoes what makes a row pack better. Samples of `together` channels lie side by side.
pub(super) fn unpredict(layout: &Layout, row: &mut [u8], together: usize) {
    let bytes = layout.bits as usize / 8;
    match layout.predictor {
        Predictor::None => {}
        Predictor::Horizontal => add(row, together, bytes, layout.big_endian),
        Predictor::Float => {
            add(row, together, 1, false);
            let planes = row.to_vec();
            let count = planes.len() / bytes;
            for (i, sample) in row.chunks_exact_mut(bytes).enumerate() {
                for (plane, byte) in sample.iter_mut().enumerate() {
                    *byte = planes[plane * count + i];
                }
            }
        }
    }
}

/// Adds to every sample the one of the pixel before.
fn add(row: &mut [u8], together: usize, bytes: usize, big_endian: bool) {
    let step = together * bytes;
    for at in (step..row.len()).step_by(bytes) {
        let Some(sample) = row.get(at..at + bytes) else { return };
        let sum = number(big_endian, sample).wrapping_add(number(big_endian, &row[at - step..][..bytes]));
        let sum = if big_endian { sum.to_be_bytes() } else { sum.to_le_bytes() };
        let low = if big_endian { &sum[8 - bytes..] } else { &sum[..bytes] };
        row[at..at + bytes].copy_from_slice(low);
    }
}

/// Writes the samples of a row into every `step`th place.
pub(super) fn spread(layout: &Layout, row: &[u8], to: &mut [u16], step: usize, span: &mut Span) {
    let places = to.iter_mut().step_by(step);
    // The floating-point predictor leaves the highest byte first.
    let big_endian = layout.big_endian || layout.predictor == Predictor::Float;
    match (layout.bits, layout.float) {
        (8, _) => places.zip(row).for_each(|(place, &byte)| *place = byte.into()),
        (16, false) => {
            let from = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
            places.zip(row.as_chunks().0).for_each(|(place, &bytes)| *place = from(bytes));
        }
        (16, true) => {
            let from = if big_endian { f16::from_be_bytes } else { f16::from_le_bytes };
            places
                .zip(row.as_chunks().0)
                .for_each(|(place, &bytes)| *place = span.take(from(bytes).to_f32()));
        }
        (32, true) => {
            let from = if big_endian { f32::from_be_bytes } else { f32::from_le_bytes };
            places.zip(row.as_chunks().0).for_each(|(place, &bytes)| *place = span.take(from(bytes)));
        }
        (bits @ (24 | 32), _) => {
            places.zip(row.chunks_exact(bits as usize / 8)).for_each(|(place, bytes)| {
                *place = sixteen(number(big_endian, bytes), bits);
            })
        }
        (bits, _) => {
            for (i, place) in places.enumerate() {
                let value = counted_off(row, i * bits as usize, bits);
                *place = if bits > 16 { sixteen(value, bits) } else { value as u16 };
            }
        }
    }
}

/// The value in 16 bits.
fn sixteen(value: u64, bits: u32) -> u16 {
    let white = (1_u64 << bits) - 1;
    ((value * 65_535 + white / 2) / white) as u16
}

/// `bits` bits of a row, the highest first.
fn counted_off(row: &[u8], start: usize, bits: u32) -> u64 {
    let end = start + bits as usize;
    let bytes = row.get(start / 8..end.div_ceil(8)).unwrap_or_default();
    let value = bytes.iter().fold(0, |value: u64, &byte| value << 8 | u64::from(byte));
    value >> (end.div_ceil(8) * 8 - end) & ((1 << bits) - 1)
}
