//! Between the configuration and the mathematics: what an iteration is made of, and the network that comes of it.

use std::collections::BTreeMap;

use sparsr::learn::{Batch, Clip, Objective, Optimiser, State, Step, Trainer};
use sparsr::low_level::graph::Loss;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;
use sparsr::{Error, Model};

use super::network::unit_factor;
use super::schedule::Schedule;
use super::settings::{Cut, LossKind, Settings};
use crate::Result;

pub struct Lesson {
    trainer: Trainer,
    schedule: Schedule,
    /// Of the network's samples, 1 or 255.
    white: f32,
    /// The network's source and what its file says besides.
    about: BTreeMap<String, String>,
    name: String,
    /// Tensors of the checkpoint that are none of the graph's parameters.
    beside: Vec<(String, Parameter)>,
}

impl Lesson {
    pub fn new(settings: &Settings, model: &Model) -> Result<Self> {
        let (config, data) = (&settings.config, &settings.config.datasets.train);
        let side = data.lq_size as usize;
        let low = Shape::new(data.batch_size as usize, 3, side, side);
        let losses: Vec<(Loss, f32)> =
            settings.losses.iter().map(|loss| (kind(loss.kind), loss.weight as f32)).collect();
        let names: Vec<&str> = model.net().parameters().iter().map(|(name, _)| name).collect();
        check_patterns(settings, &names)?;
        let frozen = |name: &str| settings.freeze.iter().any(|pattern| pattern.matches(name));
        let objective = Objective::of_net(model.net(), low, &losses)?.only(|name| !frozen(name))?;
        let mut trainer = Trainer::new(objective, model.net().parameters().clone(), optimiser(settings))?;
        for name in &names {
            trainer.set_rate_factor(*name, rate_factor(settings, name));
        }
        let schedule = Schedule {
            first: config.train.optim_g.lr,
            rate: settings.rate.clone(),
            warmup: config.train.warmup_iter,
            total: config.train.total_iter,
        };
        let beside = model.weights().iter().filter(|(name, _)| !names.contains(name));
        let beside = beside.map(|(name, numbers)| (name.to_owned(), numbers.clone())).collect();
        let about = BTreeMap::from([("config".to_owned(), toml::to_string(config)?)]);
        let white = model.net().unfolded().range();
        Ok(Self { trainer, schedule, white, about, name: config.name.clone(), beside })
    }

    /// Iterations so far.
    pub fn iteration(&self) -> u64 {
        self.trainer.iteration()
    }

    /// The rate of an iteration, counted from 0.
    pub fn rate_of(&self, iteration: u64) -> f64 {
        self.schedule.rate(iteration)
    }

    /// One iteration, by the mean of the batches.
    pub fn step(&mut self, batches: Vec<Batch>) -> Result<Step, Error> {
        for Batch { low, high } in batches {
            let [low, high] = [low, high].map(|samples| in_range(samples, self.white));
            self.trainer.gather(&[&low, &high])?;
        }
        self.trainer.update(self.rate_of(self.iteration()))
    }

    /// The network of the averaged numbers.
    pub fn model(&self) -> Result<Model> {
        let averaged = self.trainer.averaged();
        let tensors = averaged.iter().map(|(name, numbers)| (name.to_owned(), numbers));
        let iteration = [("iteration".to_owned(), self.iteration().to_string())];
        let weights = Weights::new(self.name.clone(), tensors.chain(self.beside.iter().cloned()));
        let weights = weights.with_metadata(self.about.clone()).with_metadata(iteration);
        Ok(Model::from_weights(self.name.clone(), weights)?)
    }

    pub fn state(&self) -> State {
        let mut state = self.trainer.state();
        state.notes.extend(self.about.clone());
        state
    }

    /// Goes on from a state; gives the configuration that it was made with.
    pub fn restore(&mut self, state: &State) -> Result<Option<String>> {
        self.trainer.restore(state)?;
        Ok(state.notes.get("config").cloned())
    }
}

/// A pattern that means no parameter is a mistake.
fn check_patterns(settings: &Settings, names: &[&str]) -> Result<()> {
    let freeze = settings.freeze.iter().map(|pattern| ("path.freeze", pattern));
    let groups = settings.groups.iter().map(|(pattern, _)| ("train.optim_g.groups", pattern));
    // Networks of other trainers may hold no mean.
    let means = ["sub_mean*", "add_mean*"];
    for (key, pattern) in freeze.chain(groups).filter(|(_, pattern)| !means.contains(&pattern.as_str())) {
        if !names.iter().any(|name| pattern.matches(name)) {
            let some = names.iter().take(4).copied().collect::<Vec<_>>().join(", ");
            return Err(format!("{key}: {pattern} is the name of no parameter; there are {some}, …").into());
        }
    }
    Ok(())
}

fn rate_factor(settings: &Settings, name: &str) -> f64 {
    let matching = settings.groups.iter().filter(|(pattern, _)| pattern.matches(name));
    let factor: f64 = matching.map(|(_, factor)| factor).product();
    factor * unit_factor(&settings.sizes, name, settings.config.train.unit)
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

fn kind(kind: LossKind) -> Loss {
    match kind {
        LossKind::L1 => Loss::L1,
        LossKind::Charbonnier { epsilon } => Loss::Charbonnier { epsilon: epsilon as f32 },
        LossKind::Mse => Loss::MeanSquare,
    }
}

/// Samples of 0 … 255 in a network's own range.
fn in_range(mut samples: Tensor, white: f32) -> Tensor {
    if white != 255.0 {
        samples.values_mut().iter_mut().for_each(|sample| *sample *= white / 255.0);
    }
    samples
}
