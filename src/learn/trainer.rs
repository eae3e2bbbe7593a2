//! A training: parameters, what the optimiser keeps of them, and one iteration after the other.
//!
//! - The same start and the same batches give the same numbers, bit for bit, whatever the number of threads and however
//!   often it was interrupted ([`Trainer::state`], [`Trainer::restore`]).
//! - A batch is gone through in parts of as many pictures as the objective's graph has, each on a thread of its own: the
//!   mean over parts is the mean over pictures, and what a part of a small network keeps stays in a core's cache.
//! - An iteration that does not end in finite numbers changes nothing and is an error that names the first tensor.
//! - Memory is taken in the first iteration and used again in all later ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::optimiser::{Moments, clipped};
use super::{Objective, Optimiser, State};
use crate::cpu;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Parameters};
use crate::tensor::{Parameter, Shape, Tensor};

/// A network that learns, on the CPU engine.
#[derive(Debug)]
pub struct Trainer {
    objective: Objective,
    optimiser: Optimiser,
    parameters: Parameters,
    /// By name, of every parameter that was trained once.
    moments: BTreeMap<String, Moments>,
    averaged: BTreeMap<String, Vec<f32>>,
    factors: BTreeMap<String, f64>,
    gathered: Gathered,
    counters: Counters,
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

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    iteration: u64,
    /// Updates that the averages have seen.
    averages: u64,
    /// Mean norm of the gradients.
    norm: f64,
}

/// What an iteration found.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The loss before the update.
    pub loss: f32,
    /// The first number of each of the objective's other outputs.
    pub watched: Vec<f32>,
    /// The gradient's norm over all trained parameters, before it was clipped.
    pub norm: f64,
}

impl Trainer {
    /// A training that begins with these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] with a name that several parameters have, or with a trained one that is not among them.
    pub fn new(objective: Objective, parameters: Parameters, optimiser: Optimiser) -> Result<Self> {
        let averaged = parameters.iter().map(|(name, numbers)| (name.to_owned(), numbers.values().to_vec()));
        let averaged: BTreeMap<String, Vec<f32>> = averaged.collect();
        if averaged.len() != parameters.len() {
            return Err(Error::shape(
                objective.graph().name(),
                "expected one parameter of a name, found two",
            ));
        }
        let mut trainer = Self {
            objective: objective.clone(),
            optimiser,
            parameters,
            moments: BTreeMap::new(),
            averaged,
            factors: BTreeMap::new(),
            gathered: Gathered::default(),
            counters: Counters::default(),
            memory: cpu::Pool::default(),
        };
        trainer.set_objective(objective)?;
        Ok(trainer)
    }

    /// Goes on with another objective over the same parameters: other parts are trained, or a form of the network that
    /// computes something else. What the optimiser keeps stays.
    ///
    /// # Errors
    /// [`Error::Shape`] with a trained parameter that is not there.
    pub fn set_objective(&mut self, objective: Objective) -> Result<()> {
        for name in objective.trained() {
            let Some(numbers) = self.averaged.get(name) else {
                return Err(Error::shape(
                    name,
                    "expected a parameter of the training, found none of this name",
                ));
            };
            let len = numbers.len();
            self.moments.entry(name.clone()).or_insert_with(|| Moments::of(len));
        }
        self.objective = objective;
        self.gathered = Gathered::default();
        Ok(())
    }

    /// What is minimised.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// What the learning rate of the parameter of this name is multiplied by: 1 if nothing else was said.
    pub fn set_rate_factor(&mut self, name: impl Into<String>, factor: f64) {
        self.factors.insert(name.into(), factor);
    }

    /// One iteration: forward, backward and the update. `inputs` are the picture, then what the graph is given
    /// ([`Graph::given`](crate::graph::Graph::given)); `rate` is the learning rate. Inputs may have some whole times as many
    /// pictures as the graph's; an input of the graph's own shape is every part's.
    ///
    /// # Errors
    /// [`Error::Shape`] if an input has another shape; [`Error::Diverged`] if the loss or a gradient is not finite.
    /// Nothing is changed then.
    pub fn step(&mut self, inputs: &[&Tensor], rate: f64) -> Result<Step> {
        self.gather(inputs)?;
        self.update(rate)
    }

