//! Checkpoints and pictures of others, which are not part of the project: tests use them where they are.

use std::path::PathBuf;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// The path of one of them; `None`, said aloud, where it is absent.
pub fn path(test: &str, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(FOLDER).join(name);
    if !path.exists() {
        super::skip::told(format_args!("{test}, since {} is absent", path.display()));
        return None;
    }
    Some(path)
}
