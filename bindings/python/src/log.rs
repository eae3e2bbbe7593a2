//! The library's log as Python's: the logger `sparsr` of `logging` has its warnings and what it chose.

use pyo3::prelude::*;
use sparsr_bindings::log::{self, Level};

/// The least important that is passed on. What is below it is for who works on the library, and costs time.
const LEAST: Level = Level::INFO;

/// From now on. Events come from any thread, and none holds a lock of the library's then that somebody with Python's waits for: no
/// call of the library's is made with that.
pub(crate) fn begin() {
    // Refused where a log is there already: this module's, of an interpreter before.
    let _ = log::begin(LEAST, |level, line| {
        let level = match level {
            Level::ERROR => 40,
            Level::WARN => 30,
            _ => 20,
        };
        // None: the interpreter ends, and hears no more.
        Python::try_attach(|py| {
            if let Err(error) = tell(py, level, &line) {
                error.write_unraisable(py, None);
            }
        });
    });
}

/// A line is given as an argument, since a `%` in it means nothing.
fn tell(py: Python<'_>, level: u32, line: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("sparsr",))?;
    logger.call_method1("log", (level, "%s", line)).map(drop)
}
