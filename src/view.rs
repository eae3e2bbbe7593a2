//! Pictures in a host's own memory, borrowed: channels in the host's order, rows as far apart as the host has them, samples
//! of 8 bits, 16 bits or floating point.
//!
//! ```text
//!   View ─► rows, colour spread under transparency ─► network ─► rows ─┬─► ViewMut
//!    └────► rows of alpha ─► bicubic ─────────────────────────────────┘
//! ```
//!
//! A band of rows is converted at a time, so of a large picture there is no second copy. What lies between the rows is
//! neither read nor written. Three channels of 8 bits go to the network as they are; all else travels in 16 bits, as pictures
//! from files do, floating point too: from 0 to 1, what lies outside of that clamped.

mod rows;
mod sample;

use rows::{IntoView, ViewRows};
pub use sample::Sample;

use crate::error::{Error, Result};
use crate::upscale::{Streamed, Upscaler};

/// The order of the channels of a pixel whose samples are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packed {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, alpha that colours were not multiplied by.
    Rgba,
    /// Blue, green, red, alpha that colours were not multiplied by.
    Bgra,
    /// One channel.
    Gray,
}

/// What the channels of a view are, whatever their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Colour,
    ColourAndAlpha,
    Gray,
}

/// Where the samples of a view lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    width: usize,
    height: usize,
    /// None, if red, green and blue are planes.
    packed: Option<Packed>,
    /// Samples from the beginning of a row to that of the next.
    stride: usize,
}

/// A picture to be read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    /// Red, green and blue; the first has all, if they are packed.
    planes: [&'a [T]; 3],
    layout: Layout,
}

/// A picture to be written.
#[derive(Debug)]
pub struct ViewMut<'a, T> {
    planes: [&'a mut [T]; 3],
    layout: Layout,
}

impl Packed {
    /// Samples of a pixel.
    pub const fn samples(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
            Self::Gray => 1,
        }
    }

    /// Where red, green and blue stand in a pixel. Alpha stands last.
    const fn places(self) -> [usize; 3] {
        match self {
            Self::Rgb | Self::Rgba => [0, 1, 2],
            Self::Bgr | Self::Bgra => [2, 1, 0],
            Self::Gray => [0; 3],
        }
    }

    const fn channels(self) -> Channels {
        match self {
            Self::Rgb | Self::Bgr => Channels::Colour,
            Self::Rgba | Self::Bgra => Channels::ColourAndAlpha,
            Self::Gray => Channels::Gray,
        }
    }
}

impl Layout {
    /// If every one of the planes has room for it.
    fn new(
        [width, height]: [usize; 2],
        packed: Option<Packed>,
        stride: usize,
        lengths: &[usize],
    ) -> Result<Self> {
        let refused = |reason: String| Err(Error::shape("view", reason));
        if width == 0 || height == 0 {
            return refused(format!("expected at least one pixel, found {width}x{height}"));
        }
        let step = packed.map_or(1, Packed::samples);
        let row = width.checked_mul(step);
        if row.is_none_or(|row| stride < row) {
            let row = row.map_or_else(|| format!("{width} x {step}"), |row| row.to_string());
            return refused(format!(
                "expected at least {row} samples from row to row, found a stride of {stride}"
            ));
        }
        let needed = stride.checked_mul(height - 1).and_then(|above| above.checked_add(width * step));
        for (plane, found) in lengths.iter().enumerate() {
            if needed.is_none_or(|needed| *found < needed) {
                let needed = needed.map_or("more than can be counted".into(), |needed| needed.to_string());
                let plane = if packed.is_some() { "" } else { ["red: ", "green: ", "blue: "][plane] };
                let size = format!("{width}x{height} pixels with a stride of {stride}");
                return refused(format!("{plane}expected {needed} samples for {size}, found {found}"));
            }
        }
        Ok(Self { width, height, packed, stride })
    }

    fn channels(&self) -> Channels {
        self.packed.map_or(Channels::Colour, Packed::channels)
    }

