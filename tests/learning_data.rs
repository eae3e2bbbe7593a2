//! Folders of pictures to batches: what a crop is, what is left out, what stays the same.

#![cfg(feature = "image")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{GenericImageView, RgbImage, RgbaImage};
use sparsr::learn::data::{
    Batches, Crops, DataOptions, Degradations, Draw, Halves, HeldOut, Pairs, Taught, Teachers,
};
use sparsr::low_level::metrics::resize_bicubic_matlab;
use sparsr::{Cancel, Error, Pixels, Progress, Samples};

/// What a row of a table does to something that was right.
type Change<T> = fn(&mut T);

fn harbour() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/harbour.png")
}

/// A picture with a different colour everywhere.
fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let at = (x * 37 + y * 101 + seed * 59).wrapping_mul(2_654_435_761);
        image::Rgb([(at >> 24) as u8, (at >> 16) as u8, (at >> 8) as u8])
    })
}

/// A folder of pictures that were made up, by name and size.
fn folder(pictures: &[(&str, u32, u32)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (seed, (name, width, height)) in pictures.iter().enumerate() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(*width, *height, seed as u32).save(path).unwrap();
    }
    folder
}

fn options(folder: &Path, scale: usize) -> DataOptions {
    DataOptions::new([folder.to_owned()], scale)
}

fn open(options: &DataOptions) -> sparsr::Result<Pairs> {
    Pairs::open(options, &Cancel::default(), &Progress::default())
}

fn names(pairs: &Pairs) -> Vec<&str> {
    pairs.pairs().iter().map(|pair| pair.name.as_str()).collect()
}

fn sentence(options: &DataOptions) -> String {
    open(options).unwrap_err().to_string()
}

/// One sample of a crop, the way one would say it: a turn against the clock takes the top right corner to the top left.
fn sample(pixels: &Pixels, draw: &Draw, scale: usize, side: usize, [c, y, x]: [usize; 3]) -> f32 {
    let x = if draw.flip { side - 1 - x } else { x };
    let (mut x, mut y) = (x, y);
    for _ in 0..draw.turns {
        (x, y) = (side - 1 - y, x);
    }
    let Samples::U8(samples) = pixels.samples() else { panic!("8 bits") };
    let (x, y) = (draw.x * scale + x, draw.y * scale + y);
    f32::from(samples[3 * (y * pixels.width() + x) + c])
}

#[test]
fn crops_are_what_plain_loops_cut_from_the_whole_picture() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(harbour(), folder.path().join("harbour.png")).unwrap();
    let decoded = image::open(harbour()).unwrap().to_rgb8();
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let whole = Pixels::new(width, height, Samples::U8(decoded.into_raw())).unwrap();
    for scale in [1, 2, 3, 4] {
        let pairs = open(&options(folder.path(), scale)).unwrap();
        let [w, h] = [width / scale, height / scale];
        let high = whole.part(0..w * scale, 0..h * scale).unwrap();
        let low = resize_bicubic_matlab(&high, w, h);
        assert!(pairs.pairs()[0].high == high && pairs.pairs()[0].low == low, "scale {scale}");

        let crops = Crops { lq_size: 12, batch_size: 40, ..Crops::default() };
        let batches = Batches::new(Arc::new(pairs), crops, 3).unwrap();
        let (batch, draws) = (batches.batch(5), batches.draws(5));
        for (pixels, scale, tensor) in [(&low, 1, &batch.low), (&high, scale, &batch.high)] {
            let shape = tensor.shape();
            assert_eq!(
                [shape.batch, shape.channels, shape.height, shape.width],
                [40, 3, 12 * scale, 12 * scale]
            );
            let mut values = tensor.values().iter();
            for draw in &draws {
                for (c, y, x) in (0..3)
                    .flat_map(|c| (0..shape.height).map(move |y| (c, y)))
                    .flat_map(|(c, y)| (0..shape.width).map(move |x| (c, y, x)))
                {
                    let expected = sample(pixels, draw, scale, shape.width, [c, y, x]);
                    assert_eq!(*values.next().unwrap(), expected, "scale {scale} {draw:?} {c} {y} {x}");
                }
            }
        }
        let seen = |turns, flip| draws.iter().any(|draw| draw.turns == turns && draw.flip == flip);
        assert!(
            (0..4).all(|turns| seen(turns, false) && seen(turns, true)),
            "every one of eight ways: {draws:?}"
        );
    }
}

