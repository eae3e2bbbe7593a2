//! The supernet: a network of every operation at every place, of which sparsestmax makes one as its radius grows.
//!
//! With weights α of a place's operations, β of its width and γ of how many cells there are, all of them sparsestmax of
//! logits by one radius,
//!
//! ```text
//!   y_j = m(β) · Σ_k α_k op_k(y_{j−1})        m_c(β) = Σ_k β_k [c < width_k]
//!   y   = Σ_i γ_i h_i                         h_i what cell i makes
//! ```
//!
//! The widths of a place are the first channels of one convolution of full width. Channels between the convolutions of an
//! operation are multiplied by their factors too, so that once all is decided, the supernet makes the network's numbers.
//!
//! Multiply-adds are what is expected of choices that are drawn by these weights, independently of each other; once all is
//! decided they are the network's. A place from a channels to b costs
//!
//! ```text
//!   skip ab        conv3x3 9ab        residual 9ab + 9b² + s        dwsblock 4a² + 36a + 4ab + s        s = ab [a ≠ b]
//! ```

use super::space::{GAMMA, alpha, ratio};
use super::{Conv, Factors, OPERATIONS, Operation, Space, end_of_cell, operate, output, start};
use crate::error::Result;
use crate::graph::{
    Axes, BinaryKind, Builder, Goal, Graph, Input, Loss, Op, Parameters, TrainingOperation, Value,
};
use crate::models::parts::parameter;
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// How multiply-adds are brought to a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// Multiply-adds for each small pixel.
    pub target: f64,
    /// What the square of the distance from what is wanted, as a share of the target, is multiplied by in the loss.
    pub weight: f64,
}

const NUMBER: Shape = Shape::new(1, 1, 1, 1);

impl Space {
    /// What a search minimises, for `low` pictures: how far pictures are from their targets, and multiply-adds from what
    /// is wanted. Its outputs are `loss`, `pixels` (without the multiply-adds), `macs`, the multiply-adds that are expected as
    /// a share of the target, and `decided`, the mean of Σ w² over the choices, which is 1 once all is decided.
    ///
    /// Its inputs behind the picture are `radius`, one number; `target`, N×3×sh×sw, and of a student `teacher`; and
    /// `macs.wanted`, a share of the target.
    ///
    /// # Errors
    /// [`Error::Weights`](crate::Error::Weights) if tensors do not fit, [`Error::Shape`](crate::Error::Shape) if pictures do
    /// not, [`Error::Unsupported`](crate::Error::Unsupported) without a loss or with more options than a choice has room for.
    pub fn training(
        &self,
        supernet: &Weights,
        low: Shape,
        goal: impl Into<Goal>,
        pull: Pull,
    ) -> Result<(Graph, Parameters)> {
        let w = supernet.root();
        let (mut b, picture) = start(&self.config(), "trilevelnas supernet", low, 1.0)?;
        let radius = input(&mut b, "radius")?;
        let mut making = Making { space: self, b: &mut b, radius, decided: vec![] };
        let (made, macs) = making.network(picture, &w)?;
        let decided = making.all_decided()?;
        let share = times(&mut b, "macs", macs, 1.0 / pull.target)?;

        let pixels = b.goal("pixels", made, &goal.into())?;
        let wanted = input(&mut b, "macs.wanted")?;
        let square = Op::Training(TrainingOperation::Loss(Loss::MeanSquare));
        let pulled = b.append("macs.pulled", square, &[share, wanted])?;
        let pulled = times(&mut b, "macs.pulled", pulled, pull.weight)?;
        let loss = b.add("loss", pixels, pulled)?;
        b.finish_all([("loss", loss), ("pixels", pixels), ("macs", share), ("decided", decided)])
    }

