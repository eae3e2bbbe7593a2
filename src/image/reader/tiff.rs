//! The rows of a TIFF, decoded a row of chunks at a time: one strip, or the tiles that lie side by side.

use std::fs::File;
use std::io::BufReader;

use image::error::DecodingError;
use image::{ImageError, ImageFormat, ImageResult};
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{CompressionMethod, PlanarConfiguration, Tag};
use tiff::{ColorType, TiffError};

use super::{MAX_PIECE, Rows};
use crate::image::header::PictureHeader;

struct TiffRows {
    decoder: Decoder<BufReader<File>>,
    /// Bytes of a row of the picture, and of one that a chunk holds.
    row_bytes: usize,
    chunk_row_bytes: usize,
    chunk_rows: u32,
    next_chunk: u32,
    /// Rows of the picture that have not been decoded.
    below: u32,
    /// The row of chunks that is being read, and how many bytes of it have been.
    rows: Vec<u8>,
    read: usize,
}

/// Nothing if the pixels are not plain gray or RGB samples side by side, or one row of chunks is too large.
pub(super) fn open(file: File, header: &PictureHeader) -> ImageResult<Option<Box<dyn Rows>>> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_PIECE as usize;
    limits.intermediate_buffer_size = MAX_PIECE as usize;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(tiff_error)?.with_limits(limits);
    if !is_plain(&mut decoder).map_err(tiff_error)? {
        return Ok(None);
    }
    let (chunk_width, chunk_rows) = decoder.chunk_dimensions();
    let chunk_rows = chunk_rows.min(header.height);
    let pixel_bytes = u64::from(header.color.bytes_per_pixel());
    let padded_width = u64::from(header.width).next_multiple_of(u64::from(chunk_width));
    if padded_width.saturating_mul(pixel_bytes).saturating_mul(u64::from(chunk_rows)) > MAX_PIECE {
        return Ok(None);
    }
    Ok(Some(Box::new(TiffRows {
        decoder,
        row_bytes: header.row_bytes() as usize,
        chunk_row_bytes: (u64::from(chunk_width) * pixel_bytes) as usize,
        chunk_rows,
        next_chunk: 0,
        below: header.height,
        rows: Vec::new(),
        read: 0,
    })))
}

fn is_plain(decoder: &mut Decoder<BufReader<File>>) -> Result<bool, TiffError> {
    use CompressionMethod::{Deflate, LZW, None, OldDeflate, PackBits};
    let color = decoder.colortype()?;
    let planes = decoder.find_tag_unsigned(Tag::PlanarConfiguration)?.map(PlanarConfiguration::from_u16);
    let compression =
        decoder.find_tag_unsigned(Tag::Compression)?.map(CompressionMethod::from_u16_exhaustive);
    Ok(matches!(color, ColorType::Gray(8 | 16) | ColorType::RGB(8 | 16) | ColorType::RGBA(8 | 16))
        && matches!(planes, Option::None | Some(Some(PlanarConfiguration::Chunky)))
        && matches!(compression.unwrap_or(None), None | LZW | Deflate | OldDeflate | PackBits))
}

impl Rows for TiffRows {
    fn next(&mut self, row: &mut [u8]) -> ImageResult<()> {
        if self.read == self.rows.len() {
            self.decode_chunks()?;
        }
        row.copy_from_slice(&self.rows[self.read..][..self.row_bytes]);
        self.read += self.row_bytes;
        Ok(())
    }
}

impl TiffRows {
    fn decode_chunks(&mut self) -> ImageResult<()> {
        let rows = self.chunk_rows.min(self.below);
        self.below -= rows;
        self.read = 0;
        self.rows.resize(rows as usize * self.row_bytes, 0);
        for x in (0..self.row_bytes).step_by(self.chunk_row_bytes) {
            let x = x..self.row_bytes.min(x + self.chunk_row_bytes);
            let mut chunk = self.decoder.read_chunk(self.next_chunk).map_err(tiff_error)?;
            self.next_chunk += 1;
            let chunk = chunk.as_buffer(0);
            if chunk.as_bytes().len() != rows as usize * x.len() {
                return Err(decoding("a strip or tile has another size than the directory says"));
            }
            let parts = chunk.as_bytes().chunks_exact(x.len());
            for (row, part) in self.rows.chunks_exact_mut(self.row_bytes).zip(parts) {
                row[x.clone()].copy_from_slice(part);
            }
        }
        Ok(())
    }
}

fn tiff_error(error: TiffError) -> ImageError {
    match error {
        TiffError::IoError(error) => ImageError::IoError(error),
        other => decoding(other),
    }
}

fn decoding(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::Decoding(DecodingError::new(ImageFormat::Tiff.into(), reason))
}
