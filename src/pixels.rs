//! Pictures as they travel to a device and back: interleaved RGB, 8 or 16 bits a sample.
//!
//! A value of `range` in a tensor is white. Between tensor and picture:
//!
//! ```text
//!   tensor = sample · range / white        sample = round(clamp(tensor · white / range, 0, white))
//! ```
//!
//! with halves rounded to the even neighbour and `white` 255 or 65535. A number that is not finite never
//! becomes a picture: it is an error that says where it stood.

mod edge;

use std::ops::Range;

pub use edge::Edge;

use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};

/// Red, green, blue.
const CHANNELS: usize = 3;

/// An RGB picture of at least one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    width: usize,
    height: usize,
    samples: Samples,
}

/// The samples of a picture, `r g b r g b …` in raster order.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8 bits each; white is 255.
    U8(Vec<u8>),
    /// 16 bits each; white is 65535.
    U16(Vec<u16>),
}

impl Samples {
    /// How many there are.
    fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }
}

/// The bits of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits.
    Eight,
    /// 16 bits.
    Sixteen,
}

impl Depth {
    /// The largest sample: 255 or 65535.
    pub fn white(self) -> f32 {
        match self {
            Self::Eight => 255.0,
            Self::Sixteen => 65535.0,
        }
    }

    /// Words of [`Pixels::to_words`] that one pixel takes.
    pub fn words(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
        }
    }
}

impl Pixels {
    /// A picture from its samples.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no pixel, or there are not three samples a pixel.
    pub fn new(width: usize, height: usize, samples: Samples) -> Result<Self> {
        check_size(width, height)?;
        let (expected, found) =
            (width.checked_mul(height).and_then(|n| n.checked_mul(CHANNELS)), samples.len());
        if expected != Some(found) {
            let expected = format!("three samples for each of {width}x{height} pixels");
            return Err(Error::shape("picture", format!("expected {expected}, found {found} samples")));
        }
        Ok(Self { width, height, samples })
    }

