//! What a training says: to `train.log` in the form that BasicSR's users know, to a person above the bar, and as events.
//!
//! ```text
//!   2026-11-28 18:40:01,123 INFO: [edsrm..][epoch:  3, iter:  12,300, lr:(1.000e-04,)] [eta: 2:10:11, time (data): 0.110 (0.002)] l_total: 2.3100e+00
//! ```
//!
//! Times of day are UTC.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Result, terminal};

pub struct Log {
    path: PathBuf,
    file: File,
}

/// What is told of the iterations since the last time.
pub struct Told<'a> {
    pub name: &'a str,
    pub epoch: u64,
    pub iter: u64,
    pub rate: f64,
    /// Seconds that are left.
    pub eta: f64,
    /// Seconds of an iteration, and of these what waiting for pictures took.
    pub seconds: [f64; 2],
    pub numbers: Vec<(&'a str, f64)>,
}

impl Log {
    /// Goes on with a file, if there is one.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub fn info(&mut self, sentence: &str) -> Result<()> {
        terminal::tell(sentence);
        self.write("INFO", sentence)
    }

    pub fn error(&mut self, sentence: &str) -> Result<()> {
        self.write("ERROR", sentence)
    }

    fn write(&mut self, level: &str, sentence: &str) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{} {level}: {sentence}\n", stamp(since.as_millis() as u64));
        let written = self.file.write_all(line.as_bytes());
        Ok(written.map_err(|error| format!("{}: {error}", self.path.display()))?)
    }
}

impl Told<'_> {
    pub fn line(&self) -> String {
        let Self { name, epoch, iter, rate, eta, seconds: [whole, data], numbers } = self;
        let name: String = name.chars().take(5).collect();
        let (iter, rate, eta) = (thousands(*iter), scientific(*rate, 3), span(*eta));
        let mut line = format!(
            "[{name}..][epoch:{epoch:3}, iter:{iter:>8}, lr:({rate},)] [eta: {eta}, time (data): {whole:.3} ({data:.3})]"
        );
        for (name, number) in numbers {
            let _ = write!(line, " {name}: {}", scientific(*number, 4));
        }
        line
    }
}

/// `1.000e-04`: the power of ten with a sign and two digits, as Python writes it.
fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    match text.split_once('e').map(|(mantissa, power)| (mantissa, power.parse::<i32>())) {
        Some((mantissa, Ok(power))) => format!("{mantissa}e{power:+03}"),
        _ => text,
    }
}

/// `12,300`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2:10:11`, and days before it.
pub fn span(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) as u64 } else { 0 };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let clock = format!("{hours}:{minutes:02}:{:02}", seconds % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// `2026-11-28 18:40:01,123`, of milliseconds since 1970. The year begins in March here, so that leap days end it.
fn stamp(milliseconds: u64) -> String {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let days = seconds / 86_400 + 719_468; // since the first of March of the year 0
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (400 * era + year + u64::from(month >= 10), (month + 2) % 12 + 1);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{milliseconds:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_basicsr_writes_it() {
        let mut told = Told {
            name: "edsrmini-x2",
            epoch: 3,
            iter: 12_300,
            rate: 1e-4,
            eta: 7811.0,
            seconds: [0.11, 0.002],
            numbers: vec![("l_total", 0.0231), ("grad_norm", 12.5)],
        };
        let head =
            "[edsrm..][epoch:  3, iter:  12,300, lr:(1.000e-04,)] [eta: 2:10:11, time (data): 0.110 (0.002)]";
        assert_eq!(told.line(), format!("{head} l_total: 2.3100e-02 grad_norm: 1.2500e+01"));
        (told.name, told.iter, told.rate, told.numbers) = ("a", 5, 0.0, vec![]);
        assert_eq!(
            told.line(),
            "[a..][epoch:  3, iter:       5, lr:(0.000e+00,)] [eta: 2:10:11, time (data): 0.110 (0.002)]"
        );
    }

    #[test]
    fn numbers_and_times_are_written_for_people() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(thousands(number), expected);
        }
        for (seconds, expected) in [
            (0.0, "0:00:00"),
            (59.9, "0:00:59"),
            (90_061.0, "1 day, 1:01:01"),
            (200_000.0, "2 days, 7:33:20"),
            (f64::NAN, "0:00:00"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    /// Python: `datetime.fromtimestamp(t / 1000, timezone.utc)`.
    #[test]
    fn stamps_are_right_across_leap_days() {
        for (milliseconds, expected) in [
            (0, "1970-01-01 00:00:00,000"),
            (951_782_399_999, "2000-02-28 23:59:59,999"),
            (951_782_400_000, "2000-02-29 00:00:00,000"),
            (951_868_800_000, "2000-03-01 00:00:00,000"),
            (1_795_891_201_123, "2026-11-28 18:40:01,123"),
            (4_107_542_400_000, "2100-03-01 00:00:00,000"),
        ] {
            assert_eq!(stamp(milliseconds), expected);
        }
    }
}
