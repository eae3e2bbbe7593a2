//! What a cell of a small picture looks like, in a few numbers: how much detail it has, of which kinds.
//!
//! Of the cell's luma y, 0 … 255, the means are taken of
//!
//! ```text
//! |Δ|, √Δ²      Δ = 4 y − its four neighbours: edges and texture; the root of the mean square tells few strong ones from many weak ones
//! |∂x| + |∂y|   differences of neighbours: slopes
//! |Δ'|          Δ of means of 2×2 pixels: coarser detail
//! |◇|, √◇²      ◇ = (1 −2 1)ᵀ(1 −2 1), which slopes and straight edges leave at zero: noise and fine pattern
//! ```
//!
//! some fifty additions a pixel. A prediction is made of their logarithms, as places between the least and the most that was seen, and of
//! products of two of those: a cell unlike all that were seen is taken for the nearest.

use crate::job::tiles::Rect;
use crate::pixels::{Pixels, Samples};

/// Kinds of detail.
pub(super) const DETAILS: usize = 6;

/// One, the details' places, and all products of two of these.
pub(super) const TERMS: usize = 1 + DETAILS + DETAILS * (DETAILS + 1) / 2;

/// Below this much of a kind nothing is told apart: it is what rounding to 8 bits makes.
const LEAST: f64 = 0.1;

/// MATLAB's luma, without its offset.
pub(super) const LUMA: [f64; 3] = [65.481 / 255.0, 128.553 / 255.0, 24.966 / 255.0];

/// The logarithms of the details of a part of a picture; of one of fewer than 3 pixels a side those of a flat one.
pub(super) fn details(picture: &Pixels, part: &Rect) -> [f64; DETAILS] {
    let fine = Luma::of(picture, part);
    let coarse = fine.halved();
    let cross = |y: &Luma, x: usize, row: usize| {
        4.0 * y.at(x, row) - y.at(x - 1, row) - y.at(x + 1, row) - y.at(x, row - 1) - y.at(x, row + 1)
    };
    let diamond = |y: &Luma, x: usize, row: usize| {
        let ends = |row: usize| y.at(x - 1, row) + y.at(x + 1, row);
        let line = |row: usize| ends(row) - 2.0 * y.at(x, row);
        line(row - 1) - 2.0 * line(row) + line(row + 1)
    };
    let slopes = |y: &Luma, x: usize, row: usize| {
        (y.at(x, row) - y.at(x - 1, row)).abs() + (y.at(x, row) - y.at(x, row - 1)).abs()
    };
    let [cross_mean, cross_root] = fine.means(cross);
    let [diamond_mean, diamond_root] = fine.means(diamond);
    let [slope, _] = fine.means(slopes);
    let [coarse, _] = coarse.means(cross);
    [cross_mean, cross_root, slope, coarse, diamond_mean, diamond_root].map(|detail| (detail + LEAST).ln())
}

/// What a prediction is a sum of, where details were seen between a least and a most: −1 … 1.
pub(super) fn terms(details: &[f64; DETAILS], seen: &[[f64; 2]; DETAILS]) -> [f64; TERMS] {
    let mut terms = [1.0; TERMS];
    let place = |(detail, [least, most]): (&f64, &[f64; 2])| {
        let half = (most - least) / 2.0;
        if half > 0.0 { ((detail - least) / half - 1.0).clamp(-1.0, 1.0) } else { 0.0 }
    };
    let places: Vec<f64> = details.iter().zip(seen).map(place).collect();
    terms[1..=DETAILS].copy_from_slice(&places);
    let pairs = (0..DETAILS).flat_map(|a| (a..DETAILS).map(move |b| (a, b)));
    for (term, (a, b)) in terms[1 + DETAILS..].iter_mut().zip(pairs) {
        *term = places[a] * places[b];
    }
    terms
}

/// The luma of a part of a picture.
struct Luma {
    width: usize,
    values: Vec<f64>,
}

impl Luma {
    fn of(picture: &Pixels, part: &Rect) -> Self {
        let mut values = Vec::with_capacity(part.pixels());
        let width = picture.width();
        let mut add = |row: &mut dyn Iterator<Item = [f64; 3]>| {
            values
                .extend(row.map(|rgb| rgb.iter().zip(LUMA).map(|(value, share)| value * share).sum::<f64>()));
        };
        for y in part.y.clone() {
            let row = y * width + part.x.start..y * width + part.x.end;
            match picture.samples() {
                Samples::U8(samples) => {
                    add(&mut samples.as_chunks::<3>().0[row].iter().map(|rgb| rgb.map(f64::from)));
                }
                Samples::U16(samples) => {
                    let rgb = samples.as_chunks::<3>().0[row].iter();
                    add(&mut rgb.map(|rgb| rgb.map(|value| f64::from(value) / 257.0)));
                }
            }
        }
        Self { width: part.width(), values }
    }

