//! A camera's EXIF block: three directories, a maker note that counts from the block's start, and a thumbnail.

pub const SHORT: u16 = 3;
const ASCII: u16 = 2;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

/// Where the directories are. Each has room for its values behind it.
const MAIN: usize = 8;
const CAMERA: usize = 200;
const GPS: usize = 400;
const THUMBNAIL: usize = 500;

/// The block's length without the thumbnail, and the thumbnail.
pub const KEPT: usize = 560;
const PICTURE: &[u8] = b"\xff\xd8 a small picture \xff\xd9";

/// What the maker note says: where it is itself.
pub const MAKER_NOTE: usize = 300;

pub struct Exif {
    bytes: Vec<u8>,
    big_endian: bool,
}

/// A block of a picture of 6x4 pixels at 300 dots an inch, lying as `orientation` says.
pub fn exif(big_endian: bool, orientation: u16) -> Vec<u8> {
    let mut block = Exif { bytes: vec![0; KEPT], big_endian };
    block.bytes[..2].copy_from_slice(if big_endian { b"MM" } else { b"II" });
    block.put(2, 42, 2);
    block.put(4, MAIN as u32, 4);
    block.directory(
        MAIN,
        THUMBNAIL,
        &[
            (0x010f, ASCII, 8, 120),
            (0x0112, SHORT, 1, orientation.into()),
            (0x011a, RATIONAL, 1, 130),
            (0x011b, RATIONAL, 1, 138),
            (0x0128, SHORT, 1, 2),
            (0x8769, LONG, 1, CAMERA as u32),
            (0x8825, LONG, 1, GPS as u32),
        ],
    );
    block.bytes[120..128].copy_from_slice(b"Cameras\0");
    for at in [130, 138] {
        block.put(at, 300, 4);
        block.put(at + 4, 1, 4);
    }
    block.directory(
        CAMERA,
        0,
        &[
            (0x9003, ASCII, 20, 270),
            (0x927c, UNDEFINED, 12, MAKER_NOTE as u32),
            (0xa002, LONG, 1, 6),
            (0xa003, LONG, 1, 4),
        ],
    );
    block.bytes[270..290].copy_from_slice(b"2020:01:02 03:04:05\0");
    block.bytes[300..308].copy_from_slice(b"Maker at");
    block.put(308, MAKER_NOTE as u32, 4);
    block.directory(GPS, 0, &[(1, ASCII, 2, u32::from_be_bytes(*b"N\0\0\0")), (2, RATIONAL, 3, 440)]);
    if !big_endian {
        block.bytes[GPS + 10..][..4].copy_from_slice(b"N\0\0\0");
    }
    for (at, number) in [(440, 10), (448, 20), (456, 30)] {
        block.put(at, number, 4);
        block.put(at + 4, 1, 4);
    }
    block.directory(THUMBNAIL, 0, &[(0x0201, LONG, 1, KEPT as u32), (0x0202, LONG, 1, PICTURE.len() as u32)]);
    block.bytes.extend(PICTURE);
    block.bytes
}

impl Exif {
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), big_endian: bytes.starts_with(b"MM") }
    }

    fn put(&mut self, at: usize, number: u32, len: usize) {
        let mut bytes = number.to_be_bytes()[4 - len..].to_vec();
        if !self.big_endian {
            bytes.reverse();
        }
        self.bytes[at..at + len].copy_from_slice(&bytes);
    }

    fn number(&self, at: usize, len: usize) -> usize {
        let bytes = &self.bytes[at..at + len];
        let digits = bytes.iter().map(|&byte| usize::from(byte));
        let read =
            |digits: &mut dyn Iterator<Item = usize>| digits.fold(0, |number, byte| number << 8 | byte);
        if self.big_endian { read(&mut digits.into_iter()) } else { read(&mut digits.rev()) }
    }

    fn directory(&mut self, at: usize, next: usize, entries: &[(u16, u16, u32, u32)]) {
        self.put(at, entries.len() as u32, 2);
        for (&(tag, kind, count, value), at) in entries.iter().zip((at + 2..).step_by(12)) {
            self.put(at, tag.into(), 2);
            self.put(at + 2, kind.into(), 2);
            self.put(at + 4, count, 4);
            self.put(at + 8, value, if kind == SHORT { 2 } else { 4 });
        }
        self.put(at + 2 + 12 * entries.len(), next as u32, 4);
    }

    /// The bytes of a value of directory 0, or of the one that an entry of it leads to.
    pub fn value(&self, under: Option<u16>, tag: u16) -> Option<Vec<u8>> {
        let main = self.number(4, 4);
        let directory = match under {
            Some(under) => self.number(self.entry(main, under)? + 8, 4),
            None => main,
        };
        let entry = self.entry(directory, tag)?;
        let size = [0, 1, 1, 2, 4, 8, 1, 1][self.number(entry + 2, 2)] * self.number(entry + 4, 4);
        let at = if size <= 4 { entry + 8 } else { self.number(entry + 8, 4) };
        Some(self.bytes[at..at + size].to_vec())
    }

    /// [`Exif::value`] as a number, the upper one of a fraction.
    pub fn number_of(&self, under: Option<u16>, tag: u16) -> Option<usize> {
        let value = Self { bytes: self.value(under, tag)?, big_endian: self.big_endian };
        Some(value.number(0, value.bytes.len().min(4)))
    }

    /// Where the directory of the thumbnail is; 0 for none.
    pub fn next(&self) -> usize {
        let main = self.number(4, 4);
        self.number(main + 2 + 12 * self.number(main, 2), 4)
    }

    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let entries = self.number(directory, 2);
        (0..entries).map(|i| directory + 2 + 12 * i).find(|&entry| self.number(entry, 2) == usize::from(tag))
    }
}
