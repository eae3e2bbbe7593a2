//! A profile in words: a line a part of the network, those that took longest first.

use std::fmt::Write as _;

use serde_json::json;
use sparsr::{Peak, Profile, ProfileRow};

/// What the columns of shares mean.
const LEGEND: &str = "\
of peak: multiply-adds needed and bytes moved at least, each a second, of the device's best; the greater is the roofline's.
Winograd's algorithm makes do with fewer multiply-adds, caches are faster than memory, and what a mask leaves out is not
moved: both may exceed 100 %.";

/// `name` is the picture's.
pub fn table(name: &str, device: &str, profile: &Profile) -> String {
    let total = profile.total();
    let width = profile.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{name}: {:.1} ms on {device} in {}, {:.0} % of the dense network's multiply-adds needed, {:.3} pixels computed for \
         each\n\
         peak: {}\n\n\
         {:<width$}  time ms  share  dispatches     MMAC  GMAC/s  of peak      MiB   GB/s  of peak  kernels\n",
        1e3 * total.time.as_secs_f64(),
        profile.precision,
        100.0 * profile.macs_kept,
        profile.recomputed,
        describe(profile.peak.as_ref()),
        "",
    );
    for row in profile.rows.iter().chain([&total]) {
        let ProfileRow { name, dispatches, macs, bytes, .. } = row;
        let (seconds, bytes) = (row.time.as_secs_f64(), *bytes as f64);
        let roofline = profile.peak.and_then(|peak| row.roofline(&peak));
        writeln!(
            text,
            "{name:<width$}  {:>7.2}  {:>4.1}%  {dispatches:>10}  {:>7.1}  {:>6}  {:>7}  {:>7.2}  {:>5}  {:>7}  {}",
            1e3 * seconds,
            share(seconds, total.time.as_secs_f64()),
            macs / 1e6,
            rate(*macs, seconds),
            percent(roofline.map(|roofline| roofline.multiply_adds)),
            bytes / f64::from(1 << 20),
            rate(bytes, seconds),
            percent(roofline.map(|roofline| roofline.bytes)),
            kernels(row),
        )
        .expect("a string takes all");
    }
    if profile.peak.is_some() {
        writeln!(text, "\n{LEGEND}").expect("a string takes all");
    }
    text
}

/// The same for programs: times in seconds, multiply-adds, bytes.
pub fn json(profile: &Profile) -> serde_json::Value {
    let row = |row: &ProfileRow| {
        let kernels: Vec<_> =
            row.kernels.iter().map(|(kernel, time)| json!([kernel, time.as_secs_f64()])).collect();
        let ProfileRow { name, dispatches, macs, bytes, time, .. } = row;
        let seconds = time.as_secs_f64();
        json!({
            "name": name, "dispatches": dispatches, "seconds": seconds, "macs": macs, "bytes": bytes, "kernels": kernels,
        })
    };
    let peak = profile.peak.map(|peak| {
        json!({
            "multiply_adds_per_second": peak.multiply_adds_per_second, "f16": peak.f16, "cooperative": peak.cooperative,
            "bytes_per_second": peak.bytes_per_second,
        })
    });
    json!({
        "precision": profile.precision.to_string(),
        "macs_kept": profile.macs_kept,
        "recomputed": profile.recomputed,
        "peak": peak,
        "total": row(&profile.total()),
        "rows": profile.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A peak in a line.
pub fn describe(peak: Option<&Peak>) -> String {
    let Some(peak) = peak else { return "unknown: it could not be measured".into() };
    let giga = |rate: f64| format!("{:.1}", rate / 1e9);
    let of = |kind: &str, rate: Option<f64>| {
        rate.map_or(String::new(), |rate| format!(", {} GMAC/s {kind}", giga(rate)))
    };
    format!(
        "{} GMAC/s in f32{}{}, {} GB/s copied",
        giga(peak.multiply_adds_per_second),
        of("in f16", peak.f16),
        of("by cooperative matrices", peak.cooperative),
        giga(peak.bytes_per_second),
    )
}

/// Those that took a twentieth of the row's time or more, with their share where there are several.
fn kernels(row: &ProfileRow) -> String {
    let all = row.time.as_secs_f64();
    let shares = row.kernels.iter().map(|(kernel, time)| (kernel, share(time.as_secs_f64(), all)));
    let shares: Vec<String> = shares
        .filter(|(_, share)| *share >= 5.0)
        .map(|(kernel, share)| if share < 99.5 { format!("{kernel} {share:.0}%") } else { (*kernel).into() })
        .collect();
    shares.join(", ")
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

/// In thousands of millions a second; nothing for what took no time or did nothing.
fn rate(amount: f64, seconds: f64) -> String {
    if amount > 0.0 && seconds > 0.0 { format!("{:.1}", amount / seconds / 1e9) } else { String::new() }
}

/// A share in percent; nothing for what is unknown or nothing.
fn percent(share: Option<f64>) -> String {
    share.filter(|share| *share > 0.0).map_or(String::new(), |share| format!("{:.1}%", 100.0 * share))
}
