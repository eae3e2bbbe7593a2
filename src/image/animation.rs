//! Animations: every frame of a GIF, an APNG or a WebP, enlarged, with its delay.
//!
//! ```text
//!   file ─► whole frames, each drawn over those before ─► network ─► whole frames, delays as they were ─► file
//! ```
//!
//! The file is decoded twice: first to the end, since half an animation is none, then frame by frame while the other file
//! grows. A frame that equals the one before is not computed again.

pub(super) mod gif;
mod png;
mod webp;

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::{LoopCount, Orientation};
use image::{
    AnimationDecoder, ColorType, DynamicImage, Frames, ImageDecoder, ImageFormat, ImageResult, Limits,
    RgbaImage,
};

use super::decode;
use super::encode::{format_of, held, image_error};
use super::kind::{self, Kind};
use super::limits::MAX_BYTES;
use super::writer::check_size;
use super::{FileOptions, Metadata, NewFile, Picture, PictureHeader, Reading, UpscaledFile};
use crate::error::{Error, Result};
use crate::upscale::Upscaler;

/// How much of a file is looked at for what says that it is an animation.
const START: u64 = 1 << 16;

/// What an animation's file says before its frames.
#[derive(Clone, Debug)]
struct Head {
    size: [u32; 2],
    frames: u32,
    /// How often they are shown, if not for ever.
    plays: Option<u32>,
    /// Whether something shines through one of them.
    transparent: bool,
    metadata: Metadata,
}

impl Head {
    /// A frame's samples: RGB, with alpha if any frame needs it.
    fn samples(&self, frame: RgbaImage) -> Vec<u8> {
        if self.transparent { frame.into_raw() } else { DynamicImage::from(frame).into_rgb8().into_raw() }
    }
}

/// One frame, whole.
struct Frame {
    image: RgbaImage,
    /// How long it is shown, in milliseconds.
    delay: f64,
}

impl Upscaler {
    /// [`Upscaler::upscale_file`] for every frame of an animation; nothing if the input holds none, or the output's format
    /// holds none. Frames are RGB in 8 bits, with transparency, which GIF has only whole.
    pub(super) fn upscale_animation(
        &mut self,
        input: &Path,
        output: &Path,
        options: &FileOptions,
    ) -> Result<Option<UpscaledFile>> {
        let to_format = format_of(output)?;
        if !holds_animations(to_format) || !may_be_animated(input).map_err(Error::io(input))? {
            return Ok(None);
        }
        let name = input.display().to_string();
        let failed = |reason: String| image_error(input, reason);
        let bytes = fs::read(input).map_err(Error::io(input))?;
        let Kind::Of(format) = kind::kind(&name, &bytes).map_err(failed)? else { return Ok(None) };
        let Some(animation) = Animation::open(&name, &bytes, format, &options.reading).map_err(failed)?
        else {
            return Ok(None);
        };
        let from = animation.head.size;
        let to = options.size.of(from, self.model().scale()).map_err(|error| error.of_file(input))?;
        let metadata = animation.head.metadata.enlarged(from, to, options.encoding.dpi);
        let [width, height] = to;
        let header = PictureHeader { width, height, color: ColorType::Rgba8, metadata };
        check_size(output, to_format, &header)?;
        let metadata = held(output, to_format, &header, &options.encoding)?;
        let head = Head { size: to, metadata, ..animation.head.clone() };

        let mut file = NewFile::create(output).map_err(Error::io(output))?;
        let frames = decoded(&bytes, format).map_err(|error| failed(decode::reason(error)))?;
        let mut enlarged = Enlarged {
            upscaler: self,
            input,
            options,
            frames,
            metadata: animation.head.metadata,
            orientation: animation.orientation,
            last: None,
            macs_kept: 0.0,
        };
        match to_format {
            ImageFormat::Gif => gif::write(output, &mut file, &head, &mut enlarged)?,
            ImageFormat::Png => png::write(output, &mut file, &head, &options.encoding, &mut enlarged)?,
            _ => webp::write(output, &mut file, &head, &mut enlarged)?,
        }
        let macs_kept = enlarged.macs_kept / f64::from(head.frames);
        file.finish(options.replace).map_err(Error::io(output))?;
        Ok(Some(UpscaledFile { frames: head.frames, from, to, macs_kept }))
    }
}

fn holds_animations(format: ImageFormat) -> bool {
    matches!(format, ImageFormat::Gif | ImageFormat::Png | ImageFormat::WebP)
}

