//! The frames of a video, one after the other: of each no more is computed than the change since the one before reaches.
//!
//! ```text
//!   frame ─► what has changed ─► tiles that see some of it ─► their windows, enlarged ──┐
//!                                those that see none ─► from the last enlarged frame ───┴─► enlarged frame
//! ```
//!
//! Every frame is what [`Upscaler::upscale_pixels`] makes of it, to the last bit. Where a pixel's number depends on nothing but
//! the pixels that it sees, as on the CPU engine, any windows do, and `cells` chooses those that are the least work. On a
//! GPU it also depends on its place in the window: there windows are those that [`Tiling::Pixels`] makes, and a frame that goes
//! in one piece is computed as a whole or not at all. So is one of a network that looks at the whole picture.

mod cells;
mod changes;

use std::sync::Arc;

use changes::Changes;

use super::Upscaler;
use crate::error::Result;
use crate::graph::ReceptiveField;
use crate::job::cells::Cells;
use crate::job::stream::Tiling;
use crate::job::tiles::{Grid, Tile};
use crate::pixels::Pixels;

/// Enlarges the frames of a video and computes again only what may have changed since the frame before.
///
/// ```
/// use std::sync::Arc;
/// use sparsr::{FrameUpscaler, Model, Options, Pixels, Samples, Upscaler};
///
/// let upscaler = Upscaler::on_cpu(&Model::builtin("edsrmini-x2")?, Options::default())?;
/// let mut frames = FrameUpscaler::new(upscaler)?;
/// let frame = Arc::new(Pixels::new(16, 8, Samples::U8(vec![90; 3 * 16 * 8]))?);
/// let large = frames.upscale(&frame)?;
/// assert!(Arc::ptr_eq(&frames.upscale(&frame)?, &large));
/// assert_eq!(frames.counts().still, 1);
/// # Ok::<(), sparsr::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameUpscaler {
    upscaler: Upscaler,
    /// How far the network looks, unless that is everywhere.
    field: Option<ReceptiveField>,
    skips: bool,
    last: Option<Last>,
    counts: FrameCounts,
}

/// What was done for the frames of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameCounts {
    /// Frames that were enlarged.
    pub frames: u64,
    /// Those of them that are equal to the one before.
    pub still: u64,
    /// Tiles of all frames; a frame that goes in one piece is one.
    pub tiles: u64,
    /// Tiles that were computed.
    pub computed: u64,
    /// Pixels of all frames.
    pub pixels: u64,
    /// Pixels that were computed, with those that windows have around their tiles.
    pub computed_pixels: u64,
}

/// A frame and what it became.
#[derive(Clone, Debug)]
struct Last {
    frame: Arc<Pixels>,
    large: Arc<Pixels>,
}

/// How frames of a size are cut.
enum Cut {
    /// Not at all.
    Whole,
    /// As [`Tiling::Pixels`] does it.
    Fixed(Grid),
    /// As is the least work.
    Free(Cells),
}

/// What of a frame is to be computed.
enum Todo {
    Nothing,
    Everything,
    Tiles(Vec<Tile>),
}

impl FrameUpscaler {
    /// Goes on with an upscaler.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a network that is made for pictures of one size.
    pub fn new(mut upscaler: Upscaler) -> Result<Self> {
        // Of a ladder a window may go another way than within its frame.
        let field = if upscaler.rungs.is_some() { None } else { upscaler.known.field(&upscaler.model)? };
        Ok(Self { upscaler, field, skips: true, last: None, counts: FrameCounts::default() })
    }

    /// The same, but it computes every frame as a whole, if it must: for comparisons.
    #[must_use]
    pub fn skipping(self, skips: bool) -> Self {
        Self { skips, ..self }
    }

    /// Whether a part of a frame of such a size, columns and rows, can be left out, and not only all of it.
    pub fn skips_tiles(&self, size: [usize; 2]) -> bool {
        self.skips && !matches!(self.cut(size), Cut::Whole)
    }

    /// The upscaler.
    pub fn upscaler(&self) -> &Upscaler {
        &self.upscaler
    }

    /// What was done so far.
    pub fn counts(&self) -> FrameCounts {
        self.counts
    }

    /// Enlarges the next frame. Of one that is equal to the one before it, the enlargement is the same `Arc`.
    ///
    /// # Errors
    /// As [`Upscaler::upscale_pixels`]. The frame before stays the one before.
    pub fn upscale(&mut self, frame: &Arc<Pixels>) -> Result<Arc<Pixels>> {
        let cut = self.cut([frame.width(), frame.height()]);
        let todo = self.todo(&cut, frame);
        let counts = self.counted(&cut, &todo, frame);
        let large = match (todo, self.last.clone()) {
            (Todo::Nothing, Some(last)) => last.large,
            (Todo::Tiles(tiles), Some(last)) => Arc::new(self.patched(&last.large, frame, &cut, &tiles)?),
            _ => Arc::new(self.upscaler.upscale_pixels(frame)?.pixels),
        };
        self.last = Some(Last { frame: frame.clone(), large: large.clone() });
        self.counts = counts;
        Ok(large)
    }

