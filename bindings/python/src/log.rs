//! The library's log as Python's: the logger `sparsr` of `logging` has its warnings and what it chose.

use std::fmt::{self, Write};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The least important that is passed on. What is below it is for who works on the library, and costs time.
const LEAST: Level = Level::INFO;

/// From now on.
pub(crate) fn begin() {
    // Refused where a log is there already: this module's, of an interpreter before.
    let _ = tracing::subscriber::set_global_default(Log);
}

/// Events come from any thread, and none holds a lock of the library's then that somebody with Python's waits for: no call
/// of the library's is made with that.
struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= LEAST && metadata.target().starts_with("sparsr")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LEAST.into())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            _ => 20,
        };
        // None: the interpreter ends, and hears no more.
        Python::try_attach(|py| {
            if let Err(error) = tell(py, level, &line.0) {
                error.write_unraisable(py, None);
            }
        });
    }

    // The library has no spans.

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line is given as an argument, since a `%` in it means nothing.
fn tell(py: Python<'_>, level: u32, line: &str) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("sparsr",))?;
    logger.call_method1("log", (level, "%s", line)).map(drop)
}

/// The message, then the fields.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}
