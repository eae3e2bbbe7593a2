//! One phase over all tiles.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::rows::{Incoming, Outgoing};
use super::{Budget, Outcome};
use crate::engine::{Engine, Made, Window};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::pixels::{Depth, Pixels};
use crate::plan::Phase;
use crate::store::Store;
use crate::tensor::{Shape, channel_groups};
use crate::tiles::{Grid, Rect, Tile};

/// What goes from phase to phase.
pub(super) struct State {
    store: Store,
    /// Of every stored value the last phase that reads it.
    stored_for: HashMap<Value, usize>,
    sums: Sums,
    /// The means of global pools.
    pooled: HashMap<Value, Vec<f32>>,
    /// The size of the masks that are wanted.
    masks: Option<[usize; 2]>,
    pub(super) outcome: Outcome,
}

/// Sums over pixels, channel by channel.
type Sums = HashMap<Value, Vec<f64>>;

/// A phase on its way.
pub(super) struct Pass<'a, 'scope> {
    /// The phase's number, unless it is the whole network.
    at: Option<usize>,
    state: &'a mut State,
    incoming: Option<Incoming>,
    outgoing: Option<Outgoing<'scope>>,
    /// The picture's size, and that made a multiple of the alignment.
    real: [usize; 2],
    size: [usize; 2],
    scale: usize,
    /// Rows above this one are done.
    done: usize,
    /// Windows under way, and sums and enlarged rows of the row of tiles that is being made.
    under_way: VecDeque<Tile>,
    sums: Sums,
    canvas: Option<Pixels>,
}

impl State {
    pub(super) fn new(budget: &Budget, masks: Option<[usize; 2]>) -> Self {
        Self {
            store: Store::new(budget.store, &budget.scratch),
            stored_for: HashMap::new(),
            sums: HashMap::new(),
            pooled: HashMap::new(),
            masks,
            outcome: Outcome::default(),
        }
    }

    /// Turns sums into means and shares, and drops what no later phase reads. `at` is the phase's number.
    pub(super) fn end(&mut self, at: Option<usize>, phase: &Phase, [width, height]: [usize; 2]) {
        for (kept, value) in phase.kept.iter().zip(&phase.keep) {
            let Some(sums) = self.sums.remove(&kept.value) else { continue };
            let [over, below] = scale(phase, *value);
            let pixels = (width * over / below * (height * over / below)) as f64;
            if let Some(pool) = kept.summed_for {
                let mut means: Vec<f32> = sums.iter().map(|sum| (sum / pixels) as f32).collect();
                means.resize(means.len().next_multiple_of(4), 0.0);
                self.pooled.insert(pool, means);
            }
            if kept.mask {
                self.outcome.densities.push(sums[0] / pixels);
            }
        }
        let (store, at) = (&mut self.store, at.unwrap_or(usize::MAX));
        self.stored_for.retain(|value, last| {
            if *last <= at {
                store.remove(*value);
            }
            *last > at
        });
    }
}

