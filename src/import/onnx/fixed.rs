//! Tensors that no picture goes into: a file's own, and what is computed of them and of sizes.

use std::sync::Arc;

use half::{bf16, f16};

use super::protobuf::{Message, Reading};
use crate::tensor::Parameter;

/// Fields of a tensor.
mod field {
    pub(super) const AXES: u64 = 1;
    pub(super) const ELEMENT: u64 = 2;
    pub(super) const FLOATS: u64 = 4;
    pub(super) const WORDS: u64 = 5;
    pub(super) const INTEGERS: u64 = 7;
    pub(super) const RAW: u64 = 9;
    pub(super) const DOUBLES: u64 = 10;
    pub(super) const UNSIGNED: u64 = 11;
    pub(super) const ELSEWHERE: u64 = 13;
    pub(super) const PLACE: u64 = 14;
}

/// Whole numbers of a tensor are of sizes and places: no more than so many.
const INTEGERS: usize = 1 << 14;

/// The most axes of a tensor.
const AXES: usize = 8;

/// The type of a tensor's numbers, by ONNX's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F16,
    Bf16,
    F64,
    /// So many bytes, and whether there is a sign.
    Integer(usize, bool),
    Bool,
}

impl Element {
    /// The type of this number.
    pub(super) fn of(number: i64) -> Reading<Self> {
        Ok(match number {
            1 => Self::F32,
            10 => Self::F16,
            16 => Self::Bf16,
            11 => Self::F64,
            2 => Self::Integer(1, false),
            3 => Self::Integer(1, true),
            4 => Self::Integer(2, false),
            5 => Self::Integer(2, true),
            6 => Self::Integer(4, true),
            7 => Self::Integer(8, true),
            9 => Self::Bool,
            12 => Self::Integer(4, false),
            13 => Self::Integer(8, false),
            other => return Err(format!("expected real or whole numbers, found ONNX's type {other}")),
        })
    }

    /// Whether its numbers are real ones.
    pub(super) fn is_real(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16 | Self::F64)
    }

    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F64 => 8,
            Self::Integer(bytes, _) => bytes,
            Self::Bool => 1,
        }
    }
}

/// Numbers of one of two kinds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// Real ones.
    Floats(Arc<[f32]>),
    /// Whole ones; truth is 0 or 1.
    Integers(Arc<[i64]>),
}

/// A tensor with its numbers, which clones share.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fixed {
    /// The lengths of its axes.
    pub(super) dims: Vec<usize>,
    /// As many as those say, in C order.
    pub(super) numbers: Numbers,
}

impl Fixed {
    /// Real numbers, as many as the axes say.
    pub(super) fn floats(dims: Vec<usize>, numbers: impl Into<Arc<[f32]>>) -> Self {
        Self { dims, numbers: Numbers::Floats(numbers.into()) }
    }

    /// Whole numbers, as many as the axes say.
    pub(super) fn integers(dims: Vec<usize>, numbers: impl Into<Arc<[i64]>>) -> Self {
        Self { dims, numbers: Numbers::Integers(numbers.into()) }
    }

    /// Whole numbers along one axis.
    pub(super) fn list(numbers: Vec<i64>) -> Self {
        Self::integers(vec![numbers.len()], numbers)
    }

    /// How many numbers it has.
    pub(super) fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Floats(numbers) => numbers.len(),
            Numbers::Integers(numbers) => numbers.len(),
        }
    }

    /// Its real numbers.
    pub(super) fn as_floats(&self) -> Reading<&Arc<[f32]>> {
        match &self.numbers {
            Numbers::Floats(numbers) => Ok(numbers),
            Numbers::Integers(_) => Err("expected a tensor of real numbers, found whole ones".into()),
        }
    }

    /// Its whole numbers.
    pub(super) fn as_integers(&self) -> Reading<&Arc<[i64]>> {
        match &self.numbers {
            Numbers::Integers(numbers) => Ok(numbers),
            Numbers::Floats(_) => Err("expected a tensor of whole numbers, found real ones".into()),
        }
    }

    /// Its real numbers as a parameter of these axes.
    pub(super) fn parameter(&self, dims: &[usize]) -> Reading<Parameter> {
        let numbers = self.as_floats()?;
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let found = numbers[at];
            return Err(format!("expected finite numbers in a tensor, found {found} at index {at}"));
        }
        if count(dims) != Some(numbers.len()) {
            return Err(format!("expected a tensor of axes {dims:?}, found {:?}", self.dims));
        }
        Ok(Parameter::new(dims, numbers.clone()))
    }

    /// The one number that it has, or has everywhere.
    pub(super) fn one(&self) -> Option<f32> {
        match &self.numbers {
            Numbers::Floats(numbers) => {
                let first = *numbers.first()?;
                numbers.iter().all(|number| *number == first).then_some(first)
            }
            Numbers::Integers(numbers) => match **numbers {
                [number] => Some(number as f32),
                _ => None,
            },
        }
    }

    /// Reads a tensor of a file.
    pub(super) fn read(tensor: Message<'_>) -> Reading<Self> {
        if tensor.all(field::ELSEWHERE).next().is_some() || tensor.number(field::PLACE) == Some(1) {
            return Err(
                "expected its numbers in the file, found them in another one (external_data); save the \
                        model as one file"
                    .into(),
            );
        }
        let dims: Vec<i64> = tensor.numbers(field::AXES).take(AXES + 1).collect();
        let dims: Option<Vec<usize>> = dims.iter().map(|length| usize::try_from(*length).ok()).collect();
        let dims = dims.filter(|dims| dims.len() <= AXES);
        let dims = dims.ok_or("expected at most 8 axes of lengths from 0, found others")?;
        let expected = count(&dims).ok_or_else(|| format!("expected a tensor, found axes {dims:?}"))?;
        let element = Element::of(tensor.number(field::ELEMENT).unwrap_or_default())?;
        let raw = tensor.message(field::RAW).map(|raw| raw.0);
        let numbers = match (element.is_real(), raw) {
            (true, Some(raw)) => Numbers::Floats(raw_floats(element, raw)),
            (true, None) => Numbers::Floats(typed_floats(element, tensor)),
            (false, raw) => Numbers::Integers(integers(element, tensor, raw)?),
        };
        let read = Self { dims, numbers };
        let is_whole = raw.is_none_or(|raw| raw.len().is_multiple_of(element.bytes()));
        if read.len() != expected || !is_whole {
            let (dims, found) = (&read.dims, read.len());
            return Err(format!("expected {expected} numbers for axes {dims:?}, found {found}"));
        }
        Ok(read)
    }
}

