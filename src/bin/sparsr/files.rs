//! Where pictures come from and go to.
//!
//! Every output is decided before any work begins: two pictures never share one, and none is an input. A file
//! appears whole or not at all (`NewFile`).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use image::ImageFormat;
use sparsr::{NewFile, Picture, Pixels, Samples, format_of};

use crate::{Result, terminal};

/// One picture to enlarge.
#[derive(Debug)]
pub struct Job {
    pub source: Source,
    pub target: Target,
}

#[derive(Debug)]
pub enum Source {
    Stdin,
    File(PathBuf),
}

#[derive(Debug)]
pub enum Target {
    Stdout,
    File(PathBuf, ImageFormat),
}

/// What `-o` means.
enum Destination {
    Stdout,
    File(PathBuf),
    Folder(PathBuf),
}

/// As evaluations read pictures: 8-bit RGB, without transparency.
pub fn rgb8(path: &Path) -> Result<Pixels> {
    let rgb = Picture::read(path)?.image.to_rgb8();
    Ok(Pixels::new(rgb.width() as usize, rgb.height() as usize, Samples::U8(rgb.into_raw())))
}

/// Pairs every input with its output.
pub fn plan(inputs: &[PathBuf], output: Option<&Path>, scale: usize) -> Result<Vec<Job>> {
    let destination = Destination::new(inputs, output)?;
    let sources = inputs.iter().map(|input| Source::new(input));
    let job = |source: Source| Ok(Job { target: destination.target(&source, scale)?, source });
    let jobs: Vec<Job> = sources.map(job).collect::<Result<_>>()?;
    refuse_collisions(&jobs)?;
    Ok(jobs)
}

/// Columns and rows, if the file tells. A pipe is not asked: it tells once.
pub fn size(path: &Path) -> Option<[u32; 2]> {
    let (width, height) = path.is_file().then(|| image::image_dimensions(path).ok())??;
    Some([width, height])
}

/// A folder for what is written on the way: that of the first output, on a disk that has room for pictures.
pub fn scratch(jobs: &[Job]) -> PathBuf {
    let mut folders = jobs.iter().filter_map(|job| match &job.target {
        Target::File(path, _) => Some(folder(path).to_owned()),
        Target::Stdout => None,
    });
    folders.next().unwrap_or_else(std::env::temp_dir)
}

impl Source {
    fn new(input: &Path) -> Self {
        if input == "-" { Self::Stdin } else { Self::File(input.to_owned()) }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    pub fn stem(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    pub fn read(&self) -> Result<Picture> {
        match self {
            Self::File(path) => Ok(Picture::read(path)?),
            Self::Stdin => {
                let mut bytes = Vec::new();
                io::stdin().read_to_end(&mut bytes).map_err(|error| format!("{}: {error}", self.name()))?;
                Ok(Picture::decode(&self.name(), &bytes)?)
            }
        }
    }
}

impl Target {
    pub fn name(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("standard output"),
            Self::File(path, _) => path,
        }
    }

    pub fn format(&self) -> ImageFormat {
        match self {
            Self::Stdout => ImageFormat::Png,
            Self::File(_, format) => *format,
        }
    }

    /// Whether the file may be written, asked before the work: it is not there, or may be replaced, and its
    /// folder is there, or can be made, and takes files.
    pub fn prepare(&self, force: bool) -> Result<Vec<PathBuf>> {
        match self {
            Self::Stdout if io::stdout().is_terminal() => {
                Err("a picture is nothing for a terminal: name a file with -o, or redirect".into())
            }
            Self::Stdout => Ok(vec![]),
            Self::File(path, _) => prepare(path, force),
        }
    }

    /// Writes the picture, and gives it and the files `beside` it their names: all of them or none.
    pub fn write(&self, bytes: &[u8], mut beside: Vec<NewFile>, force: bool) -> Result<()> {
        match self {
            Self::Stdout => terminal::print(bytes)?,
            // The last one: where it is, the others are.
            Self::File(path, _) => beside.push(begin(path, bytes)?),
        }
        Ok(NewFile::finish_all(beside, force)?)
    }
}

impl Destination {
    fn new(inputs: &[PathBuf], output: Option<&Path>) -> Result<Self> {
        let several = inputs.len() > 1;
        let Some(output) = output else {
            let piped = inputs == [Path::new("-")];
            return Ok(if piped { Self::Stdout } else { Self::Folder(PathBuf::new()) });
        };
        if output == "-" {
            return if several { Err("standard output takes one picture".into()) } else { Ok(Self::Stdout) };
        }
        if let Some(name) = output.file_name().filter(|name| is_extension(name))
            && !output.is_dir()
        {
            let reason = format!(
                "{} is only an extension: name a file, such as x{}",
                output.display(),
                name.display()
            );
            return Err(reason.into());
        }
        let ends_as_folder = output.as_os_str().to_string_lossy().ends_with(['/', MAIN_SEPARATOR]);
        if output.is_dir() || ends_as_folder || (output.extension().is_none() && !output.exists()) {
            return Ok(Self::Folder(output.to_owned()));
        }
        if several {
            let (output, len) = (output.display(), inputs.len());
            return Err(format!("{output} names one file and there are {len} pictures: name a folder").into());
        }
        Ok(Self::File(output.to_owned()))
    }

