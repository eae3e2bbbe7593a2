//! The network before the first iteration: sizes by the configuration, numbers drawn by the seed, or a checkpoint's as
//! far as they fit.
//!
//! Within a network samples are in units of `train.unit`, so that a high rate is safe without normalisation. Nothing
//! but the first and the last convolution knows: their weights are drawn that much smaller and larger, and learn at rates
//! that much smaller and larger, which to Adam is the same as if the samples were divided.

use std::collections::BTreeMap;
use std::path::Path;

use sparsr::Model;
use sparsr::learn::{fresh, unit_factor};
use sparsr::low_level::models::smsr;
use sparsr::low_level::tensor::Parameter;
use sparsr::low_level::weights::Weights;

use super::lesson;
use super::settings::{Settings, Sizes};
use crate::{Result, engine};

/// A network to begin with.
pub struct Start {
    pub model: Model,
    /// What became of the checkpoint that it starts from, in a sentence; nothing if it starts from none.
    pub told: Option<String>,
}

/// The network of a training that begins, or of one that goes on and has left `latest`: a checkpoint that it once started
/// from may be gone by then.
pub fn start(settings: &Settings, latest: Option<&Path>) -> Result<Start> {
    let (config, path) = (&settings.config, &settings.config.path);
    let scale = config.scale as usize;
    if let Some(search) = &settings.search {
        return Ok(Start { model: lesson::search::network(settings, search)?, told: None });
    }
    if let Some(architecture) = of_checkpoint(settings) {
        let name = latest.map_or(path.pretrain_network_g.clone(), |latest| latest.display().to_string());
        let model = engine::model(&name, None)?;
        if let Some(expected) = architecture.filter(|expected| *expected != model.architecture()) {
            return Err(format!("{name}: expected {expected}, found {}", model.architecture()).into());
        }
        let model = model.at_scale(scale)?.seen(None)?;
        return Ok(Start { model, told: Some(format!("starts from {name}")) });
    }
    let mut tensors = drawn(&settings.sizes, scale, config.train.unit, config.manual_seed);
    let checkpoint = match &*path.pretrain_network_g {
        name if name.is_empty() || latest.is_some() => None,
        name => Some(engine::model(name, None)?),
    };
    let told = checkpoint.as_ref().map(|checkpoint| {
        overlay(&mut tensors, &path.pretrain_network_g, checkpoint.weights(), path.strict_load_g)
    });
    let told = told.transpose()?;
    let model = Model::from_weights(config.name.clone(), Weights::new(config.name.clone(), tensors))?;
    match checkpoint.filter(|checkpoint| path.strict_load_g && checkpoint.told() != model.told()) {
        None => Ok(Start { model, told }),
        Some(checkpoint) => Err(format!(
            "{}: expected {}, as network_g's sizes tell, found {}: without num_feat and num_block the checkpoint's own are taken",
            path.pretrain_network_g,
            model.description(),
            checkpoint.description()
        )
        .into()),
    }
}

/// The architecture, where the checkpoint that the training starts from tells the sizes.
fn of_checkpoint(settings: &Settings) -> Option<Option<&'static str>> {
    let (network, path) = (&settings.config.network_g, &settings.config.path);
    match settings.sizes {
        Sizes::Checkpoint(architecture) => Some(architecture),
        Sizes::Edsr { .. } => {
            let sizes =
                network.num_feat.is_some() || network.num_block.is_some() || network.res_scale.is_some();
            (!sizes && path.strict_load_g && !path.pretrain_network_g.is_empty()).then_some(Some("edsr"))
        }
        _ => None,
    }
}

/// Numbers by the seed, as a checkpoint has them.
fn drawn(sizes: &Sizes, scale: usize, unit: f64, seed: u64) -> BTreeMap<String, Parameter> {
    let weights = match *sizes {
        Sizes::SwinIr(ref sizes) => fresh::swinir(sizes, seed),
        Sizes::Esrt { channels } => fresh::esrt(channels, scale, seed),
        Sizes::AcNet { channels, layers } => fresh::acnet(channels, layers, scale, seed),
        Sizes::TrilevelNas(ref genotype) => fresh::trilevelnas(genotype, seed),
        Sizes::Edsr { channels, blocks } => fresh::edsr(channels, blocks, scale, seed),
        Sizes::Ledsr { channels, blocks } => fresh::ledsr(channels, blocks, scale, seed),
        Sizes::Smsr { channels, modules, layers, mask_channels, attention_channels } => {
            let sizes = smsr::Config { channels, modules, layers, mask_channels, attention_channels, scale };
            fresh::smsr(&sizes, seed)
        }
        Sizes::Checkpoint(_) => return BTreeMap::new(),
    };
    let in_unit = |(name, numbers): (&str, &Parameter)| {
        let factor = unit_factor(sizes.architecture(), name, unit) as f32;
        let scaled: Vec<f32> = numbers.values().iter().map(|number| factor * number).collect();
        (name.to_owned(), Parameter::new(numbers.dims(), scaled))
    };
    weights.iter().map(in_unit).collect()
}

