//! The floating-point formats that checkpoints use, each read into `f32`.

use std::sync::Arc;

use half::{bf16, f16};

/// A floating-point format, little-endian. `f64` is rounded to the nearest `f32`; the others are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    /// How many bytes one number takes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// As many numbers as `bytes` holds whole.
    pub(super) fn decode(self, bytes: &[u8]) -> Arc<[f32]> {
        match self {
            Self::F16 => each(bytes, |number| f16::from_le_bytes(number).to_f32()),
            Self::Bf16 => each(bytes, |number| bf16::from_le_bytes(number).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |number| f64::from_le_bytes(number) as f32),
        }
    }

    /// The number that lies at `index`.
    ///
    /// # Panics
    /// If `bytes` end before it.
    pub(super) fn at(self, bytes: &[u8], index: usize) -> f32 {
        self.decode_one(&bytes[index * self.bytes()..][..self.bytes()])
    }

    fn decode_one(self, bytes: &[u8]) -> f32 {
        match *bytes {
            [a, b] if self == Self::F16 => f16::from_le_bytes([a, b]).to_f32(),
            [a, b] => bf16::from_le_bytes([a, b]).to_f32(),
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => unreachable!("numbers of 2, 4 or 8 bytes"),
        }
    }
}

/// In one allocation: the length is known beforehand.
fn each<const BYTES: usize>(bytes: &[u8], number: impl Fn([u8; BYTES]) -> f32) -> Arc<[f32]> {
    bytes.as_chunks().0.iter().map(|&chunk| number(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_decodes() {
        let cases: [(Number, &[u8]); 4] = [
            (Number::F16, &[0x00, 0x3e, 0x00, 0xc0]),
            (Number::Bf16, &[0xc0, 0x3f, 0x00, 0xc0]),
            (Number::F32, &[0, 0, 0xc0, 0x3f, 0, 0, 0x00, 0xc0]),
            (Number::F64, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0x00, 0xc0]),
        ];
        for (number, bytes) in cases {
            assert_eq!(*number.decode(bytes), [1.5, -2.0], "{number:?}");
            assert_eq!([0, 1].map(|index| number.at(bytes, index)), [1.5, -2.0], "{number:?}");
            assert_eq!(number.bytes() * 2, bytes.len(), "{number:?}");
        }
    }
}
