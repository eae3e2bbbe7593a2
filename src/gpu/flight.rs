//! What one run of a session needs for itself: a buffer up, a buffer down, and when it comes back.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::Gpu;
use crate::plan::Port;

/// Bytes of a buffer that may serve where less is needed.
const SMALL: u64 = 1 << 16;

/// What one run needs for itself.
#[derive(Debug)]
pub(super) struct Flight {
    /// Room for all inputs, one after the other; mapped while idle.
    pub(super) up: wgpu::Buffer,
    /// Room for all outputs.
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

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        self.up.size() + self.down.size()
    }

    /// Whether there is room for so many words up and down, and not for very many more.
    pub(super) fn suits(&self, inputs: usize, outputs: usize) -> bool {
        let suits = |buffer: &wgpu::Buffer, words: usize| {
            let needed = 4 * words as u64;
            (needed..=2 * needed.max(SMALL)).contains(&buffer.size())
        };
        suits(&self.up, inputs) && suits(&self.down, outputs)
    }

    /// Asks for all of the buffer up, and `outputs` bytes of the buffer down, as soon as the device is done with them.
    pub(super) fn map(&mut self, outputs: u64) {
        let (up, down) = (self.up.slice(..), self.down.slice(..outputs));
        for (slice, mode) in [(up, wgpu::MapMode::Write), (down, wgpu::MapMode::Read)] {
            let (done, mapped) = channel();
            // The receiver lives as long as the flight: if nobody listens any more, nobody needs the answer.
            slice.map_async(mode, move |result| drop(done.send(result)));
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
