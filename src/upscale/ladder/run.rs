//! A picture through a ladder: from rows to rows, a band at a time, each part of it by the network that it is routed to.
//!
//! Windows are pasted from the lowest rung upwards and fade out over [`ramp`] pixels around what they keep, over what lies there
//! already: no seam shows where networks meet. The last rows of a band wait for the next one, which may fade into them.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use rayon::prelude::*;

use super::route::{Part, Routing};
use super::{Effort, Ladder, SIDE};
use crate::control::{Control, Progress};
use crate::error::Result;
use crate::job::cells::Cells;
use crate::job::stream::{Incoming, Outgoing, PixelRows, Said, Sink, Source, check_size};
use crate::job::tiles::{Rect, Tile};
use crate::models::Model;
use crate::pixels::{Depth, Pixels};
use crate::upscale::{Enlarged, Mask, Upscaler, joined};

/// Bytes that a band of enlarged rows may have.
const BAND_BYTES: usize = 48 << 20;

/// Rows of cells that it has at most: windows of more would not be less work.
const BAND_CELLS: usize = 32;

/// A cell's side on an engine that takes windows of one size only without planning anew.
const FIXED_SIDE: usize = 128;

/// The rows above a cell that it is looked at with, where it is the picture's last and lower than this.
const LOOK: usize = 8;

/// What an upscaler with a ladder has besides its own, best network.
#[derive(Debug)]
pub(in crate::upscale) struct Rungs {
    ladder: Arc<Ladder>,
    lambda: f64,
    /// Those of the other networks.
    lower: Vec<Upscaler>,
}

/// A picture on its way.
struct Pass<'a, 'scope> {
    rungs: &'a mut Rungs,
    best: &'a mut Upscaler,
    control: Control,
    cells: Cells,
    merges: bool,
    /// The picture's columns and rows.
    real: [usize; 2],
    scale: usize,
    depth: Depth,
    incoming: Incoming<'scope>,
    outgoing: Outgoing<'scope>,
    /// Enlarged rows that are not handed on, and the number of the first.
    canvas: Option<Pixels>,
    top: usize,
    /// The rung that made each pixel of the small picture, if that is wanted.
    owners: Option<Vec<u8>>,
    /// Multiply-adds, and pixels of windows.
    macs: f64,
    computed: usize,
}

impl Rungs {
    /// `lower` makes an upscaler for each network but the best.
    pub(in crate::upscale) fn new(
        Effort { ladder, effort }: &Effort,
        lower: impl Fn(&Model) -> Result<Upscaler>,
    ) -> Result<Self> {
        let others = ladder.models().take(ladder.models().len() - 1);
        let lower = others.map(lower).collect::<Result<_>>()?;
        Ok(Self { ladder: ladder.clone(), lambda: ladder.lambda(*effort), lower })
    }

    /// Enlarges from rows to rows, with the upscaler of the best network.
    pub(in crate::upscale) fn run(
        &mut self,
        best: &mut Upscaler,
        source: &mut dyn Source,
        sink: &mut dyn Sink,
        with_masks: bool,
    ) -> Result<Enlarged> {
        let (real, depth, scale) = (source.size(), source.depth(), best.model.scale());
        check_size(real, scale)?;
        let upscalers = || self.lower.iter().chain([&*best]);
        let merges = upscalers().all(Upscaler::is_placeless);
        let least = upscalers().map(|upscaler| upscaler.model.smallest_side()).max().unwrap_or(1);
        let side = if merges { SIDE } else { FIXED_SIDE };
        let field = self.ladder.field();
        let size = real.map(|length| length.max(least).next_multiple_of(field.alignment));
        let cells = Cells::new(size, side, field, least);
        let cells = if merges { cells } else { cells.with_equal_windows() };
        let names: Vec<String> = self.ladder.models().map(|model| model.name().to_owned()).collect();
        let control = best.options.control.clone();
        let [width, height] = real;
        control.progress.begin(1, (width * height) as u64);
        for upscaler in self.lower.iter_mut().chain([&mut *best]) {
            upscaler.set_control(&Control { cancel: control.cancel.clone(), progress: Progress::default() });
        }
        let done = thread::scope(|scope| {
            let incoming = Incoming::new(scope, source, Said { size: real, depth }, best.model.edge())?;
            let outgoing = Outgoing::new(scope, sink)?;
            let owners = with_masks.then(|| vec![0; width * height]);
            let (control, canvas) = (control.clone(), None);
            let (top, macs, computed) = (0, 0.0, 0);
            #[rustfmt::skip]
            let mut pass = Pass {
                rungs: self, best: &mut *best, control, cells, merges, real, scale, depth, incoming, outgoing, canvas, top,
                owners, macs, computed,
            };
            pass.go_through()?;
            let Pass { macs, computed, owners, outgoing, .. } = pass;
            outgoing.finish()?;
            let recomputed = computed as f64 / (width * height) as f64;
            Ok((macs, recomputed, owners))
        });
        best.set_control(&control);
        let (macs, recomputed, owners) = done?;
        let dense = best.network(real)?.graph.macs().total() as f64;
        let mask = |(rung, name): (usize, String), owners: &[u8]| {
            let active = owners.iter().map(|owner| usize::from(*owner) == rung).collect();
            Mask { name, width, height, active }
        };
        let masks =
            owners.map(|owners| names.into_iter().enumerate().map(|named| mask(named, &owners)).collect());
        Ok(Enlarged { macs, dense, masks: masks.unwrap_or_default(), recomputed })
    }
}

