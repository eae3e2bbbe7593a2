//! Between the configuration and the mathematics: what an iteration is made of, and the network that comes of it.
//!
//! A plain network has one objective from the first iteration to the last. SMSR's changes with the phase of its masks
//! (`masks.rs`), and with it the parameters that the graph has: `tensors` has all of them.

mod masks;

use std::collections::BTreeMap;

use masks::MaskLesson;
use sparsr::Model;
use sparsr::learn::{Batch, Clip, Objective, Optimiser, State, Step, Trainer};
use sparsr::low_level::graph::{Criterion, Goal, Loss};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::machine::Machine;
use super::network::unit_factor;
use super::schedule::Schedule;
use super::settings::{Cut, LossKind, Settings, Sizes, Weighted};
use crate::Result;

pub struct Lesson<'a> {
    settings: &'a Settings,
    machine: &'a Machine,
    model: Model,
    schedule: Schedule,
    trainer: Trainer,
    /// All of the network's; those that the trainer has not are as they are here.
    tensors: BTreeMap<String, Parameter>,
    masks: Option<MaskLesson<'a>>,
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
        let mut tensors: BTreeMap<String, Parameter> =
            model.weights().iter().map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect();
        check_patterns(settings, &tensors)?;
        let masks =
            settings.masks.as_ref().map(|own| MaskLesson::new(settings, own, &mut tensors)).transpose()?;
        let trainer = trainer(settings, machine, &model, masks.as_ref(), &tensors)?;
        let schedule = Schedule {
            first: config.train.optim_g.lr,
            rate: settings.rate.clone(),
            warmup: config.train.warmup_iter,
            total: config.train.total_iter,
        };
        Ok(Self { settings, machine, model, schedule, trainer, tensors, masks })
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

    /// What is said of masks: the phase, the temperature, the density.
    pub fn masks(&self) -> Option<(&'static str, f64, f64)> {
        self.masks.as_ref().map(|masks| masks.told(self.iteration()))
    }

    /// The iteration behind which networks can be compared: those of another phase have other masks.
    pub fn phase_start(&self) -> u64 {
        self.masks.as_ref().map_or(0, MaskLesson::start)
    }

    /// One iteration, by the mean of the batches. Says so if a phase of the masks begins with it.
    pub fn step(&mut self, batches: Vec<Batch>) -> Result<(Seen, Option<&'static str>)> {
        let (iteration, white) = (self.iteration(), self.model.net().unfolded().range());
        let begun = match &mut self.masks {
            Some(masks) if masks.is_due(iteration) => {
                let name = masks.enter(iteration, &mut self.tensors, &self.trainer.parameters()?);
                self.rebuild()?;
                self.trainer.restart_averages()?;
                Some(name)
            }
            _ => None,
        };
        let count = batches.len() as u64;
        for (number, Batch { low, high, taught }) in batches.into_iter().enumerate() {
            let low = in_range(low, white);
            let targets = std::iter::once(high).chain(taught).map(|samples| in_range(samples, white));
            let given = match &self.masks {
                None => targets.collect(),
                Some(masks) => {
                    let place = iteration * count + number as u64;
                    masks.given(self.trainer.objective().forward(), targets, iteration, place)
                }
            };
            let inputs: Vec<&Tensor> = std::iter::once(&low).chain(&given).collect();
            self.trainer.gather(&inputs)?;
        }
        let Step { loss, watched, norm } = self.trainer.update(self.rate(iteration))?;
        let mut pixels = loss;
        if let Some(masks) = &mut self.masks {
            pixels = watched.first().copied().unwrap_or(loss);
            masks.see(&watched[1.min(watched.len())..]);
        }
        Ok((Seen { loss: loss.into(), pixels: pixels.into(), norm }, begun))
    }

    /// The network of the averaged numbers.
    pub fn network(&self) -> Result<Model> {
        let mut tensors = self.tensors.clone();
        let averaged = self.trainer.averaged()?;
        tensors.extend(averaged.iter().map(|(name, numbers)| (name.to_owned(), numbers)));
        if let Some(masks) = &self.masks {
            masks.without_unit(&mut tensors);
        }
        let config = &self.settings.config;
        let about = [("config", toml::to_string(config)?), ("iteration", self.iteration().to_string())];
        let weights = Weights::new(config.name.clone(), tensors).with_metadata(about);
        Ok(Model::from_weights(config.name.clone(), weights)?)
    }

    pub fn state(&self) -> Result<State> {
        let mut state = self.trainer.state()?;
        let beside = |name: &str| state.tensor(&format!("parameters.{name}")).is_none();
        let beside = self.tensors.iter().filter(|(name, _)| beside(name));
        let beside: Vec<_> =
            beside.map(|(name, numbers)| (format!("beside.{name}"), numbers.clone())).collect();
        state.tensors.extend(beside);
        state.notes.insert("config".into(), toml::to_string(&self.settings.config)?);
        if let Some(masks) = &self.masks {
            masks.write(&mut state);
        }
        Ok(state)
    }

    /// Goes on from a state; gives the configuration that it was made with.
    pub fn restore(&mut self, state: &State) -> Result<Option<String>> {
        if let Some(masks) = &mut self.masks {
            masks.read(state)?;
            for (name, own) in &mut self.tensors {
                let stored =
                    ["parameters", "beside"].iter().find_map(|part| state.tensor(&format!("{part}.{name}")));
                match stored.filter(|stored| stored.dims() == own.dims()) {
                    Some(stored) => *own = stored.clone(),
                    None => {
                        return Err(format!(
                            "training state: it is another network's: {name} is not there, or of another size"
                        )
                        .into());
                    }
                }
            }
            self.rebuild_from(state)?;
        } else {
            self.trainer.restore(state)?;
        }
        Ok(state.notes.get("config").cloned())
    }

    /// A trainer for the masks' phase, that goes on with what the present one knows.
    fn rebuild(&mut self) -> Result<()> {
        let mut state = self.trainer.state()?;
        for (name, numbers) in &self.tensors {
            for part in ["parameters", "averaged"] {
                let key = format!("{part}.{name}");
                if state.tensor(&key).is_none() {
                    state.tensors.push((key, numbers.clone()));
                }
            }
        }
        self.rebuild_from(&state)
    }

    fn rebuild_from(&mut self, state: &State) -> Result<()> {
        let masks = self.masks.as_ref();
        self.trainer = trainer(self.settings, self.machine, &self.model, masks, &self.tensors)?;
        Ok(self.trainer.restore(state)?)
    }
}

