//! Animations from file to file: every frame, its delay, how often they are shown; half an animation is none.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use gif::{DisposalMethod, Repeat};
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::LoopCount;
use image::{AnimationDecoder, DynamicImage, ImageFormat, Rgba, RgbaImage};
use sparsr::{Animation, FileOptions, Model, Options, Upscaler};

const SIZE: [u32; 2] = [20, 14];

fn upscaler() -> Upscaler {
    Upscaler::on_cpu(&Model::builtin("smsr-x2").unwrap(), Options::default()).unwrap()
}

/// A frame of a few colours, so that a GIF's palette holds them; what is clear is black.
fn frame(number: u32, transparent: bool) -> RgbaImage {
    RgbaImage::from_fn(SIZE[0], SIZE[1], |x, y| match (x + number * 3) / 4 % 3 {
        0 if transparent => Rgba([0; 4]),
        0 => Rgba([200, 30, 60, 255]),
        1 => Rgba([20, (y * 9) as u8 / 32 * 32, 180, 255]),
        _ => Rgba([240, 240, 90, 255]),
    })
}

/// The third frame is the second once more.
fn frames(transparent: bool) -> Vec<RgbaImage> {
    [0, 1, 1, 2].map(|number| frame(number, transparent)).into()
}

const DELAYS: [u16; 4] = [10, 25, 5, 100]; // hundredths of a second