/// Told by the file's start, so that a large picture need not be read for it: PNG and WebP say it before their pixels, and of
/// GIF nobody knows before the second frame.
fn may_be_animated(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false); // a pipe is read once
    }
    let mut start = Vec::new();
    File::open(path)?.take(START).read_to_end(&mut start)?;
    let says = |word: &[u8]| start.windows(4).any(|bytes| bytes == word);
    Ok(match image::guess_format(&start).ok() {
        Some(ImageFormat::Gif) => true,
        Some(ImageFormat::Png) => says(b"acTL") || !says(b"IDAT"),
        Some(ImageFormat::WebP) => {
            start.get(12..16) == Some(b"VP8X") && start.get(20).is_some_and(|flags| flags & 2 != 0)
        }
        _ => false,
    })
}

/// An animation that was decoded to its end once.
struct Animation {
    head: Head,
    orientation: Orientation,
}

impl Animation {
    /// Nothing if the file has one frame or none.
    fn open(
        name: &str,
        bytes: &[u8],
        format: ImageFormat,
        reading: &Reading,
    ) -> Result<Option<Self>, String> {
        use ImageFormat::{Gif, Png, WebP};
        if !matches!(format, Gif | Png | WebP) || kind::others(format, bytes).is_none() {
            return Ok(None);
        }
        let (_, mut header, orientation) = decode::checked(name, format, bytes, reading)?;
        header.metadata.turn(orientation);
        let mut head = Head {
            size: [header.width, header.height],
            frames: 0,
            plays: plays(bytes, format).map_err(decode::reason)?,
            transparent: false,
            metadata: header.metadata,
        };
        for frame in decoded(bytes, format).map_err(decode::reason)? {
            let frame =
                frame.map_err(|error| format!("frame {}: {}", head.frames + 1, decode::reason(error)))?;
            head.frames += 1;
            head.transparent |= is_transparent(frame.buffer());
            if head.frames == 1 {
                let mut first = DynamicImage::from(frame.into_buffer());
                first.apply_orientation(orientation);
                head.size = [first.width(), first.height()];
            }
        }
        Ok((head.frames > 1).then_some(Self { head, orientation }))
    }
}

/// Whether any pixel lets something shine through.
fn is_transparent(frame: &RgbaImage) -> bool {
    frame.pixels().any(|pixel| pixel[3] < u8::MAX)
}

/// The frames of a file, each whole.
fn decoded(bytes: &[u8], format: ImageFormat) -> ImageResult<Frames<'_>> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let bytes = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(bytes)?;
            decoder.set_limits(limits)?;
            decoder.into_frames()
        }
        ImageFormat::Png => PngDecoder::with_limits(bytes, limits)?.apng()?.into_frames(),
        _ => {
            let mut decoder = WebPDecoder::new(bytes)?;
            decoder.set_limits(limits)?;
            decoder.into_frames()
        }
    })
}

/// How often the frames are shown, if not for ever. GIF counts how often they are shown *again*, and says nothing where
/// they are shown once.
fn plays(bytes: &[u8], format: ImageFormat) -> ImageResult<Option<u32>> {
    let bytes = Cursor::new(bytes);
    let count = match format {
        ImageFormat::Gif => return Ok(gif::plays(bytes)),
        ImageFormat::Png => PngDecoder::new(bytes)?.apng()?.loop_count(),
        _ => WebPDecoder::new(bytes)?.loop_count(),
    };
    Ok(match count {
        LoopCount::Infinite => None,
        LoopCount::Finite(count) => Some(count.get()),
    })
}

/// Frames on their way through a network.
struct Enlarged<'a> {
    upscaler: &'a mut Upscaler,
    input: &'a Path,
    options: &'a FileOptions,
    frames: Frames<'a>,
    metadata: Metadata,
    orientation: Orientation,
    /// The frame before, and what became of it.
    last: Option<(RgbaImage, RgbaImage)>,
    /// Those of all frames, summed.
    macs_kept: f64,
}

impl Iterator for Enlarged<'_> {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.frames.next()?;
        Some(frame.map_err(|error| image_error(self.input, decode::reason(error))).and_then(|frame| {
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            let delay = f64::from(numerator) / f64::from(denominator.max(1));
            Ok(Frame { image: self.enlarged(frame.into_buffer())?, delay })
        }))
    }
}

impl Enlarged<'_> {
    fn enlarged(&mut self, image: RgbaImage) -> Result<RgbaImage> {
        if let Some((_, large)) = self.last.as_ref().filter(|(last, _)| *last == image) {
            return Ok(large.clone());
        }
        let mut picture = DynamicImage::from(image.clone());
        if !is_transparent(&image) {
            picture = picture.into_rgb8().into();
        }
        picture.apply_orientation(self.orientation);
        let picture = Picture { image: picture, metadata: self.metadata.clone() };
        let FileOptions { size, alpha, .. } = *self.options;
        let upscaled = self.upscaler.upscale_picture_to(&picture, size, alpha)?;
        self.macs_kept += upscaled.macs_kept;
        let large = upscaled.picture.image.into_rgba8();
        self.last = Some((image, large.clone()));
        Ok(large)
    }
}
