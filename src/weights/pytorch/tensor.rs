//! Tensors as a pickle describes them: strided views into storages that lie elsewhere in the file.

use std::sync::Arc;

use super::super::{Number, Reading};

/// What a storage is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// Numbers, which are read.
    Number(Number),
    /// Integers or booleans, which are skipped.
    Integer {
        /// The width of one.
        bytes: usize,
    },
}

/// A flat run of numbers in the file, found by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) format: Format,
    /// How many numbers.
    pub(super) len: usize,
}

impl Storage<'_> {
    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> Reading<usize> {
        let width = match self.format {
            Format::Number(number) => number.bytes(),
            Format::Integer { bytes } => bytes,
        };
        self.len.checked_mul(width).ok_or_else(|| format!("storage {} has {} numbers", self.key, self.len))
    }
}

/// A view into a storage: the number at position (i, j, …) lies at `offset + i·strides[0] + j·strides[1] + …`.
///
/// Several tensors may share a storage, and a stride may be zero. All positions are within the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor<'a> {
    storage: Storage<'a>,
    offset: usize,
    dims: Vec<usize>,
    strides: Vec<usize>,
    /// The product of `dims`.
    len: usize,
}

impl<'a> Tensor<'a> {
    /// # Errors
    /// If it reaches out of its storage.
    pub(super) fn new(
        storage: Storage<'a>,
        offset: usize,
        dims: Vec<usize>,
        strides: Vec<usize>,
    ) -> Reading<Self> {
        if dims.len() != strides.len() {
            return Err(format!("a tensor of sizes {dims:?} has strides {strides:?}"));
        }
        let len = dims.iter().try_fold(1usize, |len, &dim| len.checked_mul(dim));
        let end = match len {
            Some(0) => Some(0),
            _ => end(offset, &dims, &strides),
        };
        match (len, end) {
            (Some(len), Some(end)) if end <= storage.len => Ok(Self { storage, offset, dims, strides, len }),
            _ => Err(format!(
                "a tensor of sizes {dims:?}, strides {strides:?} and offset {offset} reaches out of storage {}, \
                 which has {} numbers",
                storage.key, storage.len
            )),
        }
    }

    pub(super) fn storage(&self) -> Storage<'a> {
        self.storage
    }

    pub(super) fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// How many numbers it has. With strides of zero, that may be far more than its storage has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How its numbers are written; `None` for integers.
    pub(super) fn number(&self) -> Option<Number> {
        match self.storage.format {
            Format::Number(number) => Some(number),
            Format::Integer { .. } => None,
        }
    }

    /// Its numbers in C order, out of the bytes of the whole storage.
    ///
    /// # Panics
    /// If `storage` has another length than the tensor's storage.
    pub(super) fn gather(&self, number: Number, storage: &[u8]) -> Arc<[f32]> {
        assert_eq!(Ok(storage.len()), self.storage.bytes(), "the tensor's own storage");
        if self.len == 0 {
            return Arc::default();
        }
        if self.is_contiguous() {
            let width = number.bytes();
            return number.decode(&storage[self.offset * width..(self.offset + self.len) * width]);
        }
        let mut position = vec![0; self.dims.len()];
        let next = |_| {
            let steps = position.iter().zip(&self.strides).map(|(at, stride)| at * stride);
            let value = number.at(storage, self.offset + steps.sum::<usize>());
            advance(&mut position, &self.dims);
            value
        };
        (0..self.len).map(next).collect()
    }

    /// Whether its numbers surely lie in C order without gaps.
    fn is_contiguous(&self) -> bool {
        let mut step = 1;
        self.len == 0
            || self.dims.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
                let expected = step;
                step *= dim;
                stride == expected
            })
    }
}

/// One past the last number, of a tensor that has some.
fn end(offset: usize, dims: &[usize], strides: &[usize]) -> Option<usize> {
    let last = dims
        .iter()
        .zip(strides)
        .try_fold(offset, |last, (&dim, &stride)| last.checked_add((dim - 1).checked_mul(stride)?));
    last?.checked_add(1)
}

/// The next position in C order; after the last, the first.
fn advance(position: &mut [usize], dims: &[usize]) {
    for (at, &dim) in position.iter_mut().zip(dims).rev() {
        *at += 1;
        if *at < dim {
            return;
        }
        *at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(offset: usize, dims: &[usize], strides: &[usize]) -> Reading<Tensor<'static>> {
        let storage = Storage { key: "0", format: Format::Number(Number::F32), len: 12 };
        Tensor::new(storage, offset, dims.to_vec(), strides.to_vec())
    }

    #[test]
    fn strides_and_offsets_are_honoured() {
        let storage: Vec<u8> = (0..12u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
        let far = usize::MAX;
        type Row<'r> = (usize, &'r [usize], &'r [usize], &'r [u8]);
        let cases: [Row<'_>; 9] = [
            (0, &[2, 3], &[3, 1], &[0, 1, 2, 3, 4, 5]),
            (6, &[2, 3], &[3, 1], &[6, 7, 8, 9, 10, 11]),
            (0, &[3, 2], &[1, 3], &[0, 3, 1, 4, 2, 5]),
            (1, &[3], &[4], &[1, 5, 9]),
            (5, &[2, 2], &[0, 0], &[5, 5, 5, 5]),
            (7, &[], &[], &[7]),
            (2, &[1, 2, 1], &[far, 1, far], &[2, 3]),
            (2, &[1, 2, 1], &[far, 2, far], &[2, 4]),
            (99, &[0, 3], &[3, 1], &[]),
        ];
        for (offset, dims, strides, expected) in cases {
            let values = tensor(offset, dims, strides).unwrap().gather(Number::F32, &storage);
            assert_eq!(
                *values,
                expected.iter().map(|&v| f32::from(v)).collect::<Vec<_>>(),
                "{dims:?} {strides:?}"
            );
        }
    }

    #[test]
    fn nothing_reaches_out_of_its_storage() {
        let far = usize::MAX;
        let cases: [(usize, &[usize], &[usize]); 8] = [
            (0, &[13], &[1]),
            (12, &[], &[]),
            (1, &[4], &[4]),
            (far, &[1], &[1]),
            (0, &[far, far], &[0, 0]),
            (0, &[3], &[far]),
            (0, &[3, 3], &[far / 2, far / 2]),
            (0, &[2], &[]),
        ];
        for (offset, dims, strides) in cases {
            let reason = tensor(offset, dims, strides).unwrap_err();
            assert!(reason.contains("sizes"), "{reason}");
        }
    }
}
