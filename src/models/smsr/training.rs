//! SMSR as it learns: masks that are soft, drawn by Gumbel-softmax (sections 3.2 and 3.3), and a loss that asks for
//! sparsity (section 3.4).
//!
//! With a layer's weight W, the dense shares D of the channels that it makes and of those that it reads, and the spatial
//! mask M,
//!
//! ```text
//!   y = relu( conv(x, A) + M · conv(x, W − A) ),    A[o, i] = W[o, i] · D_out[o] · D_in[i]
//! ```
//!
//! is what the paper computes by two convolutions of masked activations, for soft shares too. Noise, temperature and the
//! weights of the sparsity are inputs, so that schedules move without another graph.

use super::{Config, are_dense, assembled, channel_attention, mask_logits};
use crate::error::Result;
use crate::graph::{
    Activation, Axes, BinaryKind, Builder, Conv2d, Goal, Graph, Input, Op, Parameters, TrainingOperation,
    Value, WeightOperation,
};
use crate::models::parts::{conv, parameter};
use crate::tensor::{Shape, Tensor};
use crate::weights::{Scope, Weights};

/// How masks act, from the beginning of a training to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masks {
    /// All are one: the plain network, at half the cost.
    Open,
    /// Spatial and channel masks are soft and noisy.
    Gumbel,
    /// Channel masks are those of the checkpoint, spatial ones soft and noisy.
    Spatial,
    /// As in inference; what decides is computed and not trained.
    Hard,
}

impl Masks {
    /// Whether the spatial masks are drawn, and a temperature and weights of the sparsity are inputs.
    pub fn are_soft(self) -> bool {
        matches!(self, Self::Gumbel | Self::Spatial)
    }
}

const NUMBER: Shape = Shape::new(1, 1, 1, 1);

impl Config {
    /// What a training of the network minimises, for `low` pictures: a weighted sum of `losses` and, for soft masks, of
    /// the modules' sparsities. Its outputs are `loss`, `pixels` (without the sparsities) and, unless masks are open,
    /// `body.<k>.sparsity`, the share of feature values that a module computes.
    ///
    /// Its inputs behind the picture are called
    /// - `body.<k>.spa_mask.noise`, N×1×h×w, and `body.<k>.body.ch_mask.noise.<l>`, 1×C×1×1: logistic noise, which is
    ///   the difference of two Gumbel draws;
    /// - `temperature`: the noisy logits are divided by it before the sigmoid;
    /// - `body.<k>.sparsity.weight`;
    /// - `target`, N×3×sh×sw, and of a student `teacher`, what its teacher made.
    ///
    /// The head's input is divided by `unit` and the tail's output multiplied by it, so that numbers in between are of
    /// the order of one. Parameters of a checkpoint, whose unit is 1, are for another once `head.0.weight` is multiplied by it
    /// and `tail.0` divided.
    ///
    /// # Errors
    /// As [`build`](super::build), and [`Error::Unsupported`](crate::Error::Unsupported) without a loss.
    pub fn training(
        &self,
        weights: &Weights,
        low: Shape,
        masks: Masks,
        goal: impl Into<Goal>,
        unit: f32,
    ) -> Result<(Graph, Parameters)> {
        let mut sparsities = Vec::new();
        let mut temperature = None;
        let (mut b, made) = assembled(self, weights, low, unit, |b, x, w| {
            if masks.are_soft() && temperature.is_none() {
                temperature = Some(input(b, "temperature".into(), NUMBER)?);
            }
            let (y, decided) = Module { config: self, masks, temperature }.append(b, x, w)?;
            sparsities.extend(decided.map(|decided| (w.path("sparsity"), decided.sparsity)));
            Ok(y)
        })?;
        let pixels = b.goal("pixels", made, &goal.into())?;
        let mut loss = pixels;
        for (name, sparsity) in sparsities.iter().filter(|_| masks.are_soft()) {
            let weight = input(&mut b, format!("{name}.weight"), NUMBER)?;
            let term = b.multiply(name, *sparsity, weight)?;
            loss = b.add("loss", loss, term)?;
        }
        let outputs = [("loss".to_owned(), loss), ("pixels".to_owned(), pixels)];
        b.finish_all(outputs.into_iter().chain(sparsities))
    }

