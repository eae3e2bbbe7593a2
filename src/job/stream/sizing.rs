//! How large tiles are: by what the engines at work need for them and may take, and by how many there are to share them.

use super::known::Bytes;
use super::recovery::Recovery;
use super::{BAND_BYTES, ENOUGH, LARGEST, PROBE, Run, SMALLEST, Tiling};
use crate::error::{Error, Result};
use crate::graph::ReceptiveField;
use crate::job::crew::Failed;
use crate::job::tiles::Grid;
use crate::pixels::Depth;

/// Tiles for each of several engines, where the picture is large enough: so that they end at about the same time.
const SHARES: usize = 3;

/// How many times as wide as its margin a tile at least is that is cut to be shared.
const MARGINS: usize = 8;

impl Run<'_> {
    /// Whether the picture is to go in one piece.
    pub(super) fn is_whole(&mut self, recovery: &Recovery) -> Result<bool> {
        let (engine, size) = (recovery.at_work[0], self.size());
        let longer = size[0].max(size[1]);
        let is_shared = self.shared_side(None, recovery)?.is_some_and(|side| longer > side);
        let fits = match self.budget.tiling {
            Tiling::Whole => true,
            _ if recovery.largest.is_some() => false,
            Tiling::Pixels(side) => longer <= side,
            Tiling::Auto if is_shared => false,
            Tiling::Auto if longer <= self.probe_side() && self.budget.memory[engine] >= ENOUGH => true,
            Tiling::Auto => {
                let Bytes { fixed, a_pixel } = self.bytes(None, engine)?;
                fixed + a_pixel * (size[0] * size[1]) as f64 <= self.budget.memory[engine] as f64
                    && self.can_bind(None, size, engine)?
            }
        };
        Ok(fits || !self.can_be_cut()?)
    }

    /// The side of tiles of which there are enough for several engines, and not so many that they compute their margins more
    /// than themselves; none for one engine.
    fn shared_side(&mut self, at: Option<usize>, recovery: &Recovery) -> Result<Option<usize>> {
        let count = recovery.at_work.len();
        if count == 1 || !self.can_be_cut()? {
            return Ok(None);
        }
        let phases = match at {
            Some(at) => at..at + 1,
            None => 0..self.known.cut(self.model)?.len(),
        };
        let mut radius = 0;
        for at in phases {
            radius = radius.max(self.field(Some(at))?.radius);
        }
        let [width, height] = self.size();
        let side = (width as f64 * height as f64 / (SHARES * count) as f64).sqrt() as usize;
        Ok(Some(side.max(PROBE).max(MARGINS * radius)))
    }

    /// Whether every phase looks only so far.
    pub(super) fn can_be_cut(&mut self) -> Result<bool> {
        Ok(self.never_cut()?.is_none())
    }

    /// How the picture is cut in a phase: so that every engine at work can take any of the tiles.
    pub(super) fn grid(&mut self, at: Option<usize>, recovery: &Recovery) -> Result<Grid, Failed> {
        if at.is_none() {
            return Ok(Grid::whole(self.size()));
        }
        let field = self.field(at)?;
        let mut largest = recovery.largest.unwrap_or([usize::MAX; 2]);
        let mut at_most = |tile: [usize; 2]| {
            largest.iter_mut().zip(tile).for_each(|(largest, side)| *largest = side.min(*largest));
        };
        match self.budget.tiling {
            Tiling::Pixels(side) => at_most([side; 2]),
            Tiling::Auto | Tiling::Whole => {
                for (member, engine) in recovery.at_work.iter().enumerate() {
                    let largest = self.largest_tile(at, field, *engine);
                    at_most(largest.map_err(|error| Failed { member: Some(member), error })?);
                }
                if let Some(side) = self.shared_side(at, recovery)? {
                    at_most([side; 2]);
                }
            }
        }
        Ok(Grid::new(self.size(), largest, field))
    }

    /// How far a phase looks.
    fn field(&mut self, at: Option<usize>) -> Result<ReceptiveField> {
        let probe = self.known.phase(self.model, at, [self.probe_side(); 2])?;
        let field = probe.receptive_field().expect("only what can be cut is cut");
        Ok(field.aligned_to(self.model.alignment()))
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
                    let [smaller, _] = self.model.net().facts().aligned([side / 2; 2]);
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
}
