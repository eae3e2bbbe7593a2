//! What a PNG says beside the pixels, before them and behind.
//!
//! The `png` crate reads what stands before the pixels. So it is given a file that has everything there: all chunks
//! but those of the pixels.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use png::chunk::{self, ChunkType};
use png::{Decoder, Limits};
use png::{text_metadata::ITXtChunk, text_metadata::TEXtChunk, text_metadata::ZTXtChunk};

use super::{Metadata, Resolution, StatedColour, Text, Unit, photoshop};

/// The most that a file's notes may take, and one that is compressed when it is opened up.
const NOTES: usize = 64 << 20;

/// XMP's keyword.
pub(in crate::image) const XMP: &str = "XML:com.adobe.xmp";

/// Keywords with which ImageMagick keeps what has no chunk of its own, in hexadecimal digits.
const RAW_PROFILE: &str = "Raw profile type ";
pub(in crate::image) const RAW_IPTC: &str = "Raw profile type iptc";

/// The length of a signature, and of a chunk's length and type.
const HEAD: u64 = 8;

pub(super) fn read(source: &mut (impl Read + Seek)) -> io::Result<Metadata> {
    let file = notes(source)?;
    let decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: NOTES });
    let reader = decoder.read_info().map_err(io::Error::other)?;
    let info = reader.info();
    let mut metadata = Metadata {
        icc_profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        exif: info.exif_metadata.as_deref().map(<[u8]>::to_vec),
        resolution: info.pixel_dims.map(resolution).filter(Resolution::is_said),
        stated_colour: stated_colour(info),
        ..Metadata::default()
    };
    for text in &info.uncompressed_latin1_text {
        metadata.note(&text.keyword, text.text.clone(), "");
    }
    for text in &info.compressed_latin1_text {
        metadata.note(&text.keyword, text.get_text().map_err(io::Error::other)?, "");
    }
    for text in &info.utf8_text {
        metadata.note(&text.keyword, text.get_text().map_err(io::Error::other)?, &text.language_tag);
    }
    Ok(metadata)
}

/// The file with all notes before its pixels, of which it has none.
fn notes(source: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut palette = Vec::new();
    source.take(HEAD).read_to_end(&mut file)?;
    loop {
        let mut head = [0; HEAD as usize];
        if source.read_exact(&mut head).is_err() {
            break; // What is missing, whoever decodes the pixels will say.
        }
        let (len, kind) = head.split_at(4);
        let rest = u64::from(u32::from_be_bytes(len.try_into().expect("half of eight bytes"))) + 4;
        let kind = ChunkType(kind.try_into().expect("half of eight bytes"));
        let wanted = [
            chunk::IHDR,
            chunk::gAMA,
            chunk::cHRM,
            chunk::sRGB,
            chunk::iCCP,
            chunk::cICP,
            chunk::pHYs,
            chunk::eXIf,
            chunk::tEXt,
            chunk::zTXt,
            chunk::iTXt,
        ];
        let room = NOTES.saturating_sub(file.len()) as u64;
        let to = if kind == chunk::PLTE { &mut palette } else { &mut file };
        if kind == chunk::IEND {
            break;
        } else if (wanted.contains(&kind) || kind == chunk::PLTE) && rest <= room {
            to.extend(head);
            source.take(rest).read_to_end(to)?;
        } else {
            source.seek(SeekFrom::Current(rest as i64))?;
        }
    }
    file.extend(palette);
    file.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    Ok(file)
}

fn resolution(pixels: png::PixelDimensions) -> Resolution {
    let [x, y] = [pixels.xppu, pixels.yppu].map(f64::from);
    match pixels.unit {
        png::Unit::Meter => Resolution { x: x / 100.0, y: y / 100.0, unit: Unit::Centimetre }.to(Unit::Inch),
        png::Unit::Unspecified => Resolution { x, y, unit: Unit::Unknown },
    }
}

fn stated_colour(info: &png::Info) -> StatedColour {
    let points = |said: png::SourceChromaticities| {
        let png::SourceChromaticities { white, red, green, blue } = said;
        let points = [white, red, green, blue].map(|(x, y)| [x.into_scaled(), y.into_scaled()]);
        points.as_flattened().try_into().expect("four points")
    };
    StatedColour {
        gamma: info.gama_chunk.map(png::ScaledFloat::into_scaled),
        chromaticities: info.chrm_chunk.map(points),
        srgb_intent: info.srgb.map(|intent| intent as u8),
        cicp: info.coding_independent_code_points.map(|said| {
            let full = u8::from(said.is_video_full_range_image);
            [said.color_primaries, said.transfer_function, said.matrix_coefficients, full]
        }),
    }
}

