//! What the machine has: wgpu's adapters as plain data, and back.

use crate::device::{AdapterInfo, AdapterKind};
use crate::error::{Error, Result};

const BACKENDS: wgpu::Backends =
    wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

/// Features that sparsr uses where they are.
const USED: &[(wgpu::Features, &str)] =
    &[(wgpu::Features::SUBGROUP, "subgroup"), (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query")];

/// Every adapter of the machine, in the order that its drivers report.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

pub(super) fn open(wanted: &AdapterInfo) -> Result<(wgpu::Device, wgpu::Queue)> {
    let adapter = enumerate()
        .into_iter()
        .enumerate()
        .find(|(index, adapter)| *index == wanted.index && adapter.get_info().name == wanted.name)
        .map(|(_, adapter)| adapter)
        .ok_or_else(|| Error::Device(format!("{}: the adapter is gone", wanted.name)))?;
    let used = USED.iter().fold(wgpu::Features::empty(), |all, (feature, _)| all | *feature);
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("sparsr"),
        required_features: adapter.features() & used,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|error| Error::Device(format!("{}: the driver gave no device: {error}", wanted.name)))
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = BACKENDS;
    // Validation of indirect dispatches, on by default even in release, costs more than the dispatches.
    descriptor.flags = wgpu::InstanceFlags::empty();
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(BACKENDS))
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    AdapterInfo {
        index,
        backend: info.backend.to_string(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Other,
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        limits: vec![
            ("storage_binding_bytes", limits.max_storage_buffer_binding_size),
            ("buffer_bytes", limits.max_buffer_size),
            ("workgroup_bytes", limits.max_compute_workgroup_storage_size.into()),
            ("workgroup_threads", limits.max_compute_invocations_per_workgroup.into()),
            ("subgroup_min", info.subgroup_min_size.into()),
            ("subgroup_max", info.subgroup_max_size.into()),
        ],
        features: USED
            .iter()
            .filter(|(feature, _)| features.contains(*feature))
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        name: info.name,
    }
}
