//! A picture through a network, tile by tile and phase by phase, from a source of rows to a sink of rows.
//!
//! ```text
//!   source ─► rows ─► window ─► engine ─► kept part ─► band of rows ─► sink
//!                       ▲                     │
//!                       └──────── store ◄─────┴─► sums ─► means, for the next phase
//! ```
//!
//! Rows are read, tiles computed and rows written at the same time, with short queues between, so memory follows
//! the tile and the picture's width, not its height. Several engines share the tiles. What fails on a device is tried again: the
//! same rows in smaller tiles, then on the other engines, then on the next one. Rows that the sink has taken are not made again. If nothing helps there is an
//! error, and the sink has not had the whole picture.

mod border;
mod known;
mod pass;
mod recovery;
mod resize;
mod rows;
mod sizing;

use std::path::PathBuf;
use std::thread;

pub(crate) use border::{Bordered, Cropped};
pub(crate) use known::Known;
use pass::{Pass, State};
use recovery::Recovery;
pub(crate) use rows::{Incoming, Outgoing, Said};
pub use rows::{PixelRows, Sink, Source};

use crate::control::Control;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::job::crew::Failed;
use crate::job::engine::Engine;
use crate::job::schedule::Schedule;
use crate::job::tiles::Grid;
use crate::models::Model;
use crate::pixels::Depth;
use crate::plan::uncut;

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

/// One picture on its way.
pub(crate) struct Run<'a> {
    pub(crate) model: &'a Model,
    /// What computes: the first `together` as one, then one after the other, should those fail.
    pub(crate) engines: &'a mut [Box<dyn Engine>],
    pub(crate) together: usize,
    pub(crate) known: &'a mut Known,
    pub(crate) budget: &'a Budget,
    pub(crate) control: &'a Control,
    /// The picture's columns and rows, with its border if the network takes one.
    pub(crate) real: [usize; 2],
    pub(crate) depth: Depth,
    /// Whether masks are wanted, and not only their densities.
    pub(crate) with_masks: bool,
}

impl Run<'_> {
    /// Reads the picture from `source`, several times if it must be, and writes its enlargement to `sink`.
    pub(crate) fn run(mut self, source: &mut dyn Source, sink: &mut dyn Sink) -> Result<Outcome> {
        self.check()?;
        let mut recovery = Recovery::new(self.together);
        if let (Tiling::Pixels(_), Some(reason)) = (self.budget.tiling, self.never_cut()?) {
            tracing::warn!("{reason}");
        }
        while self.is_whole(&recovery)? {
            match self.phases(&[None], &mut recovery, source, sink) {
                // Of a picture in one piece nothing has been written when its computation fails.
                Err(failed) => self.recover(&mut recovery, self.size(), failed)?,
                Ok(outcome) => return Ok(outcome),
            }
            source.restart()?;
        }
        let count = self.known.cut(self.model)?.len();
        let phases: Vec<Option<usize>> = (0..count).map(Some).collect();
        self.phases(&phases, &mut recovery, source, sink).map_err(|failed| failed.error)
    }

    /// Whether there is anything to do, and it can be done.
    fn check(&self) -> Result<()> {
        check_size(self.real, self.model.scale())?;
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
    ) -> Result<Outcome, Failed> {
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
                    match self.grid(*at, recovery) {
                        Err(failed) => self.recover(recovery, [SMALLEST; 2], failed)?,
                        Ok(grid) => match self.attempt(&mut pass, *at, &recovery.at_work, grid) {
                            Err(failed) if at.is_some() => self.recover(recovery, grid.tile(), failed)?,
                            outcome => outcome?,
                        },
                    }
                }
                pass.finish().map_err(Failed::from)
            })?;
            state.end(*at, &whole);
        }
        Ok(state.outcome)
    }

    /// What is left of a phase, by the engines at work; what goes in one piece is for the first of them.
    fn attempt(
        &mut self,
        pass: &mut Pass<'_, '_>,
        at: Option<usize>,
        at_work: &[usize],
        grid: Grid,
    ) -> Result<(), Failed> {
        let phase = self.known.phase(self.model, at, grid.window())?;
        let schedule = Schedule::new(at, &phase, grid, pass.done());
        let at_work = if at.is_some() { at_work } else { &at_work[..1] };
        let mut paces = self.known.paces(at, at_work);
        let engines = self.engines.iter_mut().enumerate().filter(|(engine, _)| at_work.contains(engine));
        let mut engines: Vec<_> = engines.map(|(_, engine)| -> &mut dyn Engine { &mut **engine }).collect();
        let outcome = pass.attempt(&mut engines, &mut paces, &phase, &schedule);
        self.known.keep_paces(at, at_work, &paces);
        outcome
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

    /// The picture's size, made one that the network takes.
    fn size(&self) -> [usize; 2] {
        self.model.net().facts().aligned(self.real)
    }

    fn probe_side(&self) -> usize {
        PROBE.next_multiple_of(self.model.alignment())
    }
}

/// Whether a picture has pixels, and can be enlarged at all.
pub(crate) fn check_size([width, height]: [usize; 2], scale: usize) -> Result<()> {
    if width == 0 || height == 0 {
        let reason = format!("expected at least one pixel, found {width}x{height}");
        return Err(Error::shape("source", reason));
    }
    let scale = scale as u128;
    if (width as u128).saturating_mul(height as u128).saturating_mul(scale * scale) > MOST.into() {
        let limit = format!("{scale} times {width}x{height} is more than 2^40 pixels");
        return Err(Error::Limits(format!("the picture is too large: {limit}")));
    }
    Ok(())
}
