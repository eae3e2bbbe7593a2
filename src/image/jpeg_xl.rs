//! JPEG XL to pictures: the first frame, upright, in 8 bits or in 16.

use std::io::Read;

use brotli_decompressor::Decompressor;
use image::ColorType;
use jxl_oxide::color::{ColourEncoding, ColourSpace, TransferFunction};
use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, PixelFormat};

use super::limits;
use super::{Metadata, Picture, PictureHeader, Reading, decode, travel};

/// The most that a packed note may have.
const MAX_NOTE: u64 = 16 << 20;

/// What a decoder may hold before the size is known and limited, and then 128 bytes a pixel more.
const FOR_HEADERS: usize = 64 << 20;

/// Bytes that are handed to it at once.
const PIECE: usize = 4096;

const ENDS: &str = "the file ends too early";

/// How sRGB is numbered (H.273).
const SRGB: [u8; 4] = [1, 13, 0, 1];

pub(super) fn decode(name: &str, bytes: &[u8], reading: &Reading) -> Result<Picture, String> {
    let mut boxes = Boxes::of(bytes);
    let codestream = std::mem::take(&mut boxes.codestream);
    let tracker = AllocTracker::with_limit(FOR_HEADERS);
    let (mut image, mut at) = opened(&codestream, &tracker)?;
    let header = header(name, &image, boxes)?;
    let size = [header.width, header.height];
    limits::check_pixels(reading, size)?;
    limits::check_held(size, header.color.bytes_per_pixel().into())?;
    let channels = image.image_header().metadata.ec_info.len();
    tracker.expand_limit(size.map(|side| side as usize).iter().product::<usize>() * (128 + 16 * channels));
    while !image.is_loading_done() {
        let read = image.feed_bytes(piece(&codestream, at)).map_err(damaged)?;
        if read == 0 {
            return Err(ENDS.to_owned());
        }
        at += read;
    }
    if image.num_loaded_keyframes() == 0 {
        return Err(ENDS.to_owned());
    }
    if image.num_loaded_keyframes() > 1 {
        let frames = image.num_loaded_keyframes();
        tracing::warn!("{name}: an animation of {frames} frames; only the first is taken");
    }
    let picture = pixels(&image, &header)?;
    Ok(Picture { image: picture, metadata: header.metadata })
}

/// Columns and rows of the picture, which is upright.
pub(super) fn size(bytes: &[u8]) -> Result<[u32; 2], String> {
    let (image, _) = opened(&Boxes::of(bytes).codestream, &AllocTracker::with_limit(FOR_HEADERS))?;
    Ok([image.width(), image.height()])
}

/// The picture as soon as its header is known, and how many bytes that took.
fn opened(codestream: &[u8], tracker: &AllocTracker) -> Result<(JxlImage, usize), String> {
    let mut unknown = JxlImage::builder().alloc_tracker(tracker.clone()).build_uninit();
    let mut at = 0;
    loop {
        let read = unknown.feed_bytes(piece(codestream, at)).map_err(damaged)?;
        if read == 0 {
            return Err(ENDS.to_owned());
        }
        at += read;
        match unknown.try_init().map_err(damaged)? {
            InitializeResult::Initialized(image) => return Ok((image, at)),
            InitializeResult::NeedMoreData(again) => unknown = again,
        }
    }
}

fn piece(codestream: &[u8], at: usize) -> &[u8] {
    &codestream[at..codestream.len().min(at + PIECE)]
}

fn damaged(error: Box<dyn std::error::Error + Send + Sync>) -> String {
    format!("the JPEG XL is damaged: {error}").replace('\n', " ")
}

