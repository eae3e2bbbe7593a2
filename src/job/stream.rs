//! A picture through a network, tile by tile and phase by phase, from a source of rows to a sink of rows.
//!
//! ```text
//!   source ─► rows ─► window ─► engine ─► kept part ─► band of rows ─► sink
//!                       ▲                     │
//!                       └──────── store ◄─────┴─► sums ─► means, for the next phase
//! ```
//!
//! Rows are read, tiles computed and rows written at the same time, with short queues between, so memory follows
//! the tile and the picture's width, not its height. What fails on a device is tried again: the same rows in smaller
//! tiles, then on the next engine. Rows that the sink has taken are not made again. If nothing helps there is an
//! error, and the sink has not had the whole picture.

mod pass;
mod resize;
mod rows;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use pass::{Pass, State};
use rows::{Incoming, Outgoing, Said};
pub use rows::{PixelRows, Sink, Source};

use crate::control::Control;
use crate::error::{Error, Result};
use crate::graph::{Node, ReceptiveField};
use crate::job::engine::Engine;
use crate::job::tiles::Grid;
use crate::models::Model;
use crate::pixels::Depth;
use crate::plan::{Phase, uncut};
use crate::tensor::Shape;

/// The smallest tile that is worth a try.
const SMALLEST: usize = 16;

/// The largest that is chosen: halos are small beside it.
const LARGEST: usize = 1024;

/// The side of the window by which, with another twice as wide, the memory of others is estimated.
const PROBE: usize = 128;

/// Bytes that a band of enlarged rows may have, where the tile is ours to choose.
const BAND_BYTES: usize = 48 << 20;

/// Bytes with which a picture that is no larger than [`PROBE`] is taken to fit in one piece, without a question.
const ENOUGH: u64 = 64 << 20;

/// Pixels of an enlarged picture at most: far more than any file holds, and few enough to be counted with.
const MOST: u64 = 1 << 40;

/// Whether and how pictures are cut into tiles. The result is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tiling {
    /// Not while a picture fits into the memory in one piece; else into tiles as large as fit.
    #[default]
    Auto,
    /// Never.
    Whole,
    /// Into tiles of at most so many columns and rows, that part of them which is kept.
    Pixels(usize),
}

/// What a run may take.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) tiling: Tiling,
    /// Bytes that each engine's buffers may take.
    pub(crate) memory: Vec<u64>,
    /// Bytes of the host's memory for what lies between phases.
    pub(crate) store: u64,
    /// Where the rest of that goes.
    pub(crate) scratch: PathBuf,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Of every mask of the network, in order, the share of active pixels.
    pub(crate) densities: Vec<f64>,
    /// And, if asked for, its values in raster order.
    pub(crate) masks: Vec<Vec<bool>>,
    /// Pixels of all windows, and of what was kept of them, phase by phase summed.
    pub(crate) computed: u64,
    pub(crate) kept: u64,
}

impl Outcome {
    /// Pixels computed for each that was kept.
    pub(crate) fn recomputed(&self) -> f64 {
        self.computed as f64 / self.kept.max(1) as f64
    }
}

/// A phase's number (none: the whole network as one) and the size of its windows.
type PhaseKey = (Option<usize>, [usize; 2]);

/// What was found out about a network for one picture and holds for the next.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The phases that were used last.
    phases: Vec<(PhaseKey, Arc<Phase>)>,
    /// All that the network is cut into, for windows of a size that no longer matters.
    cut: Vec<Phase>,
    /// What an engine needs for a phase.
    bytes: HashMap<(usize, Option<usize>, Depth), Bytes>,
}

/// What an engine needs for a phase: for its weights, and for each pixel of its windows.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    fixed: f64,
    a_pixel: f64,
}

impl Known {
    /// How many phases are kept: more than two sizes of picture need.
    const KEPT: usize = 24;

    /// One phase for windows of a size.
    pub(crate) fn phase(
        &mut self,
        model: &Model,
        at: Option<usize>,
        [width, height]: [usize; 2],
    ) -> Result<Arc<Phase>> {
        let key = (at, [width, height]);
        if let Some((_, phase)) = self.phases.iter().find(|(known, _)| *known == key) {
            return Ok(phase.clone());
        }
        let phase = match at {
            None => Phase::whole(model.graph(Shape::new(1, 3, height, width))?),
            Some(at) => self.cut(model)?[at].resized(height, width)?,
        };
        if self.phases.len() == Self::KEPT {
            self.phases.remove(0);
        }
        self.phases.push((key, Arc::new(phase)));
        Ok(self.phases[self.phases.len() - 1].1.clone())
    }

