//! TIFFs of the kinds that scanners, cameras and editors write, each against its pixels, whole and by rows; and those
//! that are refused, in what words.

#![cfg(feature = "image")]

#[path = "support/log.rs"]
mod log;

use std::fs;
use std::io::{Cursor, Write};

use image::ColorType;
use image::ColorType::{L8, L16, La8, Rgb8, Rgb16, Rgba8, Rgba16};
use log::heard;
use sparsr::{Picture, PictureReader, Reading, Unit};

/// An entry of a directory.
#[derive(Clone)]
struct Entry(u16, Values);

#[derive(Clone)]
enum Values {
    Bytes(Vec<u8>),
    Words(&'static str),
    Shorts(Vec<u16>),
    Longs(Vec<u32>),
    Ratios(Vec<[u32; 2]>),
}

fn short(tag: u16, value: u16) -> Entry {
    Entry(tag, Values::Shorts(vec![value]))
}

fn shorts(tag: u16, values: &[u16]) -> Entry {
    Entry(tag, Values::Shorts(values.to_vec()))
}

/// A directory at `start`, its values behind it, and the offset of the next.
fn directory(entries: &[Entry], start: usize, next: u32) -> Vec<u8> {
    let mut entries = entries.to_vec();
    entries.sort_by_key(|entry| entry.0);
    let behind = start + 6 + 12 * entries.len();
    let (mut bytes, mut values) = ((entries.len() as u16).to_le_bytes().to_vec(), Vec::new());
    for Entry(tag, value) in entries {
        let (kind, count, mut value) = match value {
            Values::Bytes(bytes) => (7_u16, bytes.len(), bytes),
            Values::Words(words) => (2, words.len() + 1, [words.as_bytes(), b"\0"].concat()),
            Values::Shorts(all) => (3, all.len(), all.iter().flat_map(|one| one.to_le_bytes()).collect()),
            Values::Longs(all) => (4, all.len(), all.iter().flat_map(|one| one.to_le_bytes()).collect()),
            Values::Ratios(all) => {
                (5, all.len(), all.as_flattened().iter().flat_map(|one| one.to_le_bytes()).collect())
            }
        };
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend((count as u32).to_le_bytes());
        if value.len() > 4 {
            bytes.extend(((behind + values.len()) as u32).to_le_bytes());
            value.resize(value.len().next_multiple_of(2), 0);
            values.extend(value);
        } else {
            value.resize(4, 0);
            bytes.extend(value);
        }
    }
    bytes.extend(next.to_le_bytes());
    [bytes, values].concat()
}

/// A little-endian TIFF of some pages, each with strips of `rows` rows.
fn file(pages: &[(Vec<Entry>, Vec<Vec<u8>>)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for (i, (entries, strips)) in pages.iter().enumerate() {
        let start = bytes.len();
        let sizes: Vec<u32> = strips.iter().map(|strip| strip.len() as u32).collect();
        let with = |offsets: Vec<u32>, next: u32| {
            let places = [Entry(273, Values::Longs(offsets)), Entry(279, Values::Longs(sizes.clone()))];
            directory(&[entries.clone(), places.to_vec()].concat(), start, next)
        };
        let first = start + with(vec![0; strips.len()], 0).len();
        let offsets = (0..strips.len()).map(|i| first as u32 + sizes[..i].iter().sum::<u32>()).collect();
        let end = (first as u32 + sizes.iter().sum::<u32>()).next_multiple_of(2);
        bytes.extend(with(offsets, if i + 1 < pages.len() { end } else { 0 }));
        bytes.extend(strips.concat());
        bytes.resize(end as usize, 0);
    }
    bytes
}

/// A picture of one strip: size, samples a pixel, bits, photometric interpretation, other tags.
fn tiff(size: [u16; 2], samples: u16, bits: u16, photometric: u16, more: &[Entry], data: &[u8]) -> Vec<u8> {
    file(&[(page(size, samples, bits, photometric, more), vec![data.to_vec()])])
}

fn page([width, height]: [u16; 2], samples: u16, bits: u16, photometric: u16, more: &[Entry]) -> Vec<Entry> {
    let plain = [
        short(256, width),
        short(257, height),
        shorts(258, &vec![bits; samples.into()]),
        short(259, 1),
        short(262, photometric),
        short(277, samples),
    ];
    let kept = plain.into_iter().filter(|plain| more.iter().all(|entry| entry.0 != plain.0));
    kept.chain(more.iter().cloned()).collect()
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// In the machine's order, as pictures have them.
fn native(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[track_caller]
fn check(what: &str, bytes: &[u8], color: ColorType, pixels: &[u8]) {
    let whole = Picture::decode(what, bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(whole.image.color(), color, "{what}");
    assert_eq!(whole.image.as_bytes(), pixels, "{what}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    fs::write(&path, bytes).unwrap();
    let mut reader = PictureReader::open(&path).unwrap();
    assert_eq!(*reader.header(), whole.header(), "{what}");
    let size = [whole.image.width(), whole.image.height()];
    assert_eq!(PictureReader::size_of(&path).unwrap(), size, "{what}");
    let mut rows = Vec::new();
    while let Some(row) = reader.read(1).unwrap() {
        rows.extend_from_slice(row.as_bytes());
    }
    assert!(rows == pixels, "{what} by rows");
}

#[test]
fn gray_of_any_depth() {
    let one = [0b1010_0110, 0b1000_0000, 0b0101_1001, 0];
    let black_is_zero = [255, 0, 255, 0, 0, 255, 255, 0, 255, 0, 255, 0, 255, 255, 0, 0, 255, 0];
    check("1 bit", &tiff([9, 2], 1, 1, 1, &[], &one), L8, &black_is_zero);
    check(
        "1 bit, 0 is white",
        &tiff([9, 2], 1, 1, 0, &[], &one),
        L8,
        &black_is_zero.map(|value| 255 - value),
    );
    let reversed = one.map(u8::reverse_bits);
    check("1 bit, lowest first", &tiff([9, 2], 1, 1, 1, &[short(266, 2)], &reversed), L8, &black_is_zero);
    check("2 bits", &tiff([5, 1], 1, 2, 1, &[], &[0b0001_1011, 0b1000_0000]), L8, &[0, 85, 170, 255, 170]);
    check("4 bits", &tiff([3, 2], 1, 4, 1, &[], &[0x0f, 0x70, 0x12, 0x30]), L8, &[0, 255, 119, 17, 34, 51]);
    check("8 bits", &tiff([3, 1], 1, 8, 1, &[], &[0, 100, 255]), L8, &[0, 100, 255]);
    check(
        "12 bits",
        &tiff([3, 1], 1, 12, 1, &[], &[0xff, 0xf0, 0x00, 0x80, 0x00]),
        L16,
        &native(&[65535, 0, 32776]),
    );
    let fourteen = [0b1111_1111, 0b1111_1100, 0b0000_0000, 0b0001_0000];
    check("14 bits", &tiff([2, 1], 1, 14, 1, &[], &fourteen), L16, &native(&[65535, 4]));
    check("16 bits", &tiff([2, 1], 1, 16, 0, &[], &words(&[1, 65535])), L16, &native(&[65534, 0]));
    let [half, most] = [0x8000_0000_u32, u32::MAX].map(u32::to_le_bytes);
    check("32 bits", &tiff([2, 1], 1, 32, 1, &[], &[half, most].concat()), L16, &native(&[32768, 65535]));
    check(
        "24 bits",
        &tiff([2, 1], 1, 24, 1, &[], &[0, 0, 128, 255, 255, 255]),
        L16,
        &native(&[32768, 65535]),
    );
}

#[test]
fn colours_of_every_kind() {
    let rgb = [9, 8, 7, 250, 0, 255];
    check("RGB", &tiff([2, 1], 3, 8, 2, &[], &rgb), Rgb8, &rgb);
    check("RGB in planes", &tiff_planes(&[9, 250], &[8, 0], &[7, 255]), Rgb8, &rgb);
    let ten = [0xff, 0xc0, 0x00, 0x00]; // 1023, 0, 0
    check("RGB of 10 bits", &tiff([1, 1], 3, 10, 2, &[], &ten), Rgb16, &native(&[65535, 0, 0]));
    let inks = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 128, 0, 51];
    check(
        "CMYK",
        &tiff([4, 1], 4, 8, 5, &[], &inks),
        Rgb8,
        &[255, 255, 255, 0, 255, 255, 0, 0, 0, 204, 101, 204],
    );

    let grown = |gain: u16| [0, 10, 255, 1, 20, 0, 2, 30, 7, 3, 40, 8].map(|value| value * gain);
    for (what, gain) in
        [("a palette of 16 bits", 257), ("a palette with 0 behind", 256), ("a palette of 8 bits", 1)]
    {
        // Indices 1 and 2 of four colours: reds, greens, blues.
        check(
            what,
            &tiff([2, 1], 1, 2, 3, &[shorts(320, &grown(gain))], &[0b0110_0000]),
            Rgb8,
            &colours_of(&grown(1)),
        );
    }
    let fine = shorts(320, &[0, 1000, 2000, 3000, 4000, 5000]);
    let pixels = native(&[1000, 3000, 5000, 0, 2000, 4000]);
    check("a palette of fine colours", &tiff([2, 1], 1, 1, 3, &[fine], &[0b1000_0000]), Rgb16, &pixels);

    check(
        "YCbCr",
        &tiff([2, 1], 3, 8, 6, &[shorts(530, &[1, 1])], &[77, 128, 128, 76, 85, 255]),
        Rgb8,
        &[77, 77, 77, 254, 0, 0],
    );
    // Blocks of 2x2: four lumas, one colour; the last column and row are padded.
    let blocks =
        [10, 20, 30, 40, 128, 128, 50, 0, 60, 0, 128, 128, 70, 80, 0, 0, 128, 128, 90, 0, 0, 0, 128, 128];
    let lumas = [10, 20, 50, 30, 40, 60, 70, 80, 90];
    let gray: Vec<u8> = lumas.iter().flat_map(|&luma| [luma; 3]).collect();
    check("YCbCr, 2x2", &tiff([3, 3], 3, 8, 6, &[], &blocks), Rgb8, &gray);
}

/// Colours 1 and 2 of a palette of four.
fn colours_of(palette: &[u16]) -> Vec<u8> {
    [1, 2].into_iter().flat_map(|i| [0, 4, 8].map(|plane| palette[plane + i] as u8)).collect()
}

fn tiff_planes(red: &[u8], green: &[u8], blue: &[u8]) -> Vec<u8> {
    file(&[(page([2, 1], 3, 8, 2, &[short(284, 2)]), vec![red.to_vec(), green.to_vec(), blue.to_vec()])])
}

#[test]
fn alpha_comes_out_straight() {
    let straight = |kind| shorts(338, &[kind]);
    check("gray and alpha", &tiff([2, 1], 2, 8, 1, &[straight(2)], &[9, 0, 8, 7]), La8, &[9, 0, 8, 7]);
    check(
        "premultiplied gray",
        &tiff([2, 1], 2, 8, 1, &[straight(1)], &[9, 0, 50, 100]),
        La8,
        &[0, 0, 128, 100],
    );
    check("RGB and alpha", &tiff([1, 1], 4, 8, 2, &[straight(2)], &[1, 2, 3, 4]), Rgba8, &[1, 2, 3, 4]);
    check("four samples", &tiff([1, 1], 4, 8, 2, &[], &[1, 2, 3, 4]), Rgba8, &[1, 2, 3, 4]);
    for premultiplied in [straight(1), short(32_995, 1)] {
        let file = tiff([2, 1], 4, 8, 2, &[premultiplied], &[128, 80, 0, 128, 200, 0, 9, 100]);
        check("premultiplied RGB", &file, Rgba8, &[255, 159, 0, 128, 255, 0, 23, 100]);
    }
    let deep = tiff([1, 1], 4, 16, 2, &[straight(1)], &words(&[1000, 2000, 0, 20_000]));
    check("premultiplied, 16 bits", &deep, Rgba16, &native(&[3277, 6554, 0, 20_000]));
    let behind = shorts(338, &[0, 2]);
    check(
        "alpha behind another channel",
        &tiff([1, 1], 5, 8, 2, &[behind], &[1, 2, 3, 4, 5]),
        Rgba8,
        &[1, 2, 3, 5],
    );
    check(
        "a channel that is no alpha",
        &tiff([1, 1], 4, 8, 2, &[straight(0)], &[1, 2, 3, 4]),
        Rgb8,
        &[1, 2, 3],
    );
}

#[test]
fn premultiplied_colour_is_found_again() {
    // Every opacity of every other colour, rounded once when it was multiplied.
    for alpha in 1..=255_u16 {
        let colours: Vec<u16> = (0..=255).step_by(5).collect();
        let row: Vec<u8> =
            colours.iter().flat_map(|&c| [((c * alpha + 127) / 255) as u8, alpha as u8]).collect();
        let read = Picture::decode("a", &tiff([52, 1], 2, 8, 1, &[shorts(338, &[1])], &row)).unwrap();
        for (&colour, pixel) in colours.iter().zip(read.image.as_bytes().chunks(2)) {
            let again = (u16::from(pixel[0]) * alpha + 127) / 255;
            assert_eq!((again, pixel[1]), ((colour * alpha + 127) / 255, alpha as u8), "{colour} at {alpha}");
        }
    }
}

#[test]
fn floating_point_becomes_16_bits() {
    let float = shorts(339, &[3]);
    let row = floats(&[0.0, 0.5, 1.0, -0.25, 1.5]);
    let pixels = native(&[0, 32768, 65535, 0, 65535]);
    check("32 bits", &tiff([5, 1], 1, 32, 1, std::slice::from_ref(&float), &row), L16, &pixels);
    let halves: Vec<u8> = [0x0000_u16, 0x3800, 0x3c00].iter().flat_map(|half| half.to_le_bytes()).collect();
    check(
        "16 bits",
        &tiff([3, 1], 1, 16, 1, std::slice::from_ref(&float), &halves),
        L16,
        &native(&[0, 32768, 65535]),
    );
    // Predictor 3: the bytes of a row sorted by weight, then each less the one before.
    let big: Vec<[u8; 4]> = [0.5_f32, 1.0].iter().map(|value| value.to_be_bytes()).collect();
    let sorted: Vec<u8> = (0..4).flat_map(|byte| [big[0][byte], big[1][byte]]).collect();
    let mut differences = sorted.clone();
    (1..8).for_each(|i| differences[i] = sorted[i].wrapping_sub(sorted[i - 1]));
    let predicted = tiff([2, 1], 1, 32, 1, &[float, short(317, 3)], &differences);
    check("predicted", &predicted, L16, &native(&[32768, 65535]));
}

/// Rows that pack in every way: 40x30, RGB.
fn rows() -> Vec<u8> {
    (0..30_u32)
        .flat_map(|y| (0..40_u32).flat_map(move |x| [x / 8 * 30, y * 8, x * y % 251]))
        .map(|v| v as u8)
        .collect()
}

#[test]
fn compressions() {
    let rows = rows();
    let strips = || rows.chunks(40 * 3 * 7);
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let lzw = |bytes: &[u8]| {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap()
    };
    let old_lzw = |bytes: &[u8]| weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(bytes).unwrap();
    let unended_lzw = |bytes: &[u8]| {
        let mut packed = lzw(&[bytes, &[1, 2, 3, 4]].concat());
        packed.truncate(packed.len() - 2);
        packed
    };
    let pack_bits = |bytes: &[u8]| {
        let literals = bytes.chunks(100).flat_map(|chunk| [&[chunk.len() as u8 - 1], chunk].concat());
        [vec![128], literals.collect(), vec![255, 0]].concat()
    };
    type Pack<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let cases: [(&str, u16, Pack); 7] = [
        ("nothing", 1, &|bytes| bytes.to_vec()),
        ("LZW", 5, &lzw),
        ("LZW, lowest bit first", 5, &old_lzw),
        ("LZW without an end", 5, &unended_lzw),
        ("Deflate", 8, &zlib),
        ("Deflate, as Adobe numbered it", 32_946, &zlib),
        ("PackBits", 32_773, &pack_bits),
    ];
    for (what, number, packed) in cases {
        let entries = page([40, 30], 3, 8, 2, &[short(259, number), short(278, 7)]);
        check(what, &file(&[(entries, strips().map(packed).collect())]), Rgb8, &rows);
        let reversed = page([40, 30], 3, 8, 2, &[short(259, number), short(278, 7), short(266, 2)]);
        let turned = strips().map(|strip| packed(strip).iter().map(|byte| byte.reverse_bits()).collect());
        check(what, &file(&[(reversed, turned.collect())]), Rgb8, &rows);
    }
    let mut damaged = zlib(&rows);
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = tiff([40, 30], 3, 8, 2, &[short(259, 8)], &damaged);
    assert!(Picture::decode("a", &damaged).unwrap_err().to_string().contains("corrupt deflate stream"));
}

/// Bits, the first the highest.
fn bits(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| bit << (7 - i)).sum()).collect()
}

#[test]
fn faxes() {
    // White 4, black 3, white 9; then black 16.
    let (first, second) = ("1011 10 10100", "00110101 0000010111");
    let end = "000000000001";
    let dark = |x: usize| if (4..7).contains(&x) { 0 } else { 255 };
    let pixels: Vec<u8> = (0..16).map(dark).chain([0; 16]).collect();
    let fax = |number: u16, more: &[Entry], text: &str| {
        tiff([16, 2], 1, 1, 0, &[&[short(259, number)], more].concat(), &bits(text))
    };
    check("run lengths", &fax(2, &[], &format!("{first} 00000 {second}")), L8, &pixels);
    check("group 3", &fax(3, &[], &format!("{end}{first}{end}{second}{end}")), L8, &pixels);
    check("group 3, filled up", &fax(3, &[], &format!("0000{end}{first}000000{end}{second}")), L8, &pixels);
    check("group 3 without marks", &fax(3, &[], &format!("{first}{second}")), L8, &pixels);
    // The second row: horizontal, white 0, black 16.
    let mixed = format!("{end}1{first}{end}0 001{second}");
    check("group 3 in two dimensions", &fax(3, &[Entry(292, Values::Longs(vec![1]))], &mixed), L8, &pixels);
    let short_row = fax(3, &[], &format!("{end}1011 10 {end}{second}"));
    assert!(
        Picture::decode("a", &short_row)
            .unwrap_err()
            .to_string()
            .contains("the fax data breaks in row 1 of 2")
    );

    let (width, height) = (203, 50);
    let black = |x: u32, y: u32| (x * x / 90 + y * y / 7 + x * y / 40) % 5 < 2;
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for y in 0..height {
        let row = (0..width).map(|x| if black(x, y) { fax::Color::Black } else { fax::Color::White });
        encoder.encode_line(row, width as u16).unwrap();
    }
    let packed = encoder.finish().unwrap().finish();
    let pixels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| if black(x, y) { 0 } else { 255 })).collect();
    check("group 4", &tiff([203, 50], 1, 1, 0, &[short(259, 4)], &packed), L8, &pixels);
    // A page with nothing on it takes a bit a row.
    let blank = tiff([60_000, 2000], 1, 1, 0, &[short(259, 4)], &[255; 250]);
    assert!(Picture::decode("a", &blank).unwrap().image.as_bytes().iter().all(|&sample| sample == 255));
}

#[test]
fn jpeg_in_strips() {
    let picture = image::RgbImage::from_fn(32, 24, |x, y| image::Rgb([(x * 8) as u8, (y * 10) as u8, 90]));
    let mut jpeg = Cursor::new(Vec::new());
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&picture).unwrap();
    let jpeg = jpeg.into_inner();
    let expected = image::load_from_memory(&jpeg).unwrap();
    let near = |file: &[u8]| {
        let read = Picture::decode("a", file).unwrap().image;
        let pairs = read.as_bytes().iter().zip(expected.as_bytes());
        assert!(read.color() == Rgb8 && pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(2));
    };
    near(&tiff([32, 24], 3, 8, 6, &[short(259, 7)], &jpeg));
    // Tables of their own, between start and end.
    let tables_end = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let tables = [&jpeg[..tables_end], &[0xff, 0xd9]].concat();
    let rest = [&[0xff, 0xd8], &jpeg[tables_end..]].concat();
    near(&tiff([32, 24], 3, 8, 6, &[short(259, 7), Entry(347, Values::Bytes(tables))], &rest));
    // The older form: a whole file, to which a tag points.
    let old = |at: u32| {
        let place = [Entry(513, Values::Longs(vec![at])), Entry(514, Values::Longs(vec![jpeg.len() as u32]))];
        tiff([32, 24], 3, 8, 6, &[&[short(259, 6)], &place[..]].concat(), &jpeg)
    };
    near(&old((old(0).len() - jpeg.len().next_multiple_of(2)) as u32));
    for kept in [jpeg.len() / 2, jpeg.len() - 10] {
        let cut = tiff([32, 24], 3, 8, 6, &[short(259, 7)], &jpeg[..kept]);
        assert!(Picture::decode("a", &cut).is_err(), "half a JPEG");
    }
    let other = tiff([64, 24], 3, 8, 6, &[short(259, 7)], &jpeg);
    assert!(Picture::decode("a", &other).unwrap_err().to_string().contains("found 32x24"));
}

