//! `sparsr upscale`: pictures from file to file, on a GPU two at a time; one that fails does not stop the others.

mod masks;
mod options;
pub mod report;
pub mod size;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use masks::MaskFiles;
use report::{Form, Record, Report};
use sparsr::{Cancel, Error, FileOptions, Progress, Size, UpscaledFile, Upscaler};

use crate::batch::{self, Batch, Job};
use crate::engine::{Engine, LARGE, Use};
use crate::files::{self, Source, Target};
use crate::{Result, memory, profile, terminal};

/// Enlarge pictures
///
/// Gray stays gray, 16 bits stay 16 bits, transparency, colour profile and EXIF go along where the output
/// format can hold them. Ctrl-C ends the batch after the window under way, a second one at once; neither leaves half a
/// file, and --skip-existing goes on from there.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr upscale photo.jpg                      writes photo-x2.png here
  sparsr upscale photo.jpg -o large.webp
  sparsr upscale *.png -o large                 writes large/<STEM>-x2.png
  sparsr upscale scans -r -o large -f same --skip-existing
  sparsr upscale photo.jpg --effort 0.5         small networks where the picture is easy
  sparsr upscale photo.jpg --masks masks        shows where the work went
  sparsr upscale photo.jpg --profile            and where the time
  curl … | sparsr upscale - > large.png")]
pub struct Args {
    #[command(flatten)]
    batch: batch::Args,

    #[command(flatten)]
    size: size::Args,

    #[command(flatten)]
    options: options::Args,

    /// Write the spatial mask of each module, or with --effort of each network, to <DIR>/<STEM>-<MODULE>.png: white is where it
    /// worked
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,

    /// Print where a GPU's time goes to standard error, part by part of the network; with --json it is in the object
    #[arg(long)]
    profile: bool,

    /// Print a JSON object a picture to standard output
    #[arg(long)]
    json: bool,

    /// How to tell how far it is: a bar, or events as JSON, one a line, on standard error
    #[arg(long, value_name = "bar|json", default_value = "bar", hide_possible_values = true)]
    progress: Form,

    #[command(flatten)]
    engine: Engine,
}

/// Pictures under way at once: while a device computes one, another is read, written and prepared.
const AT_ONCE: usize = 2;

/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.progress == Form::Json {
        terminal::tell_events();
    }
    let factor = if let Size::Times(factor) = args.size.size() { Some(factor) } else { None };
    let mut model = args.engine.model(factor.and_then(|factor| args.engine.scale_of(factor)))?;
    if let Some(factor) = factor {
        model = model.at_scale(size::reaching(&model.scales(), factor).unwrap_or(model.scale()))?;
    }
    let suffix = args.size.suffix(model.scale());
    let Batch { jobs, skipped, failures } = Batch::plan(&args.batch, &suffix, args.masks.as_deref())?;
    if args.json && jobs.iter().any(|job| matches!(job.target, Target::Stdout(_))) {
        return Err("--json prints to standard output, and so does the picture: name a file with -o".into());
    }
    let effort = args.engine.effort(Some(model.scale()))?.filter(|effort| effort.effort < 1.0);
    let ladder = effort.as_ref().map(|effort| &*effort.ladder);
    let masks = MaskFiles::plan(args.masks.as_deref(), (&model, ladder), &jobs)?;
    let report = Report::new(jobs.len(), &skipped, args.json)?;
    failures.iter().for_each(|failure| report.failure(failure));

    let cancel = terminal::end_on_interrupt("ends after this window; Ctrl-C again ends it at once")?;
    let folders = Mutex::default();
    let alone = RwLock::default();
    let mut work = Work { args, masks, report, cancel, alone, folders, one_by_one: true };
    if !jobs.is_empty() {
        let count = if args.profile { 1 } else { jobs.len().min(AT_ONCE) };
        let (scratch, cancel) = (scratch(&jobs), work.cancel.clone());
        let upscalers =
            args.engine.upscalers(&model, Use { scratch, count, size: size_of(&jobs), cancel })?;
        work.one_by_one = upscalers.len() == 1;
        work.go_through(&jobs, upscalers)?;
    }
    Ok(work.end())
}