    fn height(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    fn at(&self, x: usize, y: usize) -> f64 {
        self.values[y * self.width + x]
    }

    /// Means of 2×2 pixels.
    fn halved(&self) -> Self {
        let [width, height] = [self.width, self.height()].map(|side| side / 2);
        let mean = |at: usize| {
            let [x, y] = [2 * (at % width), 2 * (at / width)];
            (self.at(x, y) + self.at(x + 1, y) + self.at(x, y + 1) + self.at(x + 1, y + 1)) / 4.0
        };
        Self { width, values: (0..width * height).map(mean).collect() }
    }

    /// Over the pixels that have neighbours all around, the mean of what is made of each, without its sign, and the root of the
    /// mean square.
    fn means(&self, of: impl Fn(&Self, usize, usize) -> f64) -> [f64; 2] {
        let (width, height) = (self.width, self.height());
        if width < 3 || height < 3 {
            return [0.0; 2];
        }
        let [mut sum, mut squares] = [0.0; 2];
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                let value = of(self, x, y);
                sum += value.abs();
                squares += value * value;
            }
        }
        let count = ((width - 2) * (height - 2)) as f64;
        [sum / count, (squares / count).sqrt()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Depth;

    fn picture(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Pixels {
        let samples = (0..width * height).flat_map(|at| [value(at % width, at / width); 3]).collect();
        Pixels::of(width, height, Samples::U8(samples))
    }

    fn all(picture: &Pixels) -> [f64; DETAILS] {
        let whole = Rect { x: 0..picture.width(), y: 0..picture.height() };
        details(picture, &whole).map(|log| (log.exp() - LEAST) / LUMA.iter().sum::<f64>())
    }

    #[test]
    fn each_kind_of_detail_is_told_apart() {
        let close = |found: [f64; DETAILS], expected: [f64; DETAILS]| {
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{found:?} is not {expected:?}");
        };
        close(all(&picture(8, 6, |_, _| 90)), [0.0; DETAILS]);
        close(all(&picture(2, 9, |x, y| (x * y) as u8)), [0.0; DETAILS]);
        close(all(&picture(9, 8, |x, y| (10 * x + 2 * y) as u8)), [0.0, 0.0, 12.0, 0.0, 0.0, 0.0]);
        // Columns of 0 and 100: Δ is ±200 and ◇ nothing, and means of 2×2 are flat.
        close(all(&picture(8, 8, |x, _| 100 * (x % 2) as u8)), [200.0, 200.0, 100.0, 0.0, 0.0, 0.0]);
        // A checkerboard: Δ is ±400, and ◇ twice that.
        let board = picture(8, 8, |x, y| 100 * ((x + y) % 2) as u8);
        close(all(&board), [400.0, 400.0, 200.0, 0.0, 800.0, 800.0]);
    }

    #[test]
    fn sixteen_bits_look_as_eight() {
        let eight = picture(7, 7, |x, y| (x * x * 5 + y * 3) as u8);
        let Samples::U8(samples) = eight.samples() else { unreachable!() };
        let samples = samples.iter().map(|value| u16::from(*value) * 257).collect();
        let sixteen = Pixels::of(7, 7, Samples::U16(samples));
        assert_eq!(sixteen.depth(), Depth::Sixteen);
        let part = Rect { x: 1..7, y: 2..7 };
        assert_eq!(details(&eight, &part), details(&sixteen, &part));
    }

    #[test]
    fn terms_are_places_and_all_products_of_two() {
        let seen = [[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [-4.0, 4.0], [0.0, 1.0], [0.0, 1.0]];
        let terms = terms(&[3.0, 1.5, 7.0, 2.0, 9.0, -9.0], &seen);
        assert_eq!(terms[..8], [1.0, 0.5, -0.5, 0.0, 0.5, 1.0, -1.0, 0.25]);
        assert_eq!((terms[8], terms[TERMS - 2], terms[TERMS - 1]), (-0.25, -1.0, 1.0));
    }
}