    /// [`Pixels::new`] of as many samples as the size says, by construction.
    pub(crate) fn of(width: usize, height: usize, samples: Samples) -> Self {
        assert!(width > 0 && height > 0, "a picture has at least one pixel, not {width}x{height}");
        let len = samples.len();
        assert_eq!(len, CHANNELS * width * height, "a {width}x{height} picture has three samples a pixel");
        Self { width, height, samples }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The samples, `r g b r g b …` in raster order.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The bits of one sample.
    pub fn depth(&self) -> Depth {
        match self.samples {
            Samples::U8(_) => Depth::Eight,
            Samples::U16(_) => Depth::Sixteen,
        }
    }

    /// The picture as activations: 1×3×H×W in `0 ..= range`.
    pub fn to_tensor(&self, range: f32) -> Tensor {
        let shape = Shape::new(1, CHANNELS, self.height, self.width);
        let white = self.depth().white();
        match &self.samples {
            Samples::U8(samples) => planes(shape, samples, |sample| f32::from(sample) * range / white),
            Samples::U16(samples) => planes(shape, samples, |sample| f32::from(sample) * range / white),
        }
    }

    /// The picture of 1×3×H×W activations in `0 ..= range`; what lies outside is clamped.
    ///
    /// # Errors
    /// [`Error::Device`] if a number is NaN or infinite: whatever made it cannot be trusted. [`Error::Shape`] if the tensor
    /// is not one picture of three channels and at least one pixel, or the range not a number above 0.
    pub fn from_tensor(tensor: &Tensor, range: f32, depth: Depth) -> Result<Self> {
        let shape = tensor.shape();
        if (shape.batch, shape.channels) != (1, CHANNELS) {
            return Err(Error::shape("picture", format!("expected 1x3xHxW, found {shape}")));
        }
        check_size(shape.width, shape.height)?;
        if !(range.is_finite() && range > 0.0) {
            let reason = format!("expected a finite number above 0 for white, found {range}");
            return Err(Error::shape("picture", reason));
        }
        if let Some(index) = tensor.values().iter().position(|value| !value.is_finite()) {
            return Err(not_finite(shape, index, tensor.values()[index]));
        }
        let white = depth.white();
        let gain = white / range;
        let sample = |value: f32| (value * gain).round_ties_even().clamp(0.0, white);
        let samples = match depth {
            Depth::Eight => Samples::U8(interleaved(tensor, |value| sample(value) as u8)),
            Depth::Sixteen => Samples::U16(interleaved(tensor, |value| sample(value) as u16)),
        };
        Ok(Self::of(shape.width, shape.height, samples))
    }

    /// A black picture of at least one pixel.
    pub(crate) fn black(width: usize, height: usize, depth: Depth) -> Self {
        let len = CHANNELS * width * height;
        let samples = match depth {
            Depth::Eight => Samples::U8(vec![0; len]),
            Depth::Sixteen => Samples::U16(vec![0; len]),
        };
        Self::of(width, height, samples)
    }

    /// Some columns and rows; past the right and bottom edge the last column and row are repeated.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are none.
    pub fn part(&self, x: Range<usize>, y: Range<usize>) -> Result<Self> {
        check_size(x.len(), y.len())?;
        Ok(self.part_with(Edge::Repeated, x, y))
    }

    /// Some columns and rows, at least one of each, those past the right and bottom edge by `edge`.
    #[must_use]
    pub(crate) fn part_with(&self, edge: Edge, x: Range<usize>, y: Range<usize>) -> Self {
        let [columns, rows] = [(x, self.width), (y, self.height)]
            .map(|(range, length)| range.map(|at| edge.place(at as isize, length)).collect::<Vec<usize>>());
        self.picked(&columns, &rows)
    }

    /// The picture with `before` columns and rows at its left and top, and as many behind it as make it `size`, by `edge`.
    #[must_use]
    pub(crate) fn surrounded(&self, edge: Edge, before: usize, size: [usize; 2]) -> Self {
        let place = |at: usize, length| edge.place(at as isize - before as isize, length);
        let columns: Vec<usize> = (0..size[0]).map(|at| place(at, self.width)).collect();
        let rows: Vec<usize> = (0..size[1]).map(|at| place(at, self.height)).collect();
        self.picked(&columns, &rows)
    }

    /// These columns of these rows, at least one of each.
    #[must_use]
    pub(crate) fn picked(&self, columns: &[usize], rows: &[usize]) -> Self {
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(picked(samples, self.width, columns, rows)),
            Samples::U16(samples) => Samples::U16(picked(samples, self.width, columns, rows)),
        };
        Self::of(columns.len(), rows.len(), samples)
    }

    /// Overwrites the pixels from (`x`, `y`) on with those of `other`, as far as there are such.
    ///
    /// # Panics
    /// If the depths differ.
    pub(crate) fn paste(&mut self, x: usize, y: usize, other: &Self) {
        let (sizes, at) = ([[self.width, self.height], [other.width, other.height]], [x, y]);
        match (&mut self.samples, &other.samples) {
            (Samples::U8(to), Samples::U8(from)) => paste(to, from, sizes, at),
            (Samples::U16(to), Samples::U16(from)) => paste(to, from, sizes, at),
            _ => panic!("pictures of one depth"),
        }
    }

    /// Puts `other` at (x, y), as far as there are pixels: each by the share of its column and row, 0 … 1, over what is there.
    ///
    /// # Panics
    /// If the depths differ.
    pub(crate) fn blend(&mut self, at: [isize; 2], other: &Self, shares: [&[f32]; 2]) {
        let sizes = [[self.width, self.height], [other.width, other.height]];
        match (&mut self.samples, &other.samples) {
            (Samples::U8(to), Samples::U8(from)) => blend(to, from, sizes, at, shares, |value| value as u8),
            (Samples::U16(to), Samples::U16(from)) => {
                blend(to, from, sizes, at, shares, |value| value as u16)
            }
            _ => panic!("pictures of one depth"),
        }
    }

