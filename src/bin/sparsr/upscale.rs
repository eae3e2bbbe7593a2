//! `sparsr upscale`: pictures from file to file, on a GPU two at a time; one that fails does not stop the others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use image::{DynamicImage, GrayImage, ImageFormat};
use indicatif::ProgressBar;
use sparsr::{Encoding, Error, FileOptions, Mask, Model, Picture, UpscaledFile, Upscaler};

use crate::engine::Engine;
use crate::files::{self, Job, Source, Target};
use crate::{Result, profile, terminal};

/// Enlarge pictures
///
/// Gray stays gray, 16 bits stay 16 bits, transparency, colour profile and EXIF go along where the output
/// format can hold them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr upscale photo.jpg                      writes photo-x2.png here
  sparsr upscale photo.jpg -o large.webp
  sparsr upscale *.png -o large                 writes large/<STEM>-x2.png
  sparsr upscale photo.jpg --masks masks        shows where the work went
  sparsr upscale photo.jpg --profile            and where the time
  curl … | sparsr upscale - > large.png")]
pub struct Args {
    /// Pictures: PNG, JPEG, WebP, TIFF, BMP, GIF, PNM, TGA, QOI; `-` is standard input
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,

    /// A file (.png, .jpg, .webp, .tif, .bmp) for one picture, a folder for several, `-` for standard output
    /// [default: <STEM>-x2.png in the working directory]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,

    /// Replace files that exist
    #[arg(long)]
    force: bool,

    /// Write the spatial mask of each module to <DIR>/<STEM>-<MODULE>.png: white is where it worked
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,

    /// Print where a GPU's time goes to standard error, part by part of the network
    #[arg(long)]
    profile: bool,

    #[command(flatten)]
    engine: Engine,
}

/// Pictures under way at once: while a device computes one, another is read, written and prepared.
const AT_ONCE: usize = 2;

/// Pixels from which on a picture is on its way alone: it keeps the device busy by itself, and memory is its bound.
const LARGE: u64 = 4 << 20;

