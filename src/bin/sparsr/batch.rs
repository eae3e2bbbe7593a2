//! A batch: which pictures there are and where each goes, decided before any work begins.
//!
//! ```text
//!   inputs ─► Listing ─► a Job each ─► no two outputs alike, none an input ─► this shard's ─► those not done yet
//! ```
//!
//! Outputs appear whole or not at all (`NewFile`), so one that exists is done: a batch that was stopped, however it
//! was, goes on with `--skip-existing`.

mod listing;

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use image::ImageFormat;
use listing::{Found, Listing};
use sparsr::format_of;

use crate::Result;
use crate::files::{self, Source, Target};

/// Pictures, and what their enlargements are called.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// Pictures (PNG, JPEG, WebP, TIFF, BMP, GIF, PNM, TGA, QOI, JPEG XL), folders of them, patterns such as '*.png'; `-` is
    /// standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,

    /// A file (.png, .jpg, .webp, .tif, .bmp, .gif) for one picture, a folder for several, `-` for standard output
    /// [default: <STEM><SUFFIX>.png in the working directory; of a folder, in the folder <FOLDER><SUFFIX> there]
    #[arg(short, long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,

    /// Look into the folders in a folder, too, and keep their tree
    #[arg(short, long)]
    pub recursive: bool,

    /// The format of outputs: png, jpg, webp, tiff, bmp, gif, or `same` as the input's
    /// [default: by the name of the output, else png]
    #[arg(short, long, value_parser = format)]
    pub format: Option<Format>,

    /// What is put behind the stem of an input's name for its output [default: -x and the scale]
    #[arg(long, value_name = "TEXT", value_parser = suffix)]
    pub suffix: Option<String>,

    /// Replace files that exist
    #[arg(long, conflicts_with = "skip_existing")]
    pub force: bool,

    /// Pass over pictures whose output exists: a batch that was stopped goes on
    #[arg(long)]
    pub skip_existing: bool,

    /// Of N equal shares of the batch do only the one of number I, from 1 on: for N machines
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<[usize; 2]>,
}

/// What `--format` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Same,
    One(ImageFormat),
}

/// One picture to enlarge.
#[derive(Debug, PartialEq)]
pub struct Job {
    pub source: Source,
    pub target: Target,
    /// The folders from the input that was named down to the picture.
    pub below: PathBuf,
    /// Whether the picture itself was named.
    named: bool,
}

/// All that is to be done.
#[derive(Debug)]
pub struct Batch {
    pub jobs: Vec<Job>,
    /// Pictures whose output exists.
    pub skipped: Vec<Job>,
    /// What could not be looked into, in sentences.
    pub failures: Vec<String>,
}

/// What `-o` means.
enum Destination {
    Stdout,
    File(PathBuf),
    Folder(PathBuf),
    /// The working directory.
    Here,
}

/// How outputs are called.
struct Naming<'a> {
    suffix: &'a str,
    format: Option<Format>,
}

impl Batch {
    /// `suffix` is what stands behind a stem if nothing else is asked for, `apart` a folder of other outputs.
    pub fn plan(args: &Args, suffix: &str, apart: Option<&Path>) -> Result<Self> {
        let destination = Destination::new(args)?;
        let naming = Naming { suffix: args.suffix.as_deref().unwrap_or(suffix), format: args.format };
        let outputs = args.inputs.iter().filter_map(|input| destination.folder_for(input, &naming));
        let apart: Vec<PathBuf> = outputs.chain(apart.map(Path::to_owned)).collect();
        let Listing { found, failures, .. } = Listing::new(&args.inputs, args.recursive, &apart);
        let job = |found| destination.job(found, &naming);
        let mut jobs = found.into_iter().map(job).collect::<Result<Vec<Job>>>()?;
        if args.skip_existing {
            leave_outputs_out(&mut jobs);
        }
        refuse_collisions(&jobs)?;
        if let Some([number, of]) = args.shard {
            jobs = jobs.into_iter().skip(number - 1).step_by(of).collect();
        }
        let is_done = |job: &mut Job| args.skip_existing && job.target.exists();
        let skipped = jobs.extract_if(.., is_done).collect();
        Ok(Self { jobs, skipped, failures })
    }
}

