//! The bytes of a strip or tile, unpacked as they are read.

use std::io::{self, BufRead, Cursor, ErrorKind, Read};

use flate2::read::ZlibDecoder;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::fax::Fax;
use super::layout::{Codec, Layout};
use super::refused;
use crate::image::jpeg;
use crate::image::limits::zeros;

pub(super) type Unpacked = Box<dyn Read + Send>;

/// What is in a strip or tile of `rows` rows: samples, row by row. `bytes` are as the file has them.
pub(super) fn unpacked(layout: &Layout, mut bytes: Vec<u8>, rows: u32) -> io::Result<Unpacked> {
    if layout.reversed && !matches!(layout.codec, Codec::Jpeg { .. }) {
        bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
    }
    let width = layout.chunks.width;
    let unpacked: Unpacked = match &layout.codec {
        Codec::None => Box::new(Cursor::new(bytes)),
        Codec::PackBits => Box::new(PackBits { packed: Cursor::new(bytes), run: Run::Over }),
        Codec::Deflate => Box::new(ZlibDecoder::new(Cursor::new(bytes))),
        Codec::Lzw => Box::new(Lzw::new(bytes)),
        Codec::Fax(scheme) => Box::new(Fax::new(bytes, *scheme, width, rows)),
        Codec::Jpeg { tables } => Box::new(Cursor::new(pixels(layout, tables, &bytes, rows)?)),
    };
    Ok(match layout.subsampling() {
        Some([across, down]) => {
            let [across, down] = [across, down].map(|pixels| pixels as usize);
            let width = width as usize;
            Box::new(Subsampled { unpacked, width, across, down, rows: Vec::new(), read: 0 })
        }
        None => unpacked,
    })
}

struct PackBits {
    packed: Cursor<Vec<u8>>,
    run: Run,
}

enum Run {
    Over,
    Literal(usize),
    Repeated(u8, usize),
}

impl Read for PackBits {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.run {
                Run::Over | Run::Literal(0) | Run::Repeated(_, 0) => {
                    let mut head = [0];
                    if self.packed.read(&mut head)? == 0 {
                        return Ok(0);
                    }
                    let head = head[0];
                    self.run = match head {
                        0..=127 => Run::Literal(usize::from(head) + 1),
                        128 => Run::Over,
                        129.. => {
                            let mut value = [0];
                            self.packed.read_exact(&mut value)?;
                            Run::Repeated(value[0], 257 - usize::from(head))
                        }
                    };
                }
                Run::Literal(left) => {
                    let len = left.min(buffer.len());
                    let read = self.packed.read(&mut buffer[..len])?;
                    self.run = Run::Literal(left - read);
                    return Ok(read);
                }
                Run::Repeated(value, left) => {
                    let len = left.min(buffer.len());
                    buffer[..len].fill(value);
                    self.run = Run::Repeated(value, left - len);
                    return Ok(len);
                }
            }
        }
    }
}

struct Lzw {
    decoder: weezl::decode::Decoder,
    packed: Cursor<Vec<u8>>,
}

impl Lzw {
    /// Before TIFF 6 codes were written from the lowest bit on, and grew one code later: a clear code of nine bits
    /// then starts with a byte of 0.
    fn new(bytes: Vec<u8>) -> Self {
        let decoder = if matches!(bytes[..], [0, second, ..] if second & 1 == 1) {
            weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8)
        } else {
            weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
        };
        Self { decoder, packed: Cursor::new(bytes) }
    }
}

impl Read for Lzw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = self.decoder.decode_bytes(self.packed.fill_buf()?, buffer);
            self.packed.consume(result.consumed_in);
            match result.status {
                Ok(weezl::LzwStatus::Ok) if result.consumed_out == 0 && !buffer.is_empty() => {}
                Ok(_) => return Ok(result.consumed_out),
                Err(_) => return Err(refused("the LZW data of a strip or tile is damaged")),
            }
        }
    }
}

/// Decoded without any conversion of colours: what they are, the TIFF says.
fn pixels(layout: &Layout, tables: &[u8], bytes: &[u8], rows: u32) -> io::Result<Vec<u8>> {
    const START: [u8; 2] = [0xff, 0xd8];
    const END: [u8; 2] = [0xff, 0xd9];
    let broken = |error: zune_jpeg::errors::DecodeErrors| {
        refused(format!("the JPEG of a strip or tile is damaged: {}", error.to_string().replace('\n', " ")))
    };
    let shared = tables.strip_suffix(&END).unwrap_or(tables);
    let own = if shared.is_empty() { bytes } else { bytes.strip_prefix(&START).unwrap_or(bytes) };
    let file = [shared, own].concat();
    jpeg::check(&file).map_err(refused)?;
    let options =
        DecoderOptions::default().set_max_width(0xffff).set_max_height(0xffff).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(broken)?;
    let (found, colours) = decoder.info().zip(decoder.input_colorspace()).ok_or(ErrorKind::UnexpectedEof)?;
    let samples = layout.samples_together();
    let [width, height] = [found.width, found.height].map(u32::from);
    let chunks = &layout.chunks;
    let fits = |found: u32, least: u32, most: u32| (least..=most.saturating_add(15)).contains(&found);
    if !fits(width, chunks.width, chunks.width) || !fits(height, rows, chunks.height) {
        let [expected, rows] = [chunks.width, rows];
        return Err(refused(format!(
            "expected a JPEG of {expected}x{rows} in a strip or tile, found {width}x{height}"
        )));
    }
    if colours.num_components() != samples {
        return Err(refused(format!(
            "expected a JPEG of {samples} samples a pixel, found {}",
            colours.num_components()
        )));
    }
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let row_bytes = width as usize * samples;
    let mut pixels = zeros(u64::from(height) * row_bytes as u64)?;
    decoder.decode_into(&mut pixels).map_err(broken)?;
    let wanted = chunks.width as usize * samples;
    if wanted < row_bytes {
        pixels = pixels.chunks_exact(row_bytes).flat_map(|row| row[..wanted].iter().copied()).collect();
    }
    Ok(pixels)
}

/// Blocks of pixels that share one colour, as rows: luma of each, then blue-difference, then red-difference.
struct Subsampled {
    unpacked: Unpacked,
    width: usize,
    across: usize,
    down: usize,
    /// The rows of one row of blocks, and how much of them has been read.
    rows: Vec<u8>,
    read: usize,
}

impl Subsampled {
    fn next(&mut self) -> io::Result<()> {
        let Self { width, across, down, .. } = *self;
        let lumas = across * down;
        let mut blocks = vec![0; width.div_ceil(across) * (lumas + 2)];
        self.unpacked.read_exact(&mut blocks)?;
        self.rows.resize(3 * width * down, 0);
        let blocks = blocks.as_slice();
        for (y, row) in self.rows.chunks_exact_mut(3 * width).enumerate() {
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let block = &blocks[x / across * (lumas + 2)..][..lumas + 2];
                *pixel = [block[y * across + x % across], block[lumas], block[lumas + 1]];
            }
        }
        self.read = 0;
        Ok(())
    }
}

impl Read for Subsampled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.rows.len() {
            self.next()?;
        }
        let read = (&self.rows[self.read..]).read(buffer)?;
        self.read += read;
        Ok(read)
    }
}
