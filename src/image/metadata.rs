//! What a file says of its picture beside the pixels, in one form for all formats.
//!
//! Every reader fills a [`Metadata`], every writer takes from it what its format holds, and warns of the rest in one
//! line. Between them, [`Metadata::enlarged`] mends what speaks of the old pixels.

pub(super) mod jpeg;
mod losses;
pub(super) mod photoshop;
pub(super) mod png;

use std::io::{self, Read, Seek, SeekFrom};

use image::ImageFormat;
use image::metadata::Orientation;

use super::options::Dpi;
use super::{exif, xmp};
pub(super) use losses::held;

/// What a file says of its picture beside the pixels.
///
/// | written to | colour profile | EXIF | XMP | IPTC | resolution | text | gAMA, cHRM, sRGB, cICP, mDCV, cLLI | background |
/// |---|---|---|---|---|---|---|---|---|
/// | PNG  | kept | kept | kept | kept | kept | kept | kept | kept |
/// | JPEG | kept | kept, to 64 KB | kept, to 64 KB | kept, to 64 KB | kept | as comments | warning | warning |
/// | WebP | kept | kept | kept | warning | in EXIF, if there is one | warning | warning | warning |
/// | TIFF | kept | kept, to 4 GiB | kept | kept | kept | description | warning | warning |
/// | BMP  | warning | warning | warning | warning | kept | warning | warning | warning |
/// | GIF  | warning | warning | warning | warning | warning | warning | warning | warning |
///
/// *Warning* is one line in the log that names all that this output loses. sRGB, in whatever words, is what
/// a file without a profile is taken for, and no loss. Of a PNG's other chunks (`tIME`, private ones) a warning names
/// those that are left out; what speaks of its palette or of how many bits of a sample count is true no longer.
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
    /// bKGD: what a viewer may show where the picture is clear, white being 65535.
    pub background: Option<[u16; 3]>,
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
    /// mDCV: colours and light of the display on which the picture was made, as the chunk has them.
    pub mastering_display: Option<[u8; 24]>,
    /// cLLI: the most light of a pixel, and of a frame on the average, in 0.0001 cd/m².
    pub light_levels: Option<[u32; 2]>,
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
        Self {
            exif: self.exif.as_ref().map(|block| exif::enlarged(block, to, scale)),
            xmp: self.xmp.as_ref().map(|packet| xmp::enlarged(packet, from, to, scale)),
            resolution: self.resolution.map(|resolution| resolution.times(scale)),
            ..self.clone()
        }
    }

    /// Nothing but what the colours mean.
    #[must_use]
    pub fn colour_only(&self) -> Self {
        Self { icc_profile: self.icc_profile.clone(), stated_colour: self.stated_colour, ..Self::default() }
    }
}

impl Metadata {
    /// What a PNG, JPEG or BMP says. Of other formats their decoder knows more.
    pub(super) fn read(name: &str, format: ImageFormat, source: &mut (impl Read + Seek)) -> io::Result<Self> {
        match format {
            ImageFormat::Png => source.rewind().and_then(|()| png::read(name, source)),
            ImageFormat::Jpeg => source.rewind().and_then(|()| jpeg::read(name, source)),
            ImageFormat::Bmp => Ok(Self { resolution: bmp_resolution(source)?, ..Self::default() }),
            _ => Ok(Self::default()),
        }
    }

    /// What the samples are where they are of high dynamic range, as cICP says it.
    pub(super) fn high_range(&self) -> Option<&'static str> {
        match self.stated_colour.cicp? {
            [_, 16, ..] => Some("PQ"),
            [_, 18, ..] => Some("HLG"),
            _ => None,
        }
    }

    /// Takes out of EXIF and XMP how the pixels must be turned, and returns it: the picture will be upright.
    pub(super) fn take_orientation(&mut self) -> Orientation {
        let (exif, orientation) = self.exif.take().map(exif::upright).unzip();
        self.exif = exif;
        self.xmp = self.xmp.as_deref().map(xmp::upright);
        self.resolution = self.resolution.or_else(|| exif::resolution(self.exif.as_deref()?));
        orientation.unwrap_or(Orientation::NoTransforms)
    }

    /// The pixels have been turned: what lay across may now lie down.
    pub(super) fn turn(&mut self, orientation: Orientation) {
        if swaps_sides(orientation) {
            self.resolution =
                self.resolution.map(|Resolution { x, y, unit }| Resolution { x: y, y: x, unit });
            self.exif = self.exif.as_deref().map(exif::turned);
        }
    }
}

/// Whether the upright picture's rows are columns of the file's.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// UTF-8, or else Latin-1.
fn words(bytes: &[u8]) -> String {
    let latin = || bytes.iter().copied().map(char::from).collect();
    std::str::from_utf8(bytes).map_or_else(|_| latin(), str::to_owned)
}

/// Where a BMP has it: pixels in a metre, across and down.
pub(super) const BMP_RESOLUTION: std::ops::Range<usize> = 38..46;

fn bmp_resolution(source: &mut (impl Read + Seek)) -> io::Result<Option<Resolution>> {
    let (mut size, mut numbers) = ([0; 4], [0; 8]);
    source.seek(SeekFrom::Start(14))?;
    source.read_exact(&mut size)?;
    if u32::from_le_bytes(size) < 40 {
        return Ok(None); // OS/2's header, which has no resolution
    }
    source.seek(SeekFrom::Start(BMP_RESOLUTION.start as u64))?;
    source.read_exact(&mut numbers)?;
    let metres = numbers.as_chunks().0.iter().map(|number| f64::from(i32::from_le_bytes(*number)));
    let [x, y] = *metres.map(|number| number / 100.0).collect::<Vec<_>>() else { return Ok(None) };
    Ok(Some(Resolution { x, y, unit: Unit::Centimetre }.to(Unit::Inch)).filter(Resolution::is_said))
}

impl Resolution {
    /// Whether anything is said by it: a picture without a unit and with square pixels has any size.
    pub(super) fn is_said(&self) -> bool {
        let Self { x, y, unit } = *self;
        x > 0.0 && y > 0.0 && (unit != Unit::Unknown || x != y)
    }

    fn times(self, [x, y]: [f64; 2]) -> Self {
        Self { x: self.x * x, y: self.y * y, ..self }
    }

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