    fn cut(&self, real: [usize; 2]) -> Cut {
        let Upscaler { model, budget, .. } = &self.upscaler;
        let Some(field) = self.field else { return Cut::Whole };
        let (size, least) = (model.extended(real), model.smallest_side());
        if self.upscaler.is_placeless() {
            return Cut::Free(cells::cells(size, field, least));
        }
        match budget.tiling {
            Tiling::Pixels(side) if size.iter().any(|length| *length > side) => {
                let grid = Grid::new(size, [side; 2], field);
                // A window that the network does not take would be extended beyond the frame's own edge.
                if grid.window().iter().all(|length| *length >= least) {
                    Cut::Fixed(grid)
                } else {
                    Cut::Whole
                }
            }
            _ => Cut::Whole,
        }
    }

    fn todo(&self, cut: &Cut, frame: &Arc<Pixels>) -> Todo {
        let Some(last) = self.last.as_ref().filter(|_| self.skips) else { return Todo::Everything };
        if Arc::ptr_eq(&last.frame, frame) || last.frame == *frame {
            return Todo::Nothing;
        }
        let Some(changes) = Changes::between(&last.frame, frame) else { return Todo::Everything };
        let tiles: Vec<Tile> = match cut {
            Cut::Whole => return Todo::Everything,
            // All of the window: on a GPU what a pixel does not see may still be in its last digits.
            Cut::Fixed(grid) => grid.tiles_from(0).filter(|tile| changes.any(&tile.window)).collect(),
            Cut::Free(cells) => cells::tiles(cells, &changes),
        };
        let computed: usize = tiles.iter().map(|tile| tile.kept.pixels()).sum();
        if computed < frame.width() * frame.height() { Todo::Tiles(tiles) } else { Todo::Everything }
    }

    /// The frame's enlargement: the last one's, with some tiles made anew.
    fn patched(&mut self, large: &Pixels, frame: &Pixels, cut: &Cut, tiles: &[Tile]) -> Result<Pixels> {
        let (edge, scale) = (self.upscaler.model.edge(), self.upscaler.model.scale());
        let mut large = large.clone();
        for Tile { window, kept } in tiles {
            let kept = kept.within_size([frame.width(), frame.height()]);
            if kept.pixels() == 0 {
                continue; // nothing but what the frame was extended by
            }
            let part = frame.part_with(edge, window.x.clone(), window.y.clone());
            let made = self.window(&part, cut)?;
            let inner = kept.within(window).scaled([scale, 1]);
            large.paste(scale * kept.x.start, scale * kept.y.start, &made.part(inner.x, inner.y)?);
        }
        Ok(large)
    }

    /// A window's enlargement. One of a fixed grid is a tile with its margin already, and is not cut again if it fits.
    fn window(&mut self, part: &Pixels, cut: &Cut) -> Result<Pixels> {
        let tiling = self.upscaler.budget.tiling;
        if let Cut::Fixed(_) = cut {
            self.upscaler.budget.tiling = Tiling::Auto;
        }
        let made = self.upscaler.upscale_pixels(part);
        self.upscaler.budget.tiling = tiling;
        Ok(made?.pixels)
    }

    /// With this frame.
    fn counted(&self, cut: &Cut, todo: &Todo, frame: &Pixels) -> FrameCounts {
        let all = match cut {
            Cut::Whole => 1,
            Cut::Fixed(grid) => grid.tiles_from(0).count(),
            Cut::Free(cells) => cells.all().pixels(),
        };
        let pixels = frame.width() * frame.height();
        let (computed, computed_pixels) = match (todo, cut) {
            (Todo::Nothing, _) => (0, 0),
            (Todo::Everything, _) => (all, pixels),
            (Todo::Tiles(tiles), cut) => {
                let cells = |tile: &Tile| if let Cut::Free(cells) = cut { cells.of(&tile.kept) } else { 1 };
                let pixels = tiles.iter().map(|tile| tile.window.pixels()).sum();
                (tiles.iter().map(cells).sum(), pixels)
            }
        };
        let before = self.counts;
        FrameCounts {
            frames: before.frames + 1,
            still: before.still + u64::from(matches!(todo, Todo::Nothing)),
            tiles: before.tiles + all as u64,
            computed: before.computed + computed as u64,
            pixels: before.pixels + pixels as u64,
            computed_pixels: before.computed_pixels + computed_pixels as u64,
        }
    }
}
