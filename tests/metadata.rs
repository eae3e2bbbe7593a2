//! What files say beside the pixels: it is kept, follows the picture's new size, or is named in a warning.

#![cfg(feature = "image")]

#[path = "support/exif.rs"]
mod exif;
#[path = "support/log.rs"]
mod log;
#[path = "support/pictures.rs"]
mod pictures;

use std::path::Path;

use exif::{Exif, MAKER_NOTE};
use image::{ColorType, DynamicImage, ImageFormat};
use log::heard;
use pictures::picture;
use sparsr::{Dpi, Encoding, Metadata, Picture, Resolution, StatedColour, Text, Unit};

const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp];

/// The picture's description.
const DESCRIPTION: u16 = 0x010e;

const CAMERA: Option<u16> = Some(0x8769);
const GPS: Option<u16> = Some(0x8825);

const XMP: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"
    tiff:ImageWidth="6" exif:PixelYDimension="4"/><xmp:Thumbnails>x</xmp:Thumbnails></x:xmpmeta>"#;

/// The head of an ICC profile for a colour space.
fn profile(space: &[u8; 4]) -> Vec<u8> {
    let mut profile = vec![7; 70_000]; // more than a segment of a JPEG
    profile[16..20].copy_from_slice(space);
    profile
}

/// All that a file can say.
fn everything() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.icc_profile = Some(profile(b"RGB "));
    metadata.exif = Some(exif::exif(false, 1));
    metadata.xmp = Some(XMP.replace("tiff:Orientation=\"6\"", "tiff:Orientation=\"1\"").into_bytes());
    metadata.iptc = Some(b"\x1c\x02\x19\0\x07keyword".to_vec());
    metadata.resolution = Some(Resolution { x: 300.0, y: 300.0, unit: Unit::Inch });
    metadata.text = vec![text("Comment", "a cat")];
    metadata.stated_colour = StatedColour { gamma: Some(55_000), ..light() };
    metadata.background = Some([257, 514, 65_535]);
    metadata
}

/// The light that a picture was made for.
fn light() -> StatedColour {
    let display = std::array::from_fn(|i| 3 * i as u8);
    StatedColour {
        mastering_display: Some(display),
        light_levels: Some([4_000_000, 12_345]),
        ..StatedColour::default()
    }
}

fn text(keyword: &str, text: &str) -> Text {
    Text { keyword: keyword.into(), text: text.into(), language: None }
}

fn small(metadata: Metadata) -> Picture {
    let mut small = Picture::from(picture(ColorType::Rgb8, 6, 4));
    small.metadata = metadata;
    small
}

/// The metadata that come back from a file, and the warnings of writing it.
fn through(picture: &Picture, format: ImageFormat) -> (Metadata, Vec<String>) {
    let write = || picture.encode(Path::new("file"), format, &Encoding::default()).unwrap();
    let (bytes, warnings) = heard(write);
    (Picture::decode("file", &bytes).unwrap().metadata, warnings)
}

fn near(found: Option<Resolution>, expected: Option<Resolution>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => {
            let found = found.to(expected.unit);
            found.unit == expected.unit
                && (found.x - expected.x).abs() < 0.02
                && (found.y - expected.y).abs() < 0.02
        }
        (found, expected) => found == expected,
    }
}

/// The table of [`Metadata`], kind by kind: what goes through a format, and what it says of the rest.
#[test]
fn what_a_format_holds_comes_back_and_the_rest_is_named() {
    type Take = fn(&mut Metadata);
    let kinds: [(&str, Take, &[ImageFormat]); 9] = [
        ("profile", |m| m.icc_profile = None, &FORMATS[..4]),
        ("EXIF", |m| m.exif = None, &FORMATS[..4]),
        ("XMP", |m| m.xmp = None, &FORMATS[..4]),
        ("IPTC", |m| m.iptc = None, &[ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff]),
        ("resolution", |m| m.resolution = None, &FORMATS),
        ("text", |m| m.text.clear(), &[ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff]),
        ("gAMA", |m| m.stated_colour.gamma = None, &FORMATS[..1]),
        (
            "mDCV",
            |m| (m.stated_colour.mastering_display, m.stated_colour.light_levels) = (None, None),
            &FORMATS[..1],
        ),
        ("background", |m| m.background = None, &FORMATS[..1]),
    ];
    for (kind, _, holders) in kinds {
        let mut alone = everything();
        kinds.iter().filter(|(other, ..)| *other != kind).for_each(|(_, take, _)| take(&mut alone));
        for format in FORMATS {
            let (found, warnings) = through(&small(alone.clone()), format);
            let what = format!("{kind} in {format:?}: {warnings:?}");
            if !holders.contains(&format) {
                assert!(matches!(&warnings[..], [one] if one.contains(kind)), "{what}");
                continue;
            }
            assert!(warnings.is_empty(), "{what}");
            if format == ImageFormat::Tiff {
                assert!(kind_in_tiff(kind, &found, &alone), "{what}");
            } else if kind == "resolution" {
                assert!(near(found.resolution, alone.resolution), "{what}: {found:?}");
            } else {
                let (mut found, mut expected) = (found, alone.clone());
                (found.resolution, expected.resolution) = (None, None);
                assert!(found == expected, "{what}");
            }
        }
    }
}

