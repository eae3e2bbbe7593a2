//! Which device to run on: what the machine has, what the caller asked for, what was chosen and why.
//!
//! Plain data: `gpu` fills in the adapters, and [`DeviceChoice::select`] chooses among them.

mod peak;
mod precision;
mod shader_compiler;
mod without;

use std::fmt;
use std::str::FromStr;

pub use peak::Peak;
pub use precision::Precision;
pub use shader_compiler::ShaderCompiler;
pub use without::{Vectors, Without};

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
    /// Of a DX12 adapter, what compiles its shaders; others' drivers do that themselves.
    pub shader_compiler: Option<ShaderCompiler>,
    /// Limits that matter here, by name: bytes, invocations, counts.
    pub limits: Vec<(&'static str, u64)>,
    /// Optional abilities that sparsr can use and the adapter has.
    pub features: Vec<String>,
    /// Abilities that the adapter has, sparsr could use and leaves alone, and why.
    pub withheld: Vec<(Feature, &'static str)>,
}

/// Which features sparsr leaves alone, whatever adapter has them, where the driver goes by this name; and why.
const WITHHELD: &[(&str, Feature, &str)] = &[(
    "radv",
    Feature::CooperativeMatrices,
    "AMD's RADV had not compiled conv2d_cooperative after nine minutes (Mesa 25.0, navi31)",
)];

/// Why a feature is left alone on adapters of a driver, by the driver's own name alone, without its version.
pub(crate) fn withheld(driver: &str, feature: Feature) -> Option<&'static str> {
    let row = WITHHELD.iter().find(|(name, withheld, _)| (*name, *withheld) == (driver, feature));
    row.map(|(_, _, reason)| *reason)
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
    /// The best GPU, else the CPU: the CPU engine is faster than an adapter in software.
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
                return Err(Error::parse("auto, cpu, a number or a part of a name", text));
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
    /// [`Error::NoAdapter`] if none is what was asked for; it lists those there are.
    pub fn select(&self, adapters: &[AdapterInfo]) -> Result<Selection> {
        let chosen = |adapter: &AdapterInfo, reason: String| {
            Ok(Selection { device: Device::Gpu(adapter.clone()), reason })
        };
        match self {
            Self::Cpu => Ok(Selection { device: Device::Cpu, reason: "the CPU, as asked".into() }),
            Self::Auto => match best(adapters) {
                None => {
                    let refused = adapters.iter().find_map(AdapterInfo::refusal);
                    let why = refused.unwrap_or_else(|| "no GPU adapter was found".into());
                    Ok(Selection { device: Device::Cpu, reason: format!("the CPU: {why}") })
                }
                Some(AdapterInfo { index, name, kind: AdapterKind::Software, .. }) => {
                    let reason = format!(
                        "the CPU: no GPU was found, and {name}, an adapter in software, is slower; \
                         `--device {index}` takes it"
                    );
                    Ok(Selection { device: Device::Cpu, reason })
                }
                Some(adapter) => {
                    chosen(adapter, format!("{}: the first {} adapter", adapter.name, adapter.kind))
                }
            },
            Self::Index(index) => match adapters.iter().find(|adapter| adapter.index == *index) {
                Some(adapter) => {
                    chosen(usable(adapter)?, format!("{}: number {index}, as asked", adapter.name))
                }
                None => Err(absent(&format!("number {index}"), adapters)),
            },
            Self::Name(part) => {
                let wanted = part.to_lowercase();
                let named = |adapter: &&AdapterInfo| adapter.name.to_lowercase().contains(&wanted);
                let matching: Vec<AdapterInfo> = adapters.iter().filter(named).cloned().collect();
                match best(&matching).or(matching.first()) {
                    Some(adapter) => {
                        chosen(usable(adapter)?, format!("{}: its name has `{part}`", adapter.name))
                    }
                    None => Err(absent(&format!("`{part}`"), adapters)),
                }
            }
        }
    }

    /// Chooses an adapter for who needs one, to measure it or to test it: [`DeviceChoice::Auto`] is the best there is,
    /// one in software if there is no other.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none, and as [`DeviceChoice::select`]; for [`DeviceChoice::Cpu`] always.
    pub fn adapter(&self, adapters: &[AdapterInfo]) -> Result<AdapterInfo> {
        match (self, best(adapters)) {
            (Self::Auto, Some(adapter)) => Ok(adapter.clone()),
            (Self::Auto, None) => Err(Error::NoAdapter(
                "no GPU adapter was found; install a Vulkan driver (Debian: mesa-vulkan-drivers has one in \
                 software), or use the CPU engine"
                    .into(),
            )),
            _ => match self.select(adapters)?.device {
                Device::Gpu(adapter) => Ok(adapter),
                Device::Cpu => Err(Error::NoAdapter("expected a GPU, found the CPU".into())),
            },
        }
    }
}

/// Of those that are not refused, the first of the best kind; of a card that Vulkan and DX12 both show, Vulkan's.
fn best(adapters: &[AdapterInfo]) -> Option<&AdapterInfo> {
    let usable = adapters.iter().filter(|adapter| adapter.refusal().is_none());
    usable.min_by_key(|adapter| (adapter.kind, adapter.shader_compiler.is_some()))
}

/// The adapter, unless it is refused.
fn usable(adapter: &AdapterInfo) -> Result<&AdapterInfo> {
    adapter.refusal().map_or(Ok(adapter), |reason| Err(Error::NoAdapter(reason)))
}

