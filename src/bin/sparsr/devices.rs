//! `sparsr devices`: what the program can run on, and what it takes when nothing is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
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
    auto: Auto,
}

#[derive(Serialize)]
pub struct Adapter {
    index: usize,
    pub name: String,
    pub kind: String,
    pub backend: String,
    pub driver: String,
    limits: BTreeMap<&'static str, u64>,
    features: Vec<String>,
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
    let report =
        Report { devices: adapters.into_iter().map(Adapter::from).collect(), auto: Auto::from(selection) };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_text() };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl From<AdapterInfo> for Adapter {
    fn from(adapter: AdapterInfo) -> Self {
        let AdapterInfo { index, name, backend, kind, driver, limits, features, .. } = adapter;
        Self {
            index,
            name,
            kind: kind.to_string(),
            backend,
            driver,
            limits: limits.into_iter().collect(),
            features,
        }
    }
}

impl Adapter {
    /// A line for each limit.
    pub fn to_text(&self) -> String {
        let Self { index, name, kind, backend, driver, limits, features } = self;
        let mut text = format!("{index:>3}  {name}  ({kind}, {backend}, {driver})\n");
        for (limit, value) in limits {
            writeln!(text, "       {limit:<44} {value:>12}").expect("a string takes all");
        }
        text + &format!("       features: {}\n", features.join(", "))
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
        let Auto { device, reason } = &self.auto;
        write!(text, "cpu  every machine's\n\nauto takes {device}: {reason}\n").expect("a string takes all");
        text
    }
}
