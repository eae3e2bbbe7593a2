//! Which crops a batch has, and the crops.
//!
//! Item i of a batch takes the five numbers from 8 i on of the step's stream: the cell, the shift in it by x and y,
//! quarter turns, and whether it is flipped.

use std::sync::Arc;

use rayon::prelude::*;

use super::cells::{Cell, GRID};
use super::degrade::{self, Degradations, Frame, Window};
use super::{Ahead, Halves, Pair, Pairs, Taught, bytes, halves, unsupported};
use crate::error::Result;
use crate::learn::{Batch, Random};
use crate::pixels::Pixels;
use crate::plane::mirrored;
use crate::tensor::{Shape, Tensor};

/// Numbers that one item may take.
const NUMBERS: u32 = 8;

/// Numbers that a batch's large crops may have: 4 GiB of them.
const LARGEST: usize = 1 << 30;

/// What a batch is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Crops {
    /// The side of the small crops in pixels.
    pub lq_size: usize,
    /// How many crops there are.
    pub batch_size: usize,
    /// Whether half of them are flipped.
    pub use_hflip: bool,
    /// Whether they are turned by 0 to 3 quarters.
    pub use_rot: bool,
    /// The share of flattest places that no crop is taken around, from 0 to below 1.
    pub drop_flat: f64,
    /// What small crops are made of in place of the small picture: the large one, degraded.
    pub degradations: Option<Degradations>,
}

impl Default for Crops {
    fn default() -> Self {
        Self {
            lq_size: 48,
            batch_size: 16,
            use_hflip: true,
            use_rot: true,
            drop_flat: 0.0,
            degradations: None,
        }
    }
}

/// Where a crop is taken, and how it is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The place of the pair in [`Pairs::pairs`].
    pub picture: usize,
    /// The first column in the small picture.
    pub x: usize,
    /// The first row in the small picture.
    pub y: usize,
    /// Quarter turns against the clock, 0 to 3.
    pub turns: u32,
    /// Whether left and right are exchanged, after the turn.
    pub flip: bool,
}

/// The batches of a training: one for each step, the same whenever it is made and by however many threads.
#[derive(Debug)]
pub struct Batches {
    pairs: Arc<Pairs>,
    crops: Crops,
    seed: u64,
    /// Those of all pictures, or of each half.
    cells: Vec<Vec<Cell>>,
    halves: Option<Halves>,
    taught: Option<Taught>,
}

impl Batches {
    /// Batches of these pictures. Those smaller than a crop are left out with a warning.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if an option is out of its range, or no picture is large enough.
    pub fn new(pairs: Arc<Pairs>, crops: Crops, seed: u64) -> Result<Self> {
        check(&crops, pairs.scale)?;
        let fits: Vec<bool> =
            pairs.pairs.iter().map(|pair| warned_unless_large(pair, crops.lq_size)).collect();
        let mut cells: Vec<Cell> =
            pairs.cells.iter().filter(|cell| fits[cell.picture as usize]).copied().collect();
        if cells.is_empty() {
            let (count, side) = (pairs.pairs.len(), crops.lq_size);
            return Err(unsupported(format!(
                "lq_size: none of the {count} pictures is {side} pixels wide and high at the small size"
            )));
        }
        let flat = (crops.drop_flat * cells.len() as f64) as usize;
        cells.drain(..flat.min(cells.len() - 1));
        Ok(Self { pairs, crops, seed, cells: vec![cells], halves: None, taught: None })
    }

    /// The same batches, with crops of what teachers make of the small pictures.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if small crops are degraded: the teachers saw the small pictures as
    /// they are, and know no more of a degraded one than the large picture tells.
    pub fn taught_by(self, taught: Taught) -> Result<Self> {
        if self.crops.degradations.is_some() {
            return Err(unsupported("degradations: expected none with a teacher, which sees clean pictures"));
        }
        let [expected, found] = [self.pairs.pairs.len(), taught.pictures().len()];
        if expected != found {
            return Err(unsupported(format!(
                "expected the teachers' pictures of {expected} pairs, found {found}"
            )));
        }
        Ok(Self { taught: Some(taught), ..self })
    }

