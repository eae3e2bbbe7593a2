//! What a TIFF says of its picture beside the pixels.
//!
//! EXIF was made of TIFF's own directories: its block is put together again of the camera's directory, that of the
//! place, and the tags of the picture's that are words about it.

use std::io::{self, Read, Seek};

use super::directory::{Directory, File};
use super::layout::Layout;
use crate::image::exif;
use crate::image::{Metadata, Resolution, Unit};

const X_RESOLUTION: u16 = 282;
const Y_RESOLUTION: u16 = 283;
const RESOLUTION_UNIT: u16 = 296;
const XMP: u16 = 700;
const IPTC: u16 = 33_723;
const ICC_PROFILE: u16 = 34_675;
/// Directories: the camera's, with that of its interoperability, and that of the place.
const EXIF: u16 = 34_665;
const INTEROPERABILITY: u16 = 40_965;
const GPS: u16 = 34_853;

/// Name, description, make, model, page, software, date, artist, computer, rating, copyright, Windows' words.
const WORDS: [u16; 18] = [
    269, 270, 271, 272, 285, 305, 306, 315, 316, 18_246, 18_249, 33_432, 40_091, 40_092, 40_093, 40_094,
    40_095, 50_708,
];

const LONG: u16 = 4;

/// Reads all of it; what is damaged is a warning.
pub(super) fn read<R: Read + Seek>(
    file: &mut File<R>,
    directory: &Directory,
    layout: &mut Layout,
) -> Metadata {
    let mut tags = Tags { file, warnings: &mut layout.warnings };
    let main = tags.sound("EXIF", |file| block(file, directory));
    Metadata {
        icc_profile: tags.bytes(directory, ICC_PROFILE, "colour profile"),
        exif: main.map(|main| exif::block(tags.file.big_endian, &main)),
        xmp: tags.bytes(directory, XMP, "XMP"),
        iptc: tags.bytes(directory, IPTC, "IPTC"),
        resolution: tags.sound("resolution", |file| resolution(file, directory)),
        ..Metadata::default()
    }
}

struct Tags<'a, R> {
    file: &'a mut File<R>,
    warnings: &'a mut Vec<String>,
}

impl<R: Read + Seek> Tags<'_, R> {
    fn bytes(&mut self, directory: &Directory, tag: u16, what: &str) -> Option<Vec<u8>> {
        let entry = directory.entry(tag)?;
        self.sound(what, |file| file.raw(entry).map(Some)).filter(|bytes| !bytes.is_empty())
    }

    fn sound<T>(
        &mut self,
        what: &str,
        read: impl FnOnce(&mut File<R>) -> io::Result<Option<T>>,
    ) -> Option<T> {
        read(self.file).unwrap_or_else(|_| {
            self.warnings.push(format!("its {what} is damaged, and is left out"));
            None
        })
    }
}

fn resolution<R: Read + Seek>(file: &mut File<R>, directory: &Directory) -> io::Result<Option<Resolution>> {
    let unit = match file.first_number(directory, RESOLUTION_UNIT)? {
        Some(1) => Unit::Unknown,
        Some(3) => Unit::Centimetre,
        _ => Unit::Inch,
    };
    let mut number = |tag| -> io::Result<Option<f64>> {
        let number = file.fractions(directory, tag)?.and_then(|numbers| numbers.first().copied());
        Ok(number.filter(|number| number.is_finite() && *number > 0.0))
    };
    let (x, y) = (number(X_RESOLUTION)?, number(Y_RESOLUTION)?);
    let found = x.or(y).map(|either| Resolution { x: x.unwrap_or(either), y: y.unwrap_or(either), unit });
    Ok(found.filter(Resolution::is_said))
}

/// The main directory of an EXIF block; none if it would say nothing.
fn block<R: Read + Seek>(file: &mut File<R>, directory: &Directory) -> io::Result<Option<exif::Directory>> {
    let mut main = exif::Directory::default();
    for tag in WORDS {
        copy(file, directory, tag, &mut main)?;
    }
    for (tag, below) in [(EXIF, Some(INTEROPERABILITY)), (GPS, None)] {
        if let Some(value) = nested(file, directory, tag, below)? {
            main.0.push(value);
        }
    }
    if main.0.is_empty() {
        return Ok(None);
    }
    for tag in [X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT] {
        copy(file, directory, tag, &mut main)?;
    }
    Ok(Some(main))
}

fn copy<R: Read + Seek>(
    file: &mut File<R>,
    from: &Directory,
    tag: u16,
    to: &mut exif::Directory,
) -> io::Result<()> {
    // Numbers of 64 bits are BigTIFF's alone.
    if let Some(entry) = from.entry(tag).filter(|entry| entry.kind <= 13 && entry.count > 0)
        && let Ok(count) = u32::try_from(entry.count)
    {
        let value = exif::Value::Bytes(file.raw(entry)?);
        to.0.push(exif::Entry { tag, kind: entry.kind, count, value });
    }
    Ok(())
}

/// The directory that a tag points to, as an entry; `below` points on from there.
fn nested<R: Read + Seek>(
    file: &mut File<R>,
    directory: &Directory,
    tag: u16,
    below: Option<u16>,
) -> io::Result<Option<exif::Entry>> {
    let Some(offset) = file.first_number(directory, tag)? else { return Ok(None) };
    let found = file.directory(offset)?;
    let mut entries = exif::Directory::default();
    for entry in found.entries() {
        if Some(entry.tag) != below {
            copy(file, &found, entry.tag, &mut entries)?;
        }
    }
    if let Some(below) = below
        && let Some(value) = nested(file, &found, below, None)?
    {
        entries.0.push(value);
    }
    Ok(Some(exif::Entry { tag, kind: LONG, count: 1, value: exif::Value::Directory(entries) }))
}
