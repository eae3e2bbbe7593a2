//! The planes of a frame to pixels, and pixels to planes.
//!
//! ```text
//!   Y ─────────────────────────────┐                    ┌───────────────────────────────── Y
//!   Cb, Cr ─► between their sites ─┴─► r g b     r g b ─┴─► weights around their sites ─► Cb, Cr
//! ```
//!
//! Chroma of half the resolution lies between two pixels or on the first of them ([`Siting`]). On the way in it is
//! interpolated linearly to every pixel's place. On the way out it is the mean of the two pixels that it lies between, or a
//! half of the one that it lies on and a quarter of each neighbour. At the edges the last sample stands for what is beyond.
//! All of it is in f32, and rounded once.
//!
//! A frame of 8 bits becomes pixels of 8 bits, one of more pixels of 16. Gray becomes pixels whose three samples are one, and
//! comes back as luma.

use sparsr::{Depth, Pixels, Samples};

use super::colour::{Colour, Sum, nearest};
use super::header::{Chroma, Format, Siting};

/// How frames of one format become pixels, and back.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    format: Format,
    colour: Colour,
}

/// Where a number between others comes from: two places, and the share of the second.
type Between = ([usize; 2], f32);

/// Where a number that stands for several comes from: places and their weights.
type Around = [(usize, f32); 3];

impl Planes {
    pub fn new(format: Format, colour: Colour) -> Self {
        Self { format, colour }
    }

    fn depth(&self) -> Depth {
        if self.format.bits > 8 { Depth::Sixteen } else { Depth::Eight }
    }

    /// The pixels of a frame of `width` columns and `height` rows.
    pub fn to_pixels(self, [width, height]: [usize; 2], frame: &[u8]) -> sparsr::Result<Pixels> {
        let white = self.depth().white();
        let sums = self.colour.to_rgb(white);
        let gray = self.colour.to_ycbcr(1.0)[1].of([0.0; 3]);
        let size @ [chroma_width, chroma_height] = self.format.chroma_size([width, height]);
        let bytes = self.format.bytes();
        let (luma, chroma) = frame.split_at(bytes * width * height);
        let chroma = chroma.split_at(bytes * size[0] * size[1]);

        let columns = between(self.format.chroma, 0, width, chroma_width);
        let rows = between(self.format.chroma, 1, height, chroma_height);
        let mut rgb = match self.depth() {
            Depth::Eight => Samples::U8(Vec::with_capacity(3 * width * height)),
            Depth::Sixteen => Samples::U16(Vec::with_capacity(3 * width * height)),
        };
        let mut above = [vec![0.0; chroma_width], vec![0.0; chroma_width]];
        let (mut y_row, mut c_rows) = (vec![0.0; width], [vec![gray; width], vec![gray; width]]);
        for (y, row) in rows.iter().enumerate() {
            self.read_row(luma, y, &mut y_row);
            if self.format.chroma.is_some() {
                for ((plane, above), c_row) in [chroma.0, chroma.1].iter().zip(&mut above).zip(&mut c_rows) {
                    self.read_between(plane, row, above);
                    for (c, ([first, second], t)) in c_row.iter_mut().zip(&columns) {
                        *c = (1.0 - t) * above[*first] + t * above[*second];
                    }
                }
            }
            let pixels = y_row.iter().zip(&c_rows[0]).zip(&c_rows[1]);
            let pixels = pixels.map(|((y, cb), cr)| sums.map(|sum| nearest(sum.of([*y, *cb, *cr]), white)));
            match &mut rgb {
                Samples::U8(rgb) => pixels.for_each(|pixel| rgb.extend(pixel.map(|sample| sample as u8))),
                Samples::U16(rgb) => pixels.for_each(|pixel| rgb.extend(pixel)),
            }
        }
        Pixels::new(width, height, rgb)
    }