#[test]
fn what_is_refused_is_named() {
    let rgb = |more: &[Entry]| tiff([1, 1], 3, 8, 2, more, &[1; 3]);
    let gray = |bits, more: &[Entry]| tiff([1, 1], 1, bits, 1, more, &[1; 8]);
    let float = shorts(339, &[3]);
    let four = |more: &[Entry]| tiff([1, 1], 4, 8, 5, more, &[1; 4]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (rgb(&[short(259, 6)]), "a TIFF with old-style JPEG compression, which is not read"),
        (rgb(&[short(259, 50_000)]), "a TIFF with Zstandard compression"),
        (rgb(&[short(259, 12_345)]), "a TIFF with an unknown (12345) compression"),
        (rgb(&[short(262, 8)]), "a TIFF with L*a*b* colours"),
        (rgb(&[short(262, 77)]), "a TIFF with unknown (77) colours"),
        (rgb(&[shorts(258, &[5, 6, 5])]), "samples of different depths ([5, 6, 5] bits)"),
        (rgb(&[shorts(339, &[2, 2, 2])]), "samples with a sign"),
        (rgb(&[short(266, 3)]), "a fill order of 3"),
        (rgb(&[short(317, 9)]), "predictor 9"),
        (rgb(&[short(284, 9)]), "a planar configuration of 9"),
        (
            rgb(&[Entry(532, Values::Ratios([[16, 1], [235, 1]].repeat(3)))]),
            "RGB colours between other numbers",
        ),
        (rgb(&[short(277, 2)]), "expected 3 samples a pixel or more, found 2"),
        (tiff([1, 1], 6, 8, 2, &[], &[1; 6]), "6 samples a pixel of which only 3"),
        (tiff([1, 1], 4, 8, 2, &[short(338, 7)], &[1; 4]), "an extra sample of kind 7"),
        (gray(64, &[]), "samples of [64] bits"),
        (gray(8, &[short(259, 4)]), "fax compression of more than one bit"),
        (gray(16, &[short(259, 7)]), "JPEG of 16 bits"),
        (
            tiff([1, 1], 1, 4, 3, &[shorts(320, &[1; 9])], &[1]),
            "a palette of 3 x 2^4 numbers in the TIFF, found 9",
        ),
        (four(&[short(332, 2)]), "inks other than cyan"),
        (four(&[shorts(336, &[10, 245])]), "a range of ink"),
        (tiff([2, 1], 1, 32, 1, std::slice::from_ref(&float), &floats(&[0.1, f32::NAN])), "NaN or infinite"),
        (
            tiff([2, 1], 1, 32, 1, std::slice::from_ref(&float), &floats(&[90.0, 255.0])),
            "found most above 1, up to 255",
        ),
        (file(&[(page([1, 1], 1, 8, 1, &[])[..4].to_vec(), vec![vec![1]])]), "no photometric interpretation"),
        (tiff([0, 1], 1, 8, 1, &[], &[1]), "found a side of 0"),
    ];
    for (bytes, expected) in cases {
        let sentence = Picture::decode("a.tif", &bytes).unwrap_err().to_string();
        assert!(
            sentence.starts_with("a.tif: ") && sentence.contains(expected),
            "{sentence}\n  expected {expected}"
        );
    }
}