    fn has_alpha(&self) -> bool {
        self.channels() == Channels::ColourAndAlpha
    }

    /// Samples of a plane's row.
    fn row(&self) -> usize {
        self.width * self.packed.map_or(1, Packed::samples)
    }
}

impl<'a, T: Sample> View<'a, T> {
    /// `[width, height]` pixels whose samples are neighbours. Rows begin `stride` samples apart; the last need not be followed
    /// by anything.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no pixel, rows overlap, or there are fewer samples.
    pub fn packed(samples: &'a [T], size: [usize; 2], order: Packed, stride: usize) -> Result<Self> {
        let layout = Layout::new(size, Some(order), stride, &[samples.len()])?;
        Ok(Self { planes: [samples, &[], &[]], layout })
    }

    /// The same of red, green and blue in planes of their own.
    ///
    /// # Errors
    /// As [`View::packed`].
    pub fn planar(planes: [&'a [T]; 3], size: [usize; 2], stride: usize) -> Result<Self> {
        let layout = Layout::new(size, None, stride, &planes.map(<[T]>::len))?;
        Ok(Self { planes, layout })
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        [self.layout.width, self.layout.height]
    }

    fn row(&self, plane: usize, y: usize) -> &'a [T] {
        &self.planes[plane][y * self.layout.stride..][..self.layout.row()]
    }
}

impl<'a, T: Sample> ViewMut<'a, T> {
    /// As [`View::packed`].
    ///
    /// # Errors
    /// As [`View::packed`].
    pub fn packed(samples: &'a mut [T], size: [usize; 2], order: Packed, stride: usize) -> Result<Self> {
        let layout = Layout::new(size, Some(order), stride, &[samples.len()])?;
        Ok(Self { planes: [samples, &mut [], &mut []], layout })
    }

    /// As [`View::planar`].
    ///
    /// # Errors
    /// As [`View::packed`].
    pub fn planar(planes: [&'a mut [T]; 3], size: [usize; 2], stride: usize) -> Result<Self> {
        let layout = Layout::new(size, None, stride, &planes.each_ref().map(|plane| plane.len()))?;
        Ok(Self { planes, layout })
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        [self.layout.width, self.layout.height]
    }
}

impl Upscaler {
    /// [`Upscaler::upscale_pixels`] from memory of the caller's to memory of the caller's.
    ///
    /// Orders may differ, channels may not: colours become colours, gray becomes gray, and alpha is enlarged by bicubic
    /// interpolation beside its colours.
    ///
    /// # Errors
    /// As [`Upscaler::upscale_pixels`]. [`Error::Shape`] if `to` is not of `scale` times the size, or of other channels;
    /// [`Error::Unsupported`] for a NaN, with the pixel that it stands in. What `to` holds then is no picture; what lies
    /// between its rows is as it was.
    pub fn upscale_into<T: Sample>(
        &mut self,
        from: &View<'_, T>,
        to: &mut ViewMut<'_, T>,
    ) -> Result<Streamed> {
        let (scale, [width, height], found) = (self.model().scale(), from.size(), to.size());
        let expected = [width, height].map(|side| side.checked_mul(scale));
        if expected != found.map(Some) {
            let expected = format!("{scale} times {width}x{height} pixels");
            let reason = format!("expected {expected}, found room for {}x{}", found[0], found[1]);
            return Err(Error::shape("output", reason));
        }
        if from.layout.channels() != to.layout.channels() {
            let [from, to] = [from.layout, to.layout].map(|layout| layout.channels().in_words());
            let reason = format!("expected the channels that go in, {from}, found {to}");
            return Err(Error::shape("output", reason));
        }
        self.upscale_rows(&mut ViewRows::new(*from), &mut IntoView::new(*from, to, scale))
    }
}

impl Channels {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Colour => "red, green and blue",
            Self::ColourAndAlpha => "red, green, blue and alpha",
            Self::Gray => "gray",
        }
    }
}
