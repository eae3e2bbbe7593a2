//! How much of a device's memory a run may take when nobody says.

/// Where the driver does not tell, or names a small part of the host's memory.
const ENOUGH: u64 = 1 << 30;

/// A half of a memory of the device's own; of one that is shared with the host what [`shared`] says.
pub(super) fn usual(device: &wgpu::Device) -> u64 {
    let own = device.adapter_info().device_type == wgpu::DeviceType::DiscreteGpu;
    heap(device).map_or(ENOUGH, |bytes| if own { bytes / 2 } else { shared(bytes) })
}

/// A quarter, or up to a half where a quarter is not enough: Mesa's software adapter may name 2 GiB on any computer,
/// and a picture in one piece takes a fifth less time than in tiles (`benches/record/llvmpipe/2026-11-22-sparse.md`).
fn shared(bytes: u64) -> u64 {
    (bytes / 4).max(ENOUGH.min(bytes / 2))
}

/// Bytes of the largest heap that is near the device, as Vulkan tells them.
#[cfg(not(target_vendor = "apple"))]
fn heap(device: &wgpu::Device) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handle is only asked for properties, and is not kept.
    #[expect(unsafe_code, reason = "wgpu itself does not tell")]
    let properties = unsafe {
        let device = device.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = device.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(device.raw_physical_device())
    };
    let heaps = properties.memory_heaps_as_slice().iter();
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

/// Metal is not asked.
#[cfg(target_vendor = "apple")]
fn heap(_: &wgpu::Device) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_shared_memory_and_a_half_of_a_small_one() {
        const MIB: u64 = 1 << 20;
        let cases =
            [(16 << 10, 4 << 10), (4 << 10, 1 << 10), (3 << 10, 1 << 10), (2 << 10, 1 << 10), (512, 256)];
        for (heap, expected) in cases {
            assert_eq!(shared(heap * MIB), expected * MIB, "of {heap} MiB");
        }
    }
}
