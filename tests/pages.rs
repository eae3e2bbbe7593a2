//! Every page of a TIFF goes to another TIFF, in order and with what is said of it; to other formats the first.

#![cfg(feature = "image")]

#[path = "support/log.rs"]
mod log;
#[path = "support/pictures.rs"]
mod pictures;
mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage};
use log::heard;
use pictures::picture;
use sparsr::{FileOptions, Model, Options, Pages, Picture, Reading, Size, Upscaler};
use support::seeded;
use tiff::encoder::colortype::{self, ColorType as Kind};
use tiff::encoder::{Rational, TiffEncoder, TiffKind, TiffValue};
use tiff::tags::Tag;

fn upscaler() -> Upscaler {
    let model = Model::from_weights("tiny", seeded::edsr(&seeded::TINY_EDSR)).unwrap();
    Upscaler::on_cpu(&model, Options::default()).unwrap()
}

/// A page: its picture, its maker, dots an inch, and how it lies.
struct Page(DynamicImage, &'static str, u32, u16);

fn pages() -> Vec<Page> {
    vec![
        Page(picture(ColorType::Rgb8, 40, 30), "first maker", 300, 1),
        Page(picture(ColorType::L16, 17, 61), "second maker", 600, 1),
        Page(picture(ColorType::Rgba8, 33, 20), "third maker", 72, 6),
        Page(picture(ColorType::Rgb16, 20, 33), "fourth maker", 150, 1),
        Page(picture(ColorType::L8, 1, 1), "fifth maker", 1200, 1),
    ]
}

fn write<W: std::io::Write + std::io::Seek, K: TiffKind>(file: &mut TiffEncoder<W, K>, page: &Page) {
    fn of<W: std::io::Write + std::io::Seek, K: TiffKind, C: Kind>(
        file: &mut TiffEncoder<W, K>,
        Page(image, maker, dots, orientation): &Page,
        samples: &[C::Inner],
    ) where
        [C::Inner]: TiffValue,
    {
        let mut page = file.new_image::<C>(image.width(), image.height()).unwrap();
        let tags = page.encoder();
        tags.write_tag(Tag::Make, *maker).unwrap();
        tags.write_tag(Tag::Orientation, *orientation).unwrap();
        tags.write_tag(Tag::XResolution, Rational { n: *dots, d: 1 }).unwrap();
        tags.write_tag(Tag::YResolution, Rational { n: *dots, d: 1 }).unwrap();
        tags.write_tag(Tag::ResolutionUnit, 2_u16).unwrap();
        if *dots == 150 {
            tags.write_tag(Tag::Unknown(700), &b"<x:xmpmeta/>"[..]).unwrap();
        }
        page.write_data(samples).unwrap();
    }
    match &page.0 {
        DynamicImage::ImageRgb8(image) => of::<_, _, colortype::RGB8>(file, page, image.as_raw()),
        DynamicImage::ImageRgba8(image) => of::<_, _, colortype::RGBA8>(file, page, image.as_raw()),
        DynamicImage::ImageLuma8(image) => of::<_, _, colortype::Gray8>(file, page, image.as_raw()),
        DynamicImage::ImageLuma16(image) => of::<_, _, colortype::Gray16>(file, page, image.as_raw()),
        DynamicImage::ImageRgb16(image) => of::<_, _, colortype::RGB16>(file, page, image.as_raw()),
        other => unreachable!("{:?} is not among the pages", other.color()),
    }
}

fn file_of(folder: &Path, pages: &[Page]) -> PathBuf {
    let path = folder.join("in.tif");
    let mut file = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    pages.iter().for_each(|page| write(&mut file, page));
    path
}

fn page(path: &Path, number: u32) -> sparsr::Result<Picture> {
    let mut reading = Reading::default();
    reading.page = Some(number);
    Picture::read_with(path, &reading)
}

#[test]
fn every_page_is_enlarged_with_what_is_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (file_of(folder.path(), &pages()), folder.path().join("out.tif"));
    for size in [Size::Network, Size::Times(1.5)] {
        let mut options = FileOptions::default();
        (options.replace, options.size) = (true, size);
        let (done, warnings) = heard(|| upscaler().upscale_file(&input, &output, &options).unwrap());
        assert_eq!((done.frames, done.from, warnings), (5, [40, 30], vec![]));
        for (number, Page(image, maker, dots, orientation)) in (0..).zip(pages()) {
            let old = page(&input, number).unwrap();
            let upright = if orientation == 6 { image.rotate90() } else { image };
            assert!(old.image == upright, "page {number} as it is read");
            let new = page(&output, number).unwrap();
            let expected = upscaler().upscale_picture_to(&old, size, options.alpha).unwrap();
            assert!(new.image == expected.picture.image, "page {number}");
            let times = f64::from(new.image.width()) / f64::from(old.image.width());
            let resolution = new.metadata.resolution.unwrap();
            assert!((resolution.x - f64::from(dots) * times).abs() < 0.1, "{resolution:?}");
            let exif = new.metadata.exif.unwrap();
            assert!(exif.windows(maker.len()).any(|words| words == maker.as_bytes()), "page {number}");
            assert_eq!(new.metadata.xmp.is_some(), number == 3, "page {number}");
        }
        assert!(page(&output, 5).unwrap_err().to_string().contains("expected a page 6, found 5 pages"));
        let mut other = tiff::decoder::Decoder::new(File::open(&output).unwrap()).unwrap();
        let mut count = 1;
        while other.more_images() {
            other.next_image().unwrap();
            count += 1;
        }
        assert_eq!(count, 5, "as another program counts them");
    }
}

#[test]
fn the_first_page_alone_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let input = file_of(folder.path(), &pages()[..3]);
    for (name, pages) in [("a.png", Pages::All), ("a.tif", Pages::First)] {
        let mut options = FileOptions::default();
        options.pages = pages;
        let output = folder.path().join(name);
        let (done, warnings) = heard(|| upscaler().upscale_file(&input, &output, &options).unwrap());
        assert_eq!((done.frames, done.to), (1, [80, 60]));
        let told =
            warnings.iter().filter(|warning| warning.contains("a file of 3 pages; only the first is taken"));
        assert_eq!(told.count(), 1, "{warnings:?}");
        assert_eq!(Picture::read(&output).unwrap().image.width(), 80);
    }
}

/// A page that cannot be read, by its number; and no file.
#[test]
fn half_a_book_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let input = file_of(folder.path(), &pages());
    let whole = fs::read(&input).unwrap();
    // The pixels of the fourth page stand nowhere else.
    let pixels = pages()[3].0.as_bytes()[..32].to_vec();
    let at = whole.windows(32).position(|window| window == pixels).unwrap();
    let output = folder.path().join("out.tif");
    fs::write(&input, &whole[..at + 40]).unwrap();
    let refused = upscaler().upscale_file(&input, &output, &FileOptions::default()).unwrap_err().to_string();
    assert!(refused.starts_with(&input.display().to_string()), "{refused}");
    assert!(!output.exists());
    let small =
        [Page(picture(ColorType::Rgb8, 8, 8), "a", 1, 1), Page(picture(ColorType::Rgb8, 99, 99), "b", 1, 1)];
    let input = file_of(folder.path(), &small);
    let mut options = FileOptions::default();
    options.reading.limit = Some(100);
    let refused = upscaler().upscale_file(&input, &output, &options).unwrap_err().to_string();
    assert!(refused.contains("page 2: expected at most 100 pixels, found 99x99"), "{refused}");
    assert!(!output.exists());
}
