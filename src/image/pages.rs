//! The pages of a TIFF, enlarged one after the other into the pages of another.
//!
//! ```text
//!   every page's header ─► how many bytes there will be ─► page by page: rows ─► network ─► rows
//! ```
//!
//! No more of a page is held than of a file of one. All headers are read before the first page is enlarged, so that what
//! cannot be read is told then; the new file is whole or is not there.

use std::path::Path;

use image::ImageFormat;

use super::encode::{format_of, warn_of};
use super::reader::tiff_page;
use super::writer::tiff::Layout;
use super::{FileOptions, Metadata, PictureHeader, PictureWriter, Reading, UpscaledFile};
use crate::error::{Error, Result};
use crate::upscale::Upscaler;

impl Upscaler {
    /// [`Upscaler::upscale_file`] for every page of a TIFF; nothing if there is one, or the output is none.
    pub(super) fn upscale_pages(
        &mut self,
        input: &Path,
        output: &Path,
        options: &FileOptions,
    ) -> Result<Option<UpscaledFile>> {
        let asked = options.reading.page.is_some() || format_of(output)? != ImageFormat::Tiff;
        let first = if asked { None } else { tiff_page(input, &of_page(options, 0).reading)? };
        let Some((_, pages)) = first.filter(|&(_, pages)| pages > 1) else { return Ok(None) };
        let layout = self.layout(input, options, pages)?;
        let (mut writer, mut done) = (None, None);
        for number in 0..pages {
            let options = of_page(options, number);
            let begun = self.begin_file(input, output, &options).map_err(named(number))?;
            let (from, to) = (begun.from, begun.to);
            let mut header = begun.large(&options);
            if layout.wide && header.metadata.exif.take().is_some() {
                warn_of(output, ImageFormat::Tiff, &["EXIF in a file of more than 4 GiB"]);
            }
            let writer = match &mut writer {
                None => {
                    writer.insert(PictureWriter::create_pages(output, &header, &options.encoding, layout)?)
                }
                Some(writer) => {
                    writer.turn(&header, number + 1 == pages)?;
                    writer
                }
            };
            let kept = self.enlarge_into(begun, [input, output], &options, writer).map_err(named(number))?;
            let done = done.get_or_insert(UpscaledFile { frames: pages, from, to, macs_kept: 0.0 });
            done.macs_kept += kept / f64::from(pages);
        }
        writer.map_or(Ok(()), |writer| writer.finish(options.replace))?;
        Ok(done)
    }

    /// What the pages of the new file have in common: whether all of them together need wide numbers, and the order of
    /// bytes of the first EXIF.
    fn layout(&self, input: &Path, options: &FileOptions, pages: u32) -> Result<Layout> {
        let (mut bytes, mut with_exif) = (0, None);
        for number in 0..pages {
            let page = tiff_page(input, &of_page(options, number).reading).map_err(named(number))?;
            let Some((header, _)) = page else { continue };
            let PictureHeader { width, height, .. } = header;
            let to = options.size.of([width, height], self.model().scale());
            let [width, height] = to.map_err(|error| error.of_file(input))?;
            bytes += PictureHeader { width, height, ..header.clone() }.tiff_bytes();
            with_exif = with_exif.or_else(|| header.metadata.exif.is_some().then_some(header.metadata));
        }
        Ok(Layout::of(bytes, &with_exif.unwrap_or_else(Metadata::default)))
    }
}

/// The options for one page.
fn of_page(options: &FileOptions, number: u32) -> FileOptions {
    let reading = Reading { page: Some(number), ..options.reading };
    FileOptions { reading, ..options.clone() }
}

/// An error that says on which page it is.
fn named(number: u32) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Image { file, reason } => {
            Error::Image { file, reason: format!("page {}: {reason}", number + 1) }
        }
        other => other,
    }
}
