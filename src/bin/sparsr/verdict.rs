//! What the guard said of a network, remembered by the network's numbers, so that it is tried once and not every time.
//!
//! A verdict is a file in the cache folder's `verdicts`, one line: `own` for a network that is as it was taken for,
//! otherwise the convention that the trial chose. What is refused is not remembered.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Instant;

use sparsr::Model;
use sparsr::low_level::guard;
use sparsr::low_level::models::Convention;

use crate::{Result, engine};

/// What a verdict says of a network that is as it was taken for.
const OWN: &str = "own";

/// The network, by what the guard says of it, or said.
pub fn admitted(model: &Model) -> Result<Model> {
    if !model.is_unseen() {
        return Ok(model.clone());
    }
    let path = path(model);
    let chosen =
        match path.as_ref().and_then(|path| fs::read_to_string(path).ok()).and_then(|text| parse(&text)) {
            Some(remembered) => remembered,
            None => {
                let start = Instant::now();
                let verdict = guard::examine(model)?;
                tracing::info!("tried in {:.2} s: {} apart", start.elapsed().as_secs_f64(), verdict.figures);
                if let Some(path) = path {
                    remember(&path, verdict.chosen);
                }
                verdict.chosen
            }
        };
    if let Some(convention) = chosen {
        let source = model.weights().source();
        tracing::warn!(
            "{source}: taken for a network of {convention}, by a trial; --white and --mean choose another"
        );
    }
    Ok(model.seen(chosen)?)
}

/// The network by the convention that the user told, whose trial chooses no other.
pub fn only_as_told(model: &Model, unusual: bool) -> Result<Model> {
    if !unusual && let Some(other) = guard::examine(model)?.chosen {
        let told = model.convention().map(|told| told.to_string()).unwrap_or_default();
        let source = model.weights().source();
        let reason = format!(
            "{source}: by {told} its picture has other colours, by {other} it has not; --unusual insists"
        );
        return Err(reason.into());
    }
    Ok(model.seen(None)?)
}

/// A number of what the network makes: of its kind, its convention and all of its numbers, where it came with its graph of
/// that, and of this version.
pub fn hash(model: &Model) -> u64 {
    let mut hash = DefaultHasher::new();
    (env!("CARGO_PKG_VERSION"), model.architecture(), model.description(), model.scale()).hash(&mut hash);
    model.convention().map(|convention| convention.to_string()).hash(&mut hash);
    if model.told_by_graph() {
        let nodes = model.net().unfolded().nodes();
        nodes.iter().for_each(|node| format!("{node:?}").hash(&mut hash));
    }
    for (name, parameter) in model.weights().iter() {
        (name, parameter.dims()).hash(&mut hash);
        parameter.values().iter().for_each(|value| value.to_bits().hash(&mut hash));
    }
    hash.finish()
}

/// A verdict's file; `None` where there is no folder for caches.
fn path(model: &Model) -> Option<PathBuf> {
    engine::cache_folder().map(|folder| folder.join("verdicts").join(format!("{:016x}", hash(model))))
}

/// What a file says; `None` if it is damaged.
fn parse(text: &str) -> Option<Option<Convention>> {
    let line = text.strip_suffix('\n')?;
    if line == OWN {
        return Some(None);
    }
    let numbers: Vec<f32> = line.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [white, r, g, b] = numbers.try_into().ok()?;
    Some(Some(Convention { white, mean: [r, g, b] }))
}

/// Not to be able to is no failure: the network is then tried again.
fn remember(path: &std::path::Path, chosen: Option<Convention>) {
    let told = |Convention { white, mean: [r, g, b] }| format!("{white} {r} {g} {b}\n");
    let text = chosen.map_or_else(|| format!("{OWN}\n"), told);
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    if let Err(error) = folder.and_then(|()| fs::write(path, text)) {
        tracing::debug!("the verdict is not remembered: {error}");
    }
}
