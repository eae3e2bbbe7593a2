//! How close two pictures are, as super-resolution papers report it.
//!
//! PSNR and SSIM are taken on luma, `Y = 16 + (65.481 r + 128.553 g + 24.966 b) / 255` for 8-bit values (MATLAB's
//! `rgb2ycbcr`), not rounded, or on red, green and blue; with a border of `scale` pixels left out. The small picture
//! of a test set is made by [`resize_bicubic_matlab`].

use rayon::prelude::*;

use crate::pixels::{Pixels, Samples};
use crate::plane::{Bicubic, Plane};

/// The side of SSIM's window: no smaller picture has an SSIM.
pub const SSIM_WINDOW: usize = 11;

/// Peak signal-to-noise ratio of Y in dB, without `border` pixels at each edge. Equal pictures: infinite.
///
/// # Panics
/// If the pictures differ in size, or nothing is left of them.
pub fn psnr_y(picture: &Pixels, truth: &Pixels, border: usize) -> f64 {
    let [picture, truth] = compared([picture, truth], border, 1).map(luma);
    psnr(&[[picture, truth]], border)
}

/// Peak signal-to-noise ratio over red, green and blue in dB, without `border` pixels at each edge. Equal pictures:
/// infinite.
///
/// # Panics
/// As [`psnr_y`].
pub fn psnr_rgb(picture: &Pixels, truth: &Pixels, border: usize) -> f64 {
    psnr(&rgb(compared([picture, truth], border, 1)), border)
}

/// Structural similarity of Y (Wang et al. 2004: Gaussian window of 11×11, σ 1.5, K₁ 0.01, K₂ 0.03, windows
/// inside the picture only), without `border` pixels at each edge. Equal pictures: 1.
///
/// # Panics
/// If the pictures differ in size, or less than one window of [`SSIM_WINDOW`] is left of them.
pub fn ssim_y(picture: &Pixels, truth: &Pixels, border: usize) -> f64 {
    let [picture, truth] = compared([picture, truth], border, SSIM_WINDOW).map(luma);
    ssim(&picture.without_border(border), &truth.without_border(border))
}

/// [`ssim_y`] of red, green and blue in place of Y: their mean.
///
/// # Panics
/// As [`ssim_y`].
pub fn ssim_rgb(picture: &Pixels, truth: &Pixels, border: usize) -> f64 {
    let pairs = rgb(compared([picture, truth], border, SSIM_WINDOW));
    let ssims =
        pairs.map(|[picture, truth]| ssim(&picture.without_border(border), &truth.without_border(border)));
    ssims.iter().sum::<f64>() / 3.0
}

/// Over all planes, whose white is 255.
fn psnr(pairs: &[[Plane; 2]], border: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for [picture, truth] in pairs {
        let [picture, truth] = [picture, truth].map(|plane| plane.without_border(border));
        sum += picture.values.iter().zip(&truth.values).map(|(p, t)| (p - t).powi(2)).sum::<f64>();
        count += picture.values.len();
    }
    10.0 * (255.0 * 255.0 / (sum / count as f64)).log10()
}

/// Of two planes whose white is 255.
fn ssim(x: &Plane, y: &Plane) -> f64 {
    let product = |a: &Plane, b: &Plane| {
        Plane::new(a.width, a.height, a.values.iter().zip(&b.values).map(|(a, b)| a * b).collect())
    };
    let [mean_x, mean_y, mean_xx, mean_yy, mean_xy] =
        [x, y, &product(x, x), &product(y, y), &product(x, y)].map(|plane| blurred(plane).values);

    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let similarity = |i: usize| {
        let (mx, my) = (mean_x[i], mean_y[i]);
        let (var_x, var_y, cov) = (mean_xx[i] - mx * mx, mean_yy[i] - my * my, mean_xy[i] - mx * my);
        (2.0 * mx * my + c1) * (2.0 * cov + c2) / ((mx * mx + my * my + c1) * (var_x + var_y + c2))
    };
    (0..mean_x.len()).map(similarity).sum::<f64>() / mean_x.len() as f64
}

