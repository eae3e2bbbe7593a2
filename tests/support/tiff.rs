//! TIFF files of layouts that no encoder at hand writes: tiles, either byte order, planes, BigTIFF.

/// How the pixels are divided: rows of a strip, or size of a tile.
#[derive(Clone, Copy, Debug)]
pub enum Grid {
    Strips(u32),
    Tiles(u32, u32),
}

/// A file of 65x33 pixels.
#[derive(Clone, Debug)]
pub struct TiffFile {
    pub grid: Grid,
    pub big_endian: bool,
    /// BigTIFF.
    pub wide: bool,
    pub channels: u16,
    pub bits: u16,
    /// 0: gray, 0 is white; 1: gray, 0 is black; 2: RGB; 5: CMYK.
    pub photometric: u16,
    /// 1: channels side by side; 2: a plane each.
    pub planes: u16,
    pub orientation: u16,
}

const WIDTH: u32 = 65;
const HEIGHT: u32 = 33;

impl Default for TiffFile {
    fn default() -> Self {
        let grid = Grid::Strips(4);
        Self {
            grid,
            big_endian: false,
            wide: false,
            channels: 3,
            bits: 8,
            photometric: 9,
            planes: 1,
            orientation: 1,
        }
    }
}

impl TiffFile {
    pub fn bytes(&self) -> Vec<u8> {
        let chunks = self.chunks();
        let start = self.directory(&vec![0; chunks.len()], &vec![0; chunks.len()]).len() as u64;
        let sizes: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        let offsets: Vec<u64> = (0..chunks.len()).map(|i| start + sizes[..i].iter().sum::<u64>()).collect();
        [self.directory(&offsets, &sizes), chunks.concat()].concat()
    }

    /// The first `channels` channels, row by row in the machine's byte order.
    pub fn pixels(&self, channels: u16) -> Vec<u8> {
        let native = Self { big_endian: cfg!(target_endian = "big"), ..self.clone() };
        let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let samples = places.flat_map(|(x, y)| (0..channels).map(move |c| (x, y, c)));
        samples.flat_map(|(x, y, c)| native.sample(x, y, c)).collect()
    }

    /// The samples, strip by strip or tile by tile, plane by plane.
    fn chunks(&self) -> Vec<Vec<u8>> {
        let (width, height) = match self.grid {
            Grid::Strips(rows) => (WIDTH, rows.min(HEIGHT)),
            Grid::Tiles(width, height) => (width, height),
        };
        let together = if self.planes == 1 { self.channels } else { 1 };
        let mut chunks = Vec::new();
        for channel in (0..self.channels).step_by(together.into()) {
            let channels = channel..channel + together;
            for top in (0..HEIGHT).step_by(height as usize) {
                for left in (0..WIDTH).step_by(width as usize) {
                    let mut chunk = Vec::new();
                    let padded = matches!(self.grid, Grid::Tiles(..));
                    for y in top..if padded { top + height } else { HEIGHT.min(top + height) } {
                        for x in left..left + width {
                            channels.clone().for_each(|c| chunk.extend(self.sample(x, y, c)));
                        }
                    }
                    chunks.push(chunk);
                }
            }
        }
        chunks
    }

    fn sample(&self, x: u32, y: u32, channel: u16) -> Vec<u8> {
        let value = (x * 977 + y * 3571 + u32::from(channel) * 20_011) as u16;
        if self.bits == 8 { vec![(value >> 3) as u8] } else { self.number(2, value.into()) }
    }

    fn directory(&self, offsets: &[u64], sizes: &[u64]) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG8: u16 = 16;
        let (long, room) = if self.wide { (LONG8, 8) } else { (4, 4) };
        let gray = self.channels == 1;
        let photometric = if self.photometric == 9 { if gray { 1 } else { 2 } } else { self.photometric };
        let colours = match photometric {
            0 | 1 => 1,
            2 => 3,
            _ => 4,
        };
        let mut entries: Vec<(u16, u16, Vec<u64>)> = vec![
            (256, long, vec![WIDTH.into()]),
            (257, long, vec![HEIGHT.into()]),
            (258, SHORT, vec![self.bits.into(); self.channels.into()]),
            (259, SHORT, vec![1]),
            (262, SHORT, vec![photometric.into()]),
            (274, SHORT, vec![self.orientation.into()]),
            (277, SHORT, vec![self.channels.into()]),
            (284, SHORT, vec![self.planes.into()]),
        ];
        if self.channels > colours {
            entries.push((338, SHORT, vec![2; usize::from(self.channels - colours)]));
        }
        match self.grid {
            Grid::Strips(rows) => entries.extend([
                (273, long, offsets.to_vec()),
                (278, long, vec![rows.into()]),
                (279, long, sizes.to_vec()),
            ]),
            Grid::Tiles(width, height) => entries.extend([
                (322, long, vec![width.into()]),
                (323, long, vec![height.into()]),
                (324, long, offsets.to_vec()),
                (325, long, sizes.to_vec()),
            ]),
        }
        entries.sort();
        self.laid_out(&entries, room)
    }

    fn laid_out(&self, entries: &[(u16, u16, Vec<u64>)], room: usize) -> Vec<u8> {
        let mut bytes = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        let kind: &[u64] = if self.wide { &[43, 8, 0] } else { &[42] };
        kind.iter().for_each(|&value| bytes.extend(self.number(2, value)));
        bytes.extend(self.number(room, 2 * bytes.len() as u64));
        let (count_bytes, entry_bytes) = if self.wide { (8, 20) } else { (2, 12) };
        bytes.extend(self.number(count_bytes, entries.len() as u64));
        let behind = bytes.len() + entries.len() * entry_bytes + room;
        let mut values = Vec::new();
        for (tag, kind, numbers) in entries {
            let size = match kind {
                3 => 2,
                4 => 4,
                _ => 8,
            };
            let mut value: Vec<u8> = numbers.iter().flat_map(|&number| self.number(size, number)).collect();
            bytes.extend([self.number(2, (*tag).into()), self.number(2, (*kind).into())].concat());
            bytes.extend(self.number(room, numbers.len() as u64));
            if value.len() > room {
                bytes.extend(self.number(room, (behind + values.len()) as u64));
                values.extend(value);
            } else {
                value.resize(room, 0);
                bytes.extend(value);
            }
        }
        bytes.extend(self.number(room, 0));
        bytes.extend(values);
        bytes
    }

    /// The number in so many bytes.
    fn number(&self, bytes: usize, value: u64) -> Vec<u8> {
        if self.big_endian {
            value.to_be_bytes()[8 - bytes..].into()
        } else {
            value.to_le_bytes()[..bytes].into()
        }
    }
}
