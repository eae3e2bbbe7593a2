//! The library's log, a line an event: the message, then the fields.

use std::fmt::{self, Write};

pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Event, Metadata, Subscriber};

/// Tells of every event from now on that is as important as `most`, on the thread that it comes from.
///
/// # Errors
/// If the process has a log of `tracing` already.
pub fn begin(
    most: Level,
    tell: impl Fn(Level, String) + Send + Sync + 'static,
) -> Result<(), SetGlobalDefaultError> {
    set_global_default(Log { most, tell })
}

struct Log<T> {
    most: Level,
    tell: T,
}

impl<T: Fn(Level, String) + 'static> Subscriber for Log<T> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most && metadata.target().starts_with("sparsr")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most.into())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        (self.tell)(*event.metadata().level(), line.0);
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