    /// The same batches, with crops of one half of the pictures, or of the other, as the step says.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if a half has no picture that is large enough.
    pub fn in_halves(self, halves: Halves) -> Result<Self> {
        let of_pictures = halves::of_pictures(&self.pairs);
        let own = |half: usize| {
            let all = self.cells.iter().flatten();
            all.filter(|cell| of_pictures[cell.picture as usize] == half).copied().collect::<Vec<_>>()
        };
        let cells = vec![own(0), own(1)];
        if cells.iter().any(Vec::is_empty) {
            return Err(unsupported("expected two pictures at least, one for each half, found fewer"));
        }
        Ok(Self { cells, halves: Some(halves), ..self })
    }

    /// What the batches are made of.
    pub fn crops(&self) -> &Crops {
        &self.crops
    }

    /// The pictures.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Where the crops of a step are taken.
    pub fn draws(&self, step: u64) -> Vec<Draw> {
        let random = Random::new(self.seed, Random::CROPS, step);
        let cells = &self.cells[self.halves.map_or(0, |halves| halves.of(step))];
        (0..self.crops.batch_size as u32).map(|item| self.draw(cells, &random, item)).collect()
    }

    /// The batch of a step.
    pub fn batch(&self, step: u64) -> Batch {
        let (size, scale, draws) = (self.crops.lq_size, self.pairs.scale, self.draws(step));
        let pair = |draw: &Draw| &self.pairs.pairs[draw.picture];
        let large = |picture: &Pixels, draw: &Draw| cut(picture, scale, draw, Frame::of_crop(size));
        let low = cropped(size, &draws, |item, draw| {
            let degraded = self.degraded(pair(draw), draw, step, item);
            degraded.unwrap_or_else(|| cut(&pair(draw).low, 1, draw, Frame::of_crop(size)))
        });
        let high = cropped(size * scale, &draws, |_, draw| large(&pair(draw).high, draw));
        let taught = self.taught.as_ref().map(|taught| {
            cropped(size * scale, &draws, |_, draw| large(&taught.pictures()[draw.picture], draw))
        });
        Batch { low, high, taught }
    }

    /// Nothing if this small crop is the small picture's.
    fn degraded(&self, pair: &Pair, draw: &Draw, step: u64, item: usize) -> Option<Vec<f32>> {
        let options = self.crops.degradations.as_ref()?;
        let place = step.wrapping_mul(self.crops.batch_size as u64).wrapping_add(item as u64);
        let random =
            [Random::DEGRADATIONS, Random::NOISE].map(|stream| Random::new(self.seed, stream, place));
        let scale = self.pairs.scale;
        degrade::degraded(options, self.crops.lq_size, random, |frame| {
            Window::new(frame.side * scale, cut(&pair.high, scale, draw, frame))
        })
    }

    /// The batches from `first` on, in order, made ahead by a thread of its own that holds up to `held` of them ready.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if the system starts no thread.
    pub fn ahead(self: &Arc<Self>, first: u64, held: usize) -> Result<Ahead> {
        Ahead::start(self.clone(), first, held)
    }

    fn draw(&self, cells: &[Cell], random: &Random, item: u32) -> Draw {
        let number = |at: u32, below: usize| random.below(NUMBERS * item + at, below as u32);
        let Cell { picture, x, y, .. } = cells[number(0, cells.len()) as usize];
        let (size, low) = (self.crops.lq_size, &self.pairs.pairs[picture as usize].low);
        // The cell's pixel is in the crop's middle, as far as the picture reaches.
        let start = |from: u32, at: u32, side: usize| {
            let middle = (from + number(at, GRID)) as usize;
            middle.saturating_sub(size / 2).min(side - size)
        };
        Draw {
            picture: picture as usize,
            x: start(x, 1, low.width()),
            y: start(y, 2, low.height()),
            turns: if self.crops.use_rot { number(3, 4) } else { 0 },
            flip: self.crops.use_hflip && number(4, 2) == 1,
        }
    }
}

