//! The network that a host's words come to, or the ladder of networks.

use std::path::Path;
use std::sync::Arc;

use sparsr_rs::{Effort, Ladder, Model, Result};

/// The network if none is named.
const USUAL: &str = "smsr-x2";

/// The scale of the built-in ladder if no network is named.
const SCALE: usize = 2;

/// The effort of a ladder that is named without one.
const EFFORT: f64 = 0.5;

/// A network, and the ladder of which it is the best, if there is to be one: with an effort or a ladder's file. Without a file
/// it is the built-in one of the network's scale.
///
/// # Errors
/// As [`Ladder::load`] and [`Ladder::builtin`].
pub fn network(
    model: Option<Model>,
    ladder: Option<&Path>,
    effort: Option<f64>,
) -> Result<(Model, Option<Effort>)> {
    let ladder = match (ladder, effort) {
        (Some(file), _) => Ladder::load(file)?,
        (None, Some(_)) => Ladder::builtin(model.as_ref().map_or(SCALE, Model::scale))?,
        (None, None) => return Ok((model.map_or_else(|| Model::builtin(USUAL), Ok)?, None)),
    };
    let model = model.unwrap_or_else(|| ladder.best().clone());
    let effort = effort.unwrap_or(EFFORT);
    Ok((model, Some(Effort { ladder: Arc::new(ladder), effort })))
}