/// A folder for what is written on the way: that of the first output, on a disk that has room for pictures.
fn scratch(jobs: &[Job]) -> PathBuf {
    let mut folders = jobs.iter().filter_map(|job| match &job.target {
        Target::File(path, _) => Some(files::folder(path).to_owned()),
        Target::Stdout(_) => None,
    });
    folders.next().unwrap_or_else(std::env::temp_dir)
}

/// That of the first picture whose file tells.
fn size_of(jobs: &[Job]) -> [usize; 2] {
    let size = jobs.iter().find_map(|job| match &job.source {
        Source::File(path) => files::size(path),
        Source::Stdin => None,
    });
    size.map_or([256; 2], |size| size.map(|side| side as usize))
}

impl Args {
    fn files(&self) -> FileOptions {
        self.options.files(self.size.size(), self.batch.force)
    }
}

/// What the pictures have in common.
struct Work<'a> {
    args: &'a Args,
    masks: MaskFiles<'a>,
    report: Report,
    cancel: Cancel,
    /// Held by many small pictures, or by a large one.
    alone: RwLock<()>,
    /// Those that were made.
    folders: Mutex<Vec<PathBuf>>,
    /// Whether no two pictures are under way at once.
    one_by_one: bool,
}

impl Work<'_> {
    /// Each upscaler takes the next picture when it is done with one.
    fn go_through(&self, jobs: &[Job], upscalers: Vec<Upscaler>) -> Result<()> {
        let (next, running) = (AtomicUsize::new(0), AtomicUsize::new(upscalers.len()));
        let seats: Vec<Seat> = upscalers.iter().map(Seat::of).collect();
        thread::scope(|scope| {
            for (mut upscaler, seat) in upscalers.into_iter().zip(&seats) {
                let (next, running) = (&next, &running);
                let work = move || {
                    while !self.cancel.is_cancelled()
                        && let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        seat.take(Some(job.source.name()));
                        self.enlarge(&mut upscaler, job);
                        seat.take(None);
                    }
                    running.fetch_sub(1, Ordering::Relaxed);
                };
                let started = thread::Builder::new().spawn_scoped(scope, work);
                started.map_err(|error| memory::no_thread(&error))?;
            }
            while self.args.progress == Form::Json && running.load(Ordering::Relaxed) > 0 {
                thread::sleep(TICK);
                seats.iter().for_each(|seat| seat.tell(&self.report));
            }
            Ok(())
        })
    }

    /// From file to file; says what it did, or why not.
    fn enlarge(&self, upscaler: &mut Upscaler, job: &Job) {
        let start = Instant::now();
        self.report.begin(job);
        let done = self.prepare(job).and_then(|()| match (&job.source, &job.target) {
            (Source::File(input), Target::File(output, _)) if !self.args.profile && self.masks.are_none() => {
                self.stream(upscaler, input, output)
            }
            _ => self.hold(upscaler, job),
        });
        let mut record = Record { seconds: start.elapsed().as_secs_f64(), ..Record::of(job) };
        record.device = upscaler.device();
        match done {
            Ok(Done { from, to, macs_kept, profile }) => {
                (record.from, record.to, record.macs_kept) = (Some(from), Some(to), Some(macs_kept));
                record.profile = profile;
            }
            Err(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => {
                return self.report.cancelled();
            }
            Err(_) if self.args.batch.skip_existing && job.target.exists() => record.skipped = true,
            Err(error) => record.error = Some(named(job, &*error)),
        }
        // What names no picture is said of the one that is under way, if there is only one.
        let names = [&record.input, &record.output].map(|name| format!("{name}: "));
        record.warnings = terminal::take_warnings(|warning| {
            self.one_by_one || names.iter().any(|name| warning.starts_with(name))
        });
        self.report.done(&record);
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        let force = self.args.batch.force;
        let mut folders = job.target.prepare(force)?;
        let masks = self.masks.prepare(job, force);
        folders.extend(masks.iter().flatten().cloned());
        self.folders.lock().expect("no thread panics with it").extend(folders);
        masks.map(drop)
    }

    /// Of a checkpoint with several scales the one that goes to the size that is wanted of a picture.
    fn choose_network(&self, upscaler: &mut Upscaler, from: Option<[u32; 2]>) -> Result<()> {
        let (model, size) = (upscaler.model(), self.args.size.size());
        let (scales, Some(from)) = (model.scales(), from) else { return Ok(()) };
        let scale = size::reaching(&scales, size.factor(from, model.scale())).unwrap_or(model.scale());
        if size != Size::Network && scale != model.scale() {
            let other = model.at_scale(scale)?;
            upscaler.set_model(&other)?;
        }
        Ok(())
    }

    /// Band by band.
    fn stream(&self, upscaler: &mut Upscaler, input: &Path, output: &Path) -> Result<Done> {
        let size = files::size(input);
        self.choose_network(upscaler, size)?;
        let is_large = size.is_some_and(|[width, height]| u64::from(width) * u64::from(height) >= LARGE);
        let _alone = is_large.then(|| self.alone.write());
        let _among_others = (!is_large).then(|| self.alone.read());
        let UpscaledFile { from, to, macs_kept, .. } =
            upscaler.upscale_file(input, output, &self.args.files())?;
        Ok(Done { from, to, macs_kept, profile: None })
    }

    /// In memory: pipes have no way back to the top, and masks are whole pictures themselves.
    fn hold(&self, upscaler: &mut Upscaler, job: &Job) -> Result<Done> {
        let Job { source, target, .. } = job;
        let FileOptions { reading, encoding, replace, size, alpha, .. } = self.args.files();
        let picture = source.read(&reading)?;
        self.choose_network(upscaler, Some([picture.image.width(), picture.image.height()]))?;
        picture.check(target.name(), target.format(), &encoding)?;
        let profile = self.args.profile.then(|| upscaler.profile_picture(&picture)).transpose()?;
        if let Some(profile) = profile.as_ref().filter(|_| !self.args.json) {
            terminal::explain(&profile::table(&source.name(), &upscaler.device(), profile));
        }
        let upscaled = upscaler.upscale_picture_to(&picture, size, alpha)?;
        let masks = self.masks.begin(job, &upscaled.masks)?;
        let mut large = upscaled.picture;
        let [from, to] = [&picture, &large].map(|picture| [picture.image.width(), picture.image.height()]);
        large.metadata = picture.metadata.enlarged(from, to, encoding.dpi);
        target.write(&large.encode(target.name(), target.format(), &encoding)?, masks, replace)?;
        let profile = profile.as_ref().map(profile::json);
        Ok(Done { from, to, macs_kept: upscaled.macs_kept, profile })
    }

    fn end(self) -> ExitCode {
        let all_done = self.report.end();
        // Of several machines another may be about to put something in them.
        if !all_done && self.args.batch.shard.is_none() {
            remove_empty(self.folders.into_inner().expect("no thread panics with it"));
        }
        match (self.cancel.is_cancelled(), all_done) {
            (true, _) => ExitCode::from(terminal::INTERRUPTED),
            (_, true) => ExitCode::SUCCESS,
            (_, false) => ExitCode::FAILURE,
        }
    }
}