#[test]
fn claims_are_not_believed() {
    let claim = |number: u16, bits: u16, data: &[u8]| {
        let size = [Entry(256, Values::Longs(vec![200_000])), Entry(257, Values::Longs(vec![100_000]))];
        tiff([1, 1], 1, bits, 1, &[&[short(259, number)], &size[..]].concat(), data)
    };
    for (number, bits) in [(1, 8), (5, 8), (7, 8), (8, 8), (32_773, 8), (2, 1), (3, 1), (4, 1)] {
        let sentence = Picture::decode("a", &claim(number, bits, &[0; 100])).unwrap_err().to_string();
        assert!(sentence.contains("200000x100000 pixels cannot be in the 100 bytes"), "{number}: {sentence}");
    }
    let wide = |width: u32, height: u32, more: &[Entry]| {
        let size = [Entry(256, Values::Longs(vec![width])), Entry(257, Values::Longs(vec![height]))];
        tiff([1, 1], 1, 8, 1, &[&size[..], more].concat(), &[0; 100])
    };
    for file in [
        wide(0x7fff_ffff, 1, &[]),
        wide(1, 0x7fff_ffff, &[]),
        wide(u32::MAX, u32::MAX, &[short(259, 8)]),
        wide(1, u32::MAX, &[short(278, 1)]),
    ] {
        Picture::decode("a", &file).unwrap_err();
    }
    // A strip that is said to lie behind the end, and directories that go round in circles.
    let mut outside = tiff([2, 2], 1, 8, 1, &[], &[0; 4]);
    outside.truncate(outside.len() - 1);
    assert_eq!(Picture::decode("a", &outside).unwrap_err().to_string(), "a: the file ends too early");
    let mut circle = tiff([2, 2], 1, 8, 1, &[], &[0; 4]);
    let next = 10 + 12 * usize::from(circle[8]);
    circle[next..next + 4].copy_from_slice(&8_u32.to_le_bytes());
    assert!(Picture::decode("a", &circle).unwrap_err().to_string().contains("its directories overlap"));
}

