//! What teachers make of the small pictures: computed once, for a teacher's forward pass costs several times an iteration
//! of its student.
//!
//! Whole pictures are enlarged, so that what a crop sees of its surroundings is what the network would see when it is
//! used. Several teachers give the mean of their pictures. It is kept in 8 bits, as the truth beside it is: 3 bytes a pixel,
//! where 16 bits would be 0.6 GiB more for 200 megapixels. Rounding moves a sample by 0.29 of 255 (root mean square), to
//! either side; a student that is 0.7 dB behind its teacher at 38 dB is 1.3 away from it at least.
//!
//! A cache file (`kept`) holds them for the next start. Its head says which teachers made them, of which small pictures.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};

use super::kept::{self, check_sum, damaged, list, number};
use super::{Pair, Pairs, bytes};
use crate::control::{Cancel, Progress};
use crate::error::{Error, Result};
use crate::pixels::{Pixels, Samples};

const MAGIC: &[u8] = b"sparsr taught 1\n";

/// Whose pictures students learn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teachers {
    /// Of each what tells it from all others: another one makes other pictures.
    pub keys: Vec<String>,
    /// A file that keeps their pictures for the next start. It is made anew for other teachers or small pictures, or when
    /// it is damaged.
    pub cache: Option<PathBuf>,
}

/// Of every pair the picture that teachers make of the small one, 8 bits a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Taught {
    pictures: Vec<Pixels>,
}

impl Taught {
    /// Has the small pictures enlarged, or reads the cache. `enlarge` is told which teacher shall enlarge which picture;
    /// both have 16 bits a sample.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no teacher, [`Error::Image`] if a teacher's picture has not the pairs' scale,
    /// [`Error::Cancelled`], and what `enlarge` says.
    pub fn open(
        pairs: &Pairs,
        teachers: &Teachers,
        cancel: &Cancel,
        progress: &Progress,
        enlarge: impl FnMut(usize, &Pixels) -> Result<Pixels>,
    ) -> Result<Self> {
        if teachers.keys.is_empty() {
            return Err(Error::Unsupported("teachers: expected one at least, found none".into()));
        }
        let made_of = made_of(pairs, teachers);
        let cache = teachers.cache.as_deref();
        if let Some(pictures) = cache.and_then(|path| read(path, &made_of, pairs)) {
            return Ok(Self { pictures });
        }
        let pictures = make(pairs, teachers.keys.len(), cancel, progress, enlarge)?;
        if let Some(path) = cache {
            write(path, &made_of, &pictures);
        }
        Ok(Self { pictures })
    }

    /// In the order of [`Pairs::pairs`].
    pub fn pictures(&self) -> &[Pixels] {
        &self.pictures
    }
}

fn make(
    pairs: &Pairs,
    teachers: usize,
    cancel: &Cancel,
    progress: &Progress,
    mut enlarge: impl FnMut(usize, &Pixels) -> Result<Pixels>,
) -> Result<Vec<Pixels>> {
    let pixels = |pair: &Pair| (pair.low.width() * pair.low.height()) as u64;
    progress.begin(1, teachers as u64 * pairs.pairs.iter().map(pixels).sum::<u64>());
    let of_pair = |pair: &Pair| {
        let small = Pixels::of(pair.low.width(), pair.low.height(), Samples::U16(fine(&pair.low)));
        let mut sums = vec![0_u32; bytes(&pair.high).len()];
        for teacher in 0..teachers {
            cancel.check()?;
            let picture = enlarge(teacher, &small)?;
            check_size(pair, &picture)?;
            sums.iter_mut().zip(fine(&picture)).for_each(|(sum, sample)| *sum += u32::from(sample));
            progress.add(pixels(pair));
        }
        Ok(mean(&pair.high, &sums, teachers as u64))
    };
    pairs.pairs.iter().map(of_pair).collect()
}

/// Samples of 16 bits.
fn fine(picture: &Pixels) -> Vec<u16> {
    match picture.samples() {
        Samples::U8(samples) => samples.iter().map(|sample| 257 * u16::from(*sample)).collect(),
        Samples::U16(samples) => samples.clone(),
    }
}

