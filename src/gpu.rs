//! The only place that knows wgpu: adapters, a device, its pipelines, and plans resident on it.
//!
//! Whatever goes wrong on the device comes back as [`Error::Device`] or [`Error::OutOfMemory`]: every call that can fail runs inside
//! error scopes, so neither a validation error nor a lack of memory reaches wgpu's default handler, which
//! panics.

mod adapters;
mod bound;
mod buffers;
mod cache;
mod commands;
mod dxc;
mod flight;
mod memory;
mod numbers;
mod pace;
mod peak;
mod pipelines;
mod pool;
mod queue;
mod reading;
mod session;
mod texture;
mod timing;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use adapters::adapters;
pub use pool::Pool;
pub use session::{FLIGHTS, Session};
pub(crate) use session::{form, own_bytes};
pub use texture::{BufferSlice, CommandEncoder, Texels, TextureFormat, TextureView, Ticket};
pub(crate) use texture::{Ends, Recording, TextureSession};
/// The version of wgpu whose devices [`Gpu::from_device`] takes.
pub use wgpu;

pub use crate::device::Peak;
use crate::device::{AdapterInfo, AdapterKind, DeviceChoice, Feature, Tier};
use crate::error::{Error, Result};
use crate::plan::Limits;
use cache::Cache;
use pipelines::Pipelines;

/// A device with the pipelines made for it so far. Clones share both.
#[derive(Clone, Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    kind: AdapterKind,
    /// Backend and driver.
    driver: String,
    limits: Limits,
    memory: u64,
    pipelines: Arc<Pipelines>,
    peak: Arc<OnceLock<Option<Peak>>>,
    cache: Option<Arc<Cache>>,
    /// What the known answers of each tier have shown.
    verdicts: Arc<Mutex<HashMap<Tier, Verdict>>>,
    spoilt: Option<Tier>,
    /// Whether others use the device too.
    is_shared: bool,
}

/// Whether a tier may be used; if not, what was found.
pub(crate) type Verdict = Result<(), String>;

impl Gpu {
    /// Opens the best adapter: discrete first, one in software only where there is no other. There the CPU engine is
    /// faster; [`DeviceChoice::select`] chooses between the two.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none: [`crate::Upscaler::on_cpu`] needs none.
    pub fn new() -> Result<Self> {
        Self::open(&DeviceChoice::Auto.adapter(&adapters())?)
    }

    /// Opens one of [`adapters`].
    ///
    /// # Errors
    /// [`Error::Device`] if the driver refuses, or the adapter is gone; [`Error::NoAdapter`] if sparsr refuses it, as
    /// [`AdapterInfo::refusal`] says.
    pub fn open(adapter: &AdapterInfo) -> Result<Self> {
        if let Some(reason) = adapter.refusal() {
            return Err(Error::NoAdapter(reason));
        }
        let (device, queue, cooperative_side) = adapters::open(adapter)?;
        let mut gpu = Self { is_shared: false, ..Self::from_device(device, queue)? };
        if gpu.limits.f16 && gpu.limits.subgroup_lanes.is_some() {
            gpu.limits.cooperative_side = cooperative_side;
        }
        Ok(gpu)
    }

    /// The same, with pipelines kept in a file from one run of the program to the next, as [`Gpu::keeping_pipelines_in`]
    /// says. An adapter in software goes without: what takes long there is not what its driver would keep.
    ///
    /// # Errors
    /// As [`Gpu::open`]; none for the file's sake.
    pub fn open_with_cache(adapter: &AdapterInfo, path: impl Into<PathBuf>) -> Result<Self> {
        let gpu = Self::open(adapter)?;
        Ok(if adapter.kind == AdapterKind::Software { gpu } else { gpu.keeping_pipelines_in(path) })
    }

    /// Keeps compiled pipelines in a file, where the device has [`wgpu::Features::PIPELINE_CACHE`]: what is there is
    /// taken from it, and it is written, as a whole, when the last clone and all that it made are gone. A file that is
    /// damaged, or another device's, does no harm, and neither does a folder that cannot be written. It should be one
    /// that only its owner can write: drivers trust what they are given.
    #[must_use]
    pub fn keeping_pipelines_in(self, path: impl Into<PathBuf>) -> Self {
        let cache = Cache::open(&self.device, path.into()).map(Arc::new);
        Self { cache, ..self }
    }

