//! What one run of a session needs for itself: a buffer up, a buffer down, and when it comes back.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::Gpu;
use crate::plan::Port;

/// What one run needs for itself.
#[derive(Debug)]
pub(super) struct Flight {
    /// All inputs, one after the other; mapped while idle.
    pub(super) up: wgpu::Buffer,
    /// All outputs, one after the other.
    pub(super) down: wgpu::Buffer,
    pub(super) begun: Instant,
    pub(super) last: Option<wgpu::SubmissionIndex>,
    pub(super) mapped: Vec<Receiver<Result<(), wgpu::BufferAsyncError>>>,
}

impl Flight {
    pub(super) fn new(gpu: &Gpu, inputs: usize, outputs: usize) -> Self {
        let buffer = |label, words: usize, usage, mapped_at_creation| {
            let size = 4 * words.max(1) as u64;
            let label = Some(label);
            gpu.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
        };
        let [up, down] = [wgpu::BufferUsages::MAP_WRITE, wgpu::BufferUsages::MAP_READ];
        Self {
            up: buffer("sparsr.up", inputs, up | wgpu::BufferUsages::COPY_SRC, true),
            down: buffer("sparsr.down", outputs, down | wgpu::BufferUsages::COPY_DST, false),
            begun: Instant::now(),
            last: None,
            mapped: Vec::new(),
        }
    }

    /// Writes the inputs and hands them to the device.
    pub(super) fn write(&self, inputs: &[&[u32]]) -> Result<(), wgpu::MapRangeError> {
        let mut view = self.up.get_mapped_range_mut(..)?;
        let mut at = 0;
        for words in inputs {
            let bytes: &[u8] = bytemuck::cast_slice(words);
            view.slice(at..at + bytes.len()).copy_from_slice(bytes);
            at += bytes.len();
        }
        drop(view);
        self.up.unmap();
        Ok(())
    }

    /// Asks for both buffers as soon as the device is done with them.
    pub(super) fn map(&mut self) {
        for (buffer, mode) in [(&self.up, wgpu::MapMode::Write), (&self.down, wgpu::MapMode::Read)] {
            let (done, mapped) = channel();
            // The receiver lives as long as the flight: if nobody listens any more, nobody needs the answer.
            buffer.map_async(mode, .., move |result| drop(done.send(result)));
            self.mapped.push(mapped);
        }
    }
}

/// Copies between ports and a buffer in which they lie one after the other: `copy(encoder, port, offset, bytes)`.
pub(super) fn copy_all<'a>(
    encoder: &mut wgpu::CommandEncoder,
    ports: impl Iterator<Item = &'a Port>,
    copy: impl Fn(&mut wgpu::CommandEncoder, &Port, u64, u64),
) {
    let mut at = 0;
    for port in ports {
        let bytes = 4 * port.words() as u64;
        copy(encoder, port, at, bytes);
        at += bytes;
    }
}