fn check_size(pair: &Pair, picture: &Pixels) -> Result<()> {
    let [expected, found] =
        [&pair.high, picture].map(|picture| format!("{}x{}", picture.width(), picture.height()));
    if expected == found {
        return Ok(());
    }
    let reason =
        format!("expected a teacher's picture of {expected} pixels, found {found}: it has another scale");
    Err(Error::Image { file: pair.name.clone(), reason })
}

/// The mean of as many pictures of 16 bits as were added up, rounded once.
fn mean(like: &Pixels, sums: &[u32], count: u64) -> Pixels {
    let rounded = |sum: &u32| ((2 * u64::from(*sum) + 257 * count) / (2 * 257 * count)) as u8;
    Pixels::of(like.width(), like.height(), Samples::U8(sums.iter().map(rounded).collect()))
}

/// What the pictures depend on.
fn made_of(pairs: &Pairs, teachers: &Teachers) -> Value {
    let small =
        pairs.pairs.par_iter().map(|Pair { low, .. }| json!([low.width(), low.height(), check_sum([low])]));
    json!({ "teachers": teachers.keys, "scale": pairs.scale, "small": small.collect::<Vec<_>>() })
}

/// The pictures, if they are kept and nothing has changed.
fn read(path: &Path, made_of: &Value, pairs: &Pairs) -> Option<Vec<Pixels>> {
    if !path.exists() {
        return None;
    }
    match of_file(path, made_of, pairs) {
        Ok(None) => {
            tracing::info!("{}: teachers or pictures have changed; it is made anew", path.display());
            None
        }
        Ok(pictures) => pictures,
        Err(error) => {
            tracing::warn!(
                "{}: the teachers' cache cannot be used: {error}; it is made anew",
                path.display()
            );
            None
        }
    }
}

/// Nothing if they were made of something else.
fn of_file(path: &Path, made_of: &Value, pairs: &Pairs) -> io::Result<Option<Vec<Pixels>>> {
    let (mut file, head) = kept::Reader::open(path, MAGIC)?;
    if head["made_of"] != *made_of {
        return Ok(None);
    }
    let sums = list(&head["sums"])?.iter().map(number).collect::<io::Result<Vec<u64>>>()?;
    let next = |pair: &Pair| file.picture([pair.high.width() as u64, pair.high.height() as u64]);
    let pictures = pairs.pairs.iter().map(next).collect::<io::Result<Vec<Pixels>>>()?;
    file.end()?;
    let found: Vec<u64> = pictures.par_iter().map(|picture| check_sum([picture]).into()).collect();
    if found == sums { Ok(Some(pictures)) } else { Err(damaged()) }
}

/// Keeps the pictures. That it cannot be done is a warning, for they are there.
fn write(path: &Path, made_of: &Value, pictures: &[Pixels]) {
    let sums: Vec<u32> = pictures.par_iter().map(|picture| check_sum([picture])).collect();
    let head = json!({ "made_of": made_of, "sums": sums });
    if let Err(error) = kept::write(path, MAGIC, &head, pictures.iter()) {
        tracing::warn!("{}: the teachers' cache cannot be written: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_rounded_once() {
        let one = |samples: [u16; 3]| Pixels::of(1, 1, Samples::U16(samples.to_vec()));
        for (pictures, expected) in [
            (vec![[0, 257 * 7, 65535]], [0, 7, 255]),
            (vec![[128, 129, 65535 - 129]], [0, 1, 254]),
            (vec![[100, 0, 65535], [157, 257, 65534]], [1, 1, 255]), // each alone: 0 and 1
        ] {
            let mut sums = vec![0_u32; 3];
            for picture in &pictures {
                sums.iter_mut().zip(fine(&one(*picture))).for_each(|(sum, sample)| *sum += u32::from(sample));
            }
            let found = mean(&one([0; 3]), &sums, pictures.len() as u64);
            assert_eq!(bytes(&found), expected, "{pictures:?}");
        }
    }
}
