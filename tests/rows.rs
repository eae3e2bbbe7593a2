//! Pictures read and written a band of rows at a time: the same pictures as in one piece, and never half of one.

#![cfg(feature = "image")]

#[path = "support/pictures.rs"]
mod pictures;
#[path = "support/png.rs"]
mod png_file;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/tiff.rs"]
mod tiff_file;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageFormat};
use pictures::{TYPES, picture};
use sparsr::{Dpi, Encoding, Error, Metadata, Picture, PictureHeader, PictureReader, PictureWriter};
use tempfile::TempDir;
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use tiff::tags::Predictor;
use tiff_file::{Grid, TiffFile};

const SIZES: [(u32, u32); 3] = [(1, 1), (7, 5), (65, 33)];

/// Heights of bands; the last is more than any picture has.
const HEIGHTS: [u32; 4] = [1, 2, 7, 1000];

/// A folder with one picture, or place for one.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(bytes: &[u8]) -> (Self, PathBuf) {
        let folder = Self::new();
        let path = folder.path("picture");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Reads a file in bands of so many rows; their bytes, one below the other.
fn read_bands(path: &Path, rows: u32) -> sparsr::Result<Vec<u8>> {
    let mut reader = PictureReader::open(path)?;
    let (mut bytes, mut y) = (Vec::new(), 0);
    while let Some(band) = reader.read(rows)? {
        let PictureHeader { width, height, color, .. } = *reader.header();
        assert_eq!((band.width(), band.height(), band.color()), (width, rows.min(height - y), color));
        y += band.height();
        bytes.extend_from_slice(band.as_bytes());
    }
    assert_eq!(y, reader.header().height);
    assert!(reader.read(rows)?.is_none(), "nothing comes after the end");
    Ok(bytes)
}

/// The file gives in bands what it gives in one piece, and streams or does not, as expected.
fn check(what: &str, file: &[u8], streams: bool) {
    let (_folder, path) = Folder::with(file);
    let whole = Picture::read(&path).unwrap();
    let reader = PictureReader::open(&path).unwrap();
    assert_eq!(reader.streams(), streams, "{what}");
    assert_eq!(*reader.header(), whole.header(), "{what}");
    let size = [whole.image.width(), whole.image.height()];
    assert_eq!(PictureReader::size_of(&path).unwrap(), size, "{what}");
    for rows in HEIGHTS {
        assert!(read_bands(&path, rows).unwrap() == whole.image.as_bytes(), "{what} in bands of {rows}");
    }
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    Picture::from(image.clone()).encode(Path::new("made by the test"), format, &Encoding::default()).unwrap()
}

/// A PNG of raw rows, as the encoder takes them.
fn png(width: u32, height: u32, rows: &[u8], set: impl FnOnce(&mut png::Info<'static>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut info = png::Info::with_size(width, height);
    set(&mut info);
    let mut writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Two frames of 4x3.
fn animated() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 3);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[50; 12]).unwrap();
    writer.write_image_data(&[90; 12]).unwrap();
    writer.finish().unwrap();
    bytes
}

/// An EXIF block with nothing but an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]].concat()
}

/// The head of an ICC profile for RGB.
fn profile() -> Vec<u8> {
    let mut profile: Vec<u8> = (0..=255).cycle().take(3000).collect();
    profile[16..20].copy_from_slice(b"RGB ");
    profile
}

#[test]
fn every_type_and_format_is_read_in_bands() {
    for color in TYPES {
        for (width, height) in SIZES {
            let image = picture(color, width, height);
            for (format, streams) in [
                (ImageFormat::Png, true),
                (ImageFormat::Tiff, true),
                (ImageFormat::Bmp, false),
                (ImageFormat::WebP, false),
            ] {
                check(&format!("{color:?} {width}x{height} {format:?}"), &encode(&image, format), streams);
            }
        }
    }
}

