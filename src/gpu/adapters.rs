//! What the machine has: wgpu's adapters as plain data, and back.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::dxc;
use crate::device::{AdapterInfo, AdapterKind, Feature, ShaderCompiler, withheld};
use crate::error::{Error, Result};

const BACKENDS: wgpu::Backends =
    wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

const MATRICES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;

/// Features that sparsr uses where they are.
const USED: &[(wgpu::Features, &str)] = &[
    (wgpu::Features::SUBGROUP, "subgroup"),
    (wgpu::Features::SHADER_F16, "f16"),
    (MATRICES, "cooperative-matrix"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
];

/// What was listed last, until one of it is opened: to ask the drivers takes tens of milliseconds.
static LISTED: Mutex<Vec<wgpu::Adapter>> = Mutex::new(Vec::new());

/// Every adapter of the machine, in the order that its drivers report.
pub fn adapters() -> Vec<AdapterInfo> {
    let dxc = dxc::path();
    let compiler = if dxc.is_some() { ShaderCompiler::Dxc } else { ShaderCompiler::Fxc };
    let found = enumerate(dxc);
    let described = found.iter().enumerate();
    let described = described.map(|(index, adapter)| describe(index, adapter, compiler)).collect();
    *LISTED.lock().unwrap_or_else(PoisonError::into_inner) = found;
    described
}

/// A device, and the side of the matrices that its subgroups multiply.
pub(super) fn open(wanted: &AdapterInfo) -> Result<(wgpu::Device, wgpu::Queue, Option<u32>)> {
    let listed = std::mem::take(&mut *LISTED.lock().unwrap_or_else(PoisonError::into_inner));
    let find = |adapters: Vec<wgpu::Adapter>| {
        let found = adapters.into_iter().nth(wanted.index);
        found.filter(|adapter| adapter.get_info().name == wanted.name)
    };
    let adapter = find(listed).or_else(|| find(enumerate(dxc::path())));
    let adapter = adapter.ok_or_else(|| Error::Device(format!("{}: the adapter is gone", wanted.name)))?;
    let mut used = USED.iter().fold(wgpu::Features::empty(), |all, (feature, _)| all | *feature);
    if wanted.kind != AdapterKind::Software {
        used |= wgpu::Features::PIPELINE_CACHE;
    }
    if withheld_matrices(&adapter.get_info()).is_some() {
        used.remove(MATRICES);
    }
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("sparsr"),
        required_features: adapter.features() & used,
        required_limits: adapter.limits(),
        experimental_features: experimental(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|error| Error::Device(format!("{}: the driver gave no device: {error}", wanted.name)))?;
    Ok((device, queue, cooperative_side(&adapter)))
}

/// Leave for cooperative matrices, the one experimental feature of [`USED`].
#[expect(unsafe_code, reason = "wgpu offers its experimental features as unsafe only")]
fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: what the feature may get wrong is found by `doctor`'s known answers, and by the proofs of every picture.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Why an adapter's cooperative matrices are left alone, if they are.
fn withheld_matrices(info: &wgpu::AdapterInfo) -> Option<&'static str> {
    withheld(&info.driver, Feature::CooperativeMatrices)
}

/// The largest square matrices of f16 factors and f32 sums that sparsr uses.
fn cooperative_side(adapter: &wgpu::Adapter) -> Option<u32> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let square = |found: &wgpu::CooperativeMatrixProperties| {
        let side = found.m_size;
        let fits = [found.n_size, found.k_size] == [side; 2] && (found.ab_type, found.cr_type) == (F16, F32);
        (fits && [8, 16].contains(&side)).then_some(side)
    };
    if withheld_matrices(&adapter.get_info()).is_some() {
        return None;
    }
    adapter.cooperative_matrix_properties().iter().filter_map(square).max()
}

/// `dxc`: what compiles a DX12 adapter's shaders; without it FXC does.
fn enumerate(dxc: Option<PathBuf>) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = BACKENDS;
    // Validation of indirect dispatches, on by default even in release, costs more than the dispatches.
    descriptor.flags = wgpu::InstanceFlags::empty();
    descriptor.backend_options.dx12.shader_compiler = match dxc {
        Some(path) => wgpu::Dx12Compiler::DynamicDxc { dxc_path: path.to_string_lossy().into_owned() },
        None => wgpu::Dx12Compiler::Fxc,
    };
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(BACKENDS))
}

pub(super) fn kind(info: &wgpu::AdapterInfo) -> AdapterKind {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::Other => AdapterKind::Other,
    }
}

/// The driver and its version.
pub(super) fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

/// `compiler`: of a DX12 adapter's shaders.
fn describe(index: usize, adapter: &wgpu::Adapter, compiler: ShaderCompiler) -> AdapterInfo {
    let (info, limits, mut features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let reason = withheld_matrices(&info).filter(|_| features.contains(MATRICES));
    if reason.is_some() {
        features.remove(MATRICES);
    }
    AdapterInfo {
        index,
        backend: info.backend.to_string(),
        kind: kind(&info),
        driver: driver(&info),
        shader_compiler: (info.backend == wgpu::Backend::Dx12).then_some(compiler),
        limits: vec![
            ("storage_binding_bytes", limits.max_storage_buffer_binding_size),
            ("buffer_bytes", limits.max_buffer_size),
            ("workgroup_bytes", limits.max_compute_workgroup_storage_size.into()),
            ("workgroup_threads", limits.max_compute_invocations_per_workgroup.into()),
            ("cooperative_matrix_side", cooperative_side(adapter).unwrap_or_default().into()),
            ("subgroup_min", info.subgroup_min_size.into()),
            ("subgroup_max", info.subgroup_max_size.into()),
        ],
        features: USED
            .iter()
            .filter(|(feature, _)| features.contains(*feature))
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        withheld: reason.map(|reason| (Feature::CooperativeMatrices, reason)).into_iter().collect(),
        name: info.name,
    }
}
