//! What the numbers of video mean: Y'CbCr to R'G'B' and back, as ITU-T H.273 has it.
//!
//! ```text
//!   y = kr r + kg g + kb b      cb = (b − y) / 2(1 − kb)      cr = (r − y) / 2(1 − kr)        of r, g, b in 0 … 1
//!
//!   limited   Y = (16 + 219 y) 2ⁿ⁻⁸      C = (128 + 224 c) 2ⁿ⁻⁸
//!   full      Y = (2ⁿ − 1) y             C = 2ⁿ⁻¹ + (2ⁿ − 1) c                                of n bits
//! ```
//!
//! Both ways are three products a sample in f32, rounded once, at the end. What lies outside of 0 … 1 is cut off, since
//! networks have never seen it.

use clap::ValueEnum;

/// By which weights luma is made of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Matrix {
    #[value(name = "601")]
    Bt601,
    #[value(name = "709")]
    Bt709,
    #[value(name = "2020")]
    Bt2020,
}

/// Which of the numbers are black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Range {
    /// 16 and 235 of 255
    Limited,
    /// 0 and 255
    Full,
}

/// A number as a sum of three others and a constant.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    factors: [f32; 3],
    plus: f32,
}

/// What the samples of a video mean.
#[derive(Clone, Copy, Debug)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range,
    pub bits: u32,
}

impl Matrix {
    /// What is usual where nobody says: high definition has another than what came before it.
    pub fn usual([width, height]: [usize; 2]) -> Self {
        if width >= 1280 || height >= 720 { Self::Bt709 } else { Self::Bt601 }
    }

    /// The weights of red, green and blue.
    fn weights(self) -> [f64; 3] {
        let [red, blue] = match self {
            Self::Bt601 => [0.299, 0.114],
            Self::Bt709 => [0.2126, 0.0722],
            Self::Bt2020 => [0.2627, 0.0593],
        };
        [red, 1.0 - red - blue, blue]
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bt601 => "BT.601",
            Self::Bt709 => "BT.709",
            Self::Bt2020 => "BT.2020",
        }
    }
}

impl Range {
    /// What y4m's headers call it.
    pub fn in_header(self) -> &'static str {
        match self {
            Self::Limited => "LIMITED",
            Self::Full => "FULL",
        }
    }
}

impl Sum {
    /// Of numbers that are exact: f64's.
    fn new(factors: [f64; 3], plus: f64) -> Self {
        Self { factors: factors.map(|factor| factor as f32), plus: plus as f32 }
    }

    pub fn of(&self, [a, b, c]: [f32; 3]) -> f32 {
        let [by_a, by_b, by_c] = self.factors;
        by_a * a + by_b * b + by_c * c + self.plus
    }
}

impl Colour {
    /// The largest sample.
    pub fn largest(&self) -> f32 {
        ((1_u32 << self.bits) - 1) as f32
    }

    /// Luma of black, and from there to white; chroma of gray, and its whole extent.
    fn levels(&self) -> [[f64; 2]; 2] {
        let steps = f64::from(1_u32 << (self.bits - 8));
        let largest = f64::from((1_u32 << self.bits) - 1);
        match self.range {
            Range::Limited => [[16.0 * steps, 219.0 * steps], [128.0 * steps, 224.0 * steps]],
            Range::Full => [[0.0, largest], [128.0 * steps, largest]],
        }
    }

    /// Red, green and blue in 0 … `white` of samples Y, Cb and Cr.
    pub fn to_rgb(self, white: f32) -> [Sum; 3] {
        let [kr, kg, kb] = self.matrix.weights();
        let [[black, luma], [gray, chroma]] = self.levels();
        let (of_blue, of_red) = (2.0 * (1.0 - kb), 2.0 * (1.0 - kr));
        let rows = [[1.0, 0.0, of_red], [1.0, -of_blue * kb / kg, -of_red * kr / kg], [1.0, of_blue, 0.0]];
        rows.map(|[y, cb, cr]| {
            let white = f64::from(white);
            let factors = [white * y / luma, white * cb / chroma, white * cr / chroma];
            Sum::new(factors, -factors[0] * black - (factors[1] + factors[2]) * gray)
        })
    }

    /// Samples Y, Cb and Cr of red, green and blue in 0 … `white`.
    pub fn to_ycbcr(self, white: f32) -> [Sum; 3] {
        let [kr, kg, kb] = self.matrix.weights();
        let [[black, luma], [gray, chroma]] = self.levels();
        let white = f64::from(white);
        let [to_cb, to_cr] = [kb, kr].map(|k| chroma / white / (2.0 * (1.0 - k)));
        [
            Sum::new([kr, kg, kb].map(|k| luma / white * k), black),
            Sum::new([-kr * to_cb, -kg * to_cb, (1.0 - kb) * to_cb], gray),
            Sum::new([(1.0 - kr) * to_cr, -kg * to_cr, -kb * to_cr], gray),
        ]
    }
}

