//! Where pictures come from and go to. A file appears whole or not at all (`NewFile`).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use image::ImageFormat;
use sparsr::{NewFile, Picture, PictureReader, Pixels, Reading, Samples};

use crate::{Result, terminal};

/// Where a picture comes from.
#[derive(Debug, PartialEq)]
pub enum Source {
    Stdin,
    File(PathBuf),
}

/// Where a picture goes.
#[derive(Debug, PartialEq)]
pub enum Target {
    Stdout(ImageFormat),
    File(PathBuf, ImageFormat),
}

/// As evaluations read pictures: 8-bit RGB, without transparency.
pub fn rgb8(path: &Path) -> Result<Pixels> {
    let rgb = Picture::read(path)?.image.to_rgb8();
    Ok(Pixels::new(rgb.width() as usize, rgb.height() as usize, Samples::U8(rgb.into_raw()))?)
}

/// Columns and rows, if the file tells. A pipe is not asked: it tells once.
pub fn size(path: &Path) -> Option<[u32; 2]> {
    PictureReader::size_of(path).ok()
}

impl Source {
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    pub fn stem(&self) -> OsString {
        match self {
            Self::Stdin => "stdin".into(),
            Self::File(path) => path.file_stem().unwrap_or_default().to_owned(),
        }
    }

    pub fn read(&self, reading: &Reading) -> Result<Picture> {
        match self {
            Self::File(path) => Ok(Picture::read_with(path, reading)?),
            Self::Stdin => {
                let mut bytes = Vec::new();
                io::stdin().read_to_end(&mut bytes).map_err(|error| format!("{}: {error}", self.name()))?;
                Ok(Picture::decode_with(&self.name(), &bytes, reading)?)
            }
        }
    }
}

impl Target {
    pub fn name(&self) -> &Path {
        match self {
            Self::Stdout(_) => Path::new("standard output"),
            Self::File(path, _) => path,
        }
    }

    pub fn format(&self) -> ImageFormat {
        match self {
            Self::Stdout(format) | Self::File(_, format) => *format,
        }
    }

    /// Whether there is such a file.
    pub fn exists(&self) -> bool {
        matches!(self, Self::File(path, _) if path.is_file())
    }

    /// [`prepare`], for a file.
    pub fn prepare(&self, force: bool) -> Result<Vec<PathBuf>> {
        match self {
            Self::Stdout(_) if io::stdout().is_terminal() => {
                Err("a picture is nothing for a terminal: name a file with -o, or redirect".into())
            }
            Self::Stdout(_) => Ok(vec![]),
            Self::File(path, _) => prepare(path, force),
        }
    }

    /// Writes the picture, and gives it and the files `beside` it their names: all of them or none.
    pub fn write(&self, bytes: &[u8], mut beside: Vec<NewFile>, force: bool) -> Result<()> {
        match self {
            Self::Stdout(_) => terminal::print(bytes)?,
            // The last one: where it is, the others are.
            Self::File(path, _) => beside.push(begin(path, bytes)?),
        }
        Ok(NewFile::finish_all(beside, force)?)
    }
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

/// The same of a checkpoint that is made of another.
pub fn checkpoint(output: &Path, input: &str, force: bool) -> Result<()> {
    if output.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(format!("{}: expected a name that ends in .safetensors", output.display()).into());
    }
    if identity(output) == identity(Path::new(input)) {
        return Err(format!("{} would be written over itself", output.display()).into());
    }
    prepare(output, force).map(drop)
}

/// A file that is written and has no name yet.
pub fn begin(path: &Path, bytes: &[u8]) -> Result<NewFile> {
    let cannot = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = NewFile::create(path).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    Ok(file)
}

/// The one that a path's file lies in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != "" => folder,
        _ => Path::new("."),
    }
}
