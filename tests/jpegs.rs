//! JPEGs whose data is not whole are refused, or taken with a warning; sound ones of every kind never are.

#![cfg(feature = "image")]

#[path = "support/log.rs"]
mod log;
#[path = "support/pictures.rs"]
mod pictures;

use image::ColorType;
use jpeg_encoder::{Encoder, SamplingFactor};
use log::heard;
use pictures::picture;
use sparsr::{Picture, Reading};

/// How a JPEG is coded.
#[derive(Clone, Copy, Debug)]
struct Coding {
    sampling: SamplingFactor,
    progressive: bool,
    restart: u16,
    color: jpeg_encoder::ColorType,
}

const PLAIN: Coding = Coding {
    sampling: SamplingFactor::F_2_2,
    progressive: false,
    restart: 0,
    color: jpeg_encoder::ColorType::Rgb,
};

fn jpeg(width: u32, height: u32, coding: Coding) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(coding.sampling);
    encoder.set_progressive(coding.progressive);
    if coding.restart > 0 {
        encoder.set_restart_interval(coding.restart);
    }
    let samples = match coding.color {
        jpeg_encoder::ColorType::Luma => picture(ColorType::L8, width, height),
        jpeg_encoder::ColorType::Rgb => picture(ColorType::Rgb8, width, height),
        _ => picture(ColorType::Rgba8, width, height),
    };
    encoder.encode(samples.as_bytes(), width as u16, height as u16, coding.color).unwrap();
    bytes
}

fn codings() -> Vec<Coding> {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1};
    use jpeg_encoder::ColorType::{Cmyk, CmykAsYcck, Luma, Rgb};
    let mut codings = Vec::new();
    for progressive in [false, true] {
        for restart in [0, 1, 7] {
            let coding = Coding { progressive, restart, ..PLAIN };
            codings.extend([F_1_1, F_2_1, F_1_2, F_2_2, F_4_1].map(|sampling| Coding { sampling, ..coding }));
            codings.extend([Luma, Rgb, Cmyk, CmykAsYcck].map(|color| Coding { color, ..coding }));
        }
    }
    codings
}

#[test]
fn sound_files_are_taken_without_a_word() {
    for coding in codings() {
        for (width, height) in [(1, 1), (7, 9), (16, 16), (33, 17), (70, 50)] {
            let file = jpeg(width, height, coding);
            for behind in [b"".as_slice(), b"\0\0\0", b"anything at all"] {
                let (read, warnings) = heard(|| Picture::decode("file", &[&file, behind].concat()));
                let inks = matches!(
                    coding.color,
                    jpeg_encoder::ColorType::Cmyk | jpeg_encoder::ColorType::CmykAsYcck
                );
                let words = usize::from(inks); // of the profile that is not there
                assert!(
                    read.is_ok() && warnings.len() == words,
                    "{coding:?} {width}x{height} {read:?} {warnings:?}"
                );
            }
        }
    }
}

/// Where the data of the first scan starts.
fn data(file: &[u8]) -> usize {
    let scan = file.windows(2).position(|two| two == [0xff, 0xda]).unwrap();
    scan + 2 + usize::from(file[scan + 3])
}

fn check(what: &str, file: &[u8]) {
    let error = Picture::decode("the file", file).unwrap_err().to_string();
    assert!(error.starts_with("the file: the JPEG is damaged: "), "{what}: {error}");
    let mut reading = Reading::default();
    reading.lenient = true;
    let (read, warnings) = heard(|| Picture::decode_with("the file", file, &reading));
    match read {
        Ok(_) => assert!(
            matches!(&warnings[..], [one, ..] if one.starts_with("the file: the JPEG is damaged: ")),
            "{what}"
        ),
        Err(error) => assert!(!error.to_string().contains('\n'), "{what}: {error}"),
    }
}

#[test]
fn half_a_picture_is_an_error_and_leniently_a_warning() {
    for coding in codings() {
        let file = jpeg(70, 150, coding);
        let start = data(&file);
        for tenth in 1..10 {
            let mut cut = file[..start + (file.len() - start) * tenth / 10].to_vec();
            check(&format!("{coding:?} cut after {tenth} tenths"), &cut);
            while cut.last() == Some(&0xff) {
                cut.pop();
            }
            cut.extend([0xff, 0xd9]);
            check(&format!("{coding:?} cut after {tenth} tenths, with an end"), &cut);
        }
        let mut tall = file.clone();
        let frame = file.windows(2).position(|two| matches!(two, [0xff, 0xc0 | 0xc2])).unwrap();
        tall[frame + 5..][..2].copy_from_slice(&300_u16.to_be_bytes());
        check(&format!("{coding:?} twice as tall"), &tall);
    }
}

#[test]
fn data_that_is_overwritten_is_an_error() {
    for restart in [0, 1] {
        let mut file = jpeg(128, 128, Coding { restart, ..PLAIN });
        let start = data(&file);
        let at = start + (file.len() - start) / 4;
        for place in at..at + 30 {
            if file[place] != 0xff && file[place - 1] != 0xff {
                file[place] = 0xfd + (place % 2) as u8;
            }
        }
        check(&format!("restart markers: {restart}"), &file);
    }
}

/// Without a profile every ink takes its light away.
#[test]
fn four_inks_are_made_three_colours() {
    for (color, sampling) in [
        (jpeg_encoder::ColorType::Cmyk, SamplingFactor::F_1_1),
        (jpeg_encoder::ColorType::Cmyk, SamplingFactor::F_2_2),
        (jpeg_encoder::ColorType::CmykAsYcck, SamplingFactor::F_2_2),
    ] {
        let inks = [200, 100, 50, 20].repeat(32 * 32);
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 100);
        encoder.set_sampling_factor(sampling);
        encoder.encode(&inks, 32, 32, color).unwrap();
        let (read, warnings) = heard(|| Picture::decode("file", &file).unwrap());
        assert_eq!(warnings, ["file: CMYK without a profile: colours are approximate"]);
        let found = read.image.to_rgb8()[(9, 9)].0;
        assert!(found.iter().zip([50, 142, 188]).all(|(a, b)| a.abs_diff(b) < 4), "{color:?} {found:?}");
    }
}
