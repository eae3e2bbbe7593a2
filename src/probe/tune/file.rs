//! Choices on disk: one file for each device, driver and set of shaders.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernel;
use crate::plan::Choices;

/// What measurements hold for: the device, the backend, the driver, this version of sparsr and its shaders.
pub fn measured_on(gpu: &Gpu) -> String {
    let (device, version, shaders) = (gpu.identity(), env!("CARGO_PKG_VERSION"), kernel::fingerprint());
    format!("{device}; sparsr {version}, shaders {shaders:016x}")
}

/// A name for the file that holds the choices for a device: no two kinds of device, driver or shaders share it.
pub fn file_name(gpu: &Gpu) -> String {
    let letters =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { ' ' };
    let words: String = gpu.name().chars().map(letters).collect();
    let words: Vec<&str> = words.split_whitespace().take(4).collect();
    // FNV-1a.
    let hash = measured_on(gpu).bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}-{hash:016x}.json", words.join("-"))
}

impl Choices {
    /// Reads what [`Choices::save`] wrote for such a device; `None` if there is no such file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Unsupported`] if it is damaged, or of another device, driver or
    /// version.
    pub fn load(path: &Path, gpu: &Gpu) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io(path))?,
        };
        let foreign = |reason: String| Error::Unsupported(format!("{}: {reason}", path.display()));
        let value: Value = serde_json::from_slice(&text).map_err(|error| foreign(error.to_string()))?;
        let expected = measured_on(gpu);
        if value["measured_on"] != expected.as_str() {
            return Err(foreign(format!("measured on {}, and this is `{expected}`", value["measured_on"])));
        }
        Self::from_json(&value["classes"]).map(Some).map_err(foreign)
    }

    /// Writes a file that appears whole or not at all; its folder is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path, gpu: &Gpu) -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let value = json!({ "measured_on": measured_on(gpu), "classes": self.to_json() });
        let mut file =
            tempfile::Builder::new().prefix(".sparsr-").tempfile_in(folder).map_err(Error::io(folder))?;
        file.write_all(format!("{value:#}\n").as_bytes()).map_err(Error::io(path))?;
        file.persist(path).map_err(|error| Error::io(path)(error.error))?;
        Ok(())
    }
}
