//! The tags of a picture's directory, one after another: what they say, or why the picture is not read.

use std::io::{self, Read, Seek};

use super::directory::{Directory, File};
use super::fax::Scheme;
use super::layout::{Alpha, Chunks, Codec, Colour, Predictor, YCbCr};
use super::{refused, tag};

const OLD_JPEG: u64 = 6;

/// Reads the tags of a directory.
pub(super) struct Tags<'a, R> {
    pub(super) file: &'a mut File<R>,
    pub(super) directory: &'a Directory,
}

impl<R: Read + Seek> Tags<'_, R> {
    pub(super) fn one(&mut self, tag: u16, default: u64) -> io::Result<u64> {
        Ok(self.file.first_number(self.directory, tag)?.unwrap_or(default))
    }

    fn all(&mut self, tag: u16) -> io::Result<Option<Vec<u64>>> {
        self.file.numbers(self.directory, tag)
    }

    /// A tag whose every value has a meaning of its own.
    pub(super) fn choice<T>(
        &mut self,
        tag: u16,
        default: u64,
        what: &str,
        of: impl Fn(u64) -> Option<T>,
    ) -> io::Result<T> {
        let value = self.one(tag, default)?;
        of(value).ok_or_else(|| unread(&format!("{what} of {value}")))
    }

    pub(super) fn size(&mut self) -> io::Result<[u32; 2]> {
        let mut size = [0; 2];
        for (side, tag) in size.iter_mut().zip([tag::WIDTH, tag::HEIGHT]) {
            let value = self.one(tag, 0)?;
            *side = u32::try_from(value).ok().filter(|&side| side > 0).ok_or_else(|| {
                refused(format!(
                    "expected a width and a height in the TIFF's directory, found a side of {value}"
                ))
            })?;
        }
        Ok(size)
    }

    pub(super) fn bits(&mut self) -> io::Result<u32> {
        let bits = self.all(tag::BITS)?.unwrap_or_else(|| vec![1]);
        match bits.first() {
            Some(&first) if !bits.iter().all(|&bits| bits == first) => {
                Err(unread(&format!("samples of different depths ({bits:?} bits)")))
            }
            Some(&first @ 1..=32) => Ok(first as u32),
            _ => Err(unread(&format!("samples of {bits:?} bits"))),
        }
    }

    pub(super) fn float(&mut self, bits: u32) -> io::Result<bool> {
        let formats = self.all(tag::SAMPLE_FORMAT)?.unwrap_or_default();
        let first = formats.first().copied().unwrap_or(1);
        match first {
            _ if !formats.iter().all(|&format| format == first) => Err(unread("samples of different kinds")),
            1 | 4 => Ok(false),
            2 => Err(unread("samples with a sign (negative numbers)")),
            3 if bits == 16 || bits == 32 => Ok(true),
            3 => Err(unread(&format!("floating-point samples of {bits} bits"))),
            _ => Err(unread("samples of complex numbers")),
        }
    }

    pub(super) fn codec(&mut self) -> io::Result<Codec> {
        let compression = self.one(tag::COMPRESSION, 1)?;
        Ok(match compression {
            1 => Codec::None,
            2 => Codec::Fax(Scheme::Rle),
            3 if self.one(tag::T4_OPTIONS, 0)? & 1 == 1 => Codec::Fax(Scheme::Group3Mixed),
            3 => Codec::Fax(Scheme::Group3),
            4 => Codec::Fax(Scheme::Group4),
            5 => Codec::Lzw,
            // The older form is read where it is a JPEG file within the file.
            OLD_JPEG if self.directory.entry(tag::JPEG_FILE).is_some() => Codec::Jpeg { tables: Vec::new() },
            7 => {
                let tables = self.directory.entry(tag::JPEG_TABLES).map(|entry| self.file.raw(entry));
                Codec::Jpeg { tables: tables.transpose()?.unwrap_or_default() }
            }
            8 | 32_946 => Codec::Deflate,
            32_773 => Codec::PackBits,
            other => return Err(unread(&format!("{} compression", compression_name(other)))),
        })
    }

    pub(super) fn colour(&mut self, bits: u32, codec: &Codec) -> io::Result<Colour> {
        // Fax machines are where the tag is forgotten.
        let default = if matches!(codec, Codec::Fax(_)) { 0 } else { u64::MAX };
        let indexed = self.one(tag::INDEXED, 0)? == 1;
        match self.one(tag::PHOTOMETRIC, default)? {
            3 => self.palette(bits),
            _ if indexed => Err(unread("a palette of other colours than RGB")),
            0 => Ok(Colour::Gray { white_is_zero: true }),
            1 => Ok(Colour::Gray { white_is_zero: false }),
            2 => {
                let white = ((1_u64 << bits) - 1) as f64;
                let reference = self.file.fractions(self.directory, tag::REFERENCE_BLACK_WHITE)?;
                if reference.is_some_and(|found| found != [0.0, white, 0.0, white, 0.0, white]) {
                    return Err(unread("RGB colours between other numbers than black 0 and white all ones"));
                }
                Ok(Colour::Rgb)
            }
            5 => self.cmyk(bits),
            6 => self.ycbcr(bits),
            u64::MAX => {
                Err(refused("the TIFF does not say what its samples mean (no photometric interpretation)"))
            }
            other => Err(unread(&format!("{} colours", colour_name(other)))),
        }
    }

    fn palette(&mut self, bits: u32) -> io::Result<Colour> {
        let map = self.all(tag::COLOUR_MAP)?.unwrap_or_default();
        if bits > 16 || map.len() != 3 << bits {
            let found = map.len();
            return Err(refused(format!(
                "expected a palette of 3 x 2^{bits} numbers in the TIFF, found {found}"
            )));
        }
        let (red, rest) = map.split_at(map.len() / 3);
        let (green, blue) = rest.split_at(red.len());
        // Some writers use 8 bits.
        let gain = if map.iter().all(|&value| value < 256) { 257 } else { 1 };
        let colours = red.iter().zip(green).zip(blue);
        let colours = colours.map(|((&r, &g), &b)| [r, g, b].map(|value| (value.min(0xffff) * gain) as u16));
        Ok(Colour::Palette(colours.collect()))
    }

    fn cmyk(&mut self, bits: u32) -> io::Result<Colour> {
        if self.one(tag::INK_SET, 1)? != 1 {
            return Err(unread("inks other than cyan, magenta, yellow and black"));
        }
        let white = (1_u64 << bits) - 1;
        let range = self.all(tag::DOT_RANGE)?.unwrap_or_default();
        if range.chunks(2).any(|range| range != [0, white]) {
            return Err(unread("a range of ink other than from 0 to all ones"));
        }
        Ok(Colour::Cmyk)
    }

    fn ycbcr(&mut self, bits: u32) -> io::Result<Colour> {
        if bits != 8 {
            return Err(unread(&format!("YCbCr colours of {bits} bits")));
        }
        let luma = self
            .file
            .fractions(self.directory, tag::COEFFICIENTS)?
            .unwrap_or_else(|| vec![0.299, 0.587, 0.114]);
        let reference = self.file.fractions(self.directory, tag::REFERENCE_BLACK_WHITE)?;
        let reference = reference.unwrap_or_else(|| vec![0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        let subsampling = self.all(tag::SUBSAMPLING)?.unwrap_or_else(|| vec![2, 2]);
        let sound = |luma: &[f64; 3], reference: &[f64; 6]| {
            luma.iter().all(|share| (0.001..1.0).contains(share))
                && reference
                    .chunks(2)
                    .all(|pair| pair[0].is_finite() && (1.0..1e6).contains(&(pair[1] - pair[0])))
        };
        match (luma.try_into(), reference.try_into(), subsampling[..].first_chunk()) {
            (Ok(luma), Ok(reference), Some(&[x @ (1 | 2 | 4), y @ (1 | 2 | 4)]))
                if sound(&luma, &reference) =>
            {
                Ok(Colour::YCbCr(YCbCr { luma, reference, subsampling: [x as u32, y as u32] }))
            }
            _ => Err(refused("the TIFF's YCbCr coefficients, reference or subsampling make no sense")),
        }
    }

    pub(super) fn alpha(
        &mut self,
        samples: usize,
        colour: &Colour,
        warnings: &mut Vec<String>,
    ) -> io::Result<Option<Alpha>> {
        let colours = colour.samples();
        let Some(extra) = samples.checked_sub(colours) else {
            return Err(refused(format!("expected {colours} samples a pixel or more, found {samples}")));
        };
        let mut kinds = self.all(tag::EXTRA_SAMPLES)?.unwrap_or_default();
        if kinds.is_empty() && extra == 1 {
            match self.file.first_number(self.directory, tag::MATTEING)? {
                Some(premultiplied) => kinds.push(if premultiplied == 1 { 1 } else { 2 }),
                // Four samples of RGB are taken for alpha everywhere.
                None if matches!(colour, Colour::Rgb) => kinds.push(2),
                None => {}
            }
        }
        if kinds.len() < extra {
            return Err(unread(&format!(
                "{samples} samples a pixel of which only {colours} are said to be colour"
            )));
        }
        let kinds = &kinds[kinds.len() - extra..];
        if let Some(&unknown) = kinds.iter().find(|&&kind| kind > 2) {
            return Err(unread(&format!("an extra sample of kind {unknown}")));
        }
        let at = kinds.iter().position(|&kind| kind > 0);
        let left_out = extra - usize::from(at.is_some());
        if left_out > 0 {
            warnings
                .push(format!("{left_out} of its channels are neither colour nor alpha, and are left out"));
        }
        Ok(at.map(|at| Alpha { at: colours + at, associated: kinds[at] == 1 }))
    }

    pub(super) fn predictor(&mut self, bits: u32, float: bool) -> io::Result<Predictor> {
        match self.one(tag::PREDICTOR, 1)? {
            1 => Ok(Predictor::None),
            2 if matches!(bits, 8 | 16 | 32) => Ok(Predictor::Horizontal),
            3 if float => Ok(Predictor::Float),
            other => Err(unread(&format!("predictor {other} on samples of {bits} bits"))),
        }
    }

    /// The JPEG file within the file, which ends where the last strip ends, at least.
    fn old_jpeg(&mut self, [width, height]: [u32; 2]) -> io::Result<Chunks> {
        let at = self.one(tag::JPEG_FILE, 0)?;
        let offsets = self.all(tag::STRIP_OFFSETS)?.unwrap_or_default();
        let sizes = self.all(tag::STRIP_SIZES)?.unwrap_or_default();
        let strips = offsets.into_iter().zip(sizes).map(|(at, size)| at.saturating_add(size));
        let end = strips.fold(at.saturating_add(self.one(tag::JPEG_FILE_SIZE, 0)?), u64::max);
        let places = vec![(at, end.min(self.file.len()).saturating_sub(at))];
        Ok(Chunks { width, height, across: 1, down: 1, padded: false, places })
    }

    pub(super) fn chunks(&mut self, [width, height]: [u32; 2], planes: usize) -> io::Result<Chunks> {
        if self.one(tag::COMPRESSION, 1)? == OLD_JPEG {
            return self.old_jpeg([width, height]);
        }
        let padded = self.directory.entry(tag::TILE_OFFSETS).is_some();
        let [chunk_width, chunk_height] = if padded {
            [self.one(tag::TILE_WIDTH, 0)?, self.one(tag::TILE_HEIGHT, 0)?]
        } else {
            [width.into(), self.one(tag::ROWS_PER_STRIP, height.into())?.min(height.into())]
        };
        let sides = [chunk_width, chunk_height].map(|side| u32::try_from(side).ok().filter(|&side| side > 0));
        let [Some(chunk_width), Some(chunk_height)] = sides else {
            return Err(refused(format!(
                "the TIFF has strips or tiles of {chunk_width}x{chunk_height} pixels"
            )));
        };
        let (across, down) = (width.div_ceil(chunk_width), height.div_ceil(chunk_height));
        let expected = (u64::from(across) * u64::from(down)).saturating_mul(planes as u64);
        let (offsets, sizes) = if padded {
            (tag::TILE_OFFSETS, tag::TILE_SIZES)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_SIZES)
        };
        let offsets = self.all(offsets)?.unwrap_or_default();
        let sizes = self.all(sizes)?;
        // Old writers leave the sizes out where there is one strip.
        let sizes = match sizes {
            None if expected == 1 => {
                offsets.first().map(|&at| self.file.len().saturating_sub(at)).into_iter().collect()
            }
            sizes => sizes.unwrap_or_default(),
        };
        if (offsets.len() as u64) < expected || (sizes.len() as u64) < expected {
            let found = offsets.len().min(sizes.len());
            return Err(refused(format!(
                "expected {expected} strips or tiles in the TIFF's directory, found {found}"
            )));
        }
        let places = offsets.into_iter().zip(sizes).take(expected as usize).collect();
        Ok(Chunks { width: chunk_width, height: chunk_height, across, down, padded, places })
    }
}

/// A refusal of what is understood, and not read.
pub(super) fn unread(what: &str) -> io::Error {
    refused(format!("a TIFF with {what}, which is not read: save it as plain RGB or gray first"))
}

fn compression_name(compression: u64) -> String {
    let name = match compression {
        OLD_JPEG => "old-style JPEG",
        32_771 => "word-aligned fax",
        32_766 => "NeXT",
        32_809 => "ThunderScan",
        32_908 | 32_909 => "Pixar",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_661 => "JBIG",
        34_676 | 34_677 => "SGI LogLuv",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        50_002 | 52_546 => "JPEG XL",
        other => return format!("an unknown ({other})"),
    };
    name.to_owned()
}

fn colour_name(photometric: u64) -> String {
    let name = match photometric {
        4 => "transparency mask instead of",
        8..=10 => "L*a*b*",
        32_844 | 32_845 => "LogLuv",
        other => return format!("unknown ({other})"),
    };
    name.to_owned()
}
