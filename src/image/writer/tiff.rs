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
//!
//! Further pages follow, each of directory, values and pixels. Their EXIF stands among their values, moved.

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

/// A file under way, page by page.
#[derive(Debug)]
pub(in crate::image) struct Stream {
    layout: Layout,
    /// Where the pixels of the page end that is being written.
    end: u64,
}

impl Stream {
    pub(in crate::image) fn new(layout: Layout) -> Self {
        Self { layout, end: 0 }
    }

    /// What the file goes on with in front of a page's pixels, which are to follow as [`Stream::pixels`] gives them.
    pub(super) fn page(&mut self, header: &PictureHeader, metadata: &Metadata, last: bool) -> Vec<u8> {
        let at = self.end.next_multiple_of(ALIGNMENT as u64);
        let front = self.layout.front(header, metadata, at, last);
        let bytes = [vec![0; (at - self.end) as usize], front].concat();
        self.end += bytes.len() as u64 + Strips::of(header).bytes(header);
        bytes
    }

    /// Samples in the machine's order of bytes as the file has them.
    pub(super) fn pixels<'a>(&self, color: ColorType, samples: &'a [u8]) -> Cow<'a, [u8]> {
        let has_16_bits = color.bytes_per_pixel() > color.channel_count();
        if has_16_bits && self.layout.big_endian != cfg!(target_endian = "big") {
            let swapped = samples.as_chunks().0.iter().map(|&[a, b]| [b, a]);
            return swapped.collect::<Vec<_>>().into_flattened().into();
        }
        samples.into()
    }
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

    fn bytes(&self, header: &PictureHeader) -> u64 {
        u64::from(header.height) * self.row_bytes
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

/// What all pages of a file have in common: TIFF, or BigTIFF with wide numbers; either order of bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::image) struct Layout {
    pub(in crate::image) wide: bool,
    big_endian: bool,
}

impl Layout {
    /// For pages that take so many bytes together, in the order of their EXIF, else the machine's.
    pub(in crate::image) fn of(bytes: u64, metadata: &Metadata) -> Self {
        let exif = metadata.exif.as_deref().and_then(exif::entries);
        let big_endian = exif.map_or(cfg!(target_endian = "big"), |(big_endian, _)| big_endian);
        Self { wide: bytes > u64::from(u32::MAX), big_endian }
    }

    /// All that stands at `at`, in front of a page's pixels.
    fn front(&self, header: &PictureHeader, metadata: &Metadata, at: u64, last: bool) -> Vec<u8> {
        let start = if at == 0 { self.start(metadata) } else { Vec::new() };
        let moved = metadata.exif.as_deref().filter(|block| at > 0 && exif::entries(block).is_some());
        // How many entries there are does not depend on where things are.
        let entries = |exif: Option<&[u8]>, pixels| self.entries(header, metadata, exif, pixels);
        let count = entries(metadata.exif.as_deref(), 0).len();
        let values = at + start.len() as u64 + self.directory_bytes(count);
        let block = moved.map(|block| exif::moved(block, values as u32));
        let exif = block.as_deref().or(metadata.exif.as_deref());
        let front = |pixels: u64| {
            let end = pixels + Strips::of(header).bytes(header);
            let next = if last { 0 } else { end.next_multiple_of(ALIGNMENT as u64) };
            let mut bytes = start.clone();
            self.append(&mut bytes, entries(exif, pixels), at, (next, block.as_deref().unwrap_or_default()));
            bytes
        };
        front(at + front(0).len() as u64)
    }

    /// By tag.
    fn entries(
        &self,
        header: &PictureHeader,
        metadata: &Metadata,
        exif: Option<&[u8]>,
        pixels: u64,
    ) -> Vec<Entry> {
        let mut entries = self.pixel_entries(header, pixels);
        entries.extend(self.notes(metadata));
        entries.extend(self.taken_over(exif, metadata));
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
    fn taken_over(&self, exif: Option<&[u8]>, metadata: &Metadata) -> Vec<Entry> {
        let exif = exif.and_then(exif::entries);
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

    /// With the count in front of them, and behind them where the next one is.
    fn directory_bytes(&self, entries: usize) -> u64 {
        let [count, entry, next] = if self.wide { [8, 20, 8] } else { [2, 12, 4] };
        count + entry * entries as u64 + next
    }

    /// A directory and its values, behind what stands at `at`; `first` stands first among the values.
    fn append(&self, bytes: &mut Vec<u8>, entries: Vec<Entry>, at: u64, (next, first): (u64, &[u8])) {
        let (count, room) = (entries.len(), if self.wide { 8 } else { 4 });
        let values_start = at + bytes.len() as u64 + self.directory_bytes(count);
        bytes.extend(if self.wide { self.number(count as u64) } else { self.u16(count as u16) });
        let mut values = first.to_vec();
        values.resize(values.len().next_multiple_of(2), 0);
        for Entry { tag, kind, count, value } in entries {
            bytes.extend(self.u16(tag));
            bytes.extend(self.u16(kind));
            bytes.extend(self.number(count));
            if value.len() <= room {
                bytes.extend(&value);
                bytes.extend(vec![0; room - value.len()]);
            } else {
                bytes.extend(self.number(values_start + values.len() as u64));
                values.extend(&value);
                values.extend(vec![0; value.len() % 2]);
            }
        }
        bytes.extend(self.number(next));
        bytes.extend(values);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
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
            let directory = Layout { wide, big_endian }.front(&header, &header.metadata, 0, true);
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
        for (height, kind) in [(30_000, 42), (35_790, 42), (35_791, 43), (2_000_000, 43)] {
            let layout = Layout::of(header(height).tiff_bytes(), &Metadata::default());
            assert_eq!(layout.front(&header(height), &Metadata::default(), 0, true)[2], kind, "{height}");
        }
    }
}
