//! From file to file by rows gives what the picture held in memory gives, in every type, transparency included.

#![cfg(feature = "image")]

#[path = "support/pictures.rs"]
mod pictures;
mod support;

use image::{ColorType, DynamicImage, ImageFormat, Rgba, RgbaImage};
use pictures::{TYPES, picture};
use sparsr::{
    Alpha, Cancel, Error, FileOptions, Model, Options, Picture, PictureReader, PixelRows, Pixels, Sink, Size,
    Tiling, Upscaler,
};
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

#[test]
fn a_run_that_is_cancelled_ends_and_leaves_nothing() {
    /// Cancels when it has had a band.
    struct Cancels(Cancel, usize);
    impl Sink for Cancels {
        fn write(&mut self, _: Pixels) -> sparsr::Result<()> {
            self.0.cancel();
            self.1 += 1;
            Ok(())
        }
    }
    let (folder, model) = (tempfile::tempdir().unwrap(), tiny_edsr());
    let mut options = Options::default();
    options.tiling = Tiling::Pixels(16);
    let cancel = options.control.cancel.clone();
    let mut upscaler = Upscaler::on_cpu(&model, options).unwrap();
    let picture = Pixels::new(64, 640, sparsr::Samples::U8(vec![9; 3 * 64 * 640])).unwrap();
    let mut sink = Cancels(cancel, 0);
    let error = upscaler.upscale_rows(&mut PixelRows::new(&picture), &mut sink).err();
    assert!(matches!(error, Some(Error::Cancelled)), "{error:?}");
    assert!((1..10).contains(&sink.1), "{} of 40 bands", sink.1);
    let share = upscaler.progress().share();
    assert!(share > 0.0 && share < 0.5, "{share}");

    // And every run after it.
    let [input, output] = ["in.png", "out.png"].map(|name| folder.path().join(name));
    discs().save(&input).unwrap();
    let error = upscaler.upscale_file(&input, &output, &replacing()).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no file is left");
    let mut again = self::upscaler(&model, Tiling::Pixels(16));
    again.upscale_pixels(&picture).unwrap();
    assert!((again.progress().share() - 1.0).abs() < 1e-9, "what is done is all");
}

#[test]
fn every_size_is_reached_to_the_pixel() {
    let (folder, model) = (tempfile::tempdir().unwrap(), tiny_edsr());
    let [input, output] = ["in.png", "out.png"].map(|name| folder.path().join(name));
    let original = picture(ColorType::Rgba8, 31, 22);
    original.save(&input).unwrap();
    let cases = [
        (Size::Network, [62, 44]),
        (Size::Times(2.0), [62, 44]),
        (Size::Times(1.5), [47, 33]),
        (Size::Times(5.0), [155, 110]),
        (Size::Width(100), [100, 71]),
        (Size::Height(11), [16, 11]),
        (Size::Within([200, 60]), [85, 60]),
        (Size::Megapixels(0.001), [38, 27]),
    ];
    for (size, to) in cases {
        for alpha in [Alpha::Bicubic, Alpha::Network] {
            let mut options = replacing();
            (options.size, options.alpha) = (size, alpha);
            let done = upscaler(&model, Tiling::Auto).upscale_file(&input, &output, &options).unwrap();
            let found = image::open(&output).unwrap();
            assert_eq!((done.to, [found.width(), found.height()], found.color()), (to, to, ColorType::Rgba8));
            let held = Picture::read(&input).unwrap();
            let held = upscaler(&model, Tiling::Auto).upscale_picture_to(&held, size, alpha).unwrap();
            assert!(held.picture.image == found, "{size:?} {alpha:?}");
        }
    }
}

#[test]
fn alpha_by_the_network_keeps_what_is_opaque_and_what_is_clear() {
    let model = Model::builtin("smsr-x2").unwrap();
    let held = Picture::from(discs().crop_imm(0, 0, 48, 64));
    let mut made = [Alpha::Bicubic, Alpha::Network].map(|alpha| {
        let made = upscaler(&model, Tiling::Auto).upscale_picture_to(&held, Size::Network, alpha).unwrap();
        made.picture.image.to_rgba8()
    });
    assert_ne!(made[0], made[1]);
    let apart: u64 =
        made[0].pixels().zip(made[1].pixels()).map(|(a, b)| u64::from(a[3].abs_diff(b[3]))).sum();
    assert!(apart / (96 * 128) < 3, "a picture of the same thing: {apart}");
    for picture in &mut made {
        let count = |alpha: u8| picture.pixels().filter(|pixel| pixel[3] == alpha).count();
        assert!(count(0) > 1000 && count(255) > 100, "{} clear, {} opaque", count(0), count(255));
    }
}