    /// The frame of pixels, added to what is there.
    pub fn to_frame(self, pixels: &Pixels, frame: &mut Vec<u8>) {
        match pixels.samples() {
            Samples::U8(samples) => self.append(pixels, samples, frame),
            Samples::U16(samples) => self.append(pixels, samples, frame),
        }
    }

    fn append<T: Copy + Into<f32>>(self, pixels: &Pixels, samples: &[T], frame: &mut Vec<u8>) {
        let (width, height) = (pixels.width(), pixels.height());
        let [luma, of_cb, of_cr] = self.colour.to_ycbcr(pixels.depth().white());
        frame.reserve(self.format.frame_bytes([width, height]));
        let samples = samples.as_chunks::<3>().0;
        self.write(frame, samples.iter().map(|rgb| luma.of(rgb.map(Into::into))));
        let Some(chroma) = self.format.chroma else { return };
        for sum in [of_cb, of_cr] {
            self.append_chroma(samples, width, (chroma, sum), frame);
        }
    }

    fn append_chroma<T: Copy + Into<f32>>(
        self,
        samples: &[[T; 3]],
        width: usize,
        (chroma, sum): (Chroma, Sum),
        frame: &mut Vec<u8>,
    ) {
        let height = samples.len() / width;
        let [chroma_width, chroma_height] = self.format.chroma_size([width, height]);
        let columns = around(chroma, 0, width, chroma_width);
        let mut row = vec![0.0; width];
        for taps in around(chroma, 1, height, chroma_height) {
            row.fill(0.0);
            for (y, weight) in taps.into_iter().filter(|(_, weight)| *weight > 0.0) {
                for (c, rgb) in row.iter_mut().zip(&samples[y * width..][..width]) {
                    *c += weight * sum.of(rgb.map(Into::into));
                }
            }
            let at = |taps: &Around| taps.iter().map(|(x, weight)| weight * row[*x]).sum();
            self.write(frame, columns.iter().map(at));
        }
    }

    /// Adds the samples nearest to numbers.
    fn write(self, frame: &mut Vec<u8>, numbers: impl Iterator<Item = f32>) {
        let largest = self.colour.largest();
        let samples = numbers.map(|number| nearest(number, largest));
        match self.format.bytes() {
            1 => frame.extend(samples.map(|sample| sample as u8)),
            _ => frame.extend(samples.flat_map(u16::to_le_bytes)),
        }
    }

    /// Row `y` of a plane as long as `row`.
    fn read_row(self, plane: &[u8], y: usize, row: &mut [f32]) {
        let bytes = self.format.bytes();
        let read = &plane[bytes * y * row.len()..][..bytes * row.len()];
        match bytes {
            1 => row.iter_mut().zip(read).for_each(|(number, byte)| *number = f32::from(*byte)),
            _ => {
                let samples = read.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two));
                row.iter_mut().zip(samples).for_each(|(number, sample)| *number = f32::from(sample));
            }
        }
    }

    /// What lies between two rows of a plane.
    fn read_between(self, plane: &[u8], ([first, second], t): &Between, row: &mut [f32]) {
        self.read_row(plane, *first, row);
        if *t > 0.0 {
            let mut below = vec![0.0; row.len()];
            self.read_row(plane, *second, &mut below);
            row.iter_mut().zip(below).for_each(|(number, below)| *number = (1.0 - t) * *number + t * below);
        }
    }
}

/// For each of a side's pixels the two samples of chroma, of so many, that it lies between.
fn between(chroma: Option<Chroma>, axis: usize, side: usize, chromas: usize) -> Vec<Between> {
    let last = chromas.saturating_sub(1);
    let halved = chroma.filter(|chroma| chroma.halved[axis]).map(|chroma| chroma.first[axis]);
    let place = |at: usize| match (halved, at % 2) {
        (None, _) => ([at.min(last); 2], 0.0),
        (Some(Siting::On), 0) => ([at / 2; 2], 0.0),
        (Some(Siting::On), _) => ([at / 2, at / 2 + 1], 0.5),
        (Some(Siting::Between), 0) => ([(at / 2).saturating_sub(1), at / 2], 0.75),
        (Some(Siting::Between), _) => ([at / 2, at / 2 + 1], 0.25),
    };
    (0..side).map(place).map(|(places, t)| (places.map(|place| place.min(last)), t)).collect()
}

