//! A training: parameters, what the optimiser keeps of them, and one iteration after the other.
//!
//! - The same start and the same batches give the same numbers on the same engine, bit for bit, whatever the number of
//!   threads and however often it was interrupted ([`Trainer::state`], [`Trainer::restore`]).
//! - A batch is gone through in parts of as many pictures as the objective's graph has: the mean over parts is the mean over
//!   pictures.
//! - An iteration that does not end in finite numbers changes nothing and is an error that names the first tensor.
//! - Memory is taken in the first iteration and used again in all later ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::engine::{Engine, Kept, Moved, OnCpu, Update};
use super::{Objective, Optimiser, State};
#[cfg(not(target_arch = "wasm32"))]
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, ParameterId, Parameters};
use crate::tensor::{Parameter, Shape, Tensor};

/// A network that learns.
#[derive(Debug)]
pub struct Trainer {
    objective: Objective,
    /// The parameters of the objective's gradients, in order.
    trained: Vec<ParameterId>,
    optimiser: Optimiser,
    /// Names and axes; the numbers are the engine's.
    parameters: Parameters,
    engine: Box<dyn Engine>,
    /// Of each parameter how often it was updated.
    updates: Vec<u64>,
    factors: BTreeMap<String, f64>,
    counters: Counters,
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
    /// A training on the CPU engine that begins with these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] with a name that several parameters have, or with a trained one that is not among them.
    pub fn new(objective: Objective, parameters: Parameters, optimiser: Optimiser) -> Result<Self> {
        let engine = OnCpu::new(&parameters);
        Self::with_engine(Box::new(engine), objective, parameters, optimiser)
    }

