//! Files to pairs.
//!
//! Files are decoded a few at once; what is made of them by floating point, which takes far more memory, is made one
//! after the other, by all threads.

use rayon::prelude::*;

use super::sources::Source;
use super::{DataOptions, Pair, bytes};
use crate::control::{Cancel, Progress};
use crate::error::{Error, Result};
use crate::image::Picture;
use crate::metrics::resize_bicubic_matlab;
use crate::pixels::{Edge, Pixels, Samples};

/// The second size of large pictures.
const SHRUNK: f64 = 0.55;

/// What its name ends with.
pub(super) const SHRUNK_NAME: &str = ", shrunk";

/// What files become.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Made {
    pub(super) pairs: Vec<Pair>,
    pub(super) left_out: Vec<String>,
}

pub(super) fn make(
    options: &DataOptions,
    sources: &[Source],
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Made> {
    let mut made = Made::default();
    progress.begin(1, sources.len() as u64);
    for some in sources.chunks(rayon::current_num_threads()) {
        cancel.check()?;
        let decoded: Vec<Result<Decoded>> = some.par_iter().map(decode).collect();
        for (source, decoded) in some.iter().zip(decoded) {
            match decoded {
                Ok(decoded) => pairs(options, source, decoded, &mut made)?,
                Err(reason) => made.left_out.push(reason.to_string()),
            }
            progress.add(1);
        }
    }
    Ok(made)
}

struct Decoded {
    high: Pixels,
    low: Option<Pixels>,
}

fn decode(source: &Source) -> Result<Decoded> {
    Ok(Decoded { high: rgb(&source.high)?, low: source.low.as_deref().map(rgb).transpose()? })
}

/// The picture of a file in RGB of 8 bits.
fn rgb(path: &std::path::Path) -> Result<Pixels> {
    let image = Picture::read(path)?.image;
    let shines_through = || image.to_luma_alpha8().pixels().any(|pixel| pixel[1] < u8::MAX);
    if image.color().has_alpha() && shines_through() {
        let reason = "it is transparent in places, and what colour they have is not known";
        return Err(Error::Image { file: path.display().to_string(), reason: reason.to_owned() });
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    Pixels::new(width, height, Samples::U8(image.into_rgb8().into_raw()))
}

fn pairs(options: &DataOptions, source: &Source, decoded: Decoded, made: &mut Made) -> Result<()> {
    let Decoded { high, low } = decoded;
    let (scale, name) = (options.scale, source.name.clone());
    if let Some(low) = low {
        check_sizes(source, scale, &high, &low)?;
        made.pairs.push(Pair { name, low, high });
        return Ok(());
    }
    let [width, height] = [high.width(), high.height()];
    let shrunk = options.also_shrunk_above.filter(|&longest| width.max(height) > longest);
    let shrunk = shrunk.and_then(|_| {
        let [width, height] = [width, height].map(|side| (side as f64 * SHRUNK) as usize);
        small(&resize_bicubic_matlab(&high, width, height), scale)
    });
    let Some((low, high)) = small(&high, scale) else {
        let sentence =
            format!("{}: {width}x{height} pixels are too small for the scale", source.high.display());
        made.left_out.push(sentence);
        return Ok(());
    };
    made.pairs.push(Pair { name: name.clone(), low, high });
    made.pairs.extend(shrunk.map(|(low, high)| Pair { name: format!("{name}{SHRUNK_NAME}"), low, high }));
    Ok(())
}

fn check_sizes(source: &Source, scale: usize, high: &Pixels, low: &Pixels) -> Result<()> {
    let [width, height] = [low.width() * scale, low.height() * scale];
    if (high.width(), high.height()) == (width, height) {
        return Ok(());
    }
    let low_file = source.low.as_deref().unwrap_or(&source.high).display();
    let reason = format!(
        "expected {width}x{height} pixels, {scale} times the {}x{} of {low_file}, found {}x{}",
        low.width(),
        low.height(),
        high.width(),
        high.height()
    );
    Err(Error::Image { file: source.high.display().to_string(), reason })
}

/// The small picture of a large one, and that without the columns and rows that are too many for the scale.
fn small(high: &Pixels, scale: usize) -> Option<(Pixels, Pixels)> {
    let [width, height] = [high.width() / scale, high.height() / scale];
    if width == 0 || height == 0 {
        return None;
    }
    let high = high.part_with(Edge::Repeated, 0..width * scale, 0..height * scale);
    let low = if scale == 1 { high.clone() } else { resize_bicubic_matlab(&high, width, height) };
    debug_assert_eq!(bytes(&low).len(), 3 * width * height, "8 bits stay 8 bits");
    Some((low, high))
}