    /// How far a network looks that goes window by window in one phase; `None` if it takes several, or something in it
    /// looks at the whole picture.
    pub(crate) fn field(&mut self, model: &Model) -> Result<Option<ReceptiveField>> {
        let [only] = self.cut(model)? else { return Ok(None) };
        Ok(only.receptive_field().map(|field| field.aligned_to(model.alignment())))
    }

    /// All phases, cut once, so that their weights are the same ones at every size.
    fn cut(&mut self, model: &Model) -> Result<&[Phase]> {
        if self.cut.is_empty() {
            let side = PROBE.next_multiple_of(model.alignment());
            self.cut = Phase::all(model.graph(Shape::new(1, 3, side, side))?);
        }
        Ok(&self.cut)
    }
}

/// One picture on its way.
pub(crate) struct Run<'a> {
    pub(crate) model: &'a Model,
    /// What computes, the first choice first.
    pub(crate) engines: &'a mut [Box<dyn Engine>],
    pub(crate) known: &'a mut Known,
    pub(crate) budget: &'a Budget,
    pub(crate) control: &'a Control,
    /// The picture's columns and rows.
    pub(crate) real: [usize; 2],
    pub(crate) depth: Depth,
    /// Whether masks are wanted, and not only their densities.
    pub(crate) with_masks: bool,
}

/// What was tried and failed.
#[derive(Debug, Default)]
struct Recovery {
    /// The engine in use.
    engine: usize,
    /// What tiles may have at most, once something failed.
    largest: Option<[usize; 2]>,
    /// Whether the engine has failed otherwise than for its size.
    failed: bool,
    /// What began it.
    cause: Option<Error>,
}

