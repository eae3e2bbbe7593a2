//! `sparsr video`: y4m in, y4m out, frame by frame through a pipe.
//!
//! ```text
//!   a thread:     stream ─► frame n + 1, to pixels ─► queue
//!   this one:                                           └─► frame n, enlarged ─► queue
//!   a thread:                                                                      └─► frame n − 1, to planes ─► stream
//! ```
//!
//! Colour goes there and back by one matrix and one range; everything between is what `sparsr upscale` does to the same
//! pixels. What stands still is not computed again ([`FrameUpscaler`]).
//!
//! With `--progress json` standard error has an event a line, beside those of `sparsr upscale`'s that are texts:
//!
//! ```text
//!   {"v":1,"event":"start","input":"clip.y4m","frames":60}            frames: null where nobody can know
//!   {"v":1,"event":"progress","input":"clip.y4m","frame":17}
//!   {"v":1,"event":"end","frames":60,"computed":0.41,"cancelled":false}    as many as were written
//! ```

mod colour;
mod header;
mod planes;
mod stream;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use colour::{Colour, Matrix, Range};
use header::Header;
use indicatif::ProgressBar;
use planes::Planes;
use serde_json::json;
use sparsr::{Cancel, Error, FrameUpscaler, NewFile};
use stream::{Frame, Frames, Output, Reader, Writer};

use crate::engine::{Engine, Use};
use crate::upscale::report::Form;
use crate::{Result, files, memory, terminal};

/// Enlarge video, from y4m to y4m
///
/// y4m is how ffmpeg, VapourSynth and encoders hand frames to each other through pipes. 8 and 10 bits of 4:2:0, 4:2:2 and 4:4:4, and 8
/// of gray, progressive, come out as they went in, larger; rate, pixels' aspect and comments go along. y4m does not say which
/// matrix made its colours, so --matrix does. Parts of a frame that stand still are not computed again where the network
/// looks only so far (edsrmini-x2 does, smsr-x2 looks at the whole frame), with the same result.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr video clip.y4m                         writes clip-x2.y4m here
  ffmpeg -i in.mp4 -f yuv4mpegpipe - | sparsr video - -o - -m edsrmini-x2 --matrix 709 |
    ffmpeg -i - -i in.mp4 -map 0:v -map 1:a? -c:a copy -colorspace bt709 out.mp4
  vspipe -c y4m script.vpy - | sparsr video - -o - --matrix 709 | x265 --y4m - -o out.hevc")]
pub struct Args {
    /// The stream: a .y4m file, or - for standard input
    #[arg(value_name = "INPUT", default_value = "-")]
    input: PathBuf,

    /// Where to write: a file, or - for standard output [default: <STEM>-x<SCALE>.y4m here, and - for standard input]
    #[arg(short, long, value_name = "OUTPUT")]
    output: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    /// By which matrix colours become luma and chroma: BT.601, BT.709 or BT.2020 [default: 709 from 1280 columns or 720 rows on,
    /// else 601]
    #[arg(long, value_name = "601|709|2020", hide_possible_values = true)]
    matrix: Option<Matrix>,

    /// Whether black and white are 16 and 235, or 0 and 255 [default: what the stream says, else limited]
    #[arg(long, value_name = "limited|full", hide_possible_values = true)]
    range: Option<Range>,

    /// The scale: chooses among those of a checkpoint that has several, and is checked otherwise
    #[arg(long, value_name = "N")]
    scale: Option<usize>,

    /// Compute all of every frame, whether or not it stands still: the result is the same
    #[arg(long)]
    no_skip: bool,

    /// How to tell how far it is: a bar, or events as JSON, one a line, on standard error
    #[arg(long, value_name = "bar|json", default_value = "bar", hide_possible_values = true)]
    progress: Form,

    #[command(flatten)]
    engine: Engine,
}

/// Frames that wait between two threads.
const QUEUE: usize = 2;

/// How often who waits for a frame looks whether it was told to end.
const TICK: Duration = Duration::from_millis(50);