fn absent(wanted: &str, adapters: &[AdapterInfo]) -> Error {
    let list: Vec<String> =
        adapters.iter().map(|adapter| format!("{} {}", adapter.index, adapter.name)).collect();
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    Error::NoAdapter(format!("no device {wanted}; there are: {list}; and `cpu`"))
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
            shader_compiler: None,
            limits,
            features,
            withheld: vec![],
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
    fn cooperative_matrices_are_withheld_on_radv_alone() {
        for (driver, feature, expected) in [
            ("radv", Feature::CooperativeMatrices, true),
            ("radv", Feature::Subgroups, false),
            ("radv", Feature::F16, false),
            ("AMD proprietary driver", Feature::CooperativeMatrices, false),
            ("AMD open-source driver", Feature::CooperativeMatrices, false),
            ("NVIDIA", Feature::CooperativeMatrices, false),
            ("llvmpipe", Feature::CooperativeMatrices, false),
            ("", Feature::CooperativeMatrices, false),
        ] {
            assert_eq!(withheld(driver, feature).is_some(), expected, "{driver}: {feature}");
        }
    }

    #[test]
    fn auto_takes_the_discrete_card_then_the_integrated_then_the_cpu() {
        let all = machine();
        assert_eq!(name("auto", &all), "RTX 4090");
        assert_eq!(name("auto", &all[..2]), "UHD 770");
        assert_eq!(name("auto", &all[..1]), "cpu");
        assert_eq!(name("auto", &[]), "cpu");
        let only_software = DeviceChoice::Auto.select(&all[..1]).unwrap();
        for part in ["the CPU", "llvmpipe", "software", "slower", "`--device 0`"] {
            assert!(only_software.reason.contains(part), "{part}: {}", only_software.reason);
        }
    }

    #[test]
    fn an_adapter_in_software_is_taken_by_name_and_by_who_needs_an_adapter() {
        let software = &machine()[..1];
        for choice in ["0", "llvm"] {
            assert_eq!(name(choice, software), "llvmpipe");
        }
        let adapter = |choice: &str, adapters: &[AdapterInfo]| {
            choice.parse::<DeviceChoice>().unwrap().adapter(adapters).map(|adapter| adapter.name)
        };
        assert_eq!(adapter("auto", software).unwrap(), "llvmpipe");
        assert_eq!(adapter("auto", &machine()).unwrap(), "RTX 4090");
        assert_eq!(adapter("1", &machine()).unwrap(), "UHD 770");
        assert_eq!(adapter("cpu", &machine()).unwrap_err().to_string(), "expected a GPU, found the CPU");
        assert!(
            adapter("auto", &[]).unwrap_err().to_string().starts_with("no GPU adapter was found; install")
        );
    }

    /// A machine with Windows: each card as Vulkan shows it, and after or before it as DX12 does.
    fn windows(compiler: ShaderCompiler) -> Vec<AdapterInfo> {
        let dx12 = |index, name, kind| AdapterInfo {
            backend: "dx12".into(),
            shader_compiler: Some(compiler),
            ..adapter(index, name, kind)
        };
        vec![
            dx12(0, "RTX 4090", AdapterKind::Discrete),
            adapter(1, "RTX 4090", AdapterKind::Discrete),
            adapter(2, "UHD 770", AdapterKind::Integrated),
            dx12(3, "UHD 770", AdapterKind::Integrated),
            dx12(4, "Arc A770", AdapterKind::Discrete),
        ]
    }

    fn number(choice: &str, adapters: &[AdapterInfo]) -> Result<usize> {
        match choice.parse::<DeviceChoice>()?.select(adapters)?.device {
            Device::Gpu(adapter) => Ok(adapter.index),
            Device::Cpu => panic!("a GPU is chosen"),
        }
    }

    #[test]
    fn of_a_card_that_vulkan_and_dx12_show_vulkan_s_is_taken() {
        for compiler in [ShaderCompiler::Dxc, ShaderCompiler::Fxc] {
            let all = windows(compiler);
            assert_eq!(number("auto", &all).unwrap(), 1);
            assert_eq!(number("uhd", &all).unwrap(), 2);
            assert_eq!(number("auto", &all[2..4]).unwrap(), 2);
        }
        let all = windows(ShaderCompiler::Dxc);
        assert_eq!(number("0", &all).unwrap(), 0, "as asked");
        assert_eq!(number("arc", &all).unwrap(), 4);
        assert_eq!(number("auto", &all[2..]).unwrap(), 4, "the better card counts more than the interface");
    }

    #[test]
    fn what_only_fxc_compiles_for_is_refused_by_name() {
        let all = windows(ShaderCompiler::Fxc);
        assert_eq!(number("auto", &all[2..]).unwrap(), 2, "the better card is not usable");
        for choice in ["4", "arc"] {
            let error = number(choice, &all).unwrap_err().to_string();
            assert!(error.starts_with("Arc A770 (dx12): ") && error.contains("dxcompiler.dll"), "{error}");
        }
        let alone = DeviceChoice::Auto.select(&all[4..]).unwrap();
        assert_eq!(alone.device, Device::Cpu);
        assert!(alone.reason.starts_with("the CPU: Arc A770 (dx12): "), "{}", alone.reason);
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
