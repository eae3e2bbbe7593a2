//! `sparsr devices`: what the program can run on, and what it takes when nothing is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use sparsr::low_level::cpu;
use sparsr::{AdapterInfo, Device, DeviceChoice, Selection, adapters};

use crate::{Result, terminal};

/// List what can be run on, and what `--device auto` takes
///
/// The CPU is always there, as `--device cpu`.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    devices: Vec<Adapter>,
    cpu: Processor,
    auto: Auto,
}

#[derive(Serialize)]
pub struct Adapter {
    index: usize,
    pub name: String,
    pub kind: String,
    pub backend: String,
    pub driver: String,
    /// Of a DX12 adapter: what compiles its shaders.
    shader_compiler: Option<String>,
    /// Why it is not used, and what to do.
    refused: Option<String>,
    limits: BTreeMap<&'static str, u64>,
    features: Vec<String>,
    /// Features that are there and not used, with the reason.
    withheld: BTreeMap<String, &'static str>,
}

#[derive(Serialize)]
struct Processor {
    /// What the CPU engine computes with.
    vectors: String,
}

#[derive(Serialize)]
struct Auto {
    /// What `--device` calls it: a number, or `cpu`.
    device: String,
    reason: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let adapters = adapters();
    let selection = DeviceChoice::Auto.select(&adapters)?;
    let report = Report {
        devices: adapters.into_iter().map(Adapter::from).collect(),
        cpu: Processor { vectors: cpu::vectors()?.to_string() },
        auto: Auto::from(selection),
    };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl From<AdapterInfo> for Adapter {
    fn from(adapter: AdapterInfo) -> Self {
        let refused = adapter.refusal();
        let AdapterInfo {
            index,
            name,
            backend,
            kind,
            driver,
            shader_compiler,
            limits,
            features,
            withheld,
            ..
        } = adapter;
        Self {
            index,
            name,
            kind: kind.to_string(),
            backend,
            driver,
            shader_compiler: shader_compiler.map(|compiler| compiler.to_string()),
            refused,
            limits: limits.into_iter().collect(),
            features,
            withheld: withheld.into_iter().map(|(feature, reason)| (feature.to_string(), reason)).collect(),
        }
    }
}

impl Adapter {
    /// A line for each limit, and for each feature that is not used.
    pub fn to_text(&self) -> String {
        let Self { index, name, kind, backend, driver, shader_compiler, refused, limits, features, withheld } =
            self;
        let compiler =
            shader_compiler.as_ref().map_or(String::new(), |compiler| format!(", shaders by {compiler}"));
        let mut text = format!("{index:>3}  {name}  ({kind}, {backend}, {driver}{compiler})\n");
        if let Some(reason) = refused {
            writeln!(text, "       not used: {reason}").expect("a string takes all");
        }
        for (limit, value) in limits {
            writeln!(text, "       {limit:<44} {value:>12}").expect("a string takes all");
        }
        writeln!(text, "       features: {}", features.join(", ")).expect("a string takes all");
        for (feature, reason) in withheld {
            writeln!(text, "       not used: {feature}: {reason}").expect("a string takes all");
        }
        text
    }
}

impl From<Selection> for Auto {
    fn from(selection: Selection) -> Self {
        let device = match selection.device {
            Device::Cpu => "cpu".to_owned(),
            Device::Gpu(adapter) => adapter.index.to_string(),
        };
        Self { device, reason: selection.reason }
    }
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = String::new();
        self.devices.iter().for_each(|adapter| text += &adapter.to_text());
        let (Auto { device, reason }, vectors) = (&self.auto, &self.cpu.vectors);
        write!(text, "cpu  every machine's ({vectors})\n\nauto takes {device}: {reason}\n")
            .expect("a string takes all");
        text
    }
}