    /// Takes the rows of `below` at its bottom.
    ///
    /// # Panics
    /// If widths or depths differ.
    pub(crate) fn append(&mut self, below: Self) {
        assert_eq!(self.width, below.width, "rows of one length");
        self.height += below.height;
        match (&mut self.samples, below.samples) {
            (Samples::U8(to), Samples::U8(from)) => to.extend(from),
            (Samples::U16(to), Samples::U16(from)) => to.extend(from),
            _ => panic!("rows of one depth"),
        }
    }

    /// Drops the first `rows` rows.
    ///
    /// # Panics
    /// If none would be left.
    pub(crate) fn drop_top(&mut self, rows: usize) {
        assert!(rows < self.height, "a picture has at least one row");
        self.height -= rows;
        match &mut self.samples {
            Samples::U8(samples) => drop(samples.drain(..CHANNELS * self.width * rows)),
            Samples::U16(samples) => drop(samples.drain(..CHANNELS * self.width * rows)),
        }
    }

    /// The form in which a device reads and writes pictures, in raster order: 8-bit pixels are one word
    /// `r | g << 8 | b << 16`, 16-bit pixels two, `r | g << 16` and `b`.
    pub fn to_words(&self) -> Vec<u32> {
        match &self.samples {
            Samples::U8(samples) => {
                samples.as_chunks().0.iter().map(|&[r, g, b]| u32::from_le_bytes([r, g, b, 0])).collect()
            }
            Samples::U16(samples) => samples
                .as_chunks()
                .0
                .iter()
                .flat_map(|&[r, g, b]| [u32::from(r) | u32::from(g) << 16, u32::from(b)])
                .collect(),
        }
    }

    /// The inverse of [`Pixels::to_words`].
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many words as the size and the depth say, or there is no pixel.
    pub fn from_words(width: usize, height: usize, depth: Depth, words: &[u32]) -> Result<Self> {
        check_size(width, height)?;
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(depth.words()));
        if expected != Some(words.len()) {
            let expected = format!("{} words for each of {width}x{height} pixels", depth.words());
            return Err(Error::shape("picture", format!("expected {expected}, found {} words", words.len())));
        }
        let samples = match depth {
            Depth::Eight => Samples::U8(
                words
                    .iter()
                    .flat_map(|word| {
                        let [r, g, b, _] = word.to_le_bytes();
                        [r, g, b]
                    })
                    .collect(),
            ),
            Depth::Sixteen => Samples::U16(
                words
                    .as_chunks()
                    .0
                    .iter()
                    .flat_map(|&[red_green, blue]| [red_green as u16, (red_green >> 16) as u16, blue as u16])
                    .collect(),
            ),
        };
        Ok(Self::of(width, height, samples))
    }
}

fn check_size(width: usize, height: usize) -> Result<()> {
    if width > 0 && height > 0 {
        return Ok(());
    }
    Err(Error::shape("picture", format!("expected at least one pixel, found {width}x{height}")))
}

/// The gray of a colour, rounded; there are no halves.
pub(crate) fn mean(rgb: [u16; 3]) -> u16 {
    let sum: u32 = rgb.map(u32::from).iter().sum();
    ((sum + 1) / 3) as u16
}

/// Interleaved samples, plane by plane.
fn planes<T: Copy>(shape: Shape, samples: &[T], value: impl Fn(T) -> f32) -> Tensor {
    let plane = |c: usize| samples.iter().skip(c).step_by(CHANNELS).map(|&sample| value(sample));
    Tensor::new(shape, (0..CHANNELS).flat_map(plane).collect())
}

