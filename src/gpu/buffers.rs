//! Buffers as kernels bind them.

use super::Gpu;

/// A buffer of so many bytes.
pub(super) fn storage(gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("sparsr.slot"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::INDIRECT
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// A buffer that holds these bytes.
pub(super) fn upload(gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
    let buffer = storage(gpu, bytes.len() as u64);
    gpu.queue.write_buffer(&buffer, 0, bytes);
    buffer
}