/// A crop of that side for each draw.
fn cropped(side: usize, draws: &[Draw], crop: impl Fn(usize, &Draw) -> Vec<f32> + Sync) -> Tensor {
    let mut planes = Tensor::zeros(Shape::new(draws.len(), 3, side, side));
    let items = planes.values_mut().par_chunks_mut(3 * side * side).zip(draws).enumerate();
    items.for_each(|(item, (to, draw))| to.copy_from_slice(&crop(item, draw)));
    planes
}

fn check(crops: &Crops, scale: usize) -> Result<()> {
    let Crops { lq_size, batch_size, drop_flat, .. } = *crops;
    if lq_size == 0 || batch_size == 0 {
        return Err(unsupported(format!(
            "lq_size, batch_size: expected 1 at least, found {lq_size}, {batch_size}"
        )));
    }
    let crop = lq_size.saturating_mul(scale).saturating_pow(2).saturating_mul(3);
    if crop.saturating_mul(batch_size) > LARGEST {
        return Err(unsupported(format!(
            "batch_size, lq_size: expected {LARGEST} numbers at most in a batch, found {batch_size} crops of {crop}"
        )));
    }
    if !(0.0..1.0).contains(&drop_flat) {
        return Err(unsupported(format!("drop_flat: expected 0 to below 1, found {drop_flat}")));
    }
    crops.degradations.as_ref().map_or(Ok(()), |options| degrade::check(options, lq_size, scale))
}

fn warned_unless_large(pair: &Pair, size: usize) -> bool {
    let (width, height) = (pair.low.width(), pair.low.height());
    let fits = width.min(height) >= size;
    if !fits {
        let name = &pair.name;
        tracing::warn!(
            "{name}: {width}x{height} pixels at the small size hold no crop of {size}x{size}; it is left out"
        );
    }
    fits
}

/// A frame of one of a pair's pictures as planes, turned and flipped: of the one `scale` times as large as the small. Past
/// its edges the picture is mirrored.
fn cut(picture: &Pixels, scale: usize, draw: &Draw, frame: Frame) -> Vec<f32> {
    let places = |from: usize, before: usize, is_reversed: bool, length: usize| -> Vec<usize> {
        let before = if is_reversed { frame.side - frame.size - before } else { before };
        let start = (from * scale) as isize - (before * scale) as isize;
        let end = start + (frame.side * scale) as isize;
        let mut places: Vec<usize> = (start..end).map(|at| mirrored(at, length)).collect();
        if is_reversed {
            places.reverse();
        }
        places
    };
    let lies_on_its_side = draw.turns % 2 == 1;
    let [before_columns, before_rows] = if lies_on_its_side { [frame.at[1], frame.at[0]] } else { frame.at };
    let columns_reversed = matches!(draw.turns, 1 | 2) ^ (draw.flip && !lies_on_its_side);
    let rows_reversed = matches!(draw.turns, 2 | 3) ^ (draw.flip && lies_on_its_side);
    let columns = places(draw.x, before_columns, columns_reversed, picture.width());
    let rows = places(draw.y, before_rows, rows_reversed, picture.height());

    let samples = bytes(picture);
    let row = 3 * picture.width();
    let (across, down, steps) =
        if lies_on_its_side { (rows, columns, [row, 3]) } else { (columns, rows, [3, row]) };
    let mut planes = Vec::with_capacity(3 * across.len() * down.len());
    for channel in 0..3 {
        for down in &down {
            let start = down * steps[1] + channel;
            planes.extend(across.iter().map(|across| f32::from(samples[start + across * steps[0]])));
        }
    }
    planes
}