#[test]
fn a_batch_is_the_same_whoever_makes_it() {
    let folder = folder(&[("a.png", 90, 70), ("b.png", 60, 120), ("deep/er/c.png", 64, 64)]);
    let batches = |seed| {
        let pairs = open(&options(folder.path(), 2)).unwrap();
        Batches::new(Arc::new(pairs), Crops { lq_size: 16, batch_size: 9, ..Crops::default() }, seed).unwrap()
    };
    let first = Arc::new(batches(1));
    let expected: Vec<_> = (0..20).map(|step| first.batch(step)).collect();
    for threads in [1, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| {
            let batches = batches(1);
            (0..20).rev().map(|step| batches.batch(step)).collect::<Vec<_>>()
        });
        assert!(again.iter().rev().eq(&expected), "{threads} threads, backwards");
    }
    for (start, held) in [(0, 0), (7, 1), (15, 4)] {
        let ahead = first.ahead(start, held).unwrap();
        assert!(
            ahead.take(20 - start as usize).eq(expected[start as usize..].iter().cloned()),
            "from {start}"
        );
    }
    assert!(batches(2).batch(0) != expected[0] && expected[1] != expected[0]);
}

#[test]
fn degraded_batches_are_the_same_whoever_makes_them() {
    let folder = folder(&[("a.png", 90, 70), ("b.png", 60, 120)]);
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let batches = |degradations| {
        let crops = Crops { lq_size: 16, batch_size: 6, degradations, ..Crops::default() };
        Batches::new(pairs.clone(), crops, 1).unwrap()
    };
    let degraded = batches(Some(Degradations::default()));
    let expected: Vec<_> = (0..6).map(|step| degraded.batch(step)).collect();
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again: Vec<_> = pool.install(|| (0..6).rev().map(|step| degraded.batch(step)).collect());
        assert!(again.iter().rev().eq(&expected), "{threads} threads, backwards");
    }
    let clean = batches(None);
    let never = batches(Some(Degradations { clean: 1.0, ..Degradations::default() }));
    for (step, degraded) in (0..).zip(&expected) {
        let clean = clean.batch(step);
        assert!(never.batch(step) == clean);
        assert!(degraded.high == clean.high && degraded.low != clean.low, "only the small ones are degraded");
        let is_sample = |value: &f32| (0.0..=255.0).contains(value) && value.fract() == 0.0;
        assert!(degraded.low.values().iter().all(is_sample));
    }
}

/// Whichever way it is turned, a degraded crop is nearer to the bicubic one than to that moved by a pixel.
#[test]
fn degraded_crops_lie_where_clean_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(harbour(), folder.path().join("harbour.png")).unwrap();
    for scale in [2, 3] {
        let pairs = Arc::new(open(&options(folder.path(), scale)).unwrap());
        let batches = |degradations| {
            let crops =
                Crops { lq_size: 24, batch_size: 40, drop_flat: 0.8, degradations, ..Crops::default() };
            Batches::new(pairs.clone(), crops, 7).unwrap()
        };
        let mut mild = Degradations { clean: 0.0, ..Degradations::default() };
        mild.noise.strength = [0.0, 1.0];
        mild.jpeg.quality = [80, 95];
        mild.blur.sigma = [0.1, 0.4];
        let [clean, degraded] = [None, Some(mild)].map(|degradations| batches(degradations).batch(0).low);
        for item in 0..40 {
            let [clean, degraded] = [&clean, &degraded].map(|tensor| tensor.plane(item, 1));
            let distance = |dx: usize, dy: usize| -> f32 {
                let places = (1..23).flat_map(|y| (1..23).map(move |x| (x, y)));
                let square = |(x, y): (usize, usize)| {
                    (degraded[24 * y + x] - clean[24 * (y + dy - 1) + x + dx - 1]).powi(2)
                };
                places.map(square).sum()
            };
            let here = distance(1, 1);
            for (dx, dy) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
                assert!(here < distance(dx, dy), "scale {scale}, item {item}, moved to {dx}, {dy}");
            }
        }
    }
}

