//! How single numbers become zero, by OBProxSG: proximal steps first, then steps within an orthant, in which a zero stays
//! one. What remains of each layer says how wide a compact network's could be (CDISM, PCS 2024).
//!
//! Parameters are not averaged, since a mean of numbers is zero only where all were.

use sparsr::Model;
use sparsr::learn::prune::{Compact, compact};
use sparsr::learn::{Clip, Objective, Optimiser, Shrinkage, State, Trainer};
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::tensor::Tensor;

use super::super::settings::{Settings, Shrinking};
use super::plain::PlainLesson;
use super::{Entered, Form, Outcome, Tensors, note};
use crate::Result;

pub struct ShrinkingLesson<'a> {
    plain: PlainLesson<'a>,
    own: Shrinking,
    is_orthant: bool,
}

impl<'a> ShrinkingLesson<'a> {
    pub fn new(settings: &'a Settings, own: Shrinking, model: Model) -> Self {
        let is_orthant = own.prox == 0.0;
        Self { plain: PlainLesson { settings, model }, own, is_orthant }
    }

    /// The first iteration of the steps within an orthant.
    fn turn(&self) -> u64 {
        (self.own.prox * self.plain.settings.config.train.total_iter as f64).round() as u64
    }
}

impl Form for ShrinkingLesson<'_> {
    fn objective(&self, tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        self.plain.objective(tensors, pictures)
    }

    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, place: u64) -> Result<Vec<Tensor>> {
        self.plain.given(trainer, targets, place)
    }

    fn has_phases(&self) -> bool {
        true
    }

    fn is_due(&self, iteration: u64) -> bool {
        self.is_orthant != (iteration >= self.turn())
    }

    fn enter(&mut self, _iteration: u64, _tensors: &mut Tensors, _low: &[Tensor]) -> Result<Entered> {
        self.is_orthant = true;
        Ok(Entered { name: "orthant", anew: false })
    }

    fn start(&self) -> u64 {
        if self.is_orthant { self.turn() } else { 0 }
    }

    fn tune(&self, optimiser: &mut Optimiser) {
        let Shrinking { weight, epsilon, .. } = self.own;
        let orthant = Shrinkage::Orthant { weight, epsilon };
        optimiser.shrinkage = Some(if self.is_orthant { orthant } else { Shrinkage::Prox { weight } });
        (optimiser.clip, optimiser.ema_decay) = (Clip::None, 0.0);
    }

    /// The density of each layer, and the compact network that follows.
    fn outcome(&self, network: &Model, _tensors: &Tensors) -> Result<Option<Outcome>> {
        let Compact { layers, channels, blocks } = compact(network)?;
        let mut told: Vec<String> = layers
            .iter()
            .map(|layer| {
                format!(
                    "{}: density {:.4}, {} of {} channels",
                    layer.name, layer.density, layer.width, layer.channels
                )
            })
            .collect();
        told.push(format!("a compact network: num_feat = {channels}, num_block = {blocks}"));
        Ok(Some(Outcome { network: None, file: None, told }))
    }

    fn write(&self, state: &mut State) {
        state.notes.insert("phase".into(), if self.is_orthant { "orthant" } else { "prox" }.into());
    }

    fn read(&mut self, state: &State) -> Result<()> {
        self.is_orthant = note(state, "phase")? == "orthant";
        Ok(())
    }
}
