//! From file to file by rows gives what the picture held in memory gives, in every type, transparency included.

#![cfg(feature = "image")]

#[path = "support/pictures.rs"]
mod pictures;
mod support;

use image::{ColorType, DynamicImage, ImageFormat, Rgba, RgbaImage};
use pictures::{TYPES, picture};
use sparsr::{Error, FileOptions, Model, Options, Picture, PictureReader, Tiling, Upscaler};
use support::seeded;

fn upscaler(model: &Model, tiling: Tiling) -> Upscaler {
    let mut options = Options::default();
    options.tiling = tiling;
    Upscaler::on_cpu(model, options).unwrap()
}

fn replacing() -> FileOptions {
    let mut options = FileOptions::default();
    options.replace = true;
    options
}

fn tiny_edsr() -> Model {
    Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap()
}

/// Discs that can be seen, far apart, with magenta hidden between them.
fn discs() -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        let (dx, dy) = (x as i32 % 90 - 20, y as i32 % 230 - 30);
        let distance = (dx * dx + dy * dy) as f32;
        let alpha = (300.0 - distance).clamp(0.0, 255.0) as u8;
        if alpha > 0 { Rgba([(x % 97) as u8, 120, (y % 200) as u8, alpha]) } else { Rgba([255, 0, 255, 0]) }
    };
    RgbaImage::from_fn(70, 333, pixel).into()
}

#[test]
fn rows_give_what_the_whole_picture_gives() {
    let (folder, model) = (tempfile::tempdir().unwrap(), tiny_edsr());
    let pictures = TYPES.map(|color| picture(color, 61, 203)).into_iter().chain([discs()]);
    for (at, original) in pictures.enumerate() {
        let expected = upscaler(&model, Tiling::Whole).upscale(&original).unwrap();
        for (format, tiling) in
            [("png", Tiling::Pixels(48)), ("tif", Tiling::Pixels(16)), ("png", Tiling::Whole)]
        {
            let [input, output] = ["in", "out"].map(|name| folder.path().join(format!("{name}.{format}")));
            if format == "tif" && matches!(original.color(), ColorType::La8 | ColorType::La16) {
                continue; // TIFF has no gray with alpha
            }
            original.save(&input).unwrap();
            assert!(PictureReader::open(&input).unwrap().streams());
            let done = upscaler(&model, tiling).upscale_file(&input, &output, &replacing()).unwrap();
            let found = Picture::read(&output).unwrap().image;
            assert_eq!(
                (done.from, done.to),
                ([original.width(), original.height()], [found.width(), found.height()])
            );
            assert!(found == expected, "picture {at}, {:?}, {format}, {tiling:?}", original.color());
        }
    }
}

#[test]
fn a_network_of_phases_reads_its_picture_again() {
    let (folder, model) = (tempfile::tempdir().unwrap(), seeded::tiny_smsr());
    let [input, output] = ["in.png", "out.png"].map(|name| folder.path().join(name));
    discs().save(&input).unwrap();
    let expected = upscaler(&model, Tiling::Whole).upscale(&discs()).unwrap();
    upscaler(&model, Tiling::Pixels(48)).upscale_file(&input, &output, &FileOptions::default()).unwrap();
    let found = Picture::read(&output).unwrap().image;
    let apart = found.as_bytes().iter().zip(expected.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(found.color() == expected.color() && apart <= Some(1), "{apart:?}");
}

#[test]
fn transparency_is_refused_for_jpeg_before_the_work() {
    let (folder, model) = (tempfile::tempdir().unwrap(), tiny_edsr());
    let [input, output] = ["in.png", "out.jpg"].map(|name| folder.path().join(name));
    discs().save(&input).unwrap();
    let error =
        upscaler(&model, Tiling::Auto).upscale_file(&input, &output, &FileOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Image { reason, .. } if reason.contains("transparency")), "{error}");
    // Opaque alpha is no transparency.
    picture(ColorType::Rgb8, 9, 7).to_rgba8().save(&input).unwrap();
    upscaler(&model, Tiling::Auto).upscale_file(&input, &output, &FileOptions::default()).unwrap();
    assert_eq!(image::open(&output).unwrap().width(), 18);
}

#[test]
fn what_is_decoded_whole_goes_the_same_way() {
    let (folder, model) = (tempfile::tempdir().unwrap(), tiny_edsr());
    let [input, output] = ["in.webp", "out.webp"].map(|name| folder.path().join(name));
    for original in [discs(), picture(ColorType::Rgb8, 40, 90)] {
        original.save_with_format(&input, ImageFormat::WebP).unwrap();
        let expected = upscaler(&model, Tiling::Whole).upscale(&original).unwrap();
        upscaler(&model, Tiling::Pixels(32)).upscale_file(&input, &output, &replacing()).unwrap();
        assert!(Picture::read(&output).unwrap().image == expected, "{:?}", original.color());
    }
}
