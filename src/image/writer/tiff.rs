//! What stands before the pixels of a TIFF: header, directory, and the values that have no room in it.
//!
//! The pixels follow without compression, one row after another. So every offset is known before the first of
//! them, and the file is written from front to back. What may exceed 4 GiB is a BigTIFF: the same with wider
//! numbers.
//!
//! ```text
//!   II 42 ─► directory: count, entries (tag, type, count, value or its offset), 0 ─► values ─► strips
//! ```
//!
//! EXIF is a TIFF without pixels, and a file that has it begins with it as it is: every offset in it stays true,
//! those of maker notes included. Of its directory 0, entries that describe the picture are taken over.

use std::borrow::Cow;

use image::ColorType;

use crate::image::PictureHeader;
use crate::image::exif::{self, DESCRIPTION};
use crate::image::metadata::{Metadata, Resolution, Unit, jpeg};

/// Types of values.
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;
const LONG8: u16 = 16;

/// Entries of EXIF's directory 0 that speak of the picture, not of how its pixels lie: names, words, dates, camera
/// (271, 272), rating, the directories of EXIF and GPS, Windows' words in UTF-16.
const DESCRIPTIVE: [u16; 25] = [
    269,
    DESCRIPTION,
    271,
    272,
    285,
    305,
    306,
    315,
    316,
    0x4746,
    0x4749,
    33432,
    34665,
    34853,
    36867,
    36868,
    0x9286,
    0x9c9b,
    0x9c9c,
    0x9c9d,
    0x9c9e,
    0x9c9f,
    0xa430,
    0xa431,
    0xc4a5,
];

/// About how many bytes a strip has: enough to be read in one go, few enough to be held.
const STRIP_BYTES: u64 = 1 << 20;

/// Where the pixels start: on a border of so many bytes.
const ALIGNMENT: usize = 16;

/// Everything up to the pixels. They are to follow as [`pixels`] gives them.
pub(super) fn directory(header: &PictureHeader, metadata: &Metadata) -> Vec<u8> {
    Layout { wide: header.is_wide_as_tiff(), big_endian: is_big_endian(metadata) }.directory(header, metadata)
}

/// The order of bytes is EXIF's, if there is one, else the machine's.
fn is_big_endian(metadata: &Metadata) -> bool {
    let exif = metadata.exif.as_deref().and_then(exif::entries);
    exif.map_or(cfg!(target_endian = "big"), |(big_endian, _)| big_endian)
}

/// Samples in the machine's order of bytes as the file has them.
pub(super) fn pixels<'a>(color: ColorType, metadata: &Metadata, samples: &'a [u8]) -> Cow<'a, [u8]> {
    let has_16_bits = color.bytes_per_pixel() > color.channel_count();
    if has_16_bits && is_big_endian(metadata) != cfg!(target_endian = "big") {
        let swapped = samples.as_chunks().0.iter().map(|&[a, b]| [b, a]);
        return swapped.collect::<Vec<_>>().into_flattened().into();
    }
    samples.into()
}

/// The pixels as the file divides them.
struct Strips {
    channels: u16,
    bits: u16,
    row_bytes: u64,
    /// Rows of a strip.
    rows: u32,
}

impl Strips {
    fn of(header: &PictureHeader) -> Self {
        let (channels, bits) = match header.color {
            ColorType::L8 => (1, 8),
            ColorType::L16 => (1, 16),
            ColorType::Rgb8 => (3, 8),
            ColorType::Rgb16 => (3, 16),
            ColorType::Rgba8 => (4, 8),
            _ => (4, 16),
        };
        let row_bytes = u64::from(header.width) * u64::from(channels * bits / 8);
        let rows = (STRIP_BYTES / row_bytes).clamp(1, u64::from(header.height)) as u32;
        Self { channels, bits, row_bytes, rows }
    }

    /// Offset and size of each.
    fn places(&self, header: &PictureHeader, start: u64) -> impl Iterator<Item = (u64, u64)> {
        let (height, step) = (header.height, self.rows);
        let rows = (0..height.div_ceil(step)).map(move |strip| strip * step..height.min((strip + 1) * step));
        let row_bytes = self.row_bytes;
        rows.map(move |rows| (start + u64::from(rows.start) * row_bytes, rows.len() as u64 * row_bytes))
    }
}

/// An entry of the directory, its numbers in the order of the file.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    value: Vec<u8>,
}