/// A TIFF's directory is EXIF's as well: the block is made anew of what stands there, text included.
fn kind_in_tiff(kind: &str, found: &Metadata, expected: &Metadata) -> bool {
    let value = |metadata: &Metadata, under, tag| Exif::of(metadata.exif.as_ref().unwrap()).value(under, tag);
    match kind {
        "profile" => found.icc_profile == expected.icc_profile,
        "XMP" => found.xmp == expected.xmp,
        "IPTC" => found.iptc == expected.iptc,
        "resolution" => near(found.resolution, expected.resolution),
        "text" => value(found, None, DESCRIPTION).is_some_and(|words| words == b"a cat\0"),
        _ => [(None, 0x010f), (CAMERA, 0x9003), (CAMERA, 0x927c), (GPS, 1), (GPS, 2)]
            .into_iter()
            .all(|(under, tag)| value(found, under, tag) == value(expected, under, tag)),
    }
}

/// Whatever one format holds, another has as well, or says that it has not.
#[test]
fn from_format_to_format_nothing_is_lost_in_silence() {
    type Has = fn(&Metadata) -> bool;
    let kinds: [(&str, Has); 9] = [
        ("profile", |m| m.icc_profile.is_some()),
        ("EXIF", |m| m.exif.as_ref().is_some_and(|block| Exif::of(block).value(GPS, 2).is_some())),
        ("XMP", |m| m.xmp.is_some()),
        ("IPTC", |m| m.iptc.is_some()),
        ("resolution", |m| m.resolution.is_some()),
        ("text", |m| {
            let words = |block: &Vec<u8>| Exif::of(block).value(None, DESCRIPTION).is_some();
            !m.text.is_empty() || m.exif.as_ref().is_some_and(words)
        }),
        ("gAMA", |m| m.stated_colour.gamma.is_some() && m.icc_profile.is_none()),
        ("mDCV", |m| m.stated_colour.mastering_display.is_some() && m.stated_colour.light_levels.is_some()),
        ("background", |m| m.background.is_some()),
    ];
    for without_profile in [false, true] {
        let mut everything = everything();
        if without_profile {
            everything.icc_profile = None;
        }
        for from in FORMATS {
            let (here, _) = through(&small(everything.clone()), from);
            for to in FORMATS {
                let (there, warnings) = through(&small(here.clone()), to);
                assert!(warnings.len() <= 1, "{warnings:?}");
                for (kind, has) in kinds {
                    // A TIFF's text is EXIF's description.
                    let names: &[&str] = if kind == "text" { &["text", "EXIF"] } else { &[kind] };
                    let said = warnings.iter().any(|warning| names.iter().any(|name| warning.contains(name)));
                    let told = has(&there) || said;
                    assert!(!has(&here) || told, "{kind} from {from:?} to {to:?}: {warnings:?}");
                }
            }
        }
    }
}