fn header(name: &str, image: &JxlImage, boxes: Boxes) -> Result<PictureHeader, String> {
    let depth = image.image_header().metadata.bit_depth;
    if depth.bits_per_sample() > 16 {
        tracing::warn!("{name}: samples of {} bits are read as 16", depth.bits_per_sample());
    }
    let color = match (image.pixel_format(), depth.bits_per_sample() > 8) {
        (PixelFormat::Gray, false) => ColorType::L8,
        (PixelFormat::Gray, true) => ColorType::L16,
        (PixelFormat::Graya, false) => ColorType::La8,
        (PixelFormat::Graya, true) => ColorType::La16,
        (PixelFormat::Rgb, false) => ColorType::Rgb8,
        (PixelFormat::Rgb, true) => ColorType::Rgb16,
        (PixelFormat::Rgba, false) => ColorType::Rgba8,
        (PixelFormat::Rgba, true) => ColorType::Rgba16,
        (PixelFormat::Cmyk | PixelFormat::Cmyka, _) => {
            return Err("a JPEG XL with CMYK colours, which is not read: convert it to RGB first".to_owned());
        }
    };
    // Of these the decoder can make no profile, and panics.
    if let ColourEncoding::Enum(colours) = &image.image_header().metadata.colour_encoding
        && (colours.colour_space == ColourSpace::Xyb || matches!(colours.tf, TransferFunction::Unknown))
    {
        return Err("a JPEG XL that does not say what its colours are: expected RGB or gray".to_owned());
    }
    let (width, height) = (image.width(), image.height());
    let mut metadata = Metadata {
        icc_profile: (image.rendered_cicp() != Some(SRGB)).then(|| image.rendered_icc()),
        exif: boxes.exif,
        xmp: boxes.xmp,
        ..Metadata::default()
    };
    metadata.icc_profile = metadata.icc_profile.filter(|profile| decode::describes_rgb(name, profile));
    // The picture is upright already, whatever EXIF says.
    metadata.take_orientation();
    Ok(PictureHeader { width, height, color, metadata })
}

/// What the boxes of a file hold. A file without boxes is a picture and nothing else.
///
/// The decoder would unpack the packed ones to any length, so that it does not see them.
#[derive(Default)]
struct Boxes {
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    codestream: Vec<u8>,
}

impl Boxes {
    fn of(bytes: &[u8]) -> Self {
        let mut boxes = Self::default();
        let mut rest = if bytes.starts_with(b"\xff\x0a") { &[] } else { bytes };
        while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
            let wide =
                rest.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |&size| u64::from_be_bytes(size));
            let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, u64::MAX),
                1 => (16, wide),
                size => (8, size.into()),
            };
            let (whole, behind) =
                rest.split_at(rest.len().min(usize::try_from(size.max(head)).unwrap_or(usize::MAX)));
            boxes.take(*kind, whole, whole.get(head as usize..).unwrap_or_default());
            rest = behind;
        }
        if boxes.codestream.is_empty() {
            boxes.codestream = bytes.to_vec();
        }
        boxes
    }

    fn take(&mut self, kind: [u8; 4], whole: &[u8], content: &[u8]) {
        match (&kind, content) {
            (b"brob", [a, b, c, d, packed @ ..]) => {
                let mut unpacked = Vec::new();
                let unpacking = Decompressor::new(packed, 4096).take(MAX_NOTE).read_to_end(&mut unpacked);
                if unpacking.is_ok() && (unpacked.len() as u64) < MAX_NOTE {
                    self.note([*a, *b, *c, *d], &unpacked);
                }
            }
            (b"Exif" | b"xml ", content) => self.note(kind, content),
            _ => self.codestream.extend_from_slice(whole),
        }
    }

    fn note(&mut self, kind: [u8; 4], content: &[u8]) {
        match &kind {
            // Behind a number that says how many bytes to skip.
            b"Exif" => {
                let skipped = content.first_chunk().map(|&skipped| u32::from_be_bytes(skipped) as usize);
                self.exif = skipped.and_then(|skipped| content.get(4..)?.get(skipped..)).map(<[u8]>::to_vec);
            }
            b"xml " => self.xmp = Some(content.to_vec()),
            _ => {}
        }
    }
}

fn pixels(image: &JxlImage, header: &PictureHeader) -> Result<image::DynamicImage, String> {
    let render = image.render_frame(0).map_err(damaged)?;
    let mut stream = render.stream();
    let channels = usize::from(header.color.channel_count());
    let alphas = image.image_header().metadata.ec_info.iter().find_map(|channel| channel.alpha_associated());
    let associated = alphas == Some(true);
    let straight = |samples: &mut [u16], white: u16| {
        for pixel in samples.chunks_exact_mut(channels).filter(|_| associated) {
            let (colour, alpha) = pixel.split_at_mut(channels - 1);
            colour.iter_mut().for_each(|sample| *sample = travel::straight(*sample, alpha[0], white));
        }
    };
    let mut samples = vec![0_u16; header.width as usize * channels];
    let picture = header.picture(header.height, |row| {
        if header.has_16_bits() {
            stream.write_to_buffer(&mut samples);
            straight(&mut samples, u16::MAX);
            row.copy_from_slice(bytemuck::cast_slice(&samples));
        } else {
            stream.write_to_buffer(row);
            samples.iter_mut().zip(&*row).for_each(|(sample, &byte)| *sample = byte.into());
            straight(&mut samples, 255);
            row.iter_mut().zip(&samples).for_each(|(byte, &sample)| *byte = sample as u8);
        }
        Ok(())
    });
    picture.map_err(decode::reason)
}