impl Destination {
    fn new(args: &Args) -> Result<Self> {
        let Args { inputs, output, suffix, format, .. } = args;
        let several = inputs.len() > 1 || inputs.iter().any(|input| input.is_dir());
        let Some(output) = output else {
            let piped = inputs == &[Path::new("-")];
            return Ok(if piped { Self::Stdout } else { Self::Here });
        };
        if output == "-" {
            return if several { Err("standard output takes one picture".into()) } else { Ok(Self::Stdout) };
        }
        if let Some(name) = output.file_name().filter(|name| is_extension(name) && !output.is_dir()) {
            let name = name.display();
            return Err(
                format!("{} is only an extension: name a file, such as x{name}", output.display()).into()
            );
        }
        let ends_as_folder = output.as_os_str().to_string_lossy().ends_with(['/', MAIN_SEPARATOR]);
        if output.is_dir() || ends_as_folder || (output.extension().is_none() && !output.exists()) {
            return Ok(Self::Folder(output.to_owned()));
        }
        let name = output.display();
        if several {
            return Err(format!("{name} names one file and there are several pictures: name a folder").into());
        }
        let by_name = format_of(output)?;
        if let Some(Format::One(asked)) = format
            && *asked != by_name
        {
            return Err(format!("{name} is a name for {by_name:?}, and --format asks for {asked:?}").into());
        }
        if suffix.is_some() {
            return Err(format!("--suffix is for names that are made of inputs', and {name} is named").into());
        }
        Ok(Self::File(output.to_owned()))
    }

    fn job(&self, found: Found, naming: &Naming) -> Result<Job> {
        let Found { source, within } = found;
        let named = within.is_none();
        let [root, below] = within.unwrap_or_default();
        let target = match self {
            Self::Stdout => Target::Stdout(naming.of(&source).1),
            Self::File(path) => Target::File(path.clone(), format_of(path)?),
            Self::Folder(_) | Self::Here => {
                let (name, format) = naming.of(&source);
                let folder = match self {
                    Self::Folder(folder) => folder.clone(),
                    _ if named => PathBuf::new(),
                    _ => naming.folder(&root),
                };
                Target::File(folder.join(&below).join(name), format)
            }
        };
        Ok(Job { source, target, below, named })
    }

    /// The folder of an input's outputs, if that is one of its own.
    fn folder_for(&self, input: &Path, naming: &Naming) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.clone()),
            Self::Here if input.is_dir() => Some(naming.folder(input)),
            _ => None,
        }
    }
}

impl Naming<'_> {
    /// The name of a picture's output, and its format.
    fn of(&self, source: &Source) -> (OsString, ImageFormat) {
        let (extension, format) = self.extension(source);
        let mut name = source.stem();
        name.push(self.suffix);
        name.push(".");
        name.push(extension);
        (name, format)
    }

    fn extension(&self, source: &Source) -> (OsString, ImageFormat) {
        let png = ("png".into(), ImageFormat::Png);
        match (self.format, source) {
            (None, _) | (Some(Format::Same), Source::Stdin) => png,
            (Some(Format::One(format)), _) => (extension_of(format).into(), format),
            (Some(Format::Same), Source::File(path)) => match (path.extension(), format_of(path)) {
                (Some(extension), Ok(format)) => (extension.to_owned(), format),
                _ => {
                    tracing::warn!("{}: its format is not written; PNG takes its place", path.display());
                    png
                }
            },
        }
    }

    /// What the outputs of a folder's pictures lie in, in the working directory.
    fn folder(&self, root: &Path) -> PathBuf {
        let whole = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let mut name = root.file_name().or(whole.file_name()).unwrap_or(OsStr::new("pictures")).to_owned();
        name.push(self.suffix);
        name.into()
    }
}

/// Of pictures found in folders, leaves out those that are another's output: they were made by an earlier run.
fn leave_outputs_out(jobs: &mut Vec<Job>) {
    let mut places = Places::default();
    let outputs: HashSet<PathBuf> = jobs.iter().filter_map(|job| places.of_target(job)).collect();
    jobs.retain(|job| job.named || places.of_source(job).is_none_or(|place| !outputs.contains(&place)));
}