/// The numbers of a tensor of these axes, if they can be counted, even with ones in the place of zeros.
pub(super) fn count(dims: &[usize]) -> Option<usize> {
    let most = dims.iter().try_fold(1_usize, |product, length| product.checked_mul((*length).max(1)));
    let most = most.filter(|most| *most <= isize::MAX as usize)?;
    Some(if dims.contains(&0) { 0 } else { most })
}

fn raw_floats(element: Element, raw: &[u8]) -> Arc<[f32]> {
    match element {
        Element::F16 => {
            raw.as_chunks::<2>().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
        }
        Element::Bf16 => {
            raw.as_chunks::<2>().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect()
        }
        Element::F64 => {
            raw.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
        }
        _ => raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    }
}

/// Numbers in fields of their type; those of two bytes are bits in whole numbers.
fn typed_floats(element: Element, tensor: Message<'_>) -> Arc<[f32]> {
    match element {
        Element::F16 => {
            tensor.numbers(field::WORDS).map(|bits| f16::from_bits(bits as u16).to_f32()).collect()
        }
        Element::Bf16 => {
            tensor.numbers(field::WORDS).map(|bits| bf16::from_bits(bits as u16).to_f32()).collect()
        }
        Element::F64 => tensor.doubles(field::DOUBLES).map(|number| number as f32).collect(),
        _ => tensor.floats(field::FLOATS).collect(),
    }
}

fn integers(element: Element, tensor: Message<'_>, raw: Option<&[u8]>) -> Reading<Arc<[i64]>> {
    let (bytes, signed) = match element {
        Element::Integer(bytes, signed) => (bytes, signed),
        _ => (1, false),
    };
    let field = match (bytes, signed) {
        (8, true) => field::INTEGERS,
        (4 | 8, false) => field::UNSIGNED,
        _ => field::WORDS,
    };
    let length =
        raw.map_or_else(|| tensor.numbers(field).take(INTEGERS + 1).count(), |raw| raw.len() / bytes);
    if length > INTEGERS {
        return Err(format!(
            "expected at most {INTEGERS} whole numbers in a tensor, found more: quantised weights are not read"
        ));
    }
    let Some(raw) = raw else { return Ok(tensor.numbers(field).collect()) };
    let number = |bytes: &[u8]| {
        let negative = signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut all = if negative { [0xff; 8] } else { [0; 8] };
        all[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(all)
    };
    Ok(raw.chunks_exact(bytes).map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_both_places() {
        // Axes [2], f16, raw 1 and -2; the same as bits; axes [1], i64, raw -1; i32, typed 7.
        let rows: [(&[u8], Fixed); 4] = [
            (b"\x08\x02\x10\x0a\x4a\x04\x00\x3c\x00\xc0", Fixed::floats(vec![2], vec![1.0, -2.0])),
            (b"\x0a\x01\x02\x10\x0a\x2a\x05\x80\x78\x80\x80\x03", Fixed::floats(vec![2], vec![1.0, -2.0])),
            (b"\x08\x01\x10\x07\x4a\x08\xff\xff\xff\xff\xff\xff\xff\xff", Fixed::list(vec![-1])),
            (b"\x10\x06\x28\x07", Fixed::integers(vec![], vec![7])),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Fixed::read(Message(bytes)), Ok(expected));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rows: [(&[u8], &str); 4] = [
            (b"\x08\x03\x10\x01\x4a\x04\0\0\0\0", "expected 3 numbers for axes [3], found 1"),
            (b"\x08\x01\x10\x01\x4a\x05\0\0\0\0\0", "expected 1 numbers for axes [1], found 1"),
            (b"\x10\x08", "expected real or whole numbers, found ONNX's type 8"),
            (b"\x10\x01\x70\x01", "external_data"),
        ];
        for (bytes, expected) in rows {
            let message = Fixed::read(Message(bytes)).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
