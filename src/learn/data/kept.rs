//! Files of pictures, written whole or not at all.
//!
//! ```text
//!   a line that says what it is   length of the head, 8 bytes   its CRC-32, 4 bytes   the head, JSON
//!   pictures, 3 bytes a pixel, as the head describes them
//! ```
//!
//! All numbers are little-endian.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use serde_json::Value;

use super::bytes;
use crate::image::NewFile;
use crate::pixels::{Pixels, Samples};

pub(super) fn write<'a>(
    path: &Path,
    magic: &[u8],
    head: &Value,
    pictures: impl Iterator<Item = &'a Pixels>,
) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut file = NewFile::create(path)?;
    file.write_all(magic)?;
    file.write_all(&(head.len() as u64).to_le_bytes())?;
    file.write_all(&crc32fast::hash(&head).to_le_bytes())?;
    file.write_all(&head)?;
    for picture in pictures {
        file.write_all(bytes(picture))?;
    }
    file.finish(true)
}

/// What comes behind the head.
pub(super) struct Reader {
    file: BufReader<File>,
    /// At least as many bytes as are left.
    left: u64,
}

impl Reader {
    /// Reads the head.
    pub(super) fn open(path: &Path, magic: &[u8]) -> io::Result<(Self, Value)> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let (mut start, mut head_len, mut sum) = (vec![0; magic.len()], [0; 8], [0; 4]);
        file.read_exact(&mut start)?;
        if start != magic {
            return Err(io::Error::other("it is no cache of pictures, or one of another version"));
        }
        file.read_exact(&mut head_len)?;
        file.read_exact(&mut sum)?;
        let mut head = zeros(u64::from_le_bytes(head_len), left)?;
        file.read_exact(&mut head)?;
        if crc32fast::hash(&head) != u32::from_le_bytes(sum) {
            return Err(damaged());
        }
        Ok((Self { file, left }, serde_json::from_slice(&head)?))
    }

    /// The next picture, of which no more is believed than that it lies in what is left of the file.
    pub(super) fn picture(&mut self, [width, height]: [u64; 2]) -> io::Result<Pixels> {
        let len = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3)).ok_or_else(damaged)?;
        let mut samples = zeros(len, self.left)?;
        self.file.read_exact(&mut samples)?;
        self.left -= len;
        if samples.is_empty() {
            return Err(damaged());
        }
        Ok(Pixels::of(width as usize, height as usize, Samples::U8(samples)))
    }

    /// Nothing may come behind the pictures.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.file.read(&mut [0])? == 0 { Ok(()) } else { Err(damaged()) }
    }
}

fn zeros(len: u64, most: u64) -> io::Result<Vec<u8>> {
    if len > most { Err(damaged()) } else { Ok(vec![0; len as usize]) }
}

pub(super) fn list(value: &Value) -> io::Result<&Vec<Value>> {
    value.as_array().ok_or_else(damaged)
}

pub(super) fn text(value: &Value) -> io::Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(damaged)
}

pub(super) fn number(value: &Value) -> io::Result<u64> {
    value.as_u64().ok_or_else(damaged)
}

pub(super) fn damaged() -> io::Error {
    io::Error::other("it is damaged")
}

pub(super) fn check_sum<const N: usize>(pictures: [&Pixels; N]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    pictures.iter().for_each(|picture| hasher.update(bytes(picture)));
    hasher.finalize()
}
