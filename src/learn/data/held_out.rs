//! Names of pictures that nothing is trained on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Names of pictures that are never opened for training.
///
/// A name is that of a file, without folders. Its extension and the case of its letters do not count: a picture that
/// was converted is still the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldOut {
    stems: BTreeSet<String>,
}

impl HeldOut {
    /// A list with one name a line. Lines that begin with `#`, and empty ones, say nothing.
    pub fn parse(list: &str) -> Self {
        let names = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { stems: names.map(|name| stem(Path::new(name))).collect() }
    }

    /// [`HeldOut::parse`] of a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        fs::read_to_string(path).map(|list| Self::parse(&list)).map_err(Error::io(path))
    }

    /// The names of both lists.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.stems.extend(other.stems);
        self
    }

    /// Whether a file has one of the names.
    pub fn holds(&self, path: &Path) -> bool {
        self.stems.contains(&stem(path))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.stems.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.stems.is_empty()
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_folder_extension_and_case() {
        let list = HeldOut::parse("# a comment\n\n  a.webp \nB.b.PNG\r\nc d.tif\n");
        assert_eq!(list.len(), 3);
        for (path, held) in [
            ("x/a.webp", true),
            ("A.jpg", true),
            ("deep/er/b.b.png", true),
            ("b.png", false),
            ("c d", true),
            ("aa.webp", false),
            ("# a comment", false),
            ("", false),
        ] {
            assert_eq!(list.holds(Path::new(path)), held, "{path}");
        }
        let both = list.and(HeldOut::parse("aa.png"));
        assert!(both.holds(Path::new("aa.webp")) && both.holds(Path::new("a.webp")));
    }
}