/// A trainer of the network, or of the form that it has in the masks' phase, from these tensors.
fn trainer(
    settings: &Settings,
    machine: &Machine,
    model: &Model,
    masks: Option<&MaskLesson<'_>>,
    tensors: &BTreeMap<String, Parameter>,
) -> Result<Trainer> {
    let frozen = |name: &str| {
        settings.freeze.iter().any(|pattern| pattern.matches(name))
            || masks.is_some_and(|masks| masks.freezes(name))
    };
    machine.begin(settings.config.datasets.train.batch_size as usize, |pictures| {
        let (objective, parameters) = match masks {
            None => {
                let (net, low) = (model.net(), low(settings, pictures));
                (Objective::of_net(net, low, goal(settings))?, net.parameters().clone())
            }
            Some(masks) => masks.objective(tensors, pictures)?,
        };
        let names: Vec<String> = parameters.iter().map(|(name, _)| name.to_owned()).collect();
        let objective = objective.only(|name| !frozen(name))?;
        let mut trainer = machine.trainer(objective, parameters, optimiser(settings))?;
        for name in names {
            let factor = rate_factor(settings, &name);
            trainer.set_rate_factor(name, factor);
        }
        Ok(trainer)
    })
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
fn check_patterns(settings: &Settings, tensors: &BTreeMap<String, Parameter>) -> Result<()> {
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

fn rate_factor(settings: &Settings, name: &str) -> f64 {
    let matching = settings.groups.iter().filter(|(pattern, _)| pattern.matches(name));
    let factor: f64 = matching.map(|(_, factor)| factor).product();
    // SMSR's graph has the unit in it.
    let is_edsr = matches!(settings.sizes, Sizes::Edsr { .. });
    factor * if is_edsr { unit_factor(&settings.sizes, name, settings.config.train.unit) } else { 1.0 }
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