/// For each of so many samples of chroma the pixels of a side that it is made of.
fn around(chroma: Chroma, axis: usize, side: usize, chromas: usize) -> Vec<Around> {
    let within = |place: usize| place.min(side - 1);
    let taps = |at: usize| match (chroma.halved[axis], chroma.first[axis]) {
        (false, _) => [(at, 1.0), (at, 0.0), (at, 0.0)],
        (true, Siting::On) => {
            let on = within(2 * at);
            [(on.saturating_sub(1), 0.25), (on, 0.5), (within(on + 1), 0.25)]
        }
        (true, Siting::Between) => [(within(2 * at), 0.5), (within(2 * at + 1), 0.5), (0, 0.0)],
    };
    (0..chromas).map(taps).collect()
}

#[cfg(test)]
mod tests {
    use super::super::colour::{Matrix, Range};
    use super::super::header::Header;
    use super::*;

    const NAMES: [&str; 10] =
        ["420", "420jpeg", "420mpeg2", "420paldv", "420p10", "422", "422p10", "444", "444p10", "mono"];

    fn planes(name: &str) -> Planes {
        let format = Header::parse(format!("YUV4MPEG2 W2 H2 C{name}").as_bytes()).unwrap().format;
        Planes::new(format, Colour { matrix: Matrix::Bt709, range: Range::Limited, bits: format.bits })
    }

    /// The samples of a frame whose rows are given.
    fn rgb(pixels: &Pixels) -> Vec<u32> {
        match pixels.samples() {
            Samples::U8(samples) => samples.iter().map(|sample| u32::from(*sample)).collect(),
            Samples::U16(samples) => samples.iter().map(|sample| u32::from(*sample)).collect(),
        }
    }

    #[test]
    fn a_flat_colour_comes_back_to_the_code_value_in_every_format_and_size() {
        for name in NAMES {
            let planes = planes(name);
            let steps = 1_u16 << (planes.format.bits - 8);
            for [y, cb, cr] in
                [[81, 110, 150], [126, 128, 128], [180, 120, 140], [16, 128, 128], [235, 128, 128]]
            {
                for size @ [width, height] in [[1, 1], [2, 1], [1, 2], [5, 3], [8, 6]] {
                    let [chroma_width, chroma_height] = planes.format.chroma_size(size);
                    // Of 10 bits those that no 8 have, but for black and white.
                    let more = if (17..235).contains(&y) { steps - 1 } else { 0 };
                    let plane = |sample: u16, count: usize| -> Vec<u8> {
                        let sample = sample * steps + more;
                        let bytes = &sample.to_le_bytes()[..planes.format.bytes()];
                        bytes.repeat(count)
                    };
                    let chromas = chroma_width * chroma_height;
                    let frame = [plane(y, width * height), plane(cb, chromas), plane(cr, chromas)].concat();
                    assert_eq!(frame.len(), planes.format.frame_bytes(size));
                    let pixels = planes.to_pixels(size, &frame).unwrap();
                    let mut back = vec![9];
                    planes.to_frame(&pixels, &mut back);
                    assert_eq!(back[1..], frame, "{name} {y} {cb} {cr} {size:?}");
                }
            }
        }
    }

