//! The EXIF block: what enlarging makes untrue in it is mended in place, and a new one is made of entries.
//!
//! EXIF is a TIFF without pixels: a header (`II` or `MM`, 42, the offset of directory 0), and directories of
//! 12-byte entries `tag, type, count, value`, each with the offset of the next behind it. Nothing is moved, since
//! maker notes count from the start of the block. A block that does not follow the rules is left as it is.

use image::metadata::Orientation;

use super::metadata::{Resolution, Unit};

/// ImageDescription: what a picture shows, in words.
pub(super) const DESCRIPTION: u16 = 0x010e;

const X_RESOLUTION: u16 = 0x011a;
const Y_RESOLUTION: u16 = 0x011b;
const RESOLUTION_UNIT: u16 = 0x0128;
const EXIF_DIRECTORY: u16 = 0x8769;
const GPS_DIRECTORY: u16 = 0x8825;
const INTEROPERABILITY: u16 = 0xa005;
/// `ImageWidth`, `PixelXDimension`; `ImageLength`, `PixelYDimension`.
const WIDTHS: [u16; 2] = [0x0100, 0xa002];
const HEIGHTS: [u16; 2] = [0x0101, 0xa003];
/// Where the thumbnail's JPEG is, and how long.
const THUMBNAIL: [u16; 2] = [0x0201, 0x0202];

const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;

/// The prefix that JPEG puts before the block, and some programs where it does not belong.
pub(super) const PREFIX: &[u8] = b"Exif\0\0";

/// The block as files have it, without the prefix, and what it says of the picture's orientation; in what is
/// returned it is upright.
pub(super) fn upright(mut exif: Vec<u8>) -> (Vec<u8>, Orientation) {
    if exif.starts_with(PREFIX) {
        exif.drain(..PREFIX.len());
    }
    let orientation = Orientation::remove_from_exif_chunk(&mut exif);
    (exif, orientation.unwrap_or(Orientation::NoTransforms))
}

/// The resolution that the block notes.
pub(super) fn resolution(exif: &[u8]) -> Option<Resolution> {
    let block = Block::of(exif);
    let main = block.main()?;
    let number = |tag| block.rational(block.entry(main, tag)?);
    let unit = match block.entry(main, RESOLUTION_UNIT).and_then(|entry| block.u16(entry + 8)) {
        Some(1) => Unit::Unknown,
        Some(3) => Unit::Centimetre,
        _ => Unit::Inch,
    };
    Some(Resolution { x: number(X_RESOLUTION)?, y: number(Y_RESOLUTION)?, unit })
}

/// The block with the size of the enlarged picture where it notes one, its resolution times `scale`, and without a
/// thumbnail.
pub(super) fn enlarged(exif: &[u8], [width, height]: [u32; 2], scale: [f64; 2]) -> Vec<u8> {
    let mut block = Block::of(exif);
    let main = block.main();
    let camera =
        main.and_then(|at| block.entry(at, EXIF_DIRECTORY)).and_then(|entry| block.offset(entry + 8));
    for directory in [main, camera].into_iter().flatten() {
        for (tags, size) in [(WIDTHS, width), (HEIGHTS, height)] {
            for tag in tags {
                if let Some(entry) = block.entry(directory, tag) {
                    block.set_number(entry, size);
                }
            }
        }
    }
    if let Some(main) = main {
        if let Some(Resolution { x, y, unit }) = resolution(exif) {
            block.set_resolution(main, Resolution { x: x * scale[0], y: y * scale[1], unit });
        }
        block.remove_thumbnail(main);
    }
    block.bytes
}

/// The block of a picture whose rows have become columns.
pub(super) fn turned(exif: &[u8]) -> Vec<u8> {
    let mut block = Block::of(exif);
    if let (Some(main), Some(Resolution { x, y, unit })) = (block.main(), resolution(exif)) {
        block.set_resolution(main, Resolution { x: y, y: x, unit });
    }
    block.bytes
}

/// Whether the block is big-endian, and the entries of its directory 0 as they are, offsets of values within them.
pub(super) fn entries(exif: &[u8]) -> Option<(bool, Vec<[u8; 12]>)> {
    let block = Block::of(exif);
    let is_one = matches!(exif.get(..4), Some(b"II*\0" | b"MM\0*"));
    let main = block.main().filter(|_| is_one)?;
    let entries = exif.get(main + 2..block.next(main)?)?.as_chunks().0;
    Some((!block.little_endian, entries.to_vec()))
}

