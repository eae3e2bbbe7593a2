//! How channels are driven to zero, phase by phase, so that nothing is lost when they are cut away.
//!
//! ```text
//!   ASSL    │ align │ grow │ settle │        filters under weight normalisation, those that go together aligned first
//!   GASSL   │ rank │ align │ grow │ settle │   how many of each layer stay is found first, and all begins anew
//!   SRP             │ grow │ settle │        plain weights
//! ```
//!
//! Sources: Zhang et al., *Aligned Structured Sparsity Learning for Efficient Image Super-Resolution*, NeurIPS 2021
//! (ASSL); *Global Aligned Structured Sparsity Learning*, TPAMI 2023 (GASSL); *Learning Efficient Image Super-Resolution
//! Networks via Structure-Regularized Pruning*, ICLR 2022 (SRP). Other than theirs: the channels of a group are picked by
//! all of its layers and not by the first alone; a pulled filter that is left again when another is picked is free.

mod phases;

pub use phases::Phase;

use std::collections::BTreeMap;

use phases::Phases;
use sparsr::Model;
use sparsr::learn::prune::{self, Scores, Terms};
use sparsr::learn::{Objective, State, Trainer};
use sparsr::low_level::graph::{Channels, Group, Kept, Parameters, Place, Role};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::low_level::weights::Weights;

use super::super::settings::{Pruning, Settings};
use super::{Entered, Form, Outcome, Tensors, goal, low, note, tensors_of};
use crate::Result;
use crate::prune::skipping;

pub struct PruningLesson<'a> {
    settings: &'a Settings,
    own: &'a Pruning,
    /// As it is trained: under weight normalisation, if the method is.
    model: Model,
    channels: Channels,
    phases: Phases,
    phase: usize,
    /// Of every group what stays; all of it until it is picked.
    kept: Kept,
    /// How many channels of each group stay, once that is known.
    counts: Option<Vec<usize>>,
}

/// A parameter that is pulled: the axis of its filters, and the pull of each.
type Pulls = BTreeMap<String, (usize, Vec<f32>)>;

impl<'a> PruningLesson<'a> {
    /// Brings the tensors into the form in which they are trained.
    pub fn new(
        settings: &'a Settings,
        own: &'a Pruning,
        model: &Model,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let plain = Model::from_weights(model.name(), model.weights().without_weight_norm())?;
        let model = if own.method.is_normalised() {
            let channels = skipping(prune::channels(&plain)?, &plain, &own.skip)?;
            let filters = channels.groups().iter().flat_map(|group| group.in_role(Role::Filters));
            let names = filters.map(|place| plain.net().parameters().name(place.parameter));
            Model::from_weights(plain.name(), plain.weights().with_weight_norm(names))?
        } else {
            plain
        };
        *tensors = tensors_of(model.weights());
        let channels = skipping(prune::channels(&model)?, &model, &own.skip)?;
        if channels.groups().is_empty() {
            return Err(format!("{}: expected channels that can go, found none", model.name()).into());
        }
        let phases = Phases::of(own, settings.config.train.total_iter);
        let kept = Kept::all(&channels);
        let mut lesson = Self { settings, own, model, channels, phases, phase: 0, kept, counts: None };
        lesson.begin(0)?;
        Ok(lesson)
    }

    fn now(&self) -> Phase {
        self.phases.list[self.phase].0
    }

    /// Begins a phase: picks what goes.
    fn begin(&mut self, phase: usize) -> Result<()> {
        self.phase = phase;
        let now = self.now();
        if now == Phase::Rank {
            return Ok(());
        }
        let counts = match self.counts.take() {
            Some(counts) => counts,
            None => prune::counts(&self.model, &self.channels, self.own.target, self.own.picture)?,
        };
        if now != Phase::Settle {
            // Layers that go together have a say in it only after they are aligned.
            let picked = prune::best(&self.channels, &self.scores(false)?, &counts)?;
            let stays = |(number, group): (usize, &Group)| {
                let waits = now == Phase::Align && group.is_constrained();
                if waits { (0..group.channels).collect() } else { picked.of(number) }
            };
            let lists: Vec<Vec<usize>> = self.channels.groups().iter().enumerate().map(stays).collect();
            self.kept = Kept::new(&self.channels, &lists)?;
        }
        self.counts = Some(counts);
        Ok(())
    }

