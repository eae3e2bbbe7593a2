//! Between the configuration and the mathematics: what an iteration is made of, and the network that comes of it.
//!
//! A plain network has one objective from the first iteration to the last (`plain.rs`). SMSR's changes with the phase of its
//! masks (`masks.rs`), and with it the parameters that the graph has: `tensors` has all of them. One that is pruned is
//! driven to zero in part (`pruning.rs`, `shrinking.rs`, `balanced.rs`). A search trains a supernet (`search.rs`).

mod balanced;
mod masks;
mod plain;
mod pruning;
pub mod search;
mod shrinking;

use std::collections::BTreeMap;

use balanced::BalancedLesson;
use masks::MaskLesson;
use plain::PlainLesson;
use pruning::PruningLesson;
use search::SearchLesson;
use shrinking::ShrinkingLesson;
use sparsr::Model;
use sparsr::learn::{Batch, Clip, Objective, Optimiser, State, Step, Trainer, unit_factor};
use sparsr::low_level::graph::{Criterion, Goal, Loss, Parameters};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::machine::Machine;
use super::schedule::Schedule;
use super::settings::{Cut, LossKind, Method, Settings, Weighted};
use crate::Result;

pub struct Lesson<'a> {
    settings: &'a Settings,
    machine: &'a Machine,
    schedule: Schedule,
    trainer: Trainer,
    /// All of the network's; those that the trainer has not are as they are here.
    tensors: Tensors,
    form: Box<dyn Form + 'a>,
    /// The value of white.
    white: f32,
    /// What the checkpoint that it starts from says of itself and no tensor tells.
    metadata: Vec<(&'static str, String)>,
}

type Tensors = BTreeMap<String, Parameter>;

/// What a network learns by. Of a form without phases the first two are asked, all others say nothing.
trait Form {
    /// What is minimised in the present phase, for so many pictures at once, and the parameters of its graph.
    fn objective(&self, tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)>;