    /// A step of Cr from 128 to 192 between two of its samples, of limited range: red goes up by 1.793 · 64 = 114.7. (Luma 100
    /// has 97.8 of 255.)
    #[test]
    fn chroma_lies_where_its_format_has_it() {
        let (y, cb, low, high) = (100, 128, 128, 192);
        let at = |share: f32| (97.807 + 114.735 * share).round() as u32;
        let reds = |name: &str, size: [usize; 2], chroma: &[u8]| {
            let frame = [vec![y; size[0] * size[1]], vec![cb; chroma.len()], chroma.to_vec()].concat();
            rgb(&planes(name).to_pixels(size, &frame).unwrap()).into_iter().step_by(3).collect::<Vec<_>>()
        };
        let (on, mid) = ([0.0, 0.5, 1.0, 1.0].map(at), [0.0, 0.25, 0.75, 1.0].map(at));
        for (name, columns, rows) in
            [("420jpeg", mid, mid), ("420", mid, mid), ("420mpeg2", on, mid), ("420paldv", on, on)]
        {
            assert_eq!(reds(name, [4, 1], &[low, high]), columns, "{name}");
            assert_eq!(reds(name, [1, 4], &[low, high]), rows, "{name}");
        }
        assert_eq!(reds("422", [4, 1], &[low, high]), on);
        assert_eq!(reds("422", [1, 2], &[low, high]), [0.0, 1.0].map(at));
        assert_eq!(reds("444", [2, 1], &[low, high]), [0.0, 1.0].map(at));
        // Both ways at once: a quarter of the way in each direction.
        assert_eq!(reds("420jpeg", [4, 4], &[low, low, low, high])[5], at(0.0625));
    }

    /// Gray but for one column, or row, of red: Cr is 128 and 192.
    #[test]
    fn chroma_is_made_of_what_lies_around_it() {
        let sums = planes("444").colour.to_rgb(255.0);
        let rgb = |samples: [f32; 3]| sums.map(|sum| nearest(sum.of(samples), 255.0) as u8);
        let (gray, red) = (rgb([100.0, 128.0, 128.0]), rgb([100.0, 128.0, 192.0]));
        let crs = |name: &str, along: [usize; 2], at: usize| {
            let samples = (0..4).flat_map(|pixel| if pixel == at { red } else { gray });
            let pixels = Pixels::new(along[0], along[1], Samples::U8(samples.collect())).unwrap();
            let mut frame = Vec::new();
            planes(name).to_frame(&pixels, &mut frame);
            let chromas = planes(name).format.chroma_size(along);
            frame.split_off(frame.len() - chromas[0] * chromas[1])
        };
        for (name, columns, rows) in [
            ("420jpeg", [[160, 128], [160, 128], [128, 160]], [[160, 128], [160, 128], [128, 160]]),
            ("420mpeg2", [[176, 128], [144, 144], [128, 160]], [[160, 128], [160, 128], [128, 160]]),
            ("420paldv", [[176, 128], [144, 144], [128, 160]], [[176, 128], [144, 144], [128, 160]]),
        ] {
            for at in 0..3 {
                assert_eq!(crs(name, [4, 1], at), columns[at], "{name}, column {at}");
                assert_eq!(crs(name, [1, 4], at), rows[at], "{name}, row {at}");
            }
        }
        assert_eq!(crs("422", [4, 1], 1), [144, 144]);
        assert_eq!(crs("422", [1, 4], 1), [128, 192, 128, 128]);
        assert_eq!(crs("444", [4, 1], 1), [128, 192, 128, 128]);
    }

    #[test]
    fn ten_bits_are_the_lower_ones_of_two_bytes() {
        let planes = planes("444p10");
        let frame = [940_u16, 512, 512].map(u16::to_le_bytes).concat();
        let pixels = planes.to_pixels([1, 1], &frame).unwrap();
        assert_eq!(pixels.samples(), &Samples::U16(vec![65535; 3]));
        let mut back = Vec::new();
        planes.to_frame(&pixels, &mut back);
        assert_eq!(back, [0xac, 0x03, 0x00, 0x02, 0x00, 0x02]);
    }
}