    /// What each channel is worth: by magnitudes where there are some. As shares of each layer's mean, unless layers are to
    /// be compared.
    fn scores(&self, between_layers: bool) -> Result<Scores> {
        Ok(if self.own.method.is_normalised() {
            prune::magnitudes(&self.model, &self.channels, between_layers)
        } else {
            prune::l1(&self.model, &self.channels)?
        })
    }

    /// Takes these numbers for the model's.
    fn adopt(&mut self, tensors: &Tensors) -> Result<()> {
        let weights = Weights::new(self.model.name(), tensors.clone())
            .with_metadata(self.model.weights().metadata().clone());
        self.model = Model::from_weights(self.model.name(), weights)?;
        Ok(())
    }

    /// What makes the channels: magnitudes, or filters, and biases.
    fn makes(&self, role: Role) -> bool {
        let filters = if self.own.method.is_normalised() { Role::Magnitudes } else { Role::Filters };
        [filters, Role::Biases].contains(&role)
    }

    /// Of each parameter that makes channels a number a filter: that of the group for those that go, `stays` for the others.
    fn of_filters(&self, gone: impl Fn(&Group) -> f32, stays: f32) -> Pulls {
        let (mut pulls, parameters) = (Pulls::new(), self.model.net().parameters());
        for (number, group) in self.channels.groups().iter().enumerate() {
            let (kept, gone) = (self.kept.of(number), gone(group));
            let all_go = self.now() == Phase::Rank;
            for place in group.places.iter().filter(|place| self.makes(place.role)) {
                let name = parameters.name(place.parameter);
                let shape = self.shape(name);
                let filters = shape.axes()[place.axis];
                let (_, own) =
                    pulls.entry(name.to_owned()).or_insert_with(|| (place.axis, vec![stays; filters]));
                for (channel, indices) in place.indices.iter().enumerate() {
                    let goes = all_go || !kept.contains(&channel);
                    indices.iter().for_each(|at| own[*at] = if goes { gone } else { stays });
                }
            }
        }
        pulls
    }

    /// A parameter's in the graph.
    fn shape(&self, name: &str) -> Shape {
        let graph = self.model.net().unfolded();
        graph.find(name).map_or(Shape::new(0, 0, 0, 0), |value| graph.node(value).shape)
    }

    /// Whether the pull is L2; in the phase that ranks it always is.
    fn pulls(&self) -> bool {
        !self.own.ramp || self.now() == Phase::Rank
    }

    fn terms(&self) -> Terms {
        let mut terms = Terms::default();
        if self.pulls() {
            let pulled = self.of_filters(|_| 0.0, 0.0).into_iter();
            terms.pulled = pulled.map(|(name, (axis, _))| (name, axis)).collect();
        }
        if self.now() == Phase::Align {
            terms.aligned = self.aligned().into_iter().map(|(_, names)| names).collect();
        }
        terms
    }

    /// The groups whose layers are aligned, and their magnitudes.
    fn aligned(&self) -> Vec<(usize, Vec<String>)> {
        let parameters = self.model.net().parameters();
        let in_order = |place: &&Place| {
            let own = place.indices.iter().enumerate().all(|(at, indices)| indices == &[at]);
            own && self.shape(parameters.name(place.parameter)).axes()[place.axis] == place.indices.len()
        };
        let groups = self.channels.groups().iter().enumerate();
        let names = groups.map(|(number, group)| {
            let whole = group.in_role(Role::Magnitudes).filter(in_order);
            (number, whole.map(|place| parameters.name(place.parameter).to_owned()).collect::<Vec<_>>())
        });
        names.filter(|(_, names)| names.len() > 1).collect()
    }

    /// 1 for the filter whose magnitude is the threshold: as many as shall go lie below.
    fn threshold(&self, name: &str, magnitudes: &[f32], shape: Shape) -> Tensor {
        let group = self.aligned().into_iter().find(|(_, names)| names.iter().any(|own| own == name));
        let staying =
            group.zip(self.counts.as_ref()).map_or(magnitudes.len(), |((number, _), counts)| counts[number]);
        let mut order: Vec<usize> = (0..magnitudes.len()).collect();
        order.sort_by(|a, b| magnitudes[*a].total_cmp(&magnitudes[*b]));
        let chosen = order.get(magnitudes.len() - staying).copied();
        let one_hot = (0..magnitudes.len()).map(|at| f32::from(chosen == Some(at)));
        Tensor::new(shape, one_hot.collect())
    }