/// TIFF, or BigTIFF with wide numbers; either order of bytes.
struct Layout {
    wide: bool,
    big_endian: bool,
}

impl Layout {
    fn directory(&self, header: &PictureHeader, metadata: &Metadata) -> Vec<u8> {
        // Where the pixels start depends on how many entries there are, not on what they say.
        let bytes = |start| self.bytes(self.start(metadata), self.entries(header, metadata, start));
        bytes(bytes(0).len() as u64)
    }

    /// By tag.
    fn entries(&self, header: &PictureHeader, metadata: &Metadata, start: u64) -> Vec<Entry> {
        let mut entries = self.pixel_entries(header, start);
        entries.extend(self.notes(metadata));
        entries.extend(self.taken_over(metadata));
        entries.sort_by_key(|entry| entry.tag);
        entries.dedup_by_key(|entry| entry.tag); // ours stand before those that are taken over
        entries
    }

    /// How the pixels lie.
    fn pixel_entries(&self, header: &PictureHeader, start: u64) -> Vec<Entry> {
        let strips = Strips::of(header);
        let long = |tag, value| Entry { tag, kind: LONG, count: 1, value: self.u32(value) };
        let numbers = |tag, values: Vec<u64>| {
            let kind = if self.wide { LONG8 } else { LONG };
            let count = values.len() as u64;
            let value = values.into_iter().flat_map(|value| self.number(value)).collect();
            Entry { tag, kind, count, value }
        };
        let (offsets, sizes) = strips.places(header, start).unzip();
        let (min_is_black, rgb) = (1, 2);
        let mut entries = vec![
            long(256, header.width),
            long(257, header.height),
            self.shorts(258, &vec![strips.bits; strips.channels.into()]), // bits a sample
            self.shorts(259, &[1]),                                       // no compression
            self.shorts(262, &[if strips.channels == 1 { min_is_black } else { rgb }]),
            numbers(273, offsets),
            self.shorts(277, &[strips.channels]),
            long(278, strips.rows),
            numbers(279, sizes),
            self.shorts(284, &[1]), // channels side by side
        ];
        if strips.channels == 4 {
            entries.push(self.shorts(338, &[2])); // the fourth is alpha, colours are not multiplied by it
        }
        entries
    }

    /// What is said besides.
    fn notes(&self, metadata: &Metadata) -> Vec<Entry> {
        let square = Resolution { x: 1.0, y: 1.0, unit: Unit::Unknown };
        let Resolution { x, y, unit } = metadata.resolution.unwrap_or(square);
        let rational = |tag, number| {
            let value = exif::fraction(number).map(|number| self.u32(number)).concat();
            Entry { tag, kind: RATIONAL, count: 1, value }
        };
        let mut entries =
            vec![rational(282, x), rational(283, y), self.shorts(296, &[exif::unit_number(unit)])];
        for (tag, kind, bytes) in [
            (700, BYTE, &metadata.xmp),
            (33723, UNDEFINED, &metadata.iptc),
            (34675, UNDEFINED, &metadata.icc_profile),
        ] {
            let entry =
                |bytes: &Vec<u8>| Entry { tag, kind, count: bytes.len() as u64, value: bytes.clone() };
            entries.extend(bytes.as_ref().map(entry));
        }
        entries
    }

    /// What EXIF says of the picture, and text that nothing else holds as its description.
    fn taken_over(&self, metadata: &Metadata) -> Vec<Entry> {
        let exif = metadata.exif.as_deref().and_then(exif::entries);
        let raw = exif.into_iter().flat_map(|(_, entries)| entries).map(|entry| self.read(entry));
        let mut entries: Vec<Entry> = raw.filter(|entry| DESCRIPTIVE.contains(&entry.tag)).collect();
        if !metadata.text.is_empty() {
            let words: Vec<String> = metadata.text.iter().map(jpeg::in_words).collect();
            let value = [words.join("\n").as_bytes(), &[0]].concat();
            entries.push(Entry { tag: DESCRIPTION, kind: ASCII, count: value.len() as u64, value });
        }
        entries
    }

    /// An entry of a plain TIFF in this order. Its last four bytes are the value or an offset, and remain so.
    fn read(&self, [t0, t1, k0, k1, c0, c1, c2, c3, value @ ..]: [u8; 12]) -> Entry {
        let short =
            |bytes| if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        let count = [c0, c1, c2, c3];
        let count = if self.big_endian { u32::from_be_bytes(count) } else { u32::from_le_bytes(count) };
        Entry { tag: short([t0, t1]), kind: short([k0, k1]), count: count.into(), value: value.into() }
    }

