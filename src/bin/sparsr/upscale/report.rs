//! What a batch says while it goes on: a bar and sentences for a person, or records and events for a program.
//!
//! Records (`--json`) go to standard output, one JSON object a picture and a line, when the picture is done. Events
//! (`--progress json`) go to standard error, one object a line, and then nothing else does:
//!
//! ```text
//!   {"v":1,"event":"start","pictures":3,"skipped":1}
//!   {"v":1,"event":"picture","input":"a.png","output":"a-x2.png"}
//!   {"v":1,"event":"progress","input":"a.png","share":0.25}
//!   {"v":1,"event":"warning","text":"…"}
//!   {"v":1,"event":"done","input":"a.png", … as in a record}
//!   {"v":1,"event":"end","done":2,"failed":1,"skipped":1,"left":0}
//! ```
//!
//! `v` changes when a field or an event goes or means something else; new ones may come.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use crate::batch::Job;
use crate::{Result, terminal};

/// In which form the way of a batch is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A bar, where standard error is a terminal
    #[default]
    Bar,
    /// An event a line on standard error
    Json,
}

/// What became of a picture.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    pub input: String,
    pub output: String,
    /// Columns and rows.
    pub from: Option<[u32; 2]>,
    pub to: Option<[u32; 2]>,
    /// The share of the dense network's multiply-adds that masks and channel partitions left.
    pub macs_kept: Option<f64>,
    pub seconds: f64,
    pub device: String,
    pub warnings: Vec<String>,
    /// Where a GPU's time went, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<serde_json::Value>,
    /// Whether the output was there.
    pub skipped: bool,
    pub error: Option<String>,
}

pub struct Report {
    bar: ProgressBar,
    records: bool,
    started: Instant,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    done: usize,
    skipped: usize,
    failed: Vec<String>,
    cancelled: bool,
}

impl Record {
    pub fn of(job: &Job) -> Self {
        let (input, output) = (job.source.name(), job.target.name().display().to_string());
        Self { input, output, ..Self::default() }
    }
}

impl Report {
    pub fn new(pictures: usize, skipped: &[Job], records: bool) -> Result<Self> {
        let bar = terminal::progress(pictures);
        let counts = Counts { skipped: skipped.len(), ..Counts::default() };
        let report = Self { bar, records, started: Instant::now(), counts: Mutex::new(counts) };
        terminal::event("start", json!({ "pictures": pictures, "skipped": skipped.len() }));
        for job in skipped {
            report.record(&Record { skipped: true, ..Record::of(job) })?;
        }
        Ok(report)
    }

    pub fn begin(&self, job: &Job) {
        let record = Record::of(job);
        terminal::event("picture", json!({ "input": record.input, "output": record.output }));
        self.bar.set_message(record.input);
    }

    pub fn progress(&self, input: &str, share: f64) {
        terminal::event("progress", json!({ "input": input, "share": share }));
    }

    /// One that could not even be looked for.
    pub fn failure(&self, sentence: &str) {
        terminal::complain(sentence);
        let name = sentence.split(": ").next().unwrap_or(sentence).to_owned();
        self.counts().failed.push(name);
    }

    pub fn done(&self, record: &Record) {
        terminal::event("done", json!(record));
        let recorded = self.record(record);
        let mut counts = self.counts();
        match (&record.error, recorded) {
            (None, Ok(())) if record.skipped => counts.skipped += 1,
            (None, Ok(())) => {
                counts.done += 1;
                terminal::tell(&sentence(record));
            }
            (Some(error), _) => {
                terminal::complain(error);
                counts.failed.push(record.input.clone());
            }
            (None, Err(error)) => {
                terminal::complain(&error.to_string());
                counts.failed.push(record.input.clone());
            }
        }
        drop(counts);
        self.bar.inc(1);
    }

    /// A picture on whose way the batch was stopped.
    pub fn cancelled(&self) {
        self.counts().cancelled = true;
    }

    /// Says what was done of all, and whether every picture was.
    pub fn end(&self) -> bool {
        /// Names beyond these are counted: they were told before.
        const NAMED: usize = 20;
        let left = self.bar.length().unwrap_or(0).saturating_sub(self.bar.position());
        self.bar.finish_and_clear();
        let Counts { done, skipped, failed, cancelled } = &*self.counts();
        let counts = json!({ "done": done, "failed": failed.len(), "skipped": skipped, "left": left });
        terminal::event("end", counts);
        if *cancelled {
            terminal::complain(&format!("stopped: {done} done, {} failed, {left} left", failed.len()));
        } else if !failed.is_empty() && done + skipped + failed.len() > 1 {
            let mut names = failed[..failed.len().min(NAMED)].join(", ");
            if failed.len() > NAMED {
                names += &format!(" and {} more", failed.len() - NAMED);
            }
            let of = done + failed.len();
            terminal::complain(&format!("{} of {of} pictures failed: {names}", failed.len()));
        } else if done + skipped > 1 {
            let passed = if *skipped > 0 { format!(", {skipped} were there") } else { String::new() };
            terminal::tell(&format!("{done} done{passed}, {}", told(self.started.elapsed())));
        }
        failed.is_empty()
    }

    fn record(&self, record: &Record) -> Result<()> {
        if !self.records {
            return Ok(());
        }
        terminal::print((serde_json::to_string(record)? + "\n").as_bytes())
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().expect("no thread panics with it")
    }
}

fn sentence(record: &Record) -> String {
    let size =
        |size: Option<[u32; 2]>| size.map_or(String::new(), |[width, height]| format!("{width}x{height}"));
    let Record { input, output, from, to, macs_kept, seconds, .. } = record;
    let work = macs_kept.map_or(String::new(), |share| format!(", {:.0} % of the work", 100.0 * share));
    format!("{input} → {output}  {} → {}{work}, {seconds:.1} s", size(*from), size(*to))
}

fn told(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