    /// The inputs behind the picture, in the graph's order. `targets` are the truth and what a teacher made, `place` is the
    /// batch's among all batches.
    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, place: u64) -> Result<Vec<Tensor>>;

    /// The architecture whose unit the rates follow: none where the graph has the unit in it.
    fn architecture(&self) -> &str {
        ""
    }

    /// Whether there are phases, of which a state tells the present one.
    fn has_phases(&self) -> bool {
        false
    }

    /// Whether another phase begins with this iteration.
    fn is_due(&self, _iteration: u64) -> bool {
        false
    }

    /// Begins the phase of an iteration, from the numbers as they are. `low` are the small pictures of the iteration.
    fn enter(&mut self, _iteration: u64, _tensors: &mut Tensors, _low: &[Tensor]) -> Result<Entered> {
        Err("expected a form with phases".into())
    }

    /// The first iteration of the present phase.
    fn start(&self) -> u64 {
        0
    }

    /// Says what the next iteration minimises, where that differs from one to the next.
    fn aim(&mut self, _iteration: u64, _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// The rate of an iteration that is not the schedule's.
    fn rate(&self, _iteration: u64) -> Option<f64> {
        None
    }

    /// Whether a parameter is not trained in the present phase.
    fn freezes(&self, _name: &str) -> bool {
        false
    }

    /// Says how the optimiser's settings differ in the present phase.
    fn tune(&self, _optimiser: &mut Optimiser) {}

    /// Acts on what was watched in an iteration, behind loss and pixels.
    fn see(&mut self, _watched: &[f32], _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// What is told of an iteration, by the names of its columns.
    fn told(&self, _iteration: u64) -> Vec<(&'static str, f64)> {
        vec![]
    }

    /// Makes numbers in training those of a checkpoint.
    fn finish(&self, _tensors: &mut Tensors) -> Result<()> {
        Ok(())
    }

    /// What came of the training besides the network. `tensors` are the averaged numbers in training.
    fn outcome(&self, _network: &Model, _tensors: &Tensors) -> Result<Option<Outcome>> {
        Ok(None)
    }

    fn write(&self, _state: &mut State) {}

    fn read(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}

/// A phase that has begun.
pub struct Entered {
    name: &'static str,
    /// Whether the numbers are those of `tensors`, whatever was learnt.
    anew: bool,
}

/// What came of a training besides its network.
pub struct Outcome {
    /// Another network, and what its file is called behind `net_g_`.
    pub network: Option<(&'static str, Model)>,
    /// A file's name and text.
    pub file: Option<(&'static str, String)>,
    /// Lines about it.
    pub told: Vec<String>,
}

/// What an iteration found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub loss: f64,
    /// The loss without what asks for sparsity.
    pub pixels: f64,
    pub norm: f64,
}

impl<'a> Lesson<'a> {
    pub fn new(settings: &'a Settings, machine: &'a Machine, model: Model) -> Result<Self> {
        let config = &settings.config;
        let mut tensors = match &settings.search {
            Some(own) => search::supernet(settings, own),
            None => tensors_of(model.weights()),
        };
        check_patterns(settings, &tensors)?;
        let white = model.net().unfolded().range();
        let read = model.weights().metadata();
        let metadata = model.told().into_iter().filter(|(key, _)| read.contains_key(*key)).collect();
        let form: Box<dyn Form + 'a> = match (&settings.masks, &settings.pruning) {
            _ if settings.search.is_some() => Box::new(SearchLesson::new(settings)?),
            (Some(own), _) => Box::new(MaskLesson::new(settings, own, &mut tensors)?),
            (None, Some(own)) if own.method == Method::Obproxsg => {
                Box::new(ShrinkingLesson::new(settings, own.shrinking, model))
            }
            (None, Some(own)) => match own.balance {
                Some(balance) => Box::new(BalancedLesson::new(settings, own, balance, model)?),
                None => Box::new(PruningLesson::new(settings, own, &model, &mut tensors)?),
            },
            (None, None) => Box::new(PlainLesson { settings, model }),
        };
        let trainer = trainer(settings, machine, &*form, &tensors)?;
        let schedule = Schedule {
            first: config.train.optim_g.lr,
            rate: settings.rate.clone(),
            warmup: config.train.warmup_iter,
            total: config.train.total_iter,
        };
        Ok(Self { settings, machine, schedule, trainer, tensors, form, white, metadata })
    }

    /// Iterations so far.
    pub fn iteration(&self) -> u64 {
        self.trainer.iteration()
    }

    /// The rate of an iteration, counted from 0.
    pub fn rate(&self, iteration: u64) -> f64 {
        self.schedule.rate(iteration)
    }

    /// What the training takes on a GPU, in words.
    pub fn memory(&self) -> String {
        let told =
            |(what, bytes): &(&str, u64)| format!("{what} {:.1} MiB", *bytes as f64 / f64::from(1 << 20));
        let parts: Vec<String> = self.trainer.memory().iter().map(told).collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
    }

    /// What is told of the present iteration besides the loss, by name.
    pub fn told(&self) -> Vec<(&'static str, f64)> {
        self.form.told(self.iteration())
    }

    /// The iteration behind which networks can be compared: those of another phase are other ones.
    pub fn phase_start(&self) -> u64 {
        self.form.start()
    }

    /// One iteration, by the mean of the batches. Says so if a phase begins with it.
    pub fn step(&mut self, batches: Vec<Batch>) -> Result<(Seen, Option<&'static str>)> {
        let iteration = self.iteration();
        let begun = if self.form.is_due(iteration) { Some(self.enter(iteration, &batches)?) } else { None };
        self.form.aim(iteration, &mut self.trainer)?;
        let count = batches.len() as u64;
        for (number, Batch { low, high, taught }) in batches.into_iter().enumerate() {
            let low = in_range(low, self.white);
            let targets = std::iter::once(high).chain(taught).map(|samples| in_range(samples, self.white));
            let place = iteration * count + number as u64;
            let given = self.form.given(&self.trainer, targets.collect(), place)?;
            let inputs: Vec<&Tensor> = std::iter::once(&low).chain(&given).collect();
            self.trainer.gather(&inputs)?;
        }
        let rate = self.form.rate(iteration).unwrap_or_else(|| self.rate(iteration));
        let Step { loss, watched, norm } = self.trainer.update(rate)?;
        let pixels = watched.first().copied().unwrap_or(loss);
        self.form.see(&watched[1.min(watched.len())..], &mut self.trainer)?;
        Ok((Seen { loss: loss.into(), pixels: pixels.into(), norm }, begun))
    }

    fn enter(&mut self, iteration: u64, batches: &[Batch]) -> Result<&'static str> {
        let known = self.trainer.parameters()?;
        self.tensors.extend(known.iter().map(|(name, numbers)| (name.to_owned(), numbers)));
        let low: Vec<Tensor> = batches.iter().map(|batch| in_range(batch.low.clone(), self.white)).collect();
        let Entered { name, anew } = self.form.enter(iteration, &mut self.tensors, &low)?;
        self.rebuild(anew)?;
        self.trainer.restart_averages()?;
        Ok(name)
    }

    /// What came of the training besides the network.
    pub fn outcome(&self) -> Result<Option<Outcome>> {
        self.form.outcome(&self.network()?, &self.averaged()?)
    }

    /// The network of the averaged numbers.
    pub fn network(&self) -> Result<Model> {
        let mut tensors = self.averaged()?;
        self.form.finish(&mut tensors)?;
        let config = &self.settings.config;
        let about = [("config", toml::to_string(config)?), ("iteration", self.iteration().to_string())];
        let weights = Weights::new(config.name.clone(), tensors)
            .with_metadata(self.metadata.clone())
            .with_metadata(about);
        Ok(Model::from_weights(config.name.clone(), weights)?)
    }

    fn averaged(&self) -> Result<Tensors> {
        let mut tensors = self.tensors.clone();
        let averaged = self.trainer.averaged()?;
        tensors.extend(averaged.iter().map(|(name, numbers)| (name.to_owned(), numbers)));
        Ok(tensors)
    }

    pub fn state(&self) -> Result<State> {
        let mut state = self.trainer.state()?;
        let beside = |name: &str| state.tensor(&format!("parameters.{name}")).is_none();
        let beside = self.tensors.iter().filter(|(name, _)| beside(name));
        let beside: Vec<_> =
            beside.map(|(name, numbers)| (format!("beside.{name}"), numbers.clone())).collect();
        state.tensors.extend(beside);
        state.notes.insert("config".into(), toml::to_string(&self.settings.config)?);
        self.form.write(&mut state);
        Ok(state)
    }

    /// Goes on from a state; gives the configuration that it was made with.
    pub fn restore(&mut self, state: &State) -> Result<Option<String>> {
        if !self.form.has_phases() {
            self.trainer.restore(state)?;
            return Ok(state.notes.get("config").cloned());
        }
        self.form.read(state)?;
        for (name, own) in &mut self.tensors {
            let stored =
                ["parameters", "beside"].iter().find_map(|part| state.tensor(&format!("{part}.{name}")));
            *own = stored.filter(|stored| stored.dims() == own.dims()).cloned().ok_or_else(|| {
                format!("training state: it is another network's: {name} is not there, or of another size")
            })?;
        }
        self.rebuild_from(state)?;
        Ok(state.notes.get("config").cloned())
    }

    /// A trainer for the form's phase, of the numbers in `tensors`. It goes on with what the present one knows of them or, if
    /// `anew`, with iterations alone.
    fn rebuild(&mut self, anew: bool) -> Result<()> {
        let mut state = self.trainer.state()?;
        state.tensors.retain(|(key, _)| !anew && key.starts_with("moments."));
        for (name, numbers) in &self.tensors {
            let of = |part| (format!("{part}.{name}"), numbers.clone());
            state.tensors.extend(["parameters", "averaged"].map(of));
        }
        self.rebuild_from(&state)
    }

    fn rebuild_from(&mut self, state: &State) -> Result<()> {
        self.trainer = trainer(self.settings, self.machine, &*self.form, &self.tensors)?;
        Ok(self.trainer.restore(state)?)
    }
}

/// A trainer for the form's phase, from these tensors.
fn trainer(settings: &Settings, machine: &Machine, form: &dyn Form, tensors: &Tensors) -> Result<Trainer> {
    let frozen =
        |name: &str| settings.freeze.iter().any(|pattern| pattern.matches(name)) || form.freezes(name);
    machine.begin(settings.config.datasets.train.batch_size as usize, |pictures| {
        let (objective, parameters) = form.objective(tensors, pictures)?;
        let names: Vec<String> = parameters.iter().map(|(name, _)| name.to_owned()).collect();
        let objective = objective.only(|name| !frozen(name))?;
        let mut optimiser = optimiser(settings);
        form.tune(&mut optimiser);
        let mut trainer = machine.trainer(settings.precision, objective, parameters, optimiser)?;
        for name in names {
            let factor = rate_factor(settings, form.architecture(), &name);
            trainer.set_rate_factor(name, factor);
        }
        Ok(trainer)
    })
}

fn tensors_of(weights: &Weights) -> Tensors {
    weights.iter().map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect()
}

/// What a state says of itself under a name.
fn note<'s>(state: &'s State, name: &str) -> Result<&'s str> {
    let found = state.notes.get(name).map(String::as_str);
    found.ok_or_else(|| format!("training state: expected {name}, found none").into())
}

