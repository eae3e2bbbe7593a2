//! Frames to an APNG, whose first frame is also what shows a program that knows no animations.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use png::{BitDepth, ColorType, Encoder, EncodingError, Filter, Info};

use super::{Frame, Head};
use crate::error::Result;
use crate::image::encode::image_error;
use crate::image::{Compression, Encoding, metadata};

pub(super) fn write(
    path: &Path,
    file: &mut impl Write,
    head: &Head,
    encoding: &Encoding,
    frames: impl Iterator<Item = Result<Frame>>,
) -> Result<()> {
    let failed = |error: EncodingError| image_error(path, error.to_string());
    let mut info = Info::with_size(head.size[0], head.size[1]);
    info.icc_profile = head.metadata.icc_profile.as_deref().map(Cow::Borrowed);
    info.exif_metadata = head.metadata.exif.as_deref().map(Cow::Borrowed);
    info.color_type = if head.transparent { ColorType::Rgba } else { ColorType::Rgb };
    info.bit_depth = BitDepth::Eight;
    let mut encoder = Encoder::with_info(file, info).map_err(failed)?;
    encoder.set_animated(head.frames, head.plays.unwrap_or(0)).map_err(failed)?;
    encoder.set_compression(match encoding.compression {
        Compression::Fast => png::Compression::Fast,
        Compression::Small => png::Compression::Balanced,
    });
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(failed)?;
    metadata::png::write(&mut writer, &head.metadata).map_err(failed)?;
    for frame in frames {
        let Frame { image, delay } = frame?;
        let (milliseconds, second) =
            if delay <= f64::from(u16::MAX) { (delay, 1000) } else { (delay / 100.0, 10) };
        let number = milliseconds.round().min(f64::from(u16::MAX)) as u16;
        writer.set_frame_delay(number, second).map_err(failed)?;
        if head.transparent {
            writer.write_image_data(&image).map_err(failed)?;
        } else {
            let rgb = image::DynamicImage::from(image).into_rgb8();
            writer.write_image_data(&rgb).map_err(failed)?;
        }
    }
    writer.finish().map_err(failed)
}