impl<'a, 'scope> Pass<'a, 'scope> {
    pub(super) fn new(
        state: &'a mut State,
        at: Option<usize>,
        [real, size]: [[usize; 2]; 2],
        scale: usize,
        incoming: Option<Incoming>,
        outgoing: Option<Outgoing<'scope>>,
    ) -> Self {
        let (under_way, sums) = (VecDeque::new(), HashMap::new());
        Self { at, state, incoming, outgoing, real, size, scale, done: 0, under_way, sums, canvas: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done >= self.size[1]
    }

    /// Waits for the sink.
    pub(super) fn finish(mut self) -> Result<()> {
        self.outgoing.take().map_or(Ok(()), Outgoing::finish)
    }

    /// Makes all rows that are not done yet. After an error those that are done stay so.
    pub(super) fn attempt(
        &mut self,
        engine: &mut dyn Engine,
        phase: &Arc<Phase>,
        grid: &Grid,
        depth: Depth,
    ) -> Result<()> {
        self.under_way.clear();
        self.sums.clear();
        self.canvas = None;
        engine.prepare(phase, depth)?;
        self.make_room(phase);
        for tile in grid.tiles_from(self.done) {
            while !engine.is_ready() {
                self.land(engine, phase, grid)?;
            }
            engine.submit(self.window(phase, &tile)?)?;
            self.under_way.push_back(tile);
        }
        while !self.under_way.is_empty() {
            self.land(engine, phase, grid)?;
        }
        Ok(())
    }

    /// Adds what the phase stores, the first time.
    fn make_room(&mut self, phase: &Phase) {
        for (kept, value) in phase.kept.iter().zip(&phase.keep) {
            let Some(last) = kept.stored_for else { continue };
            if self.state.stored_for.insert(kept.value, last).is_none() {
                let shape = phase.graph.node(*value).shape;
                let [over, below] = scale(phase, *value);
                let [width, height] = self.size.map(|side| side * over / below);
                self.state.store.add(kept.value, shape.with_size(height, width));
            }
        }
    }

    /// What the phase reads for a tile.
    fn window(&mut self, phase: &Phase, tile: &Tile) -> Result<Window> {
        let picture = match &mut self.incoming {
            Some(incoming) => Some(incoming.window(&tile.window)?),
            None => None,
        };
        let read = |(given, value): (&crate::plan::Given, Value)| {
            if given.pooled {
                return Ok(self.state.pooled[&given.value].clone());
            }
            self.state.store.read(given.value, &tile.window.scaled(scale(phase, value)))
        };
        let given = phase.given.iter().zip(phase.graph.given()).map(read).collect::<Result<_>>()?;
        Ok(Window { picture, given })
    }

    /// Takes the oldest window under way.
    fn land(&mut self, engine: &mut dyn Engine, phase: &Phase, grid: &Grid) -> Result<()> {
        let Made { picture, kept: values } = engine.collect()?;
        let tile = self.under_way.pop_front().expect("a window under way has a tile");
        let part = tile.kept.within(&tile.window);
        for ((kept, value), packed) in phase.kept.iter().zip(&phase.keep).zip(&values) {
            let node = phase.graph.node(*value);
            let scale = scale(phase, *value);
            let from = part.scaled(scale);
            let sums = sums(node.shape, packed, &from);
            if !sums.iter().all(|sum| sum.is_finite()) {
                let (device, Rect { x, y }) = (engine.name(), &tile.kept);
                return Err(Error::Device(format!(
                    "{device}: {}: not a finite number in the tile of columns {x:?}, rows {y:?}",
                    node.name
                )));
            }
            if kept.stored_for.is_some() {
                self.state.store.write(kept.value, &tile.kept.scaled(scale), node.shape, packed, &from)?;
            }
            if let Some(size) = self.state.masks.filter(|_| kept.mask) {
                let at = phase.kept.iter().filter(|other| other.mask && other.value < kept.value).count();
                self.keep_mask(self.state.outcome.densities.len() + at, size, &tile, packed);
            }
            let all = self.sums.entry(kept.value).or_insert_with(|| vec![0.0; sums.len()]);
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        }
        if let Some(picture) = picture {
            self.paste(&picture, &tile, &part);
        }
        self.state.outcome.computed += tile.window.pixels() as u64;
        self.state.outcome.kept += tile.kept.pixels() as u64;
        if tile.kept.x.end == self.size[0] { self.end_row(phase, grid, tile.kept.y.end) } else { Ok(()) }
    }

    fn paste(&mut self, picture: &Pixels, tile: &Tile, part: &Rect) {
        let scale = self.scale;
        let part = part.scaled([scale, 1]);
        let [width, height] = self.real;
        let rows = tile.kept.y.end.min(height).saturating_sub(tile.kept.y.start);
        if rows == 0 {
            return; // nothing but what the picture was extended by
        }
        let canvas =
            self.canvas.get_or_insert_with(|| Pixels::black(scale * width, scale * rows, picture.depth()));
        if tile.kept.x.start < width {
            canvas.paste(scale * tile.kept.x.start, 0, &picture.part(part.x, part.y));
        }
    }

    /// A row of tiles is complete: hands it on, and forgets what no tile needs any more.
    fn end_row(&mut self, phase: &Phase, grid: &Grid, end: usize) -> Result<()> {
        if let Some(canvas) = self.canvas.take()
            && let Some(outgoing) = &self.outgoing
            && !outgoing.send(canvas)
        {
            return self.outgoing.take().map_or(Ok(()), Outgoing::finish);
        }
        for (value, sums) in self.sums.drain() {
            let all = self.state.sums.entry(value).or_insert_with(|| vec![0.0; sums.len()]);
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        }
        self.done = end;
        let first = grid.first_row_for(end);
        if let Some(incoming) = &mut self.incoming {
            incoming.drop_above(first);
        }
        for (given, value) in phase.given.iter().zip(phase.graph.given()) {
            if self.state.stored_for.get(&given.value).is_some_and(|last| Some(*last) == self.at) {
                let [over, below] = scale(phase, value);
                self.state.store.release_above(given.value, first * over / below);
            }
        }
        Ok(())
    }

    fn keep_mask(&mut self, at: usize, [width, height]: [usize; 2], tile: &Tile, packed: &[f32]) {
        let masks = &mut self.state.outcome.masks;
        masks.resize_with(masks.len().max(at + 1), || vec![false; width * height]);
        for y in tile.kept.y.start..tile.kept.y.end.min(height) {
            for x in tile.kept.x.start..tile.kept.x.end.min(width) {
                let from = (y - tile.window.y.start) * tile.window.width() + x - tile.window.x.start;
                masks[at][y * width + x] = packed[4 * from] > 0.5;
            }
        }
    }
}

/// A value's pixels to the picture's, along a side, as a fraction.
fn scale(phase: &Phase, value: Value) -> [usize; 2] {
    [value, phase.graph.input()].map(|value| phase.graph.node(value).shape.width)
}

/// The sum over a part of a window's packed numbers, channel by channel.
fn sums(shape: Shape, packed: &[f32], part: &Rect) -> Vec<f64> {
    let mut sums = Vec::with_capacity(shape.channels);
    for group in 0..channel_groups(shape.channels) {
        let mut lanes = [0.0; 4];
        for y in part.y.clone() {
            let row = (group * shape.height + y) * shape.width;
            for pixel in packed[4 * (row + part.x.start)..4 * (row + part.x.end)].as_chunks::<4>().0 {
                lanes.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        sums.extend(lanes);
    }
    sums.truncate(shape.channels);
    sums
}
