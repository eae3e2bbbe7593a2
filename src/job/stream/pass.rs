//! One phase over all tiles.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use rayon::prelude::*;

use super::resize::Resized;
use super::rows::{Incoming, Outgoing};
use super::{Budget, Outcome};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::graph::{GlobalPoolKind, ResizeKind, Value};
use crate::job::crew::{self, Alone, Crew, Failed, Team};
use crate::job::engine::{Engine, Made, Window};
use crate::job::schedule::Schedule;
use crate::job::store::Store;
use crate::job::tiles::{Grid, Rect, Tile};
use crate::pixels::{Depth, Edge, Pixels};
use crate::plan::{Given, Kept, Origin, Phase};
use crate::tensor::{Shape, channel_groups, packed_len};

/// What goes from phase to phase.
pub(super) struct State {
    store: Store,
    /// Of every stored value the last phase that reads it.
    stored_for: HashMap<Value, usize>,
    sums: Sums,
    /// What global pools make.
    pooled: HashMap<Value, Vec<f32>>,
    /// The size of the masks that are wanted.
    masks: Option<[usize; 2]>,
    pub(super) outcome: Outcome,
}

/// Sums over pixels, channel by channel: of the numbers, and of their squares; of a value but for a pool's margin.
type Sums = HashMap<(Value, [usize; 2]), Vec<[f64; 2]>>;

/// Nothing is left out.
const ALL: [usize; 2] = [0; 2];

/// A phase on its way.
pub(super) struct Pass<'a, 'scope> {
    /// The phase's number, unless it is the whole network.
    at: Option<usize>,
    /// The phase for the whole picture, of which no more is used than the shapes.
    whole: &'a Phase,
    state: &'a mut State,
    control: Control,
    incoming: Option<Incoming<'scope>>,
    outgoing: Option<Outgoing<'scope>>,
    /// The picture's size, and that made one that the network takes.
    real: [usize; 2],
    size: [usize; 2],
    scale: usize,
    /// That of what is made, as of what is read.
    depth: Depth,
    /// Rows above this one are done.
    done: usize,
    /// Sums and enlarged rows of the row of tiles that is being made.
    sums: Sums,
    canvas: Option<Pixels>,
    /// The names of those who compute.
    names: Vec<String>,
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

