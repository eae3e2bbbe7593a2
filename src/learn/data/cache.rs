//! One file that keeps the pairs for the next start.
//!
//! ```text
//!   "sparsr pairs 1\n"   length of the head, 8 bytes   its CRC-32, 4 bytes   the head, JSON
//!   small and large picture of each pair, 3 bytes a pixel, in the head's order
//! ```
//!
//! All numbers are little-endian. The head says what the pairs were made of (options, and each file with its size and
//! time): where that is not what there is now, the file is not used, and neither is one that a check sum does not fit. It is
//! written whole or not at all. That it cannot be written is a warning, for the pairs are there.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::make::Made;
use super::sources::Source;
use super::{DataOptions, Pair, bytes};
use crate::image::NewFile;
use crate::pixels::{Pixels, Samples};

const MAGIC: &[u8] = b"sparsr pairs 1\n";

/// The pairs, if they are kept and nothing has changed.
pub(super) fn read(options: &DataOptions, sources: &[Source]) -> Option<Made> {
    let path = options.cache.as_deref().filter(|path| path.exists())?;
    match of_file(path, &made_of(options, sources)) {
        Ok(None) => {
            tracing::info!("{}: pictures or options have changed; it is made anew", path.display());
            None
        }
        Ok(made) => made,
        Err(error) => {
            tracing::warn!("{}: the cache cannot be used: {error}; it is made anew", path.display());
            None
        }
    }
}

/// Keeps the pairs, if they shall be kept.
pub(super) fn write(options: &DataOptions, sources: &[Source], made: &Made) {
    let Some(path) = &options.cache else { return };
    if let Err(error) = to_file(path, made_of(options, sources), made) {
        tracing::warn!("{}: the cache cannot be written: {error}", path.display());
    }
}

/// What pairs depend on. A file that is not there has no size.
fn made_of(options: &DataOptions, sources: &[Source]) -> Value {
    let state = |path: &Path| {
        let metadata = fs::metadata(path).ok();
        let time = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let time = time.map(|time| [time.as_secs(), time.subsec_nanos().into()]);
        json!([path.to_string_lossy(), metadata.map(|metadata| metadata.len()), time])
    };
    let sources = sources.iter().map(|source| json!([state(&source.high), source.low.as_deref().map(state)]));
    json!({
        "scale": options.scale,
        "also_shrunk_above": options.also_shrunk_above,
        "sources": sources.collect::<Vec<_>>(),
    })
}

fn to_file(path: &Path, made_of: Value, made: &Made) -> io::Result<()> {
    let pairs: Vec<Value> = made
        .pairs
        .par_iter()
        .map(|Pair { name, low, high }| {
            json!([name, low.width(), low.height(), high.width(), high.height(), check_sum(low, high)])
        })
        .collect();
    let head = json!({ "made_of": made_of, "left_out": made.left_out, "pairs": pairs });
    let head = serde_json::to_vec(&head)?;
    let mut file = NewFile::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&(head.len() as u64).to_le_bytes())?;
    file.write_all(&crc32fast::hash(&head).to_le_bytes())?;
    file.write_all(&head)?;
    for pair in &made.pairs {
        file.write_all(bytes(&pair.low))?;
        file.write_all(bytes(&pair.high))?;
    }
    file.finish(true)
}

/// Nothing if it was made of something else.
fn of_file(path: &Path, made_of: &Value) -> io::Result<Option<Made>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let head = head(&mut file, len)?;
    if head["made_of"] != *made_of {
        return Ok(None);
    }
    let left_out = list(&head["left_out"])?.iter().map(text).collect::<io::Result<_>>()?;
    let described = list(&head["pairs"])?;
    let (mut pairs, mut sums) = (Vec::with_capacity(described.len()), Vec::with_capacity(described.len()));
    let mut left = len;
    for pair in described {
        let [low_width, low_height, high_width, high_height, sum] =
            [1, 2, 3, 4, 5].map(|at| pair[at].as_u64().ok_or_else(damaged));
        let low = pixels(&mut file, [low_width?, low_height?], &mut left)?;
        let high = pixels(&mut file, [high_width?, high_height?], &mut left)?;
        pairs.push(Pair { name: text(&pair[0])?, low, high });
        sums.push(sum?);
    }
    let is_whole =
        pairs.par_iter().zip(&sums).all(|(pair, sum)| u64::from(check_sum(&pair.low, &pair.high)) == *sum);
    if !is_whole || file.read(&mut [0])? != 0 {
        return Err(damaged());
    }
    Ok(Some(Made { pairs, left_out }))
}

/// What stands before the pictures in a file of `len` bytes.
fn head(file: &mut impl Read, len: u64) -> io::Result<Value> {
    let (mut magic, mut head_len, mut sum) = ([0; MAGIC.len()], [0; 8], [0; 4]);
    file.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(io::Error::other("it is no cache of pictures, or one of another version"));
    }
    file.read_exact(&mut head_len)?;
    file.read_exact(&mut sum)?;
    let head_len = u64::from_le_bytes(head_len);
    let mut head = zeros(head_len, len)?;
    file.read_exact(&mut head)?;
    if crc32fast::hash(&head) != u32::from_le_bytes(sum) {
        return Err(damaged());
    }
    Ok(serde_json::from_slice(&head)?)
}

/// The next picture, of which no more is believed than that it lies in what is left of the file.
fn pixels(file: &mut impl Read, [width, height]: [u64; 2], left: &mut u64) -> io::Result<Pixels> {
    let len = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3)).ok_or_else(damaged)?;
    let mut samples = zeros(len, *left)?;
    file.read_exact(&mut samples)?;
    *left -= len;
    if samples.is_empty() {
        return Err(damaged());
    }
    Ok(Pixels::new(width as usize, height as usize, Samples::U8(samples)))
}

fn zeros(len: u64, most: u64) -> io::Result<Vec<u8>> {
    if len > most { Err(damaged()) } else { Ok(vec![0; len as usize]) }
}

fn list(value: &Value) -> io::Result<&Vec<Value>> {
    value.as_array().ok_or_else(damaged)
}

fn text(value: &Value) -> io::Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(damaged)
}

fn damaged() -> io::Error {
    io::Error::other("it is damaged")
}

fn check_sum(low: &Pixels, high: &Pixels) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes(low));
    hasher.update(bytes(high));
    hasher.finalize()
}
