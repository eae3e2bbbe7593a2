//! The rows of a PNG, decoded one by one with the transformations that the `image` crate asks for: palettes, bits
//! and transparent colours expanded, 16 bits kept.

use std::fs::File;
use std::io::BufReader;

use image::error::DecodingError;
use image::{ImageError, ImageFormat, ImageResult};
use png::{Decoder, Limits, Reader, Transformations};

use super::{MAX_PIECE, Rows};
use crate::image::header::PictureHeader;

struct PngRows {
    reader: Reader<BufReader<File>>,
    sixteen_bits: bool,
}

/// Nothing if the picture is interlaced, so that its first row is known only at the end, or animated.
pub(super) fn open(file: File, header: &PictureHeader) -> ImageResult<Option<Box<dyn Rows>>> {
    let limits = Limits { bytes: MAX_PIECE as usize };
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(png_error)?;

    let info = reader.info();
    let one_frame = info.animation_control.is_none() && info.frame_control.is_none();
    let row_bytes = reader.output_line_size(info.width).map(|bytes| bytes as u64);
    if info.interlaced || !one_frame || row_bytes != Some(header.row_bytes()) {
        return Ok(None);
    }
    let sixteen_bits = header.has_16_bits();
    Ok(Some(Box::new(PngRows { reader, sixteen_bits })))
}

impl Rows for PngRows {
    fn next(&mut self, row: &mut [u8]) -> ImageResult<()> {
        self.reader.read_row(row).map_err(png_error)?;
        if self.sixteen_bits {
            for sample in row.as_chunks_mut().0 {
                *sample = u16::from_be_bytes(*sample).to_ne_bytes();
            }
        }
        Ok(())
    }

    fn end(&mut self) -> ImageResult<()> {
        self.reader.next_row().map(drop).map_err(png_error)
    }
}

fn png_error(error: png::DecodingError) -> ImageError {
    match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        other => ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), other)),
    }
}
