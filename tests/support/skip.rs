//! What a test could not look at on this machine: a passing test's own words are swallowed by the harness, so they also go
//! to the file that `tests/run.sh` names and prints at its end.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;

/// The variable that names the file.
const SKIPS: &str = "SPARSR_SKIPS";

/// Says that something is skipped, and why.
pub fn told(what: impl Display) {
    eprintln!("skipped: {what}");
    let Some(path) = std::env::var_os(SKIPS) else { return };
    // One write a line, since tests run beside each other.
    let line = format!("{what}\n");
    let file = File::options().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
