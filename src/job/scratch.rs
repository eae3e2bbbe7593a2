//! A temporary file without a name, read and written at any place: when the program ends, however it ends, it is gone.
//! A browser has none: to ask for one there is an error that says what to do.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) use system::{File, usual_folder};

#[cfg(not(target_arch = "wasm32"))]
mod system {
    use super::{Path, PathBuf, io};

    #[derive(Debug)]
    pub(crate) struct File(std::fs::File);

    /// The system's folder for temporary files.
    pub(crate) fn usual_folder() -> PathBuf {
        std::env::temp_dir()
    }

    impl File {
        /// In `folder` or, where that cannot be written, in the usual one.
        pub(crate) fn new(folder: &Path) -> io::Result<Self> {
            tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile()).map(Self)
        }

        #[cfg(unix)]
        pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, at)
        }

        #[cfg(unix)]
        pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, at)
        }

        #[cfg(not(unix))]
        pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            use std::io::{Seek, SeekFrom, Write};
            let mut file = &self.0;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)
        }

        #[cfg(not(unix))]
        pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
            use std::io::{Read, Seek, SeekFrom};
            let mut file = &self.0;
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(bytes)
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod system {
    use super::{Path, PathBuf, io};

    /// There is none.
    #[derive(Debug)]
    pub(crate) enum File {}

    /// What errors call the place.
    pub(crate) fn usual_folder() -> PathBuf {
        "temporary files".into()
    }

    impl File {
        pub(crate) fn new(_: &Path) -> io::Result<Self> {
            let reason = "a browser has none, and what lies between the phases of a picture in tiles does not fit into \
                          memory: allow more (`Options::memory`)";
            Err(io::Error::new(io::ErrorKind::Unsupported, reason))
        }

        pub(crate) fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            match *self {}
        }

        pub(crate) fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            match *self {}
        }
    }
}
