//! `sparsr train`, `sparsr distil` and `sparsr search`: a network learns from pictures, as a file says, from another
//! network, or in many forms of which one is found.
//!
//! ```text
//!   CONFIG.toml ─► config ─► settings ─► network (its first numbers) ─► run: iterations, figures, files
//! ```

mod config;
mod curve;
mod data;
mod folder;
mod lesson;
mod log;
mod machine;
mod metrics;
mod network;
mod run;
mod schedule;
mod schema;
mod settings;
mod teacher;
mod tensorboard;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use config::{Given, Set};
use machine::Machine;
use schema::Config;
use settings::Settings;
use sparsr::DeviceChoice;

use crate::upscale::report::Form;
use crate::{Result, engine, terminal};

/// Train a network on folders of pictures
///
/// What to train, on what and how is a file of TOML, with the names that BasicSR, traiNNer and neosr have; an unknown key
/// is an error. Everything goes to experiments/<NAME>: networks, states, a log, figures, a curve and previews. Ctrl-C
/// finishes the iteration, saves and ends; --auto-resume goes on from there as if nothing had happened.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr train --print-config > edsr.toml       every key, with its default and what it is
  sparsr train edsr.toml
  sparsr train edsr.toml --auto-resume
  sparsr train edsr.toml --set train.total_iter=20000 --set name=short

docs/training.md goes from a folder of pictures to a network.")]
pub struct Args {
    #[command(flatten)]
    learning: Learning,
}

/// Train a network on pictures and on what another network makes of them
///
/// Knowledge distillation: `sparsr train` with a [teacher] in its configuration, from which a smaller network learns
/// besides. The teacher enlarges every training picture once, before the first iteration.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr distil --print-config > student.toml   every key; [teacher] is what is added
  sparsr distil student.toml --set teacher.network=['smsr-x2'] --set teacher.cache=taught.cache
  sparsr distil student.toml --auto-resume

docs/training.md says what the losses are.")]
pub struct Distil {
    #[command(flatten)]
    learning: Learning,
}

/// What to learn, and how to tell of it.
#[derive(clap::Args)]
struct Learning {
    /// The configuration
    #[arg(value_name = "CONFIG.toml", required_unless_present = "print_config")]
    config: Option<PathBuf>,

    /// Print a configuration of all defaults with comments, and end
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    how: How,
}

/// How a training goes.
#[derive(Clone, clap::Args)]
pub struct How {
    /// Go on from the last state of this training, if there is one
    #[arg(long)]
    auto_resume: bool,

    /// Lay a value over the configuration's
    #[arg(long, value_name = "KEY=VALUE", value_parser = Set::parse)]
    set: Vec<Set>,

    /// How to tell how far it is: a bar, or events as JSON, one a line, on standard error
    #[arg(long, value_name = "bar|json", default_value = "bar", hide_possible_values = true)]
    progress: Form,

    /// What to train on: auto, cpu, a number or a part of a name from `sparsr devices`
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

/// Search the structure of a network
///
/// Which operations a TrilevelNAS network of variant B has, how wide they are and how many of its cells there are, for so many
/// multiply-adds. A supernet of all of them learns; a radius grows until one option of each choice is left. Ends with
/// experiments/NAME/found.toml, which `sparsr train` takes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr search --print-config > search.toml    every key; [search] is what is chosen among
  sparsr search search.toml
  sparsr train experiments/NAME/found.toml
  sparsr search search.toml --random 1 > other.toml    a network of the same cost, drawn by a seed

docs/search.md says what it does and what came of it.")]
pub struct Search {
    #[command(flatten)]
    learning: Learning,

