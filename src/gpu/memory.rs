//! How much of a device's memory a run may take when nobody says.

use wgpu::hal::api::Vulkan;

/// Where the driver does not tell.
const UNKNOWN: u64 = 1 << 30;

/// A half of a memory of the device's own, a quarter of one that is shared with the host.
pub(super) fn usual(device: &wgpu::Device) -> u64 {
    let own = device.adapter_info().device_type == wgpu::DeviceType::DiscreteGpu;
    heap(device).map_or(UNKNOWN, |bytes| if own { bytes / 2 } else { bytes / 4 })
}

/// Bytes of the largest heap that is near the device, as Vulkan tells them.
fn heap(device: &wgpu::Device) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handle is only asked for properties, and is not kept.
    #[expect(unsafe_code, reason = "wgpu itself does not tell")]
    let properties = unsafe {
        let device = device.as_hal::<Vulkan>()?;
        let instance = device.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(device.raw_physical_device())
    };
    let heaps = properties.memory_heaps_as_slice().iter();
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}
