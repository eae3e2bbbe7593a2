//! Views as sources and sinks of rows.

use std::ops::Range;

use super::sample::{Travels, travelling};
use super::{Channels, Packed, Sample, View, ViewMut};
use crate::alpha::{ALPHA_MARGIN, SPREAD, enlarged_alpha, spread_visible};
use crate::error::{Error, Result};
use crate::job::stream::{Sink, Source};
use crate::pixels::{Depth, Edge, Pixels, Samples, mean};
use crate::plane::Plane;

/// The colours of a view, from top to bottom.
pub(super) struct ViewRows<'a, T> {
    view: View<'a, T>,
    /// The next row.
    y: usize,
}

impl<'a, T: Sample> ViewRows<'a, T> {
    pub(super) fn new(view: View<'a, T>) -> Self {
        Self { view, y: 0 }
    }
}

impl<T: Sample> Source for ViewRows<'_, T> {
    fn size(&self) -> [usize; 2] {
        self.view.size()
    }

    fn depth(&self) -> Depth {
        let in_eight = T::EIGHT && self.view.layout.channels() == Channels::Colour;
        if in_eight { Depth::Eight } else { Depth::Sixteen }
    }

    fn read(&mut self, rows: usize) -> Result<Pixels> {
        let [width, height] = self.view.size();
        let rows = self.y..self.y.saturating_add(rows).min(height);
        self.y = rows.end;
        if !self.view.layout.has_alpha() {
            let samples = travelling(&self.view.colours(rows.clone())?, self.depth() == Depth::Eight);
            return Pixels::new(width, rows.len(), samples);
        }
        let (band, above) = around(&rows, SPREAD, height);
        let samples = travelling(&self.view.colours(band.clone())?, false);
        let Samples::U16(mut samples) = samples else { unreachable!("beside alpha all travels in 16 bits") };
        spread_visible(samples.as_chunks_mut().0, &self.view.alphas(band.clone())?, width);
        let band = Pixels::new(width, band.len(), Samples::U16(samples))?;
        Ok(band.part_with(Edge::Repeated, 0..width, above..above + rows.len()))
    }

    fn restart(&mut self) -> Result<()> {
        self.y = 0;
        Ok(())
    }
}

/// Some rows and up to `margin` above and below; how many there are above.
fn around(rows: &Range<usize>, margin: usize, height: usize) -> (Range<usize>, usize) {
    let above = rows.start.min(margin);
    (rows.start - above..rows.end.saturating_add(margin).min(height), above)
}

impl<T: Sample> View<'_, T> {
    /// Of some rows red, green and blue, which are the same in gray.
    fn colours(&self, rows: Range<usize>) -> Result<Vec<[T; 3]>> {
        let mut colours: Vec<[T; 3]> = Vec::with_capacity(rows.len() * self.layout.width);
        for y in rows.clone() {
            match self.layout.packed {
                Some(packed) => {
                    let places = packed.places();
                    let pixels = self.row(0, y).chunks_exact(packed.samples());
                    colours.extend(pixels.map(|pixel| places.map(|at| pixel[at])));
                }
                None => {
                    let [r, g, b] = [0, 1, 2].map(|plane| self.row(plane, y));
                    colours.extend(r.iter().zip(g).zip(b).map(|((r, g), b)| [*r, *g, *b]));
                }
            }
        }
        let gray = self.layout.channels() == Channels::Gray;
        let names = if gray { ["gray"; 3] } else { ["red", "green", "blue"] };
        self.check(colours.as_flattened(), &names, rows.start)?;
        Ok(colours)
    }

    /// Of some rows alpha in 16 bits.
    fn alphas(&self, rows: Range<usize>) -> Result<Vec<u16>> {
        let step = self.layout.packed.map_or(1, Packed::samples);
        let row = |y: usize| self.row(0, y).chunks_exact(step).map(move |pixel| pixel[step - 1]);
        let alphas: Vec<T> = rows.clone().flat_map(row).collect();
        self.check(&alphas, &["alpha"], rows.start)?;
        Ok(alphas.into_iter().map(T::fine).collect())
    }

    /// Whether all samples of some rows are numbers.
    fn check(&self, samples: &[T], names: &[&str], first: usize) -> Result<()> {
        let Some(at) = samples.iter().position(|sample| !sample.is_number()) else { return Ok(()) };
        let (pixel, name) = (at / names.len(), names[at % names.len()]);
        let (x, y) = (pixel % self.layout.width, first + pixel / self.layout.width);
        let found = samples[at];
        Err(Error::Unsupported(format!("view: expected numbers, found {found:?} in {name} at x {x}, y {y}")))
    }
}