#[test]
fn every_place_is_drawn_and_nothing_beyond_the_edge() {
    let folder = folder(&[("a.png", 74, 50)]);
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let crops = Crops { lq_size: 5, batch_size: 500, use_rot: false, use_hflip: false, ..Crops::default() };
    let draws: Vec<Draw> =
        (0..20).flat_map(|step| Batches::new(pairs.clone(), crops.clone(), 0).unwrap().draws(step)).collect();
    for (at, last) in [(0, 37 - 5), (1, 25 - 5)] {
        let places: std::collections::BTreeSet<usize> =
            draws.iter().map(|draw| [draw.x, draw.y][at]).collect();
        assert!(places.iter().copied().eq(0..=last), "{places:?}");
    }
    assert!(draws.iter().all(|draw| draw.turns == 0 && !draw.flip));
}

#[test]
fn halves_have_their_own_pictures() {
    let folder = folder(&[("a.png", 300, 90), ("b.png", 90, 90), ("c.png", 90, 90), ("d.png", 90, 90)]);
    let shrunk = DataOptions { also_shrunk_above: Some(200), ..options(folder.path(), 2) };
    let pairs = Arc::new(open(&shrunk).unwrap());
    assert_eq!(names(&pairs).len(), 5, "a at two sizes");
    let crops = Crops { lq_size: 8, batch_size: 200, ..Crops::default() };
    let batches = Batches::new(pairs.clone(), crops, 0).unwrap();
    let batches = batches.in_halves(Halves { from: 1, each: 2 }).unwrap();
    let first = &["a.png", "a.png, shrunk", "c.png"][..];
    for (step, expected) in [(0, first), (3, first), (4, &["b.png", "d.png"])] {
        let drawn = batches.draws(step).into_iter().map(|draw| names(&pairs)[draw.picture]);
        let drawn: std::collections::BTreeSet<&str> = drawn.collect();
        assert!(drawn.iter().eq(expected), "{step}: {drawn:?}");
    }
}

#[test]
fn the_flattest_places_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    // The left half is flat: a crop around a pixel of it has its corner there.
    let mut half = picture(256, 128, 0);
    for (x, _, pixel) in half.enumerate_pixels_mut() {
        if x < 128 {
            *pixel = image::Rgb([9, 90, 200]);
        }
    }
    half.save(folder.path().join("half.png")).unwrap();
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    for (drop_flat, flat_is_drawn) in [(0.0, true), (0.4, true), (0.5, false), (0.9, false)] {
        let crops = Crops { lq_size: 16, batch_size: 400, drop_flat, ..Crops::default() };
        let draws = Batches::new(pairs.clone(), crops, 0).unwrap().draws(0);
        assert_eq!(draws.iter().any(|draw| draw.x + 8 < 64), flat_is_drawn, "{drop_flat}");
        assert!(draws.iter().any(|draw| draw.x + 8 >= 64), "{drop_flat}");
    }
}

#[test]
fn what_is_held_out_is_never_opened() {
    let folder = folder(&[("a.png", 40, 40), ("b.png", 40, 40), ("deep/c.png", 40, 40)]);
    // Were it opened, it would be left out.
    fs::write(folder.path().join("secret.webp"), "no picture").unwrap();
    let mut options = options(folder.path(), 2);
    options.held_out = HeldOut::parse("secret.png\nC.jpg\n");
    let pairs = open(&options).unwrap();
    assert_eq!(names(&pairs), ["a.png", "b.png"]);
    assert_eq!(pairs.left_out(), [""; 0]);
    assert_eq!(pairs.held_out(), ["deep/c.png", "secret.webp"].map(|name| folder.path().join(name)));
    options.held_out = HeldOut::parse("a\nb\nc\nsecret");
    assert!(
        sentence(&options).ends_with("there are no pictures but 4 that are held out"),
        "{}",
        sentence(&options)
    );
}

#[test]
fn the_committed_list_holds_twenty_pictures_out() {
    let list = HeldOut::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/heldout.txt")).unwrap();
    assert_eq!(list.len(), 20);
}

