//! How SMSR's masks are learnt: phase by phase, each with a graph of its own, with noise, temperature and weights of the
//! sparsity as its inputs.
//!
//! Numbers are in the unit of the configuration here; checkpoints have a unit of 1.

mod thresholds;

use sparsr::Partition;
use sparsr::learn::{Objective, Random, State, Trainer, unit_factor};
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::models::smsr;
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::super::schedule::{Phase, Steering};
use super::super::schema::Masks;
use super::super::settings::Settings;
use super::{Entered, Form, Tensors, goal, low, note};
use crate::Result;

/// The stream of the first input that is noise; each further one has the next.
const STREAM: u32 = Random::FREE + 1;

pub struct MaskLesson<'a> {
    settings: &'a Settings,
    masks: &'a Masks,
    network: smsr::Config,
    phase: Phase,
    steering: Steering,
}

impl<'a> MaskLesson<'a> {
    /// Brings the tensors into the unit.
    pub fn new(settings: &'a Settings, masks: &'a Masks, tensors: &mut Tensors) -> Result<Self> {
        let weights = Weights::new("smsr", tensors.clone());
        let network = smsr::Config::detect(&weights).ok_or("expected an SMSR, found another network")??;
        let phase = masks.phase(0, settings.config.train.total_iter);
        let steering = Steering::new(masks, network.modules);
        let lesson = Self { settings, masks, network, phase, steering };
        lesson.scale(tensors, |factor| factor.recip());
        Ok(lesson)
    }

    fn scale(&self, tensors: &mut Tensors, factor: impl Fn(f64) -> f64) {
        let (settings, unit) = (self.settings, self.settings.config.train.unit);
        for (name, numbers) in tensors {
            let factor = factor(unit_factor(settings.sizes.architecture(), name, unit)) as f32;
            if factor != 1.0 {
                let scaled: Vec<f32> = numbers.values().iter().map(|number| factor * number).collect();
                *numbers = Parameter::new(numbers.dims(), scaled);
            }
        }
    }

    /// How masks act in the present phase.
    fn acting(&self) -> smsr::Masks {
        match self.phase {
            Phase::Open => smsr::Masks::Open,
            Phase::Gumbel => smsr::Masks::Gumbel,
            Phase::Spatial => smsr::Masks::Spatial,
            Phase::Hard => smsr::Masks::Hard,
        }
    }

    /// The shares of pixels that modules' drawn masks let through in the mean, within the bounds of a module's density.
    fn shares(&self, tensors: &Tensors) -> Result<Vec<f64>> {
        let (least, most) = (self.masks.module_density_min, self.masks.module_density_max);
        let partitions = smsr::partitions(&self.network, &Weights::new("smsr", tensors.clone()))?;
        let share = |(kept, partition): (&f64, Partition)| {
            // What dense channels compute is no mask's: kept = dense + share · (1 − dense).
            let dense = partition.dense_share();
            ((kept - dense) / (1.0 - dense)).max(least).min(most)
        };
        Ok(self.steering.densities().iter().zip(partitions).map(share).collect())
    }
}