    /// A training on a GPU, where parameters, moments and averages stay, in f32. With [`Precision::F16`] values and their
    /// gradients are stored as f16 where the GPU can, but for pictures and for gradients of weights, in half of the memory;
    /// sums are f32. Gradients are then scaled up on the way, lest they vanish. [`Precision::Auto`] is f32.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`Error::Unsupported`] with an operator that has no kernel for training, or of f16 on a GPU that
    /// cannot store it;
    /// [`Error::OutOfMemory`] and [`Error::Limits`] if the objective's graph is too large, which fewer pictures at once
    /// make smaller; [`Error::Device`] if the device is lost.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn on_gpu(
        gpu: &crate::gpu::Gpu,
        precision: Precision,
        objective: Objective,
        parameters: Parameters,
        optimiser: Optimiser,
    ) -> Result<Self> {
        let engine = super::engine::OnGpu::new(gpu, precision, &parameters)?;
        Self::with_engine(Box::new(engine), objective, parameters, optimiser)
    }

    fn with_engine(
        engine: Box<dyn Engine>,
        objective: Objective,
        parameters: Parameters,
        optimiser: Optimiser,
    ) -> Result<Self> {
        let names: std::collections::BTreeSet<&str> =
            ids(&parameters).map(|id| parameters.name(id)).collect();
        if names.len() != parameters.len() {
            return Err(Error::shape(
                objective.graph().name(),
                "expected one parameter of a name, found two",
            ));
        }
        let mut trainer = Self {
            objective: objective.clone(),
            trained: vec![],
            optimiser,
            engine,
            updates: vec![0; parameters.len()],
            parameters,
            factors: BTreeMap::new(),
            counters: Counters::default(),
        };
        trainer.set_objective(objective)?;
        let values = ids(&trainer.parameters).map(|id| trainer.parameters.get(id).values().to_vec());
        let values: Vec<Vec<f32>> = values.collect();
        trainer.engine.put(Kept::Averages, &values)?;
        trainer.engine.put(Kept::Parameters, &values)?;
        Ok(trainer)
    }

    /// Goes on with another objective over the same parameters: other parts are trained, or a form of the network that
    /// computes something else. What the optimiser keeps stays.
    ///
    /// # Errors
    /// [`Error::Shape`] with a trained parameter that is not there; on a GPU those of [`Trainer::on_gpu`].
    pub fn set_objective(&mut self, objective: Objective) -> Result<()> {
        let found = |name: &String| {
            let refused =
                || Error::shape(name, "expected a parameter of the training, found none of this name");
            self.parameters.find(name).ok_or_else(refused)
        };
        let trained: Vec<ParameterId> = objective.trained().iter().map(found).collect::<Result<_>>()?;
        self.engine.aim(&objective, &trained)?;
        (self.objective, self.trained) = (objective, trained);
        Ok(())
    }

    /// What is minimised.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Goes on with another rule, or other settings of it. What the rule before kept stays.
    pub fn set_optimiser(&mut self, optimiser: Optimiser) {
        self.optimiser = optimiser;
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
    /// [`Error::Shape`] if an input has another shape; [`Error::Diverged`] if the loss or a gradient is not finite, and
    /// nothing is changed then; [`Error::Device`] if the device is lost.
    pub fn step(&mut self, inputs: &[&Tensor], rate: f64) -> Result<Step> {
        self.gather(inputs)?;
        self.update(rate)
    }

    /// Forward and backward of a part of the batch, for an [`update`](Self::update) by the mean of several.
    ///
    /// # Errors
    /// As [`Trainer::step`]; what was gathered before is lost.
    pub fn gather(&mut self, inputs: &[&Tensor]) -> Result<()> {
        let parts = parts(self.objective.graph(), inputs)?;
        self.engine.gather(&self.objective, &parts, self.counters.iteration)
    }

    /// Moves the parameters by what was gathered.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if nothing was; [`Error::Diverged`] if the gradient's norm is too large for a number, or, on a
    /// GPU, as [`Trainer::step`].
    pub fn update(&mut self, rate: f64) -> Result<Step> {
        let mut pieces = vec![None; self.updates.len()];
        for id in &self.trained {
            let rate = rate * self.factors.get(self.parameters.name(*id)).copied().unwrap_or(1.0);
            pieces[id.index()] = Some(self.optimiser.piece(rate, self.updates[id.index()] + 1));
        }
        let updates = (self.counters.averages + 1) as f64;
        let kept = self.optimiser.ema_decay.min((1.0 + updates) / (10.0 + updates)) as f32;
        let update = Update {
            optimiser: &self.optimiser,
            objective: &self.objective,
            trained: &self.trained,
            pieces: &pieces,
            kept,
            norm: self.counters.norm,
            iteration: self.counters.iteration,
        };
        let Moved { watched, norm, mean } = self.engine.update(&update)?;
        self.trained.iter().for_each(|id| self.updates[id.index()] += 1);
        self.counters.norm = mean;
        self.counters.iteration += 1;
        self.counters.averages += 1;
        let [loss, watched @ ..] = &watched[..] else { unreachable!("an objective has a loss") };
        Ok(Step { loss: *loss, watched: watched.to_vec(), norm })
    }

    /// Lets the averages begin anew from the parameters as they are: where the objective has changed much.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn restart_averages(&mut self) -> Result<()> {
        self.counters.averages = 0;
        let values = self.engine.take(Kept::Parameters)?;
        self.engine.put(Kept::Averages, &values)
    }

    /// Multiplies numbers of parameters, each by a factor of its own, and those of their averages.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such parameter, or its numbers are not as many; nothing is changed then.
    /// [`Error::Device`] if the device is lost.
    pub fn multiply(&mut self, factors: &[(&str, &[f32])]) -> Result<()> {
        let place = |(name, factors): &(&str, &[f32])| {
            let id = self.parameters.find(name);
            id.filter(|id| self.parameters.get(*id).values().len() == factors.len()).ok_or_else(|| {
                Error::shape(*name, format!("expected a parameter of {} numbers, found none", factors.len()))
            })
        };
        let places: Vec<ParameterId> = factors.iter().map(place).collect::<Result<_>>()?;
        for kept in [Kept::Parameters, Kept::Averages] {
            let mut values = self.engine.take(kept)?;
            for (id, (_, factors)) in places.iter().zip(factors) {
                values[id.index()].iter_mut().zip(*factors).for_each(|(number, factor)| *number *= factor);
            }
            self.engine.put(kept, &values)?;
        }
        Ok(())
    }

    /// Updates so far.
    pub fn iteration(&self) -> u64 {
        self.counters.iteration
    }

    /// The parameters as they are.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn parameters(&self) -> Result<Parameters> {
        self.with_values(Kept::Parameters)
    }

    /// The exponential moving average of the parameters.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn averaged(&self) -> Result<Parameters> {
        self.with_values(Kept::Averages)
    }

    fn with_values(&self, kept: Kept) -> Result<Parameters> {
        let values = self.engine.take(kept)?;
        Ok(self.parameters.with_values(ids(&self.parameters).zip(values).collect()))
    }

    /// What a training on a GPU takes there: bytes by what they are for. Nothing on the CPU engine.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        self.engine.memory()
    }

    /// All that a training needs to go on as if it had not stopped.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn state(&self) -> Result<State> {
        let of_len = |values: Vec<f32>| Parameter::new([values.len()], values);
        let mut state = State::default();
        let all = [Kept::Parameters, Kept::Averages, Kept::First, Kept::Second];
        let [parameters, averages, first, second] = all.map(|kept| self.engine.take(kept));
        let parameters = self.parameters.with_values(ids(&self.parameters).zip(parameters?).collect());
        for ((name, numbers), averaged) in parameters.iter().zip(averages?) {
            state.tensors.push((format!("parameters.{name}"), numbers));
            state.tensors.push((format!("averaged.{name}"), of_len(averaged)));
        }
        for (id, (first, second)) in ids(&self.parameters).zip(first?.into_iter().zip(second?)) {
            let (name, updates) = (self.parameters.name(id), self.updates[id.index()]);
            if updates > 0 {
                state.tensors.push((format!("moments.first.{name}"), of_len(first)));
                state.tensors.push((format!("moments.second.{name}"), of_len(second)));
                state.notes.insert(format!("updates.{name}"), updates.to_string());
            }
        }
        let Counters { iteration, averages, norm } = self.counters;
        state.notes.insert("iteration".into(), iteration.to_string());
        state.notes.insert("averages".into(), averages.to_string());
        state.notes.insert("norm".into(), norm.to_bits().to_string());
        Ok(state)
    }

    /// Goes on from a state. The objective and the optimiser are those of this trainer.
    ///
    /// # Errors
    /// [`Error::Weights`] with what the state lacks, or has of another size; the trainer is then as it was.
    /// [`Error::Device`] if the device is lost.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let counters = Counters {
            iteration: note(state, "iteration")?,
            averages: note(state, "averages")?,
            norm: f64::from_bits(note(state, "norm")?),
        };
        let (mut parameters, mut averages) = (Vec::new(), Vec::new());
        let (mut first, mut second, mut updates) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids(&self.parameters) {
            let (name, len) = (self.parameters.name(id), self.parameters.get(id).values().len());
            parameters.push(numbers_of(state, &format!("parameters.{name}"), len)?);
            averages.push(numbers_of(state, &format!("averaged.{name}"), len)?);
            let key = format!("moments.first.{name}");
            if state.tensor(&key).is_some() {
                first.push(numbers_of(state, &key, len)?);
                second.push(numbers_of(state, &format!("moments.second.{name}"), len)?);
                updates.push(note(state, &format!("updates.{name}"))?);
            } else {
                first.push(vec![0.0; len]);
                second.push(vec![0.0; len]);
                updates.push(0);
            }
        }
        let all = [(Kept::Parameters, parameters), (Kept::Averages, averages), (Kept::First, first)];
        for (kept, values) in all.into_iter().chain([(Kept::Second, second)]) {
            self.engine.put(kept, &values)?;
        }
        (self.updates, self.counters) = (updates, counters);
        self.engine.forget()
    }
}

fn ids(parameters: &Parameters) -> impl Iterator<Item = ParameterId> + use<> {
    (0..parameters.len() as u32).map(ParameterId)
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