#[test]
fn the_picture_is_found_among_others() {
    let of = |value: u8, more: &[Entry]| (page([2, 1], 1, 8, 1, more), vec![vec![value; 2]]);
    let small = |value: u8| (page([1, 1], 1, 8, 1, &[Entry(254, Values::Longs(vec![1]))]), vec![vec![value]]);
    let mask = (page([2, 1], 1, 1, 4, &[Entry(254, Values::Longs(vec![4]))]), vec![vec![1]]);
    check("two pages", &file(&[of(7, &[]), of(9, &[])]), L8, &[7, 7]);
    check("a preview in front", &file(&[small(1), of(9, &[])]), L8, &[9, 9]);
    check("an old preview in front", &file(&[of(1, &[short(255, 2)]), of(9, &[])]), L8, &[9, 9]);
    check("a mask in front", &file(&[mask, of(9, &[])]), L8, &[9, 9]);
    check("nothing but a small copy", &file(&[small(3)]), L8, &[3]);
    let raw = [
        file(&[of(1, &[Entry(50_706, Values::Bytes(vec![1, 4, 0, 0]))])]),
        file(&[small(1), of(9, &[short(262, 32_803)])]),
        file(&[of(1, &[]), of(9, &[short(259, 34_713)])]),
    ];
    for file in raw {
        let sentence = Picture::decode("a.nef", &file).unwrap_err().to_string();
        assert_eq!(sentence, "a.nef: a raw photograph: develop it to a 16-bit TIFF first");
    }
    // The preview's directory points to the sensor's, which is in no chain.
    let sensor = page([2, 1], 1, 8, 32_803, &[]);
    let preview = |at: u32| {
        tiff(
            [1, 1],
            1,
            8,
            1,
            &[Entry(254, Values::Longs(vec![1])), Entry(330, Values::Longs(vec![at]))],
            &[1],
        )
    };
    let at = preview(0).len();
    let nested = [preview(at as u32), directory(&sensor, at, 0)].concat();
    assert!(Picture::decode("a", &nested).unwrap_err().to_string().contains("a raw photograph"));
}