pub fn run(args: &Args) -> Result<ExitCode> {
    let model = args.engine.model()?;
    let jobs = files::plan(&args.inputs, args.output.as_deref(), model.scale())?;
    let masks = MaskFiles::plan(args, &model, &jobs)?;
    let at_once = if args.profile { 1 } else { jobs.len().min(AT_ONCE) };
    let upscalers = args.engine.upscalers(&model, &files::scratch(&jobs), at_once, size_of(&jobs))?;

    let work = Work { args, masks, progress: terminal::progress(jobs.len()), alone: RwLock::default() };
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for mut upscaler in upscalers {
            let (work, jobs, next, failed) = (&work, &jobs, &next, &failed);
            scope.spawn(move || {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !work.enlarge(&mut upscaler, job) {
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    work.progress.finish_and_clear();
    Ok(if failed.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// That of the first picture whose file tells.
fn size_of(jobs: &[Job]) -> [usize; 2] {
    let size = jobs.iter().find_map(|job| match &job.source {
        Source::File(path) => image::image_dimensions(path).ok(),
        _ => None,
    });
    size.map_or([256; 2], |(width, height)| [width as usize, height as usize])
}

impl Args {
    fn files(&self) -> FileOptions {
        let mut options = FileOptions::default();
        options.replace = self.force;
        options
    }
}

/// What the pictures have in common.
struct Work<'a> {
    args: &'a Args,
    masks: MaskFiles<'a>,
    progress: ProgressBar,
    /// Held by many small pictures, or by a large one.
    alone: RwLock<()>,
}

impl Work<'_> {
    /// From file to file; says what it did, or why not. Whether it did.
    fn enlarge(&self, upscaler: &mut Upscaler, job: &Job) -> bool {
        let start = Instant::now();
        self.progress.set_message(job.source.name());
        let done = self.prepare(job).and_then(|()| match (&job.source, &job.target) {
            (Source::File(input), Target::File(output, _)) if !self.args.profile && self.masks.are_none() => {
                self.stream(upscaler, input, output)
            }
            _ => self.hold(upscaler, job),
        });
        match &done {
            Ok(Done { from, to, macs_kept }) => terminal::tell(&format!(
                "{} → {}  {}x{} → {}x{}, {:.0} % of the work, {:.1} s",
                job.source.name(),
                job.target.name().display(),
                from[0],
                from[1],
                to[0],
                to[1],
                100.0 * macs_kept,
                start.elapsed().as_secs_f64()
            )),
            Err(error) => terminal::complain(&named(job, &**error)),
        }
        self.progress.inc(1);
        done.is_ok()
    }

    fn prepare(&self, Job { source, target }: &Job) -> Result<()> {
        target.prepare(self.args.force)?;
        self.masks.prepare(&source.stem(), self.args.force)
    }

    /// Band by band.
    fn stream(&self, upscaler: &mut Upscaler, input: &Path, output: &Path) -> Result<Done> {
        let size = image::image_dimensions(input);
        let is_large = size.is_ok_and(|(width, height)| u64::from(width) * u64::from(height) >= LARGE);
        let _alone = is_large.then(|| self.alone.write());
        let _among_others = (!is_large).then(|| self.alone.read());
        let UpscaledFile { from, to, macs_kept, .. } =
            upscaler.upscale_file(input, output, &self.args.files())?;
        Ok(Done { from, to, macs_kept })
    }

    /// In memory: pipes have no way back to the top, and masks are whole pictures themselves.
    fn hold(&self, upscaler: &mut Upscaler, Job { source, target }: &Job) -> Result<Done> {
        let force = self.args.force;
        let picture = source.read()?;
        picture.check(target.name(), target.format(), &self.args.files().encoding)?;
        if self.args.profile {
            let profile = upscaler.profile_picture(&picture)?;
            terminal::explain(&profile::table(&source.name(), &upscaler.device(), &profile));
        }
        let upscaled = upscaler.upscale_picture(&picture)?;
        target.write(
            &upscaled.picture.encode(target.name(), target.format(), &self.args.files().encoding)?,
            force,
        )?;
        self.masks.write(&source.stem(), &upscaled.masks, force)?;
        let [from, to] =
            [&picture, &upscaled.picture].map(|picture| [picture.image.width(), picture.image.height()]);
        Ok(Done { from, to, macs_kept: upscaled.macs_kept })
    }
}

/// What became of a picture.
struct Done {
    from: [u32; 2],
    to: [u32; 2],
    macs_kept: f64,
}

/// The sentence with the picture that it is about: some errors know only the device.
fn named(job: &Job, error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(Error::Device(_) | Error::OutOfMemory(_) | Error::Limits(_) | Error::Unsupported(_)) => {
            format!("{}: {error}", job.source.name())
        }
        _ => error.to_string(),
    }
}

/// Where masks go: nowhere, or a folder.
struct MaskFiles<'a> {
    folder: Option<&'a Path>,
    modules: Vec<String>,
}

impl<'a> MaskFiles<'a> {
    fn plan(args: &'a Args, model: &Model, jobs: &[Job]) -> Result<Self> {
        let modules: Vec<String> = model.partitions().into_iter().map(|partition| partition.module).collect();
        let folder = args.masks.as_deref();
        if folder.is_some() {
            if modules.is_empty() {
                return Err(format!("--masks: {} has no spatial masks", model.name()).into());
            }
            let mut stems: Vec<String> = jobs.iter().map(|job| job.source.stem()).collect();
            stems.sort_unstable();
            if let Some(twins) = stems.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(format!("--masks: two pictures are called {}", twins[0]).into());
            }
        }
        Ok(Self { folder, modules })
    }

    fn are_none(&self) -> bool {
        self.folder.is_none()
    }

    fn prepare(&self, stem: &str, force: bool) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        self.modules.iter().try_for_each(|module| files::prepare(&mask_path(folder, stem, module), force))
    }

    fn write(&self, stem: &str, masks: &[Mask], force: bool) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        for (mask, module) in masks.iter().zip(&self.modules) {
            let path = mask_path(folder, stem, module);
            let picture = Picture::from(picture_of(mask));
            files::write(&path, &picture.encode(&path, ImageFormat::Png, &Encoding::default())?, force)?;
        }
        Ok(())
    }
}

fn mask_path(folder: &Path, stem: &str, module: &str) -> PathBuf {
    folder.join(format!("{stem}-{module}.png"))
}

/// White where the module worked.
fn picture_of(mask: &Mask) -> DynamicImage {
    let samples = mask.active.iter().map(|&active| if active { 255 } else { 0 }).collect();
    let picture = GrayImage::from_raw(mask.width as u32, mask.height as u32, samples);
    picture.expect("a mask has as many values as pixels").into()
}