/// A GIF whose later frames are drawn in a corner over what was there, if it is opaque.
fn gif(transparent: bool, repeat: Option<Repeat>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, SIZE[0] as u16, SIZE[1] as u16, &[]).unwrap();
    if let Some(repeat) = repeat {
        encoder.set_repeat(repeat).unwrap();
    }
    for (mut image, delay) in frames(transparent).into_iter().zip(DELAYS) {
        let mut frame = gif::Frame::from_rgba(SIZE[0] as u16, SIZE[1] as u16, &mut image);
        frame.delay = delay;
        frame.dispose = if transparent { DisposalMethod::Background } else { DisposalMethod::Keep };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

fn apng(transparent: bool, plays: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE[0], SIZE[1]);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(DELAYS.len() as u32, plays).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for (image, delay) in frames(transparent).iter().zip(DELAYS) {
        writer.set_frame_delay(delay, 100).unwrap();
        writer.write_image_data(image).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// Frames with their delays in milliseconds, and how often they are shown, if not for ever.
fn decoded(path: &Path) -> (Vec<(RgbaImage, u32)>, Option<u32>) {
    let bytes = fs::read(path).unwrap();
    let source = || Cursor::new(bytes.clone());
    let plays = |count| match count {
        LoopCount::Infinite => None,
        LoopCount::Finite(count) => Some(count.get()),
    };
    let (frames, plays) = match image::guess_format(&bytes).unwrap() {
        ImageFormat::Gif => {
            let repeat = gif::DecodeOptions::new().read_info(source()).unwrap().repeat();
            let plays = match repeat {
                Repeat::Infinite => None,
                Repeat::Finite(again) => Some(u32::from(again) + 1),
            };
            (GifDecoder::new(source()).unwrap().into_frames(), plays)
        }
        ImageFormat::Png => {
            let decoder = || PngDecoder::new(source()).unwrap().apng().unwrap();
            (decoder().into_frames(), plays(decoder().loop_count()))
        }
        _ => {
            let decoder = || WebPDecoder::new(source()).unwrap();
            (decoder().into_frames(), plays(decoder().loop_count()))
        }
    };
    let frames = frames.map(|frame| {
        let frame = frame.unwrap();
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        (frame.into_buffer(), numerator / denominator)
    });
    (frames.collect(), plays)
}

/// Each frame as the network enlarges it alone.
fn expected(upscaler: &mut Upscaler, transparent: bool) -> Vec<RgbaImage> {
    let large = |frame: RgbaImage| {
        let frame = DynamicImage::from(frame);
        let frame = if transparent { frame } else { frame.into_rgb8().into() };
        upscaler.upscale(&frame).unwrap().into_rgba8()
    };
    frames(transparent).into_iter().map(large).collect()
}

/// The mean difference of samples, where both are opaque, and how many pixels only one of them shows.
fn difference(a: &RgbaImage, b: &RgbaImage) -> (f64, usize) {
    let (mut sum, mut count, mut other) = (0.0, 0, 0);
    for (a, b) in a.pixels().zip(b.pixels()) {
        other += usize::from((a[3] < 128) != (b[3] < 128));
        if a[3] >= 128 && b[3] >= 128 {
            sum += (0..3).map(|channel| f64::from(a[channel].abs_diff(b[channel]))).sum::<f64>();
            count += 3;
        }
    }
    (sum / f64::from(count.max(1)), other)
}

#[test]
fn every_frame_goes_from_each_format_to_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut upscaler = upscaler();
    for transparent in [false, true] {
        let expected = expected(&mut upscaler, transparent);
        let sources = [
            ("a.gif", gif(transparent, Some(Repeat::Infinite)), None),
            ("b.gif", gif(transparent, None), Some(1)),
            ("c.gif", gif(transparent, Some(Repeat::Finite(2))), Some(3)),
            ("d.png", apng(transparent, 0), None),
            ("e.png", apng(transparent, 5), Some(5)),
        ];
        for (name, bytes, plays) in sources {
            let input = folder.path().join(name);
            fs::write(&input, bytes).unwrap();
            for extension in ["gif", "png", "webp"] {
                let case = format!("{name} to {extension}, transparent: {transparent}");
                let output = folder.path().join(format!("{name}.{extension}"));
                let mut options = FileOptions::default();
                options.replace = true;
                let done = upscaler.upscale_file(&input, &output, &options).unwrap();
                assert_eq!((done.frames, done.from, done.to), (4, SIZE, SIZE.map(|side| 2 * side)), "{case}");
                assert!(done.macs_kept > 0.0 && done.macs_kept < 0.75, "{case}: one frame of four is a copy");
                let (frames, found_plays) = decoded(&output);
                assert_eq!(found_plays, plays, "{case}");
                let delays: Vec<u32> = frames.iter().map(|(_, delay)| *delay).collect();
                assert_eq!(delays, DELAYS.map(|delay| u32::from(delay) * 10), "{case}");
                for (at, ((found, _), expected)) in frames.iter().zip(&expected).enumerate() {
                    if extension == "gif" {
                        let (mean, other) = difference(found, expected);
                        assert!(mean < 6.0 && other == 0, "{case}, frame {at}: {mean} off, {other} clear");
                    } else {
                        assert!(found == expected, "{case}, frame {at}");
                    }
                }
            }
        }
        // And what was written as WebP is read as such.
        let (input, output) = (folder.path().join("a.gif.webp"), folder.path().join("again.png"));
        let mut options = FileOptions::default();
        options.replace = true;
        let done = upscaler.upscale_file(&input, &output, &options).unwrap();
        assert_eq!((done.frames, done.to), (4, SIZE.map(|side| 4 * side)));
    }
}

#[test]
fn half_an_animation_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.png");
    let mut upscaler = upscaler();
    for (name, bytes) in [("a.gif", gif(false, None)), ("b.png", apng(false, 0))] {
        let input = folder.path().join(name);
        fs::write(&input, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let error = upscaler.upscale_file(&input, &output, &FileOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with(&input.display().to_string()), "{error}");
        assert!(!output.exists());
    }
}

#[test]
fn the_first_frame_alone_where_it_is_asked_for_or_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let moving = folder.path().join("moving.gif");
    fs::write(&moving, gif(false, None)).unwrap();
    let mut upscaler = upscaler();
    let first = expected(&mut upscaler, false).swap_remove(0);
    let mut options = FileOptions::default();
    options.animation = Animation::First;
    for (name, options) in [("first.png", &options), ("no-room.bmp", &FileOptions::default())] {
        let output = folder.path().join(name);
        assert_eq!(upscaler.upscale_file(&moving, &output, options).unwrap().frames, 1, "{name}");
        assert!(image::open(&output).unwrap().into_rgba8() == first, "{name}");
    }
    let still = folder.path().join("still.gif");
    assert_eq!(upscaler.upscale_file(&folder.path().join("first.png"), &still, &options).unwrap().frames, 1);
    assert_eq!(decoded(&still).0.len(), 1);
}
