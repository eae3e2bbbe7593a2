//! What a JPEG says beside the pixels: segments between its start and its first scan.

use std::io::{self, Read, Write};

use super::{Metadata, Resolution, Text, Unit, photoshop};
use crate::image::exif;

const START: u8 = 0xd8;
const START_OF_SCAN: u8 = 0xda;
const JFIF: u8 = 0xe0;
const EXIF_OR_XMP: u8 = 0xe1;
const ICC: u8 = 0xe2;
const PHOTOSHOP: u8 = 0xed;
const COMMENT: u8 = 0xfe;

const JFIF_HEAD: &[u8] = b"JFIF\0";
const XMP_HEAD: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const MORE_XMP_HEAD: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const ICC_HEAD: &[u8] = b"ICC_PROFILE\0";
const PHOTOSHOP_HEAD: &[u8] = b"Photoshop 3.0\0";

/// The most that a segment holds.
const SEGMENT: usize = 0xffff - 2;

pub(super) fn read(name: &str, source: &mut impl Read) -> io::Result<Metadata> {
    let mut metadata = Metadata::default();
    let (mut profile, mut resources, mut more_xmp) = (Vec::new(), Vec::new(), false);
    while let Some((marker, content)) = segment(source)? {
        let behind = |head: &[u8]| content.strip_prefix(head);
        match marker {
            JFIF => metadata.resolution = metadata.resolution.or(behind(JFIF_HEAD).and_then(density)),
            EXIF_OR_XMP if content.starts_with(exif::PREFIX) => {
                metadata.exif.get_or_insert(content);
            }
            EXIF_OR_XMP if content.starts_with(MORE_XMP_HEAD) => more_xmp = true,
            EXIF_OR_XMP => {
                if let Some(packet) = behind(XMP_HEAD) {
                    metadata.xmp.get_or_insert(packet.to_vec());
                }
            }
            ICC => profile.extend(behind(ICC_HEAD).map(<[u8]>::to_vec)),
            PHOTOSHOP => resources.extend_from_slice(behind(PHOTOSHOP_HEAD).unwrap_or_default()),
            COMMENT => metadata.text.push(comment(&content)),
            _ => {}
        }
    }
    if more_xmp {
        tracing::warn!("{name}: XMP that goes on in further segments; what is in those is left out");
    }
    metadata.icc_profile = joined(profile);
    metadata.iptc = photoshop::iptc(&resources);
    Ok(metadata)
}

/// The next segment before the first scan.
fn segment(source: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut two = [0; 2];
    loop {
        match source.read_exact(&mut two) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        // A run of fill bytes may stand before a marker.
        while two == [0xff; 2] {
            source.read_exact(&mut two[1..])?;
        }
        match two {
            [0xff, START] => {}
            [0xff, START_OF_SCAN] => return Ok(None),
            [0xff, marker] => {
                let mut len = [0; 2];
                source.read_exact(&mut len)?;
                let len = u64::from(u16::from_be_bytes(len)).saturating_sub(2);
                let mut content = Vec::new();
                source.take(len).read_to_end(&mut content)?;
                return Ok(Some((marker, content)));
            }
            _ => return Ok(None),
        }
    }
}

/// That of JFIF: version, unit, across, down.
fn density(jfif: &[u8]) -> Option<Resolution> {
    let &[_, _, unit, x0, x1, y0, y1, ..] = jfif else { return None };
    let [x, y] = [[x0, x1], [y0, y1]].map(|bytes| f64::from(u16::from_be_bytes(bytes)));
    let unit = match unit {
        0 => Unit::Unknown,
        1 => Unit::Inch,
        2 => Unit::Centimetre,
        _ => return None,
    };
    Some(Resolution { x, y, unit }).filter(Resolution::is_said)
}

fn comment(content: &[u8]) -> Text {
    let content = content.strip_suffix(b"\0").unwrap_or(content);
    Text { keyword: "Comment".into(), text: super::words(content), language: None }
}

/// The parts of a profile, each behind its number and how many there are, in order; nothing if one is missing.
fn joined(mut parts: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    parts.retain(|part| part.len() >= 2);
    parts.sort_by_key(|part| part[0]);
    parts.dedup_by_key(|part| part[0]);
    let expected = usize::from(parts.first()?[1]);
    (parts.len() == expected).then(|| parts.iter().flat_map(|part| &part[2..]).copied().collect())
}

/// A JPEG that an encoder made, with segments behind its start and its JFIF.
pub(in crate::image) fn with_segments(file: &[u8], metadata: &Metadata) -> io::Result<Vec<u8>> {
    let head = match file {
        [_, _, 0xff, JFIF, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let (head, pixels) = file.split_at(head);
    let mut new = head.to_vec();
    if let Some(block) = &metadata.exif {
        push(&mut new, EXIF_OR_XMP, &[exif::PREFIX, block])?;
    }
    if let Some(packet) = &metadata.xmp {
        push(&mut new, EXIF_OR_XMP, &[XMP_HEAD, packet])?;
    }
    if let Some(profile) = &metadata.icc_profile {
        let parts = profile.chunks(SEGMENT - ICC_HEAD.len() - 2);
        let count = parts.len() as u8;
        for (number, part) in (1..=count).zip(parts) {
            push(&mut new, ICC, &[ICC_HEAD, &[number, count], part])?;
        }
    }
    if let Some(records) = &metadata.iptc {
        push(&mut new, PHOTOSHOP, &[PHOTOSHOP_HEAD, &photoshop::resource(records)])?;
    }
    for text in &metadata.text {
        push(&mut new, COMMENT, &[in_words(text).as_bytes()])?;
    }
    new.extend_from_slice(pixels);
    Ok(new)
}

fn push(file: &mut Vec<u8>, marker: u8, content: &[&[u8]]) -> io::Result<()> {
    let content = content.concat();
    let len = u16::try_from(content.len() + 2).map_err(|_| io::ErrorKind::InvalidInput)?;
    file.write_all(&[0xff, marker])?;
    file.write_all(&len.to_be_bytes())?;
    file.write_all(&content)
}

/// A note as a comment, which has no keyword.
pub(in crate::image) fn in_words(Text { keyword, text, .. }: &Text) -> String {
    if keyword == "Comment" { text.clone() } else { format!("{keyword}: {text}") }
}

/// Takes out what is too large for a segment, or, of a profile, for 255; names it.
pub(super) fn take_what_is_too_large(metadata: &mut Metadata, lost: &mut Vec<&'static str>) {
    let is_too_large = |bytes: &Option<Vec<u8>>, head: usize, segments: usize| {
        bytes.as_ref().is_some_and(|bytes| bytes.len() > segments * (SEGMENT - head))
    };
    let Metadata { exif, xmp, iptc, icc_profile, text, .. } = metadata;
    for (what, bytes, head, segments) in [
        ("EXIF of more than 64 KB", exif, exif::PREFIX.len(), 1),
        ("XMP of more than 64 KB", xmp, XMP_HEAD.len(), 1),
        ("IPTC of more than 64 KB", iptc, PHOTOSHOP_HEAD.len() + 14, 1),
        ("a colour profile of more than 16 MB", icc_profile, ICC_HEAD.len() + 2, 255),
    ] {
        if is_too_large(bytes, head, segments) {
            *bytes = None;
            lost.push(what);
        }
    }
    let count = text.len();
    text.retain(|text| in_words(text).len() <= SEGMENT);
    if text.len() < count {
        lost.push("text of more than 64 KB");
    }
}