    /// The logits of every module's spatial mask for `low` pictures, N×2×h×w, with the masks of inference in all modules
    /// before it. The outputs are called `body.<k>.spa_mask`; `unit` is [`training`](Self::training)'s.
    ///
    /// # Errors
    /// As [`build`](super::build).
    pub fn spatial_logits(&self, weights: &Weights, low: Shape, unit: f32) -> Result<(Graph, Parameters)> {
        let mut logits = Vec::new();
        let (b, _) = assembled(self, weights, low, unit, |b, x, w| {
            let module = Module { config: self, masks: Masks::Hard, temperature: None };
            let (y, decided) = module.append(b, x, w)?;
            logits.extend(decided.map(|decided| (w.path("spa_mask"), decided.logits)));
            Ok(y)
        })?;
        b.finish_all(logits)
    }
}

/// A sparse mask module in training.
struct Module<'a> {
    config: &'a Config,
    masks: Masks,
    temperature: Option<Value>,
}

/// A layer's dense shares: learnt, 1×C×1×1, or known.
enum Shares {
    Soft(Value),
    Known(Vec<bool>),
}

/// What a module decided by its masks.
struct Decided {
    /// Of the spatial mask, N×2×H×W.
    logits: Value,
    /// The share of feature values that is computed.
    sparsity: Value,
}

impl Module<'_> {
    /// What the module makes, and what it decided unless all masks are open.
    fn append(&self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<(Value, Option<Decided>)> {
        let shares = self.shares(b, &w.scope("body"))?;
        let masks = self.mask(b, x, &w.scope("spa_mask"))?;
        let mask = masks.map(|[_, mask]| mask);
        let body = self.layers(b, x, mask, &shares, &w.scope("body"))?;
        let attended = channel_attention(b, body, &w.scope("ca"), self.config)?;
        let y = b.add(w.prefix(), attended, x)?;
        let decided = |[logits, mask]: [Value; 2]| {
            Ok(Decided { logits, sparsity: self.sparsity(b, mask, &shares, w)? })
        };
        Ok((y, masks.map(decided).transpose()?))
    }

    /// `σ((logit + noise) / temperature)`: of two classes the softmax with Gumbel noise.
    fn drawn(&self, b: &mut Builder, name: &str, logit: Value) -> Result<Value> {
        let noise = input(b, format!("{name}.noise"), b.shape(logit))?;
        let noisy = b.add(format!("{name}.noisy"), logit, noise)?;
        let temperature = self.temperature.expect("soft masks have a temperature");
        let cooled = b.binary(format!("{name}.cooled"), BinaryKind::Divide, noisy, temperature)?;
        b.activation(name, cooled, Activation::Sigmoid)
    }

    fn shares(&self, b: &mut Builder, w: &Scope<'_>) -> Result<Vec<Shares>> {
        let Config { channels, layers, .. } = *self.config;
        match self.masks {
            Masks::Open => Ok(vec![]),
            Masks::Spatial | Masks::Hard => {
                Ok(are_dense(w, self.config)?.into_iter().map(Shares::Known).collect())
            }
            Masks::Gumbel => {
                let logits = parameter(b, w, "ch_mask", &[1, channels, layers, 2])?;
                let share = |layer: usize| {
                    let name = w.path(&format!("ch_mask.{layer}"));
                    let op = WeightOperation::ChannelLogit { layer };
                    let logit = b.weight(format!("{name}.logit"), op, &[logits])?;
                    Ok(Shares::Soft(self.drawn(b, &name, logit)?))
                };
                (0..layers).map(share).collect()
            }
        }
    }

    /// The spatial mask's logits, N×2×H×W, and itself, N×1×H×W; none if all are open.
    fn mask(&self, b: &mut Builder, x: Value, w: &Scope<'_>) -> Result<Option<[Value; 2]>> {
        if self.masks == Masks::Open {
            return Ok(None);
        }
        let logits = mask_logits(b, x, w, self.config)?;
        if self.masks == Masks::Hard {
            return Ok(Some([logits, b.spatial_mask(w.prefix(), logits)?]));
        }
        let [skip, compute] = [0, 1].map(|class| (w.path(&format!("class.{class}")), class));
        let skip = b.slice(skip.0, logits, skip.1, 1)?;
        let compute = b.slice(compute.0, logits, compute.1, 1)?;
        let logit = b.binary(w.path("logit"), BinaryKind::Subtract, compute, skip)?;
        Ok(Some([logits, self.drawn(b, w.prefix(), logit)?]))
    }

    /// The masked layers and the convolution that collects them.
    fn layers(
        &self,
        b: &mut Builder,
        x: Value,
        mask: Option<Value>,
        shares: &[Shares],
        w: &Scope<'_>,
    ) -> Result<Value> {
        let (c, layers) = (self.config.channels, self.config.layers);
        let (mut feature, mut features) = (x, Vec::new());
        for l in 0..layers {
            let layer = w.scope("body").scope(l);
            let weight = parameter(b, &layer, "weight", &[c, c, 3, 3])?;
            let y = match mask {
                None => b.conv2d(layer.prefix(), feature, weight, Conv2d::same(3))?,
                Some(mask) => {
                    let before = l.checked_sub(1).map(|before| &shares[before]);
                    masked(b, feature, mask, weight, [before, Some(&shares[l])], &layer)?
                }
            };
            feature = b.relu(layer.path("relu"), y)?;
            features.push(feature);
        }
        let all = b.concat(w.path("features"), &features)?;
        conv(b, all, &w.scope("collect"), [c, c * layers, 1])
    }

    /// `mean(M · (1 − D) + D)` over pixels, layers and channels (equation 8).
    fn sparsity(&self, b: &mut Builder, mask: Value, shares: &[Shares], w: &Scope<'_>) -> Result<Value> {
        let density = mean(b, &w.path("spa_mask.density"), mask)?;
        let count = self.config.channels * shares.len();
        let known = shares.iter().flat_map(|share| match share {
            Shares::Known(dense) => &dense[..],
            Shares::Soft(_) => &[],
        });
        let mut dense = b.number(w.path("dense.known"), known.filter(|dense| **dense).count() as f32)?;
        for (l, share) in shares.iter().enumerate() {
            if let Shares::Soft(share) = share {
                let sum = b.append(w.path(&format!("dense.{l}")), sum_of_all(), &[*share])?;
                dense = b.add(w.path("dense.sum"), dense, sum)?;
            }
        }
        let share = b.number(w.path("dense.share"), 1.0 / count as f32)?;
        let dense = b.multiply(w.path("dense"), dense, share)?;
        let both = b.multiply(w.path("both"), density, dense)?;
        let either = b.add(w.path("either"), density, dense)?;
        b.binary(w.path("sparsity"), BinaryKind::Subtract, either, both)
    }
}