#[test]
fn what_a_format_loses_is_one_warning() {
    let (_, warnings) = through(&small(everything()), ImageFormat::Bmp);
    let expected = "file: Bmp cannot hold the colour profile, EXIF, XMP, IPTC, text, the light that it was made for \
        (mDCV, cLLI) and the background colour";
    assert_eq!(warnings, [expected.to_owned()], "gAMA counts for nothing beside a profile");
    let mut plain = Metadata::default();
    plain.stated_colour.srgb_intent = Some(0);
    for format in FORMATS {
        assert_eq!(through(&small(plain.clone()), format).1, Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn stripped_are_all_but_colours() {
    let mut encoding = Encoding::default();
    encoding.strip = true;
    for format in FORMATS {
        let mut all = everything();
        if format != ImageFormat::Png {
            (all.stated_colour.mastering_display, all.stated_colour.light_levels) = (None, None);
        }
        let write = || small(all.clone()).encode(Path::new("file"), format, &encoding).unwrap();
        let (bytes, warnings) = heard(write);
        let mut expected = Metadata::default();
        if format != ImageFormat::Bmp {
            expected.icc_profile = everything().icc_profile;
        }
        if format == ImageFormat::Png {
            expected.stated_colour = everything().stated_colour;
        }
        let found = Picture::decode("file", &bytes).unwrap().metadata;
        assert!(found == expected, "{format:?}");
        assert_eq!(warnings.len(), usize::from(format == ImageFormat::Bmp));
    }
}

/// A profile is for gray or for colours, and says nothing of other pixels.
#[test]
fn a_profile_goes_with_its_kind_of_pixels() {
    for (color, space, format, kept) in [
        (ColorType::L8, b"GRAY", ImageFormat::Png, true),
        (ColorType::L8, b"GRAY", ImageFormat::Jpeg, true),
        (ColorType::L8, b"GRAY", ImageFormat::Tiff, true),
        (ColorType::La8, b"GRAY", ImageFormat::Tiff, false),
        (ColorType::L8, b"GRAY", ImageFormat::WebP, false),
        (ColorType::L8, b"RGB ", ImageFormat::WebP, true),
        (ColorType::L8, b"RGB ", ImageFormat::Png, false),
        (ColorType::Rgb8, b"GRAY", ImageFormat::Png, false),
    ] {
        let mut original = Picture::from(picture(color, 6, 4));
        original.metadata.icc_profile = Some(profile(space));
        let (found, warnings) = through(&original, format);
        assert_eq!(
            (found.icc_profile.is_some(), warnings.len()),
            (kept, usize::from(!kept)),
            "{color:?} {format:?}"
        );
    }
}

#[test]
fn metadata_follow_the_new_size() {
    for big_endian in [false, true] {
        let mut old = everything();
        old.exif = Some(exif::exif(big_endian, 1));
        for (dpi, factor) in [(Dpi::Scale, 2), (Dpi::Keep, 1)] {
            let new = old.enlarged([6, 4], [12, 8], dpi);
            let block = new.exif.unwrap();
            assert_eq!(block.len(), exif::KEPT, "the thumbnail is gone");
            let exif = Exif::of(&block);
            assert_eq!(exif.next(), 0);
            let sizes = [0xa002, 0xa003].map(|tag| exif.number_of(CAMERA, tag).unwrap());
            assert_eq!(sizes, [12, 8]);
            assert_eq!(exif.number_of(None, 0x011a), Some(300 * factor));
            assert_eq!(exif.value(CAMERA, 0x927c).unwrap(), block[MAKER_NOTE..][..12], "it has not moved");
            assert_eq!(exif.value(GPS, 2), Exif::of(old.exif.as_ref().unwrap()).value(GPS, 2));
            let xmp = String::from_utf8(new.xmp.unwrap()).unwrap();
            assert!(xmp.contains(r#"ImageWidth="12" exif:PixelYDimension="8"/></x:"#), "{xmp}");
            let dots = 300.0 * factor as f64;
            assert_eq!(new.resolution, Some(Resolution { x: dots, y: dots, unit: Unit::Inch }));
        }
    }
}

/// The pixels of an upright picture as a file has them whose EXIF says so.
fn lying(upright: &DynamicImage, orientation: u16) -> DynamicImage {
    match orientation {
        1 => upright.clone(),
        2 => upright.fliph(),
        3 => upright.rotate180(),
        4 => upright.flipv(),
        5 => upright.rotate90().fliph(),
        6 => upright.rotate270(),
        7 => upright.rotate270().fliph(),
        _ => upright.rotate90(),
    }
}

#[test]
fn every_orientation_becomes_upright() {
    let upright = picture(ColorType::Rgb8, 8, 16);
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let mut old = Picture::from(lying(&upright, orientation));
            old.metadata.exif = Some(exif::exif(big_endian, orientation));
            old.metadata.xmp = Some(XMP.into());
            let prefixed = [b"Exif\0\0", &old.metadata.exif.clone().unwrap()[..]].concat();
            for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
                let mut files = vec![old.encode(Path::new("file"), format, &Encoding::default()).unwrap()];
                if format != ImageFormat::Jpeg {
                    let mut odd = old.clone();
                    odd.metadata.exif = Some(prefixed.clone());
                    files.push(odd.encode(Path::new("file"), format, &Encoding::default()).unwrap());
                }
                for file in files {
                    let new = Picture::decode("file", &file).unwrap();
                    let what = format!("{orientation} in {format:?}");
                    assert!(new.image == upright || format == ImageFormat::Jpeg, "{what}");
                    assert_eq!((new.image.width(), new.image.height()), (8, 16), "{what}");
                    assert_eq!(new.metadata.exif, Some(exif::exif(big_endian, 1)), "{what}");
                    let xmp = String::from_utf8(new.metadata.xmp.unwrap()).unwrap();
                    assert!(xmp.contains(r#"tiff:Orientation="1""#), "{what}");
                }
            }
        }
    }
}

/// A TIFF is a directory of its own: there is EXIF's, where it was, and what it says of the picture.
#[test]
fn a_tiff_begins_with_exif() {
    for big_endian in [false, true] {
        for color in [ColorType::Rgb8, ColorType::Rgb16, ColorType::L16] {
            let mut old = Picture::from(picture(color, 6, 4));
            old.metadata = everything();
            old.metadata.icc_profile = None;
            old.metadata.stated_colour = StatedColour::default();
            old.metadata.background = None;
            old.metadata.exif = Some(exif::exif(big_endian, 1));
            let write = || old.encode(Path::new("file"), ImageFormat::Tiff, &Encoding::default()).unwrap();
            let (bytes, warnings) = heard(write);
            assert_eq!(warnings, Vec::<String>::new());
            assert!(Picture::decode("file", &bytes).unwrap().image == old.image, "{color:?}");
            let (file, block) = (Exif::of(&bytes), Exif::of(old.metadata.exif.as_ref().unwrap()));
            for (under, tag) in [(None, 0x010f), (CAMERA, 0x9003), (CAMERA, 0x927c), (GPS, 1), (GPS, 2)] {
                assert_eq!(file.value(under, tag), block.value(under, tag), "{tag:#x}");
            }
            assert_eq!(bytes[MAKER_NOTE..][..12], old.metadata.exif.as_ref().unwrap()[MAKER_NOTE..][..12]);
            assert_eq!(file.number_of(None, 0x011a), Some(300));
            assert_eq!(file.value(None, 700), old.metadata.xmp);
            assert_eq!(file.value(None, 33723), old.metadata.iptc);
            assert_eq!(file.value(None, 270).unwrap(), b"a cat\0");
            assert_eq!(file.value(None, 0x0112), None, "no orientation is upright");
        }
    }
}

/// A chunk of a PNG, with its checksum.
fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = png::Encoder::new(&mut file, 1, 1).write_header().unwrap();
    writer.write_chunk(png::chunk::ChunkType(*kind), content).unwrap();
    drop(writer);
    file[33..][..12 + content.len()].to_vec()
}

fn hexadecimal(kind: &str, content: &[u8]) -> Vec<u8> {
    let digits: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, rest) = digits.split_at(10);
    format!("Raw profile type {kind}\0\n{kind}\n  {}\n{first}\n{rest}\n", content.len()).into_bytes()
}

#[test]
fn chunks_are_found_wherever_they_are_and_in_whatever_form() {
    let plain =
        small(Metadata::default()).encode(Path::new("a"), ImageFormat::Png, &Encoding::default()).unwrap();
    let (block, note) = (exif::exif(true, 1), exif::exif(true, 6));
    let xmp = "<x:xmpmeta/>".as_bytes();
    type Found = fn(&Metadata) -> Option<Vec<u8>>;
    let (exif, keywords, packet): (Found, Found, Found) =
        (|m| m.exif.clone(), |m| m.iptc.clone(), |m| m.xmp.clone());
    let resource = b"8BIM\x04\x04\0\0\0\0\0\x0d\x1c\x02\x19\0\x08keywords\0".as_slice();
    let records = b"\x1c\x02\x19\0\x08keywords".to_vec();
    for (kind, content, found, expected) in [
        (b"eXIf", note.clone(), exif, block.clone()),
        (b"tEXt", hexadecimal("exif", &[b"Exif\0\0", &note[..]].concat()), exif, block.clone()),
        (b"tEXt", hexadecimal("APP1", &[b"Exif\0\0", &note[..]].concat()), exif, block),
        (b"tEXt", hexadecimal("iptc", resource), keywords, records.clone()),
        (b"tEXt", hexadecimal("iptc", &records), keywords, records),
        (b"tEXt", hexadecimal("xmp", xmp), packet, xmp.to_vec()),
        (b"iTXt", [b"XML:com.adobe.xmp\0\0\0\0\0", xmp].concat(), packet, xmp.to_vec()),
    ] {
        let chunk = chunk(kind, &content);
        for at in [33, plain.len() - 12] {
            let file = [&plain[..at], &chunk, &plain[at..]].concat();
            let metadata = Picture::decode("file", &file).unwrap().metadata;
            assert_eq!(found(&metadata).as_ref(), Some(&expected), "{kind:?} at {at}");
            assert_eq!(metadata.text, []);
        }
    }
    let words = |kind: &[u8; 4], content: &[u8]| {
        let file = [&plain[..33], &chunk(kind, content), &plain[33..]].concat();
        Picture::decode("file", &file).unwrap().metadata.text
    };
    assert_eq!(words(b"tEXt", b"Author\0Ren\xe9"), [text("Author", "Ren\u{e9}")]);
    let german = Text { language: Some("de".into()), ..text("Title", "K\u{e4}se") };
    assert_eq!(words(b"iTXt", "Title\0\0\0de\0\0K\u{e4}se".as_bytes()), [german]);
}

#[test]
fn text_survives_in_the_form_that_suits_it() {
    let long = "a long prompt, ".repeat(500);
    let japanese = Text { language: Some("ja".into()), ..text("Title", "\u{732b}") };
    let mut metadata = Metadata::default();
    metadata.text =
        vec![text("parameters", &long), text("Author", "Ren\u{e9}"), japanese, text("emoji", "\u{1f431}")];
    let (found, warnings) = through(&small(metadata.clone()), ImageFormat::Png);
    let mut found = found.text;
    found.sort_by_key(|text| text.keyword.clone());
    metadata.text.sort_by_key(|text| text.keyword.clone());
    assert_eq!((found, warnings.len()), (metadata.text.clone(), 0));
    let (found, _) = through(&small(metadata), ImageFormat::Jpeg);
    assert!(found.text.contains(&text("Comment", &format!("parameters: {long}"))));
    let mut metadata = Metadata::default();
    metadata.text = vec![text(&"k".repeat(80), "words")];
    let (found, _) = through(&small(metadata), ImageFormat::Png);
    assert_eq!(found.text, [text("Comment", &format!("{}: words", "k".repeat(80)))]);
}

#[test]
fn colour_that_a_png_states_is_kept() {
    let mut metadata = Metadata::default();
    metadata.stated_colour.gamma = Some(45_455);
    metadata.stated_colour.chromaticities =
        Some([31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000]);
    let (found, _) = through(&small(metadata.clone()), ImageFormat::Png);
    assert_eq!(found, metadata);
    let (_, warnings) = through(&small(metadata.clone()), ImageFormat::Jpeg);
    assert_eq!(warnings, ["file: Jpeg cannot hold colour that gAMA, cHRM or cICP states"]);
    metadata.stated_colour = StatedColour { cicp: Some([12, 13, 0, 1]), ..StatedColour::default() };
    assert_eq!(through(&small(metadata.clone()), ImageFormat::Png).0, metadata);
    metadata.stated_colour = StatedColour { srgb_intent: Some(2), ..StatedColour::default() };
    assert_eq!(through(&small(metadata.clone()), ImageFormat::Png).0, metadata);
}

/// A file that would be shown as another picture is not made.
#[test]
fn high_dynamic_range_stays_or_is_refused() {
    for (transfer, curve) in [(16, Some("PQ")), (18, Some("HLG")), (13, None)] {
        let mut metadata = Metadata::default();
        metadata.stated_colour.cicp = Some([9, transfer, 0, 1]);
        let there = small(metadata.clone());
        assert_eq!(through(&there, ImageFormat::Png), (metadata, vec![]));
        for format in &FORMATS[1..] {
            let written = there.encode(Path::new("file"), *format, &Encoding::default());
            match curve {
                None => assert!(written.is_ok()),
                Some(curve) => {
                    let sentence = written.unwrap_err().to_string();
                    let said = format!("cannot say that samples are {curve} (high dynamic range): write PNG");
                    assert!(sentence.ends_with(&said), "{sentence}");
                }
            }
        }
    }
}

/// A PNG of one row of pixels with a chunk in front of them.
fn with_chunk(
    color: png::ColorType,
    depth: png::BitDepth,
    row: &[u8],
    kind: &[u8; 4],
    content: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut info = png::Info::with_size(4, 1);
    (info.color_type, info.bit_depth) = (color, depth);
    if color == png::ColorType::Indexed {
        info.palette = Some((&[9, 8, 7, 30, 20, 10]).into());
    }
    let mut writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap();
    writer.write_chunk(png::chunk::ChunkType(*kind), content).unwrap();
    writer.write_image_data(row).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_background_becomes_one_of_the_output_s_pixels() {
    use png::{
        BitDepth,
        ColorType::{Grayscale, Indexed, Rgb},
    };
    for (color, depth, row, said, expected) in [
        (Grayscale, BitDepth::Two, &[0x1b][..], &[0, 2][..], Some([43_690; 3])),
        (Grayscale, BitDepth::Eight, &[1; 4], &[0, 77], Some([77 * 257; 3])),
        (Grayscale, BitDepth::Sixteen, &[1; 8], &[3, 77], Some([3 * 256 + 77; 3])),
        (Rgb, BitDepth::Eight, &[1; 12], &[0, 1, 0, 2, 0, 3], Some([257, 514, 771])),
        (Indexed, BitDepth::One, &[0x50], &[1], Some([30 * 257, 20 * 257, 10 * 257])),
        (Indexed, BitDepth::One, &[0x50], &[2], None),
        (Grayscale, BitDepth::Eight, &[1; 4], &[9, 77], None),
        (Rgb, BitDepth::Eight, &[1; 12], &[0, 1], None),
    ] {
        let file = with_chunk(color, depth, row, b"bKGD", said);
        let read = Picture::decode("file", &file).unwrap();
        assert_eq!(read.metadata.background, expected, "{color:?} {depth:?}");
        assert_eq!(through(&read, ImageFormat::Png).0.background, expected, "{color:?} {depth:?} again");
    }
    let mut gray = Picture::from(picture(ColorType::L8, 6, 4));
    gray.metadata.background = Some([1, 2, 3]);
    let (found, warnings) = through(&gray, ImageFormat::Png);
    assert_eq!(
        (found.background, &*warnings),
        (None, &["file: Png cannot hold the background colour".to_owned()][..])
    );
}

#[test]
fn chunks_that_are_left_out_are_named() {
    let gray = (png::ColorType::Grayscale, png::BitDepth::Eight, [1; 4]);
    for (kind, named) in [
        (b"tIME", true),
        (b"prVt", true),
        (b"oFFs", true),
        (b"sBIT", false),
        (b"pHYs", false),
        (b"cLLI", false),
    ] {
        let (color, depth, row) = gray;
        let file = with_chunk(color, depth, &row, kind, &[0; 8]);
        let (_, warnings) = heard(|| Picture::decode("file", &file).unwrap());
        let name = String::from_utf8_lossy(kind);
        let expected = named.then(|| format!("file: chunks of a PNG that are left out: {name}"));
        assert_eq!(warnings, Vec::from_iter(expected));
    }
}

#[test]
fn what_is_transparent_shows_the_background() {
    let mut encoding = Encoding::default();
    for (color, background, corner) in [
        (ColorType::Rgba8, [255, 0, 10], [255, 0, 10]),
        (ColorType::Rgba16, [10, 200, 30], [10, 200, 30]),
        (ColorType::La8, [77, 77, 77], [77, 77, 77]),
    ] {
        encoding.background = Some(background);
        let mut clear = picture(color, 16, 16).to_rgba16();
        clear.pixels_mut().for_each(|pixel| pixel[3] = 0);
        let clear = DynamicImage::from(clear);
        let clear = match color {
            ColorType::La8 => DynamicImage::from(clear.to_luma_alpha8()),
            ColorType::Rgba8 => clear.to_rgba8().into(),
            _ => clear,
        };
        let bytes = Picture::from(clear).encode(Path::new("a.jpg"), ImageFormat::Jpeg, &encoding).unwrap();
        let found = Picture::decode("file", &bytes).unwrap().image;
        assert_eq!(found.color().has_color(), color.has_color());
        let found = found.to_rgb8()[(3, 3)].0;
        assert!(found.iter().zip(corner).all(|(a, b)| a.abs_diff(b) < 4), "{found:?} {corner:?}");
    }
}