    /// Shares the device of a host application. Its features and limits are taken as they are: with
    /// [`wgpu::Features::SUBGROUP`] faster kernels may be chosen, and its `max_storage_buffer_binding_size`
    /// bounds the picture. The host's error and device-lost handlers stay its own. Nothing waits inside the device, so what
    /// the host submits meanwhile is not held up; and no more than a few milliseconds of work are on it at once.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device cannot run compute shaders with eight storage buffers.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Result<Self> {
        let (limits, info) = (device.limits(), device.adapter_info());
        if limits.max_storage_buffers_per_shader_stage < 8
            || limits.max_compute_invocations_per_workgroup < 64
        {
            return Err(Error::Unsupported(format!(
                "{}: expected 8 storage buffers a shader and 64 threads a workgroup, found {} and {}",
                info.name,
                limits.max_storage_buffers_per_shader_stage,
                limits.max_compute_invocations_per_workgroup
            )));
        }
        let uniform_subgroups = info.subgroup_min_size == info.subgroup_max_size;
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP) && uniform_subgroups;
        let limits = Limits {
            binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            workgroups: limits.max_compute_workgroups_per_dimension,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            subgroup_lanes: subgroups.then_some(info.subgroup_min_size),
            f16: device.features().contains(wgpu::Features::SHADER_F16),
            cooperative_side: None, // a device does not tell which matrices its adapter multiplies
        };
        let memory = memory::usual(&device);
        let (kind, driver) =
            (adapters::kind(&info), format!("{}, {}", info.backend, adapters::driver(&info)));
        let (pipelines, peak, verdicts) = Default::default();
        Ok(Self {
            device,
            queue,
            name: info.name,
            kind,
            driver,
            limits,
            memory,
            pipelines,
            peak,
            cache: None,
            verdicts,
            spoilt: None,
            is_shared: true,
        })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of device it is.
    pub fn kind(&self) -> AdapterKind {
        self.kind
    }

    /// What measurements on it hold for: the device, as the driver calls it, the backend, the driver and its version.
    pub fn identity(&self) -> String {
        format!("{}, {}", self.name, self.driver)
    }

    /// What plans for this device must respect.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that are ours to use where nothing else is asked for: a half of a memory of the device's own, a quarter
    /// of one that is shared with the host or 1 GiB of it if that is at most a half, 1 GiB where the driver does not
    /// tell.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// The same device, as if it did not have a feature: for tests and comparisons.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        self.limits = self.limits.without(feature);
        self.peak = Arc::default();
        self
    }

    /// The same device, none of whose tiers has been checked, as if one of them gave wrong answers: for tests of what
    /// happens then.
    #[must_use]
    #[doc(hidden)]
    pub fn spoilt(self, tier: Tier) -> Self {
        Self { verdicts: Arc::default(), spoilt: Some(tier), ..self }
    }

    /// Whether what others submit waits for what we did.
    fn holds_up(&self) -> bool {
        self.is_shared && self.kind == AdapterKind::Software
    }

    /// How long a submission should be on the device, at most.
    fn longest_submission(&self) -> std::time::Duration {
        if self.is_shared { pace::SHARED } else { pace::OWN }
    }

    /// Whether this tier is to be found wrong.
    pub(crate) fn is_spoilt(&self, tier: Tier) -> bool {
        self.spoilt == Some(tier)
    }

    /// What is known of a tier on this device, and whether it is known only now. `check` is asked where nothing is, and
    /// again after an error of its own. It is not waited for: it works on all threads, of which this may be one.
    pub(crate) fn verdict(
        &self,
        tier: Tier,
        check: impl FnOnce() -> Result<Verdict>,
    ) -> Result<(Verdict, bool)> {
        let verdicts = || self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts().get(&tier) {
            return Ok((verdict.clone(), false));
        }
        let found = check()?;
        Ok(match verdicts().entry(tier) {
            Entry::Occupied(known) => (known.get().clone(), false),
            Entry::Vacant(place) => (place.insert(found).clone(), true),
        })
    }

    /// Runs `work` and returns the first error that the device raised meanwhile.
    fn guarded<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let filters =
            [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = work();
        let mut raised = None;
        for scope in scopes.into_iter().rev() {
            raised = pollster::block_on(scope.pop()).or(raised);
        }
        match raised {
            None => Ok(made),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory(format!(
                "{}: out of memory; choose smaller tiles, close other programs, or choose the CPU",
                self.name
            ))),
            Some(error) => {
                Err(Error::Device(format!("{}: the device refused a command: {error}", self.name)))
            }
        }
    }
}