#[test]
fn what_cannot_be_used_is_left_out_and_named() {
    let folder = folder(&[("good.png", 40, 40), ("tiny.png", 1, 40), ("cut.png", 40, 40)]);
    let at = |name: &str| folder.path().join(name);
    let cut = fs::read(at("cut.png")).unwrap();
    fs::write(at("cut.png"), &cut[..cut.len() / 2]).unwrap();
    fs::write(at("text.jpg"), "no picture").unwrap();
    fs::write(at("a.heic"), b"\0\0\0\x20ftypheic").unwrap();
    fs::write(at("notes.txt"), "not looked at").unwrap();
    fs::write(at("._good.png"), "not looked at").unwrap();
    RgbaImage::from_pixel(40, 40, image::Rgba([1, 2, 3, 254])).save(at("glass.png")).unwrap();
    RgbaImage::from_pixel(40, 40, image::Rgba([1, 2, 3, 255])).save(at("opaque.png")).unwrap();
    let mut options = options(folder.path(), 2);
    options.cache = Some(at("cache"));
    for start in ["from files", "from the cache"] {
        let pairs = open(&options).unwrap();
        assert_eq!(names(&pairs), ["good.png", "opaque.png"], "{start}");
        let reasons = [
            ("a.heic", "HEIC is not read"),
            ("cut.png", ""),
            ("glass.png", "it is transparent in places"),
            ("text.jpg", "not a picture"),
            ("tiny.png", "1x40 pixels are too small"),
        ];
        assert_eq!(pairs.left_out().len(), reasons.len(), "{:?}", pairs.left_out());
        for (sentence, (name, reason)) in pairs.left_out().iter().zip(reasons) {
            assert!(sentence.starts_with(&format!("{}: {reason}", at(name).display())), "{sentence}");
        }
    }
    for name in ["good.png", "opaque.png"] {
        fs::remove_file(at(name)).unwrap();
    }
    assert!(
        sentence(&options).ends_with("none of the 5 pictures there can be used"),
        "{}",
        sentence(&options)
    );
}

#[test]
fn pictures_smaller_than_a_crop_are_left_out_of_it() {
    let folder = folder(&[("large.png", 96, 96), ("small.png", 30, 200)]);
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let crops = |lq_size| Crops { lq_size, batch_size: 100, ..Crops::default() };
    for (size, pictures) in [(15, 2), (16, 1), (48, 1)] {
        let draws = Batches::new(pairs.clone(), crops(size), 0).unwrap().draws(0);
        assert_eq!(draws.iter().map(|draw| draw.picture).max(), Some(pictures - 1), "{size}");
    }
    let error = Batches::new(pairs, crops(49), 0).unwrap_err().to_string();
    assert_eq!(error, "lq_size: none of the 2 pictures is 49 pixels wide and high at the small size");
}

#[test]
fn small_pictures_of_a_second_folder_are_taken_as_they_are() {
    let high = folder(&[("a.png", 40, 60), ("b.png", 60, 40), ("in/c.png", 20, 20)]);
    let low = folder(&[("ax2.png", 20, 30), ("b.bmp", 30, 20), ("in/c.png", 10, 10), ("more.png", 3, 3)]);
    let mut options = options(high.path(), 2);
    options.dataroot_lq = vec![low.path().to_owned()];
    options.also_shrunk_above = Some(50);
    let pairs = open(&options).unwrap();
    assert_eq!(names(&pairs), ["a.png", "b.png", "in/c.png"]);
    for (pair, name) in pairs.pairs().iter().zip(["ax2.png", "b.bmp", "in/c.png"]) {
        let given = image::open(low.path().join(name)).unwrap();
        assert_eq!((pair.low.width() as u32, pair.low.height() as u32), given.dimensions());
        assert_eq!(pair.low.samples(), &Samples::U8(given.to_rgb8().into_raw()));
    }
    picture(31, 20, 0).save(low.path().join("b.bmp")).unwrap();
    let expected = "b.png: expected 62x40 pixels, 2 times the 31x20 of ";
    assert!(sentence(&options).contains(expected) && sentence(&options).ends_with("b.bmp, found 60x40"));
    fs::remove_file(low.path().join("b.bmp")).unwrap();
    assert!(sentence(&options).contains("b.png: expected its small picture in "), "{}", sentence(&options));
    assert!(sentence(&options).ends_with(", as b or bx2, found none"));
}

