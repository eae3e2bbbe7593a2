//! `sparsr upscale`: one picture after another; one that fails does not stop the others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use image::{DynamicImage, GrayImage, ImageFormat};
use sparsr::{Error, Mask, Model, Picture, Upscaler};

use crate::engine::Engine;
use crate::files::{self, Job};
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

pub fn run(args: &Args) -> Result<ExitCode> {
    let model = args.engine.model()?;
    let jobs = files::plan(&args.inputs, args.output.as_deref(), model.scale())?;
    let masks = MaskFiles::plan(args, &model, &jobs)?;
    let mut upscaler = args.engine.upscaler(&model, &files::scratch(&jobs))?;

    let progress = terminal::progress(jobs.len());
    let mut exit = ExitCode::SUCCESS;
    for job in &jobs {
        progress.set_message(job.source.name());
        match enlarge(args, &mut upscaler, job, &masks) {
            Ok(line) => terminal::tell(&line),
            Err(error) => {
                terminal::complain(&named(job, error));
                exit = ExitCode::FAILURE;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(exit)
}

/// From file to file; says what it did.
fn enlarge(args: &Args, upscaler: &mut Upscaler, job: &Job, masks: &MaskFiles<'_>) -> Result<String> {
    let (start, force) = (Instant::now(), args.force);
    let Job { source, target } = job;
    target.prepare(force)?;
    masks.prepare(&source.stem(), force)?;
    let picture = source.read()?;
    picture.check(target.name(), target.format())?;
    if args.profile {
        let profile = upscaler.profile_picture(&picture)?;
        terminal::explain(&profile::table(&source.name(), &upscaler.device(), &profile));
    }

    let upscaled = upscaler.upscale_picture(&picture)?;
    target.write(&upscaled.picture.encode(target.name(), target.format())?, force)?;
    masks.write(&source.stem(), &upscaled.masks, force)?;

    let [from, to] = [&picture, &upscaled.picture]
        .map(|picture| format!("{}x{}", picture.image.width(), picture.image.height()));
    Ok(format!(
        "{} → {}  {from} → {to}, {:.0} % of the work, {:.1} s",
        source.name(),
        target.name().display(),
        100.0 * upscaled.macs_kept,
        start.elapsed().as_secs_f64()
    ))
}

/// The sentence with the picture that it is about: some errors know only the device.
fn named(job: &Job, error: Box<dyn std::error::Error>) -> String {
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

    fn prepare(&self, stem: &str, force: bool) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        self.modules.iter().try_for_each(|module| files::prepare(&mask_path(folder, stem, module), force))
    }

    fn write(&self, stem: &str, masks: &[Mask], force: bool) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        for (mask, module) in masks.iter().zip(&self.modules) {
            let path = mask_path(folder, stem, module);
            let picture = Picture::from(picture_of(mask));
            files::write(&path, &picture.encode(&path, ImageFormat::Png)?, force)?;
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
