//! Samples that are light itself, or near it, and what networks know: samples as displays take them, about the
//! light to the power of 1/2.2.
//!
//! A picture whose file states an exponent far from that goes to the network by this curve, and comes back by its
//! inverse. PQ, HLG and logarithmic curves are made for the eye, as displays' are, and go as they are
//! (docs/decisions/high-range-goes-as-it-is.md).

use image::{ColorType, DynamicImage, Pixel, Primitive};
use moxcms::{ColorProfile, ToneReprCurve, TransferCharacteristics};

use super::Metadata;

/// Displays' exponent.
const DISPLAY: f64 = 2.2;

/// cICP's number of samples that are light.
const LINEAR: u8 = 8;

/// Exponents that networks take for displays', from a Macintosh's 1.8 to cinema's 2.6.
const KNOWN: std::ops::RangeInclusive<f64> = 1.5..=3.0;

/// A curve of samples: to the power of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transfer {
    power: f64,
}

impl Transfer {
    /// Nothing where samples go as they are.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        let exponent = exponent(metadata).filter(|exponent| !KNOWN.contains(exponent) && *exponent > 0.1)?;
        Some(Self { power: exponent / DISPLAY })
    }

    /// The samples for the network, in 16 bits; alpha as it is.
    pub(super) fn for_network(self, image: &DynamicImage) -> DynamicImage {
        curved(image, self.power)
    }

    /// And back, in the type that the picture had.
    pub(super) fn back(self, image: &DynamicImage, color: ColorType) -> DynamicImage {
        let curved = curved(image, 1.0 / self.power);
        match color {
            ColorType::L8 => curved.to_luma8().into(),
            ColorType::La8 => curved.to_luma_alpha8().into(),
            ColorType::Rgb8 => curved.to_rgb8().into(),
            ColorType::Rgba8 => curved.to_rgba8().into(),
            _ => curved,
        }
    }
}

/// The type of [`Transfer::for_network`]'s pictures.
pub(super) fn wide(color: ColorType) -> ColorType {
    match color {
        ColorType::L8 => ColorType::L16,
        ColorType::La8 => ColorType::La16,
        ColorType::Rgb8 => ColorType::Rgb16,
        ColorType::Rgba8 => ColorType::Rgba16,
        other => other,
    }
}

/// To what power samples are light, where the file says so.
fn exponent(metadata: &Metadata) -> Option<f64> {
    let stated = metadata.stated_colour;
    if let Some([_, transfer, ..]) = stated.cicp {
        return (transfer == LINEAR).then_some(1.0);
    }
    if let Some(profile) = &metadata.icc_profile {
        let profile = ColorProfile::new_from_slice(profile).ok()?;
        if let Some(said) = profile.cicp {
            return (said.transfer_characteristics == TransferCharacteristics::Linear).then_some(1.0);
        }
        return match profile.red_trc.or(profile.gray_trc)? {
            ToneReprCurve::Lut(curve) => match curve[..] {
                [] => Some(1.0),
                [gamma] => Some(f64::from(gamma) / 256.0),
                _ => power_of(&curve),
            },
            ToneReprCurve::Parametric(curve) => {
                curve.first().copied().filter(|_| curve.len() == 1).map(f64::from)
            }
        };
    }
    let gamma = stated.gamma.filter(|gamma| stated.srgb_intent.is_none() && *gamma > 0)?;
    Some(100_000.0 / f64::from(gamma))
}

/// To what power a table goes, if it is that of a power all along: PQ, HLG and logarithms grow steeper.
fn power_of(curve: &[u16]) -> Option<f64> {
    let last = (curve.len() - 1) as f64;
    let power = |share: f64| {
        let at = share * last;
        let [low, high] = [at.floor(), at.ceil()].map(|at| f64::from(curve[at as usize]) / 65535.0);
        (low + (high - low) * at.fract()).ln() / share.ln()
    };
    let [low, middle, high] = [0.25, 0.5, 0.75].map(power);
    (low.max(high) < 1.2 * low.min(high)).then_some(middle)
}

fn curved(image: &DynamicImage, power: f64) -> DynamicImage {
    let white = f64::from(u16::MAX);
    let table: Vec<u16> = (0..=u16::MAX)
        .map(|sample| ((f64::from(sample) / white).powf(power) * white).round() as u16)
        .collect();
    let mut wide = match wide(image.color()) {
        ColorType::L16 => DynamicImage::from(image.to_luma16()),
        ColorType::La16 => image.to_luma_alpha16().into(),
        ColorType::Rgb16 => image.to_rgb16().into(),
        _ => image.to_rgba16().into(),
    };
    let lookup = |sample: u16| table[usize::from(sample)];
    match &mut wide {
        DynamicImage::ImageLuma16(image) => image.pixels_mut().for_each(|pixel| pixel.apply(lookup)),
        DynamicImage::ImageLumaA16(image) => colours(image.pixels_mut(), lookup),
        DynamicImage::ImageRgb16(image) => image.pixels_mut().for_each(|pixel| pixel.apply(lookup)),
        DynamicImage::ImageRgba16(image) => colours(image.pixels_mut(), lookup),
        _ => unreachable!("one of the four that it was made"),
    }
    wide
}