impl Form for MaskLesson<'_> {
    fn objective(&self, tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        let weights = Weights::new("smsr", tensors.clone());
        let unit = self.settings.config.train.unit as f32;
        let (graph, parameters) = self.network.training(
            &weights,
            low(self.settings, pictures),
            self.acting(),
            goal(self.settings),
            unit,
        )?;
        Ok((Objective::new(graph)?, parameters))
    }

    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, place: u64) -> Result<Vec<Tensor>> {
        let graph = trainer.objective().forward();
        let weights = self.steering.weights(self.masks);
        let pictures = self.settings.config.datasets.train.batch_size as usize;
        let number = |number: f64| Tensor::new(Shape::new(1, 1, 1, 1), vec![number as f32]);
        let (mut streams, mut targets) = (STREAM.., targets.into_iter());
        let tensor = |value| {
            let node = graph.node(value);
            let module = node
                .name
                .strip_prefix("body.")
                .and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
            if node.name == "temperature" {
                number(self.masks.tau(trainer.iteration(), self.settings.config.train.total_iter))
            } else if node.name.ends_with(".sparsity.weight") {
                // The mean over modules is what is asked to be sparse.
                let weight = module.and_then(|module| weights.get(module)).copied().unwrap_or_default();
                number(weight / weights.len() as f64)
            } else if ["target", "teacher"].contains(&&*node.name) {
                targets.next().unwrap_or_else(|| Tensor::zeros(node.shape))
            } else {
                // Channel masks are drawn for a whole batch (the authors' code), spatial ones for each of its pictures.
                let drawn = if node.name.contains(".ch_mask.") { 1 } else { pictures };
                let mut noise = Tensor::zeros(Shape { batch: drawn, ..node.shape });
                let stream = streams.next().unwrap_or(STREAM);
                Random::new(self.settings.config.manual_seed, stream, place)
                    .fill_logistic(noise.values_mut());
                noise
            }
        };
        Ok(graph.given().map(tensor).collect())
    }

    fn has_phases(&self) -> bool {
        true
    }

    fn is_due(&self, iteration: u64) -> bool {
        self.phase != self.masks.phase(iteration, self.settings.config.train.total_iter)
    }

    fn enter(&mut self, iteration: u64, tensors: &mut Tensors, low: &[Tensor]) -> Result<Entered> {
        let was_drawn = self.acting().are_soft();
        self.phase = self.masks.phase(iteration, self.settings.config.train.total_iter);
        if matches!(self.phase, Phase::Spatial | Phase::Hard) {
            polarise(tensors);
        }
        if self.phase == Phase::Hard && was_drawn && self.masks.thresholds == "density" {
            let shares = self.shares(tensors)?;
            thresholds::set(&self.network, tensors, low, &shares, self.settings.config.train.unit as f32)?;
        }
        Ok(Entered { name: self.phase.name(), anew: false })
    }

    fn start(&self) -> u64 {
        let starts = self.masks.starts(self.settings.config.train.total_iter);
        Phase::ALL.iter().zip(starts).find(|(phase, _)| **phase == self.phase).map_or(0, |(_, start)| start)
    }

    /// What decides is not trained once masks are hard.
    fn freezes(&self, name: &str) -> bool {
        self.phase == Phase::Hard && name.contains(".spa_mask.")
    }

    /// Takes the shares of feature values that the modules computed; steers if they were drawn.
    fn see(&mut self, kept: &[f32], _trainer: &mut Trainer) -> Result<()> {
        let kept: Vec<f64> = kept.iter().copied().map(f64::from).collect();
        self.steering.see(&kept);
        if self.acting().are_soft() {
            self.steering.steer(self.masks);
        }
        Ok(())
    }

    /// The temperature and the mean density.
    fn told(&self, iteration: u64) -> Vec<(&'static str, f64)> {
        let tau = self.masks.tau(iteration, self.settings.config.train.total_iter);
        vec![("tau", tau), ("density", self.steering.density())]
    }

    /// Back to a unit of 1.
    fn finish(&self, tensors: &mut Tensors) -> Result<()> {
        self.scale(tensors, |factor| factor);
        Ok(())
    }

    fn write(&self, state: &mut State) {
        state.notes.insert("phase".into(), self.phase.name().into());
        state.notes.insert("steering".into(), self.steering.note());
        state.notes.insert("unit".into(), self.settings.config.train.unit.to_string());
    }

    fn read(&mut self, state: &State) -> Result<()> {
        let (unit, own) = (note(state, "unit")?, self.settings.config.train.unit.to_string());
        if unit != own {
            return Err(format!("train.unit: the training began with {unit}, found {own}").into());
        }
        let phase = note(state, "phase")?;
        let known = Phase::ALL.into_iter().find(|known| known.name() == phase);
        self.phase = known.ok_or_else(|| format!("training state: expected a phase, found `{phase}`"))?;
        let steering = Steering::from_note(note(state, "steering")?);
        self.steering = steering.ok_or("training state: its steering is damaged")?;
        Ok(())
    }
}

/// Replaces every pair of a channel's logits by a clear-cut one of the same decision, so that no rounding changes it.
fn polarise(tensors: &mut Tensors) {
    for (_, logits) in tensors.iter_mut().filter(|(name, _)| name.ends_with(".ch_mask")) {
        let pairs = logits.values().chunks_exact(2);
        let clear = pairs.flat_map(|pair| if pair[1] <= pair[0] { [1.0, -1.0] } else { [-1.0, 1.0] });
        *logits = Parameter::new(logits.dims(), clear.collect::<Vec<f32>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_become_clear_and_stay_what_they_were() {
        let logits = Parameter::new([1, 2, 2, 2], vec![0.1, 0.2, 0.3, 0.3, -2.0, -3.0, 0.0, 1e-6]);
        let other = Parameter::new([2], vec![0.5, 0.25]);
        let mut tensors =
            Tensors::from([("body.0.body.ch_mask".into(), logits), ("x".into(), other.clone())]);
        polarise(&mut tensors);
        let clear = [-1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0];
        assert_eq!(tensors["body.0.body.ch_mask"], Parameter::new([1, 2, 2, 2], clear.to_vec()));
        assert_eq!(tensors["x"], other);
    }
}