impl Run<'_> {
    /// Reads the picture from `source`, several times if it must be, and writes its enlargement to `sink`.
    pub(crate) fn run(mut self, source: &mut dyn Source, sink: &mut dyn Sink) -> Result<Outcome> {
        self.check()?;
        let mut recovery = Recovery::default();
        if let (Tiling::Pixels(_), Some(reason)) = (self.budget.tiling, self.never_cut()?) {
            tracing::warn!("{reason}");
        }
        while self.is_whole(&recovery)? {
            match self.phases(&[None], &mut recovery, source, sink) {
                // Of a picture in one piece nothing has been written when its computation fails.
                Err(error) => self.recover(&mut recovery, self.size(), error)?,
                outcome => return outcome,
            }
            source.restart()?;
        }
        let count = self.known.cut(self.model)?.len();
        let phases: Vec<Option<usize>> = (0..count).map(Some).collect();
        self.phases(&phases, &mut recovery, source, sink)
    }

    /// Whether there is anything to do, and it can be done.
    fn check(&self) -> Result<()> {
        let ([width, height], scale) = (self.real, self.model.scale() as u128);
        if width == 0 || height == 0 {
            let reason = format!("expected at least one pixel, found {width}x{height}");
            return Err(Error::shape("source", reason));
        }
        if (width as u128).saturating_mul(height as u128).saturating_mul(scale * scale) > MOST.into() {
            let limit = format!("{scale} times {width}x{height} is more than 2^40 pixels");
            return Err(Error::Limits(format!("the picture is too large: {limit}")));
        }
        if self.budget.tiling == Tiling::Pixels(0) {
            return Err(Error::Unsupported("expected tiles of at least one pixel a side, found 0".into()));
        }
        Ok(())
    }

    /// One phase after the other.
    fn phases(
        &mut self,
        phases: &[Option<usize>],
        recovery: &mut Recovery,
        source: &mut dyn Source,
        sink: &mut dyn Sink,
    ) -> Result<Outcome> {
        let mut state = State::new(self.budget, self.with_masks.then_some(self.real));
        let [width, height] = self.size();
        self.control.progress.begin(phases.len(), (phases.len() * width * height) as u64);
        let mut was_read = false;
        for at in phases {
            let whole = self.known.phase(self.model, *at, self.size())?;
            if whole.reads_picture && std::mem::replace(&mut was_read, true) {
                source.restart()?;
            }
            thread::scope(|scope| {
                let (said, edge) = (Said { size: self.real, depth: self.depth }, self.model.edge());
                let incoming = whole.reads_picture.then(|| Incoming::new(scope, &mut *source, said, edge));
                let outgoing = whole.makes_picture.then(|| Outgoing::new(scope, &mut *sink));
                let (incoming, outgoing) = (incoming.transpose()?, outgoing.transpose()?);
                let (sizes, made) = ([self.real, self.size()], (self.model.scale(), self.depth));
                let mut pass = Pass::new(&mut state, (*at, &whole), sizes, made, incoming, outgoing)
                    .watched(self.control);
                while !pass.is_done() {
                    let grid = match self.grid(*at, recovery) {
                        Err(error) => {
                            self.recover(recovery, [SMALLEST; 2], error)?;
                            continue;
                        }
                        grid => grid?,
                    };
                    let phase = self.known.phase(self.model, *at, grid.window())?;
                    let engine = &mut *self.engines[recovery.engine];
                    match pass.attempt(engine, &phase, &grid) {
                        Err(error) if at.is_some() => self.recover(recovery, grid.tile(), error)?,
                        outcome => outcome?,
                    }
                }
                pass.finish()
            })?;
            state.end(*at, &whole);
        }
        Ok(state.outcome)
    }

    /// Whether the picture is to go in one piece.
    fn is_whole(&mut self, recovery: &Recovery) -> Result<bool> {
        let [width, height] = self.size();
        let longer = width.max(height);
        let fits = match self.budget.tiling {
            Tiling::Whole => true,
            _ if recovery.largest.is_some() => false,
            Tiling::Pixels(side) => longer <= side,
            Tiling::Auto if longer <= self.probe_side() && self.budget.memory[recovery.engine] >= ENOUGH => {
                true
            }
            Tiling::Auto => {
                let Bytes { fixed, a_pixel } = self.bytes(None, recovery.engine)?;
                fixed + a_pixel * (width * height) as f64 <= self.budget.memory[recovery.engine] as f64
                    && self.can_bind(None, self.size(), recovery.engine)?
            }
        };
        Ok(fits || !self.can_be_cut()?)
    }

    /// Whether every phase looks only so far.
    fn can_be_cut(&mut self) -> Result<bool> {
        Ok(self.never_cut()?.is_none())
    }

    /// How the picture is cut in a phase.
    fn grid(&mut self, at: Option<usize>, recovery: &Recovery) -> Result<Grid> {
        if at.is_none() {
            return Ok(Grid::whole(self.size()));
        }
        let probe = self.known.phase(self.model, at, [self.probe_side(); 2])?;
        let field = probe.receptive_field().expect("only what can be cut is cut");
        let field = field.aligned_to(self.model.alignment());
        let tile = match self.budget.tiling {
            Tiling::Pixels(side) => [side; 2],
            Tiling::Auto | Tiling::Whole => self.largest_tile(at, field, recovery.engine)?,
        };
        let largest = recovery.largest.unwrap_or([usize::MAX; 2]);
        Ok(Grid::new(self.size(), [0, 1].map(|axis| tile[axis].min(largest[axis])), field))
    }

    /// The largest tile whose window fits into the engine's memory and bindings, and whose band of rows is not too
    /// long.
    fn largest_tile(
        &mut self,
        at: Option<usize>,
        field: ReceptiveField,
        engine: usize,
    ) -> Result<[usize; 2]> {
        let Bytes { fixed, a_pixel } = self.bytes(at, engine)?;
        let pixels = (self.budget.memory[engine] as f64 - fixed).max(0.0) / a_pixel;
        let mut side = (pixels.sqrt() as usize).saturating_sub(2 * field.radius).min(LARGEST);
        let row =
            3 * self.real[0] * self.model.scale().pow(2) * if self.depth == Depth::Eight { 1 } else { 2 };
        let smallest = Grid::new(self.size(), [SMALLEST; 2], field).window();
        let needed = fixed + a_pixel * (smallest[0] * smallest[1]) as f64;
        if needed.is_finite() && needed > self.budget.memory[engine] as f64 {
            return Err(self.too_little(engine, needed));
        }
        loop {
            side = side.max(SMALLEST);
            let tile = [side, side.min(BAND_BYTES / row).max(SMALLEST)];
            if side == SMALLEST || self.can_bind(at, Grid::new(self.size(), tile, field).window(), engine)? {
                return Ok(tile);
            }
            side = side * 3 / 4;
        }
    }

    /// Not even the smallest tile fits.
    fn too_little(&self, engine: usize, needed: f64) -> Error {
        let (name, memory) = (self.engines[engine].name(), self.budget.memory[engine]);
        Error::OutOfMemory(format!(
            "{name}: expected at least {} bytes for a tile of {SMALLEST} pixels a side with what it looks at, found \
             {memory}; allow more, or ask for a size of tiles",
            needed.ceil()
        ))
    }

    /// Whether an engine's bindings take a phase's windows of a size.
    fn can_bind(&mut self, at: Option<usize>, window: [usize; 2], engine: usize) -> Result<bool> {
        match self.footprint(at, window, engine) {
            Err(Error::Limits(_)) => Ok(false),
            footprint => footprint.map(|_| true),
        }
    }

    /// What an engine needs for a phase, from two windows of which it can bind the larger.
    fn bytes(&mut self, at: Option<usize>, engine: usize) -> Result<Bytes> {
        let key = (engine, at, self.depth);
        if let Some(bytes) = self.known.bytes.get(&key) {
            return Ok(*bytes);
        }
        let mut side = self.probe_side();
        let bytes = loop {
            let sides = [side, 2 * side];
            match sides.map(|side| self.footprint(at, [side; 2], engine)) {
                [Ok(less), Ok(more)] => {
                    let pixels = sides.map(|side| (side * side) as f64);
                    let a_pixel = (more - less) as f64 / (pixels[1] - pixels[0]);
                    break Bytes { fixed: (less as f64 - a_pixel * pixels[0]).max(0.0), a_pixel };
                }
                [_, Err(Error::Limits(_))] => {
                    let [smaller, _] = self.model.extended([side / 2; 2]);
                    if smaller >= side {
                        break Bytes { fixed: f64::INFINITY, a_pixel: 1.0 }; // nothing fits
                    }
                    side = smaller;
                }
                [Err(error), _] | [_, Err(error)] => return Err(error),
            }
        };
        self.known.bytes.insert(key, bytes);
        Ok(bytes)
    }

    /// What an engine needs for a phase's windows of a size.
    fn footprint(&mut self, at: Option<usize>, window: [usize; 2], engine: usize) -> Result<u64> {
        let phase = self.known.phase(self.model, at, window)?;
        self.engines[engine].footprint(&phase, self.depth)
    }

    /// After a failure in tiles of a size: smaller ones, then the next engine, then no more.
    fn recover(&mut self, recovery: &mut Recovery, tile: [usize; 2], error: Error) -> Result<()> {
        let too_large = matches!(error, Error::OutOfMemory(_) | Error::Limits(_));
        if !too_large && !matches!(error, Error::Device(_)) {
            return Err(error);
        }
        let error = match self.engines[recovery.engine].fall_back(error) {
            Ok(what) => {
                tracing::warn!("{what}");
                self.known.bytes.retain(|(engine, ..), _| *engine != recovery.engine);
                return Ok(());
            }
            Err(error) => error,
        };
        let may_shrink = self.budget.tiling != Tiling::Whole && self.can_be_cut()?;
        let longer = tile[0].max(tile[1]);
        if may_shrink && longer > SMALLEST && (too_large || !std::mem::replace(&mut recovery.failed, true)) {
            tracing::warn!("{error}; tried again in smaller tiles");
            recovery.largest = Some(tile.map(|side| side.min(longer.div_ceil(2))));
        } else if recovery.engine + 1 < self.engines.len() {
            recovery.engine += 1;
            tracing::warn!("{error}; tried again on {}", self.engines[recovery.engine].name());
            // Not in larger tiles: what lies above the rows that are done may be gone.
            (recovery.failed, recovery.largest) = (false, Some(tile));
        } else {
            let error = recovery.cause.take().unwrap_or(error);
            return Err(if too_large { self.explained(error)? } else { error });
        }
        recovery.cause.get_or_insert(error);
        Ok(())
    }

    /// Why the network's pictures do not pass in tiles, if they do not.
    fn never_cut(&mut self) -> Result<Option<String>> {
        let reason = |node: &Node| {
            let operator = node.op.operator().name();
            format!(
                "this network's pictures cannot be cut, since {} ({operator}) looks at the whole",
                node.name
            )
        };
        Ok(uncut(self.known.cut(self.model)?).map(reason))
    }

    /// Why smaller tiles were no way out of an error, if they were none.
    fn explained(&mut self, error: Error) -> Result<Error> {
        let Some(reason) = self.never_cut()? else { return Ok(error) };
        Ok(match error {
            Error::Limits(text) => Error::Limits(format!("{text}; {reason}")),
            Error::OutOfMemory(text) => Error::OutOfMemory(format!("{text}; {reason}")),
            error => error,
        })
    }

    /// The picture's size, made one that the network takes.
    fn size(&self) -> [usize; 2] {
        self.model.extended(self.real)
    }

    fn probe_side(&self) -> usize {
        PROBE.next_multiple_of(self.model.alignment())
    }
}
