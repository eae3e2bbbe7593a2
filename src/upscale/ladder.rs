//! Routing by difficulty: several networks of one scale, each where it is good enough.
//!
//! ```text
//!   cell of the small picture ─► what it looks like ─► of every rung  error e, cost c
//!   effort ─► λ                  the cell's rung: the one with the least  e + λ·c
//!   cells of one rung ─► windows, with a halo ─► enlarged ─► blended over those of lower rungs
//! ```
//!
//! That easy parts of a picture need no large network is ClassSR's idea (Kong et al., CVPR 2021, section 3), whose
//! classifier is trained with the networks for one division of the work. Here errors and costs are predicted, not classes:
//! one ladder serves every effort, and any networks make one
//! ([the decision](../../docs/decisions/errors-are-predicted-not-classes.md)).

mod fit;
mod look;
mod route;
mod run;

use std::path::Path;
use std::sync::Arc;

pub use fit::LadderFit;
use look::{DETAILS, TERMS};
pub(super) use run::Rungs;

use crate::error::{Error, Result};
use crate::graph::ReceptiveField;
use crate::job::tiles::Rect;
use crate::models::Model;
use crate::pixels::Pixels;
use crate::tensor::Parameter;
use crate::weights::{Stored, Weights};

/// A cell's side, in pixels of the small picture: a window's halo is small beside a few of them, and they follow the
/// picture closely.
const SIDE: usize = 32;

/// Steps of effort whose λ is known.
const STEPS: usize = 32;

/// The most that a file may ask for.
const MOST_HALO: usize = 256;

/// The version of a ladder's file.
const LAYOUT: &str = "1";

/// Of checkpoints beside a ladder.
const EXTENSIONS: [&str; 3] = ["safetensors", "pth", "pt"];

/// Ladders that are part of the program, by scale.
const BUILTIN: &[(usize, &[u8])] = &[(2, include_bytes!("../../weights/ladder-x2.safetensors"))];

/// Networks of one scale, from the cheapest to the best, and what tells how each of them would do.
#[derive(Clone, Debug)]
pub struct Ladder {
    rungs: Vec<Rung>,
    /// Of each kind of detail the least and the most that was seen.
    seen: [[f64; 2]; DETAILS],
    /// What a unit of cost is worth, of efforts from 1 / [`STEPS`] on, downwards.
    lambdas: Vec<f64>,
    /// Pixels that are computed around what is kept of a window: not all that a network sees, but so many that windows are
    /// within one code value of the whole picture.
    halo: usize,
}

/// A network, and what it is predicted to do.
#[derive(Clone, Debug)]
struct Rung {
    model: Model,
    error: Prediction,
    cost: Prediction,
}

/// The logarithm of what is predicted, as a sum of [`look::terms`].
#[derive(Clone, Debug, PartialEq)]
struct Prediction(Vec<f64>);

impl Prediction {
    fn of(&self, terms: &[f64; TERMS]) -> f64 {
        self.0.iter().zip(terms).map(|(weight, term)| weight * term).sum::<f64>().exp()
    }
}

/// What is predicted of a cell, for each rung, a pixel of the small picture.
#[derive(Clone, Debug, PartialEq)]
struct Predicted {
    /// Squared error of luma, in code values of 8 bits.
    errors: Vec<f64>,
    /// Thousands of multiply-adds.
    costs: Vec<f64>,
}

impl Ladder {
    /// The one that is part of the program for a scale.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is none.
    pub fn builtin(scale: usize) -> Result<Self> {
        let Some((_, bytes)) = BUILTIN.iter().find(|(builtin, _)| *builtin == scale) else {
            let scales: Vec<String> = BUILTIN.iter().map(|(scale, _)| format!("x{scale}")).collect();
            let there = scales.join(", ");
            let reason = format!("no built-in ladder of networks of x{scale}; there are: {there}");
            return Err(Error::Unsupported(reason));
        };
        Self::from_bytes(&format!("builtin:ladder-x{scale}"), bytes, &Model::builtin)
    }