/// Lays a checkpoint's tensors over those that are there, and tells what fits.
fn overlay(
    tensors: &mut BTreeMap<String, Parameter>,
    name: &str,
    weights: &Weights,
    strict: bool,
) -> Result<String> {
    let (mut taken, mut kept, mut left) = (0, Vec::new(), Vec::new());
    for (key, own) in tensors.iter_mut() {
        match weights.get(key) {
            Some(found) if found.dims() == own.dims() => {
                *own = found.clone();
                taken += 1;
            }
            Some(found) => kept.push(format!("{key} (expected {:?}, found {:?})", own.dims(), found.dims())),
            None => kept.push(format!("{key} (not there)")),
        }
    }
    left.extend(weights.names().filter(|key| !tensors.contains_key(*key)).map(str::to_owned));
    if strict && let Some(first) = kept.first().or(left.first()) {
        return Err(format!(
            "{name}: {first} does not fit network_g: path.strict_load_g = false takes the tensors that do"
        )
        .into());
    }
    if taken == 0 {
        return Err(format!("{name}: none of its tensors fits network_g").into());
    }
    let mut told = format!("starts from {name}: {taken} tensors");
    for (what, names) in [("drawn anew", kept), ("left out", left)] {
        if !names.is_empty() {
            told += &format!("; {what}: {}", names.join(", "));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(scale: usize) -> BTreeMap<String, Parameter> {
        drawn(&Sizes::Edsr { channels: 4, blocks: 1 }, scale, 64.0, 1)
    }

    #[test]
    fn another_scale_takes_the_body() {
        let two = Weights::new("two", network(2));
        let mut four = network(4);
        let drawn = four.clone();
        let sentence = overlay(&mut four, "two.pth", &two, true).unwrap_err().to_string();
        assert!(sentence.starts_with("two.pth: tail.0.2.bias (not there) does not fit"), "{sentence}");
        let told = overlay(&mut four.clone(), "two.pth", &two, false).unwrap();
        let expected = "starts from two.pth: 16 tensors; drawn anew: tail.0.2.bias (not there), tail.0.2.weight (not there)";
        assert_eq!(told, expected);

        let mut three = network(3);
        let told = overlay(&mut three, "two.pth", &two, false).unwrap();
        assert!(told.contains("drawn anew: tail.0.0.bias (expected [36], found [16])"), "{told}");
        assert_eq!(three["body.0.body.0.weight"], *two.get("body.0.body.0.weight").unwrap());

        let other = Weights::new("other", [("x.y".to_owned(), Parameter::new([1], vec![0.0]))]);
        let sentence = overlay(&mut four, "other.pth", &other, false).unwrap_err().to_string();
        assert_eq!(sentence, "other.pth: none of its tensors fits network_g");
        assert_eq!(four, drawn);
    }

    #[test]
    fn what_is_drawn_is_the_network_that_was_asked_for() {
        let smsr =
            Sizes::Smsr { channels: 16, modules: 2, layers: 3, mask_channels: 8, attention_channels: 2 };
        for scale in 2..=4 {
            for (sizes, expected) in [
                (
                    &Sizes::Edsr { channels: 16, blocks: 8 },
                    "8 residual blocks, 16 channels, residuals times 2",
                ),
                (&smsr, "2 modules of 3 layers, 16 channels"),
                (&Sizes::Esrt { channels: 16 }, "16 channels, attention within quarters of the picture"),
                (&Sizes::AcNet { channels: 8, layers: 3 }, "3 asymmetric layers, 8 channels"),
            ] {
                let model =
                    Model::from_weights("a", Weights::new("a", drawn(sizes, scale, 64.0, 7))).unwrap();
                assert_eq!((model.description(), model.scale()), (expected.to_owned(), scale));
            }
        }
        let [one, other] = [1.0, 64.0].map(|unit| drawn(&smsr, 2, unit, 7)["tail.0.weight"].values()[5]);
        assert_eq!(other, 64.0 * one);
    }
}
