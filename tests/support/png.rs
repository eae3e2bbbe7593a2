//! PNG files that the encoder at hand does not write: chunk by chunk, interlaced, without compression.

/// A file of 8-bit gray whose header claims `width` and `height`, and whose rows are `rows`.
pub fn gray(width: u32, height: u32, interlaced: bool, rows: &[u8]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = [&size[..], &[8, 0, 0, 0, interlaced.into()]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", &zlib(rows)), chunk(b"IEND", &[])];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()
}

/// A picture in Adam7's seven passes.
pub fn interlaced(width: u32, height: u32) -> Vec<u8> {
    let passes =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let mut rows = Vec::new();
    for (left, top, across, down) in passes {
        for y in (top..height).step_by(down) {
            let unfiltered = 0;
            rows.push(unfiltered);
            rows.extend((left..width).step_by(across).map(|x| (x * 31 + y * 67) as u8));
        }
    }
    gray(width, height, true, &rows)
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    [&(data.len() as u32).to_be_bytes(), &named[..], &crc32(&named).to_be_bytes()].concat()
}

/// One stored block.
fn zlib(data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    let (mut a, mut b) = (1, 0);
    for &byte in data {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    let (len, complement) = (len.to_le_bytes(), (!len).to_le_bytes());
    [&[0x78, 1, 1], &len[..], &complement, data, &(b << 16 | a).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
