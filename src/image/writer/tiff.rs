//! What stands before the pixels of a TIFF: header, directory, and the values that have no room in it.
//!
//! The pixels follow without compression, one row after another. So every offset is known before the first of
//! them, and the file is written from front to back. What may exceed 4 GiB is a BigTIFF: the same with wider
//! numbers.
//!
//! ```text
//!   II 42 ─► directory: count, entries (tag, type, count, value or its offset), 0 ─► values ─► strips
//! ```

use image::ColorType;

use crate::image::header::PictureHeader;

/// Types of values.
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;
const LONG8: u16 = 16;

/// About how many bytes a strip has: enough to be read in one go, few enough to be held.
const STRIP_BYTES: u64 = 1 << 20;

/// Where the pixels start: on a border of so many bytes.
const ALIGNMENT: usize = 16;

/// Everything up to the pixels. They are to follow as [`as_held`](crate::image::encode::as_held) gives them, in the
/// machine's byte order.
pub(super) fn directory(header: &PictureHeader) -> Vec<u8> {
    let pixels = u64::from(header.height) * Strips::of(header).row_bytes;
    let around = (1 << 20) + header.metadata.icc_profile.as_ref().map_or(0, Vec::len) as u64;
    let wide = pixels + around > u64::from(u32::MAX);
    Layout { wide }.directory(header)
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

/// An entry of the directory.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    value: Vec<u8>,
}

/// TIFF, or BigTIFF with wide numbers.
struct Layout {
    wide: bool,
}

impl Layout {
    fn directory(&self, header: &PictureHeader) -> Vec<u8> {
        // Where the pixels start depends on how many entries there are, not on what they say.
        let start = self.bytes(&self.entries(header, 0)).len();
        self.bytes(&self.entries(header, start as u64))
    }

    fn entries(&self, header: &PictureHeader, start: u64) -> Vec<Entry> {
        let strips = Strips::of(header);
        let shorts = |tag, values: &[u16]| {
            let value = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            Entry { tag, kind: SHORT, count: values.len() as u64, value }
        };
        let long = |tag, value: u32| Entry { tag, kind: LONG, count: 1, value: value.to_ne_bytes().into() };
        let one = |tag| Entry { tag, kind: RATIONAL, count: 1, value: [1_u32.to_ne_bytes(); 2].concat() };
        let numbers = |tag, values: Vec<u64>| {
            let kind = if self.wide { LONG8 } else { LONG };
            let count = values.len() as u64;
            Entry {
                tag,
                kind,
                count,
                value: values.into_iter().flat_map(|value| self.number(value)).collect(),
            }
        };
        let (offsets, sizes) = strips.places(header, start).unzip();
        let (min_is_black, rgb) = (1, 2);
        let mut entries = vec![
            long(256, header.width),
            long(257, header.height),
            shorts(258, &vec![strips.bits; strips.channels.into()]), // bits a sample
            shorts(259, &[1]),                                       // no compression
            shorts(262, &[if strips.channels == 1 { min_is_black } else { rgb }]),
            numbers(273, offsets),
            shorts(277, &[strips.channels]),
            long(278, strips.rows),
            numbers(279, sizes),
            one(282),          // resolution across
            one(283),          // resolution down
            shorts(284, &[1]), // channels side by side
            shorts(296, &[1]), // resolution has no unit
        ];
        if strips.channels == 4 {
            entries.push(shorts(338, &[2])); // the fourth is alpha, colours are not multiplied by it
        }
        if let Some(profile) = &header.metadata.icc_profile {
            let count = profile.len() as u64;
            entries.push(Entry { tag: 34675, kind: UNDEFINED, count, value: profile.clone() });
        }
        entries
    }

    /// A number of the file's width. Those of a plain TIFF have been found to have room.
    fn number(&self, value: u64) -> Vec<u8> {
        if self.wide { value.to_ne_bytes().into() } else { (value as u32).to_ne_bytes().into() }
    }

    fn bytes(&self, entries: &[Entry]) -> Vec<u8> {
        let mut bytes = self.mark();
        let count = entries.len();
        let (room, entry_bytes) = if self.wide { (8, 20) } else { (4, 12) };
        let count_bytes = if self.wide {
            (count as u64).to_ne_bytes().into()
        } else {
            (count as u16).to_ne_bytes().to_vec()
        };
        let values_start = bytes.len() + count_bytes.len() + count * entry_bytes + room;
        bytes.extend(count_bytes);
        let mut values = Vec::new();
        for Entry { tag, kind, count, value } in entries {
            bytes.extend(tag.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(self.number(*count));
            if value.len() <= room {
                bytes.extend(value);
                bytes.extend(vec![0; room - value.len()]);
            } else {
                bytes.extend(self.number((values_start + values.len()) as u64));
                values.extend(value);
                values.extend(vec![0; value.len() % 2]);
            }
        }
        bytes.extend(self.number(0)); // no second picture
        bytes.extend(values);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    /// The byte order, which is the machine's, the kind of file, and where its directory is.
    fn mark(&self) -> Vec<u8> {
        let order = if cfg!(target_endian = "little") { b"II" } else { b"MM" };
        let kind: &[u16] = if self.wide { &[43, 8, 0] } else { &[42] };
        let mut mark = order.to_vec();
        mark.extend(kind.iter().flat_map(|value| value.to_ne_bytes()));
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
        for wide in [false, true] {
            let file = [&Layout { wide }.directory(&header), picture.image.as_bytes()].concat();
            assert_eq!(file[2], if wide { 43 } else { 42 });
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
            assert_eq!(directory(&header(height))[2], kind, "{height}");
        }
    }
}
