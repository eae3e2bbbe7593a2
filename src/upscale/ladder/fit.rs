//! From networks and pictures whose large version is known to a [`Ladder`].
//!
//! Logarithms of errors and costs are fitted to what cells look like by least squares, in f64, with a little of a ridge on all but their
//! mean, since kinds of detail go together. λ of each effort follows from the predictions for the same cells.

use rayon::prelude::*;

use super::look::{self, DETAILS, TERMS};
use super::{Ladder, Prediction, Rung, SIDE, STEPS, check};
use crate::error::{Error, Result};
use crate::graph::{ReceptiveField, Value};
use crate::job::cells::Cells;
use crate::job::tiles::Rect;
use crate::models::Model;
use crate::pixels::{Pixels, Samples};
use crate::tensor::Shape;
use crate::upscale::{Mask, Options, Upscaled, Upscaler};

/// Errors are told apart from here on: what rounding to 8 bits makes, about.
const LEAST_ERROR: f64 = 0.05;

/// The ridge, as a share of the number of cells.
const RIDGE: f64 = 1e-4;

/// Cells of a side that make a fit worth having.
const FEWEST: usize = 4 * TERMS;

/// The steps in which λ is searched.
const HALVINGS: usize = 60;

/// Halos that are tried, in pixels of the small picture.
const HALOS: [usize; 8] = [4, 6, 8, 12, 16, 24, 32, 48];

/// The halo where nothing tells it: of networks that all have global pools.
const USUAL_HALO: usize = 8;

/// Collects what networks make of pictures, on the CPU engine, so that the same pictures make the same ladder.
#[derive(Debug)]
pub struct LadderFit {
    upscalers: Vec<Upscaler>,
    costs: Vec<Costs>,
    cells: Vec<Observed>,
    /// Of networks without global pools, which of [`HALOS`] is enough.
    halos: Vec<Option<usize>>,
}

/// A cell: what it looks like, and what became of it, as [`super::Predicted`] has it.
#[derive(Clone, Debug)]
struct Observed {
    details: [f64; DETAILS],
    errors: Vec<f64>,
    costs: Vec<f64>,
    pixels: f64,
}

impl LadderFit {
    /// For networks from the cheapest to the best.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for fewer than two, or of different scales; as [`Upscaler::on_cpu`].
    pub fn new(models: &[Model]) -> Result<Self> {
        check(models)?;
        let on_cpu = |model: &Model| Upscaler::on_cpu(model, Options::default());
        let mut upscalers = models.iter().map(on_cpu).collect::<Result<Vec<_>>>()?;
        let costs = models.iter().map(Costs::of).collect::<Result<_>>()?;
        let halo = |upscaler: &mut Upscaler| Ok(upscaler.known.field(&upscaler.model)?.map(|_| 0));
        let halos = upscalers.iter_mut().map(halo).collect::<Result<_>>()?;
        Ok(Self { upscalers, costs, cells: Vec::new(), halos })
    }

    /// Enlarges a small picture by every network, beside the large one that it was made of.
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes or depths do not fit; the depth is 8 bits. As [`Upscaler::upscale_pixels`].
    pub fn observe(&mut self, small: &Pixels, large: &Pixels) -> Result<()> {
        let (size, scale) = ([small.width(), small.height()], self.upscalers[0].model.scale());
        let fits = [large.width(), large.height()] == size.map(|side| scale * side);
        let [Samples::U8(_), Samples::U8(_)] = [small, large].map(Pixels::samples) else {
            return Err(Error::shape("ladder", "expected pictures of 8 bits, found others"));
        };
        if !fits {
            let [expected, found] = [size.map(|side| scale * side), [large.width(), large.height()]];
            return Err(Error::shape(
                "ladder",
                format!("expected a large picture of {expected:?}, found {found:?}"),
            ));
        }
        let enlarge = |upscaler: &mut Upscaler| upscaler.upscale_pixels(small);
        let made = self.upscalers.iter_mut().map(enlarge).collect::<Result<Vec<_>>>()?;
        let cells = Cells::new(size, SIDE, ReceptiveField { radius: 0, alignment: 1 }, 1);
        let parts = cells.all().places().map(|place| cells.part(&Rect::one(place)));
        let parts: Vec<Rect> = parts.filter(|part| part.pixels() == SIDE * SIDE).collect();
        let error =
            |made: &Upscaled, part: &Rect| squared_error(&made.pixels, large, &part.scaled([scale, 1]));
        self.cells.par_extend(parts.par_iter().map(|part| Observed {
            details: look::details(small, part),
            errors: made.iter().map(|made| error(made, part)).collect(),
            costs:
                self.costs.iter().zip(&made).map(|(costs, made)| costs.within(&made.masks, part)).collect(),
            pixels: part.pixels() as f64,
        }));
        self.widen_halos(small, &made)
    }