    /// Print the configuration of a network that is drawn by this seed, and end: within 3 % of search.macs
    #[arg(long, value_name = "SEED")]
    random: Option<u64>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    learn(&args.learning, false)
}

/// Searches a structure, or draws one.
pub fn search(args: &Search) -> Result<ExitCode> {
    let Search { learning, random } = args;
    let Some(path) = learning.begin()? else { return Ok(ExitCode::SUCCESS) };
    let Some(seed) = random else { return learning.how.run(path, Settings::of_search) };
    let (config, given) = config::read(path, &learning.how.set)?;
    let settings = Settings::of_search(config, &given)?;
    terminal::print(lesson::search::drawn(&settings, *seed)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The same with a teacher.
pub fn distil(args: &Distil) -> Result<ExitCode> {
    learn(&args.learning, true)
}

fn learn(args: &Learning, is_taught: bool) -> Result<ExitCode> {
    let Some(path) = args.begin()? else { return Ok(ExitCode::SUCCESS) };
    args.how.run(path, |config, given| {
        if is_taught && config.teacher.network.is_empty() {
            let reason = "expected a network to learn from, found none; `sparsr train` learns without one";
            return Err(given.error("teacher.network", reason).into());
        }
        Settings::new(config, given)
    })
}

/// Drives channels, or single numbers, of a network to zero as a configuration says; `laid` are keys of its table [prune].
pub fn prune(network: &str, path: &Path, laid: &[(&str, String)], how: &How) -> Result<ExitCode> {
    let scale = engine::model(network, None)?.scale() as u64;
    let laid = laid.iter().map(|(key, value)| Set::parse(&format!("prune.{key}={value}")));
    let sets = laid.chain(how.set.iter().cloned().map(Ok)).collect::<Result<_, _>>()?;
    how.with(sets).run(path, |mut config, given| {
        config.network_g = schema::Network { kind: "Checkpoint".into(), ..schema::Network::default() };
        config.path.pretrain_network_g = network.to_owned();
        config.scale = scale;
        Settings::of_pruning(config, given)
    })
}

impl Learning {
    /// The configuration's file; none once the defaults are printed.
    fn begin(&self) -> Result<Option<&Path>> {
        if self.print_config {
            terminal::print(config::DEFAULT.as_bytes())?;
            return Ok(None);
        }
        Ok(Some(self.config.as_ref().ok_or("expected a configuration: CONFIG.toml")?))
    }
}

impl How {
    /// Whether anything was said that only a training understands.
    pub fn is_asked(&self) -> bool {
        self.auto_resume || !self.set.is_empty()
    }

    fn with(&self, set: Vec<Set>) -> Self {
        Self { set, ..self.clone() }
    }

    fn run(&self, path: &Path, settings: impl Fn(Config, &Given) -> Result<Settings>) -> Result<ExitCode> {
        if self.progress == Form::Json {
            terminal::tell_events();
        }
        let (config, given) = config::read(path, &self.set)?;
        run::run(&settings(config, &given)?, &Machine::open(&self.device)?, &given, self.auto_resume)
    }
}

/// What differs between two configurations, the older one as text: `key: old → new`.
fn changes(before: &str, after: &Config) -> Option<String> {
    let table = |text: &str| toml::from_str::<toml::Table>(text).ok();
    let [before, after] =
        [before, &toml::to_string(after).ok()?].map(|text| table(text).map(|table| flat(&table)));
    let (before, after) = (before?, after?);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let told = |key: &String| {
        let [old, new] = [&before, &after].map(|table| table.get(key).map_or("–", String::as_str));
        (old != new).then(|| format!("{key}: {old} → {new}"))
    };
    let changes: Vec<String> = keys.into_iter().filter_map(told).collect();
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// Every value by its whole key.
fn flat(table: &toml::Table) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(below) => {
                values.extend(flat(below).into_iter().map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            value => drop(values.insert(key.clone(), value.to_string())),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_configurations_is_told() {
        let mut config = Config::default();
        let before = toml::to_string(&config).unwrap();
        assert_eq!(changes(&before, &config), None);
        config.train.optim_g.lr = 5e-4;
        config.val.crop_border = Some(4);
        let told = changes(&before, &config).unwrap();
        assert_eq!(told, "train.optim_g.lr: 0.001 → 0.0005, val.crop_border: – → 4");
    }
}