/// The way of enlarged rows into a view.
pub(super) struct IntoView<'f, 'a, T> {
    /// Where alpha comes from.
    from: View<'f, T>,
    to: &'f mut ViewMut<'a, T>,
    scale: usize,
    /// The next row to be written.
    y: usize,
}

impl<'f, 'a, T: Sample> IntoView<'f, 'a, T> {
    pub(super) fn new(from: View<'f, T>, to: &'f mut ViewMut<'a, T>, scale: usize) -> Self {
        Self { from, to, scale, y: 0 }
    }

    /// Some rows of the enlarged alpha: whole rows of the view, enlarged.
    fn alpha(&self, rows: Range<usize>) -> Result<Vec<u16>> {
        let ([width, height], scale) = (self.from.size(), self.scale);
        let (band, above) = around(&(rows.start / scale..rows.end / scale), ALPHA_MARGIN, height);
        let values = self.from.alphas(band.clone())?.into_iter().map(f64::from).collect();
        let alpha = Plane::new(width, band.len(), values);
        let enlarged = enlarged_alpha(&alpha, width * scale, band.len() * scale);
        let start = width * scale * above * scale;
        Ok(enlarged[start..start + width * scale * rows.len()].to_vec())
    }
}

impl<T: Sample> Sink for IntoView<'_, '_, T> {
    fn write(&mut self, rows: Pixels) -> Result<()> {
        let [width, height] = self.to.size();
        let written = self.y..self.y + rows.height();
        self.y = written.end;
        if rows.width() != width || written.end > height {
            let found = format!("{} of {} from {} on", rows.height(), rows.width(), written.start);
            return Err(Error::shape(
                "output",
                format!("expected {height} rows of {width} pixels, found {found}"),
            ));
        }
        let alpha = if self.to.layout.has_alpha() { self.alpha(written.clone())? } else { vec![] };
        let fine = |at: usize| match rows.samples() {
            Samples::U8(samples) => samples[at].fine(),
            Samples::U16(samples) => samples[at],
        };
        for (row, y) in written.enumerate() {
            let pixels = row * width..(row + 1) * width;
            let colours = pixels.clone().map(|pixel| [0, 1, 2].map(|channel| fine(3 * pixel + channel)));
            self.to.put(y, colours, alpha.get(pixels).unwrap_or_default());
        }
        Ok(())
    }
}

impl<T: Sample> ViewMut<'_, T> {
    /// Writes a row: colours and, if there is any, alpha.
    fn put(&mut self, y: usize, colours: impl Iterator<Item = [u16; 3]>, alpha: &[u16]) {
        let (start, length) = (y * self.layout.stride, self.layout.row());
        let [first, second, third] = self.planes.each_mut();
        let Some(packed) = self.layout.packed else {
            let [r, g, b] = [first, second, third].map(|plane| &mut plane[start..start + length]);
            for (((r, g), b), colour) in r.iter_mut().zip(g).zip(b).zip(colours) {
                [*r, *g, *b] = colour.map(T::of);
            }
            return;
        };
        let (step, [r, g, b]) = (packed.samples(), packed.places());
        let pixels = first[start..start + length].chunks_exact_mut(step);
        for (at, (pixel, colour)) in pixels.zip(colours).enumerate() {
            match packed.channels() {
                Channels::Gray => pixel[0] = T::of(mean(colour)),
                _ => [pixel[r], pixel[g], pixel[b]] = colour.map(T::of),
            }
            if let Some(alpha) = alpha.get(at) {
                pixel[step - 1] = T::of(*alpha);
            }
        }
    }
}
