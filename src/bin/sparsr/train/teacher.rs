//! The networks that a student learns from, as the configuration names them, and their pictures.

use serde_json::json;
use sparsr::learn::data::{Pairs, Taught, Teachers};
use sparsr::{Cancel, Error, Model, Options, Pixels, Progress, Upscaler};

use super::machine::Machine;
use super::settings::Settings;
use crate::{Result, engine, terminal, verdict};

/// Each of the student's scale, and tried before its first use.
pub fn networks(settings: &Settings) -> Result<Vec<Model>> {
    let scale = settings.config.scale as usize;
    let network = |name: &String| {
        let model = engine::model(name, Some(scale)).and_then(|model| verdict::admitted(&model));
        model.map_err(|error| format!("teacher.network: {error}").into())
    };
    settings.config.teacher.network.iter().map(network).collect()
}

/// What they make of the small pictures, whole ones through the library's tiles, or the cache.
pub fn taught(
    networks: &[Model],
    cache: &str,
    machine: &Machine,
    pairs: &Pairs,
    cancel: &Cancel,
    progress: &Progress,
) -> Result<Taught, Error> {
    let keys = networks.iter().map(|model| format!("{:016x}", verdict::hash(model))).collect();
    let teachers = Teachers { keys, cache: (!cache.is_empty()).then(|| cache.into()) };
    let mut upscalers: Vec<Option<Upscaler>> = networks.iter().map(|_| None).collect();
    Taught::open(pairs, &teachers, cancel, progress, |teacher, small: &Pixels| {
        terminal::event("teacher", json!({ "share": progress.share() }));
        let upscaler = match &mut upscalers[teacher] {
            Some(upscaler) => upscaler,
            none => {
                let mut options = Options::default();
                options.control.cancel = cancel.clone();
                none.insert(machine.upscaler(&networks[teacher], options)?)
            }
        };
        Ok(upscaler.upscale_pixels(small)?.pixels)
    })
}
