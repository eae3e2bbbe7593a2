//! `sparsr eval`: how close a network's pictures come to the truth, as papers report it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use sparsr::low_level::metrics::{SSIM_WINDOW, psnr_y, resize_bicubic_matlab, ssim_y};
use sparsr::{Mask, Pixels, Upscaler};

use crate::engine::Engine;
use crate::files::rgb8;
use crate::{Result, terminal};

/// Measure a network on pictures whose large version is known
///
/// PSNR and SSIM on Y as super-resolution papers report them: 8-bit RGB output, MATLAB's luma, not rounded,
/// a border of <SCALE> pixels left out. Large pictures are cut to a multiple of the scale.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr eval --hr Set5/HR                      small pictures made as MATLAB's imresize does
  sparsr eval -m network.pth --hr Set5/HR --lr Set5/LR_x2 --json")]
pub struct Args {
    /// The folder of large pictures: the truth
    #[arg(long, value_name = "DIR")]
    hr: PathBuf,

    /// The folder of small pictures, each called as the large one or with x<SCALE> after the name
    #[arg(long, value_name = "DIR")]
    lr: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    engine: Engine,
}

#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    /// How the device keeps numbers.
    precision: String,
    images: Vec<Score>,
    mean: Score,
}

#[derive(Serialize)]
struct Score {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// dB; equal pictures have no number (JSON's null).
    psnr_y: f64,
    ssim_y: f64,
    /// The share of multiply-adds that the masks left.
    macs_kept: f64,
    /// The share of active pixels of each module's mask.
    densities: Vec<f64>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let model = args.engine.model()?;
    let large = pictures_in(&args.hr)?;
    let small = args.lr.as_deref().map(pictures_in).transpose()?;
    let size = large.iter().find_map(|path| image::image_dimensions(path).ok());
    let size = size.map_or([256; 2], |size| [size.0, size.1].map(|side| side as usize / model.scale()));
    let mut upscaler = args.engine.upscalers(&model, &std::env::temp_dir(), 1, size)?.remove(0);

    let progress = terminal::progress(large.len());
    let mut images = Vec::new();
    for path in &large {
        progress.set_message(path.display().to_string());
        images.push(score(&mut upscaler, path, small.as_deref())?);
        progress.inc(1);
    }
    progress.finish_and_clear();

    let mean = mean(&images);
    let (device, precision) = (upscaler.device(), upscaler.precision().to_string());
    let report = Report { model: model.name().into(), device, precision, images, mean };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report) };
    terminal::print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn score(upscaler: &mut Upscaler, path: &Path, small: Option<&[PathBuf]>) -> Result<Score> {
    let scale = upscaler.model().scale();
    let truth = rgb8(path)?;
    let (width, height) = (truth.width() / scale, truth.height() / scale);
    if width.min(height) * scale < SSIM_WINDOW + 2 * scale {
        let needed = SSIM_WINDOW + 2 * scale;
        return Err(format!("{}: SSIM needs at least {needed} pixels a side", path.display()).into());
    }
    let truth = truth.part(0..width * scale, 0..height * scale);
    let input = match small {
        None => resize_bicubic_matlab(&truth, width, height),
        Some(small) => small_picture(path, small, scale, [width, height])?,
    };
    let upscaled = upscaler.upscale_pixels(&input).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Score {
        name: stem(path),
        psnr_y: psnr_y(&upscaled.pixels, &truth, scale),
        ssim_y: ssim_y(&upscaled.pixels, &truth, scale),
        macs_kept: upscaled.macs_kept,
        densities: upscaled.masks.iter().map(Mask::density).collect(),
    })
}

/// The small picture that belongs to a large one.
fn small_picture(large: &Path, small: &[PathBuf], scale: usize, size: [usize; 2]) -> Result<Pixels> {
    let names = [stem(large), format!("{}x{scale}", stem(large))];
    let path = small.iter().find(|path| names.contains(&stem(path)));
    let path = path.ok_or_else(|| format!("no small picture called {} or {}", names[0], names[1]))?;
    let picture = rgb8(path)?;
    let found = [picture.width(), picture.height()];
    if found != size {
        let ([width, height], path) = (size, path.display());
        return Err(
            format!("{path}: expected {width}x{height} pixels, found {}x{}", found[0], found[1]).into()
        );
    }
    Ok(picture)
}

/// The pictures of a folder by name.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut pictures = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if image::ImageFormat::from_path(&path).is_ok() {
            pictures.push(path);
        }
    }
    if pictures.is_empty() {
        return Err(format!("{}: there are no pictures", folder.display()).into());
    }
    pictures.sort();
    Ok(pictures)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn mean(images: &[Score]) -> Score {
    let mean = |value: &dyn Fn(&Score) -> f64| images.iter().map(value).sum::<f64>() / images.len() as f64;
    Score {
        name: String::new(),
        psnr_y: mean(&|score| score.psnr_y),
        ssim_y: mean(&|score| score.ssim_y),
        macs_kept: mean(&|score| score.macs_kept),
        densities: (0..images[0].densities.len()).map(|i| mean(&|score| score.densities[i])).collect(),
    }
}

fn table(report: &Report) -> String {
    let width = report.images.iter().map(|score| score.name.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("{} on {} in {}\n\n", report.model, report.device, report.precision);
    let masks = if report.mean.densities.is_empty() { "" } else { "  mask densities" };
    writeln!(text, "{:<width$}  PSNR-Y  SSIM-Y  work{masks}", "").expect("a string takes all");
    for score in report.images.iter().chain([&report.mean]) {
        let name = if score.name.is_empty() { "mean" } else { &score.name };
        let Score { psnr_y, ssim_y, .. } = score;
        let work = 100.0 * score.macs_kept;
        let densities: String = score.densities.iter().map(|density| format!("  {density:.2}")).collect();
        writeln!(text, "{name:<width$}  {psnr_y:>6.3}  {ssim_y:.4}  {work:>3.0}%{densities}")
            .expect("a string takes all");
    }
    text
}