    /// Takes wider halos until the middle of the picture, by itself, is within one code value of what it is in the whole.
    fn widen_halos(&mut self, small: &Pixels, made: &[Upscaled]) -> Result<()> {
        let size = [small.width(), small.height()];
        let cells = size.map(|side| side / SIDE);
        if cells.iter().any(|count| *count < 3) {
            return Ok(());
        }
        let [x, y] = cells.map(|count| (count / 2 - 1) * SIDE..(count / 2 + 1) * SIDE);
        let kept = Rect { x, y };
        for ((upscaler, made), halo) in self.upscalers.iter_mut().zip(made).zip(&mut self.halos) {
            let (scale, alignment) = (upscaler.model.scale(), upscaler.model.alignment());
            while let Some(at) = halo.filter(|at| at + 1 < HALOS.len()) {
                let radius = HALOS[at].next_multiple_of(alignment);
                let window = Cells::new(size, SIDE, ReceptiveField { radius, alignment }, 1).window(&kept);
                let part = upscaler.upscale_pixels(&small.part(window.x.clone(), window.y.clone())?)?.pixels;
                let [inner, whole] = [kept.within(&window), kept.clone()].map(|part| part.scaled([scale, 1]));
                let found = part.part(inner.x, inner.y)?;
                if furthest(&found, &made.pixels.part(whole.x, whole.y)?) <= 1 {
                    break;
                }
                *halo = Some(at + 1);
            }
        }
        Ok(())
    }

    /// How many cells were seen.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The ladder.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if too few cells were seen.
    pub fn ladder(&self) -> Result<Ladder> {
        if self.cells.len() < FEWEST {
            let found = self.cells.len();
            return Err(Error::Unsupported(format!(
                "expected pictures with {FEWEST} cells of {SIDE}x{SIDE} pixels at least, found {found}: give more pictures"
            )));
        }
        let extreme = |at: usize, choose: fn(f64, f64) -> f64| {
            self.cells.iter().map(|cell| cell.details[at]).fold(self.cells[0].details[at], choose)
        };
        let seen = std::array::from_fn(|at| [extreme(at, f64::min), extreme(at, f64::max)]);
        let terms: Vec<[f64; TERMS]> =
            self.cells.iter().map(|cell| look::terms(&cell.details, &seen)).collect();
        let mut rungs = Vec::new();
        for (at, upscaler) in self.upscalers.iter().enumerate() {
            let fitted = |number: &dyn Fn(&Observed) -> f64| {
                least_squares(&terms, &self.cells.iter().map(|cell| number(cell).ln()).collect::<Vec<_>>())
            };
            let error = fitted(&|cell| cell.errors[at] + LEAST_ERROR);
            let cost = fitted(&|cell| cell.costs[at]);
            rungs.push(Rung {
                model: upscaler.model.clone(),
                error: Prediction(error),
                cost: Prediction(cost),
            });
        }
        let halo = self.halos.iter().flatten().map(|at| HALOS[*at]).max().unwrap_or(USUAL_HALO);
        let mut ladder = Ladder { rungs, seen, lambdas: vec![], halo };
        ladder.lambdas = self.lambdas(&ladder, &terms);
        Ok(ladder)
    }

    /// λ at which the cells cost each share of what lies between the first and the last network.
    fn lambdas(&self, ladder: &Ladder, terms: &[[f64; TERMS]]) -> Vec<f64> {
        let predicted: Vec<(f64, Vec<[f64; 2]>)> = (terms.par_iter().zip(&self.cells))
            .map(|(terms, cell)| {
                let of = |rung: &Rung| [rung.error.of(terms), rung.cost.of(terms)];
                (cell.pixels, ladder.rungs.iter().map(of).collect())
            })
            .collect();
        let cost = |lambda: f64| -> f64 {
            let least = |(pixels, rungs): &(f64, Vec<[f64; 2]>)| {
                let worth = |[error, cost]: &[f64; 2]| error + lambda * cost;
                let best = rungs.iter().min_by(|a, b| worth(a).total_cmp(&worth(b)));
                best.map_or(0.0, |[_, cost]| pixels * cost)
            };
            predicted.iter().map(least).sum()
        };
        let total =
            |rung: usize| predicted.iter().map(|(pixels, rungs)| pixels * rungs[rung][1]).sum::<f64>();
        let [least, most] = [total(0), total(ladder.rungs.len() - 1)];
        let lambda = |step: usize| {
            let wanted = least + (most - least) * step as f64 / STEPS as f64;
            let [mut low, mut high] = [1e-12_f64, 1e12];
            for _ in 0..HALVINGS {
                let middle = (low * high).sqrt();
                if cost(middle) > wanted { low = middle } else { high = middle }
            }
            high
        };
        (1..=STEPS).into_par_iter().map(lambda).collect()
    }
}

