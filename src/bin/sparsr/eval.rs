//! `sparsr eval`: how close a network's pictures come to the truth, as papers report it.

mod npy;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;
use sparsr::learn::data::through_jpeg;
use sparsr::low_level::metrics::{SSIM_WINDOW, psnr_rgb, psnr_y, resize_bicubic_matlab, ssim_rgb, ssim_y};
use sparsr::low_level::tensor::Shape;
use sparsr::{Cancel, Mask, Model, Pixels, Upscaler};
use table::Format;

use crate::engine::{self, Engine, Use};
use crate::files::rgb8;
use crate::{Result, terminal};

/// Measure networks on pictures whose large version is known
///
/// PSNR and SSIM as super-resolution papers report them: 8-bit RGB output, a border of <SCALE> pixels left out, on Y
/// (MATLAB's luma, not rounded) and on RGB. Large pictures are cut to a multiple of the scale. Multiply-adds are those of
/// the dense network at the small pictures' sizes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sparsr eval --hr Set5/HR                      small pictures made as MATLAB's imresize does
  sparsr eval -m network.pth --hr Set5/HR --lr Set5/LR_x2 --json
  sparsr eval rlfn.pth smsr-x2 --hr Set5/HR --hr Set14/HR --format latex")]
pub struct Args {
    /// Networks, each a built-in name or a checkpoint, in place of --model
    #[arg(value_name = "MODEL", conflicts_with = "model")]
    models: Vec<String>,

    /// The folder of large pictures: the truth. Of several data sets one each
    #[arg(long, value_name = "DIR", required = true)]
    hr: Vec<PathBuf>,

    /// The folder of small pictures, each called as the large one or with x<SCALE> after the name; one for each --hr
    #[arg(long, value_name = "DIR")]
    lr: Vec<PathBuf>,

    /// Save each small picture as a JPEG of this quality first, 1 to 100, its colour at half resolution: photographs as they
    /// come
    #[arg(long, value_name = "QUALITY", value_parser = clap::value_parser!(u8).range(1..=100))]
    jpeg: Option<u8>,

    /// The scale: chooses among those of a checkpoint that has several, and is checked otherwise
    #[arg(long, value_name = "N")]
    scale: Option<usize>,

    /// Print JSON: an object for a network on a data set, a list of them for several
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// The form of what is printed: a text for each network and data set, a line of CSV a picture, or one table with a row
    /// a network in Markdown or LaTeX
    #[arg(
        long,
        value_name = "text|json|csv|markdown|latex",
        default_value = "text",
        hide_possible_values = true
    )]
    format: Format,

    /// Write masks and results as NumPy arrays to <DIR>/<MODEL>/<SET>/<PICTURE>-<MASK|output>.npy
    #[arg(long, value_name = "DIR")]
    npy: Option<PathBuf>,

    #[command(flatten)]
    engine: Engine,
}

/// A network on a data set.
#[derive(Serialize)]
struct Run {
    /// The program's.
    version: &'static str,
    model: String,
    architecture: &'static str,
    scale: usize,
    parameters: usize,
    /// Where the data set lies.
    set: String,
    device: String,
    /// How the device keeps numbers.
    precision: String,
    images: Vec<Score>,
    mean: Score,
}

#[derive(Default, Serialize)]
struct Score {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    /// Columns and rows of the small picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<[usize; 2]>,
    /// dB; equal pictures have no number (JSON's null).
    psnr_y: f64,
    ssim_y: f64,
    psnr_rgb: f64,
    ssim_rgb: f64,
    /// The dense network's multiply-adds.
    macs: f64,
    /// The share of them that the masks left.
    macs_kept: f64,
    /// What the network took, with all that its device prepares for a size that is new to it.
    seconds: f64,
    /// The share of active pixels of each module's mask.
    densities: Vec<f64>,
}