    fn target(&self, source: &Source, scale: usize) -> Result<Target> {
        Ok(match self {
            Self::Stdout => Target::Stdout,
            Self::File(path) => Target::File(path.clone(), format_of(path)?),
            Self::Folder(folder) => {
                let name = format!("{}-x{scale}.png", source.stem());
                Target::File(folder.join(name), ImageFormat::Png)
            }
        })
    }
}

/// `.png` and its like.
fn is_extension(name: &OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix('.'))
        .is_some_and(|rest| ImageFormat::from_extension(rest).is_some())
}

/// Two pictures in one file, or a picture over one that is still to be read.
fn refuse_collisions(jobs: &[Job]) -> Result<()> {
    let mut inputs = HashMap::new();
    for Job { source, .. } in jobs {
        if let Source::File(path) = source {
            inputs.insert(identity(path), source);
        }
    }
    let mut taken: HashMap<PathBuf, &Source> = HashMap::new();
    for Job { source, target } in jobs {
        let Target::File(path, _) = target else { continue };
        let (identity, output) = (identity(path), path.display());
        if let Some(input) = inputs.get(&identity) {
            let (source, input) = (source.name(), input.name());
            return Err(format!("{source} would be written over {input}, which is an input").into());
        }
        if let Some(other) = taken.insert(identity, source) {
            let (source, other) = (source.name(), other.name());
            return Err(format!("{other} and {source} would both be written to {output}").into());
        }
    }
    Ok(())
}

/// The same for every way to write one path, whether or not there is a file.
pub fn identity(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or(OsStr::new(""));
    let by_folder = || fs::canonicalize(folder(path)).map(|folder| folder.join(name));
    fs::canonicalize(path).or_else(|_| by_folder()).unwrap_or_else(|_| path.to_owned())
}

/// Whether a file may be written, asked before the work: makes its folder, and tries whether that takes files. Gives
/// the folders that were made, the deepest first.
pub fn prepare(path: &Path, force: bool) -> Result<Vec<PathBuf>> {
    let is_there = path.symlink_metadata().is_ok();
    if is_there && !force && !path.is_dir() {
        return Err(format!("{} exists already: --force replaces it", path.display()).into());
    }
    let folder = folder(path);
    let cannot = |error: io::Error| format!("{}: cannot write there: {error}", folder.display());
    let made = folder.ancestors().take_while(|folder| *folder != "" && !folder.exists());
    let made = made.map(Path::to_owned).collect();
    fs::create_dir_all(folder).map_err(cannot)?;
    let refused =
        |error: io::Error| if is_there { format!("{}: {error}", path.display()) } else { cannot(error) };
    NewFile::create(path).map_err(refused)?;
    Ok(made)
}

/// A file that is written and has no name yet.
pub fn begin(path: &Path, bytes: &[u8]) -> Result<NewFile> {
    let cannot = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = NewFile::create(path).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != "" => folder,
        _ => Path::new("."),
    }
}