#[test]
fn bits_palettes_and_transparent_colours_are_expanded() {
    let rows = |bits: u32| (0..33 * (9 * bits).div_ceil(8)).map(|i| (i * 59) as u8).collect::<Vec<_>>();
    let palette: Vec<u8> = (0..48).map(|i| i * 5).collect();
    for (bits, depth) in [(1, png::BitDepth::One), (2, png::BitDepth::Two), (4, png::BitDepth::Four)] {
        let gray = |transparent: Option<Vec<u8>>| {
            png(9, 33, &rows(bits), |info| {
                info.bit_depth = depth;
                info.color_type = png::ColorType::Grayscale;
                info.trns = transparent.map(Into::into);
            })
        };
        let indexed = |transparent: Option<Vec<u8>>| {
            png(9, 33, &rows(bits), |info| {
                info.bit_depth = depth;
                info.color_type = png::ColorType::Indexed;
                info.palette = Some(palette.clone().into());
                info.trns = transparent.map(Into::into);
            })
        };
        check(&format!("gray of {bits} bits"), &gray(None), true);
        check(&format!("gray of {bits} bits, 1 transparent"), &gray(Some(vec![0, 1])), true);
        check(&format!("palette of {bits} bits"), &indexed(None), true);
        check(&format!("palette of {bits} bits, 0 half transparent"), &indexed(Some(vec![128])), true);
    }
    for (depth, transparent) in
        [(png::BitDepth::Eight, [0, 9, 0, 8, 0, 7]), (png::BitDepth::Sixteen, [9, 8, 7, 6, 5, 4])]
    {
        let rows: Vec<u8> = (0..5 * 4 * 3 * depth as usize / 8).map(|i| 9 - i as u8 % 10).collect();
        let rgb = png(5, 4, &rows, |info| {
            info.bit_depth = depth;
            info.color_type = png::ColorType::Rgb;
            info.trns = Some(transparent.to_vec().into());
        });
        check(&format!("RGB of {depth:?}, one colour transparent"), &rgb, true);
    }
}

#[test]
fn tiffs_of_every_layout_are_read_in_bands() {
    for grid in
        [Grid::Strips(1), Grid::Strips(4), Grid::Strips(u32::MAX), Grid::Tiles(16, 16), Grid::Tiles(80, 32)]
    {
        for (big_endian, wide) in [(false, false), (true, false), (false, true), (true, true)] {
            for (channels, bits) in [(1, 8), (1, 16), (3, 8), (3, 16), (4, 8), (4, 16)] {
                let file = TiffFile { grid, big_endian, wide, channels, bits, ..TiffFile::default() };
                check(&format!("{file:?}"), &file.bytes(), true);
                let (_folder, path) = Folder::with(&file.bytes());
                assert!(read_bands(&path, 7).unwrap() == file.pixels(channels), "{file:?}");
            }
        }
        for planes in [1, 2] {
            for (photometric, channels, bits) in [(2, 3, 16), (2, 4, 8), (5, 4, 8), (5, 4, 16)] {
                let file = TiffFile { grid, planes, photometric, channels, bits, ..TiffFile::default() };
                check(&format!("{file:?}"), &file.bytes(), true);
            }
        }
        let negative = TiffFile { grid, photometric: 0, channels: 1, bits: 16, ..TiffFile::default() };
        check(&format!("{negative:?}"), &negative.bytes(), true);
        let more_than_alpha = TiffFile { grid, photometric: 2, channels: 5, ..TiffFile::default() };
        check(&format!("{more_than_alpha:?}"), &more_than_alpha.bytes(), true);
        let (_folder, path) = Folder::with(&more_than_alpha.bytes());
        assert!(read_bands(&path, 7).unwrap() == more_than_alpha.pixels(4), "{grid:?}");
    }
}

#[test]
fn compressed_tiffs_are_read_in_bands() {
    let eight = picture(ColorType::Rgb8, 65, 33);
    let sixteen = picture(ColorType::Rgb16, 65, 33).into_rgb16().into_raw();
    for (name, compression) in [
        ("none", Compression::Uncompressed),
        ("LZW", Compression::Lzw),
        ("deflate", Compression::Deflate(DeflateLevel::Fast)),
        ("PackBits", Compression::Packbits),
    ] {
        for predictor in [Predictor::None, Predictor::Horizontal] {
            let mut file = Cursor::new(Vec::new());
            let mut encoder =
                TiffEncoder::new(&mut file).unwrap().with_compression(compression).with_predictor(predictor);
            let mut image = encoder.new_image::<colortype::RGB8>(65, 33).unwrap();
            image.rows_per_strip(6).unwrap();
            image.write_data(eight.as_bytes()).unwrap();
            check(&format!("8 bits, {name}, {predictor:?}"), file.get_ref(), true);

            let mut file = Cursor::new(Vec::new());
            let mut encoder = TiffEncoder::new_big(&mut file)
                .unwrap()
                .with_compression(compression)
                .with_predictor(predictor);
            let mut image = encoder.new_image::<colortype::RGB16>(65, 33).unwrap();
            image.rows_per_strip(6).unwrap();
            image.write_data(&sixteen).unwrap();
            check(&format!("16 bits, {name}, {predictor:?}"), file.get_ref(), true);
        }
    }
}