/// The block as it is where `by` bytes stand before it in a file: every offset is that much more, but the one in its head.
pub(super) fn moved(exif: &[u8], by: u32) -> Vec<u8> {
    let mut block = Block::of(exif);
    if let Some(main) = block.main() {
        block.shift(main, by, &[EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY]);
    }
    block.bytes
}

/// A block that notes nothing but a resolution.
pub(super) fn of_resolution(Resolution { x, y, unit }: Resolution) -> Vec<u8> {
    let bytes = |number| fraction(number).map(u32::to_be_bytes).as_flattened().to_vec();
    let rational = |tag, number| Entry { tag, kind: RATIONAL, count: 1, value: Value::Bytes(bytes(number)) };
    let unit = Value::Bytes(vec![0, unit_number(unit) as u8]);
    let unit = Entry { tag: RESOLUTION_UNIT, kind: SHORT, count: 1, value: unit };
    block(true, &Directory(vec![rational(X_RESOLUTION, x), rational(Y_RESOLUTION, y), unit]))
}

/// The unit as TIFF numbers it.
pub(super) fn unit_number(unit: Unit) -> u16 {
    match unit {
        Unit::Unknown => 1,
        Unit::Inch => 2,
        Unit::Centimetre => 3,
    }
}

struct Block {
    bytes: Vec<u8>,
    little_endian: bool,
}

impl Block {
    fn of(exif: &[u8]) -> Self {
        Self { bytes: exif.to_vec(), little_endian: exif.starts_with(b"II") }
    }

    /// Where directory 0 is.
    fn main(&self) -> Option<usize> {
        self.offset(4)
    }