/// Time from event to event, at least.
const TOLD: Duration = Duration::from_millis(250);

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.progress == Form::Json {
        terminal::tell_events();
    }
    let model = args.engine.model(args.scale)?;
    let target = Target::new(args, model.scale())?;
    target.prepare(args.force)?;
    let cancel = terminal::end_on_interrupt("ends after this frame; Ctrl-C again ends it at once")?;
    let reader = args.reader()?;
    let header = reader.header().clone();
    let scratch = target.folder();
    let wanted = Use { scratch, count: 1, size: header.size(), cancel: cancel.clone() };
    let upscaler = args.engine.upscalers(&model, wanted)?.swap_remove(0);
    let frames = FrameUpscaler::new(upscaler)?.skipping(!args.no_skip);
    args.tell(&header, &frames);

    let colour = args.colour(&header);
    let planes = Planes::new(header.format, colour);
    let first_line = header.enlarged(model.scale(), colour.range);
    let (name, count) = (args.name(), args.frames(&header));
    terminal::event("start", json!({ "input": name, "frames": count }));
    let way = Way { bar: terminal::progress(count), name, frame: 0, told: None };
    way.bar.set_message(way.name.clone());
    let mut work = Work { frames, cancel, way };
    let start = Instant::now();
    let writer = Writer::new(target.begin()?, target.name(), planes, &first_line)?;
    let outcome = work.go_through(Frames::new(reader, planes), writer);
    work.way.bar.finish_and_clear();
    work.end(outcome, &target, args.force, start)
}

impl Args {
    fn reader(&self) -> Result<Reader> {
        let name = self.name();
        if is_dash(&self.input) {
            if io::stdin().is_terminal() {
                let remedy = "name a .y4m file, or let a program write to it";
                return Err(format!(
                    "a video was expected on standard input, and that is a terminal: {remedy}"
                )
                .into());
            }
            return Ok(Reader::new(io::stdin(), name)?);
        }
        let file = File::open(&self.input).map_err(|error| format!("{name}: {error}"))?;
        Ok(Reader::new(file, name)?)
    }

    fn name(&self) -> String {
        if is_dash(&self.input) { "standard input".into() } else { self.input.display().to_string() }
    }

    /// What the samples mean.
    fn colour(&self, header: &Header) -> Colour {
        let matrix = self.matrix.unwrap_or(Matrix::usual(header.size()));
        let range = self.range.or(header.range).unwrap_or(Range::Limited);
        Colour { matrix, range, bits: header.format.bits }
    }

    /// What was decided for whoever asked for nothing.
    fn tell(&self, header: &Header, frames: &FrameUpscaler) {
        let (name, Colour { matrix, range, .. }) = (self.name(), self.colour(header));
        if self.matrix.is_none() && header.format.chroma.is_some() {
            let ([width, height], matrix) = (header.size(), matrix.name());
            let remedy = "--matrix says what it is, and players have to be told the same of the output";
            tracing::warn!("{name}: taken for {matrix}, as {width}x{height} usually is: {remedy}");
        }
        if header.range.is_some_and(|said| said != range) {
            let said = range.in_header();
            tracing::warn!(
                "{name}: its header says otherwise than --range, and the output's will say {said}"
            );
        }
        if !self.no_skip && !frames.skips_tiles(header.size()) {
            let reason =
                "the network looks at the whole frame, or this is a GPU, where --tile 256 cuts frames";
            tracing::info!("frames are computed as a whole or not at all: {reason}");
        }
    }

    /// How many there are, if that can be known.
    fn frames(&self, header: &Header) -> Option<usize> {
        let bytes = (header.format.frame_bytes(header.size()) + b"FRAME\n".len()) as u64;
        let by_size = || Some(self.input.metadata().ok().filter(|file| file.is_file())?.len() / bytes);
        header.frames.or_else(by_size).map(|frames| frames as usize)
    }
}

/// Where the video goes.
enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    fn new(args: &Args, scale: usize) -> Result<Self> {
        let file = match &args.output {
            Some(output) if is_dash(output) => return Ok(Self::Stdout),
            None if is_dash(&args.input) => return Ok(Self::Stdout),
            Some(output) => output.clone(),
            None => {
                let mut name: OsString = args.input.file_stem().unwrap_or_default().to_owned();
                name.push(format!("-x{scale}.y4m"));
                name.into()
            }
        };
        if file.extension().is_none_or(|extension| extension != "y4m") {
            let reason = "expected a name that ends in .y4m, or - for standard output, of which ffmpeg makes other files";
            return Err(format!("{}: {reason}", file.display()).into());
        }
        if !is_dash(&args.input) && files::identity(&file) == files::identity(&args.input) {
            return Err(format!("{} would be written over itself", file.display()).into());
        }
        Ok(Self::File(file))
    }

    fn prepare(&self, force: bool) -> Result<()> {
        match self {
            Self::Stdout if io::stdout().is_terminal() => {
                Err("a video is nothing for a terminal: name a file with -o, or a pipe's other end".into())
            }
            Self::Stdout => Ok(()),
            Self::File(path) => files::prepare(path, force).map(drop),
        }
    }

    fn begin(&self) -> Result<Output> {
        match self {
            Self::Stdout => Ok(Output::Stdout(io::stdout())),
            Self::File(path) => {
                let file = NewFile::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Output::File(file))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn folder(&self) -> PathBuf {
        match self {
            Self::Stdout => std::env::temp_dir(),
            Self::File(path) => files::folder(path).to_owned(),
        }
    }

    /// What became of so many frames when the rest did not come to be.
    fn left(&self, frames: u64) -> String {
        match self {
            Self::Stdout => format!("the output ends after {frames} frames"),
            Self::File(path) => format!("there is no {}", path.display()),
        }
    }
}

/// A video on its way.
struct Work {
    frames: FrameUpscaler,
    cancel: Cancel,
    way: Way,
}

/// How far it is, and who hears of it.
struct Way {
    bar: ProgressBar,
    name: String,
    frame: u64,
    /// The last time that an event was told.
    told: Option<Instant>,
}

impl Way {
    /// A frame further.
    fn step(&mut self) {
        self.bar.inc(1);
        self.frame += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.told = Some(Instant::now());
            terminal::event("progress", json!({ "input": self.name, "frame": self.frame }));
        }
    }
}