#[test]
fn what_has_no_rows_in_order_is_held_whole() {
    check("interlaced PNG", &png_file::interlaced(9, 6), false);
    check("animated PNG", &animated(), false);
    for (what, file) in [
        ("upside down", TiffFile { orientation: 3, ..TiffFile::default() }),
        ("sideways", TiffFile { orientation: 6, ..TiffFile::default() }),
    ] {
        check(what, &file.bytes(), false);
    }
    let mut sideways = Picture::from(picture(ColorType::Rgb8, 6, 4));
    sideways.metadata.exif = Some(exif(6));
    check(
        "sideways PNG",
        &sideways.encode(Path::new("file"), ImageFormat::Png, &Encoding::default()).unwrap(),
        false,
    );
}

#[test]
fn a_truncated_file_is_never_a_whole_picture() {
    let image = picture(ColorType::Rgb8, 40, 30);
    let mut files: Vec<Vec<u8>> =
        [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Jpeg].map(|format| encode(&image, format)).into();
    files.push(png_file::interlaced(40, 30));
    files.push(TiffFile { grid: Grid::Tiles(16, 11), ..TiffFile::default() }.bytes());
    for file in files {
        let (_folder, path) = Folder::with(&file);
        let whole = read_bands(&path, 7).unwrap();
        let mut refused = 0;
        for kept in (0..file.len()).step_by(7).chain(file.len().saturating_sub(20)..file.len()) {
            fs::write(&path, &file[..kept]).unwrap();
            match read_bands(&path, 7) {
                Ok(bytes) => {
                    assert!(bytes == whole && Picture::read(&path).is_ok(), "{kept} of {}", file.len())
                }
                Err(error) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused + 20 > file.len() / 7, "only what stands behind the pixels may be missing");
        fs::write(&path, [&file[..], b"garbage"].concat()).unwrap();
        assert!(read_bands(&path, 7).unwrap() == whole);
    }
}

#[test]
fn a_damaged_file_fails_once_and_for_all() {
    let mut file = encode(&picture(ColorType::Rgb8, 200, 300), ImageFormat::Png);
    let len = file.len();
    file[len / 2] ^= 1;
    let (_folder, path) = Folder::with(&file);
    let mut reader = PictureReader::open(&path).unwrap();
    let first = loop {
        match reader.read(10) {
            Err(error) => break error.to_string(),
            Ok(Some(_)) => {}
            Ok(None) => panic!("a damaged file is read to its end"),
        }
    };
    assert_eq!(reader.read(10).unwrap_err().to_string(), first);
    assert!(Picture::read(&path).unwrap_err().to_string() == first, "and says what a whole read says");
}

#[test]
fn what_a_small_file_claims_is_not_believed() {
    let claim = |width, height| png_file::gray(width, height, false, &[0; 99]);
    let (_folder, path) = Folder::with(&claim(0x7fff_ffff, 0x7fff_ffff));
    assert!(matches!(PictureReader::open(&path), Err(Error::Image { .. })));
    fs::write(&path, claim(70_000, 70_000)).unwrap();
    let error = PictureReader::open(&path).unwrap_err().to_string();
    assert!(error.contains("70000x70000 pixels cannot be in a file of"), "{error}");
    fs::write(&path, [claim(70_000, 70_000), vec![0; 5 << 20]].concat()).unwrap();
    let mut reader = PictureReader::open(&path).unwrap();
    let error = reader.read(70_000).unwrap_err();
    assert!(error.to_string().ends_with("70000 rows of 70000 pixels take more than 4 GiB"), "{error}");
    assert!(matches!(reader.read(100), Err(Error::Image { .. })), "the rows are not there");
}

#[test]
fn what_is_no_picture_is_refused_as_in_one_piece() {
    let folder = Folder::new();
    let cases = [
        ("empty", "".as_bytes()),
        ("text", b"Dear diary"),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("tiff", b"II*\0"),
    ];
    for (name, bytes) in cases {
        fs::write(folder.path(name), bytes).unwrap();
        let [rows, whole] = [
            PictureReader::open(&folder.path(name)).map(drop).unwrap_err(),
            Picture::read(&folder.path(name)).map(drop).unwrap_err(),
        ];
        assert_eq!(rows.to_string(), whole.to_string());
    }
    assert!(matches!(PictureReader::open(&folder.path("absent")), Err(Error::Io { .. })));
    assert!(matches!(PictureReader::open(folder.0.path()), Err(Error::Io { .. })));
}

/// Writes a picture in bands of so many rows.
fn write_bands(
    path: &Path,
    format: ImageFormat,
    picture: &Picture,
    rows: u32,
) -> sparsr::Result<PictureWriter> {
    let header = picture.header();
    let mut writer = PictureWriter::create(path, format, &header, &Encoding::default())?;
    for y in (0..header.height).step_by(rows as usize) {
        writer.write(&picture.image.crop_imm(0, y, header.width, rows.min(header.height - y)))?;
    }
    Ok(writer)
}

const WRITTEN: [ImageFormat; 5] =
    [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Jpeg];

#[test]
fn bands_make_the_file_that_the_whole_picture_makes() {
    for format in WRITTEN {
        for color in TYPES.into_iter().filter(|color| format != ImageFormat::Jpeg || !color.has_alpha()) {
            for (width, height) in SIZES {
                let mut original = Picture::from(picture(color, width, height));
                original.metadata.icc_profile = Some(profile());
                original.metadata.exif = Some(exif(1));
                let encoded = original.encode(Path::new("file"), format, &Encoding::default()).unwrap();
                let expected = Picture::decode("file", &encoded).unwrap();
                for rows in HEIGHTS {
                    let folder = Folder::new();
                    let path = folder.path("a");
                    write_bands(&path, format, &original, rows).unwrap().finish(false).unwrap();
                    let written = Picture::read(&path).unwrap();
                    let what = format!("{color:?} {width}x{height} {format:?} in bands of {rows}");
                    assert_eq!(written.header(), expected.header(), "{what}");
                    assert!(written.image == expected.image, "{what}");
                    assert_eq!(folder.names(), ["a"]);
                }
            }
        }
    }
}

#[test]
fn a_writer_that_is_not_finished_leaves_nothing() {
    let picture = Picture::from(picture(ColorType::Rgb16, 65, 33));
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp] {
        let folder = Folder::new();
        drop(write_bands(&folder.path("a"), format, &picture, 8).unwrap());
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_if_that_is_wanted() {
    let picture = Picture::from(picture(ColorType::Rgb8, 7, 5));
    for format in WRITTEN {
        let (folder, path) = Folder::with(b"kept");
        let error = write_bands(&path, format, &picture, 2).unwrap().finish(false).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        write_bands(&path, format, &picture, 2).unwrap().finish(true).unwrap();
        assert_eq!(Picture::read(&path).unwrap().header(), picture.header());
        assert_eq!(folder.names(), ["picture"]);
    }
}

#[test]
fn bands_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let header = Picture::from(picture(ColorType::Rgb8, 7, 5)).header();
    let create = || {
        PictureWriter::create(&folder.path("a.png"), ImageFormat::Png, &header, &Encoding::default()).unwrap()
    };
    let refused = |result: sparsr::Result<()>, reason: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with(&format!("a.png: {reason}")), "{error}");
    };
    let band = |color, width, height| picture(color, width, height);
    let mut writer = create();
    let sentence = "expected a band of 7 pixels of Rgb8 a row, found 8 of Rgb8";
    refused(writer.write(&band(ColorType::Rgb8, 8, 2)), sentence);
    let sentence = "expected a band of 7 pixels of Rgb8 a row, found 7 of Rgba8";
    refused(writer.write(&band(ColorType::Rgba8, 7, 2)), sentence);
    writer.write(&band(ColorType::Rgb8, 7, 3)).unwrap();
    refused(writer.write(&band(ColorType::Rgb8, 7, 3)), "expected 5 rows, found 6");
    refused(writer.finish(false), "expected 5 rows, found 3");
    refused(create().finish(false), "expected 5 rows, found 0");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn what_a_format_cannot_hold_is_refused_before_the_work() {
    let folder = Folder::new();
    let header = |width, height, color| PictureHeader { width, height, color, metadata: Metadata::default() };
    let cases = [
        (ImageFormat::Jpeg, header(65_536, 2, ColorType::Rgb8)),
        (ImageFormat::WebP, header(2, 16_385, ColorType::Rgb8)),
        (ImageFormat::Bmp, header(60_000, 60_000, ColorType::Rgb8)),
        (ImageFormat::Png, header(0x8000_0000, 1, ColorType::L8)),
        (ImageFormat::Tiff, header(0x7fff_ffff, 1, ColorType::Rgb8)),
        (ImageFormat::Png, header(3, 0, ColorType::Rgb8)),
        (ImageFormat::Png, header(3, 3, ColorType::Rgb32F)),
        (ImageFormat::Gif, header(65_536, 2, ColorType::Rgb8)),
        (ImageFormat::Qoi, header(3, 3, ColorType::Rgb8)),
    ];
    for (format, header) in cases {
        let refused = PictureWriter::create(&folder.path("a"), format, &header, &Encoding::default());
        assert!(matches!(refused, Err(Error::Image { .. })), "{format:?} {header:?}");
    }
    let transparent = Picture::from(picture(ColorType::Rgba8, 7, 5));
    let error = write_bands(&folder.path("a"), ImageFormat::Jpeg, &transparent, 2).unwrap_err();
    assert!(error.to_string().contains("transparency"), "{error}");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn a_header_in_another_size_has_a_note_of_it() {
    let width_and_camera =
        [b"MM\0*\0\0\0\x08\0\x01\x01\0\0\x04\0\0\0\x01".as_slice(), &[0, 0, 0, 7], &[0; 4]].concat();
    let mut picture = Picture::from(picture(ColorType::Rgb8, 7, 5));
    picture.metadata.exif = Some(width_and_camera);
    let header = picture.header().resized(14, 10, Dpi::Scale);
    assert_eq!((header.width, header.height, header.color), (14, 10, ColorType::Rgb8));
    assert_eq!(header.metadata.exif.unwrap()[18..22], [0, 0, 0, 14]);
}

/// What must be tested in a process of its own. A test starts itself again, told where by the environment.
#[cfg(target_os = "linux")]
mod processes {
    use std::env;
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::OpenOptionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    const FOLDER: &str = "SPARSR_TEST_FOLDER";

    /// A shell that runs `commands`, and then this program with one test, in place of itself.
    fn again(commands: &str, test: &str, folder: &Folder) -> Command {
        let mut command = Command::new("sh");
        let run = format!("{commands} exec \"$0\" --exact \"$1\" --nocapture");
        command.args(["-c", &run]).arg(env::current_exe().unwrap()).arg(test);
        command.env(FOLDER, folder.0.path()).stdout(Stdio::piped());
        command
    }

    /// Killed so that it cannot tidy up, while it writes.
    #[test]
    fn a_killed_writer_leaves_nothing() {
        const READY: &str = "some rows are written";
        if let Some(folder) = env::var_os(FOLDER) {
            let picture = Picture::from(picture(ColorType::Rgb8, 200, 30));
            let header = PictureHeader { height: 9999, ..picture.header() };
            let path = Path::new(&folder).join("a.tif");
            let mut writer =
                PictureWriter::create(&path, ImageFormat::Tiff, &header, &Encoding::default()).unwrap();
            (0..9).for_each(|_| writer.write(&picture.image).unwrap());
            println!("{READY}");
            loop {
                std::thread::park();
            }
        }
        let folder = Folder::new();
        let flags = rustix::fs::OFlags::TMPFILE.bits().cast_signed();
        if let Err(error) = fs::File::options().write(true).custom_flags(flags).open(folder.0.path()) {
            super::skip::told(format_args!(
                "no files without names in {}: {error}",
                folder.0.path().display()
            ));
            return;
        }
        let mut child = again("", "processes::a_killed_writer_leaves_nothing", &folder).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with(READY)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(folder.names(), Vec::<String>::new());
    }

    /// No file takes more than 512 bytes.
    #[test]
    fn a_full_disk_is_an_error_and_leaves_nothing() {
        let picture = Picture::from(picture(ColorType::Rgb16, 50, 40));
        if let Some(folder) = env::var_os(FOLDER) {
            for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp] {
                let path = Path::new(&folder).join("a");
                let finished =
                    write_bands(&path, format, &picture, 8).and_then(|writer| writer.finish(false));
                assert!(matches!(finished, Err(Error::Io { .. })), "{format:?} {finished:?}");
            }
            let path = Path::new(&folder).join("a");
            let header = PictureHeader { height: 400, ..picture.header() };
            let mut writer =
                PictureWriter::create(&path, ImageFormat::Tiff, &header, &Encoding::default()).unwrap();
            let failed = (0..10).find_map(|_| writer.write(&picture.image).err()).unwrap();
            assert!(matches!(failed, Error::Io { .. }), "{failed:?}");
            let later = [writer.write(&picture.image), writer.finish(false)].map(Result::unwrap_err);
            assert!(later.iter().all(|error| matches!(error, Error::Image { .. })), "{later:?}");
            return;
        }
        let folder = Folder::new();
        let limit = "trap '' XFSZ; ulimit -f 1;";
        let test = "processes::a_full_disk_is_an_error_and_leaves_nothing";
        let child = again(limit, test, &folder).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}
