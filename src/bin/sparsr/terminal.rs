//! What a person sees: progress on a terminal, sentences on standard error, results on standard output.
//!
//! Progress draws itself only where standard error is a terminal, so a pipe stays quiet.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sparsr::Cancel;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::{Result, memory};

static PROGRESS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Whether standard error has events, a JSON object a line, and nothing else.
static EVENTS: AtomicBool = AtomicBool::new(false);

/// Warnings that nobody has taken yet, the oldest first; no more than [`HELD`].
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

const HELD: usize = 1000;

/// From now on tells events.
pub fn tell_events() {
    EVENTS.store(true, Ordering::Relaxed);
}

/// An event, where those are told.
pub fn event(name: &str, mut fields: serde_json::Value) {
    if EVENTS.load(Ordering::Relaxed) {
        fields["v"] = 1.into();
        fields["event"] = name.into();
        // A line that cannot be shown is no failure of the work.
        let _ = writeln!(io::stderr(), "{fields}");
    }
}

/// The exit status of what Ctrl-C ended: 128 and the signal's number.
pub const INTERRUPTED: u8 = 130;

/// The first Ctrl-C, or SIGTERM, asks runs to end, and says how; the second ends the program.
pub fn end_on_interrupt(how: &'static str) -> Result<Cancel> {
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let waits = ctrlc::set_handler(move || {
        if asked.is_cancelled() {
            std::process::exit(INTERRUPTED.into());
        }
        asked.cancel();
        tell(how);
    });
    match waits {
        Err(ctrlc::Error::System(error)) => Err(memory::no_thread(&error).into()),
        waits => Ok(waits.map(|()| cancel)?),
    }
}

/// Takes those of the logged warnings of which `is_mine` says so.
pub fn take_warnings(is_mine: impl Fn(&str) -> bool) -> Vec<String> {
    let mut warnings = WARNINGS.lock().expect("no thread panics with it");
    warnings.extract_if(.., |warning| is_mine(warning)).collect()
}

/// A bar over `len` pictures, if it is known how many there are.
pub fn progress(len: impl Into<Option<usize>>) -> ProgressBar {
    let style = "{spinner} {msg}  {pos}/{len}  {elapsed}";
    let bar =
        PROGRESS.add(len.into().map_or_else(ProgressBar::no_length, |len| ProgressBar::new(len as u64)));
    bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(100)); // a thread of its own
    }
    bar
}

/// A line about what was done, for whoever watches.
pub fn tell(line: &str) {
    // Hidden where there is no terminal; a line that cannot be shown is no failure of the work.
    let _ = PROGRESS.println(line);
}

/// Something longer that was asked for beside the result.
pub fn explain(text: &str) {
    if EVENTS.load(Ordering::Relaxed) {
        return event("text", serde_json::json!({ "text": text }));
    }
    PROGRESS.suspend(|| drop(write!(io::stderr(), "{text}")));
}

/// `error: …`, always.
pub fn complain(sentence: &str) {
    if EVENTS.load(Ordering::Relaxed) {
        return event("error", serde_json::json!({ "text": sentence }));
    }
    // Where nobody hears, the exit status still tells.
    PROGRESS.suspend(|| drop(writeln!(io::stderr(), "error: {sentence}")));
}

/// Writes a result to standard output. A reader that has seen enough (`| head`) is no error.
pub fn print(result: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(result).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Sends the log to standard error: warnings, or what `SPARSR_LOG` asks for.
pub fn start_log() {
    let filter = EnvFilter::try_from_env("SPARSR_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Sentence)
        .with_writer(|| AboveProgress)
        .init();
}

/// Log lines in the manner of the program's errors: `warning: …`.
struct Sentence;

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "note",
            _ => "debug",
        };
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        if EVENTS.load(Ordering::Relaxed) {
            let line = serde_json::json!({ "v": 1, "event": word, "text": text });
            writeln!(writer, "{line}")?;
        } else {
            writeln!(writer, "{word}: {text}")?;
        }
        if *event.metadata().level() == Level::WARN {
            let mut warnings = WARNINGS.lock().map_err(|_| fmt::Error)?;
            if warnings.len() < HELD {
                warnings.push(text);
            }
        }
        Ok(())
    }
}

/// Standard error, with the progress bars out of the way while it is written to.
struct AboveProgress;

impl Write for AboveProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        PROGRESS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