#[test]
fn large_pictures_are_also_taken_smaller() {
    let folder = folder(&[("a.png", 100, 40), ("b.png", 101, 40)]);
    let mut options = options(folder.path(), 2);
    options.also_shrunk_above = Some(100);
    let pairs = open(&options).unwrap();
    assert_eq!(names(&pairs), ["a.png", "b.png", "b.png, shrunk"]);
    let [whole, shrunk] = [&pairs.pairs()[1].high, &pairs.pairs()[2].high];
    let original = Pixels::new(101, 40, Samples::U8(picture(101, 40, 1).into_raw())).unwrap();
    assert_eq!(*whole, original.part(0..100, 0..40).unwrap());
    assert_eq!(*shrunk, resize_bicubic_matlab(&original, 55, 22).part(0..54, 0..22).unwrap());
}

#[test]
fn folders_that_lie_in_each_other_give_each_picture_once() {
    let folder = folder(&[("a.png", 40, 40), ("in/b.png", 40, 40)]);
    let mut options = options(folder.path(), 2);
    options.dataroot_gt.insert(0, folder.path().join("in"));
    assert_eq!(names(&open(&options).unwrap()), ["b.png", "a.png"]);
}

#[test]
fn the_cache_gives_the_same_pairs_until_something_changes() {
    let folder = folder(&[("a.png", 40, 40), ("b.png", 50, 30)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 2);
    let cache = elsewhere.path().join("cache");
    let fresh = open(&options).unwrap();
    options.cache = Some(cache.clone());
    let made = open(&options).unwrap();
    let whole = fs::read(&cache).unwrap();
    assert!(made == fresh && open(&options).unwrap() == fresh);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing else is left");

    let damages: [(&str, Change<Vec<u8>>); 6] = [
        ("empty", Vec::clear),
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", |bytes| bytes.push(0)),
        ("a bit of a picture", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("a bit of the head", |bytes| bytes[60] ^= 1),
        ("another length of the head", |bytes| bytes[22] = 0xff),
    ];
    for (damage, change) in damages {
        let mut damaged = whole.clone();
        change(&mut damaged);
        fs::write(&cache, damaged).unwrap();
        assert!(open(&options).unwrap() == fresh, "{damage}");
        assert!(fs::read(&cache).unwrap() == whole, "{damage}: made anew");
    }

    let pictures = |options: &DataOptions| open(options).unwrap().pairs().to_vec();
    picture(40, 40, 9).save(folder.path().join("a.png")).unwrap();
    let changed = pictures(&options);
    assert!(changed[0] != fresh.pairs()[0] && changed[1] == fresh.pairs()[1], "a picture has changed");
    picture(20, 20, 9).save(folder.path().join("c.png")).unwrap();
    assert_eq!(pictures(&options).len(), 3, "a picture has come");
    options.held_out = HeldOut::parse("a");
    assert_eq!(pictures(&options)[0].name, "b.png", "a picture is held out");
    options.scale = 3;
    assert_eq!(pictures(&options)[0].low.width(), 50 / 3, "the scale is another");
    options.also_shrunk_above = Some(40);
    assert_eq!(pictures(&options).len(), 3, "another option");
}

/// A teacher that repeats pixels, and is so much darker.
fn repeated(small: &Pixels, scale: usize, darker: u16) -> Pixels {
    let Samples::U16(samples) = small.samples() else { panic!("teachers see 16 bits") };
    let (width, height) = (scale * small.width(), scale * small.height());
    let number = |at: usize| {
        let (c, x, y) = (at % 3, at / 3 % width, at / 3 / width);
        samples[3 * (y / scale * small.width() + x / scale) + c].saturating_sub(darker)
    };
    Pixels::new(width, height, Samples::U16((0..3 * width * height).map(number).collect())).unwrap()
}

fn teachers(keys: &[&str], cache: Option<PathBuf>) -> Teachers {
    Teachers { keys: keys.iter().map(|key| (*key).to_owned()).collect(), cache }
}

/// By teachers of which each is darker by as much more; and how often one was asked.
fn taught(pairs: &Pairs, teachers: &Teachers, darker: u16) -> (Taught, usize) {
    let mut asked = 0;
    let taught = Taught::open(pairs, teachers, &Cancel::default(), &Progress::default(), |teacher, small| {
        asked += 1;
        Ok(repeated(small, pairs.scale(), teacher as u16 * darker))
    });
    (taught.unwrap(), asked)
}

#[test]
fn what_teachers_make_is_cropped_as_the_truth_is() {
    let folder = folder(&[("a.png", 90, 70), ("b.png", 60, 120)]);
    let pairs = Arc::new(open(&options(folder.path(), 3)).unwrap());
    let crops = || Crops { lq_size: 12, batch_size: 20, ..Crops::default() };
    let (taught, asked) = taught(&pairs, &teachers(&["a", "b"], None), 2 * 257);
    assert_eq!(asked, 4);
    let plain = Batches::new(pairs.clone(), crops(), 3).unwrap();
    let student = Batches::new(pairs.clone(), crops(), 3).unwrap().taught_by(taught.clone()).unwrap();
    let (batch, draws) = (student.batch(5), student.draws(5));
    let found = batch.taught.clone().unwrap();
    assert_eq!(found.shape(), batch.high.shape());
    let mut values = found.values().iter();
    for draw in &draws {
        for at in 0..3 * 36 * 36 {
            let place = [at / (36 * 36), at / 36 % 36, at % 36];
            let expected = sample(&taught.pictures()[draw.picture], draw, 3, 36, place);
            assert_eq!(*values.next().unwrap(), expected, "{draw:?} {place:?}");
        }
    }
    // The mean of a teacher's samples and those of one that is darker by 2.
    let Samples::U8(low) = pairs.pairs()[0].low.samples() else { panic!("8 bits") };
    let Samples::U8(high) = taught.pictures()[0].samples() else { panic!("8 bits") };
    assert!(low.iter().zip(&high[..3]).take(3).all(|(low, high)| *high == low - 1), "{low:?}");
    assert_eq!(sparsr::learn::Batch { taught: None, ..batch }, plain.batch(5), "the rest is as without");
}

#[test]
fn the_teachers_cache_holds_until_something_changes() {
    let folder = folder(&[("a.png", 40, 40), ("b.png", 50, 30)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let cache = elsewhere.path().join("taught");
    let pairs = open(&options(folder.path(), 2)).unwrap();
    let kept = teachers(&["a", "b"], Some(cache.clone()));
    let (fresh, asked) = taught(&pairs, &kept, 500);
    let whole = fs::read(&cache).unwrap();
    assert_eq!((asked, taught(&pairs, &kept, 500)), (4, (fresh.clone(), 0)));
    let damages: [(&str, Change<Vec<u8>>); 4] = [
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", |bytes| bytes.push(0)),
        ("a bit of a picture", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("a bit of the head", |bytes| bytes[60] ^= 1),
    ];
    for (damage, change) in damages {
        let mut damaged = whole.clone();
        change(&mut damaged);
        fs::write(&cache, damaged).unwrap();
        assert_eq!(taught(&pairs, &kept, 500), (fresh.clone(), 4), "{damage}");
        assert!(fs::read(&cache).unwrap() == whole, "{damage}: made anew");
    }
    let others = teachers(&["a", "c"], Some(cache.clone()));
    assert_eq!(taught(&pairs, &others, 900).1, 4, "other teachers");
    picture(40, 40, 9).save(folder.path().join("a.png")).unwrap();
    let changed = open(&options(folder.path(), 2)).unwrap();
    assert_eq!(taught(&changed, &others, 900).1, 4, "another picture");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn teachers_that_make_no_sense_are_refused() {
    let folder = folder(&[("a.png", 40, 40), ("b.png", 40, 40)]);
    let cache = folder.path().join("taught");
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let one = teachers(&["a"], Some(cache.clone()));
    let asked = |teachers: &Teachers, scale: usize| {
        let cancel = Cancel::default();
        let made = Taught::open(&pairs, teachers, &cancel, &Progress::default(), |_, small| {
            cancel.cancel();
            Ok(repeated(small, scale, 0))
        });
        made.unwrap_err().to_string()
    };
    let expected = "a.png: expected a teacher's picture of 40x40 pixels, found 60x60: it has another scale";
    assert_eq!(asked(&one, 3), expected);
    assert_eq!(asked(&teachers(&[], None), 2), "teachers: expected one at least, found none");
    assert!(asked(&one, 2).contains("cancelled") && !cache.exists(), "what is ended leaves nothing");

    let (made, _) = taught(&pairs, &teachers(&["a"], None), 0);
    let degradations = Some(Degradations::default());
    let batches = Batches::new(pairs, Crops { lq_size: 8, degradations, ..Crops::default() }, 0).unwrap();
    let error = batches.taught_by(made.clone()).unwrap_err().to_string();
    assert_eq!(error, "degradations: expected none with a teacher, which sees clean pictures");
    fs::remove_file(folder.path().join("b.png")).unwrap();
    let fewer = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let error = Batches::new(fewer, Crops { lq_size: 8, ..Crops::default() }, 0).unwrap().taught_by(made);
    assert_eq!(error.unwrap_err().to_string(), "expected the teachers' pictures of 1 pairs, found 2");
}

#[test]
fn a_cache_that_cannot_be_written_is_no_failure() {
    let folder = folder(&[("a.png", 40, 40)]);
    let mut options = options(folder.path(), 2);
    options.cache = Some(folder.path().join("absent/cache"));
    assert_eq!(open(&options).unwrap().pairs().len(), 1);
    options.cache = Some(folder.path().to_owned());
    assert_eq!(open(&options).unwrap().pairs().len(), 1);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let folder = folder(&[("a.png", 40, 40)]);
    let with = |change: Change<DataOptions>| {
        let mut options = options(folder.path(), 2);
        change(&mut options);
        sentence(&options)
    };
    let cases: [(Change<DataOptions>, &str); 4] = [
        (
            |options| options.dataroot_gt.clear(),
            "dataroot_gt: expected a folder of pictures at least, found none",
        ),
        (|options| options.dataroot_gt.push("absent".into()), "absent: No such file or directory"),
        (
            |options| options.dataroot_lq = vec!["a".into(), "b".into()],
            "dataroot_lq: expected a folder for each of the 1",
        ),
        (|options| options.scale = 0, "scale: expected 1 at least, found 0"),
    ];
    for (change, start) in cases {
        assert!(with(change).starts_with(start), "{}", with(change));
    }
    let pairs = Arc::new(open(&options(folder.path(), 2)).unwrap());
    let cases: [(Change<Crops>, &str); 8] = [
        (|crops| crops.lq_size = 0, "lq_size"),
        (|crops| crops.batch_size = 0, "lq_size, batch_size"),
        (|crops| crops.batch_size = usize::MAX, "batch_size"),
        (|crops| crops.drop_flat = 1.0, "drop_flat"),
        (|crops| crops.drop_flat = f64::NAN, "drop_flat"),
        (
            |crops| crops.degradations.get_or_insert_default().clean = 1.5,
            "degradations.clean: expected 0 to 1, found 1.5",
        ),
        (
            |crops| crops.degradations.get_or_insert_default().jpeg.quality = [90, 40],
            "degradations.jpeg.quality: expected a range in 1 to 100, found 90 to 40",
        ),
        (|crops| crops.degradations.get_or_insert_default().kernels.clear(), "degradations.kernels"),
    ];
    for (change, start) in cases {
        let mut crops = Crops { lq_size: 8, ..Crops::default() };
        change(&mut crops);
        let error = Batches::new(pairs.clone(), crops, 0).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)) && error.to_string().starts_with(start), "{error}");
    }
}

#[test]
fn reading_ends_when_it_is_told_to() {
    let folder = folder(&[("a.png", 40, 40)]);
    let cancel = Cancel::default();
    cancel.cancel();
    let cancelled = Pairs::open(&options(folder.path(), 2), &cancel, &Progress::default());
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

#[test]
fn an_empty_folder_is_named() {
    let folder = folder(&[]);
    let expected = format!("{}: there are no pictures", folder.path().display());
    assert_eq!(sentence(&options(folder.path(), 2)), expected);
}
