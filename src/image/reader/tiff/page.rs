//! Which of a TIFF's directories is the picture. The first one often is not: a raw photograph begins with a preview,
//! and a scan may have a smaller copy of itself in front.

use std::io::{self, Read, Seek};

use super::directory::{Directory, File};
use super::{refused, tag};

/// The picture, and what else the file holds.
pub(super) struct Page {
    pub(super) directory: Directory,
    /// Pictures in the file at full size.
    pub(super) pages: u32,
    /// Whether a page says where another is transparent.
    pub(super) mask: bool,
}

const RAW: &str = "a raw photograph: develop it to a 16-bit TIFF first";

/// Compressions and colours that cameras alone write: Nikon, Sony, Panasonic, Kodak, Samsung, lossy DNG; the colours
/// of a sensor's filters, and linear ones of a camera.
const RAW_COMPRESSIONS: [u64; 7] = [34_713, 32_767, 34_316, 65_000, 32_769, 32_770, 34_892];
const RAW_COLOURS: [u64; 2] = [32_803, 34_892];

/// Signatures of raw photographs, and where they stand: Olympus, Panasonic, Canon, Fujifilm, Sigma, Minolta.
const RAW_SIGNATURES: [(usize, &[u8]); 10] = [
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),
    (8, b"CR\x02\0"),
    (6, b"HEAPCCDR"),
    (4, b"ftypcrx "),
    (0, b"FUJIFILMCCD-RAW"),
    (0, b"FOVb"),
    (0, b"\0MRM"),
];

/// Whether a file that starts so is a raw photograph; then the reason to refuse it.
pub(in crate::image) fn raw_by_signature(start: &[u8]) -> Option<&'static str> {
    let found = |&(at, sign): &(usize, &[u8])| start.get(at..).is_some_and(|rest| rest.starts_with(sign));
    RAW_SIGNATURES.iter().any(found).then_some(RAW)
}

/// The picture of this number, from 0 on.
pub(super) fn find<R: Read + Seek>(file: &mut File<R>, number: u32) -> io::Result<Page> {
    let first = file.first()?;
    let (mut found, mut pages, mut mask) = (None, 0, false);
    let mut next = Some(first.clone());
    while let Some(directory) = next {
        refuse_raw(file, &directory)?;
        match kind(file, &directory)? {
            Kind::Picture => {
                if pages == number {
                    found = Some(directory.clone());
                }
                pages += 1;
            }
            Kind::Mask => mask = true,
            Kind::Reduced => {}
        }
        next = file.next(&directory)?;
    }
    // Below the pages, what is at full size comes first, and a file of nothing but a small copy is that copy.
    for offset in file.numbers(&first, tag::SUB_DIRECTORIES)?.unwrap_or_default() {
        // A damaged one matters only where the picture has not been found.
        let directory = match file.directory(offset) {
            Err(_) if found.is_some() => continue,
            directory => directory?,
        };
        refuse_raw(file, &directory)?;
        if pages == 0 && matches!(kind(file, &directory)?, Kind::Picture) {
            pages = 1;
            found = Some(directory);
        }
    }
    if number >= pages.max(1) {
        return Err(refused(format!("expected a page {}, found {pages} pages", number + 1)));
    }
    Ok(Page { directory: found.unwrap_or(first), pages, mask })
}

enum Kind {
    Picture,
    Reduced,
    Mask,
}

fn kind<R: Read + Seek>(file: &mut File<R>, directory: &Directory) -> io::Result<Kind> {
    let kind = file.first_number(directory, tag::NEW_SUBFILE_TYPE)?.unwrap_or(0);
    let old = file.first_number(directory, tag::SUBFILE_TYPE)?.unwrap_or(0);
    let mask = kind & 4 != 0 || file.first_number(directory, tag::PHOTOMETRIC)? == Some(4);
    Ok(match () {
        () if mask => Kind::Mask,
        () if kind & 1 != 0 || old == 2 => Kind::Reduced,
        () => Kind::Picture,
    })
}

fn refuse_raw<R: Read + Seek>(file: &mut File<R>, directory: &Directory) -> io::Result<()> {
    let compression = file.first_number(directory, tag::COMPRESSION)?.unwrap_or(1);
    let colour = file.first_number(directory, tag::PHOTOMETRIC)?.unwrap_or(0);
    let raw = directory.entry(tag::DNG_VERSION).is_some()
        || RAW_COMPRESSIONS.contains(&compression)
        || RAW_COLOURS.contains(&colour);
    if raw { Err(refused(RAW)) } else { Ok(()) }
}
