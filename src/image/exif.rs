//! The two notes in an EXIF block that enlarging makes untrue: orientation and size.
//!
//! EXIF is a TIFF without pixels: a header (`II` or `MM`, 42, the offset of directory 0), and directories of
//! 12-byte entries `tag, type, count, value`. Only values that stand in their entry are changed, so nothing
//! moves. A block that does not follow the rules is left as it is.

const EXIF_DIRECTORY: u16 = 0x8769;
/// `ImageWidth`, `PixelXDimension`; `ImageLength`, `PixelYDimension`.
const WIDTHS: [u16; 2] = [0x0100, 0xa002];
const HEIGHTS: [u16; 2] = [0x0101, 0xa003];

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// The block with the size of the enlarged picture where it names one.
pub(super) fn with_size(exif: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut block = Block { bytes: exif.to_vec(), little_endian: exif.starts_with(b"II") };
    let main = block.u32(4).map(|at| at as usize);
    let camera = main.and_then(|at| block.entry(at, EXIF_DIRECTORY)).and_then(|entry| block.u32(entry + 8));
    for directory in [main, camera.map(|at| at as usize)].into_iter().flatten() {
        for (tags, size) in [(WIDTHS, width), (HEIGHTS, height)] {
            for tag in tags {
                if let Some(entry) = block.entry(directory, tag) {
                    block.set_number(entry, size);
                }
            }
        }
    }
    block.bytes
}

struct Block {
    bytes: Vec<u8>,
    little_endian: bool,
}

impl Block {
    /// Where the entry `tag` of the directory at `directory` starts.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let entries = usize::from(self.u16(directory)?);
        (0..entries).map(|i| directory + 2 + 12 * i).find(|&entry| self.u16(entry) == Some(tag))
    }

    /// Sets a single number of 16 or 32 bits; one that has no room becomes 32 bits wide.
    fn set_number(&mut self, entry: usize, number: u32) {
        let (kind, count) = (self.u16(entry + 2), self.u32(entry + 4));
        if !matches!(kind, Some(SHORT | LONG)) || count != Some(1) || self.u32(entry + 8).is_none() {
            return;
        }
        self.put(entry + 2, LONG.to_be_bytes());
        self.put(entry + 8, number.to_be_bytes());
    }

    /// Writes big-endian bytes in the block's own order.
    fn put<const N: usize>(&mut self, at: usize, mut bytes: [u8; N]) {
        if self.little_endian {
            bytes.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&bytes);
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directory 0 with a width of 16 bits and the camera's directory, which holds a height of 32 bits.
    fn block(little_endian: bool) -> Vec<u8> {
        let mut block = Block { bytes: vec![0; 60], little_endian };
        block.bytes[..2].copy_from_slice(if little_endian { b"II" } else { b"MM" });
        block.put(2, 42_u16.to_be_bytes());
        block.put(4, 8_u32.to_be_bytes());
        for (directory, entries) in [(8, 2_u16), (40, 1)] {
            block.put(directory, entries.to_be_bytes());
        }
        let entries = [(10, 0x0100_u16, SHORT, 1_u32), (22, EXIF_DIRECTORY, LONG, 40), (42, 0xa003, LONG, 3)];
        for (entry, tag, kind, value) in entries {
            block.put(entry, tag.to_be_bytes());
            block.put(entry + 2, kind.to_be_bytes());
            block.put(entry + 4, 1_u32.to_be_bytes());
            block.put(entry + 8, value.to_be_bytes());
        }
        block.bytes
    }

    #[test]
    fn sizes_are_set_in_both_directories() {
        for little_endian in [false, true] {
            let bytes = with_size(&block(little_endian), 70_000, 12);
            let block = Block { bytes, little_endian };
            assert_eq!(block.u16(12), Some(LONG));
            assert_eq!((block.u32(18), block.u32(50)), (Some(70_000), Some(12)));
            assert_eq!(block.u32(30), Some(40), "the directory's offset is not a size");
        }
    }

    #[test]
    fn a_broken_block_is_left_alone() {
        let whole = block(true);
        for len in [0, 1, 5, 9, 15, 21, 33, 45, 53] {
            with_size(&whole[..len], 1, 1);
        }
        assert_eq!(with_size(b"not exif at all", 2, 2), b"not exif at all");
    }
}
