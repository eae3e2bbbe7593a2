//! Where a training keeps what it makes:
//!
//! ```text
//!   experiments/NAME/NAME.toml                                 the configuration
//!                    train.log  metrics.csv  curve.svg  tb/    how it goes
//!                    models/net_g_{ITER,latest,best}.safetensors
//!                    training_states/ITER.state                what it goes on from
//!                    visualization/PICTURE/PICTURE_ITER.png    bicubic beside the network
//! ```
//!
//! Files appear whole. Of networks and states the last few stay, and `latest` and `best` always.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sparsr::learn::State;
use sparsr::{Error, NewFile};

use crate::Result;

pub struct Folder {
    root: PathBuf,
    keep: usize,
}

impl Folder {
    /// Makes nothing yet.
    pub fn at(root: PathBuf, keep: usize) -> Self {
        Self { root, keep }
    }

    /// Makes the folder.
    pub fn make(&self) -> Result<()> {
        for part in ["models", "training_states"] {
            self.made(part)?;
        }
        Ok(())
    }

    /// A folder in which a training has been is only taken by who goes on with it.
    pub fn refuse_another(&self) -> Result<()> {
        if self.states()?.is_empty() {
            return Ok(());
        }
        let root = self.root.display();
        let other = "--auto-resume goes on with it, --set name=… begins another";
        Err(format!("{root}: there is a training of this name: {other}").into())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A folder in it.
    pub fn made(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Writes a file whole, onto the disk, in place of one that is there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let written = || {
            let mut file = NewFile::create(&path)?;
            file.write_all(bytes)?;
            file.finish_on_disk(true)
        };
        Ok(written().map_err(Error::io(&path))?)
    }

    /// The newest state that can be read, and its iteration. One that cannot is passed over, aloud.
    pub fn last_state(&self) -> Result<Option<(u64, State)>> {
        for (iter, path) in self.states()?.into_iter().rev() {
            match State::load(&path) {
                Ok(state) => return Ok(Some((iter, state))),
                Err(error) => tracing::warn!("{error}; the state before it is taken"),
            }
        }
        Ok(None)
    }

    /// The iteration that a training would go on from.
    pub fn last(&self) -> Result<Option<u64>> {
        Ok(self.states()?.last().map(|(iter, _)| *iter))
    }

    /// Saves a state and the network that goes with it, and takes away what is older than the last few.
    pub fn save(&self, iter: u64, network: &[u8], state: &State) -> Result<()> {
        self.write(&network_file(&iter.to_string()), network)?;
        self.write(&network_file("latest"), network)?;
        state.save(&self.root.join(format!("training_states/{iter}.state")))?;
        let networks = self.numbered("models", "net_g_", ".safetensors")?;
        for files in [self.states()?, networks] {
            for (_, path) in &files[..files.len().saturating_sub(self.keep)] {
                fs::remove_file(path).map_err(Error::io(path))?;
            }
        }
        Ok(())
    }

    fn states(&self) -> Result<Vec<(u64, PathBuf)>> {
        self.numbered("training_states", "", ".state")
    }

    /// The files of a kind by their iterations, upwards.
    fn numbered(&self, folder: &str, before: &str, after: &str) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.root.join(folder);
        if !folder.exists() {
            return Ok(vec![]);
        }
        let cannot = |error| format!("{}: {error}", folder.display());
        let number = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(before)?.strip_suffix(after)?.parse::<u64>().ok()
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            files.extend(number(&path).map(|iter| (iter, path)));
        }
        files.sort();
        Ok(files)
    }
}

/// The file of a network: of an iteration, `latest` or `best`.
pub fn network_file(which: &str) -> String {
    format!("models/net_g_{which}.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn state(iter: u64) -> State {
        State { notes: [("iteration".to_owned(), iter.to_string())].into(), ..State::default() }
    }

    #[test]
    fn the_last_few_stay_and_a_damaged_one_is_passed_over() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("experiments/a");
        let folder = Folder::at(root.clone(), 2);
        folder.refuse_another().unwrap();
        folder.make().unwrap();
        assert_eq!((folder.last().unwrap(), folder.last_state().unwrap()), (None, None));
        for iter in [900, 1000, 1100] {
            folder.save(iter, b"network", &state(iter)).unwrap();
        }
        folder.write(&network_file("best"), b"network").unwrap();
        assert_eq!(names(&root.join("training_states")), ["1000.state", "1100.state"]);
        let networks = ["1000", "1100", "best", "latest"].map(|which| format!("net_g_{which}.safetensors"));
        assert_eq!(names(&root.join("models")), networks);
        assert_eq!(folder.last().unwrap(), Some(1100));
        assert_eq!(folder.last_state().unwrap(), Some((1100, state(1100))));
        fs::write(root.join("training_states/1100.state"), "half").unwrap();
        assert_eq!(folder.last_state().unwrap(), Some((1000, state(1000))));

        let sentence = folder.refuse_another().unwrap_err().to_string();
        assert!(
            sentence.contains("experiments/a: there is a training of this name: --auto-resume"),
            "{sentence}"
        );
    }
}
