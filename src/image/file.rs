//! A file that appears whole or not at all.
//!
//! On Linux it has no name while it is written (`O_TMPFILE`), so that nothing is left of it whatever ends the
//! program, `kill -9` included. Where the system or the file system has no such files, it has a
//! temporary name in the same folder, `.sparsr-…`, which only a killed program leaves behind.
//!
//! A name that is a symbolic link stays one: what it points to is the file that is made or replaced. Nothing but
//! ordinary files is replaced.

use std::fs;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A new file that is given its name when it is finished; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    /// Where that is, at the end of symbolic links.
    place: PathBuf,
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
    /// The system's, if the folder is not there or takes no files; and if there is something that is no ordinary file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let place = resolved(path)?;
        #[cfg(target_os = "linux")]
        if let Some(file) = unnamed::create_in(folder(&place)) {
            return Ok(Self::of(path, place, Unfinished::Unnamed(file)));
        }
        let file = temporary().tempfile_in(folder(&place))?;
        Ok(Self::of(path, place, Unfinished::Named(file)))
    }

    fn of(path: &Path, place: PathBuf, file: Unfinished) -> Self {
        Self { path: path.to_owned(), place, content: BufWriter::new(file) }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The system's, if what was written last finds no room or the file cannot be named, and
    /// [`io::ErrorKind::AlreadyExists`] if there is one of that name and it may not be replaced.
    pub fn finish(self, replace: bool) -> io::Result<()> {
        let Self { path, place, content } = self;
        let file = content.into_inner().map_err(IntoInnerError::into_error)?;
        if !replace && place != path {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a symbolic link of that name",
            ));
        }
        match file {
            #[cfg(target_os = "linux")]
            Unfinished::Unnamed(file) => unnamed::name(&file, &place, replace),
            Unfinished::Named(file) if replace => Ok(file.persist(&place).map(drop)?),
            Unfinished::Named(file) => Ok(file.persist_noclobber(&place).map(drop)?),
        }
    }

    /// [`NewFile::finish`] once the content, and then the name, are on the disk: the file outlasts a loss of power.
    ///
    /// # Errors
    /// As [`NewFile::finish`].
    pub fn finish_on_disk(mut self, replace: bool) -> io::Result<()> {
        self.content.flush()?;
        self.content.get_ref().sync()?;
        let folder = folder(&self.place).to_owned();
        self.finish(replace)?;
        // A folder's own content is what the system lets us sync; where it does not, the name comes by itself, later.
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Gives several files their names, in order, all of them or none. What they replaced, if that is allowed, does not
    /// come back.
    ///
    /// # Errors
    /// [`Error::Io`], as [`NewFile::finish`], for the file that cannot be named.
    pub fn finish_all(mut files: Vec<Self>, replace: bool) -> Result<()> {
        for file in &mut files {
            file.content.flush().map_err(Error::io(&file.path))?;
        }
        let mut named = Vec::new();
        for file in files {
            let (path, place) = (file.path.clone(), file.place.clone());
            let is_new = !place.exists();
            if let Err(error) = file.finish(replace) {
                named.iter().for_each(|place| drop(fs::remove_file(place)));
                return Err(Error::io(&path)(error));
            }
            named.extend(is_new.then_some(place));
        }
        Ok(())
    }
}

/// Where a file of this name lies, whether or not there is one: at the end of symbolic links.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&place) else { return ordinary(place) };
        place = folder(&place).join(target);
    }
    Err(io::Error::other("too many symbolic links, one to the other"))
}

/// A place where there is a file or nothing.
fn ordinary(place: PathBuf) -> io::Result<PathBuf> {
    match fs::symlink_metadata(&place) {
        Ok(found) if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        Ok(found) if !found.is_file() => {
            let what = "it is a device, a pipe or a socket, and no ordinary file";
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
        _ => Ok(place),
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

impl Unfinished {
    fn sync(&self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file.sync_all(),
            Self::Named(file) => file.as_file().sync_all(),
        }
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
        let place = resolved(path).unwrap();
        let named = Unfinished::Named(temporary().tempfile_in(folder(&place)).unwrap());
        vec![NewFile::create(path).unwrap(), NewFile::of(path, place, named)]
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        for (kind, dangling) in [(0, false), (1, false), (0, true), (1, true)] {
            let folder = tempfile::tempdir().unwrap();
            let [link, between, target] =
                ["link", "between", "far/target"].map(|name| folder.path().join(name));
            fs::create_dir(folder.path().join("far")).unwrap();
            std::os::unix::fs::symlink("between", &link).unwrap();
            std::os::unix::fs::symlink(&target, &between).unwrap();
            if !dangling {
                fs::write(&target, "old").unwrap();
            }
            let begin = || {
                let mut file = kinds(&link).swap_remove(kind);
                file.write_all(b"new").unwrap();
                file
            };
            assert_eq!(begin().finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(target.exists(), !dangling);
            begin().finish(true).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new("between"));
            assert_eq!(fs::read_to_string(&target).unwrap(), "new");
            assert!(!target.is_symlink() && names(&folder.path().join("far")) == ["target"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_ordinary_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [null, first, second] = ["null", "first", "second"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        std::os::unix::fs::symlink("second", &first).unwrap();
        std::os::unix::fs::symlink("first", &second).unwrap();
        let cases = [
            (null.as_path(), "a device"),
            (Path::new("/dev/null"), "a device"),
            (folder.path(), "a folder"),
            (&first, "symbolic links"),
        ];
        for (path, expected) in cases {
            let sentence = NewFile::create(path).unwrap_err().to_string();
            assert!(sentence.contains(expected), "{}: {sentence}", path.display());
        }
    }

    #[test]
    fn several_files_are_all_named_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |name: &str| {
            let mut file = NewFile::create(&folder.path().join(name)).unwrap();
            file.write_all(name.as_bytes()).unwrap();
            file
        };
        let files = ["a", "b", "c"].map(begin).into();
        fs::write(folder.path().join("b"), "came between").unwrap();
        let refused = NewFile::finish_all(files, false).unwrap_err();
        assert!(refused.to_string().starts_with(&folder.path().join("b").display().to_string()), "{refused}");
        assert_eq!(names(folder.path()), ["b"]);
        NewFile::finish_all(["a", "b", "c"].map(begin).into(), true).unwrap();
        let contents = ["a", "b", "c"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        assert_eq!(contents, ["a", "b", "c"]);
    }
}
