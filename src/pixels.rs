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
    /// # Panics
    /// If there is no pixel, or there are not three samples a pixel.
    pub fn new(width: usize, height: usize, samples: Samples) -> Self {
        assert!(width > 0 && height > 0, "a picture has at least one pixel, not {width}x{height}");
        let len = match &samples {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
        };
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
    /// [`Error::Device`] if a number is NaN or infinite: whatever made it cannot be trusted.
    ///
    /// # Panics
    /// If the tensor is not one picture of three channels.
    pub fn from_tensor(tensor: &Tensor, range: f32, depth: Depth) -> Result<Self> {
        let shape = tensor.shape();
        assert_eq!((shape.batch, shape.channels), (1, CHANNELS), "one RGB picture, not {shape}");
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
        Ok(Self::new(shape.width, shape.height, samples))
    }

    /// The picture made larger by repeating its last column and row.
    ///
    /// # Panics
    /// If the new size is smaller in either direction.
    #[must_use]
    pub fn extended(&self, width: usize, height: usize) -> Self {
        assert!(width >= self.width && height >= self.height, "an extended picture is not smaller");
        self.fitted(width, height)
    }

    /// The top-left part of the picture.
    ///
    /// # Panics
    /// If the new size is larger in either direction, or nothing.
    #[must_use]
    pub fn cropped(&self, width: usize, height: usize) -> Self {
        assert!(width <= self.width && height <= self.height, "a cropped picture is not larger");
        self.fitted(width, height)
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
    /// # Panics
    /// If there are not as many words as the size and the depth say.
    pub fn from_words(width: usize, height: usize, depth: Depth, words: &[u32]) -> Self {
        assert_eq!(words.len(), width * height * depth.words(), "the words of a {width}x{height} picture");
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
        Self::new(width, height, samples)
    }

    fn fitted(&self, width: usize, height: usize) -> Self {
        let from = [self.width, self.height];
        let to = [width, height];
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(fit(samples, from, to)),
            Samples::U16(samples) => Samples::U16(fit(samples, from, to)),
        };
        Self::new(width, height, samples)
    }
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

/// The picture `from` cut or repeated to the size `to`, each `[width, height]`.
fn fit<T: Copy>(samples: &[T], from: [usize; 2], to: [usize; 2]) -> Vec<T> {
    let stride = CHANNELS * from[0];
    let kept = CHANNELS * from[0].min(to[0]);
    let mut fitted = Vec::with_capacity(CHANNELS * to[0] * to[1]);
    for y in 0..to[1] {
        let row = &samples[y.min(from[1] - 1) * stride..][..stride];
        fitted.extend_from_slice(&row[..kept]);
        for _ in from[0]..to[0] {
            fitted.extend_from_slice(&row[stride - CHANNELS..]);
        }
    }
    fitted
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
        Pixels::new(3, 2, samples)
    }

    #[test]
    fn words_and_tensors_give_the_picture_back() {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let pixels = numbered(depth);
            assert_eq!(Pixels::from_words(3, 2, depth, &pixels.to_words()), pixels);
            for range in [1.0, 255.0] {
                let tensor = pixels.to_tensor(range);
                assert_eq!(Pixels::from_tensor(&tensor, range, depth).unwrap(), pixels, "{depth:?} {range}");
            }
        }
    }

    #[test]
    fn words_hold_red_lowest() {
        let eight = Pixels::new(1, 1, Samples::U8(vec![1, 2, 3]));
        assert_eq!(eight.to_words(), [0x0003_0201]);
        let sixteen = Pixels::new(1, 1, Samples::U16(vec![0x0102, 0x0304, 0x0506]));
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
    fn the_last_column_and_row_are_repeated_and_cut() {
        let [a, b, c, d] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
        let pixels = Pixels::new(2, 2, Samples::U8([a, b, c, d].concat()));
        let extended = pixels.extended(3, 4);
        let expected = [a, b, b, c, d, d, c, d, d, c, d, d].concat();
        assert_eq!(extended.samples(), &Samples::U8(expected));
        assert_eq!(extended.cropped(2, 2), pixels);
        assert_eq!(pixels.cropped(1, 2).samples(), &Samples::U8([a, c].concat()));
    }
}
