//! What a file is, told by its first bytes, and whether it holds other pictures than the one that is taken.

use std::io::Cursor;

use image::ImageFormat;
use image::codecs::{png::PngDecoder, webp::WebPDecoder};

use super::reader::tiff::raw_by_signature;

/// A kind of file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that the `image` crate has a name for.
    Of(ImageFormat),
    JpegXl,
}

const FORMATS: &str = "PNG, JPEG, WebP, TIFF, JPEG XL, BMP, GIF, PNM, TGA, QOI";

/// By content; only TGA, which has no signature, by name.
pub(super) fn kind(name: &str, bytes: &[u8]) -> Result<Kind, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if let Some(reason) = raw_by_signature(bytes) {
        return Err(reason.to_owned());
    }
    if bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") {
        return Ok(Kind::JpegXl);
    }
    // BigTIFF the `image` crate does not know.
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(Kind::Of(ImageFormat::Tiff));
    }
    if let Some(brand) = bytes.get(4..12).and_then(|bytes| bytes.strip_prefix(b"ftyp")) {
        return Err(container(brand));
    }
    let by_name = || ImageFormat::from_path(name).ok().filter(|&format| format == ImageFormat::Tga);
    let found = image::guess_format(bytes).ok().filter(|format| format.reading_enabled()).or_else(by_name);
    found.map(Kind::Of).ok_or_else(|| format!("not a picture that we can read ({FORMATS})"))
}

/// Why a file of boxes, as videos are, is not read.
fn container(brand: &[u8]) -> String {
    let name = match brand {
        b"avif" | b"avis" => "AVIF",
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" => "HEIC",
        _ => return format!("not a picture that we can read ({FORMATS})"),
    };
    format!("{name} is not read: save it as PNG, or as a 16-bit TIFF where it has more than 8 bits, first")
}

/// What else is in the file.
pub(super) fn others(format: ImageFormat, bytes: &[u8]) -> Option<String> {
    let frames = "an animation; only its first frame is taken";
    match format {
        ImageFormat::Gif => match gif_frames(bytes) {
            0 | 1 => None,
            count => Some(format!("an animation of {count} frames; only the first is taken")),
        },
        ImageFormat::Png => {
            let animated =
                PngDecoder::new(Cursor::new(bytes)).is_ok_and(|png| png.is_apng().unwrap_or(false));
            animated.then(|| frames.to_owned())
        }
        ImageFormat::WebP => {
            let animated = WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|webp| webp.has_animation());
            animated.then(|| frames.to_owned())
        }
        ImageFormat::Jpeg => jpeg_others(bytes),
        _ => None,
    }
}

/// Counted along the blocks; nothing is decoded.
fn gif_frames(bytes: &[u8]) -> usize {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + bytes.get(10).map_or(0, |&flags| table(flags));
    let mut frames = 0;
    loop {
        at += match bytes.get(at) {
            Some(0x21) => 2,
            Some(0x2c) => {
                frames += 1;
                11 + bytes.get(at + 9).map_or(0, |&flags| table(flags))
            }
            _ => return frames,
        };
        while let Some(&len) = bytes.get(at) {
            at += 1 + usize::from(len);
            if len == 0 {
                break;
            }
        }
    }
}

/// Further pictures and gain maps, announced in segments before the scan.
fn jpeg_others(bytes: &[u8]) -> Option<String> {
    const START_OF_SCAN: u8 = 0xda;
    let (mut rest, mut found) = (bytes.get(2..)?, None);
    while let [0xff, marker, high, low, ..] = *rest
        && marker != START_OF_SCAN
    {
        let skipped = if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        let segment = rest.get(4..skipped).unwrap_or_default();
        let says = |words: &[u8]| segment.windows(words.len()).any(|window| window == words);
        match marker {
            0xe1 if says(b"hdrgm:Version") => found = Some("its gain map (HDR) is left out"),
            0xe2 if segment.starts_with(b"urn:iso:std:iso:ts:21496") => {
                found = Some("its gain map (HDR) is left out")
            }
            0xe2 if segment.starts_with(b"MPF\0") => {
                found = found.or(Some("it holds further pictures (MPF); only the first is taken"));
            }
            _ => {}
        }
        rest = rest.get(skipped..).unwrap_or_default();
    }
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "the file is empty"),
            (b"Dear diary", "not a picture"),
            (b"\0\0\0\x20ftypavif", "AVIF is not read"),
            (b"\0\0\0\x20ftypheic", "HEIC is not read"),
            (b"\0\0\0\x20ftypisom", "not a picture"),
            (b"\0\0\0\x18ftypcrx ", "a raw photograph"),
            (b"IIU\0\x08\0\0\0", "a raw photograph"),
            (b"II*\0\x10\0\0\0CR\x02\0", "a raw photograph"),
        ];
        for (bytes, reason) in cases {
            assert!(kind("a", bytes).unwrap_err().starts_with(reason), "{bytes:?}");
        }
        let cases: [(&[u8], Kind); 4] = [
            (b"\xff\x0a", Kind::JpegXl),
            (b"\0\0\0\x0cJXL \r\n\x87\n", Kind::JpegXl),
            (b"MM\0+", Kind::Of(ImageFormat::Tiff)),
            (b"GIF89a", Kind::Of(ImageFormat::Gif)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(kind("a", bytes), Ok(expected));
        }
        assert_eq!(kind("a.tga", b"\0\0\x02\0"), Ok(Kind::Of(ImageFormat::Tga)));
    }

    #[test]
    fn frames_of_a_gif_are_counted_without_decoding() {
        let start = b"GIF89a\xff\xff\xff\xff\0\0\0".as_slice();
        let extension = b"\x21\xf9\x04\0\0\0\0\0".as_slice();
        let frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".as_slice();
        for count in [0, 1, 3] {
            let frames: Vec<&[u8]> = [extension, frame].repeat(count);
            assert_eq!(gif_frames(&[&[start], &frames[..], &[b"\x3b"]].concat().concat()), count);
        }
        for len in 0..start.len() {
            assert_eq!(gif_frames(&start[..len]), 0);
        }
    }
}