#[test]
fn pictures_come_upright_and_within_the_limit() {
    for orientation in 1..=8 {
        let file = tiff([2, 1], 1, 8, 1, &[short(274, orientation)], &[10, 20]);
        let expected = match orientation {
            1 | 4 => (2, [10, 20]),
            2 | 3 => (2, [20, 10]),
            5 | 6 => (1, [10, 20]),
            _ => (1, [20, 10]),
        };
        let image = Picture::decode("a", &file).unwrap().image;
        assert_eq!((image.width(), image.as_bytes()), (expected.0, &expected.1[..]), "{orientation}");
    }
    let file = tiff([3, 2], 1, 8, 1, &[], &[0; 6]);
    for (limit, taken) in [(5, false), (6, true)] {
        let mut reading = Reading::default();
        reading.limit = Some(limit);
        assert_eq!(Picture::decode_with("a", &file, &reading).is_ok(), taken);
    }
}

#[test]
fn what_a_tiff_says_goes_along() {
    let profile = |len: usize| {
        let mut profile = vec![1; len];
        profile[16..20].copy_from_slice(b"RGB ");
        profile
    };
    let main = [
        Entry(34_675, Values::Bytes(profile(20_000))),
        Entry(700, Values::Bytes(b"<x:xmpmeta/>".to_vec())),
        Entry(33_723, Values::Bytes(b"\x1c\x02\x05\0\x01a".to_vec())),
        Entry(271, Values::Words("Camera")),
        Entry(282, Values::Ratios(vec![[600, 2]])),
        Entry(283, Values::Ratios(vec![[200, 1]])),
        short(296, 3),
    ];
    let with = |at: u32| {
        let camera = [Entry(34_665, Values::Longs(vec![at]))];
        tiff([1, 1], 3, 8, 2, &[&main[..], &camera].concat(), &[1; 3])
    };
    let at = with(0).len();
    let camera = directory(&[Entry(36_867, Values::Words("2020:01:02 03:04:05"))], at, 0);
    let metadata = Picture::decode("a", &[with(at as u32), camera].concat()).unwrap().metadata;
    assert_eq!(metadata.icc_profile, Some(profile(20_000)));
    assert_eq!(metadata.xmp.as_deref(), Some(&b"<x:xmpmeta/>"[..]));
    assert_eq!(metadata.iptc.as_deref(), Some(&b"\x1c\x02\x05\0\x01a"[..]));
    let resolution = metadata.resolution.unwrap();
    assert_eq!((resolution.x, resolution.y, resolution.unit), (300.0, 200.0, Unit::Centimetre));
    let exif = metadata.exif.unwrap();
    for words in [&b"Camera\0"[..], b"2020:01:02 03:04:05\0"] {
        assert!(exif.windows(words.len()).any(|window| window == words));
    }
    assert!(exif.starts_with(b"II*\0"));
    let damaged = Picture::decode("a", &with(0xffff_0000)).unwrap().metadata;
    assert!(damaged.exif.is_none() && damaged.icc_profile.is_some(), "the rest is there");
    assert!(Picture::decode("a", &tiff([1, 1], 3, 8, 2, &[], &[1; 3])).unwrap().metadata.exif.is_none());
}

