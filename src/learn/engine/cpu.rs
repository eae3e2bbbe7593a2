//! A training on the CPU engine. Each part of a batch goes through the whole graph on a thread of its own: what a part of
//! a small network keeps stays in a core's cache.

use std::borrow::Cow;

use super::{Engine, Kept, Moved, Update, check_finite, nothing_gathered};
use crate::cpu;
use crate::error::Result;
use crate::graph::{ParameterId, Parameters};
use crate::learn::Objective;
use crate::learn::optimiser::clipped;
use crate::tensor::Tensor;

#[derive(Debug)]
pub(in crate::learn) struct OnCpu {
    parameters: Parameters,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    averages: Vec<Vec<f32>>,
    gathered: Gathered,
    /// Memory of the parts that run at the same time.
    memory: cpu::Pool,
}

/// Gradients of batches that an update will be made of.
#[derive(Debug, Default)]
struct Gathered {
    batches: u32,
    watched: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

impl OnCpu {
    pub(in crate::learn) fn new(parameters: &Parameters) -> Self {
        let zeros: Vec<Vec<f32>> =
            parameters.iter().map(|(_, numbers)| vec![0.0; numbers.values().len()]).collect();
        Self {
            parameters: parameters.clone(),
            first: zeros.clone(),
            second: zeros.clone(),
            averages: zeros,
            gathered: Gathered::default(),
            memory: cpu::Pool::default(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = ParameterId> + use<> {
        (0..self.parameters.len() as u32).map(ParameterId)
    }

    fn average(&mut self, kept: f32) {
        for (id, averaged) in self.ids().zip(&mut self.averages) {
            let numbers = self.parameters.get(id).values();
            averaged.iter_mut().zip(numbers).for_each(|(a, x)| *a += (1.0 - kept) * (*x - *a));
        }
    }
}

impl Engine for OnCpu {
    fn aim(&mut self, _objective: &Objective, _trained: &[ParameterId]) -> Result<()> {
        self.forget()
    }

    fn gather(
        &mut self,
        objective: &Objective,
        parts: &[Vec<Cow<'_, Tensor>>],
        iteration: u64,
    ) -> Result<()> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let parts: Vec<Vec<&Tensor>> =
            parts.iter().map(|part| part.iter().map(AsRef::as_ref).collect()).collect();
        let outputs = cpu::run_parts(objective.graph(), &self.parameters, &parts, &self.memory)?;
        let own = objective.forward().outputs().len();
        let numbers = outputs[..1].iter().chain(&outputs[own..]).map(Tensor::values);
        check_finite(objective, iteration, numbers)?;
        let watched: Vec<f32> = outputs[..own].iter().map(|output| output.values()[0]).collect();
        let gradients = outputs.into_iter().skip(own).map(Tensor::into_values);
        if gathered.batches == 0 {
            gathered = Gathered { batches: 1, watched, gradients: gradients.collect() };
        } else {
            gathered.batches += 1;
            add(&mut gathered.watched, &watched);
            gathered.gradients.iter_mut().zip(gradients).for_each(|(sum, own)| add(sum, &own));
        }
        self.gathered = gathered;
        Ok(())
    }

    fn update(&mut self, update: &Update<'_>) -> Result<Moved> {
        let Gathered { batches, watched, gradients } = std::mem::take(&mut self.gathered);
        if batches == 0 {
            return Err(nothing_gathered());
        }
        let share = 1.0 / f64::from(batches);
        let squares = gradients.iter().flatten().map(|number| (f64::from(*number) * share).powi(2));
        let norm = squares.sum::<f64>().sqrt();
        let (factor, mean) = clipped(update.optimiser.clip, norm, update.norm);
        let mut moved = Vec::with_capacity(gradients.len());
        for (id, gradient) in update.trained.iter().zip(&gradients) {
            let at = id.index();
            let mut values = self.parameters.get(*id).values().to_vec();
            let piece = update.pieces[at].expect("every trained parameter has one");
            let moments = [&mut self.first[at][..], &mut self.second[at]];
            update.optimiser.moved(&piece, &mut values, gradient, (factor * share) as f32, moments);
            moved.push((*id, values));
        }
        self.parameters = self.parameters.with_values(moved);
        self.average(update.kept);
        Ok(Moved { watched: watched.iter().map(|sum| sum * share as f32).collect(), norm, mean })
    }

    fn forget(&mut self) -> Result<()> {
        self.gathered = Gathered::default();
        Ok(())
    }

    fn take(&self, kept: Kept) -> Result<Vec<Vec<f32>>> {
        Ok(match kept {
            Kept::Parameters => self.ids().map(|id| self.parameters.get(id).values().to_vec()).collect(),
            Kept::First => self.first.clone(),
            Kept::Second => self.second.clone(),
            Kept::Averages => self.averages.clone(),
        })
    }

    fn put(&mut self, kept: Kept, values: &[Vec<f32>]) -> Result<()> {
        match kept {
            Kept::Parameters => {
                let values = self.ids().zip(values.iter().cloned()).collect();
                self.parameters = self.parameters.with_values(values);
            }
            Kept::First => self.first = values.to_vec(),
            Kept::Second => self.second = values.to_vec(),
            Kept::Averages => self.averages = values.to_vec(),
        }
        Ok(())
    }

    fn memory(&self) -> Vec<(&'static str, u64)> {
        vec![]
    }
}

fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}