/// The nearest sample of a number, from 0 to the largest.
pub fn nearest(number: f32, largest: f32) -> u16 {
    (number.clamp(0.0, largest) + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];
    const RANGES: [Range; 2] = [Range::Limited, Range::Full];

    fn rgb(colour: Colour, samples: [u16; 3], white: f32) -> [u16; 3] {
        colour.to_rgb(white).map(|sum| nearest(sum.of(samples.map(f32::from)), white))
    }

    fn samples(colour: Colour, rgb: [u16; 3], white: f32) -> [u16; 3] {
        colour.to_ycbcr(white).map(|sum| nearest(sum.of(rgb.map(f32::from)), colour.largest()))
    }

    /// ffmpeg 9.0.2 gives these, with and without `accurate_rnd`, of a stream `C444 XCOLORRANGE=LIMITED`:
    /// `-vf scale=in_color_matrix=bt601:in_range=tv,format=rgb24`, and `bt709`. ffmpeg 5.1 gave one less, (253, 0, 0) and
    /// (255, 23, 0); by the formula they are 254.4 and 24.1.
    #[test]
    fn red_is_what_ffmpeg_makes_of_it() {
        let colour = |matrix| Colour { matrix, range: Range::Limited, bits: 8 };
        assert_eq!(rgb(colour(Matrix::Bt601), [81, 90, 240], 255.0), [254, 0, 0]);
        assert_eq!(rgb(colour(Matrix::Bt709), [81, 90, 240], 255.0), [255, 24, 0]);
    }

    #[test]
    fn black_gray_and_white_are_where_the_standard_has_them() {
        let cases = [
            (Range::Limited, 8, [16, 235], 128),
            (Range::Full, 8, [0, 255], 128),
            (Range::Limited, 10, [64, 940], 512),
            (Range::Full, 10, [0, 1023], 512),
        ];
        for (range, bits, [black, white], gray) in cases {
            for matrix in MATRICES {
                let colour = Colour { matrix, range, bits };
                let whites = if bits == 8 { 255 } else { 65535 };
                let white_rgb = f32::from(whites);
                assert_eq!(samples(colour, [0; 3], white_rgb), [black, gray, gray]);
                assert_eq!(samples(colour, [whites; 3], white_rgb), [white, gray, gray]);
                assert_eq!(rgb(colour, [black, gray, gray], white_rgb), [0; 3]);
                assert_eq!(rgb(colour, [white, gray, gray], white_rgb), [whites; 3]);
            }
        }
    }

    /// What limited 601 and 709 make of the corners of the cube, as BT.601's and BT.709's own formulas in integers.
    #[test]
    fn pure_colours_have_the_samples_of_colour_bars() {
        let colour = |matrix| Colour { matrix, range: Range::Limited, bits: 8 };
        let [red, green, blue] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        let cases = [
            (Matrix::Bt601, [[81, 90, 240], [145, 54, 34], [41, 240, 110]]),
            (Matrix::Bt709, [[63, 102, 240], [173, 42, 26], [32, 240, 118]]),
        ];
        for (matrix, expected) in cases {
            assert_eq!(
                [red, green, blue].map(|rgb| samples(colour(matrix), rgb, 255.0)),
                expected,
                "{matrix:?}"
            );
        }
    }

    /// Every colour that both can hold comes back, to the code value: of 8 bits through 8 bits, of 10 through 16.
    #[test]
    fn there_and_back_is_exact() {
        for (matrix, range) in MATRICES.into_iter().flat_map(|matrix| RANGES.map(|range| (matrix, range))) {
            for (bits, white, step) in [(8, 255.0, 5), (10, 65535.0, 19)] {
                let colour = Colour { matrix, range, bits };
                let (sums, largest) = (colour.to_rgb(white), 1_u16 << bits);
                let mut inside = 0;
                let some = |from: u16| (from..largest).step_by(step);
                for (y, cb, cr) in
                    some(1).flat_map(|y| some(2).flat_map(move |cb| some(0).map(move |cr| (y, cb, cr))))
                {
                    let exact = sums.map(|sum| sum.of([y, cb, cr].map(f32::from)));
                    if exact.iter().all(|number| (0.0..=white).contains(number)) {
                        inside += 1;
                        let back = samples(colour, exact.map(|number| nearest(number, white)), white);
                        assert_eq!(back, [y, cb, cr], "{matrix:?} {range:?} {bits}");
                    }
                }
                assert!(inside > 10_000, "{inside}");
            }
        }
    }

    #[test]
    fn the_matrix_follows_the_size_where_nobody_says() {
        let cases = [
            ([720, 576], Matrix::Bt601),
            ([1279, 719], Matrix::Bt601),
            ([1280, 544], Matrix::Bt709),
            ([960, 720], Matrix::Bt709),
        ];
        for (size, expected) in cases {
            assert_eq!(Matrix::usual(size), expected, "{size:?}");
        }
    }
}