/// MATLAB's `imresize(picture, [height width], 'bicubic')`, to the last bit: antialiased, mirrored at the
/// edges, samples rounded after each of the two passes.
///
/// # Panics
/// If the new size is empty.
#[must_use]
pub fn resize_bicubic_matlab(picture: &Pixels, width: usize, height: usize) -> Pixels {
    let kernel = Bicubic { a: -0.5, white: f64::from(picture.depth().white()) };
    let [r, g, b] = channels(picture).map(|channel| channel.resized(width, height, kernel).values);
    let samples = r.iter().zip(&g).zip(&b).flat_map(|((&r, &g), &b)| [r, g, b]);
    let samples = match picture.samples() {
        Samples::U8(_) => Samples::U8(samples.map(|sample| sample as u8).collect()),
        Samples::U16(_) => Samples::U16(samples.map(|sample| sample as u16).collect()),
    };
    Pixels::of(width, height, samples)
}

/// The two pictures, which can be compared.
fn compared(pictures: [&Pixels; 2], border: usize, smallest: usize) -> [&Pixels; 2] {
    let [(width, height), truth] = pictures.map(|picture| (picture.width(), picture.height()));
    assert_eq!((width, height), truth, "compared pictures have one size");
    assert!(
        width.min(height) >= 2 * border + smallest,
        "a {width}x{height} picture without a border of {border} keeps at least {smallest} pixels a side"
    );
    pictures
}

/// The channels of two pictures in pairs, white being 255.
fn rgb(pictures: [&Pixels; 2]) -> [[Plane; 2]; 3] {
    let [picture, truth] = pictures.map(|picture| {
        let gain = 255.0 / f64::from(picture.depth().white());
        channels(picture).map(|mut channel| {
            channel.values.iter_mut().for_each(|value| *value *= gain);
            channel
        })
    });
    let ([r, g, b], [s, h, c]) = (picture, truth);
    [[r, s], [g, h], [b, c]]
}

fn luma(picture: &Pixels) -> Plane {
    let gain = 1.0 / f64::from(picture.depth().white());
    let [r, g, b] = channels(picture);
    let y = |i: usize| 16.0 + gain * (65.481 * r.values[i] + 128.553 * g.values[i] + 24.966 * b.values[i]);
    Plane::new(r.width, r.height, (0..r.values.len()).map(y).collect())
}

fn channels(picture: &Pixels) -> [Plane; 3] {
    [0, 1, 2].map(|c| {
        let values = match picture.samples() {
            Samples::U8(samples) => samples.iter().skip(c).step_by(3).copied().map(f64::from).collect(),
            Samples::U16(samples) => samples.iter().skip(c).step_by(3).copied().map(f64::from).collect(),
        };
        Plane::new(picture.width(), picture.height(), values)
    })
}

/// SSIM's Gaussian window over every place where it fits.
fn blurred(plane: &Plane) -> Plane {
    let blur = |plane: &Plane| blurred_along_x(plane, &gaussian()).transposed();
    blur(&blur(plane))
}

fn blurred_along_x(plane: &Plane, window: &[f64; SSIM_WINDOW]) -> Plane {
    let width = plane.width - SSIM_WINDOW + 1;
    let row = |row: &[f64]| -> Vec<f64> {
        row.windows(SSIM_WINDOW).map(|part| part.iter().zip(window).map(|(v, w)| v * w).sum()).collect()
    };
    Plane::new(width, plane.height, plane.values.par_chunks(plane.width).flat_map_iter(row).collect())
}