    /// Multiplies what goes, so that it falls to zero until the network settles, and stays there.
    fn ramp(&self, trainer: &mut Trainer) -> Result<()> {
        let left = self.phases.until_settled(trainer.iteration());
        let factor = left as f32 / (left + 1) as f32;
        let mut factors = Vec::new();
        for (name, (axis, own)) in self.of_filters(|_| factor, 1.0) {
            let (shape, mut all) = (self.shape(&name), Vec::new());
            let within = if axis == 0 { shape.len() / shape.batch.max(1) } else { shape.pixels() };
            own.iter().for_each(|factor| all.extend(std::iter::repeat_n(*factor, within)));
            factors.push((name, all));
        }
        let factors: Vec<(&str, &[f32])> = factors.iter().map(|(name, own)| (&**name, &**own)).collect();
        Ok(trainer.multiply(&factors)?)
    }
}

impl Form for PruningLesson<'_> {
    fn objective(&self, _tensors: &Tensors, pictures: usize) -> Result<(Objective, Parameters)> {
        let (net, low) = (self.model.net(), low(self.settings, pictures));
        let plain = Objective::of_net(net, low, goal(self.settings))?;
        Ok((self.terms().added_to(&plain)?, net.parameters().clone()))
    }

    fn given(&self, trainer: &Trainer, targets: Vec<Tensor>, _place: u64) -> Result<Vec<Tensor>> {
        let graph = trainer.objective().forward();
        let iteration = trainer.iteration();
        let pull = |group: &Group| self.phases.pull(self.own, iteration, group.is_constrained()) as f32;
        let pulls = self.of_filters(pull, 0.0);
        let numbers = if self.now() == Phase::Align { Some(trainer.parameters()?) } else { None };
        let mut targets = targets.into_iter();
        let tensor = |value| {
            let node = graph.node(value);
            if let Some(name) = node.name.strip_suffix(".pull") {
                let own = pulls.get(name).map(|(_, own)| own.clone()).unwrap_or_default();
                Tensor::new(node.shape, own)
            } else if let (Some(name), Some(numbers)) = (node.name.strip_suffix(".threshold"), &numbers) {
                let own = numbers.find(name).map(|id| numbers.get(id).values().to_vec()).unwrap_or_default();
                self.threshold(name, &own, node.shape)
            } else {
                targets.next().unwrap_or_else(|| Tensor::zeros(node.shape))
            }
        };
        Ok(graph.given().map(tensor).collect())
    }

    fn architecture(&self) -> &str {
        self.model.architecture()
    }

    fn has_phases(&self) -> bool {
        true
    }

    fn is_due(&self, iteration: u64) -> bool {
        self.phase != self.phases.at(iteration)
    }

    fn enter(&mut self, iteration: u64, tensors: &mut Tensors, _low: &[Tensor]) -> Result<Entered> {
        let anew = self.now() == Phase::Rank;
        let begun = self.model.weights().clone();
        self.adopt(tensors)?;
        if anew {
            let (own, scores) = (self.own, self.scores(true)?);
            self.counts =
                Some(prune::counts_by(&self.model, &self.channels, &scores, own.target, own.picture)?);
            *tensors = tensors_of(&begun);
            self.adopt(tensors)?;
        }
        self.begin(self.phases.at(iteration))?;
        Ok(Entered { name: self.now().name(), anew })
    }

    fn start(&self) -> u64 {
        self.phases.list[self.phase].1
    }

    fn see(&mut self, _watched: &[f32], trainer: &mut Trainer) -> Result<()> {
        if self.pulls() { Ok(()) } else { self.ramp(trainer) }
    }

    fn told(&self, iteration: u64) -> Vec<(&'static str, f64)> {
        if self.pulls() { vec![("pull", self.phases.pull(self.own, iteration, true))] } else { vec![] }
    }

    fn finish(&self, tensors: &mut Tensors) -> Result<()> {
        *tensors = tensors_of(&Weights::new(self.model.name(), tensors.clone()).without_weight_norm());
        Ok(())
    }

    /// The network without the channels that went.
    fn outcome(&self, network: &Model, _tensors: &Tensors) -> Result<Option<Outcome>> {
        let channels = skipping(prune::channels(network)?, network, &self.own.skip)?;
        let kept: Vec<Vec<usize>> =
            (0..self.channels.groups().len()).map(|group| self.kept.of(group)).collect();
        let kept = Kept::new(&channels, &kept)?;
        let model = prune::sliced(network, &channels, &kept)?;
        let told = told_of_cut(network, &channels, &kept, self.own.picture)?;
        Ok(Some(Outcome { network: Some(("pruned", model)), file: None, told }))
    }

    fn write(&self, state: &mut State) {
        let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let kept = (0..self.channels.groups().len()).map(|group| list(&self.kept.of(group)));
        state.notes.insert("phase".into(), self.phase.to_string());
        state.notes.insert("kept".into(), kept.collect::<Vec<_>>().join(";"));
        state.notes.insert("counts".into(), self.counts.as_deref().map_or(String::new(), list));
        if self.now() == Phase::Rank {
            let begun = self.model.weights().iter();
            state.tensors.extend(begun.map(|(name, numbers)| (format!("begun.{name}"), numbers.clone())));
        }
    }

    fn read(&mut self, state: &State) -> Result<()> {
        let damaged = |name: &str| format!("training state: {name}: expected numbers with commas between");
        let list = |name: &str, text: &str| -> Result<Vec<usize>> {
            let numbers = text.split(',').filter(|number| !number.is_empty()).map(str::parse);
            Ok(numbers.collect::<Result<_, _>>().map_err(|_| damaged(name))?)
        };
        let phase: usize = note(state, "phase")?.parse().map_err(|_| damaged("phase"))?;
        self.phase = phase.min(self.phases.list.len() - 1);
        let kept: Vec<Vec<usize>> =
            note(state, "kept")?.split(';').map(|text| list("kept", text)).collect::<Result<_>>()?;
        self.kept = Kept::new(&self.channels, &kept)?;
        let counts = list("counts", note(state, "counts")?)?;
        self.counts = if counts.is_empty() { None } else { Some(counts) };
        let begun = |name: &str| Some((name.to_owned(), state.tensor(&format!("begun.{name}"))?.clone()));
        let begun: Tensors = self.model.weights().names().filter_map(begun).collect();
        if begun.is_empty() { Ok(()) } else { self.adopt(&begun) }
    }
}

