//! JPEG XL to pictures. The files are what `tests/golden/jpeg_xl.py` wrote.

#![cfg(feature = "image")]

use std::fs;

use image::ColorType;
use sparsr::{Picture, PictureReader};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jpeg_xl/");

/// 7x5 pixels, as the script makes them, in the machine's byte order.
fn samples(color: ColorType) -> Vec<u8> {
    let channels = u32::from(color.channel_count());
    let wide = color.bytes_per_pixel() > color.channel_count();
    let white = if wide { 65_536 } else { 256 };
    let places = (0..5).flat_map(|y| (0..7).flat_map(move |x| (0..channels).map(move |c| (x, y, c))));
    let values = places.map(|(x, y, c)| (x * 977 + y * 3571 + c * 20_011) % white);
    values
        .flat_map(|value| if wide { (value as u16).to_ne_bytes().to_vec() } else { vec![value as u8] })
        .collect()
}

#[test]
fn every_type_is_read() {
    for (name, color) in [
        ("gray8", ColorType::L8),
        ("rgb8", ColorType::Rgb8),
        ("rgba8", ColorType::Rgba8),
        ("gray16", ColorType::L16),
        ("rgb16", ColorType::Rgb16),
        ("animated", ColorType::Rgb8),
    ] {
        let path = format!("{GOLDEN}{name}.jxl");
        let picture = Picture::read(path.as_ref()).unwrap();
        assert_eq!((picture.image.color(), picture.image.width()), (color, 7), "{name}");
        assert_eq!(picture.image.as_bytes(), samples(color), "{name}");
        let rows = PictureReader::open(path.as_ref()).unwrap().read(9).unwrap().unwrap();
        assert!(rows == picture.image, "{name} by rows");
        assert_eq!(PictureReader::size_of(path.as_ref()).unwrap(), [7, 5], "{name}");
    }
}

/// A file of boxes: signature, type, those given, and the picture.
fn boxed(more: &[(&[u8; 4], &[u8])], picture: &[u8]) -> Vec<u8> {
    let all = [&[(b"JXL ", &b"\r\n\x87\n"[..]), (b"ftyp", b"jxl \0\0\0\0jxl ")], more, &[(b"jxlc", picture)]]
        .concat();
    let of = |&(kind, content): &(&[u8; 4], &[u8])| {
        [&(content.len() as u32 + 8).to_be_bytes(), kind.as_slice(), content].concat()
    };
    all.iter().flat_map(of).collect()
}

#[test]
fn notes_in_boxes_go_along() {
    let picture = fs::read(format!("{GOLDEN}rgb8.jxl")).unwrap();
    // Upside down by EXIF, which does not count here.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    let file =
        boxed(&[(b"Exif", &[b"\0\0\0\0".as_slice(), exif].concat()), (b"xml ", b"<x:xmpmeta/>")], &picture);
    let read = Picture::decode("a", &file).unwrap();
    assert_eq!(read.image.as_bytes(), samples(ColorType::Rgb8));
    assert_eq!(read.metadata.xmp.as_deref(), Some(&b"<x:xmpmeta/>"[..]));
    assert_eq!(read.metadata.exif.unwrap()[..18], exif[..18]);
    assert!(read.metadata.icc_profile.is_none(), "sRGB is what a file without a profile is taken for");
}

#[test]
fn half_a_file_is_an_error() {
    let picture = fs::read(format!("{GOLDEN}rgb16.jxl")).unwrap();
    for kept in 2..picture.len() {
        let sentence = Picture::decode("a", &picture[..kept]).unwrap_err().to_string();
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}