fn gaussian() -> [f64; SSIM_WINDOW] {
    let centre = (SSIM_WINDOW / 2) as f64;
    let weights: [f64; SSIM_WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - centre).powi(2) / (2.0 * 1.5 * 1.5)).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(width: usize, height: usize, rgb: [u8; 3]) -> Pixels {
        Pixels::of(width, height, Samples::U8(rgb.repeat(width * height)))
    }

    #[test]
    fn psnr_of_one_grey_level() {
        // One level of grey is 219/255 of Y: 10 log10((255 · 255 / 219)²).
        let (dark, bright) = (flat(8, 6, [100, 100, 100]), flat(8, 6, [101, 101, 101]));
        let expected = 20.0 * (255.0_f64 * 255.0 / 219.0).log10();
        assert!((psnr_y(&dark, &bright, 2) - expected).abs() < 1e-9);
        assert_eq!(psnr_y(&dark, &dark, 2), f64::INFINITY);
    }

    #[test]
    fn rgb_is_the_mean_of_the_channels() {
        // One level of red alone: a third of the squares.
        let (dark, bright) = (flat(13, 12, [100, 100, 100]), flat(13, 12, [101, 100, 100]));
        let expected = 10.0 * (255.0_f64 * 255.0 * 3.0).log10();
        assert!((psnr_rgb(&dark, &bright, 0) - expected).abs() < 1e-9);
        let c1 = 2.55_f64.powi(2);
        let red = (2.0 * 100.0 * 101.0 + c1) / (100.0 * 100.0 + 101.0 * 101.0 + c1);
        assert!((ssim_rgb(&dark, &bright, 0) - (red + 2.0) / 3.0).abs() < 1e-12);
        let wide = Pixels::of(13, 12, Samples::U16([101_u16 * 257, 100 * 257, 100 * 257].repeat(156)));
        assert!((psnr_rgb(&dark, &wide, 0) - expected).abs() < 1e-9, "16 bits say the same");
    }

    #[test]
    fn white_is_235() {
        assert!((luma(&flat(1, 1, [255, 255, 255])).values[0] - 235.0).abs() < 1e-9);
    }

    #[test]
    fn the_border_does_not_count() {
        let truth = flat(6, 5, [10, 20, 30]);
        let Samples::U8(mut samples) = truth.samples().clone() else { unreachable!() };
        samples[0] = 200; // top left
        let picture = Pixels::of(6, 5, Samples::U8(samples));
        assert_eq!(psnr_y(&picture, &truth, 1), f64::INFINITY);
        assert!(psnr_y(&picture, &truth, 0).is_finite());
    }

    /// Wang et al. 2004, section III-B, pixel by pixel and tap by tap, with σ as a parameter.
    fn textbook_ssim(x: &Plane, y: &Plane, sigma: f64) -> f64 {
        let (c1, c2) = (2.55_f64.powi(2), 7.65_f64.powi(2));
        let weight = |dx: usize, dy: usize| {
            let [dx, dy] = [dx, dy].map(|d| d as f64 - 5.0);
            (-(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp()
        };
        let (mut sum, mut windows) = (0.0, 0);
        for top in 0..=x.height - 11 {
            for left in 0..=x.width - 11 {
                let taps = (0..121).map(|tap| {
                    let (dx, dy) = (tap % 11, tap / 11);
                    let at = (top + dy) * x.width + left + dx;
                    (weight(dx, dy), x.values[at], y.values[at])
                });
                let all: f64 = taps.clone().map(|(w, ..)| w).sum();
                let mean =
                    |of: fn(f64, f64) -> f64| taps.clone().map(|(w, x, y)| w * of(x, y)).sum::<f64>() / all;
                let (mx, my) = (mean(|x, _| x), mean(|_, y| y));
                let (vx, vy) = (mean(|x, _| x * x) - mx * mx, mean(|_, y| y * y) - my * my);
                let covariance = mean(|x, y| x * y) - mx * my;
                sum += (2.0 * mx * my + c1) * (2.0 * covariance + c2)
                    / ((mx * mx + my * my + c1) * (vx + vy + c2));
                windows += 1;
            }
        }
        sum / f64::from(windows)
    }

    #[test]
    fn ssim_is_the_textbooks() {
        let picture = |phase: f64| {
            let sample =
                |at: usize| 127.0 + 90.0 * ((at * at % 97) as f64 / 9.0 + phase).sin() + (at % 7) as f64;
            Pixels::of(19, 16, Samples::U8((0..3 * 19 * 16).map(|at| sample(at) as u8).collect()))
        };
        let (a, b) = (picture(0.0), picture(0.4));
        let [x, y] = [&a, &b].map(luma);
        let found = ssim_y(&a, &b, 0);
        assert!((found - textbook_ssim(&x, &y, 1.5)).abs() < 1e-9, "{found}");
        assert!(
            (found - textbook_ssim(&x, &y, 1.4)).abs() > 1e-4,
            "a picture that tells 1.5 from 1.4: {found}"
        );
        let [x, y] = [x, y].map(|plane| plane.without_border(2));
        assert!((ssim_y(&a, &b, 2) - textbook_ssim(&x, &y, 1.5)).abs() < 1e-9);
    }

    #[test]
    fn ssim_of_flat_pictures() {
        // Without variance only the first factor is left: (2 x y + C₁) / (x² + y² + C₁).
        let (a, b) = (flat(13, 12, [50, 50, 50]), flat(13, 12, [90, 90, 90]));
        let [x, y] = [50.0, 90.0].map(|v: f64| 16.0 + v * 219.0 / 255.0);
        let c1 = 2.55_f64.powi(2);
        let expected = (2.0 * x * y + c1) / (x * x + y * y + c1);
        assert!((ssim_y(&a, &b, 0) - expected).abs() < 1e-9);
        assert!((ssim_y(&a, &a, 0) - 1.0).abs() < 1e-12);
    }
}