/// What is lost by the cut, what stays, and what it costs before and after.
fn told_of_cut(
    network: &Model,
    channels: &Channels,
    kept: &Kept,
    picture: [usize; 2],
) -> Result<Vec<String>> {
    let cost = |kept: &Kept| prune::cost(network, channels, kept, picture);
    let (before, after) = (cost(&Kept::all(channels))?, cost(kept)?);
    let giga = |macs: u64| macs as f64 / 1e9;
    let widths = channels.groups().iter().zip(kept.counts());
    let widths = widths.map(|(group, count)| format!("{} {count} of {}", group.name, group.channels));
    let left = most_left(channels, kept, &prune::l1(network, channels)?);
    Ok(vec![
        format!("what went still has {left:.2e} of its layers' mean filter, at most"),
        format!("channels that stay: {}", widths.collect::<Vec<_>>().join(", ")),
        format!("multiply-adds {:.3} G to {:.3} G", giga(before.macs), giga(after.macs)),
        format!("parameters {} to {}", before.parameters, after.parameters),
    ])
}

/// The largest filter that went, as a share of the mean of its layers'.
fn most_left(channels: &Channels, kept: &Kept, scores: &Scores) -> f64 {
    let groups = channels.groups().iter().zip(scores).enumerate();
    let left = groups.flat_map(|(number, (group, scores))| {
        let (stays, layers) = (kept.of(number), group.made_by.len().max(1) as f64);
        scores
            .iter()
            .enumerate()
            .filter(move |(at, _)| !stays.contains(at))
            .map(move |(_, score)| score / layers)
    });
    left.fold(0.0, f64::max)
}
