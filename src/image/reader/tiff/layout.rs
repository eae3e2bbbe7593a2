//! What the numbers in a TIFF's strips and tiles mean, taken from its directory.
//!
//! Every tag that changes what a pixel is has its place in [`Layout`], or is refused in the words of the one who
//! brings the file. Nothing is decoded before the whole directory has been understood, and found possible: the
//! strips lie in the file, and are long enough for what is said to be in them.

use std::io::{self, Read, Seek};

use super::directory::{Directory, File};
use super::fax::Scheme;
use super::tags::{Tags, unread};
use super::{refused, tag};

pub(super) struct Layout {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Samples of a pixel, those among them that nobody looks at.
    pub(super) samples: usize,
    pub(super) bits: u32,
    pub(super) float: bool,
    pub(super) big_endian: bool,
    pub(super) colour: Colour,
    pub(super) alpha: Option<Alpha>,
    pub(super) codec: Codec,
    pub(super) predictor: Predictor,
    /// Whether the lowest bit of a byte comes first.
    pub(super) reversed: bool,
    /// Whether each sample has a plane of its own.
    pub(super) planar: bool,
    pub(super) chunks: Chunks,
    /// As EXIF counts them.
    pub(super) orientation: u8,
    /// What is not kept.
    pub(super) warnings: Vec<String>,
}

pub(super) enum Colour {
    Gray { white_is_zero: bool },
    Rgb,
    Palette(Vec<[u16; 3]>),
    Cmyk,
    YCbCr(YCbCr),
}

impl Colour {
    /// Samples that tell it.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) => 3,
            Self::Cmyk => 4,
        }
    }
}

pub(super) struct YCbCr {
    /// The shares of red, green and blue in luma.
    pub(super) luma: [f64; 3],
    /// Black and white of luma, of blue-difference and red-difference, in 8 bits.
    pub(super) reference: [f64; 6],
    /// Pixels across and down that share one colour.
    pub(super) subsampling: [u32; 2],
}

/// Which sample is alpha.
pub(super) struct Alpha {
    pub(super) at: usize,
    /// Whether colour is multiplied by it.
    pub(super) associated: bool,
}

pub(super) enum Codec {
    None,
    Fax(Scheme),
    Lzw,
    Jpeg { tables: Vec<u8> },
    Deflate,
    PackBits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// Strips or tiles.
pub(super) struct Chunks {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) across: u32,
    pub(super) down: u32,
    /// Whether those at the edges are as large as the others.
    pub(super) padded: bool,
    /// Offset and size of each, plane by plane.
    pub(super) places: Vec<(u64, u64)>,
}

impl Layout {
    pub(super) fn of<R: Read + Seek>(file: &mut File<R>, directory: &Directory) -> io::Result<Self> {
        let mut tags = Tags { file, directory };
        let [width, height] = tags.size()?;
        let samples = tags.one(tag::SAMPLES, 1)? as usize;
        let bits = tags.bits()?;
        let float = tags.float(bits)?;
        let planar = tags.choice(tag::PLANES, 1, "a planar configuration", |value| match value {
            1 => Some(false),
            2 => Some(samples > 1),
            _ => None,
        })?;
        let codec = tags.codec()?;
        let colour = tags.colour(bits, &codec)?;
        let mut warnings = Vec::new();
        let alpha = tags.alpha(samples, &colour, &mut warnings)?;
        let predictor = tags.predictor(bits, float)?;
        let reversed = tags.choice(tag::FILL_ORDER, 1, "a fill order", |value| match value {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        })?;
        let orientation = tags.one(tag::ORIENTATION, 1)?;
        let orientation = u8::try_from(orientation).ok().filter(|value| (1..=8).contains(value)).unwrap_or(1);
        for (tag, what) in
            [(tag::TRANSFER_FUNCTION, "transfer function"), (tag::GRAY_CURVE, "gray response curve")]
        {
            if directory.entry(tag).is_some() {
                warnings.push(format!("its {what} is left out"));
            }
        }
        let chunks = tags.chunks([width, height], if planar { samples } else { 1 })?;
        let big_endian = tags.file.big_endian;
        let layout = Self {
            width,
            height,
            samples,
            bits,
            float,
            big_endian,
            colour,
            alpha,
            codec,
            predictor,
            reversed,
            planar,
            chunks,
            orientation,
            warnings,
        };
        layout.check(tags.file.len())?;
        Ok(layout)
    }

    /// Samples of a pixel that lie side by side in a strip.
    pub(super) fn samples_together(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Bytes of a row of a strip, as they come out of the codec.
    pub(super) fn chunk_row_bytes(&self) -> u64 {
        let samples = u64::from(self.chunks.width) * self.samples_together() as u64;
        (samples * u64::from(self.bits)).div_ceil(8)
    }

    /// Whether pixels share their colours in the strips.
    pub(super) fn subsampling(&self) -> Option<[u32; 2]> {
        match &self.colour {
            Colour::YCbCr(YCbCr { subsampling, .. })
                if !matches!(self.codec, Codec::Jpeg { .. }) && *subsampling != [1, 1] =>
            {
                Some(*subsampling)
            }
            _ => None,
        }
    }

    fn check(&self, len: u64) -> io::Result<()> {
        if self.subsampling().is_some() && (self.bits != 8 || self.planar || self.samples != 3) {
            return Err(unread("subsampled YCbCr colours other than three 8-bit samples side by side"));
        }
        if matches!(self.codec, Codec::Fax(_)) && (self.bits, self.samples) != (1, 1) {
            return Err(unread("fax compression of more than one bit a pixel"));
        }
        if self.planar && self.chunks.places.len() == 1 {
            return Err(unread("old-style JPEG in planes"));
        }
        if matches!(self.codec, Codec::Jpeg { .. }) && self.bits != 8 {
            return Err(unread(&format!("JPEG of {} bits a sample", self.bits)));
        }
        let held: u64 = self.chunks.places.iter().map(|&(_, size)| size).fold(0, u64::saturating_add);
        if self.chunks.places.iter().any(|&(at, size)| at.checked_add(size).is_none_or(|end| end > len)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.reachable(held) < u128::from(self.height) {
            let (width, height) = (self.width, self.height);
            return Err(refused(format!(
                "{width}x{height} pixels cannot be in the {held} bytes of its strips or tiles"
            )));
        }
        Ok(())
    }

    /// At most so many rows can be in so many bytes.
    fn reachable(&self, bytes: u64) -> u128 {
        let across = u128::from(self.chunks.across) * if self.planar { self.samples as u128 } else { 1 };
        let row_bytes = (u128::from(self.chunk_row_bytes()) * across).max(1);
        let row_bytes = match self.subsampling() {
            Some([x, y]) => row_bytes * u128::from(x * y + 2) / u128::from(3 * x * y),
            None => row_bytes,
        };
        let bytes = u128::from(bytes);
        let unpacked = match self.codec {
            Codec::None => bytes,
            Codec::PackBits => bytes * 64,
            Codec::Deflate => bytes * 1032,
            // A code of twelve bits stands for 4096 bytes at most.
            Codec::Lzw => bytes * 4096 * 8 / 12,
            // A block of 64 pixels takes a bit.
            Codec::Jpeg { .. } => bytes * 8 * 64 * self.samples_together() as u128,
            // A row like the one above takes a bit.
            Codec::Fax(_) => return bytes * 8,
        };
        unpacked / row_bytes
    }
}