#[test]
fn what_is_lost_is_said() {
    let gray = |more: &[Entry]| tiff([2, 1], 1, 8, 1, more, &[7, 9]);
    let page = |more: &[Entry]| (page([1, 1], 1, 8, 1, more), vec![vec![1]]);
    let float = shorts(339, &[3]);
    let cases = [
        (gray(&[]), vec![]),
        (
            tiff([1, 1], 5, 8, 2, &[shorts(338, &[2, 0])], &[1; 5]),
            vec!["1 of its channels are neither colour nor alpha, and are left out"],
        ),
        (tiff([1, 1], 4, 8, 5, &[], &[1; 4]), vec!["CMYK without a profile: colours are approximate"]),
        (
            tiff([2, 1], 1, 32, 1, std::slice::from_ref(&float), &floats(&[0.0, 1.0])),
            vec!["floating-point samples are read as 16 bits"],
        ),
        (
            tiff([2, 1], 1, 32, 1, &[float], &floats(&[-1.0, 1.5])),
            vec![
                "floating-point samples are read as 16 bits, and those outside 0 to 1 (-1 to 1.5) are clamped",
            ],
        ),
        (gray(&[shorts(301, &[0; 256])]), vec!["its transfer function is left out"]),
        (file(&[page(&[]), page(&[]), page(&[])]), vec!["a file of 3 pages; only the first is taken"]),
        (
            file(&[page(&[]), page(&[Entry(254, Values::Longs(vec![4]))])]),
            vec!["its transparency mask is left out"],
        ),
        (
            gray(&[Entry(34_675, Values::Bytes(vec![1; 200]))]),
            vec!["its colour profile is not for RGB or gray, and is left out"],
        ),
    ];
    let (folder, path) = (tempfile::tempdir().unwrap(), "a.tif");
    let path = folder.path().join(path);
    for (bytes, expected) in cases {
        let (_, whole) = heard(|| Picture::decode("a", &bytes).unwrap());
        assert_eq!(whole, expected.iter().map(|words| format!("a: {words}")).collect::<Vec<_>>());
        fs::write(&path, &bytes).unwrap();
        let (_, rows) = heard(|| PictureReader::open(&path).unwrap());
        assert_eq!(rows.len(), whole.len(), "by rows: {rows:?}");
    }
}
