//! Frames to a WebP, without loss. Each is what a still picture's file holds; around them goes the container of animations
//! (WebP Container Specification, "Extended File Format" and "Animation").
//!
//! ```text
//!   RIFF: VP8X, ICCP?, ANIM, ANMF(place, size, delay, VP8L)…, EXIF?, XMP?
//! ```

use std::io::Write;
use std::path::Path;

use image_webp::{ColorType, WebPEncoder};

use super::{Frame, Head};
use crate::error::{Error, Result};
use crate::image::encode::image_error;

/// Flags of VP8X.
const ICC: u8 = 1 << 5;
const ALPHA: u8 = 1 << 4;
const EXIF: u8 = 1 << 3;
const XMP: u8 = 1 << 2;
const ANIMATION: u8 = 1 << 1;

/// A frame's flag: its pixels take the place of those before, whatever their alpha.
const OVERWRITES: u8 = 1 << 1;

pub(super) fn write(
    path: &Path,
    file: &mut impl Write,
    head: &Head,
    frames: impl Iterator<Item = Result<Frame>>,
) -> Result<()> {
    let metadata = &head.metadata;
    let [width, height] = head.size.map(|side| side - 1);
    let told = [(ICC, &metadata.icc_profile), (EXIF, &metadata.exif), (XMP, &metadata.xmp)];
    let flag = |(flag, of): (u8, &Option<Vec<u8>>)| if of.is_some() { flag } else { 0 };
    let flags = ANIMATION
        | if head.transparent { ALPHA } else { 0 }
        | told.into_iter().map(flag).fold(0, std::ops::BitOr::bitor);
    let mut body = Vec::new();
    push(&mut body, b"VP8X", &[&[flags, 0, 0, 0], &three(width)[..], &three(height)].concat());
    if let Some(profile) = &metadata.icc_profile {
        push(&mut body, b"ICCP", profile);
    }
    let plays = u16::try_from(head.plays.unwrap_or(0)).unwrap_or(u16::MAX);
    push(&mut body, b"ANIM", &[&[0; 4][..], &plays.to_le_bytes()].concat());
    for frame in frames {
        let Frame { image, delay } = frame?;
        let delay = delay.round().min(f64::from((1 << 24) - 1)) as u32;
        let mut still = Vec::new();
        let (wide, high) = image.dimensions();
        let color = if head.transparent { ColorType::Rgba8 } else { ColorType::Rgb8 };
        let encoded = WebPEncoder::new(&mut still).encode(&head.samples(image), wide, high, color);
        encoded.map_err(|error| image_error(path, error.to_string()))?;
        let at_the_corner = [0; 6];
        let place =
            [&at_the_corner[..], &three(width), &three(height), &three(delay), &[OVERWRITES]].concat();
        push(&mut body, b"ANMF", &[place, pixels(&still).to_vec()].concat());
    }
    for (kind, bytes) in [(b"EXIF", &metadata.exif), (b"XMP ", &metadata.xmp)] {
        if let Some(bytes) = bytes {
            push(&mut body, kind, bytes);
        }
    }
    let Ok(length) = u32::try_from(body.len() + 4) else {
        return Err(image_error(path, "a WebP holds at most 4 GiB, and this is more: write .png"));
    };
    let start = [&b"RIFF"[..], &length.to_le_bytes(), b"WEBP"].concat();
    file.write_all(&start).and_then(|()| file.write_all(&body)).map_err(Error::io(path))
}

/// What follows a still picture's `RIFF`, length and `WEBP`: one chunk, VP8L.
fn pixels(still: &[u8]) -> &[u8] {
    &still[12..]
}

/// A chunk; they begin at even places.
fn push(body: &mut Vec<u8>, kind: &[u8; 4], bytes: &[u8]) {
    body.extend_from_slice(kind);
    body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(2), 0);
}

/// 24 bits, the lowest first.
fn three(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}