    /// What is expected of multiply-adds for each small pixel where nothing is decided yet: all options weigh the same.
    pub fn undecided_macs(&self) -> f64 {
        let even = |numbers: &dyn Fn(usize) -> f64| {
            (0..self.widths.len()).map(numbers).sum::<f64>() / self.widths.len() as f64
        };
        let full = self.channels as f64;
        let width = |at: usize| self.widths[at] as f64;
        let [mean, square] = [even(&width), even(&|at| width(at).powi(2))];
        let options = self.widths.len() as f64;
        let cell: f64 = (0..OPERATIONS)
            .map(|j| {
                let (a, a2) = if j == 0 { (full, full * full) } else { (mean, square) };
                let (b, b2) = if j + 1 == OPERATIONS { (full, full * full) } else { (mean, square) };
                let same = match (j == 0, j + 1 == OPERATIONS) {
                    (false, false) => square / options,
                    _ => full * full / options,
                };
                let parts = [a * b, same, b2, a2, a];
                let of = |operation: &Operation| -> f64 {
                    coefficients(*operation).iter().zip(parts).map(|(factor, part)| factor * part).sum()
                };
                self.operations.iter().map(of).sum::<f64>() / self.operations.len() as f64
            })
            .sum();
        let cells = if self.fewer { (1 + self.cells) as f64 / 2.0 } else { self.cells as f64 };
        self.ends() + cells * cell
    }

    /// Multiply-adds of the first convolution and the last, for each small pixel.
    fn ends(&self) -> f64 {
        (9 * self.channels * (3 + 3 * self.scale * self.scale)) as f64
    }

    fn config(&self) -> super::Config {
        let genotype = self.at(&|_| 0);
        super::Config {
            channels: self.channels,
            variant: genotype.variant,
            path: genotype.path,
            scale: self.scale,
        }
    }
}

/// What an operation costs: factors of ab, of Σ β β′ width² (ab where a = b), of b², of a² and of a.
fn coefficients(operation: Operation) -> [f64; 5] {
    match operation {
        Operation::Skip => [1.0, 0.0, 0.0, 0.0, 0.0],
        Operation::Conv3x3 => [9.0, 0.0, 0.0, 0.0, 0.0],
        Operation::Residual => [10.0, -1.0, 9.0, 0.0, 0.0],
        Operation::Dwsblock => [5.0, -1.0, 0.0, 4.0, 36.0],
    }
}

/// A supernet under construction.
struct Making<'a> {
    space: &'a Space,
    b: &'a mut Builder,
    radius: Value,
    /// Σ w² of each choice.
    decided: Vec<Value>,
}

/// How wide a place is, as far as that is decided.
#[derive(Clone, Copy)]
struct Width {
    /// Of each width its weight, 1×K×1×1.
    weights: Value,
    /// The mean width, and the mean of its square.
    mean: Value,
    square: Value,
    /// What channels are multiplied by, and those that are four times as many; none at full width.
    factors: Factors,
}

