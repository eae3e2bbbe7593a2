//! A file that appears whole or not at all.
//!
//! On Linux it has no name while it is written (`O_TMPFILE`), so that nothing is left of it whatever ends the
//! program, `kill -9` included. Where the system or the file system has no such files, it has a
//! temporary name in the same folder, `.sparsr-…`, which only a killed program leaves behind.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A new file that is given its name when it is finished; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    content: BufWriter<Unfinished>,
}

#[derive(Debug)]
enum Unfinished {
    #[cfg(target_os = "linux")]
    Unnamed(File),
    Named(NamedTempFile),
}

impl NewFile {
    /// Begins a file that will be called `path` and have the permissions of an ordinary new file.
    ///
    /// # Errors
    /// The system's, if the folder is not there or takes no files.
    pub fn create(path: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = unnamed::create_in(folder(path)) {
            return Ok(Self::of(path, Unfinished::Unnamed(file)));
        }
        Ok(Self::of(path, Unfinished::Named(temporary().tempfile_in(folder(path))?)))
    }

    fn of(path: &Path, file: Unfinished) -> Self {
        Self { path: path.to_owned(), content: BufWriter::new(file) }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The system's, if what was written last finds no room or the file cannot be named, and
    /// [`io::ErrorKind::AlreadyExists`] if there is one of that name and it may not be replaced.
    pub fn finish(self, replace: bool) -> io::Result<()> {
        match self.content.into_inner().map_err(IntoInnerError::into_error)? {
            #[cfg(target_os = "linux")]
            Unfinished::Unnamed(file) => unnamed::name(&file, &self.path, replace),
            Unfinished::Named(file) if replace => Ok(file.persist(&self.path).map(drop)?),
            Unfinished::Named(file) => Ok(file.persist_noclobber(&self.path).map(drop)?),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.content.flush()
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file.write(bytes),
            Self::Named(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod unnamed {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::{AtFlags, CWD, OFlags, linkat};

    use super::{File, Path, folder, io, temporary};

    /// None where the folder has no files without a name, or does not let them have one later, which is tried
    /// with an empty one: at the end of the work it would be too late.
    pub(super) fn create_in(folder: &Path) -> Option<File> {
        let open = || {
            let flags = OFlags::TMPFILE.bits().cast_signed();
            File::options().write(true).custom_flags(flags).open(folder).ok()
        };
        let trial = open()?;
        temporary().make_in(folder, |name| link(&trial, name)).ok()?;
        open()
    }

    /// A file that is there can only be replaced by renaming, so the new one has a temporary name for a moment.
    pub(super) fn name(file: &File, path: &Path, replace: bool) -> io::Result<()> {
        match link(file, path) {
            Err(error) if replace && error.kind() == io::ErrorKind::AlreadyExists => {
                let named = temporary().make_in(folder(path), |name| link(file, name))?;
                Ok(named.into_temp_path().persist(path)?)
            }
            done => done,
        }
    }

    fn link(file: &File, path: &Path) -> io::Result<()> {
        let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, opened, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// Names that tell whose they are.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sparsr-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != "").unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Every kind of unfinished file that this system has.
    fn kinds(path: &Path) -> Vec<NewFile> {
        let named = Unfinished::Named(temporary().tempfile_in(folder(path)).unwrap());
        vec![NewFile::create(path).unwrap(), NewFile::of(path, named)]
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        fs::read_dir(folder).unwrap().map(name).collect()
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        for kind in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            let begin = |text: &str| {
                let mut file = kinds(&path).swap_remove(kind);
                file.write_all(text.as_bytes()).unwrap();
                file
            };
            drop(begin("dropped"));
            assert_eq!(names(folder.path()), Vec::<String>::new());
            begin("first").finish(false).unwrap();
            let refused = begin("second").finish(false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&path).unwrap(), "first");
            begin("third").finish(true).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "third");
            assert_eq!(names(folder.path()), ["a"]);
        }
    }

    #[test]
    fn a_folder_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(NewFile::create(&folder.path().join("absent/a")).is_err());
    }
}
