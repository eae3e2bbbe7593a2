//! What a training runs on: it holds the numbers, gathers gradients and moves by them. [`Trainer`](super::Trainer) holds
//! all the rest.

mod cpu;
#[cfg(not(target_arch = "wasm32"))]
mod gpu;

use std::borrow::Cow;
use std::fmt::Debug;

pub(super) use cpu::OnCpu;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use gpu::OnGpu;

use super::{Objective, Optimiser};
use crate::error::{Error, Result};
use crate::graph::ParameterId;
use crate::kernel::update::Piece;
use crate::tensor::Tensor;

/// Numbers that an engine holds, of every parameter as many as it has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kept {
    Parameters,
    First,
    Second,
    Averages,
}

/// An update.
#[derive(Debug)]
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "engines on a GPU ask more"))]
pub(super) struct Update<'a> {
    pub(super) optimiser: &'a Optimiser,
    pub(super) objective: &'a Objective,
    /// The parameters of the objective's gradients, in order.
    pub(super) trained: &'a [ParameterId],
    /// Of every parameter what an update does, if it is trained.
    pub(super) pieces: &'a [Option<Piece>],
    /// What an average keeps of itself.
    pub(super) kept: f32,
    /// The mean norm of the gradients before.
    pub(super) norm: f64,
    /// Updates before.
    pub(super) iteration: u64,
}

/// What an update found.
#[derive(Debug)]
pub(super) struct Moved {
    /// The loss, and what is watched.
    pub(super) watched: Vec<f32>,
    /// The gradient's norm before it was clipped.
    pub(super) norm: f64,
    /// The mean norm from now on.
    pub(super) mean: f64,
}

pub(super) trait Engine: Debug + Send {
    /// Goes on with another objective, whose gradients are of these parameters.
    fn aim(&mut self, objective: &Objective, trained: &[ParameterId]) -> Result<()>;

    /// Adds what the parts of a batch say. On an error all that was gathered is forgotten.
    fn gather(&mut self, objective: &Objective, parts: &[Vec<Cow<'_, Tensor>>], iteration: u64)
    -> Result<()>;

    /// Moves the parameters by what was gathered, and forgets that. An update that is not finite moves nothing.
    fn update(&mut self, update: &Update<'_>) -> Result<Moved>;

    /// Forgets what was gathered.
    fn forget(&mut self) -> Result<()>;

    fn take(&self, kept: Kept) -> Result<Vec<Vec<f32>>>;

    fn put(&mut self, kept: Kept, values: &[Vec<f32>]) -> Result<()>;

    /// Bytes on a device, by what they are for.
    fn memory(&self) -> Vec<(&'static str, u64)>;
}

/// The first number that is not finite, of the loss and of each gradient.
fn check_finite<'a>(
    objective: &Objective,
    iteration: u64,
    numbers: impl IntoIterator<Item = &'a [f32]>,
) -> Result<()> {
    let names = objective.trained().iter().map(|name| format!("the gradient of {name}"));
    for (name, numbers) in std::iter::once("the loss".to_owned()).chain(names).zip(numbers) {
        if let Some(found) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(Error::Diverged { iteration: iteration + 1, tensor: name, found: *found });
        }
    }
    Ok(())
}

/// That an update was asked for and nothing is gathered.
fn nothing_gathered() -> Error {
    Error::Unsupported("an update needs gradients, found none gathered".into())
}