    /// Forward and backward of a part of the batch, for an [`update`](Self::update) by the mean of several.
    ///
    /// # Errors
    /// As [`Trainer::step`]; what was gathered before is lost.
    pub fn gather(&mut self, inputs: &[&Tensor]) -> Result<()> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let parts = parts(self.objective.graph(), inputs)?;
        let parts: Vec<Vec<&Tensor>> =
            parts.iter().map(|part| part.iter().map(AsRef::as_ref).collect()).collect();
        let outputs = cpu::run_parts(self.objective.graph(), &self.parameters, &parts, &self.memory)?;
        let own = self.objective.forward().outputs().len();
        let watched: Vec<f32> = outputs[..own].iter().map(|output| output.values()[0]).collect();
        let names = ["the loss"].into_iter().map(str::to_owned);
        let names =
            names.chain(self.objective.trained().iter().map(|name| format!("the gradient of {name}")));
        for (name, output) in names.zip(outputs[..1].iter().chain(&outputs[own..])) {
            if let Some(found) = output.values().iter().find(|number| !number.is_finite()) {
                return Err(Error::Diverged {
                    iteration: self.counters.iteration + 1,
                    tensor: name,
                    found: *found,
                });
            }
        }
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

    /// Moves the parameters by what was gathered.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if nothing was; [`Error::Diverged`] if the gradient's norm is too large for a number.
    pub fn update(&mut self, rate: f64) -> Result<Step> {
        let Gathered { batches, watched, gradients } = std::mem::take(&mut self.gathered);
        if batches == 0 {
            return Err(Error::Unsupported("an update needs gradients, found none gathered".into()));
        }
        let share = 1.0 / f64::from(batches);
        let squares = gradients.iter().flatten().map(|number| (f64::from(*number) * share).powi(2));
        let norm = squares.sum::<f64>().sqrt();
        let (factor, mean) = clipped(self.optimiser.clip, norm, self.counters.norm);
        let mut moved = Vec::with_capacity(gradients.len());
        for (name, gradient) in self.objective.trained().iter().zip(&gradients) {
            let id = self.parameters.find(name).expect("checked when the objective was set");
            let numbers = self.parameters.get(id);
            let mut values = numbers.values().to_vec();
            let rate = rate * self.factors.get(name).copied().unwrap_or(1.0);
            let moments = self.moments.get_mut(name).expect("made when the objective was set");
            moments.update(&self.optimiser, rate, &mut values, gradient, (factor * share) as f32);
            moved.push((id, values));
        }
        self.parameters = self.parameters.with_values(moved);
        self.counters.norm = mean;
        self.counters.iteration += 1;
        self.average();
        let [loss, watched @ ..] = &watched.iter().map(|sum| sum * share as f32).collect::<Vec<_>>()[..]
        else {
            unreachable!("an objective has a loss")
        };
        Ok(Step { loss: *loss, watched: watched.to_vec(), norm })
    }

    fn average(&mut self) {
        self.counters.averages += 1;
        let updates = self.counters.averages as f64;
        let kept = self.optimiser.ema_decay.min((1.0 + updates) / (10.0 + updates)) as f32;
        for (name, numbers) in self.parameters.iter() {
            let averaged = self.averaged.get_mut(name).expect("every parameter has an average");
            averaged.iter_mut().zip(numbers.values()).for_each(|(a, x)| *a += (1.0 - kept) * (*x - *a));
        }
    }

    /// Lets the averages begin anew from the parameters as they are: where the objective has changed much.
    pub fn restart_averages(&mut self) {
        self.counters.averages = 0;
        for (name, numbers) in self.parameters.iter() {
            self.averaged.insert(name.to_owned(), numbers.values().to_vec());
        }
    }

    /// Updates so far.
    pub fn iteration(&self) -> u64 {
        self.counters.iteration
    }

    /// The parameters as they are.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The exponential moving average of the parameters.
    pub fn averaged(&self) -> Parameters {
        let ids = self.averaged.iter().map(|(name, values)| {
            (self.parameters.find(name).expect("every average is a parameter's"), values.clone())
        });
        self.parameters.with_values(ids.collect())
    }

