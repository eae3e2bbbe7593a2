//! What a PNG says beside the pixels, before them and behind.
//!
//! The `png` crate reads what stands before the pixels. So it is given a file that has everything there: all chunks
//! but those of the pixels.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use png::chunk::{self, ChunkType};
use png::{BitDepth, ColorType, Decoder, Limits};
use png::{text_metadata::ITXtChunk, text_metadata::TEXtChunk, text_metadata::ZTXtChunk};

use super::{Metadata, Resolution, StatedColour, Text, Unit, photoshop};

/// The most that a file's notes may take, and one that is compressed when it is opened up.
const NOTES: usize = 64 << 20;

/// The most chunks that are named in one warning.
const NAMED: usize = 16;

/// XMP's keyword.
pub(in crate::image) const XMP: &str = "XML:com.adobe.xmp";

/// Keywords with which ImageMagick keeps what has no chunk of its own, in hexadecimal digits.
const RAW_PROFILE: &str = "Raw profile type ";
pub(in crate::image) const RAW_IPTC: &str = "Raw profile type iptc";

/// The length of a signature, and of a chunk's length and type.
const HEAD: u64 = 8;

/// Notes that a reader of pixels needs, or that are put in other words here.
const KEPT: [ChunkType; 14] = [
    chunk::IHDR,
    chunk::gAMA,
    chunk::cHRM,
    chunk::sRGB,
    chunk::iCCP,
    chunk::cICP,
    chunk::mDCV,
    chunk::cLLI,
    chunk::pHYs,
    chunk::eXIf,
    chunk::tEXt,
    chunk::zTXt,
    chunk::iTXt,
    chunk::bKGD,
];

/// Those that are the pixels, or speak of how the file's own are stored: which bits of a sample count, and palettes.
const PIXELS: [ChunkType; 9] = [
    chunk::PLTE,
    chunk::tRNS,
    chunk::IDAT,
    chunk::acTL,
    chunk::fcTL,
    chunk::fdAT,
    chunk::sBIT,
    ChunkType(*b"hIST"),
    ChunkType(*b"sPLT"),
];

pub(super) fn read(name: &str, source: &mut (impl Read + Seek)) -> io::Result<Metadata> {
    let (file, others) = notes(source)?;
    if !others.is_empty() {
        tracing::warn!("{name}: chunks of a PNG that are left out: {}", others.join(", "));
    }
    let decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: NOTES });
    let reader = decoder.read_info().map_err(io::Error::other)?;
    let info = reader.info();
    let mut metadata = Metadata {
        icc_profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        exif: info.exif_metadata.as_deref().map(<[u8]>::to_vec),
        resolution: info.pixel_dims.map(resolution).filter(Resolution::is_said),
        stated_colour: stated_colour(info),
        background: background(info),
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

/// The file with all notes before its pixels, of which it has none; and the names of chunks that nothing is made of.
fn notes(source: &mut (impl Read + Seek)) -> io::Result<(Vec<u8>, Vec<String>)> {
    let mut file = Vec::new();
    // A palette stands behind what says how colours are meant, and the background behind the palette.
    let (mut palette, mut others) = (Vec::new(), Vec::new());
    source.take(HEAD).read_to_end(&mut file)?;
    loop {
        let mut head = [0; HEAD as usize];
        if source.read_exact(&mut head).is_err() {
            break; // What is missing, whoever decodes the pixels will say.
        }
        let (len, kind) = head.split_at(4);
        let rest = u64::from(u32::from_be_bytes(len.try_into().expect("half of eight bytes"))) + 4;
        let kind = ChunkType(kind.try_into().expect("half of eight bytes"));
        let room = NOTES.saturating_sub(file.len() + palette.len()) as u64;
        let to = if matches!(kind, chunk::PLTE | chunk::bKGD) { &mut palette } else { &mut file };
        if kind == chunk::IEND {
            break;
        } else if (KEPT.contains(&kind) || kind == chunk::PLTE) && rest <= room {
            to.extend(head);
            source.take(rest).read_to_end(to)?;
        } else {
            let chunk = kind.0.escape_ascii().to_string();
            if !PIXELS.contains(&kind) && !others.contains(&chunk) && others.len() < NAMED {
                others.push(chunk);
            }
            source.seek(SeekFrom::Current(rest as i64))?;
        }
    }
    file.extend(palette);
    file.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    Ok((file, others))
}

/// What a viewer may show where the picture is clear, whose samples are as those of the pixels, or a palette's index.
fn background(info: &png::Info) -> Option<[u16; 3]> {
    let said = info.bkgd.as_deref()?;
    let white = u32::from(u16::MAX) / ((1 << info.bit_depth as u32) - 1);
    let sample = |bytes: &[u8; 2]| u16::try_from(u32::from(u16::from_be_bytes(*bytes)) * white).ok();
    Some(match (info.color_type, said.as_chunks().0) {
        (ColorType::Indexed, _) => {
            let index = usize::from(*said.first()?);
            let colours = info.palette.as_deref()?.as_chunks::<3>().0;
            colours.get(index)?.map(|sample| u16::from(sample) * 257)
        }
        (_, [gray]) => [sample(gray)?; 3],
        (_, [red, green, blue]) => [sample(red)?, sample(green)?, sample(blue)?],
        _ => return None,
    })
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
        mastering_display: info.mastering_display_color_volume.map(mastering_display),
        light_levels: info
            .content_light_level
            .map(|said| [said.max_content_light_level, said.max_frame_average_light_level]),
    }
}

/// As the chunk has it: x and y of red, green, blue and white, times 50,000; the most and the least light.
fn mastering_display(said: png::MasteringDisplayColorVolume) -> [u8; 24] {
    let png::SourceChromaticities { white, red, green, blue } = said.chromaticities;
    let points = [red, green, blue, white]
        .map(|(x, y)| [x, y].map(|number| ((number.into_scaled() / 2) as u16).to_be_bytes()));
    let light = [said.max_luminance, said.min_luminance].map(u32::to_be_bytes);
    let bytes = [points.as_flattened().as_flattened(), light.as_flattened()].concat();
    bytes.try_into().expect("four points and two numbers")
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
    (color, depth): (ColorType, BitDepth),
) -> Result<(), png::EncodingError> {
    let StatedColour { gamma, chromaticities, srgb_intent, cicp, mastering_display, light_levels } =
        metadata.stated_colour;
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
    if let Some(said) = mastering_display {
        writer.write_chunk(chunk::mDCV, &said)?;
    }
    if let Some(levels) = light_levels {
        writer.write_chunk(chunk::cLLI, levels.map(u32::to_be_bytes).as_flattened())?;
    }
    if let Some(background) = metadata.background {
        let samples =
            if depth == BitDepth::Sixteen { background } else { background.map(|sample| sample >> 8) };
        let samples = samples.map(u16::to_be_bytes);
        let gray = matches!(color, ColorType::Grayscale | ColorType::GrayscaleAlpha);
        writer.write_chunk(chunk::bKGD, samples[..if gray { 1 } else { 3 }].as_flattened())?;
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
