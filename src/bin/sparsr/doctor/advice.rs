//! What to do about what was found, in plain sentences.

use std::collections::BTreeSet;

use sparsr::{AdapterInfo, AdapterKind};

use super::{Checked, Row, Verdict};

/// Bytes below which most pictures pass in tiles.
const LITTLE: u64 = 512 << 20;

/// Makers of graphics cards by their PCI number, and where their drivers come from.
const MAKERS: &[(&str, &str, &str)] = &[
    ("0x10de", "NVIDIA", "NVIDIA's own driver (Debian: nvidia-driver, Ubuntu: ubuntu-drivers install)"),
    (
        "0x1002",
        "AMD",
        "Mesa's Vulkan driver (Debian, Ubuntu, Fedora: mesa-vulkan-drivers, Arch: vulkan-radeon)",
    ),
    (
        "0x8086",
        "Intel",
        "Mesa's Vulkan driver (Debian, Ubuntu, Fedora: mesa-vulkan-drivers, Arch: vulkan-intel)",
    ),
];

/// `all`: whether every adapter of the machine was looked at.
pub fn all(adapters: &[AdapterInfo], devices: &[Checked], cpu: &[Row], all: bool) -> Vec<String> {
    let mut advice = Vec::new();
    if all && adapters.iter().all(|adapter| adapter.kind == AdapterKind::Software) {
        advice.push(driver(adapters.is_empty(), &cards()));
    }
    for (adapter, checked) in adapters.iter().zip(devices) {
        advice.extend(of_device(adapter, checked));
    }
    if cpu.iter().any(|row| row.result != Verdict::Ok) {
        advice.push(
            "The CPU engine is wrong: please report that with what `sparsr doctor --json` prints.".into(),
        );
    }
    advice
}

/// What to install where there is no GPU to be seen.
fn driver(none: bool, cards: &BTreeSet<String>) -> String {
    let found = if none {
        "No adapter was found, so pictures are computed on the CPU engine"
    } else {
        "There is only an adapter in software, and `auto` takes the CPU engine, which is faster"
    };
    let named = |(number, maker, driver): &(&str, &str, &str)| {
        cards.contains(*number).then(|| format!("for the card of {maker} install {driver}"))
    };
    let known: Vec<String> = MAKERS.iter().filter_map(named).collect();
    if !known.is_empty() {
        return format!("{found}: {}.", known.join("; "));
    }
    let drivers: Vec<String> = MAKERS.iter().map(|(_, maker, driver)| format!("{maker}: {driver}")).collect();
    format!("{found}. If this machine has a graphics card, install its driver: {}.", drivers.join("; "))
}

fn of_device(adapter: &AdapterInfo, checked: &Checked) -> Vec<String> {
    if let Some(reason) = adapter.refusal() {
        return vec![format!("{reason}.")];
    }
    let mut advice = Vec::new();
    let name = &adapter.name;
    let limit =
        |wanted: &str| adapter.limits.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, value)| *value);
    let has = |feature: &str| adapter.features.iter().any(|name| name == feature);
    let wrong: BTreeSet<&str> = (checked.tests.iter())
        .filter(|row| matches!(row.result, Verdict::Wrong | Verdict::Failed))
        .map(|row| row.tier.as_str())
        .collect();
    for tier in wrong {
        let then = if tier == "portable" {
            "do not use it: choose --device cpu"
        } else {
            "sparsr does without them"
        };
        advice.push(format!(
            "{name}: its {tier} kernels are wrong. Update the driver; until then {then}. Please report it with what \
             `sparsr doctor --json` prints."
        ));
    }
    let [least, most] = ["subgroup_min", "subgroup_max"].map(limit);
    if has("subgroup") && least != most {
        advice.push(format!(
            "{name}: its subgroups have {least} to {most} lanes, and a kernel is not told how many: those that need \
             subgroups are not used."
        ));
    }
    if (1..LITTLE).contains(&checked.memory) {
        let mebibytes = checked.memory >> 20;
        advice.push(format!(
            "{name}: {mebibytes} MiB are little: larger pictures pass in tiles, which costs time. --memory says how much \
             may be used."
        ));
    }
    if !has("timestamp-query") {
        advice.push(format!(
            "{name}: it has no timestamp queries, so `sparsr upscale --profile` does not work on it."
        ));
    }
    advice
}

/// The PCI numbers of the makers of this machine's graphics cards, as Linux tells them.
fn cards() -> BTreeSet<String> {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let devices = std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten();
    let displays = devices.filter(|device| read(device.path().join("class")).starts_with("0x03"));
    displays.map(|device| read(device.path().join("vendor"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_named_for_the_card_that_is_there() {
        let nvidia = driver(false, &BTreeSet::from(["0x10de".into(), "0x1234".into()]));
        assert!(nvidia.contains("nvidia-driver") && !nvidia.contains("Mesa"), "{nvidia}");
        let unknown = driver(true, &BTreeSet::new());
        assert!(unknown.contains("nvidia-driver") && unknown.contains("vulkan-radeon"), "{unknown}");
    }
}
