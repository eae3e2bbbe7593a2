//! What one run of a session needs for itself: a buffer up, a buffer down, and when it comes back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Instant;

use super::Gpu;
use crate::error::Result;

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
    /// Kept while the run is waited for.
    pub(super) run: Arc<()>,
    /// Tells of each buffer that it is mapped.
    mapped: Option<Receiver<Mapped>>,
    /// How many are not yet.
    awaited: usize,
}

type Mapped = Result<(), wgpu::BufferAsyncError>;

/// What is to be mapped when a run is done: the buffer up, for the next inputs, and the outputs.
#[derive(Debug)]
pub(super) struct Landing {
    up: wgpu::Buffer,
    down: wgpu::Buffer,
    bytes: u64,
    mapped: Sender<Mapped>,
}

impl Landing {
    /// Where the outputs go.
    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.down
    }

    /// Asks for both buffers, as soon as the device is done with them.
    pub(super) fn map(self) {
        let (up, down) = (self.up.slice(..), self.down.slice(..self.bytes));
        for (slice, mode) in [(up, wgpu::MapMode::Write), (down, wgpu::MapMode::Read)] {
            let mapped = self.mapped.clone();
            // If nobody listens any more, nobody needs the answer.
            slice.map_async(mode, move |result| drop(mapped.send(result)));
        }
    }
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
            run: Arc::new(()),
            mapped: None,
            awaited: 0,
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

    /// What the run's last part maps; `outputs` are bytes.
    pub(super) fn landing(&mut self, outputs: u64) -> Landing {
        let (sender, mapped) = channel();
        (self.mapped, self.awaited) = (Some(mapped), 2);
        Landing { up: self.up.clone(), down: self.down.clone(), bytes: outputs, mapped: sender }
    }

    /// Whether the run is done and its buffers are mapped.
    pub(super) fn has_landed(&mut self, gpu: &Gpu) -> Result<bool> {
        let Some(mapped) = self.mapped.as_ref().filter(|_| self.awaited > 0) else { return Ok(true) };
        loop {
            match mapped.try_recv() {
                Ok(Ok(())) => self.awaited -= 1,
                Ok(Err(error)) => return Err(gpu.broken(&format!("the result could not be read: {error}"))),
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => return Err(gpu.broken("the result never came")),
            }
            if self.awaited == 0 {
                return Ok(true);
            }
        }
    }
}
