//! How large a picture may be. Everything here is asked before anything is decoded.
//!
//! Three answers: whether the picture is within the limit, whether the file can hold what it claims (no format packs
//! without bound), and whether there is memory.

use std::cell::Cell;
use std::collections::TryReserveError;
use std::io::{self, ErrorKind};

use image::ImageFormat;

use super::Reading;

/// The most that a picture may take when decoded: about 1.4 gigapixels of 8-bit RGB.
pub(super) const MAX_BYTES: u64 = 4 << 30;

thread_local! {
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread asks for memory of which it can be told that there is none. An allocator that ends the program
/// where memory ends leaves such a question to be answered.
pub fn asks_for_memory() -> bool {
    ASKS.try_with(Cell::get).unwrap_or(false)
}

/// Room for some numbers, or the answer that there is none.
fn room_for<T>(len: u64) -> Result<Vec<T>, TryReserveError> {
    let mut room = Vec::new();
    ASKS.set(true);
    let asked = room.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX));
    ASKS.set(false);
    asked.map(|()| room)
}

/// So many zeros, where the number comes from a file and is not believed.
pub(super) fn zeros<T: Copy + Default>(len: u64) -> io::Result<Vec<T>> {
    let mut zeros = room_for(len).map_err(|_| ErrorKind::OutOfMemory)?;
    zeros.resize(len as usize, T::default());
    Ok(zeros)
}

/// Whether a picture of this size is wanted.
pub(super) fn check_pixels(reading: &Reading, [width, height]: [u32; 2]) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("a picture of {width}x{height} has no pixels"));
    }
    match reading.limit {
        Some(limit) if u64::from(width) * u64::from(height) > limit => {
            Err(format!("expected at most {limit} pixels, found {width}x{height}"))
        }
        _ => Ok(()),
    }
}

/// Whether a picture can be held whole: it is in bounds, and there is memory for it.
pub(super) fn check_held([width, height]: [u32; 2], pixel_bytes: u64) -> Result<(), String> {
    let bytes = (u64::from(width) * u64::from(height)).saturating_mul(pixel_bytes);
    if bytes > MAX_BYTES {
        return Err(format!("{width}x{height} pixels take more than {} GiB", MAX_BYTES >> 30));
    }
    let none = format!("{width}x{height} pixels take {bytes} bytes, and there is no memory for them");
    room_for::<u8>(bytes).map(drop).map_err(|_| none)
}

/// Whether `len` bytes that start with `start` can hold a picture of this size.
pub(super) fn check_claim(
    format: ImageFormat,
    start: &[u8],
    len: u64,
    [width, height]: [u32; 2],
) -> Result<(), String> {
    let most = match format {
        ImageFormat::Png => png_pixels(start, len, width),
        // A block of 64 pixels takes a bit.
        ImageFormat::Jpeg => len.saturating_mul(8 * 64),
        // A code of twelve bits stands for 4096 pixels.
        ImageFormat::Gif => len.saturating_mul(4096 * 8 / 12),
        // A macroblock of 256 pixels takes more than a bit. Without loss, a picture of one colour takes none.
        ImageFormat::WebP if start.get(12..16) == Some(b"VP8 ") => len.saturating_mul(8 * 256),
        // Four bytes skip 255x255 pixels.
        ImageFormat::Bmp => len.saturating_mul(255 * 255 / 4),
        ImageFormat::Pnm => len.saturating_mul(8),
        // Runs: 128 pixels in two bytes, 62 in one.
        ImageFormat::Tga | ImageFormat::Qoi => len.saturating_mul(64),
        _ => return Ok(()),
    };
    if u64::from(width) * u64::from(height) > most {
        return Err(format!("{width}x{height} pixels cannot be in a file of {len} bytes"));
    }
    Ok(())
}

/// Rows of at least a filter byte and the pixels' bits, packed 1032 to 1.
fn png_pixels(start: &[u8], len: u64, width: u32) -> u64 {
    let Some(&[depth, colour]) = start.get(24..).and_then(|rest| rest.first_chunk()) else { return u64::MAX };
    let channels = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row_bytes = 1 + (u64::from(width) * channels * u64::from(depth)).div_ceil(8);
    (len.saturating_mul(1032) / row_bytes).saturating_mul(width.into())
}
