//! `sparsr models`: the networks that are part of the program, and the architectures that it knows.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use sparsr::Model;
use sparsr::low_level::models::{Known, architectures};

use crate::{Result, terminal};

/// List the built-in networks and the architectures that checkpoints are recognised as
///
/// An architecture is recognised by the names of its tensors, of which typical ones are shown; sizes and scale come
/// from the tensors' shapes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sparsr models\n  sparsr models --json")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    built_in: Vec<BuiltIn>,
    architectures: Vec<Architecture>,
}

#[derive(Serialize)]
struct BuiltIn {
    name: String,
    architecture: String,
    description: String,
    scale: usize,
    parameters: usize,
}

#[derive(Serialize)]
struct Architecture {
    name: &'static str,
    title: &'static str,
    /// Typical tensors, a list a scheme of names.
    keys: Vec<Vec<&'static str>>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let report = Report::new()?;
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Report {
    fn new() -> Result<Self> {
        let built_in = |name: &&str| {
            let model = Model::builtin(name)?;
            Ok(BuiltIn {
                name: model.name().into(),
                architecture: model.architecture().into(),
                description: model.description(),
                scale: model.scale(),
                parameters: model.parameters(),
            })
        };
        let architecture = |Known { name, title, keys, .. }| Architecture {
            name,
            title,
            keys: keys.iter().map(|scheme| scheme.split(' ').collect()).collect(),
        };
        Ok(Self {
            built_in: Model::builtin_names().iter().map(built_in).collect::<Result<_>>()?,
            architectures: architectures().map(architecture).collect(),
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::from("built in\n");
        for BuiltIn { name, architecture, description, scale, parameters } in &self.built_in {
            writeln!(text, "  {name}  {architecture} x{scale}, {description}, {parameters} parameters")
                .expect("a string takes all");
        }
        text += "\nrecognised, by tensors such as\n";
        let width = self.architectures.iter().map(|known| known.name.len()).max().unwrap_or(0);
        for Architecture { name, title, keys } in &self.architectures {
            writeln!(text, "  {name:<width$}  {title}").expect("a string takes all");
            for scheme in keys {
                writeln!(text, "  {:<width$}    {}", "", scheme.join(", ")).expect("a string takes all");
            }
        }
        text
    }
}