    /// Reads a file that [`Ladder::to_safetensors`] made. Its networks are built in, or lie beside it.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Weights`] if it is no ladder or one of its networks is not what it was.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let beside = |name: &str| {
            let paths = EXTENSIONS.map(|extension| path.with_file_name(format!("{name}.{extension}")));
            let [first, ..] = &paths;
            paths.iter().find(|path| path.exists()).unwrap_or(first).clone()
        };
        let find = |name: &str| match Model::builtin_names().contains(&name) {
            true => Model::builtin(name),
            false => Model::load(&beside(name)),
        };
        Self::from_bytes(&path.display().to_string(), &bytes, &find)
    }

    /// [`Ladder::load`] of a file's bytes; `find` has its networks, by name.
    ///
    /// # Errors
    /// [`Error::Weights`], and what `find` says.
    pub fn from_bytes(source: &str, bytes: &[u8], find: &dyn Fn(&str) -> Result<Model>) -> Result<Self> {
        let weights = Weights::from_bytes(source, bytes)?;
        let said = |key: &str| {
            let value = weights.metadata().get(key).map(String::as_str);
            value.ok_or_else(|| {
                Error::weights(source, format!("expected a ladder of networks, found no `{key}`"))
            })
        };
        if said("ladder")? != LAYOUT {
            let reason = format!("expected a ladder of layout {LAYOUT}, found one of {}", said("ladder")?);
            return Err(Error::weights(source, reason));
        }
        let numbers = |name: &str, count: usize| -> Result<Vec<f64>> {
            let parameter = weights.root().parameter(name, &[count])?;
            Ok(parameter.values().iter().copied().map(f64::from).collect())
        };
        let (mut models, mut rungs) = (Vec::new(), Vec::new());
        for (at, name) in said("networks")?.split(", ").enumerate() {
            let model = find(name)?;
            let prediction = |what: &str| numbers(&format!("rungs.{at}.{what}"), TERMS).map(Prediction);
            models.push(model.clone());
            rungs.push(Rung { model, error: prediction("error")?, cost: prediction("cost")? });
        }
        check(&models)?;
        let [least, most] = [numbers("details.least", DETAILS)?, numbers("details.most", DETAILS)?];
        let seen = std::array::from_fn(|at| [least[at], most[at]]);
        let halo = said("halo")?.parse().ok().filter(|halo| (1..=MOST_HALO).contains(halo));
        let damaged = || Error::weights(source, format!("expected a halo of 1 to {MOST_HALO}, found none"));
        let halo = halo.ok_or_else(damaged)?;
        let ladder = Self { rungs, seen, lambdas: numbers("lambdas", STEPS)?, halo };
        let all = ladder.rungs.iter().flat_map(|rung| rung.error.0.iter().chain(&rung.cost.0));
        if all.chain(&ladder.lambdas).chain(ladder.seen.as_flattened()).all(|number| number.is_finite()) {
            Ok(ladder)
        } else {
            Err(Error::weights(
                source,
                "expected finite numbers, found others: the file is damaged".to_owned(),
            ))
        }
    }

    /// The ladder as a file: predictions, and the names of its networks, not their weights.
    ///
    /// # Errors
    /// [`Error::Weights`] if a number is too large to be stored.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let tensor = |name: String, numbers: &mut dyn Iterator<Item = f64>| {
            let values: Vec<f32> = numbers.map(|number| number as f32).collect();
            (name, Parameter::new(vec![values.len()], values))
        };
        let mut tensors = vec![
            tensor("lambdas".into(), &mut self.lambdas.iter().copied()),
            tensor("details.least".into(), &mut self.seen.iter().map(|[least, _]| *least)),
            tensor("details.most".into(), &mut self.seen.iter().map(|[_, most]| *most)),
        ];
        for (at, rung) in self.rungs.iter().enumerate() {
            tensors.push(tensor(format!("rungs.{at}.error"), &mut rung.error.0.iter().copied()));
            tensors.push(tensor(format!("rungs.{at}.cost"), &mut rung.cost.0.iter().copied()));
        }
        let names: Vec<&str> = self.models().map(Model::name).collect();
        let metadata =
            [("ladder", LAYOUT.to_owned()), ("networks", names.join(", ")), ("halo", self.halo.to_string())];
        Weights::new("ladder", tensors).with_metadata(metadata).to_safetensors(Stored::F32)
    }

    /// Its networks, from the cheapest to the best.
    pub fn models(&self) -> impl ExactSizeIterator<Item = &Model> {
        self.rungs.iter().map(|rung| &rung.model)
    }

    /// The best of its networks: the one that an [`Upscaler`](crate::Upscaler) with this ladder is made for.
    pub fn best(&self) -> &Model {
        &self.rungs[self.rungs.len() - 1].model
    }

    /// What a unit of cost is worth: nothing at the effort 1, more than any error at 0.
    fn lambda(&self, effort: f64) -> f64 {
        let at = effort.clamp(0.0, 1.0) * STEPS as f64 - 1.0;
        if at < 0.0 {
            return 1e30;
        }
        let (below, share) = (at as usize, at.fract());
        let next = self.lambdas[(below + 1).min(STEPS - 1)];
        (self.lambdas[below].ln() * (1.0 - share) + next.ln() * share).exp()
    }

    /// What is predicted of a part of a picture.
    fn predict(&self, picture: &Pixels, part: &Rect) -> Predicted {
        let terms = look::terms(&look::details(picture, part), &self.seen);
        let of = |prediction: fn(&Rung) -> &Prediction| {
            self.rungs.iter().map(|rung| prediction(rung).of(&terms)).collect()
        };
        Predicted { errors: of(|rung| &rung.error), costs: of(|rung| &rung.cost) }
    }

    /// What windows are cut by.
    fn field(&self) -> ReceptiveField {
        let halo = ReceptiveField { radius: self.halo, alignment: 1 };
        self.models().fold(halo, |field, model| field.aligned_to(model.alignment()))
    }
}

/// Whether networks can be a ladder.
fn check(models: &[Model]) -> Result<()> {
    let [first, others @ ..] = models else {
        return Err(Error::Unsupported("expected two networks or more for a ladder, found none".into()));
    };
    if others.is_empty() {
        return Err(Error::Unsupported(format!(
            "expected two networks or more for a ladder, found {}",
            first.name()
        )));
    }
    let name = |model: &Model| format!("{} of x{}", model.name(), model.scale());
    match others.iter().find(|other| other.scale() != first.scale()) {
        Some(other) => {
            let reason = format!("expected networks of one scale, found {} and {}", name(first), name(other));
            Err(Error::Unsupported(reason))
        }
        None => Ok(()),
    }
}

/// A ladder, and how much work it may do: [`Options::ladder`](crate::Options).
#[derive(Clone, Debug)]
pub struct Effort {
    /// The networks.
    pub ladder: Arc<Ladder>,
    /// From 0, the cheapest network everywhere, to 1, the best one everywhere; of photographs such as the ladder was
    /// fitted to, the share of the way between the costs of these two.
    pub effort: f64,
}