/// A data set.
struct Set {
    folder: PathBuf,
    large: Vec<PathBuf>,
    /// Where small pictures are not made.
    small: Option<Vec<PathBuf>>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let sets = sets(args)?;
    let models = match &args.models[..] {
        [] => vec![args.engine.model(args.scale)?],
        names => names.iter().map(|name| engine::model(name, args.scale)).collect::<Result<_>>()?,
    };
    refuse_twins(&models)?;
    let pictures: usize = sets.iter().map(|set| set.large.len()).sum();
    let progress = terminal::progress(models.len() * pictures);
    let mut runs = Vec::new();
    for model in &models {
        let size = sets[0].large.iter().find_map(|path| crate::files::size(path));
        let size = size.map_or([256; 2], |size| size.map(|side| side as usize / model.scale()));
        let wanted = Use { scratch: std::env::temp_dir(), count: 1, size, cancel: Cancel::default() };
        let mut upscaler = args.engine.upscalers(model, wanted)?.remove(0);
        for set in &sets {
            let mut images = Vec::new();
            for path in &set.large {
                progress.set_message(path.display().to_string());
                images.push(score(&mut upscaler, path, set, args)?);
                progress.inc(1);
            }
            runs.push(Run::new(&upscaler, set, images));
        }
    }
    progress.finish_and_clear();
    let format = if args.json { Format::Json } else { args.format };
    terminal::print(table::print(&runs, sets.len(), format)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Run {
    fn new(upscaler: &Upscaler, set: &Set, images: Vec<Score>) -> Self {
        let model = upscaler.model();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            model: model.name().into(),
            architecture: model.architecture(),
            scale: model.scale(),
            parameters: model.parameters(),
            set: set.folder.display().to_string(),
            device: upscaler.device(),
            precision: upscaler.precision().to_string(),
            mean: mean(&images),
            images,
        }
    }
}

/// Networks are told apart by name.
fn refuse_twins(models: &[Model]) -> Result<()> {
    let mut names: Vec<&str> = models.iter().map(Model::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two networks are called {}: rename a file", pair[0]).into()),
        None => Ok(()),
    }
}

fn sets(args: &Args) -> Result<Vec<Set>> {
    let (large, small) = (args.hr.len(), args.lr.len());
    if small > 0 && small != large {
        return Err(format!("expected a folder --lr for each of {large} --hr, found {small}").into());
    }
    let set = |(at, folder): (usize, &PathBuf)| {
        let small = args.lr.get(at).map(|folder| pictures_in(folder)).transpose()?;
        Ok(Set { folder: folder.clone(), large: pictures_in(folder)?, small })
    };
    args.hr.iter().enumerate().map(set).collect()
}

fn score(upscaler: &mut Upscaler, path: &Path, set: &Set, args: &Args) -> Result<Score> {
    let scale = upscaler.model().scale();
    let truth = rgb8(path)?;
    let (width, height) = (truth.width() / scale, truth.height() / scale);
    if width.min(height) * scale < SSIM_WINDOW + 2 * scale {
        let needed = SSIM_WINDOW + 2 * scale;
        return Err(format!("{}: SSIM needs at least {needed} pixels a side", path.display()).into());
    }
    let truth = truth.part(0..width * scale, 0..height * scale)?;
    let input = match &set.small {
        None => resize_bicubic_matlab(&truth, width, height),
        Some(small) => small_picture(path, small, scale, [width, height])?,
    };
    let input = match args.jpeg {
        None => input,
        Some(quality) => through_jpeg(&input, quality, true)?,
    };
    let start = Instant::now();
    let upscaled = upscaler.upscale_pixels(&input).map_err(|error| format!("{}: {error}", path.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(folder) = &args.npy {
        let folder = folder.join(upscaler.model().name()).join(set.folder.file_name().unwrap_or_default());
        npy::write(&folder, &stem(path), &upscaled)?;
    }
    Ok(Score {
        name: stem(path),
        size: Some([width, height]),
        psnr_y: psnr_y(&upscaled.pixels, &truth, scale),
        ssim_y: ssim_y(&upscaled.pixels, &truth, scale),
        psnr_rgb: psnr_rgb(&upscaled.pixels, &truth, scale),
        ssim_rgb: ssim_rgb(&upscaled.pixels, &truth, scale),
        macs: macs(upscaler.model(), [width, height])?,
        macs_kept: upscaled.macs_kept,
        seconds,
        densities: upscaled.masks.iter().map(Mask::density).collect(),
    })
}

fn macs(model: &Model, size: [usize; 2]) -> Result<f64> {
    let [width, height] = model.extended(size);
    Ok(model.graph(Shape::new(1, 3, height, width))?.macs().total() as f64)
}

/// The small picture that belongs to a large one.
pub fn small_picture(large: &Path, small: &[PathBuf], scale: usize, size: [usize; 2]) -> Result<Pixels> {
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
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
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

pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn mean(images: &[Score]) -> Score {
    let mean = |value: &dyn Fn(&Score) -> f64| images.iter().map(value).sum::<f64>() / images.len() as f64;
    Score {
        psnr_y: mean(&|score| score.psnr_y),
        ssim_y: mean(&|score| score.ssim_y),
        psnr_rgb: mean(&|score| score.psnr_rgb),
        ssim_rgb: mean(&|score| score.ssim_rgb),
        macs: mean(&|score| score.macs),
        macs_kept: mean(&|score| score.macs_kept),
        seconds: mean(&|score| score.seconds),
        densities: (0..images[0].densities.len()).map(|i| mean(&|score| score.densities[i])).collect(),
        ..Score::default()
    }
}
