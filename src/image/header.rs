//! What a picture's file says beside the pixels.

use image::{ColorType, DynamicImage, ImageDecoder, ImageResult};

use super::{Dpi, Metadata, Picture};

/// What a picture's file says beside the pixels: all that a reader and a writer of rows agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureHeader {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The type of the pixels.
    pub color: ColorType,
    /// What the file says besides.
    pub metadata: Metadata,
}

impl PictureHeader {
    /// The header of the picture in another size, its metadata as in [`Metadata::enlarged`].
    pub fn resized(&self, width: u32, height: u32, dpi: Dpi) -> Self {
        let metadata = self.metadata.enlarged([self.width, self.height], [width, height], dpi);
        Self { width, height, color: self.color, metadata }
    }

    /// How many bytes a row takes in memory.
    pub(super) fn row_bytes(&self) -> u64 {
        u64::from(self.width) * u64::from(self.color.bytes_per_pixel())
    }

    /// How many bytes a TIFF of the picture takes at most. Gray with alpha is written as RGB with alpha, in 16 bits.
    pub(super) fn tiff_bytes(&self) -> u64 {
        let Metadata { icc_profile, exif, xmp, iptc, text, .. } = &self.metadata;
        let notes: usize = [icc_profile, exif, xmp, iptc].into_iter().flatten().map(Vec::len).sum();
        let words: usize = text.iter().map(|text| text.keyword.len() + text.text.len() + 3).sum();
        let gray_alpha = matches!(self.color, ColorType::La8 | ColorType::La16);
        let row_bytes = if gray_alpha { 8 * u64::from(self.width) } else { self.row_bytes() };
        // A strip's place and size take 16 bytes, and a row is a strip where rows are long.
        let strips = 16 * u64::from(self.height).min(1 + u64::from(self.height) * row_bytes / (1 << 19));
        u64::from(self.height) * row_bytes + (notes + words) as u64 + strips + 4096
    }

    /// Whether offsets in a TIFF of the picture may exceed 32 bits.
    pub(super) fn is_wide_as_tiff(&self) -> bool {
        self.tiff_bytes() > u64::from(u32::MAX)
    }

    pub(super) fn has_16_bits(&self) -> bool {
        self.color.bytes_per_pixel() == 2 * self.color.channel_count()
    }

    /// A picture of `rows` rows of this header's width and type. `fill` writes one row after another, samples in
    /// the machine's byte order.
    pub(super) fn picture(
        &self,
        rows: u32,
        fill: impl FnMut(&mut [u8]) -> ImageResult<()>,
    ) -> ImageResult<DynamicImage> {
        DynamicImage::from_decoder(Rows { header: self, rows, fill })
    }
}

impl Picture {
    /// Size, type and notes of the picture.
    pub fn header(&self) -> PictureHeader {
        PictureHeader {
            width: self.image.width(),
            height: self.image.height(),
            color: self.image.color(),
            metadata: self.metadata.clone(),
        }
    }
}

/// Rows in the form in which [`DynamicImage`] takes every type of pixels.
struct Rows<'a, F> {
    header: &'a PictureHeader,
    rows: u32,
    fill: F,
}

impl<F: FnMut(&mut [u8]) -> ImageResult<()>> ImageDecoder for Rows<'_, F> {
    fn dimensions(&self) -> (u32, u32) {
        (self.header.width, self.rows)
    }

    fn color_type(&self) -> ColorType {
        self.header.color
    }

    fn read_image(mut self, bytes: &mut [u8]) -> ImageResult<()> {
        let row_bytes = bytes.len() / (self.rows as usize).max(1);
        bytes.chunks_exact_mut(row_bytes.max(1)).try_for_each(|row| (self.fill)(row))
    }

    fn read_image_boxed(self: Box<Self>, bytes: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(bytes)
    }
}
