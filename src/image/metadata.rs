//! What a file says of its picture beside the pixels, in one form for all formats.
//!
//! Every reader fills a [`Metadata`], every writer takes from it what its format holds, and warns of the rest in one
//! line. Between them, [`Metadata::enlarged`] mends what speaks of the old pixels.

use super::options::Dpi;
use super::{exif, xmp};

/// What a file says of its picture beside the pixels.
///
/// | written to | colour profile | EXIF | XMP | IPTC | resolution | text | gAMA, cHRM, sRGB, cICP |
/// |---|---|---|---|---|---|---|---|
/// | PNG  | kept | kept | kept | kept | kept | kept | kept |
/// | JPEG | kept | kept, to 64 KB | kept, to 64 KB | kept, to 64 KB | kept | as comments | warning |
/// | WebP | kept | kept | kept | warning | in EXIF, if there is one | warning | warning |
/// | TIFF | kept | kept, to 4 GiB | kept | kept | kept | description | warning |
/// | BMP  | warning | warning | warning | warning | kept | warning | warning |
///
/// *Warning* is one line in the log that names all that this output loses. sRGB, in whatever words, is what
/// a file without a profile is taken for, and no loss.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// The ICC colour profile: what the numbers mean.
    pub icc_profile: Option<Vec<u8>>,
    /// The EXIF block: a TIFF without pixels, which begins with `II` or `MM`. Its orientation says upright.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet, in XML.
    pub xmp: Option<Vec<u8>>,
    /// The IPTC records, without the wrapping that Photoshop puts around them.
    pub iptc: Option<Vec<u8>>,
    /// How large the picture is on paper.
    pub resolution: Option<Resolution>,
    /// Notes in words.
    pub text: Vec<Text>,
    /// Colour as PNG states it without a profile.
    pub stated_colour: StatedColour,
}

/// Pixels in a length, across and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolution {
    /// Pixels across in one `unit`.
    pub x: f64,
    /// Pixels down in one `unit`.
    pub y: f64,
    /// The length.
    pub unit: Unit,
}

/// A length on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 2.54 centimetres.
    Inch,
    /// A hundredth of a metre.
    Centimetre,
    /// None is said: only the shape of a pixel is known.
    Unknown,
}

/// A note in words: a text chunk of PNG, a comment of JPEG or GIF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it is about: PNG's keyword, such as `Title` or `parameters`. A comment's is `Comment`.
    pub keyword: String,
    /// The words.
    pub text: String,
    /// Their language, as RFC 3066 names it, where it is said.
    pub language: Option<String>,
}

/// Colour as PNG states it without a profile. Of several statements cICP comes first, then the profile, then sRGB,
/// then the other two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatedColour {
    /// gAMA: the exponent of the samples, times 100,000.
    pub gamma: Option<u32>,
    /// cHRM: x and y of white, red, green and blue, times 100,000.
    pub chromaticities: Option<[u32; 8]>,
    /// sRGB: the rendering intent.
    pub srgb_intent: Option<u8>,
    /// cICP: primaries, transfer function, matrix, and whether the range is full, as H.273 numbers them.
    pub cicp: Option<[u8; 4]>,
}

impl Metadata {
    /// Of the picture in another size, given as width and height: EXIF and XMP note that size, the embedded
    /// thumbnail is removed, and resolution follows as `dpi` says.
    #[must_use]
    pub fn enlarged(&self, from: [u32; 2], to: [u32; 2], dpi: Dpi) -> Self {
        let scale = match dpi {
            Dpi::Scale => [0, 1].map(|axis| f64::from(to[axis]) / f64::from(from[axis].max(1))),
            Dpi::Keep => [1.0; 2],
        };
        let resolution = self.resolution.map(|Resolution { x, y, unit }| Resolution {
            x: x * scale[0],
            y: y * scale[1],
            unit,
        });
        Self {
            exif: self.exif.as_ref().map(|block| exif::enlarged(block, to, resolution)),
            xmp: self.xmp.as_ref().map(|packet| xmp::enlarged(packet, from, to, resolution)),
            resolution,
            ..self.clone()
        }
    }

    /// Nothing but what the colours mean.
    #[must_use]
    pub fn colour_only(&self) -> Self {
        Self { icc_profile: self.icc_profile.clone(), stated_colour: self.stated_colour, ..Self::default() }
    }
}

impl Resolution {
    /// The same in another unit; of an unknown one nothing is known.
    #[must_use]
    pub fn to(self, unit: Unit) -> Self {
        let factor = match (self.unit, unit) {
            (Unit::Inch, Unit::Centimetre) => 1.0 / 2.54,
            (Unit::Centimetre, Unit::Inch) => 2.54,
            _ => 1.0,
        };
        let unit = if self.unit == Unit::Unknown { Unit::Unknown } else { unit };
        Self { x: self.x * factor, y: self.y * factor, unit }
    }
}
