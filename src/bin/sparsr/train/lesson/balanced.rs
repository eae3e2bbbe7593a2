//! How single numbers become zero, as many of every block: by the smallest, ever more of them, while the others learn on.
//!
//! Sources: Yao et al., *Balanced Sparsity for Efficient DNN Inference on GPU*, AAAI 2019, algorithm 1: sparsity rises in
//! steps, and between them the network learns; Zhu and Gupta, *To prune, or not to prune*, 2017, equation 1: how fast.

use std::collections::BTreeMap;

use sparsr::Model;
use sparsr::learn::prune::{balanceable, balanced};
use sparsr::learn::{Objective, State, Trainer};
use sparsr::low_level::graph::Parameters;
use sparsr::low_level::tensor::{Balance, Parameter, Tensor};

use super::super::settings::{Pruning, Settings};
use super::plain::PlainLesson;
use super::{Form, Outcome, Tensors, note};
use crate::Result;
use crate::prune::balanced::{numbers, skipping};

pub struct BalancedLesson<'a> {
    plain: PlainLesson<'a>,
    own: &'a Pruning,
    balance: Balance,
    names: Vec<String>,
    /// How many of a block stay at present, and which numbers. None before the first iteration.
    masks: Option<(usize, Masks)>,
}

/// Of every tensor the factors of its numbers: 1 for those that stay, 0 for the others.
type Masks = BTreeMap<String, Vec<f32>>;

impl<'a> BalancedLesson<'a> {
    pub fn new(settings: &'a Settings, own: &'a Pruning, balance: Balance, model: Model) -> Result<Self> {
        let names = skipping(balanceable(&model, balance), &own.skip);
        balanced(&model, &names, balance)?;
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(Self { plain: PlainLesson { settings, model }, own, balance, names, masks: None })
    }

    /// Iterations until as many have gone as shall.
    fn grown(&self) -> u64 {
        let Pruning { grow, settle, .. } = self.own;
        (grow / (grow + settle) * self.plain.settings.config.train.total_iter as f64).round() as u64
    }

    /// How many numbers of a block stay behind an iteration: quickly fewer at first, and slowly in the end.
    fn kept(&self, iteration: u64) -> usize {
        let (block, kept) = (self.balance.block(), self.balance.kept());
        let left = 1.0 - (iteration as f64 / self.grown().max(1) as f64).min(1.0);
        kept + ((block - kept) as f64 * left.powi(3)).ceil() as usize
    }

    /// Which numbers stay, of those that are not zero.
    fn masks(&self, kept: usize, trainer: &Trainer) -> Result<Masks> {
        let parameters = trainer.parameters()?;
        let balance = Balance::new(kept, self.balance.block())?.with_rows(self.balance.rows())?;
        let mask = |name: &String| {
            Some((name.clone(), mask(&balance.thinned(parameters.get(parameters.find(name)?)))))
        };
        Ok(self.names.iter().filter_map(mask).collect())
    }

    /// Makes zero what went.
    fn multiply(&self, trainer: &mut Trainer) -> Result<()> {
        let Some((_, masks)) = &self.masks else { return Ok(()) };
        let factors: Vec<(&str, &[f32])> = masks.iter().map(|(name, mask)| (&**name, &**mask)).collect();
        Ok(trainer.multiply(&factors)?)
    }
}

impl Form for BalancedLesson<'_> {
    fn objective(&self, tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        self.plain.objective(tensors, pictures)
    }

    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, place: u64) -> Result<Vec<Tensor>> {
        self.plain.given(trainer, targets, place)
    }

    fn architecture(&self) -> &str {
        self.plain.architecture()
    }

    /// So that a state tells which numbers stay.
    fn has_phases(&self) -> bool {
        true
    }

    fn start(&self) -> u64 {
        self.grown()
    }

    fn see(&mut self, _watched: &[f32], trainer: &mut Trainer) -> Result<()> {
        // What went does not come back, so it is zero again before more goes.
        self.multiply(trainer)?;
        let kept = self.kept(trainer.iteration());
        if self.masks.as_ref().is_none_or(|(present, _)| *present != kept) {
            self.masks = Some((kept, self.masks(kept, trainer)?));
            self.multiply(trainer)?;
        }
        Ok(())
    }

    fn told(&self, iteration: u64) -> Vec<(&'static str, f64)> {
        vec![("kept", self.kept(iteration) as f64 / self.balance.block() as f64)]
    }

    /// The same network in a file that has what is not zero alone.
    fn outcome(&self, network: &Model, _tensors: &Tensors) -> Result<Option<Outcome>> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let made = balanced(network, &names, self.balance)?;
        let [before, left] = numbers(&made, &names);
        let told = vec![format!(
            "{left} of {before} weights stay, {} in {} convolutions, of {} outputs alike: {}",
            self.balance,
            names.len(),
            self.balance.rows(),
            names.join(", ")
        )];
        Ok(Some(Outcome { network: Some(("pruned", made)), file: None, told }))
    }

    /// What is zero has gone.
    fn read(&mut self, state: &State) -> Result<()> {
        let iteration: u64 =
            note(state, "iteration")?.parse().map_err(|_| "training state: iteration: expected a count")?;
        let mask = |name: &String| Some((name.clone(), mask(state.tensor(&format!("parameters.{name}"))?)));
        let masks = self.names.iter().filter_map(mask).collect();
        self.masks = (iteration > 0).then(|| (self.kept(iteration), masks));
        Ok(())
    }
}

/// 1 for each number that is not zero.
fn mask(numbers: &Parameter) -> Vec<f32> {
    numbers.values().iter().map(|own| f32::from(*own != 0.0)).collect()
}
