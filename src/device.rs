//! Which device to run on: what the machine has, what the caller asked for, what was chosen and why.
//!
//! Plain data: `gpu` fills in the adapters, and [`DeviceChoice::select`] chooses among them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What kind of device an adapter is. In the order in which `auto` prefers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A program that plays a GPU on the processor.
    Software,
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
        })
    }
}

/// One adapter: a GPU as one backend shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterInfo {
    /// Its place in the list, as `--device <INDEX>` takes it.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// The graphics interface: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// What kind of device.
    pub kind: AdapterKind,
    /// The driver and its version.
    pub driver: String,
    /// Limits that matter here, by name: bytes, invocations, counts.
    pub limits: Vec<(&'static str, u64)>,
    /// Optional abilities that sparsr can use and the adapter has.
    pub features: Vec<String>,
}

/// An ability that not every device has, and that some kernels need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Feature {
    /// Threads of a subgroup exchange numbers.
    Subgroups,
    /// 16-bit floating point in shaders and buffers.
    F16,
    /// A subgroup multiplies small matrices.
    CooperativeMatrices,
}

impl Feature {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Subgroups, Self::F16, Self::CooperativeMatrices];
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Subgroups => "subgroups",
            Self::F16 => "f16",
            Self::CooperativeMatrices => "cooperative-matrices",
        })
    }
}

/// Kernels that stand or fall together: those that every device runs, or those that need a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// What every device runs.
    Portable,
    /// What needs this feature, and perhaps those before it in [`Feature::ALL`].
    Needs(Feature),
}

impl Tier {
    /// Every one, each after those that it may build on.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Portable).chain(Feature::ALL.map(Self::Needs))
    }

    /// The tier of a kernel that needs these features.
    pub fn of(needs: &[Feature]) -> Self {
        needs.iter().max().map_or(Self::Portable, |feature| Self::Needs(*feature))
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Portable => f.pad("portable"),
            Self::Needs(feature) => feature.fmt(f),
        }
    }
}

/// What the caller asked for.
///
/// Parsed from `auto`, `cpu`, a number, or a part of an adapter's name in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best adapter, else the CPU.
    #[default]
    Auto,
    /// The CPU engine.
    Cpu,
    /// The adapter at this place in the list.
    Index(usize),
    /// The best adapter whose name has this part.
    Name(String),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.trim() {
            "" => {
                return Err(Error::Unsupported("an empty device name; try `auto`, `cpu` or a number".into()));
            }
            text if text.eq_ignore_ascii_case("auto") => Self::Auto,
            text if text.eq_ignore_ascii_case("cpu") => Self::Cpu,
            text => text.parse().map_or_else(|_| Self::Name(text.into()), Self::Index),
        })
    }
}

/// A device to open.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// The CPU engine.
    Cpu,
    /// An adapter.
    Gpu(AdapterInfo),
}

/// What was chosen, and why in one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The device.
    pub device: Device,
    /// The reason.
    pub reason: String,
}

impl DeviceChoice {
    /// Chooses among the machine's adapters.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if none is what was asked for; it lists those there are.
    pub fn select(&self, adapters: &[AdapterInfo]) -> Result<Selection> {
        let chosen = |adapter: &AdapterInfo, reason: String| {
            Ok(Selection { device: Device::Gpu(adapter.clone()), reason })
        };
        match self {
            Self::Cpu => Ok(Selection { device: Device::Cpu, reason: "the CPU, as asked".into() }),
            Self::Auto => match best(adapters) {
                None => {
                    Ok(Selection { device: Device::Cpu, reason: "the CPU: no GPU adapter was found".into() })
                }
                Some(adapter) if adapter.kind == AdapterKind::Software => {
                    chosen(adapter, format!("{}: a software adapter, no GPU was found", adapter.name))
                }
                Some(adapter) => {
                    chosen(adapter, format!("{}: the first {} adapter", adapter.name, adapter.kind))
                }
            },
            Self::Index(index) => match adapters.iter().find(|adapter| adapter.index == *index) {
                Some(adapter) => chosen(adapter, format!("{}: number {index}, as asked", adapter.name)),
                None => Err(absent(&format!("number {index}"), adapters)),
            },
            Self::Name(part) => {
                let wanted = part.to_lowercase();
                let named = |adapter: &&AdapterInfo| adapter.name.to_lowercase().contains(&wanted);
                let matching: Vec<AdapterInfo> = adapters.iter().filter(named).cloned().collect();
                match best(&matching) {
                    Some(adapter) => chosen(adapter, format!("{}: its name has `{part}`", adapter.name)),
                    None => Err(absent(&format!("`{part}`"), adapters)),
                }
            }
        }
    }
}

/// The first of the best kind.
fn best(adapters: &[AdapterInfo]) -> Option<&AdapterInfo> {
    adapters.iter().min_by_key(|adapter| adapter.kind)
}

fn absent(wanted: &str, adapters: &[AdapterInfo]) -> Error {
    let list: Vec<String> =
        adapters.iter().map(|adapter| format!("{} {}", adapter.index, adapter.name)).collect();
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    Error::Unsupported(format!("no device {wanted}; there are: {list}; and `cpu`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: AdapterKind) -> AdapterInfo {
        let (limits, features) = (vec![], vec![]);
        AdapterInfo {
            index,
            name: name.into(),
            backend: "vulkan".into(),
            kind,
            driver: String::new(),
            limits,
            features,
        }
    }

    fn machine() -> Vec<AdapterInfo> {
        vec![
            adapter(0, "llvmpipe", AdapterKind::Software),
            adapter(1, "UHD 770", AdapterKind::Integrated),
            adapter(2, "RTX 4090", AdapterKind::Discrete),
        ]
    }

    fn name(choice: &str, adapters: &[AdapterInfo]) -> String {
        match choice.parse::<DeviceChoice>().unwrap().select(adapters) {
            Ok(Selection { device: Device::Gpu(adapter), .. }) => adapter.name,
            Ok(Selection { device: Device::Cpu, .. }) => "cpu".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn auto_takes_the_discrete_card_then_the_integrated_then_software_then_the_cpu() {
        let all = machine();
        assert_eq!(name("auto", &all), "RTX 4090");
        assert_eq!(name("auto", &all[..2]), "UHD 770");
        assert_eq!(name("auto", &all[..1]), "llvmpipe");
        assert_eq!(name("auto", &[]), "cpu");
        let only_software = DeviceChoice::Auto.select(&all[..1]).unwrap();
        assert!(only_software.reason.contains("software"), "{}", only_software.reason);
    }

    #[test]
    fn a_device_is_named_by_number_or_part_of_its_name() {
        assert_eq!(name("1", &machine()), "UHD 770");
        assert_eq!(name("rtx", &machine()), "RTX 4090");
        assert_eq!(name("CPU", &machine()), "cpu");
        assert_eq!(
            name("7", &machine()),
            "no device number 7; there are: 0 llvmpipe, 1 UHD 770, 2 RTX 4090; and `cpu`"
        );
        assert_eq!(name("radeon", &[]), "no device `radeon`; there are: none; and `cpu`");
    }
}