    /// Where the entry `tag` of the directory at `directory` starts.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let entries = usize::from(self.u16(directory)?);
        (0..entries).map(|i| directory + 2 + 12 * i).find(|&entry| self.u16(entry) == Some(tag))
    }

    /// Where the offset of the next directory stands.
    fn next(&self, directory: usize) -> Option<usize> {
        Some(directory + 2 + 12 * usize::from(self.u16(directory)?))
    }

    /// Sets a single number of 16 or 32 bits; one that has no room becomes 32 bits wide.
    fn set_number(&mut self, entry: usize, number: u32) {
        let (kind, count) = (self.u16(entry + 2), self.u32(entry + 4));
        if !matches!(kind, Some(SHORT | LONG)) || count != Some(1) || self.u32(entry + 8).is_none() {
            return;
        }
        self.put(entry + 2, LONG.to_be_bytes());
        self.put(entry + 8, number.to_be_bytes());
    }

    fn set_resolution(&mut self, main: usize, resolution: Resolution) {
        for (tag, number) in [(X_RESOLUTION, resolution.x), (Y_RESOLUTION, resolution.y)] {
            if let Some(at) = self.entry(main, tag).and_then(|entry| self.rational_at(entry)) {
                let [above, below] = fraction(number);
                self.put(at, above.to_be_bytes());
                self.put(at + 4, below.to_be_bytes());
            }
        }
        if let Some(entry) = self.entry(main, RESOLUTION_UNIT).filter(|entry| self.u32(entry + 8).is_some()) {
            self.put(entry + 8, unit_number(resolution.unit).to_be_bytes());
        }
    }

    /// Unhooks directory 1, which is the thumbnail's, and blanks the thumbnail; at the end of the block, where it
    /// usually is, it is cut off.
    fn remove_thumbnail(&mut self, main: usize) {
        let Some(next) = self.next(main).filter(|&next| self.u32(next).is_some_and(|at| at > 0)) else {
            return;
        };
        let number = |tag| self.offset(self.entry(self.offset(next)?, tag)? + 8);
        let [start, len] = THUMBNAIL.map(number);
        self.put(next, [0; 4]);
        let Some(start) = start.filter(|&start| start > next) else { return };
        let end = start.saturating_add(len.unwrap_or(0));
        if end >= self.bytes.len() {
            self.bytes.truncate(start.max(next + 4));
        } else {
            self.bytes[start..end].fill(0);
        }
    }

    /// Adds to the offsets of a directory's values, and to those of the directories that these tags point to, each once.
    fn shift(&mut self, directory: usize, by: u32, pointers: &[u16]) {
        for i in 0..usize::from(self.u16(directory).unwrap_or(0)) {
            let entry = directory + 2 + 12 * i;
            let (Some(tag), Some(kind)) = (self.u16(entry), self.u16(entry + 2)) else { return };
            let (Some(count), Some(offset)) = (self.u32(entry + 4), self.u32(entry + 8)) else { return };
            let points = pointers.iter().position(|pointer| *pointer == tag);
            if let Some(at) = points {
                self.shift(offset as usize, by, &[&pointers[..at], &pointers[at + 1..]].concat());
            }
            if points.is_some() || value_bytes(kind).saturating_mul(count.into()) > 4 {
                self.put(entry + 8, offset.saturating_add(by).to_be_bytes());
            }
        }
    }

    /// Where the fraction of an entry stands, if it has one and it is whole.
    fn rational_at(&self, entry: usize) -> Option<usize> {
        let one = self.u16(entry + 2) == Some(RATIONAL) && self.u32(entry + 4) == Some(1);
        let at = self.offset(entry + 8)?;
        (one && self.u32(at + 4).is_some()).then_some(at)
    }

    fn rational(&self, entry: usize) -> Option<f64> {
        let at = self.rational_at(entry)?;
        let number = f64::from(self.u32(at)?) / f64::from(self.u32(at + 4)?);
        (number.is_finite() && number > 0.0).then_some(number)
    }

    fn offset(&self, at: usize) -> Option<usize> {
        self.u32(at).map(|offset| offset as usize)
    }

    /// Writes big-endian bytes in the block's own order.
    fn put<const N: usize>(&mut self, at: usize, mut bytes: [u8; N]) {
        if self.little_endian {
            bytes.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&bytes);
    }

    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let at = self.bytes.len();
        self.bytes.resize(at + N, 0);
        self.put(at, bytes);
    }

    /// A directory, and behind it the values that have no room in their entries.
    fn append(&mut self, Directory(entries): &Directory) {
        let mut entries: Vec<&Entry> = entries.iter().collect();
        entries.sort_by_key(|entry| entry.tag);
        self.push((entries.len() as u16).to_be_bytes());
        let start = self.bytes.len();
        self.bytes.resize(start + 12 * entries.len() + 4, 0);
        for (Entry { tag, kind, count, value }, at) in entries.into_iter().zip((start..).step_by(12)) {
            self.put(at, tag.to_be_bytes());
            self.put(at + 2, kind.to_be_bytes());
            self.put(at + 4, count.to_be_bytes());
            let place = (self.bytes.len() as u32).to_be_bytes();
            match value {
                Value::Bytes(bytes) if bytes.len() <= 4 => {
                    self.bytes[at + 8..][..bytes.len()].copy_from_slice(bytes)
                }
                Value::Bytes(bytes) => {
                    self.put(at + 8, place);
                    self.bytes.extend(bytes);
                    self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
                }
                Value::Directory(directory) => {
                    self.put(at + 8, place);
                    self.append(directory);
                }
            }
        }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

/// How many bytes a value of a type takes.
fn value_bytes(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}

/// The number as a fraction of two whole ones.
pub(super) fn fraction(number: f64) -> [u32; 2] {
    let below = [1, 100, 10_000].into_iter().find(|below| (number * f64::from(*below)).fract() == 0.0);
    let below = below.unwrap_or(10_000).min(if number > 1e5 { 1 } else { 10_000 });
    [(number * f64::from(below)).round() as u32, below]
}

/// A directory for [`block`].
#[derive(Clone, Debug, Default)]
pub(super) struct Directory(pub(super) Vec<Entry>);

/// An entry of a directory, its numbers in the order of the block.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) kind: u16,
    pub(super) count: u32,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Bytes(Vec<u8>),
    /// The entry is the offset of another directory, such as the camera's (0x8769) or that of GPS (0x8825).
    Directory(Directory),
}