impl Making<'_> {
    /// What the network makes of a picture, and its multiply-adds for each small pixel.
    fn network(&mut self, picture: Value, w: &Scope<'_>) -> Result<(Value, Value)> {
        let mut y = Conv::same(3).of(self.b, picture, &w.scope("conv_first.conv"))?;
        let gamma = if self.space.fewer { self.choice(w, GAMMA, self.space.cells)? } else { None };
        let (mut mixed, mut macs) = (None, self.b.number("macs.ends", self.space.ends() as f32)?);
        for i in 0..self.space.cells {
            let (made, cost) = self.cell(y, w, i)?;
            y = made;
            let (own, cost) = match gamma {
                None => (None, cost),
                Some(gamma) => {
                    let own = self.b.slice(format!("gamma.{i}"), gamma, i, 1)?;
                    let own = self.b.multiply(format!("cells.{i}.weighted"), y, own)?;
                    let count = self.space.cells - i;
                    let at_least = self.b.slice(format!("gamma.from.{i}"), gamma, i, count)?;
                    let at_least = sum(self.b, &format!("gamma.from.{i}"), at_least, Axes::CHANNELS)?;
                    (Some(own), self.b.multiply(format!("cells.{i}.macs"), cost, at_least)?)
                }
            };
            macs = self.b.add("macs", macs, cost)?;
            mixed = match (mixed, own) {
                (Some(mixed), Some(own)) => Some(self.b.add("cells.mixed", mixed, own)?),
                (_, own) => own,
            };
        }
        let made = output(self.b, mixed.unwrap_or(y), &w.scope("conv_last.conv"), self.space.scale)?;
        Ok((made, macs))
    }

    fn cell(&mut self, x: Value, w: &Scope<'_>, i: usize) -> Result<(Value, Value)> {
        let (mut y, mut before, mut macs) = (x, self.full_width()?, None);
        for j in 0..OPERATIONS {
            let width = if j + 1 < OPERATIONS { self.width(w, &ratio(i, j))? } else { self.full_width()? };
            let shares = self.choice(w, &alpha(i, j), self.space.operations.len())?;
            y = self.place(y, &w.scope(format!("cells.{i}.ops.{j}")), shares, [before, width])?;
            let cost = self.cost(&format!("cells.{i}.ops.{j}.macs"), shares, [before, width])?;
            macs = Some(match macs {
                None => cost,
                Some(macs) => self.b.add(format!("cells.{i}.macs"), macs, cost)?,
            });
            before = width;
        }
        let macs = macs.map_or_else(|| self.b.number("macs", 0.0), Ok)?;
        Ok((end_of_cell(self.b, y, x, &w.scope(format!("cells.{i}")))?, macs))
    }

    /// `m · Σ_k α_k op_k(x)`
    fn place(
        &mut self,
        x: Value,
        w: &Scope<'_>,
        shares: Option<Value>,
        [before, own]: [Width; 2],
    ) -> Result<Value> {
        let factors = Factors { residual: own.factors.residual, wide: before.factors.wide };
        let mut mixed = None;
        for (k, operation) in self.space.operations.iter().enumerate() {
            let w = w.scope(operation.name());
            let mut y = operate(self.b, x, &w, *operation, self.space.channels, factors)?;
            if let Some(shares) = shares {
                let share = self.b.slice(w.path("share"), shares, k, 1)?;
                y = self.b.multiply(w.path("weighted"), y, share)?;
            }
            mixed = Some(match mixed {
                None => y,
                Some(mixed) => self.b.add(w.path("mixed"), mixed, y)?,
            });
        }
        let mixed = mixed.unwrap_or(x);
        own.factors.residual.map_or(Ok(mixed), |own| self.b.multiply(w.path("narrowed"), mixed, own))
    }

    /// Weights of a choice's options, 1×K×1×1; none where there is one option.
    fn choice(&mut self, w: &Scope<'_>, name: &str, options: usize) -> Result<Option<Value>> {
        if options < 2 {
            return Ok(None);
        }
        let logits = parameter(self.b, w, name, &[options])?;
        let op = Op::Training(TrainingOperation::Sparsestmax);
        let weights = self.b.append(format!("{name}.weights"), op, &[logits, self.radius])?;
        let squares = self.b.multiply(format!("{name}.squares"), weights, weights)?;
        let decided = sum(self.b, &format!("{name}.decided"), squares, Axes::CHANNELS)?;
        self.decided.push(decided);
        Ok(Some(weights))
    }

    fn all_decided(&mut self) -> Result<Value> {
        let mut all = None;
        for decided in &self.decided {
            all = Some(match all {
                None => *decided,
                Some(all) => self.b.add("decided", all, *decided)?,
            });
        }
        match all {
            Some(all) => times(self.b, "decided", all, 1.0 / self.decided.len() as f64),
            None => self.b.number("decided", 1.0),
        }
    }

    fn full_width(&mut self) -> Result<Width> {
        let (full, options) = (self.space.channels as f32, self.space.widths.len());
        let last =
            Tensor::from_fn(Shape::new(1, options, 1, 1), |_, k, _, _| f32::from(u8::from(k + 1 == options)));
        Ok(Width {
            weights: self.b.constant("full", last)?,
            mean: self.b.number("full.mean", full)?,
            square: self.b.number("full.square", full * full)?,
            factors: Factors::default(),
        })
    }

    fn width(&mut self, w: &Scope<'_>, name: &str) -> Result<Width> {
        let widths = &self.space.widths;
        let Some(weights) = self.choice(w, name, widths.len())? else { return self.full_width() };
        let own =
            |power: i32| widths.iter().map(move |width| (*width as f64).powi(power)).collect::<Vec<_>>();
        Ok(Width {
            weights,
            mean: dot(self.b, &format!("{name}.mean"), weights, &own(1))?,
            square: dot(self.b, &format!("{name}.square"), weights, &own(2))?,
            factors: Factors {
                residual: Some(self.factors(&format!("{name}.factors"), weights, 1)?),
                wide: Some(self.factors(&format!("{name}.wide"), weights, 4)?),
            },
        })
    }

    /// Of each channel the weights of the widths that have it, where each width is so many times as wide.
    fn factors(&mut self, name: &str, weights: Value, times: usize) -> Result<Value> {
        let (mut parts, mut start) = (Vec::new(), 0);
        for (k, width) in self.space.widths.iter().enumerate() {
            let left = self.space.widths.len() - k;
            let wider = self.b.slice(format!("{name}.{k}"), weights, k, left)?;
            let wider = sum(self.b, &format!("{name}.{k}"), wider, Axes::CHANNELS)?;
            let shape = Shape::new(1, times * (width - start), 1, 1);
            let repeat = Op::Training(TrainingOperation::Broadcast { shape });
            parts.push(self.b.append(format!("{name}.{k}"), repeat, &[wider])?);
            start = *width;
        }
        self.b.concat(name, &parts)
    }

    /// What a place costs, for each small pixel.
    fn cost(&mut self, name: &str, shares: Option<Value>, [before, own]: [Width; 2]) -> Result<Value> {
        let product = self.b.multiply(format!("{name}.product"), before.mean, own.mean)?;
        let both = self.b.multiply(format!("{name}.both"), before.weights, own.weights)?;
        let squares: Vec<f64> = self.space.widths.iter().map(|width| (*width as f64).powi(2)).collect();
        let same = dot(self.b, &format!("{name}.same"), both, &squares)?;
        let parts = [product, same, own.square, before.square, before.mean];
        let mut sum = None;
        for (at, part) in parts.into_iter().enumerate() {
            let of = |operation: &Operation| coefficients(*operation)[at];
            let factors: Vec<f64> = self.space.operations.iter().map(of).collect();
            if factors.iter().all(|factor| *factor == 0.0) {
                continue;
            }
            let term = match shares {
                None => times(self.b, name, part, factors[0])?,
                Some(shares) => {
                    let factor = dot(self.b, &format!("{name}.factor"), shares, &factors)?;
                    self.b.multiply(name, part, factor)?
                }
            };
            sum = Some(match sum {
                None => term,
                Some(sum) => self.b.binary(name, BinaryKind::Add, sum, term)?,
            });
        }
        sum.map_or_else(|| self.b.number(name, 0.0), Ok)
    }
}

fn input(b: &mut Builder, name: &str) -> Result<Value> {
    b.append(name, Op::Input(Input { shape: NUMBER }), &[])
}

fn sum(b: &mut Builder, name: &str, x: Value, axes: Axes) -> Result<Value> {
    b.append(name, Op::Training(TrainingOperation::Sum(axes)), &[x])
}

fn times(b: &mut Builder, name: &str, x: Value, factor: f64) -> Result<Value> {
    let factor = b.number(format!("{name}.factor"), factor as f32)?;
    b.multiply(name, x, factor)
}

/// `Σ_k weights_k · numbers_k`
fn dot(b: &mut Builder, name: &str, weights: Value, numbers: &[f64]) -> Result<Value> {
    let shape = b.shape(weights);
    let numbers = Tensor::from_fn(shape, |_, k, _, _| numbers[k] as f32);
    let numbers = b.constant(format!("{name}.numbers"), numbers)?;
    let products = b.multiply(format!("{name}.products"), weights, numbers)?;
    sum(b, name, products, Axes::CHANNELS)
}
