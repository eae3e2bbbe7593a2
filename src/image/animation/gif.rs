//! Frames to a GIF: 256 colours each, of which one is clear where something shines through.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

use gif::{DecodeOptions, DisposalMethod, Encoder, EncodingError, Frame as GifFrame, Repeat};

use image::{DynamicImage, ImageFormat, RgbaImage};

use super::{Frame, Head};
use crate::error::Result;
use crate::image::encode::{image_error, warn_of};

/// How carefully colours are chosen, 1 … 30: a third of the time of 1, and no difference that is seen.
const SPEED: i32 = 10;

/// How often the frames of a GIF are shown, if not for ever.
pub(super) fn plays(bytes: impl Read) -> Option<u32> {
    match DecodeOptions::new().read_info(bytes).ok()?.repeat() {
        Repeat::Infinite => None,
        Repeat::Finite(again) => Some(u32::from(again) + 1),
    }
}

/// A picture that does not move.
pub(in crate::image) fn still(name: &Path, image: &DynamicImage) -> io::Result<Vec<u8>> {
    let (mut bytes, image) = (Vec::new(), image.to_rgba8());
    let [width, height] = [image.width(), image.height()].map(|side| side as u16); // asked before
    let mut encoder = Encoder::new(&mut bytes, width, height, &[]).map_err(io::Error::other)?;
    let mut lost = Lost::default();
    encoder.write_frame(&quantised(image, [width, height], &mut lost)).map_err(io::Error::other)?;
    drop(encoder);
    lost.warn(name);
    Ok(bytes)
}

/// What frames had that the format has not.
#[derive(Default)]
struct Lost {
    colours: bool,
    half_clear: bool,
}

impl Lost {
    fn warn(&self, name: &Path) {
        let lost = [
            self.colours.then_some("more than 256 colours a frame"),
            self.half_clear.then_some("pixels that are half clear"),
        ];
        warn_of(name, ImageFormat::Gif, &lost.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// In 256 colours, one of them clear if any pixel is more clear than not.
fn quantised(mut image: RgbaImage, [width, height]: [u16; 2], lost: &mut Lost) -> GifFrame<'static> {
    let mut colours = HashSet::new();
    for pixel in image.pixels_mut() {
        lost.half_clear |= !matches!(pixel[3], 0 | u8::MAX);
        let clear = pixel[3] < 128;
        pixel.0 = if clear { [0; 4] } else { [pixel[0], pixel[1], pixel[2], u8::MAX] };
        lost.colours = lost.colours || colours.insert(pixel.0) && colours.len() > 256;
    }
    GifFrame::from_rgba_speed(width, height, &mut image, SPEED)
}

pub(super) fn write(
    path: &Path,
    file: &mut impl Write,
    head: &Head,
    frames: impl Iterator<Item = Result<Frame>>,
) -> Result<()> {
    let failed = |error: EncodingError| image_error(path, error.to_string());
    let [width, height] = head.size.map(|side| side as u16); // asked before
    let mut encoder = Encoder::new(file, width, height, &[]).map_err(failed)?;
    match head.plays {
        None => encoder.set_repeat(Repeat::Infinite).map_err(failed)?,
        Some(1) => {} // without a word it is shown once
        Some(plays) => {
            let again = u16::try_from(plays - 1).unwrap_or(u16::MAX);
            encoder.set_repeat(Repeat::Finite(again)).map_err(failed)?;
        }
    }
    // Hundredths of a second; what rounding takes from one frame the next gets.
    let (mut shown, mut told, mut lost) = (0.0, 0.0, Lost::default());
    for frame in frames {
        let Frame { image, delay } = frame?;
        shown += delay / 10.0;
        let hundredths = (shown - told).round().clamp(0.0, f64::from(u16::MAX));
        told += hundredths;
        let mut frame = quantised(image, [width, height], &mut lost);
        frame.delay = hundredths as u16;
        // Frames are whole: nothing of the one before may show where this one is clear.
        frame.dispose = if head.transparent { DisposalMethod::Background } else { DisposalMethod::Keep };
        encoder.write_frame(&frame).map_err(failed)?;
    }
    lost.warn(path);
    encoder.into_inner().map(drop).map_err(|error| image_error(path, error.to_string()))
}