/// `conv(x, A) + mask · conv(x, W − A)`, by the shares of the channels that are read and made.
fn masked(
    b: &mut Builder,
    x: Value,
    mask: Value,
    weight: Value,
    [read, made]: [Option<&Shares>; 2],
    w: &Scope<'_>,
) -> Result<Value> {
    let dense = match (read, made) {
        (_, Some(Shares::Known(made))) => {
            let read = match read {
                Some(Shares::Known(read)) => read.clone(),
                _ => vec![true; b.shape(weight).channels],
            };
            let shape = Shape::new(made.len(), read.len(), 1, 1);
            let both = |o: usize, i: usize| f32::from(u8::from(made[o] && read[i]));
            let shares = Tensor::from_fn(shape, |o, i, _, _| both(o, i));
            let none = shares.values().iter().all(|share| *share == 0.0);
            let shares = b.constant(w.path("shares"), shares)?;
            if none { None } else { Some(b.multiply(w.path("weight.dense"), weight, shares)?) }
        }
        (read, Some(Shares::Soft(made))) => {
            let rows = b.weight(w.path("shares"), WeightOperation::Transpose, &[*made])?;
            let dense = b.multiply(w.path("weight.made"), weight, rows)?;
            Some(match read {
                Some(Shares::Soft(read)) => b.multiply(w.path("weight.dense"), dense, *read)?,
                _ => dense,
            })
        }
        (_, None) => None,
    };
    let sparse = match dense {
        Some(dense) => b.binary(w.path("weight.sparse"), BinaryKind::Subtract, weight, dense)?,
        None => weight,
    };
    let sparse = b.conv2d(w.path("sparse"), x, sparse, Conv2d::same(3))?;
    let sparse = b.multiply(w.path("sparse.masked"), sparse, mask)?;
    let Some(dense) = dense else { return Ok(sparse) };
    let dense = b.conv2d(w.path("dense"), x, dense, Conv2d::same(3))?;
    b.add(w.prefix(), dense, sparse)
}

fn input(b: &mut Builder, name: String, shape: Shape) -> Result<Value> {
    b.append(name, Op::Input(Input { shape }), &[])
}

fn sum_of_all() -> Op {
    Op::Training(TrainingOperation::Sum(Axes::ALL))
}

fn mean(b: &mut Builder, name: &str, x: Value) -> Result<Value> {
    let sum = b.append(format!("{name}.sum"), sum_of_all(), &[x])?;
    let share = b.number(format!("{name}.share"), 1.0 / b.shape(x).len() as f32)?;
    b.multiply(name, sum, share)
}