/// Of the folders that were made those that nothing came to be in.
fn remove_empty(mut folders: Vec<PathBuf>) {
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.as_os_str().len()));
    folders.iter().for_each(|folder| drop(fs::remove_dir(folder)));
}

/// What an upscaler is at.
struct Seat {
    progress: Progress,
    input: Mutex<Option<String>>,
}

impl Seat {
    fn of(upscaler: &Upscaler) -> Self {
        Self { progress: upscaler.progress(), input: Mutex::default() }
    }

    fn take(&self, input: Option<String>) {
        *self.input.lock().expect("no thread panics with it") = input;
    }

    fn tell(&self, report: &Report) {
        if let Some(input) = &*self.input.lock().expect("no thread panics with it") {
            report.progress(input, self.progress.share());
        }
    }
}

/// What became of a picture.
struct Done {
    from: [u32; 2],
    to: [u32; 2],
    macs_kept: f64,
    profile: Option<serde_json::Value>,
}

/// The sentence with the picture that it is about: some errors know only the device.
fn named(job: &Job, error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(Error::Device(_) | Error::OutOfMemory(_) | Error::Limits(_) | Error::Unsupported(_)) => {
            let (name, text) = (job.source.name(), error.to_string());
            if text.starts_with(&name) { text } else { format!("{name}: {text}") }
        }
        _ => error.to_string(),
    }
}