/// How it ended: what the writer says, with how many frames it wrote, and what else went wrong.
struct Outcome {
    written: u64,
    writer: Result<Writer, String>,
    error: Option<Box<dyn std::error::Error>>,
}

impl Work {
    /// All frames. Those that were enlarged are written, whatever comes after them.
    fn go_through(&mut self, frames: Frames, writer: Writer) -> Result<Outcome> {
        let (to_us, incoming) = sync_channel(QUEUE);
        // Not waited for: it may wait for a frame that never comes.
        start(move || read(frames, &to_us))?;
        let (outgoing, from_us) = sync_channel(QUEUE);
        let thread: JoinHandle<(u64, Result<Writer, String>)> = start(move || write(writer, &from_us))?;
        let error = self.enlarge(&incoming, &outgoing).err();
        drop(outgoing);
        let (written, writer) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Outcome { written, writer, error })
    }

    /// Until nothing comes, or nobody takes what goes: the writer then says why.
    fn enlarge(
        &mut self,
        incoming: &Receiver<Result<Frame, String>>,
        outgoing: &SyncSender<Frame>,
    ) -> Result<()> {
        loop {
            self.cancel.check()?;
            let frame = match incoming.recv_timeout(TICK) {
                Ok(frame) => frame?,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let large = self.frames.upscale(&frame.pixels)?;
            if outgoing.send(frame.with(large)).is_err() {
                return Ok(());
            }
            self.way.step();
        }
    }

    /// Gives a file its name, if everything went well, and says what was done.
    fn end(
        &self,
        outcome: Result<Outcome>,
        target: &Target,
        force: bool,
        start: Instant,
    ) -> Result<ExitCode> {
        let Outcome { written, writer, error } = outcome?;
        let writer = writer.map_err(|error| match target {
            Target::Stdout => error,
            Target::File(_) => format!("{error}; {}", target.left(written)),
        })?;
        let counts = self.frames.counts();
        let computed = counts.computed_pixels as f64 / counts.pixels.max(1) as f64;
        let end = |cancelled| json!({ "frames": written, "computed": computed, "cancelled": cancelled });
        match error {
            None => writer.finish(force)?,
            Some(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => {
                terminal::event("end", end(true));
                terminal::complain(&format!("stopped: {}", target.left(written)));
                return Ok(ExitCode::from(terminal::INTERRUPTED));
            }
            Some(error) => return Err(format!("{error}; {}", target.left(written)).into()),
        }
        terminal::event("end", end(false));
        let share = 100.0 * computed;
        tracing::info!("{} of {} tiles computed, {share:.1} % of the pixels", counts.computed, counts.tiles);
        tracing::info!("{} of {written} frames are equal to the one before", counts.still);
        let seconds = start.elapsed().as_secs_f64();
        terminal::tell(&format!(
            "{}: {written} frames, {share:.0} % of them computed, {seconds:.1} s",
            target.name()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Hands on what comes, up to the first error.
fn read(frames: Frames, to_us: &SyncSender<Result<Frame, String>>) {
    for frame in frames {
        let ends = frame.is_err();
        if to_us.send(frame).is_err() || ends {
            break;
        }
    }
}

/// Writes what comes; how many frames that were, and why no more.
fn write(mut writer: Writer, frames: &Receiver<Frame>) -> (u64, Result<Writer, String>) {
    let written = frames.iter().try_for_each(|frame| writer.write(&frame));
    (writer.frames(), written.map(|()| writer))
}

fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Ok(Builder::new().spawn(work).map_err(|error| memory::no_thread(&error))?)
}

fn is_dash(path: &Path) -> bool {
    path == "-"
}