/// The largest difference of two 8-bit pictures' samples.
fn furthest(a: &Pixels, b: &Pixels) -> u8 {
    let (Samples::U8(a), Samples::U8(b)) = (a.samples(), b.samples()) else { return u8::MAX };
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// The multiply-adds of a network a pixel of the small picture, in thousands.
#[derive(Debug)]
struct Costs {
    always: f64,
    masked: Vec<(String, f64)>,
}

impl Costs {
    fn of(model: &Model) -> Result<Self> {
        let [width, height] = model.extended([SIDE; 2]);
        let graph = model.graph(Shape::new(1, 3, height, width))?;
        let (total, pixels) = (graph.macs().total() as f64, 1000.0 * (width * height) as f64);
        let masks: Vec<Value> = graph.masks().collect();
        let kept = |on: Option<Value>| {
            let densities: Vec<(Value, f64)> =
                masks.iter().map(|mask| (*mask, if Some(*mask) == on { 1.0 } else { 0.0 })).collect();
            graph.macs_kept(&densities) * total / pixels
        };
        let always = kept(None);
        let masked = |mask: &Value| (graph.node(*mask).name.clone(), kept(Some(*mask)) - always);
        Ok(Self { always, masked: masks.iter().map(masked).collect() })
    }

    fn within(&self, masks: &[Mask], part: &Rect) -> f64 {
        let density = |mask: &Mask| {
            let active = part.places().filter(|[x, y]| mask.active[y * mask.width + x]).count();
            active as f64 / part.pixels() as f64
        };
        let of = |(name, cost): &(String, f64)| {
            masks.iter().find(|mask| mask.name == *name).map_or(*cost, |mask| cost * density(mask))
        };
        self.always + self.masked.iter().map(of).sum::<f64>()
    }
}

/// The mean squared difference of luma in a part of two 8-bit pictures.
fn squared_error(a: &Pixels, b: &Pixels, part: &Rect) -> f64 {
    let (Samples::U8(a_samples), Samples::U8(b_samples)) = (a.samples(), b.samples()) else { return 0.0 };
    let [a_samples, b_samples] = [a_samples, b_samples].map(|samples| samples.as_chunks::<3>().0);
    let squared = |[x, y]: [usize; 2]| {
        let [a, b] = [a_samples[y * a.width() + x], b_samples[y * b.width() + x]];
        let difference: f64 = (0..3).map(|c| look::LUMA[c] * (f64::from(a[c]) - f64::from(b[c]))).sum();
        difference * difference
    };
    part.places().map(squared).sum::<f64>() / part.pixels() as f64
}

/// The weights of terms whose sums come nearest to numbers: normal equations, by Cholesky's decomposition.
fn least_squares(terms: &[[f64; TERMS]], numbers: &[f64]) -> Vec<f64> {
    let mut matrix = [[0.0; TERMS]; TERMS];
    let mut right = [0.0; TERMS];
    for (terms, number) in terms.iter().zip(numbers) {
        for row in 0..TERMS {
            right[row] += terms[row] * number;
            for column in 0..=row {
                matrix[row][column] += terms[row] * terms[column];
            }
        }
    }
    for (at, row) in matrix.iter_mut().enumerate().skip(1) {
        row[at] += RIDGE * terms.len() as f64;
    }
    for row in 0..TERMS {
        for column in 0..=row {
            let before: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let left = matrix[row][column] - before;
            matrix[row][column] = if row == column { left.sqrt() } else { left / matrix[column][column] };
        }
    }
    for row in 0..TERMS {
        let before: f64 = (0..row).map(|k| matrix[row][k] * right[k]).sum();
        right[row] = (right[row] - before) / matrix[row][row];
    }
    for row in (0..TERMS).rev() {
        let behind: f64 = (row + 1..TERMS).map(|k| matrix[k][row] * right[k]).sum();
        right[row] = (right[row] - behind) / matrix[row][row];
    }
    right.to_vec()
}