/// Planes, interleaved.
fn interleaved<T>(tensor: &Tensor, sample: impl Fn(f32) -> T) -> Vec<T> {
    let [r, g, b] = [0, 1, 2].map(|c| tensor.plane(0, c));
    r.iter().zip(g).zip(b).flat_map(|((&r, &g), &b)| [sample(r), sample(g), sample(b)]).collect()
}

/// These columns of these rows of a picture so wide.
fn picked<T: Copy>(samples: &[T], width: usize, columns: &[usize], rows: &[usize]) -> Vec<T> {
    let mut picked = Vec::with_capacity(CHANNELS * columns.len() * rows.len());
    for y in rows {
        let row = samples[y * CHANNELS * width..][..CHANNELS * width].as_chunks::<CHANNELS>().0;
        columns.iter().for_each(|x| picked.extend_from_slice(&row[*x]));
    }
    picked
}

/// Copies rows; sizes are `[width, height]` of `to` and `from`.
fn paste<T: Copy>(to: &mut [T], from: &[T], [size, other]: [[usize; 2]; 2], [x, y]: [usize; 2]) {
    let length = CHANNELS * other[0].min(size[0].saturating_sub(x));
    let rows = from.chunks_exact(CHANNELS * other[0]).take(size[1].saturating_sub(y));
    for (row, y) in rows.zip(y..) {
        to[CHANNELS * (y * size[0] + x)..][..length].copy_from_slice(&row[..length]);
    }
}

fn blend<T: Copy + Into<f32>>(
    to: &mut [T],
    from: &[T],
    [size, other]: [[usize; 2]; 2],
    at: [isize; 2],
    [columns, rows]: [&[f32]; 2],
    sample: impl Fn(f32) -> T,
) {
    let placed =
        |axis: usize, from: usize| (at[axis] + from as isize).try_into().ok().filter(|to| *to < size[axis]);
    for (y, down) in rows.iter().enumerate() {
        let Some(to_y): Option<usize> = placed(1, y) else { continue };
        for (x, across) in columns.iter().enumerate() {
            let Some(to_x): Option<usize> = placed(0, x) else { continue };
            let (share, to_pixel, from_pixel) = (across * down, to_y * size[0] + to_x, y * other[0] + x);
            for channel in 0..CHANNELS {
                let (to, from) =
                    (&mut to[CHANNELS * to_pixel + channel], from[CHANNELS * from_pixel + channel]);
                let (old, new): (f32, f32) = ((*to).into(), from.into());
                *to = sample((old + share * (new - old)).round());
            }
        }
    }
}