    /// Turns sums into what pools make, and into shares, and drops what no later phase reads. `at` is the phase's
    /// number, `whole` the phase for the whole picture.
    pub(super) fn end(&mut self, at: Option<usize>, whole: &Phase) {
        for (kept, value) in whole.kept.iter().zip(&whole.keep) {
            let shape = whole.graph.node(*value).shape;
            for (pool, op) in &kept.pools {
                let Some(sums) = self.sums.get(&(kept.value, op.margin)) else { continue };
                let pixels = op.pixels(shape) as f64;
                let mut numbers: Vec<f32> = sums.iter().map(|sums| pooled(op.kind, *sums, pixels)).collect();
                numbers.resize(numbers.len().next_multiple_of(4), 0.0);
                self.pooled.insert(*pool, numbers);
            }
            if let (true, Some(sums)) = (kept.mask, self.sums.get(&(kept.value, ALL))) {
                self.outcome.densities.push(sums[0][0] / shape.pixels() as f64);
            }
            self.sums.retain(|(of, _), _| *of != kept.value);
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
        (at, whole): (Option<usize>, &'a Phase),
        [real, size]: [[usize; 2]; 2],
        (scale, depth): (usize, Depth),
        incoming: Option<Incoming<'scope>>,
        outgoing: Option<Outgoing<'scope>>,
    ) -> Self {
        Self {
            at,
            whole,
            state,
            control: Control::default(),
            incoming,
            outgoing,
            real,
            size,
            scale,
            depth,
            done: 0,
            sums: HashMap::new(),
            canvas: None,
            names: Vec::new(),
        }
    }

    /// Ends when it is told to, and tells how far it is.
    pub(super) fn watched(self, control: &Control) -> Self {
        Self { control: control.clone(), ..self }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done >= self.size[1]
    }

    /// Waits for the sink.
    pub(super) fn finish(mut self) -> Result<()> {
        self.outgoing.take().map_or(Ok(()), Outgoing::finish)
    }

    /// Rows above this one are done.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Makes all rows of a schedule, by engines of which `paces` knows how many seconds a pixel takes them, and learns it. After
    /// an error the rows that are done stay so.
    pub(super) fn attempt(
        &mut self,
        engines: &mut [&mut dyn Engine],
        paces: &mut [Option<f64>],
        phase: &Arc<Phase>,
        schedule: &Schedule,
    ) -> Result<(), Failed> {
        tracing::debug!(%schedule, "scheduled");
        self.sums.clear();
        self.canvas = None;
        self.names = engines.iter().map(|engine| engine.name()).collect();
        crew::prepare(engines, phase, self.depth)?;
        self.make_room();
        let ([left, done], cancel) = (schedule.counts(), self.control.cancel.clone());
        self.control.progress.enter(schedule.number(), done, left + done);
        if let [engine] = engines {
            return self.go_through(&mut Alone::new(*engine, &cancel), phase, schedule);
        }
        let [width, height] = schedule.grid().window();
        let pixels = (width * height) as f64;
        thread::scope(|scope| {
            let known: Vec<Option<f64>> = paces.iter().map(|pace| pace.map(|pace| pace * pixels)).collect();
            let mut team = Team::new(scope, engines, &known, &cancel)?;
            let outcome = self.go_through(&mut team, phase, schedule);
            paces.iter_mut().zip(team.paces()).for_each(|(pace, found)| *pace = found.map(|s| s / pixels));
            outcome
        })
    }

    /// Results are taken in the order of the schedule, whoever was done first: sums are the same to the last bit.
    fn go_through(&mut self, crew: &mut dyn Crew, phase: &Phase, schedule: &Schedule) -> Result<(), Failed> {
        let [mut left, _] = schedule.counts();
        let mut tiles = schedule.tiles();
        let (mut taken, mut under_way) = (0, VecDeque::<(Tile, Option<(usize, Made)>)>::new());
        while left > 0 || !under_way.is_empty() {
            while left > 0
                && under_way.len() < crew.most_ahead()
                && let Some(member) = crew.next(left)
                && let Some(tile) = tiles.next()
            {
                self.control.cancel.check()?;
                crew.give(member, taken + under_way.len(), self.window(phase, &tile)?)?;
                under_way.push_back((tile, None));
                left -= 1;
            }
            let done = crew.take()?;
            under_way[done.window - taken].1 = Some((done.member, done.made));
            while let Some((tile, Some((member, made)))) = under_way.pop_front_if(|(_, made)| made.is_some())
            {
                taken += 1;
                self.land((member, made), &tile, phase, schedule.grid())?;
            }
        }
        Ok(())
    }

    /// Adds what the phase stores, the first time.
    fn make_room(&mut self) {
        for (kept, value) in self.whole.kept.iter().zip(&self.whole.keep) {
            let Some(last) = kept.stored_for else { continue };
            if self.state.stored_for.insert(kept.value, last).is_none() {
                self.state.store.add(kept.value, self.whole.graph.node(*value).shape);
            }
        }
    }

    /// What the phase reads for a tile.
    fn window(&mut self, phase: &Phase, tile: &Tile) -> Result<Window> {
        let picture = match &mut self.incoming {
            Some(incoming) => Some(incoming.window(&tile.window)?),
            None => None,
        };
        let read = |(given, value): (&Given, Value)| {
            let part = tile.window.scaled(scale(phase, value));
            let store = &self.state.store;
            match given.origin {
                Origin::Pooled => {
                    let pooled = &self.state.pooled[&given.value];
                    let mut numbers = store.blocks().take(pooled.len());
                    numbers.copy_from_slice(pooled);
                    Ok(numbers)
                }
                Origin::Stored => store.read(given.value, &part),
                Origin::Resized { small, kind } => {
                    let resized = self.resized(small, kind, value);
                    let packed = store.read(small, &resized.needed(&part))?;
                    let made =
                        resized.part(&packed, phase.graph.node(value).shape.channels, &part, store.blocks());
                    store.blocks().give(packed);
                    Ok(made)
                }
            }
        };
        let given = phase.given.iter().zip(phase.graph.given()).map(read).collect::<Result<_>>()?;
        Ok(Window { picture, given, blocks: self.state.store.blocks().clone() })
    }

    /// How the whole of a given value, `value` in the phase, is made of the stored one that is smaller.
    fn resized(&self, small: Value, kind: ResizeKind, value: Value) -> Resized {
        let size = |shape: Shape| [shape.width, shape.height];
        let old = size(self.state.store.shape(small));
        Resized { kind, old, new: size(self.whole.graph.node(value).shape) }
    }

    /// Takes a member's result.
    fn land(
        &mut self,
        (member, made): (usize, Made),
        tile: &Tile,
        phase: &Phase,
        grid: &Grid,
    ) -> Result<(), Failed> {
        self.control.cancel.check()?;
        let name = self.names[member].clone();
        let wrong =
            |reason| Failed { member: Some(member), error: Error::Device(format!("{name}: {reason}")) };
        self.check(&made, phase, tile).map_err(wrong)?;
        let Made { picture, kept: values } = made;
        let part = tile.kept.within(&tile.window);
        for ((kept, value), packed) in phase.kept.iter().zip(&phase.keep).zip(&values) {
            let node = phase.graph.node(*value);
            let (to, from) = self.places(kept, *value, tile);
            let sums = sums(node.shape, packed, &from);
            if !sums.iter().all(|[sum, _]| sum.is_finite()) {
                let (name, Rect { x, y }) = (&node.name, &tile.kept);
                let reason = format!("{name}: not a finite number in the tile of columns {x:?}, rows {y:?}");
                return Err(wrong(reason));
            }
            if kept.stored_for.is_some() {
                self.state.store.write(kept.value, &to, node.shape, packed, &from)?;
            }
            if let Some(size) = self.state.masks.filter(|_| kept.mask) {
                let at = phase.kept.iter().filter(|other| other.mask && other.value < kept.value).count();
                self.keep_mask(self.state.outcome.densities.len() + at, size, tile, packed);
            }
            add(&mut self.sums, (kept.value, ALL), sums);
            for margin in margins(kept) {
                let inner = self.inner(*value, &to, margin).within(&tile.window.scaled(kept.scale));
                add(&mut self.sums, (kept.value, margin), self::sums(node.shape, packed, &inner));
            }
        }
        values.into_iter().for_each(|block| self.state.store.blocks().give(block));
        if let Some(picture) = picture {
            self.paste(&picture, tile, &part);
        }
        self.state.outcome.computed += tile.window.pixels() as u64;
        self.state.outcome.kept += tile.kept.pixels() as u64;
        self.control.progress.add(tile.kept.pixels() as u64);
        if tile.kept.x.end == self.size[0] {
            self.end_row(phase, grid, tile.kept.y.end)?;
        }
        Ok(())
    }

    /// Whether an engine, of whoever's making, gave what was asked for.
    fn check(&self, made: &Made, phase: &Phase, tile: &Tile) -> Result<(), String> {
        let size = [tile.window.width(), tile.window.height()].map(|side| side * self.scale);
        let expected = phase.makes_picture.then_some((size, self.depth));
        let found = made.picture.as_ref().map(|p| ([p.width(), p.height()], p.depth()));
        if found != expected {
            return Err(format!("expected a picture {expected:?}, found {found:?}"));
        }
        let expected = phase.keep.iter().map(|value| packed_len(phase.graph.node(*value).shape));
        let (expected, found): (Vec<usize>, Vec<usize>) =
            (expected.collect(), made.kept.iter().map(Vec::len).collect());
        if found != expected {
            return Err(format!("expected values of {expected:?} numbers, found {found:?}"));
        }
        Ok(())
    }

    /// Where the kept part of a value goes in the whole value, and where it lies in the window's.
    fn places(&self, kept: &Kept, value: Value, tile: &Tile) -> (Rect, Rect) {
        let whole = self.whole.graph.node(value).shape;
        let to = tile.kept.scaled(kept.scale).within_size([whole.width, whole.height]);
        let from = to.within(&tile.window.scaled(kept.scale));
        (to, from)
    }

    /// What of a part of a whole value is not in its margin.
    fn inner(&self, value: Value, part: &Rect, [before, behind]: [usize; 2]) -> Rect {
        let whole = self.whole.graph.node(value).shape;
        let cut = |range: &Range<usize>, side: usize| {
            let start = range.start.max(before).min(range.end);
            start..range.end.min(side.saturating_sub(behind)).max(start)
        };
        Rect { x: cut(&part.x, whole.width), y: cut(&part.y, whole.height) }
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
            canvas.paste(scale * tile.kept.x.start, 0, &picture.part_with(Edge::Repeated, part.x, part.y));
        }
    }

    /// A row of tiles is complete: hands it on, and forgets what no tile needs any more.
    fn end_row(&mut self, phase: &Phase, grid: &Grid, end: usize) -> Result<()> {
        if let Some(canvas) = self.canvas.take()
            && let Some(outgoing) = &mut self.outgoing
            && !outgoing.send(canvas)
        {
            return self.outgoing.take().map_or(Ok(()), Outgoing::finish);
        }
        for (of, sums) in self.sums.drain() {
            add(&mut self.state.sums, of, sums);
        }
        self.done = end;
        let first = grid.first_row_for(end);
        if let Some(incoming) = &mut self.incoming {
            incoming.drop_above(first);
        }
        for (given, value) in phase.given.iter().zip(phase.graph.given()) {
            let [over, below] = scale(phase, value);
            let first = first * over / below;
            let (stored, first) = match given.origin {
                Origin::Resized { small, kind } => {
                    (small, self.resized(small, kind, value).first_row_for(first))
                }
                Origin::Stored | Origin::Pooled => (given.value, first),
            };
            if self.state.stored_for.get(&stored).is_some_and(|last| Some(*last) == self.at) {
                self.state.store.release_above(stored, first);
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

/// A given value's pixels to the picture's, along a side, as a fraction.
fn scale(phase: &Phase, value: Value) -> [usize; 2] {
    [value, phase.graph.input()].map(|value| phase.graph.node(value).shape.width)
}

/// What a pool makes of the sums over so many pixels.
fn pooled(kind: GlobalPoolKind, [sum, squares]: [f64; 2], pixels: f64) -> f32 {
    let mean = sum / pixels;
    (match kind {
        GlobalPoolKind::Mean => mean,
        GlobalPoolKind::Deviation => (squares / pixels - mean * mean).max(0.0).sqrt(),
        GlobalPoolKind::Norm => squares.sqrt(),
    }) as f32
}

/// The margins of a value's pools that have one.
fn margins(kept: &Kept) -> BTreeSet<[usize; 2]> {
    kept.pools.iter().map(|(_, op)| op.margin).filter(|margin| *margin != ALL).collect()
}

/// Adds sums to those that are there.
fn add(all: &mut Sums, of: (Value, [usize; 2]), sums: Vec<[f64; 2]>) {
    let all = all.entry(of).or_insert_with(|| vec![[0.0; 2]; sums.len()]);
    for (all, sums) in all.iter_mut().flatten().zip(sums.into_iter().flatten()) {
        *all += sums;
    }
}

/// The sums over a part of a window's packed numbers, channel by channel.
fn sums(shape: Shape, packed: &[f32], part: &Rect) -> Vec<[f64; 2]> {
    let of_group = |group: usize| {
        let mut lanes = [[0.0; 2]; 4];
        for y in part.y.clone() {
            let row = (group * shape.height + y) * shape.width;
            for pixel in packed[4 * (row + part.x.start)..4 * (row + part.x.end)].as_chunks::<4>().0 {
                for ([sum, squares], value) in lanes.iter_mut().zip(pixel) {
                    let value = f64::from(*value);
                    *sum += value;
                    *squares += value * value;
                }
            }
        }
        lanes
    };
    let groups = (0..channel_groups(shape.channels)).into_par_iter();
    let mut sums: Vec<[f64; 2]> = groups.flat_map_iter(of_group).collect();
    sums.truncate(shape.channels);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_made_of_sums() {
        let numbers = [1.0, 2.0, 3.0, 6.0];
        let sums = numbers.iter().fold([0.0; 2], |[sum, squares], x| [sum + x, squares + x * x]);
        // Mean 3; squares of the differences 4, 1, 0 and 9, of which there are four: the deviation of all, not of a sample.
        let cases = [
            (GlobalPoolKind::Mean, 3.0),
            (GlobalPoolKind::Deviation, 3.5_f32.sqrt()),
            (GlobalPoolKind::Norm, 50.0_f32.sqrt()),
        ];
        for (kind, expected) in cases {
            assert_eq!(pooled(kind, sums, 4.0), expected, "{kind:?}");
        }
        assert_eq!(pooled(GlobalPoolKind::Deviation, [0.3, 0.09], 1.0), 0.0, "one pixel has none");
    }
}
