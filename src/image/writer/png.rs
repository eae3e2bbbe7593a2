//! A PNG compressed as its rows come: filters chosen by row, and the level of [`Picture::encode`].
//!
//! The encoder of the `png` crate writes the end of a file when it is dropped, where no error can be told. So it
//! writes into a channel, which takes everything, and whoever empties that writes the file.
//!
//! [`Picture::encode`]: crate::Picture::encode

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};

use image::ColorType;
use png::{BitDepth, Encoder, Filter, Info, StreamWriter};

use crate::image::{Compression, Encoding, Metadata, PictureHeader};

/// How many bytes a chunk of the file holds.
const CHUNK: usize = 1 << 16;

pub(super) struct Stream {
    encoder: StreamWriter<'static, Pieces>,
    encoded: Receiver<Vec<u8>>,
    sixteen_bits: bool,
}

struct Pieces(Sender<Vec<u8>>);

impl Stream {
    pub(super) fn new(
        header: &PictureHeader,
        metadata: &Metadata,
        encoding: &Encoding,
    ) -> Result<Self, png::EncodingError> {
        let (sender, encoded) = channel();
        let size = [header.width, header.height];
        let encoder = encoder(Pieces(sender), size, color_of(header), metadata, encoding)?;
        let mut encoder = encoder.write_header()?;
        crate::image::metadata::png::write(&mut encoder, metadata, color_of(header))?;
        let encoder = encoder.into_stream_writer_with_size(CHUNK)?;
        Ok(Self { encoder, encoded, sixteen_bits: header.has_16_bits() })
    }

    /// What the file goes on with when it has these rows, which are in the machine's byte order.
    pub(super) fn encode(&mut self, rows: &[u8]) -> io::Result<Vec<u8>> {
        if self.sixteen_bits {
            for samples in rows.chunks(CHUNK) {
                let swapped =
                    samples.as_chunks().0.iter().map(|&sample| u16::from_ne_bytes(sample).to_be_bytes());
                self.encoder.write_all(swapped.collect::<Vec<_>>().as_flattened())?;
            }
        } else {
            self.encoder.write_all(rows)?;
        }
        Ok(self.encoded.try_iter().flatten().collect())
    }

    /// What the file ends with.
    pub(super) fn finish(self) -> Result<Vec<u8>, png::EncodingError> {
        self.encoder.finish()?;
        Ok(self.encoded.try_iter().flatten().collect())
    }
}

/// An encoder that knows size and type of the pixels, profile and EXIF, and how hard to press.
pub(in crate::image) fn encoder<'a, W: Write>(
    to: W,
    [width, height]: [u32; 2],
    (color_type, bit_depth): (png::ColorType, BitDepth),
    metadata: &'a Metadata,
    encoding: &Encoding,
) -> Result<Encoder<'a, W>, png::EncodingError> {
    let mut info = Info::with_size(width, height);
    info.icc_profile = metadata.icc_profile.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    (info.color_type, info.bit_depth) = (color_type, bit_depth);
    let mut encoder = Encoder::with_info(to, info)?;
    encoder.set_compression(match encoding.compression {
        Compression::Fast => png::Compression::Fast,
        Compression::Small => png::Compression::Balanced,
    });
    encoder.set_filter(Filter::Adaptive);
    Ok(encoder)
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("sixteen_bits", &self.sixteen_bits).finish_non_exhaustive()
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn color_of(header: &PictureHeader) -> (png::ColorType, BitDepth) {
    let color = match header.color {
        ColorType::L8 | ColorType::L16 => png::ColorType::Grayscale,
        ColorType::La8 | ColorType::La16 => png::ColorType::GrayscaleAlpha,
        ColorType::Rgb8 | ColorType::Rgb16 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    };
    (color, if header.has_16_bits() { BitDepth::Sixteen } else { BitDepth::Eight })
}