fn colours<'a, P: Pixel<Subpixel = S> + 'a, S: Primitive>(
    pixels: impl Iterator<Item = &'a mut P>,
    lookup: impl Fn(S) -> S,
) {
    pixels.for_each(|pixel| pixel.apply_with_alpha(&lookup, |alpha| alpha));
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, Luma, LumaA, Rgb, RgbImage};

    use super::*;
    use crate::image::StatedColour;

    fn stated(gamma: Option<u32>, srgb_intent: Option<u8>, cicp: Option<[u8; 4]>) -> Metadata {
        let stated_colour = StatedColour { gamma, srgb_intent, cicp, ..StatedColour::default() };
        Metadata { stated_colour, ..Metadata::default() }
    }

    #[test]
    fn only_what_is_far_from_displays_is_changed() {
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None; // it would count more than curves
        let table = |light: fn(f64) -> f64| {
            let values = (0..1024).map(|i| (light(f64::from(i) / 1023.0) * 65535.0).round() as u16);
            ToneReprCurve::Lut(values.collect())
        };
        let pq = |signal: f64| {
            let root = signal.powf(32.0 / 2523.0);
            ((root - 0.8359375).max(0.0) / (18.8515625 - 18.6875 * root)).powf(8192.0 / 1305.0)
        };
        let hlg = |signal: f64| match signal {
            ..=0.5 => signal * signal / 3.0,
            _ => (((signal - 0.55991073) / 0.17883277).exp() + 0.28466892) / 12.0,
        };
        let tagged =
            |profile: ColorProfile| Metadata { icc_profile: profile.encode().ok(), ..Metadata::default() };
        let mut with_curve = |curve| {
            profile.red_trc = Some(curve);
            Metadata { icc_profile: profile.encode().ok(), ..Metadata::default() }
        };
        for (metadata, expected) in [
            (Metadata::default(), None),
            (stated(Some(45_455), None, None), None),
            (stated(Some(55_556), None, None), None),
            (stated(Some(100_000), None, None), Some(1.0)),
            (stated(Some(100_000), Some(0), None), None),
            (stated(Some(0), None, None), None),
            (stated(None, None, Some([9, 8, 0, 1])), Some(1.0)),
            (stated(Some(100_000), None, Some([9, 16, 0, 1])), None),
            (with_curve(ToneReprCurve::Lut(vec![])), Some(1.0)),
            (with_curve(ToneReprCurve::Lut(vec![0x1cd])), None),
            (with_curve(ToneReprCurve::Lut(vec![0, u16::MAX])), Some(1.0)),
            (with_curve(table(|signal| signal)), Some(1.0)),
            (with_curve(table(|signal| signal.powf(4.0))), Some(4.0)),
            (with_curve(table(pq)), None),
            (with_curve(table(hlg)), None),
            (tagged(ColorProfile::new_bt2020_pq()), None),
            (tagged(ColorProfile::new_bt2020_hlg()), None),
            (Metadata { icc_profile: ColorProfile::new_srgb().encode().ok(), ..Metadata::default() }, None),
        ] {
            let power = Transfer::of(&metadata).map(|transfer| transfer.power * DISPLAY);
            assert_eq!(
                power.map(|power| (power * 100.0).round()),
                expected.map(|power| power * 100.0),
                "{metadata:?}"
            );
        }
    }

    #[test]
    fn what_goes_comes_back() {
        let transfer = Transfer { power: 1.0 / DISPLAY };
        let rgb = DynamicImage::from(RgbImage::from_fn(16, 16, |x, y| Rgb([(16 * y + x) as u8; 3])));
        let there = transfer.for_network(&rgb);
        assert_eq!(there.to_rgb8()[(1, 0)], Rgb([21; 3]), "255 (1 / 255) ^ (1 / 2.2)");
        assert!(transfer.back(&there, ColorType::Rgb8) == rgb);
        let gray = DynamicImage::from(GrayAlphaImage::from_pixel(1, 1, LumaA([1, 77])));
        assert_eq!(transfer.for_network(&gray).to_luma_alpha8()[(0, 0)], LumaA([21, 77]));
        let wide = DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(1, 1, Luma([300])));
        assert_eq!(transfer.back(&transfer.for_network(&wide), ColorType::L16), wide);
    }
}
