//! Where Windows would find Microsoft's shader compiler DXC.

use std::path::{Path, PathBuf};

/// The compiler's file.
const FILE: &str = "dxcompiler.dll";

/// DXC's path: beside the program, else in the first folder of the library path that has it. `None` where there is no
/// such file, or no Windows.
pub(super) fn path() -> Option<PathBuf> {
    if !cfg!(windows) {
        return None;
    }
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.parent().map(Path::to_owned);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    first_in(beside.into_iter().chain(std::env::split_paths(&folders)))
}

fn first_in(mut folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    // What stands in no folder would be looked for wherever the user happens to be.
    folders.find_map(|folder| Some(folder.join(FILE)).filter(|path| folder.is_absolute() && path.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_has_the_compiler_is_taken() {
        let [program, first, second] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let folders = || [&program, &first, &second].map(|folder| folder.path().to_owned()).into_iter();
        assert_eq!(first_in(folders()), None);
        let path = |folder: &tempfile::TempDir| folder.path().join(FILE);
        std::fs::create_dir(path(&first)).unwrap(); // a folder of this name is none
        std::fs::write(path(&second), "").unwrap();
        assert_eq!(first_in(folders()), Some(path(&second)));
        std::fs::write(path(&program), "").unwrap();
        assert_eq!(first_in(folders()), Some(path(&program)));
        let here = std::env::current_dir().unwrap();
        let below = tempfile::tempdir_in(&here).unwrap();
        std::fs::write(path(&below), "").unwrap();
        let relative = below.path().strip_prefix(&here).unwrap().to_owned();
        assert_eq!(
            first_in(std::iter::once(relative)),
            None,
            "not by the folder where the user happens to be"
        );
    }
}
