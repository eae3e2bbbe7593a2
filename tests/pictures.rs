//! Files to pictures and back: what is kept, what is refused.

#![cfg(feature = "image")]

#[path = "support/log.rs"]
mod log;
#[path = "support/pictures.rs"]
mod pictures;

use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::GifEncoder;
use image::{ColorType, DynamicImage, Frame, ImageFormat, Rgba, RgbaImage};
use log::heard;
use pictures::{TYPES, picture};
use sparsr::{Encoding, Error, Picture, PictureReader, format_of};

/// An EXIF block with nothing but an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]].concat()
}

/// The head of an ICC profile for a colour space.
fn profile(space: &[u8; 4]) -> Vec<u8> {
    let mut profile = vec![0; 132];
    profile[16..20].copy_from_slice(space);
    profile
}

fn file(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    Picture::from(image).encode(Path::new("made by the test"), format, &Encoding::default()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let error = Picture::decode("the file", bytes).unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.starts_with("the file: ") && !sentence.contains('\n'), "{sentence}");
    sentence
}

#[test]
fn lossless_formats_keep_every_type_that_they_have() {
    for color in TYPES {
        let original = picture(color, 7, 5);
        for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp] {
            let decoded = Picture::decode("file", &file(original.clone(), format)).unwrap().image;
            let sixteen_bits = matches!(format, ImageFormat::Png | ImageFormat::Tiff);
            let held = if sixteen_bits { original.clone() } else { original.to_rgba8().into() };
            assert!(decoded.to_rgba16() == held.to_rgba16(), "{color:?} in {format:?}");
            if format == ImageFormat::Png {
                assert_eq!(decoded.color(), color);
            }
        }
    }
}

#[test]
fn profile_and_exif_go_along() {
    let mut original = Picture::from(picture(ColorType::Rgb8, 6, 4));
    original.metadata.icc_profile = Some(profile(b"RGB "));
    original.metadata.exif = Some(exif(1));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = original.encode(Path::new("file"), format, &Encoding::default()).unwrap();
        let decoded = Picture::decode("file", &bytes).unwrap();
        assert_eq!(decoded.metadata.icc_profile, original.metadata.icc_profile, "{format:?}");
        assert_eq!(decoded.metadata.exif, original.metadata.exif, "{format:?}");
    }
}

#[test]
fn a_profile_for_cmyk_is_left_out() {
    let mut original = Picture::from(picture(ColorType::Rgb8, 6, 4));
    original.metadata.icc_profile = Some(profile(b"CMYK"));
    let bytes = original.encode(Path::new("file"), ImageFormat::Jpeg, &Encoding::default()).unwrap();
    assert_eq!(Picture::decode("file", &bytes).unwrap().metadata.icc_profile, None);
}

#[test]
fn a_camera_held_sideways_gives_an_upright_picture() {
    let upright = picture(ColorType::Rgb8, 6, 4);
    let mut sideways = Picture::from(upright.rotate270());
    sideways.metadata.exif = Some(exif(6));
    let bytes = sideways.encode(Path::new("file"), ImageFormat::Png, &Encoding::default()).unwrap();
    let decoded = Picture::decode("file", &bytes).unwrap();
    assert!(decoded.image == upright);
    assert_eq!(decoded.metadata.exif, Some(exif(1)));
}

#[test]
fn jpeg_drops_alpha_only_where_nobody_sees_it() {
    let see_through = Picture::from(picture(ColorType::Rgba8, 6, 4));
    let error = see_through.encode(Path::new("a.jpg"), ImageFormat::Jpeg, &Encoding::default()).unwrap_err();
    assert!(error.to_string().starts_with("a.jpg: JPEG cannot hold the picture's transparency"), "{error}");
    for color in [ColorType::Rgba8, ColorType::La16] {
        let mut opaque = picture(ColorType::Rgb8, 6, 4).to_rgba16();
        opaque.pixels_mut().for_each(|pixel| pixel[3] = u16::MAX);
        let opaque = DynamicImage::from(opaque);
        let opaque =
            if color.has_color() { opaque.to_rgba8().into() } else { opaque.to_luma_alpha16().into() };
        let decoded = Picture::decode("file", &file(opaque, ImageFormat::Jpeg)).unwrap();
        assert_eq!(decoded.image.color().has_color(), color.has_color());
    }
}

#[test]
fn what_is_not_a_whole_picture_is_refused_in_one_sentence() {
    assert_eq!(refusal(b""), "the file: the file is empty");
    assert!(refusal(b"Dear diary,\ntoday I was renamed.").contains("not a picture that we can read"));
    for format in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp]
    {
        let whole = file(picture(ColorType::Rgb8, 40, 30), format);
        for kept in [20, whole.len() / 2, whole.len() * 9 / 10] {
            refusal(&whole[..kept]);
        }
    }
}

