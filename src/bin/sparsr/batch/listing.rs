//! Which pictures the inputs name: files, folders, and patterns that no shell has expanded.
//!
//! Nothing is read of a file but, where its name does not tell what it is, its first bytes; nothing is held of it but
//! its path. What is hidden is passed over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use image::ImageFormat;
use walkdir::{DirEntry, WalkDir};

use crate::files::Source;

/// Extensions of pictures that are not read: that they are left out of a folder is said.
const UNREAD: &[&str] = &[
    "arw", "avif", "cr2", "cr3", "dds", "dng", "exr", "hdr", "heic", "heif", "ico", "jp2", "nef", "orf",
    "psd", "raf", "rw2", "svg",
];

/// A picture that was found.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub source: Source,
    /// The folder that was named, if it was not the file itself, and those from there down to the file.
    pub within: Option<[PathBuf; 2]>,
}

/// What the inputs name.
#[derive(Debug, Default)]
pub struct Listing {
    pub found: Vec<Found>,
    /// What could not be looked into, in sentences.
    pub failures: Vec<String>,
    recursive: bool,
    /// Folders of outputs, which are not looked into.
    apart: Vec<PathBuf>,
    /// Pictures of kinds that are not read, by extension.
    unread: BTreeMap<String, usize>,
}

impl Listing {
    /// In the order of the inputs, each folder by name.
    pub fn new(inputs: &[PathBuf], recursive: bool, apart: &[PathBuf]) -> Self {
        let apart = apart.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
        let mut listing = Self { recursive, apart, ..Self::default() };
        inputs.iter().for_each(|input| listing.input(input));
        if !listing.unread.is_empty() {
            let kinds = listing.unread.iter().map(|(kind, count)| format!("{count} .{kind}"));
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            tracing::warn!("pictures of kinds that are not read are left out: {kinds}");
        }
        listing
    }

    fn input(&mut self, input: &Path) {
        let pattern = input.to_str().filter(|text| text.contains(['*', '?', '[']));
        match pattern {
            _ if input == "-" => self.found.push(Found { source: Source::Stdin, within: None }),
            _ if input.is_dir() => self.folder(input),
            Some(pattern) if input.symlink_metadata().is_err() => self.pattern(pattern),
            _ => self.file(input.to_owned()),
        }
    }

    fn file(&mut self, path: PathBuf) {
        self.found.push(Found { source: Source::File(path), within: None });
    }

    fn pattern(&mut self, pattern: &str) {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let paths = match glob::glob_with(pattern, options) {
            Ok(paths) => paths,
            Err(error) => {
                return self.failures.push(format!("{pattern}: no such file, and no pattern: {error}"));
            }
        };
        let before = self.found.len() + self.failures.len();
        for path in paths {
            match path {
                Ok(path) if !path.is_dir() => self.file(path),
                Ok(folder) if self.recursive => self.folder(&folder),
                Ok(_) => {}
                Err(error) => self.failures.push(format!("{}: {}", error.path().display(), error.error())),
            }
        }
        if self.found.len() + self.failures.len() == before {
            self.failures.push(format!("{pattern}: no file matches"));
        }
    }

    fn folder(&mut self, root: &Path) {
        let depth = if self.recursive { usize::MAX } else { 1 };
        let walk = WalkDir::new(root).max_depth(depth).follow_links(true).sort_by_file_name();
        let apart = std::mem::take(&mut self.apart);
        let (before, mut folders) = (self.found.len() + self.failures.len(), 0);
        for entry in walk.into_iter().filter_entry(|entry| is_looked_at(entry, &apart)) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => folders += usize::from(entry.depth() > 0),
                Ok(entry) if entry.file_type().is_file() && self.is_picture(entry.path()) => {
                    let path = entry.into_path();
                    let below = path.strip_prefix(root).ok().and_then(Path::parent).unwrap_or(Path::new(""));
                    let within = Some([root.to_owned(), below.to_owned()]);
                    self.found.push(Found { source: Source::File(path), within });
                }
                Ok(_) => {}
                Err(error) => self.unreachable(root, &error),
            }
        }
        self.apart = apart;
        if self.found.len() + self.failures.len() == before {
            let deeper = folders > 0 && !self.recursive;
            let remedy = if deeper { "; --recursive looks into the folders in it" } else { "" };
            self.failures.push(format!("{}: there are no pictures in it{remedy}", root.display()));
        }
    }

    /// A folder that cannot be read, or a link that leads nowhere or round in a circle.
    fn unreachable(&mut self, root: &Path, error: &walkdir::Error) {
        let path = error.path().unwrap_or(root);
        if error.loop_ancestor().is_some() {
            tracing::warn!("{}: a link to a folder that it is in; it is not followed", path.display());
        } else if !path.is_symlink() || kind(path).is_some_and(|kind| reads(&kind)) {
            let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            self.failures.push(format!("{}: {reason}", path.display()));
        }
    }

    /// By its name or, if that does not tell, by its content.
    fn is_picture(&mut self, path: &Path) -> bool {
        match kind(path) {
            Some(kind) if reads(&kind) => true,
            Some(kind) if UNREAD.contains(&kind.as_str()) => {
                *self.unread.entry(kind).or_default() += 1;
                false
            }
            _ => begins_as_picture(path),
        }
    }
}

/// Neither hidden nor a folder of outputs. What was named is looked at in any case.
fn is_looked_at(entry: &DirEntry, apart: &[PathBuf]) -> bool {
    let is_hidden = || entry.file_name().as_encoded_bytes().starts_with(b".");
    let is_apart = || {
        let folder =
            (entry.file_type().is_dir() && !apart.is_empty()).then(|| fs::canonicalize(entry.path()).ok());
        folder.flatten().is_some_and(|folder| apart.contains(&folder))
    };
    entry.depth() == 0 || !(is_hidden() || is_apart())
}

/// The extension in lower case.
fn kind(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

fn reads(extension: &str) -> bool {
    extension == "jxl" || ImageFormat::from_extension(extension).is_some_and(is_read)
}

fn is_read(format: ImageFormat) -> bool {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Qoi, Tga, Tiff, WebP};
    matches!(format, Png | Jpeg | WebP | Tiff | Bmp | Gif | Pnm | Tga | Qoi)
}

fn begins_as_picture(path: &Path) -> bool {
    let mut start = [0; 32];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..read.unwrap_or(0)];
    // BigTIFF and JPEG XL.
    let others: [&[u8]; 4] = [b"II+\0", b"MM\0+", b"\xff\x0a", b"\0\0\0\x0cJXL "];
    others.iter().any(|other| start.starts_with(other)) || image::guess_format(start).is_ok_and(is_read)
}
