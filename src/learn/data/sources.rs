//! The files of a data set: every picture of the folders, in the order of folders and names, with its partner.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{DataOptions, unsupported};
use crate::error::{Error, Result};

/// What pictures' names end in. Of the last few there is no reader: they are opened so that it is said.
const EXTENSIONS: [&str; 24] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "jxl", "bmp", "dib", "gif", "pnm",
    "pbm", "pgm", "ppm", "pam", "tga", "qoi", "avif", "heic", "heif", "exr",
];

/// What is read, and what is not.
pub(super) struct Listed {
    pub(super) sources: Vec<Source>,
    pub(super) held_out: Vec<PathBuf>,
}

/// A large picture, and the small one that it came with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    /// The large one's, below its folder, with `/`.
    pub(super) name: String,
    pub(super) high: PathBuf,
    pub(super) low: Option<PathBuf>,
}

pub(super) fn list(options: &DataOptions) -> Result<Listed> {
    check(options)?;
    let (mut sources, mut held_out) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (at, root) in options.dataroot_gt.iter().enumerate() {
        let partners =
            options.dataroot_lq.get(at).map(|root| Partners::of(root, options.scale)).transpose()?;
        for high in pictures(root)? {
            // Folders may lie in each other.
            if !seen.insert(fs::canonicalize(&high).map_err(Error::io(&high))?) {
                continue;
            }
            if options.held_out.holds(&high) {
                held_out.push(high);
                continue;
            }
            let name = below(root, &high);
            let low = partners.as_ref().map(|partners| partners.find(&high, &name)).transpose()?;
            sources.push(Source { name, high, low });
        }
    }
    if sources.is_empty() {
        let besides = match held_out.len() {
            0 => String::new(),
            count => format!(" but {count} that are held out"),
        };
        return Err(of_folders(options, format!("there are no pictures{besides}")));
    }
    Ok(Listed { sources, held_out })
}

/// What is wrong with the folders together.
pub(super) fn of_folders(options: &DataOptions, reason: String) -> Error {
    let folders: Vec<String> = options.dataroot_gt.iter().map(|path| path.display().to_string()).collect();
    Error::Image { file: folders.join(", "), reason }
}

fn check(options: &DataOptions) -> Result<()> {
    let [high, low] = [options.dataroot_gt.len(), options.dataroot_lq.len()];
    if high == 0 {
        return Err(unsupported("dataroot_gt: expected a folder of pictures at least, found none"));
    }
    if low != 0 && low != high {
        return Err(unsupported(format!(
            "dataroot_lq: expected a folder for each of the {high} of dataroot_gt, or none, found {low}"
        )));
    }
    if options.scale == 0 {
        return Err(unsupported("scale: expected 1 at least, found 0"));
    }
    Ok(())
}

/// All pictures in a folder and below it, sorted. Files that begin with a dot are none.
fn pictures(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders, mut seen) = (Vec::new(), vec![root.to_owned()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        // A link may lead back to where it stands.
        if !seen.insert(fs::canonicalize(&folder).map_err(Error::io(&folder))?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if is_hidden {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_picture(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The small pictures of a folder.
struct Partners<'a> {
    root: &'a Path,
    scale: usize,
    /// By their names without extension.
    files: BTreeMap<String, PathBuf>,
}

impl<'a> Partners<'a> {
    fn of(root: &'a Path, scale: usize) -> Result<Self> {
        let files = pictures(root)?.into_iter().map(|path| (without_extension(&below(root, &path)), path));
        Ok(Self { root, scale, files: files.collect() })
    }

    /// The one that a large picture's name asks for: `a.png` has `a.*` or, at the scale 2, `ax2.*`.
    fn find(&self, high: &Path, name: &str) -> Result<PathBuf> {
        let stem = without_extension(name);
        let with_scale = format!("{stem}x{}", self.scale);
        let found = self.files.get(&stem).or_else(|| self.files.get(&with_scale));
        found.cloned().ok_or_else(|| {
            let root = self.root.display();
            let reason =
                format!("expected its small picture in {root}, as {stem} or {with_scale}, found none");
            Error::Image { file: high.display().to_string(), reason }
        })
    }
}

fn without_extension(name: &str) -> String {
    Path::new(name).with_extension("").to_string_lossy().into_owned()
}