impl Metadata {
    fn note(&mut self, keyword: &str, text: String, language: &str) {
        if keyword == XMP {
            self.xmp.get_or_insert(text.into_bytes());
        } else if let Some((kind, bytes)) = raw_profile(keyword, &text) {
            match kind {
                "exif" | "APP1" | "app1" => self.keep_app1(bytes),
                "xmp" => drop(self.xmp.get_or_insert(bytes)),
                "icc" | "icm" => drop(self.icc_profile.get_or_insert(bytes)),
                _ => drop(self.iptc.get_or_insert(photoshop::iptc(&bytes).unwrap_or(bytes))),
            }
        } else {
            let language = Some(language.to_owned()).filter(|language| !language.is_empty());
            self.text.push(Text { keyword: keyword.to_owned(), text, language });
        }
    }

    /// EXIF or XMP, as their segment in a JPEG begins.
    fn keep_app1(&mut self, bytes: Vec<u8>) {
        match bytes.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
            Some(packet) => drop(self.xmp.get_or_insert(packet.to_vec())),
            None => drop(self.exif.get_or_insert(bytes)),
        }
    }
}

/// What ImageMagick puts into text: a name, a length, and hexadecimal digits.
fn raw_profile<'a>(keyword: &'a str, text: &str) -> Option<(&'a str, Vec<u8>)> {
    let kind = keyword.strip_prefix(RAW_PROFILE)?;
    if !["exif", "APP1", "app1", "xmp", "icc", "icm", "iptc", "8bim"].contains(&kind) {
        return None;
    }
    let mut words = text.split_ascii_whitespace();
    let len: usize = words.nth(1)?.parse().ok()?;
    let digits: Vec<u8> =
        words.flat_map(str::chars).map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect();
    (bytes.len() == len).then_some((kind, bytes))
}

/// The inverse.
fn in_digits(kind: &str, bytes: &[u8]) -> String {
    let lines: Vec<String> =
        bytes.chunks(36).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    format!("\n{kind}\n{:8}\n{}\n", bytes.len(), lines.join("\n"))
}

/// Writes what the encoder does not write by itself, which is all but profile and EXIF.
pub(in crate::image) fn write<W: io::Write>(
    writer: &mut png::Writer<W>,
    metadata: &Metadata,
) -> Result<(), png::EncodingError> {
    let StatedColour { gamma, chromaticities, srgb_intent, cicp } = metadata.stated_colour;
    if let Some(said) = cicp {
        writer.write_chunk(chunk::cICP, &said)?;
    }
    if let Some(intent) = srgb_intent {
        writer.write_chunk(chunk::sRGB, &[intent])?;
    }
    if let Some(gamma) = gamma {
        writer.write_chunk(chunk::gAMA, &gamma.to_be_bytes())?;
    }
    if let Some(points) = chromaticities {
        writer.write_chunk(chunk::cHRM, points.map(u32::to_be_bytes).as_flattened())?;
    }
    if let Some(resolution) = metadata.resolution {
        writer.write_chunk(chunk::pHYs, &physical(resolution))?;
    }
    if let Some(packet) = metadata.xmp.as_ref() {
        writer.write_text_chunk(&ITXtChunk::new(XMP, String::from_utf8_lossy(packet)))?;
    }
    if let Some(records) = &metadata.iptc {
        let digits = in_digits("iptc", &photoshop::resource(records));
        writer.write_text_chunk(&ZTXtChunk::new(RAW_IPTC, digits))?;
    }
    metadata.text.iter().try_for_each(|text| write_text(writer, text))
}

fn physical(resolution: Resolution) -> [u8; 9] {
    let Resolution { x, y, unit } = resolution.to(Unit::Centimetre);
    let (factor, unit) = if unit == Unit::Unknown { (1.0, 0) } else { (100.0, 1) };
    let [[x0, x1, x2, x3], [y0, y1, y2, y3]] =
        [x, y].map(|number| ((number * factor).round() as u32).to_be_bytes());
    [x0, x1, x2, x3, y0, y1, y2, y3, unit]
}

/// In the form that suits: Latin-1 as it is, long text compressed, everything else in UTF-8.
fn write_text<W: io::Write>(writer: &mut png::Writer<W>, text: &Text) -> Result<(), png::EncodingError> {
    const LONG: usize = 1024;
    let Text { keyword, text, language } = text;
    let is_latin = text.chars().all(|character| u32::from(character) < 256) && language.is_none();
    if !is_latin {
        let mut chunk = ITXtChunk::new(keyword, text);
        chunk.compressed = text.len() > LONG;
        chunk.language_tag = language.clone().unwrap_or_default();
        writer.write_text_chunk(&chunk)
    } else if text.len() > LONG {
        writer.write_text_chunk(&ZTXtChunk::new(keyword, text))
    } else {
        writer.write_text_chunk(&TEXtChunk::new(keyword, text))
    }
}

/// Whether the keyword is one that PNG allows: 1 to 79 characters of Latin-1.
pub(super) fn allows(keyword: &str) -> bool {
    (1..80).contains(&keyword.chars().count())
        && keyword.chars().all(|character| (32..256).contains(&u32::from(character)))
}
