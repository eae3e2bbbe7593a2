//! Compiled pipelines from one run of a program to the next, where the backend has a cache for them (Vulkan).
//!
//! ```text
//! file = MAGIC, hash of the data, the data
//! ```
//!
//! A file that is not whole, or another device's, is as good as none. wgpu looks at the head of the data alone, so the
//! hash stands before all of it: a driver is given what a driver gave.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"sparsrP1";

/// Bytes before the data.
const HEAD: usize = MAGIC.len() + size_of::<u64>();

/// Bytes of a file that is read, at most: drivers keep some hundred KiB for our pipelines.
const MOST: u64 = 64 << 20;

/// A device's cache and its file, which is written when this is dropped.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) cache: wgpu::PipelineCache,
    path: PathBuf,
    /// The hash of what was read.
    read: Option<u64>,
}

impl Cache {
    /// Begins with what the file has; `None` if the device has no such cache.
    pub(super) fn open(device: &wgpu::Device, path: PathBuf) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let data = read(&path);
        let label = Some("sparsr.pipelines");
        let descriptor = wgpu::PipelineCacheDescriptor { label, data: data.as_deref(), fallback: true };
        // SAFETY: the data are what `get_data` gave, since their hash is right; that they are this device's wgpu checks.
        #[expect(unsafe_code, reason = "wgpu offers the cache as unsafe only")]
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, path, read: data.as_deref().map(hash) })
    }

    /// Writes the file, if there is anything new. Whether there was.
    fn save(&self) -> io::Result<bool> {
        let Some(data) = self.cache.get_data().filter(|data| self.read != Some(hash(data))) else {
            return Ok(false);
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&hash(&data).to_le_bytes())?;
        file.write_all(&data)?;
        file.persist(&self.path)?;
        Ok(true)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Without the file the next start is slower, and nothing else.
        match self.save() {
            Ok(written) => tracing::debug!(written, "pipelines kept in {}", self.path.display()),
            Err(error) => tracing::debug!("pipelines not kept in {}: {error}", self.path.display()),
        }
    }
}

/// The data of a whole file.
fn read(path: &Path) -> Option<Vec<u8>> {
    if fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    let mut file = fs::read(path).ok()?;
    let (head, data) = file.split_at_checked(HEAD)?;
    let (magic, known) = head.split_at(MAGIC.len());
    if magic != MAGIC || known != hash(data).to_le_bytes() {
        return None;
    }
    file.drain(..HEAD);
    Some(file)
}

/// The same in one build of the program, which is enough: what another wrote is made again.
fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish()
}
