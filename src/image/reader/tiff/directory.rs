//! The directories of a TIFF: what each tag says, read within the bounds of the file.
//!
//! ```text
//!   II|MM 42|43 ─► directory: count, entries (tag, type, count, value or its offset), next ─► directory …
//! ```
//!
//! No number in the file is believed: a value that does not lie in the file is an error before room is made for it,
//! and all directories together take no more bytes than the file has.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::refused;
use crate::image::limits::zeros;

/// A TIFF or, with wide numbers, a BigTIFF.
pub(super) struct File<R> {
    source: R,
    len: u64,
    pub(super) big_endian: bool,
    wide: bool,
    first: u64,
    /// How many bytes of directories may still be read.
    left: u64,
}

/// What is said of one picture, or of a camera.
#[derive(Clone)]
pub(super) struct Directory {
    entries: Vec<Entry>,
    /// Where the next one is; 0 behind the last.
    next: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) kind: u16,
    pub(super) count: u64,
    /// Where the values are.
    at: u64,
}

impl Directory {
    pub(super) fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.tag == tag).copied()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    fn value_bytes(self) -> Option<u64> {
        match self.kind {
            1 | 2 | 6 | 7 => Some(1),
            3 | 8 => Some(2),
            4 | 9 | 11 | 13 => Some(4),
            5 | 10 | 12 | 16..=18 => Some(8),
            _ => None,
        }
    }
}

impl<R: Read + Seek> File<R> {
    pub(super) fn open(mut source: R) -> io::Result<Self> {
        let len = source.seek(SeekFrom::End(0))?;
        let mut file = Self { source, len, big_endian: false, wide: false, first: 0, left: len };
        let head = file.bytes(0, 8)?;
        file.big_endian = head.starts_with(b"MM");
        file.wide = file.number(&head[2..4]) == 43;
        file.first = if file.wide {
            let offset = file.bytes(8, 8)?;
            file.number(&offset)
        } else {
            file.number(&head[4..8])
        };
        Ok(file)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Some bytes of the file.
    pub(super) fn bytes(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = zeros(len)?;
        self.source.seek(SeekFrom::Start(at))?;
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The first directory.
    pub(super) fn first(&mut self) -> io::Result<Directory> {
        self.directory(self.first)
    }

    /// The directory behind another in the chain.
    pub(super) fn next(&mut self, directory: &Directory) -> io::Result<Option<Directory>> {
        if directory.next == 0 { Ok(None) } else { self.directory(directory.next).map(Some) }
    }

    pub(super) fn directory(&mut self, at: u64) -> io::Result<Directory> {
        let (count_bytes, entry_bytes, room) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.bytes(at, count_bytes)?;
        let size = self.number(&count).checked_mul(entry_bytes).filter(|&size| size <= self.left);
        let size = size.ok_or_else(|| refused("its directories overlap, or one is longer than the file"))?;
        self.left -= size.max(1);
        let start = at + count_bytes;
        let bytes = self.bytes(start, size)?;
        // Some writers leave the last offset out.
        let next = self.bytes(start + size, room).map_or(0, |offset| self.number(&offset));
        let entries = bytes.chunks_exact(entry_bytes as usize).zip(0..);
        let entries = entries.map(|(bytes, i)| self.entry(bytes, start + i * entry_bytes)).collect();
        Ok(Directory { entries, next })
    }

    fn entry(&self, bytes: &[u8], at: u64) -> Entry {
        let room = if self.wide { 8 } else { 4 };
        let value = 4 + room;
        let mut entry = Entry {
            tag: self.number(&bytes[..2]) as u16,
            kind: self.number(&bytes[2..4]) as u16,
            count: self.number(&bytes[4..value]),
            at: at + value as u64,
        };
        let size = entry.value_bytes().and_then(|bytes| bytes.checked_mul(entry.count));
        if size.is_none_or(|size| size > room as u64) {
            entry.at = self.number(&bytes[value..]);
        }
        entry
    }

    /// The bytes of an entry's values.
    pub(super) fn raw(&mut self, entry: Entry) -> io::Result<Vec<u8>> {
        let size = entry.value_bytes().and_then(|bytes| bytes.checked_mul(entry.count));
        let size = size.ok_or_else(|| refused(format!("tag {} has values of no known type", entry.tag)))?;
        self.bytes(entry.at, size)
    }

    /// The whole numbers that a tag says.
    pub(super) fn numbers(&mut self, directory: &Directory, tag: u16) -> io::Result<Option<Vec<u64>>> {
        let Some(entry) = directory.entry(tag) else { return Ok(None) };
        if !matches!(entry.kind, 1 | 3 | 4 | 7 | 13 | 16 | 18) {
            return Err(refused(format!("expected whole numbers in tag {tag}, found type {}", entry.kind)));
        }
        let bytes = self.raw(entry)?;
        let size = entry.value_bytes().expect("a known type") as usize;
        Ok(Some(bytes.chunks_exact(size).map(|value| self.number(value)).collect()))
    }

    /// The first of them.
    pub(super) fn first_number(&mut self, directory: &Directory, tag: u16) -> io::Result<Option<u64>> {
        Ok(self.numbers(directory, tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// The numbers that a tag says, fractions among them.
    pub(super) fn fractions(&mut self, directory: &Directory, tag: u16) -> io::Result<Option<Vec<f64>>> {
        let Some(entry) = directory.entry(tag) else { return Ok(None) };
        let Self { big_endian, .. } = *self;
        let ratio =
            |value: &[u8]| number(big_endian, &value[..4]) as f64 / number(big_endian, &value[4..]) as f64;
        let bytes = match entry.kind {
            5 | 11 | 12 => self.raw(entry)?,
            _ => {
                return Ok(self
                    .numbers(directory, tag)?
                    .map(|all| all.iter().map(|&one| one as f64).collect()));
            }
        };
        Ok(Some(match entry.kind {
            5 => bytes.chunks_exact(8).map(ratio).collect(),
            11 => {
                bytes.chunks_exact(4).map(|value| f32::from_bits(self.number(value) as u32).into()).collect()
            }
            _ => bytes.chunks_exact(8).map(|value| f64::from_bits(self.number(value))).collect(),
        }))
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        number(self.big_endian, bytes)
    }
}

/// A number of up to eight bytes.
pub(super) fn number(big_endian: bool, bytes: &[u8]) -> u64 {
    let add = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
    if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}