/// Small pictures that go through the graph at once.
fn low(settings: &Settings, pictures: usize) -> Shape {
    let side = settings.config.datasets.train.lq_size as usize;
    Shape::new(pictures, 3, side, side)
}

fn goal(settings: &Settings) -> Goal {
    let kind = |kind: LossKind| match kind {
        LossKind::L1 => Loss::L1.into(),
        LossKind::Charbonnier { epsilon } => Loss::Charbonnier { epsilon: epsilon as f32 }.into(),
        LossKind::Mse => Loss::MeanSquare.into(),
        LossKind::MultiLap => Criterion::MultiLap,
    };
    let all = |losses: &[Weighted]| losses.iter().map(|loss| (kind(loss.kind), loss.weight as f32)).collect();
    Goal { truth: all(&settings.losses), teacher: all(&settings.teacher_losses) }
}

/// A pattern that means no parameter is a mistake, but for the mean: not all networks hold one.
fn check_patterns(settings: &Settings, tensors: &Tensors) -> Result<()> {
    let freeze = settings.freeze.iter().map(|pattern| ("path.freeze", pattern));
    let groups = settings.groups.iter().map(|(pattern, _)| ("train.optim_g.groups", pattern));
    for (key, pattern) in freeze.chain(groups) {
        let is_mean = ["sub_mean*", "add_mean*"].contains(&pattern.as_str());
        if !is_mean && !tensors.keys().any(|name| pattern.matches(name)) {
            let some = tensors.keys().take(4).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("{key}: {pattern} is the name of no parameter; there are {some}, …").into());
        }
    }
    Ok(())
}

fn rate_factor(settings: &Settings, architecture: &str, name: &str) -> f64 {
    let matching = settings.groups.iter().filter(|(pattern, _)| pattern.matches(name));
    let factor: f64 = matching.map(|(_, factor)| factor).product();
    factor * unit_factor(architecture, name, settings.config.train.unit)
}

fn optimiser(settings: &Settings) -> Optimiser {
    let optim = &settings.config.train.optim_g;
    let mut optimiser = Optimiser::default();
    (optimiser.betas, optimiser.epsilon) = (optim.betas, optim.eps);
    (optimiser.weight_decay, optimiser.decoupled) = (optim.weight_decay, optim.kind == "AdamW");
    optimiser.ema_decay = settings.config.train.ema_decay;
    optimiser.clip = match settings.clip {
        None => Clip::None,
        Some(Cut::Norm(norm)) => Clip::Norm(norm),
        Some(Cut::Auto) => Clip::Mean(2.0),
    };
    optimiser
}

/// Samples of 0 … 255 in a network's own range.
fn in_range(mut samples: Tensor, white: f32) -> Tensor {
    if white != 255.0 {
        samples.values_mut().iter_mut().for_each(|sample| *sample *= white / 255.0);
    }
    samples
}
