//! Frames to an APNG, whose first frame is also what shows a program that knows no animations.

use std::io::Write;
use std::path::Path;

use png::{BitDepth, ColorType, EncodingError};

use super::{Frame, Head};
use crate::error::Result;
use crate::image::encode::image_error;
use crate::image::writer::png::encoder;
use crate::image::{Encoding, metadata};

pub(super) fn write(
    path: &Path,
    file: &mut impl Write,
    head: &Head,
    encoding: &Encoding,
    frames: impl Iterator<Item = Result<Frame>>,
) -> Result<()> {
    let failed = |error: EncodingError| image_error(path, error.to_string());
    let color = (if head.transparent { ColorType::Rgba } else { ColorType::Rgb }, BitDepth::Eight);
    let mut encoder = encoder(file, head.size, color, &head.metadata, encoding).map_err(failed)?;
    encoder.set_animated(head.frames, head.plays.unwrap_or(0)).map_err(failed)?;
    let mut writer = encoder.write_header().map_err(failed)?;
    metadata::png::write(&mut writer, &head.metadata, color).map_err(failed)?;
    for frame in frames {
        let Frame { image, delay } = frame?;
        let (milliseconds, second) =
            if delay <= f64::from(u16::MAX) { (delay, 1000) } else { (delay / 100.0, 10) };
        let number = milliseconds.round().min(f64::from(u16::MAX)) as u16;
        writer.set_frame_delay(number, second).map_err(failed)?;
        writer.write_image_data(&head.samples(image)).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}
