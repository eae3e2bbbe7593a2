//! Damaged pictures of every format through the whole of reading, in one piece and by rows. Nothing panics, nothing takes
//! more than [`MOST`] bytes, and both ways agree. A small file that claims a large picture takes nothing at all.
//!
//! `SPARSR_FUZZ=1000000` takes a million cases in place of [`CASES`]; `SPARSR_FUZZ_FROM` is the first one. A case is its
//! number.

#![cfg(feature = "image")]

#[path = "fuzz/damage.rs"]
mod damage;
#[path = "fuzz/memory.rs"]
mod memory;
#[path = "support/pictures.rs"]
mod pictures;
#[path = "support/tiff.rs"]
#[allow(dead_code, reason = "tests/rows.rs compares pixels")]
mod tiff_file;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, fs};

use damage::{Random, damaged};
use image::{ColorType, DynamicImage, ImageFormat};
use pictures::{TYPES, picture};
use sparsr::{Encoding, Picture, PictureReader, Reading};
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use tiff_file::{Grid, TiffFile};

const CASES: u64 = 2_000;

/// The largest picture that is taken, in pixels.
const LIMIT: u64 = 250_000;

/// The most that reading may hold at once. Decoders have tables, and JPEG XL planes of 32 bits.
const MOST: usize = 64 << 20;

/// One in so many cases is read by rows too, from a file.
const ROWS: u64 = 8;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for color in TYPES {
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            seeds.push((format!("{color:?} {format:?}"), encoded(&picture(color, 33, 17), format)));
        }
    }
    let rgb = picture(ColorType::Rgb8, 40, 30);
    for format in [ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        seeds.push((format!("{format:?}"), encoded(&rgb, format)));
    }
    for format in [ImageFormat::Gif, ImageFormat::Pnm, ImageFormat::Qoi] {
        let mut bytes = Cursor::new(Vec::new());
        rgb.write_to(&mut bytes, format).unwrap();
        seeds.push((format!("{format:?}"), bytes.into_inner()));
    }
    for (name, compression) in [
        ("LZW", Compression::Lzw),
        ("Deflate", Compression::Deflate(DeflateLevel::Fast)),
        ("PackBits", Compression::Packbits),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(compression);
        encoder.write_image::<colortype::RGB8>(40, 30, rgb.as_bytes()).unwrap();
        seeds.push((name.to_owned(), bytes.into_inner()));
    }
    for (grid, wide) in [(Grid::Strips(4), false), (Grid::Tiles(16, 16), true)] {
        for (photometric, channels, planes) in [(0, 1, 1), (2, 5, 1), (5, 4, 2)] {
            let file = TiffFile { grid, wide, photometric, channels, planes, ..TiffFile::default() };
            seeds.push((format!("{file:?}"), file.bytes()));
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/jpeg_xl");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    seeds.extend(files.into_iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())));
    seeds
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    Picture::from(image.clone()).encode("made by the test".as_ref(), format, &Encoding::default()).unwrap()
}

/// By rows, what there is of the picture and why not more.
fn by_rows(path: &std::path::Path, reading: &Reading) -> Result<Vec<u8>, String> {
    let mut reader = PictureReader::open_with(path, reading).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    while let Some(band) = reader.read(7).map_err(|error| error.to_string())? {
        bytes.extend_from_slice(band.as_bytes());
    }
    Ok(bytes)
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn damaged_pictures_neither_panic_nor_take_much() {
    let (cases, from) = (number("SPARSR_FUZZ", CASES), number("SPARSR_FUZZ_FROM", 0));
    let (seeds, folder) = (seeds(), tempfile::tempdir().unwrap());
    let path = folder.path().join("damaged");
    let mut reading = Reading::default();
    reading.limit = Some(LIMIT);
    let (mut read, mut most, mut slowest) = (0, 0, (Duration::ZERO, 0));
    for case in from..from + cases {
        let mut random = Random::new(case);
        let (name, sound) = &seeds[random.below(seeds.len())];
        let (bytes, begin) = (damaged(sound, &mut random), Instant::now());
        let work = || memory::peak(|| Picture::decode_with("damaged", &bytes, &reading));
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let (peak, whole) = outcome.unwrap_or_else(|_| panic!("case {case}, {name}: a panic"));
        assert!(peak < MOST, "case {case}, {name}: {peak} bytes taken");
        (read, most) = (read + u64::from(whole.is_ok()), most.max(peak));
        slowest = slowest.max((begin.elapsed(), case));
        if case % ROWS == 0 {
            fs::write(&path, &bytes).unwrap();
            let rows = catch_unwind(AssertUnwindSafe(|| by_rows(&path, &reading)));
            let rows = rows.unwrap_or_else(|_| panic!("case {case}, {name}: a panic by rows"));
            if let (Ok(rows), Ok(whole)) = (&rows, &whole) {
                assert!(rows == whole.image.as_bytes(), "case {case}, {name}: rows are not the whole");
            }
            assert_eq!(rows.is_ok(), whole.is_ok(), "case {case}, {name}: {rows:?}, {whole:?}");
        }
    }
    println!(
        "{cases} cases of {} files, {read} read, at most {most} bytes, slowest {slowest:?}",
        seeds.len()
    );
    assert!(0 < read && read < cases);
}

#[test]
fn what_a_small_file_claims_takes_nothing() {
    let [jpeg, png] =
        [ImageFormat::Jpeg, ImageFormat::Png].map(|format| encoded(&picture(ColorType::Rgb8, 8, 8), format));
    let size = |mut bytes: Vec<u8>, at: usize, size: &[u8]| {
        bytes[at..at + size.len()].copy_from_slice(size);
        bytes
    };
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut header = size(png[12..29].to_vec(), 4, &[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    header.extend(crc(&header).to_be_bytes());
    let cases = [
        ("JPEG", size(jpeg, frame + 5, &[0x75, 0x30, 0x75, 0x30])),
        ("PNG", size(png, 12, &header)),
        ("GIF", b"GIF89a\xff\xff\xff\xff\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0\x3b".to_vec()),
        ("GIF of less", b"GIF89a\0\x40\0\x40\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b".to_vec()),
        (
            "BMP",
            [
                b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x30\x75\0\0\x30\x75\0\0\x01\0\x18\0".as_slice(),
                &[0; 40],
            ]
            .concat(),
        ),
        ("PNM", b"P6 30000 30000 255\n123".to_vec()),
        ("QOI", b"qoif\0\0\x75\x30\0\0\x75\x30\x03\0\0\0\0\0\0\0\0\x01".to_vec()),
    ];
    for (name, bytes) in cases {
        let (peak, read) = memory::peak(|| Picture::decode("bomb", &bytes));
        let sentence = read.unwrap_err().to_string();
        println!("{name}: {peak} bytes, {sentence}");
        let known = ["pixels cannot be in a file of", "invalid image dimensions"];
        assert!(known.iter().any(|words| sentence.contains(words)), "{name}: {sentence}");
        assert!(peak < 1 << 20, "{name}: {peak} bytes");
    }
}

/// PNG's checksum.
fn crc(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc)))
}