    /// All that a training needs to go on as if it had not stopped.
    pub fn state(&self) -> State {
        let of_len = |values: &[f32]| Parameter::new([values.len()], values.to_vec());
        let mut state = State::default();
        for (name, numbers) in self.parameters.iter() {
            state.tensors.push((format!("parameters.{name}"), numbers));
            state.tensors.push((format!("averaged.{name}"), of_len(&self.averaged[name])));
        }
        for (name, Moments { first, second, updates }) in &self.moments {
            state.tensors.push((format!("moments.first.{name}"), of_len(first)));
            state.tensors.push((format!("moments.second.{name}"), of_len(second)));
            state.notes.insert(format!("updates.{name}"), updates.to_string());
        }
        let Counters { iteration, averages, norm } = self.counters;
        state.notes.insert("iteration".into(), iteration.to_string());
        state.notes.insert("averages".into(), averages.to_string());
        state.notes.insert("norm".into(), norm.to_bits().to_string());
        state
    }

    /// Goes on from a state. The objective and the optimiser are those of this trainer.
    ///
    /// # Errors
    /// [`Error::Weights`] with what the state lacks, or has of another size. The trainer is then as it was.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let counters = Counters {
            iteration: note(state, "iteration")?,
            averages: note(state, "averages")?,
            norm: f64::from_bits(note(state, "norm")?),
        };
        let (mut parameters, mut averaged, mut moments) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (name, numbers) in self.parameters.iter() {
            let len = numbers.values().len();
            let values = numbers_of(state, &format!("parameters.{name}"), len)?;
            parameters.push((self.parameters.find(name).expect("its own name"), values));
            averaged.insert(name.to_owned(), numbers_of(state, &format!("averaged.{name}"), len)?);
            let key = format!("moments.first.{name}");
            if state.tensor(&key).is_some() {
                let first = numbers_of(state, &key, len)?;
                let second = numbers_of(state, &format!("moments.second.{name}"), len)?;
                let updates = note(state, &format!("updates.{name}"))?;
                moments.insert(name.to_owned(), Moments { first, second, updates });
            }
        }
        self.parameters = self.parameters.with_values(parameters);
        (self.averaged, self.moments, self.counters) = (averaged, moments, counters);
        let objective = self.objective.clone();
        self.set_objective(objective)
    }
}

/// The inputs of each part of a batch.
fn parts<'a>(graph: &Graph, inputs: &[&'a Tensor]) -> Result<Vec<Vec<Cow<'a, Tensor>>>> {
    let values = std::iter::once(graph.input()).chain(graph.given());
    let nodes: Vec<&Node> = values.map(|value| graph.node(value)).collect();
    if nodes.len() != inputs.len() {
        let reason = format!("expected {} inputs, found {}", nodes.len(), inputs.len());
        return Err(Error::shape(graph.name(), reason));
    }
    let times = |node: &Node, input: &Tensor| input.shape().batch / node.shape.batch.max(1);
    let count = nodes.iter().zip(inputs).map(|(node, input)| times(node, input)).max().unwrap_or(1).max(1);
    let part = |at: usize| {
        let of_part = |(node, input): (&&Node, &&'a Tensor)| {
            let (own, found) = (node.shape, input.shape());
            if found == own {
                return Ok(Cow::Borrowed(*input));
            }
            if found != (Shape { batch: count * own.batch, ..own }) {
                let reason = format!("expected an input of {own}, or {count} times as many, found {found}");
                return Err(Error::shape(&node.name, reason));
            }
            let numbers = input.values()[at * own.len()..(at + 1) * own.len()].to_vec();
            Ok(Cow::Owned(Tensor::new(own, numbers)))
        };
        nodes.iter().zip(inputs).map(of_part).collect()
    };
    (0..count).map(part).collect()
}

fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

fn numbers_of(state: &State, name: &str, len: usize) -> Result<Vec<f32>> {
    let refused = |found: String| {
        Err(Error::weights("training state", format!("{name}: expected {len} numbers, found {found}")))
    };
    match state.tensor(name) {
        Some(numbers) if numbers.values().len() == len => Ok(numbers.values().to_vec()),
        Some(numbers) => refused(numbers.values().len().to_string()),
        None => refused("none".into()),
    }
}

fn note(state: &State, name: &str) -> Result<u64> {
    let found = state.notes.get(name);
    found.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let found = found.map_or("none".into(), |text| format!("`{text}`"));
        Error::weights("training state", format!("{name}: expected a count, found {found}"))
    })
}