/// Two pictures in one file, or a picture over one that is still to be read.
fn refuse_collisions(jobs: &[Job]) -> Result<()> {
    let mut places = Places::default();
    let inputs: HashMap<PathBuf, &Source> =
        jobs.iter().filter_map(|job| Some((places.of_source(job)?, &job.source))).collect();
    let mut taken: HashMap<PathBuf, &Source> = HashMap::new();
    for job in jobs {
        let Some(place) = places.of_target(job) else { continue };
        let source = job.source.name();
        if let Some(input) = inputs.get(&place) {
            let input = input.name();
            return Err(format!("{source} would be written over {input}, which is an input").into());
        }
        if let Some(other) = taken.insert(place, &job.source) {
            let (other, output) = (other.name(), job.target.name().display());
            let remedy = if job.named { "" } else { ": --format same keeps their extensions apart" };
            return Err(format!("{other} and {source} would both be written to {output}{remedy}").into());
        }
    }
    Ok(())
}

/// Paths in the one form that all ways to write one have in common; folders are looked up once.
#[derive(Default)]
struct Places {
    folders: HashMap<PathBuf, PathBuf>,
}

impl Places {
    fn of_source(&mut self, job: &Job) -> Option<PathBuf> {
        match &job.source {
            Source::File(path) => Some(self.of(path)),
            Source::Stdin => None,
        }
    }

    fn of_target(&mut self, job: &Job) -> Option<PathBuf> {
        match &job.target {
            Target::File(path, _) => Some(self.of(path)),
            Target::Stdout(_) => None,
        }
    }

    fn of(&mut self, path: &Path) -> PathBuf {
        if path.is_symlink() {
            return files::identity(path);
        }
        let folder = files::folder(path);
        let known = match self.folders.get(folder) {
            Some(known) => known,
            None => {
                let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
                self.folders.entry(folder.to_owned()).or_insert(whole)
            }
        };
        known.join(path.file_name().unwrap_or_default())
    }
}

/// `.png` and its like.
fn is_extension(name: &OsStr) -> bool {
    let rest = name.to_str().and_then(|name| name.strip_prefix('.'));
    rest.is_some_and(|rest| ImageFormat::from_extension(rest).is_some())
}

fn extension_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpg",
        ImageFormat::WebP => "webp",
        ImageFormat::Tiff => "tif",
        ImageFormat::Bmp => "bmp",
        ImageFormat::Gif => "gif",
        _ => "png",
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text.to_ascii_lowercase().as_str() {
        "same" => Ok(Format::Same),
        "png" => Ok(Format::One(ImageFormat::Png)),
        "jpg" | "jpeg" => Ok(Format::One(ImageFormat::Jpeg)),
        "webp" => Ok(Format::One(ImageFormat::WebP)),
        "tif" | "tiff" => Ok(Format::One(ImageFormat::Tiff)),
        "bmp" => Ok(Format::One(ImageFormat::Bmp)),
        "gif" => Ok(Format::One(ImageFormat::Gif)),
        "avif" => Err("AVIF is not written: take png, and convert it with avifenc".into()),
        "jxl" => Err("JPEG XL is not written: take png, and convert it with cjxl".into()),
        _ => Err("expected png, jpg, webp, tiff, bmp, gif or same".into()),
    }
}

fn suffix(text: &str) -> Result<String, String> {
    if text.contains(['/', '\\', '\0']) {
        return Err("expected a part of a file's name, found a path".into());
    }
    Ok(text.into())
}

fn shard(text: &str) -> Result<[usize; 2], String> {
    let numbers =
        text.split_once('/').and_then(|(number, of)| Some([number.parse().ok()?, of.parse().ok()?]));
    numbers
        .filter(|[number, of]| (1..=*of).contains(number))
        .ok_or_else(|| "expected I/N with 1 ≤ I ≤ N".into())
}

#[cfg(test)]
mod tests;