#[test]
fn a_small_file_that_claims_a_huge_picture_is_refused() {
    let mut bomb = file(picture(ColorType::Rgb8, 4, 4), ImageFormat::Bmp);
    bomb[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bomb[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    assert!(refusal(&bomb).contains("60000x60000 pixels cannot be in a file of"));
}

#[test]
fn the_first_frame_of_an_animation_is_taken() {
    let [first, second] = [ColorType::Rgba8; 2].map(|color| picture(color, 5, 5).to_rgba8());
    let mut bytes = Cursor::new(Vec::new());
    let opaque = |mut frame: RgbaImage| {
        frame.pixels_mut().for_each(|pixel| pixel[3] = 255);
        frame
    };
    let first = opaque(first);
    let second = opaque(image::imageops::flip_horizontal(&second));
    GifEncoder::new(&mut bytes).encode_frames([first.clone(), second].map(Frame::new)).unwrap();
    let decoded = Picture::decode("file", bytes.get_ref()).unwrap().image.to_rgba8();
    assert!(decoded == first);
}

/// Upright, in every format that is read; JPEG XL's is in `jpeg_xl.rs`.
#[test]
fn a_size_is_told_without_decoding() {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Qoi, Tga, Tiff, WebP};
    let folder = tempfile::tempdir().unwrap();
    let told = |bytes: &[u8], name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        PictureReader::size_of(&path)
    };
    let mut sideways = Picture::from(picture(ColorType::Rgb8, 40, 30));
    sideways.metadata.exif = Some(exif(6));
    for format in [Png, Jpeg, WebP] {
        let bytes = sideways.encode(Path::new("file"), format, &Encoding::default()).unwrap();
        assert_eq!(told(&bytes, "a").unwrap(), [30, 40], "{format:?} sideways");
        if format != WebP {
            let without_end = &bytes[..bytes.len() - 20];
            assert_eq!(told(without_end, "a").unwrap(), [30, 40], "{format:?} without its end");
        }
    }
    for format in [Png, Jpeg, WebP, Tiff, Bmp, Gif, Pnm, Tga, Qoi] {
        let mut bytes = Cursor::new(Vec::new());
        picture(ColorType::Rgb8, 40, 30).write_to(&mut bytes, format).unwrap();
        assert_eq!(told(bytes.get_ref(), "a.tga").unwrap(), [40, 30], "{format:?}");
    }
    for bytes in [&b""[..], b"Dear diary", b"II*\0\xff\xff\xff\xff"] {
        assert!(matches!(told(bytes, "a"), Err(Error::Image { .. })));
    }
    assert!(matches!(PictureReader::size_of(folder.path()), Err(Error::Image { .. })));
}

/// A GIF's colours are counted, and those that it cannot hold are told of.
#[test]
fn a_gif_warns_of_what_it_loses_and_of_nothing_else() {
    let few = RgbaImage::from_fn(32, 32, |x, y| Rgba([(x / 2) as u8 * 16, (y / 2) as u8 * 16, 7, 255]));
    let many = RgbaImage::from_fn(32, 32, |x, y| Rgba([x as u8 * 8, y as u8 * 8, 7, 255]));
    let [mut clear, mut half] = [few.clone(), few.clone()];
    clear[(0, 0)] = Rgba([0; 4]);
    clear[(1, 0)] = Rgba([0; 4]);
    clear[(0, 1)] = Rgba([0; 4]);
    clear[(1, 1)] = Rgba([0; 4]);
    half[(3, 3)][3] = 100;
    for (image, lost) in [
        (few, None),
        (clear, None),
        (many, Some("more than 256 colours a frame")),
        (half, Some("more than 256 colours a frame and pixels that are half clear")),
    ] {
        let write = || file(image.into(), ImageFormat::Gif);
        let (bytes, warnings) = heard(write);
        let expected = lost.map(|lost| format!("made by the test: Gif cannot hold {lost}"));
        assert_eq!(warnings, Vec::from_iter(expected));
        Picture::decode("file", &bytes).unwrap();
    }
}

#[test]
fn names_tell_the_format() {
    let cases = [
        ("a.png", Some(ImageFormat::Png)),
        ("a.JPEG", Some(ImageFormat::Jpeg)),
        ("folder.png/a.tif", Some(ImageFormat::Tiff)),
        ("a.webp", Some(ImageFormat::WebP)),
        ("a.gif", Some(ImageFormat::Gif)),
        ("a.txt", None),
        ("png", None),
    ];
    for (name, format) in cases {
        assert_eq!(format_of(Path::new(name)).ok(), format, "{name}");
    }
}