impl Pass<'_, '_> {
    fn go_through(&mut self) -> Result<()> {
        let all = self.cells.all();
        let row_bytes = self.cells.side() * self.real[0] * self.scale * self.scale * 3 * self.depth.words();
        let rows = (BAND_BYTES / row_bytes.max(1)).clamp(1, BAND_CELLS);
        for y in all.y.clone().step_by(rows) {
            let within = Rect { x: all.x.clone(), y: y..(y + rows).min(all.y.end) };
            if !self.band(&within)? {
                break; // the sink says why
            }
        }
        Ok(())
    }

    /// Enlarges some rows of cells and hands on what is done. Whether anybody takes it.
    fn band(&mut self, within: &Rect) -> Result<bool> {
        let predicted = self.predict(within)?;
        let Self { cells, merges, .. } = *self;
        let lambda = self.rungs.lambda;
        let parts = Routing { cells: &cells, within, predicted: &predicted, lambda, merges }.parts();
        tracing::debug!(?within, ?parts, "routed");
        let rows = cells.part(within).y;
        self.make_room(rows.end.min(self.real[1]).saturating_sub(rows.start));
        self.control.progress.enter(0, 0, parts.len());
        for part in &parts {
            self.control.cancel.check()?;
            self.make(part)?;
        }
        self.hand_on(rows.end)
    }

    /// What is predicted of each cell.
    fn predict(&mut self, within: &Rect) -> Result<Vec<super::Predicted>> {
        let rows = self.cells.part(within).y;
        let first = rows.start.saturating_sub(LOOK);
        let columns = self.cells.part(within).x;
        let band = self.incoming.window(&Rect { x: columns, y: first..rows.end })?;
        let at_least = |range: Range<usize>| range.start.min(range.end.saturating_sub(LOOK))..range.end;
        let look = |place: [usize; 2]| {
            let Rect { x, y } = self.cells.part(&Rect::one(place));
            let (x, y) = (at_least(x), at_least(y));
            let start = y.start.max(first);
            self.rungs.ladder.predict(&band, &Rect { x, y: start - first..y.end - first })
        };
        let places: Vec<[usize; 2]> = within.places().collect();
        Ok(places.into_par_iter().map(look).collect())
    }

    fn make_room(&mut self, rows: usize) {
        if rows == 0 {
            return; // nothing but what the picture was extended by
        }
        let rows = Pixels::black(self.scale * self.real[0], self.scale * rows, self.depth);
        match &mut self.canvas {
            Some(canvas) => canvas.append(rows),
            none => *none = Some(rows),
        }
    }

    fn make(&mut self, Part { rung, tile: Tile { window, kept } }: &Part) -> Result<()> {
        let picture = self.incoming.window(window)?;
        let upscaler = self.rungs.lower.get_mut(*rung).unwrap_or(self.best);
        let mut rows: Vec<Pixels> = Vec::new();
        let made = upscaler.enlarge(&mut PixelRows::new(&picture), &mut rows, false)?;
        self.macs += made.macs;
        self.computed += window.pixels();
        let large = joined(rows);
        let Rect { x, y } = kept.within(window).scaled([self.scale, 1]);
        let ramp = self.scale * ramp(self.cells.field().radius);
        let [columns, rows] = [shares(&x, large.width(), ramp), shares(&y, large.height(), ramp)];
        let [x, y] = [window.x.start, window.y.start].map(|at| (self.scale * at) as isize);
        if let Some(canvas) = &mut self.canvas {
            canvas.blend([x, y - self.top as isize], &large, [&columns, &rows]);
        }
        if let Some(owners) = &mut self.owners {
            let shown = kept.within_size(self.real);
            shown.places().for_each(|[x, y]| owners[y * self.real[0] + x] = *rung as u8);
        }
        self.control.progress.add(kept.pixels() as u64);
        Ok(())
    }

    /// Hands on the rows that nothing fades into any more: above `end`, in rows of the small picture.
    fn hand_on(&mut self, end: usize) -> Result<bool> {
        let radius = self.cells.field().radius;
        let waiting = if end < self.real[1] { self.scale * ramp(radius) } else { 0 };
        self.incoming.drop_above(end.saturating_sub(radius.max(self.cells.least()).max(LOOK)));
        let Some(mut canvas) = self.canvas.take_if(|canvas| canvas.height() > waiting) else {
            return Ok(true);
        };
        let (width, height) = (canvas.width(), canvas.height());
        if waiting > 0 {
            self.canvas = Some(canvas.part(0..width, height - waiting..height)?);
            canvas = canvas.part(0..width, 0..height - waiting)?;
        }
        self.top += canvas.height();
        Ok(self.outgoing.send(canvas))
    }
}

/// Pixels of the small picture over which a window fades out, of those that it has around what is kept.
fn ramp(halo: usize) -> usize {
    halo / 2
}

/// The shares of a window's columns, or rows, in what lies around what is kept of them: all within, none beyond the ramp.
fn shares(kept: &Range<usize>, length: usize, ramp: usize) -> Vec<f32> {
    let away = |at: usize| kept.start.saturating_sub(at).max((at + 1).saturating_sub(kept.end));
    (0..length).map(|at| 1.0 - away(at).min(ramp + 1) as f32 / (ramp + 1) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_fades_out_around_what_is_kept() {
        let thirds = shares(&(3..5), 9, 2).into_iter().map(|share| (3.0 * share).round());
        assert!(thirds.eq([0.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0, 0.0]));
        assert_eq!(shares(&(0..2), 3, 0), [1.0, 1.0, 0.0]);
    }
}