/// An EXIF block of entries, such as those that a TIFF has in its directory; they are sorted here.
pub(super) fn block(big_endian: bool, main: &Directory) -> Vec<u8> {
    let mut block =
        Block { bytes: if big_endian { b"MM".into() } else { b"II".into() }, little_endian: !big_endian };
    block.push(42_u16.to_be_bytes());
    block.push(8_u32.to_be_bytes());
    block.append(main);
    block.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directory 0 with a width of 16 bits and the camera's directory, which holds a height of 32 bits.
    fn block(little_endian: bool) -> Vec<u8> {
        let mut block = Block { bytes: vec![0; 60], little_endian };
        block.bytes[..2].copy_from_slice(if little_endian { b"II" } else { b"MM" });
        block.put(2, 42_u16.to_be_bytes());
        block.put(4, 8_u32.to_be_bytes());
        for (directory, entries) in [(8, 2_u16), (40, 1)] {
            block.put(directory, entries.to_be_bytes());
        }
        let entries = [(10, 0x0100_u16, SHORT, 1_u32), (22, EXIF_DIRECTORY, LONG, 40), (42, 0xa003, LONG, 3)];
        for (entry, tag, kind, value) in entries {
            block.put(entry, tag.to_be_bytes());
            block.put(entry + 2, kind.to_be_bytes());
            block.put(entry + 4, 1_u32.to_be_bytes());
            block.put(entry + 8, value.to_be_bytes());
        }
        block.bytes
    }

    #[test]
    fn sizes_are_set_in_both_directories() {
        for little_endian in [false, true] {
            let bytes = enlarged(&block(little_endian), [70_000, 12], [1.0; 2]);
            let block = Block { bytes, little_endian };
            assert_eq!(block.u16(12), Some(LONG));
            assert_eq!((block.u32(18), block.u32(50)), (Some(70_000), Some(12)));
            assert_eq!(block.u32(30), Some(40), "the directory's offset is not a size");
        }
    }

    /// Words in directory 0, in the camera's below it and in that of its interoperability.
    #[test]
    fn a_moved_block_is_one_where_it_is() {
        let words = |tag, words: &[u8]| Entry {
            tag,
            kind: 2,
            count: words.len() as u32,
            value: Value::Bytes(words.into()),
        };
        let to = |tag, directory| Entry { tag, kind: LONG, count: 1, value: Value::Directory(directory) };
        let number = Entry { tag: WIDTHS[1], kind: SHORT, count: 1, value: Value::Bytes(vec![0, 7]) };
        let inner = Directory(vec![words(1, b"R98 and more")]);
        let camera = Directory(vec![words(0x9003, b"2020:01:02"), number, to(INTEROPERABILITY, inner)]);
        let main = Directory(vec![words(0x010f, b"Camera"), to(EXIF_DIRECTORY, camera)]);
        for big_endian in [false, true] {
            let bytes = [vec![9; 100], moved(&super::block(big_endian, &main), 100)].concat();
            let block = Block { bytes, little_endian: !big_endian };
            let words = |directory, tag| {
                let entry = block.entry(directory, tag).unwrap();
                let (len, at) = (block.offset(entry + 4).unwrap(), block.offset(entry + 8).unwrap());
                block.bytes[at..][..len].to_vec()
            };
            let below = |directory, tag| block.offset(block.entry(directory, tag).unwrap() + 8).unwrap();
            let main = 100 + block.offset(104).unwrap();
            let camera = below(main, EXIF_DIRECTORY);
            assert_eq!(words(main, 0x010f), b"Camera");
            assert_eq!(words(camera, 0x9003), b"2020:01:02");
            assert_eq!(words(below(camera, INTEROPERABILITY), 1), b"R98 and more");
            assert_eq!(block.bytes[block.entry(camera, WIDTHS[1]).unwrap() + 9], 7, "a value that has room");
        }
    }

    #[test]
    fn a_broken_block_is_left_alone() {
        let whole = block(true);
        for len in 0..whole.len() {
            moved(&whole[..len], 5);
        }
        for len in [0, 1, 5, 9, 15, 21, 33, 45, 53] {
            enlarged(&whole[..len], [1, 1], [1.0; 2]);
        }
        assert_eq!(enlarged(b"not exif at all", [2, 2], [1.0; 2]), b"not exif at all");
    }
}
