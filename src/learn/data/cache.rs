//! One file that keeps the pairs for the next start.
//!
//! Its pictures are the small and the large one of each pair (`kept`). The head says what the pairs were made of (options,
//! and each file with its size and time): where that is not what there is now, the file is not used, and neither is one
//! that a check sum does not fit. That it cannot be written is a warning, for the pairs are there.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::kept::{self, check_sum, damaged, list, number, text};
use super::make::Made;
use super::sources::Source;
use super::{DataOptions, Pair};

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
            json!([name, low.width(), low.height(), high.width(), high.height(), check_sum([low, high])])
        })
        .collect();
    let head = json!({ "made_of": made_of, "left_out": made.left_out, "pairs": pairs });
    kept::write(path, MAGIC, &head, made.pairs.iter().flat_map(|pair| [&pair.low, &pair.high]))
}

/// Nothing if it was made of something else.
fn of_file(path: &Path, made_of: &Value) -> io::Result<Option<Made>> {
    let (mut file, head) = kept::Reader::open(path, MAGIC)?;
    if head["made_of"] != *made_of {
        return Ok(None);
    }
    let left_out = list(&head["left_out"])?.iter().map(text).collect::<io::Result<_>>()?;
    let described = list(&head["pairs"])?;
    let (mut pairs, mut sums) = (Vec::with_capacity(described.len()), Vec::with_capacity(described.len()));
    for pair in described {
        let [low_width, low_height, high_width, high_height, sum] =
            [1, 2, 3, 4, 5].map(|at| number(&pair[at]));
        let low = file.picture([low_width?, low_height?])?;
        let high = file.picture([high_width?, high_height?])?;
        pairs.push(Pair { name: text(&pair[0])?, low, high });
        sums.push(sum?);
    }
    file.end()?;
    let sum = |pair: &Pair| u64::from(check_sum([&pair.low, &pair.high]));
    let is_whole = pairs.par_iter().zip(&sums).all(|(pair, expected)| sum(pair) == *expected);
    if is_whole { Ok(Some(Made { pairs, left_out })) } else { Err(damaged()) }
}