fn not_finite(shape: Shape, index: usize, value: f32) -> Error {
    let (channel, pixel) = (index / shape.pixels(), index % shape.pixels());
    let (x, y) = (pixel % shape.width, pixel / shape.width);
    let name = ["red", "green", "blue"][channel];
    Error::Device(format!("the network's output is not a picture: {name} at x {x}, y {y} is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3×2 picture with a different number in every sample.
    fn numbered(depth: Depth) -> Pixels {
        let samples = match depth {
            Depth::Eight => Samples::U8((0..18).map(|i| i * 15).collect()),
            Depth::Sixteen => Samples::U16((0..18).map(|i| i * 3855 + 7 * (i & 1)).collect()),
        };
        Pixels::of(3, 2, samples)
    }

    #[test]
    fn words_and_tensors_give_the_picture_back() {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let pixels = numbered(depth);
            assert_eq!(Pixels::from_words(3, 2, depth, &pixels.to_words()).unwrap(), pixels);
            for range in [1.0, 255.0] {
                let tensor = pixels.to_tensor(range);
                assert_eq!(Pixels::from_tensor(&tensor, range, depth).unwrap(), pixels, "{depth:?} {range}");
            }
        }
    }

    #[test]
    fn words_hold_red_lowest() {
        let eight = Pixels::of(1, 1, Samples::U8(vec![1, 2, 3]));
        assert_eq!(eight.to_words(), [0x0003_0201]);
        let sixteen = Pixels::of(1, 1, Samples::U16(vec![0x0102, 0x0304, 0x0506]));
        assert_eq!(sixteen.to_words(), [0x0304_0102, 0x0506]);
    }

    #[test]
    fn tensors_are_planes() {
        let tensor = numbered(Depth::Eight).to_tensor(255.0);
        assert_eq!(tensor.shape(), Shape::new(1, 3, 2, 3));
        assert_eq!(tensor.plane(0, 1), [15.0, 60.0, 105.0, 150.0, 195.0, 240.0]);
    }

    #[test]
    fn values_are_clamped_and_halves_go_to_even() {
        let values = vec![-3.0, 0.5, 1.5, 254.5, 255.4, 999.0];
        let tensor = Tensor::new(Shape::new(1, 3, 1, 2), values);
        let pixels = Pixels::from_tensor(&tensor, 255.0, Depth::Eight).unwrap();
        assert_eq!(pixels.samples(), &Samples::U8(vec![0, 2, 255, 0, 254, 255]));
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_with_its_place() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut tensor = Tensor::zeros(Shape::new(1, 3, 2, 3));
            tensor.values_mut()[6 + 5] = value;
            let error = Pixels::from_tensor(&tensor, 1.0, Depth::Sixteen).unwrap_err();
            assert!(error.to_string().ends_with(&format!("green at x 2, y 1 is {value}")), "{error}");
        }
    }

    #[test]
    fn what_is_mirrored_goes_back_and_forth() {
        let places = |length| (0..8).map(|at| Edge::Mirrored.place(at, length)).collect::<Vec<_>>();
        assert_eq!(places(1), [0; 8]);
        assert_eq!(places(2), [0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(places(5), [0, 1, 2, 3, 4, 3, 2, 1]);
    }

    #[test]
    fn the_last_column_and_row_are_repeated_and_cut() {
        let [a, b, c, d] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
        let pixels = Pixels::of(2, 2, Samples::U8([a, b, c, d].concat()));
        let expected = [a, b, b, c, d, d, c, d, d, c, d, d].concat();
        assert_eq!(pixels.part(0..3, 0..4).unwrap().samples(), &Samples::U8(expected));
        assert_eq!(pixels.part(0..1, 0..2).unwrap().samples(), &Samples::U8([a, c].concat()));
        assert_eq!(pixels.part(1..3, 1..3).unwrap().samples(), &Samples::U8([d, d, d, d].concat()));
        assert_eq!(pixels.part(5..6, 7..8).unwrap().samples(), &Samples::U8(d.to_vec()));
    }

    #[test]
    fn a_blend_is_by_shares_and_ends_with_the_picture() {
        let gray = |value: u8, width: usize, height: usize| {
            Pixels::of(width, height, Samples::U8(vec![value; CHANNELS * width * height]))
        };
        let mut picture = gray(100, 4, 2);
        picture.blend([-1, 1], &gray(200, 4, 3), [&[1.0, 1.0, 0.5, 0.0], &[0.5, 1.0, 1.0]]);
        let Samples::U8(samples) = picture.samples() else { unreachable!() };
        let red: Vec<u8> = samples.iter().step_by(CHANNELS).copied().collect();
        assert_eq!(red, [100, 100, 100, 100, 150, 125, 100, 100]);
    }

    #[test]
    fn parts_put_together_are_the_picture() {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let pixels = numbered(depth);
            let mut pasted = Pixels::black(3, 2, depth);
            pasted.paste(0, 0, &pixels.part(0..2, 0..5).unwrap());
            pasted.paste(2, 0, &pixels.part(2..9, 0..2).unwrap());
            assert_eq!(pasted, pixels);
            pasted.append(pixels.clone());
            pasted.drop_top(2);
            assert_eq!(pasted, pixels);
        }
    }
}
