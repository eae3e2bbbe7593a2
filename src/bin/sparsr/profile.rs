//! A profile in words: a line a part of the network, those that took longest first.

use std::fmt::Write as _;

use sparsr::{Profile, ProfileRow};

/// `name` is the picture's.
pub fn table(name: &str, device: &str, profile: &Profile) -> String {
    let total = profile.total();
    let width = profile.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{name}: {:.1} ms on {device}, {:.0} % of the dense network's multiply-adds needed, {:.3} pixels computed for \
         each\n\n\
         {:<width$}  time ms  share  dispatches     MMAC  GMAC/s      MiB   GB/s  kernels\n",
        1e3 * total.time.as_secs_f64(),
        100.0 * profile.macs_kept,
        profile.recomputed,
        "",
    );
    for row in profile.rows.iter().chain([&total]) {
        let ProfileRow { name, dispatches, macs, bytes, .. } = row;
        let (seconds, bytes) = (row.time.as_secs_f64(), *bytes as f64);
        writeln!(
            text,
            "{name:<width$}  {:>7.2}  {:>4.1}%  {dispatches:>10}  {:>7.1}  {:>6}  {:>7.2}  {:>5}  {}",
            1e3 * seconds,
            share(seconds, total.time.as_secs_f64()),
            macs / 1e6,
            rate(*macs, seconds),
            bytes / f64::from(1 << 20),
            rate(bytes, seconds),
            kernels(row),
        )
        .expect("a string takes all");
    }
    text
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
