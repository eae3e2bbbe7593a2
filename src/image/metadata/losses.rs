//! What a format holds of a picture's metadata, and the names of what it does not.

use image::{ColorType, ImageFormat};

use super::{Metadata, StatedColour, Text, jpeg, png};
use crate::image::PictureHeader;
use crate::image::exif::{self, DESCRIPTION};

/// sRGB as gAMA and cHRM state it, and as cICP does.
const SRGB_GAMMA: std::ops::RangeInclusive<u32> = 45_000..=46_000;
const SRGB_POINTS: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
const SRGB_CICP: [u8; 4] = [1, 13, 0, 1];

/// What the format holds, and the names of the rest.
pub(in crate::image) fn held(header: &PictureHeader, format: ImageFormat) -> (Metadata, Vec<&'static str>) {
    let (mut held, mut lost) = (header.metadata.clone(), Vec::new());
    if held.icc_profile.as_deref().is_some_and(|profile| !fits(profile, header.color, format)) {
        held.icc_profile = None;
        lost.push("a colour profile that is not for its kind of pixels");
    }
    if matches!(format, ImageFormat::Bmp | ImageFormat::Gif) {
        take(&mut held.icc_profile, "the colour profile", &mut lost);
        take(&mut held.exif, "EXIF", &mut lost);
        take(&mut held.xmp, "XMP", &mut lost);
    }
    if matches!(format, ImageFormat::Bmp | ImageFormat::Gif | ImageFormat::WebP) {
        take(&mut held.iptc, "IPTC", &mut lost);
        if !held.text.is_empty() {
            held.text.clear();
            lost.push("text");
        }
    }
    match format {
        ImageFormat::Png => held.text.iter_mut().for_each(make_allowed),
        ImageFormat::Jpeg => jpeg::take_what_is_too_large(&mut held, &mut lost),
        ImageFormat::WebP => hold_in_exif(&mut held, &mut lost),
        ImageFormat::Gif if held.resolution.take().is_some() => lost.push("resolution"),
        ImageFormat::Tiff => hold_in_tiff(&mut held, header, &mut lost),
        _ => {}
    }
    if format != ImageFormat::Png {
        if held.stated_colour.says_more_than_srgb(header.metadata.icc_profile.is_some()) {
            lost.push("colour that gAMA, cHRM or cICP states");
        }
        let StatedColour { mastering_display, light_levels, .. } = held.stated_colour;
        if mastering_display.is_some() || light_levels.is_some() {
            lost.push("the light that it was made for (mDCV, cLLI)");
        }
        held.stated_colour = StatedColour::default();
    }
    let gray = format == ImageFormat::Png && !header.color.has_color();
    if held.background.is_some_and(|[r, g, b]| format != ImageFormat::Png || gray && (r != g || g != b)) {
        held.background = None;
        lost.push("the background colour");
    }
    (held, lost)
}

fn take(bytes: &mut Option<Vec<u8>>, name: &'static str, lost: &mut Vec<&'static str>) {
    if bytes.take().is_some() {
        lost.push(name);
    }
}

/// Whether the profile is for the pixels that the file will have. WebP has no gray, and TIFF, as it is written
/// here, no gray with alpha.
fn fits(profile: &[u8], color: ColorType, format: ImageFormat) -> bool {
    let becomes_rgb = match format {
        ImageFormat::WebP => true,
        ImageFormat::Tiff | ImageFormat::Bmp => color.has_alpha(),
        _ => false,
    };
    let expected = if color.has_color() || becomes_rgb { b"RGB " } else { b"GRAY" };
    profile.get(16..20) == Some(expected)
}

/// WebP has no resolution but EXIF's.
fn hold_in_exif(held: &mut Metadata, lost: &mut Vec<&'static str>) {
    let Some(resolution) = held.resolution.take() else { return };
    match &held.exif {
        None => held.exif = Some(exif::of_resolution(resolution)),
        Some(block) if exif::resolution(block).is_none() => lost.push("resolution"),
        Some(_) => {}
    }
}

/// A TIFF begins with the EXIF block, which must be one, and counts as far as that does.
fn hold_in_tiff(held: &mut Metadata, header: &PictureHeader, lost: &mut Vec<&'static str>) {
    let Some(block) = &held.exif else { return };
    match exif::entries(block).filter(|_| !header.is_wide_as_tiff()) {
        None => take(&mut held.exif, "EXIF", lost),
        Some((big_endian, entries)) => {
            let tag = if big_endian { DESCRIPTION.to_be_bytes() } else { DESCRIPTION.to_le_bytes() };
            if !held.text.is_empty() && entries.iter().any(|entry| entry.starts_with(&tag)) {
                held.text.clear();
                lost.push("text beside EXIF's description");
            }
        }
    }
}

fn make_allowed(text: &mut Text) {
    if !png::allows(&text.keyword) {
        text.text = jpeg::in_words(text);
        text.keyword = "Comment".into();
    }
}

impl StatedColour {
    /// Whether it differs from what a file without it is taken for.
    fn says_more_than_srgb(&self, with_profile: bool) -> bool {
        let Self { gamma, chromaticities, srgb_intent, cicp, .. } = *self;
        if let Some(cicp) = cicp {
            return cicp != SRGB_CICP;
        }
        let near = |points: [u32; 8]| points.iter().zip(SRGB_POINTS).all(|(a, b)| a.abs_diff(b) < 500);
        !with_profile
            && srgb_intent.is_none()
            && (gamma.is_some_and(|gamma| !SRGB_GAMMA.contains(&gamma))
                || chromaticities.is_some_and(|points| !near(points)))
    }
}