    fn shorts(&self, tag: u16, values: &[u16]) -> Entry {
        let value = values.iter().flat_map(|&value| self.u16(value)).collect();
        Entry { tag, kind: SHORT, count: values.len() as u64, value }
    }

    /// A number of the file's width. Those of a plain TIFF have been found to have room.
    fn number(&self, value: u64) -> Vec<u8> {
        if self.wide { self.in_order(value.to_be_bytes()) } else { self.u32(value as u32) }
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        self.in_order(value.to_be_bytes())
    }

    fn u16(&self, value: u16) -> Vec<u8> {
        self.in_order(value.to_be_bytes())
    }

    /// Big-endian bytes in the file's order.
    fn in_order<const N: usize>(&self, mut bytes: [u8; N]) -> Vec<u8> {
        if !self.big_endian {
            bytes.reverse();
        }
        bytes.into()
    }

    fn bytes(&self, mut bytes: Vec<u8>, entries: Vec<Entry>) -> Vec<u8> {
        let count = entries.len();
        let (room, entry_bytes) = if self.wide { (8, 20) } else { (4, 12) };
        let count_bytes = if self.wide { self.number(count as u64) } else { self.u16(count as u16) };
        let values_start = bytes.len() + count_bytes.len() + count * entry_bytes + room;
        bytes.extend(count_bytes);
        let mut values = Vec::new();
        for Entry { tag, kind, count, value } in entries {
            bytes.extend(self.u16(tag));
            bytes.extend(self.u16(kind));
            bytes.extend(self.number(count));
            if value.len() <= room {
                bytes.extend(&value);
                bytes.extend(vec![0; room - value.len()]);
            } else {
                bytes.extend(self.number((values_start + values.len()) as u64));
                values.extend(&value);
                values.extend(vec![0; value.len() % 2]);
            }
        }
        bytes.extend(self.number(0)); // no second picture
        bytes.extend(values);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    /// What stands before the directory: the byte order, the kind of file, and where its directory is; or EXIF, which
    /// has the same in the same place.
    fn start(&self, metadata: &Metadata) -> Vec<u8> {
        if let Some(block) = metadata.exif.as_ref().filter(|block| exif::entries(block).is_some()) {
            let mut start = block.clone();
            start.resize(start.len().next_multiple_of(2), 0);
            let directory = self.u32(start.len() as u32);
            start[4..8].copy_from_slice(&directory);
            return start;
        }
        let order = if self.big_endian { b"MM" } else { b"II" };
        let kind: &[u16] = if self.wide { &[43, 8, 0] } else { &[42] };
        let mut mark = order.to_vec();
        mark.extend(kind.iter().flat_map(|&value| self.u16(value)));
        let directory = self.number(2 * mark.len() as u64);
        [mark, directory].concat()
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;
    use crate::{Metadata, Picture};

    /// The pixels behind them are tested in `tests/rows.rs`; that more than 4 GiB need wide numbers, only here.
    #[test]
    fn both_widths_of_numbers_are_read() {
        let image = RgbImage::from_fn(70, 9000, |x, y| image::Rgb([x as u8, y as u8, (y >> 8) as u8]));
        let picture = Picture::from(DynamicImage::from(image));
        let mut header = picture.header();
        let mut profile = vec![b'R'; 999];
        profile[16..20].copy_from_slice(b"RGB ");
        header.metadata.icc_profile = Some(profile);
        for (wide, big_endian) in [(false, false), (true, false), (false, true), (true, true)] {
            let directory = Layout { wide, big_endian }.directory(&header, &header.metadata);
            let file = [&directory, picture.image.as_bytes()].concat();
            assert_eq!(file[2] + file[3], if wide { 43 } else { 42 });
            let read = Picture::decode("file", &file).unwrap();
            assert_eq!(read.header(), header);
            assert!(read.image == picture.image, "wide: {wide}");
        }
    }

    #[test]
    fn wide_numbers_are_taken_where_others_could_overflow() {
        let header = |height| {
            let color = ColorType::Rgb8;
            PictureHeader { width: 40_000, height, color, metadata: Metadata::default() }
        };
        for (height, kind) in [(30_000, 42), (35_782, 42), (35_783, 43), (2_000_000, 43)] {
            assert_eq!(directory(&header(height), &Metadata::default())[2], kind, "{height}");
        }
    }
}
