//! Waiting for a device, and what comes back from it.

use std::sync::mpsc::{Receiver, channel};

use super::Gpu;
use crate::error::{Error, Result};

impl Gpu {
    /// The numbers of a buffer, once all that was submitted is done.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub(super) fn read(&self, from: &wgpu::Buffer) -> Result<Vec<f32>> {
        let copy = self.guarded(|| {
            let copy = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("sparsr.read"),
                size: from.size(),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(from, 0, &copy, 0, from.size());
            self.queue.submit([encoder.finish()]);
            copy
        })?;
        self.map(&copy, from.size())
    }

    /// Waits for all that was submitted, and reads a buffer that can be mapped.
    pub(super) fn map<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<T>> {
        let (done, mapped) = channel();
        self.guarded(|| {
            // The receiver lives until the end of this function, so sending cannot fail before it.
            buffer.map_async(wgpu::MapMode::Read, ..bytes, move |result| drop(done.send(result)));
        })?;
        self.wait(None)?;
        self.is_mapped(&mapped)?;
        let view = buffer.get_mapped_range(..bytes).map_err(|error| self.broken(&error.to_string()))?;
        let read = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        Ok(read)
    }

    /// Whether a buffer that was asked for has come.
    pub(super) fn is_mapped(&self, mapped: &Receiver<Result<(), wgpu::BufferAsyncError>>) -> Result<()> {
        match mapped.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&format!("the result could not be read: {error}"))),
            Err(_) => Err(self.broken("the result never came")),
        }
    }

    /// Waits for a submission; for all of them, if none is named.
    pub(super) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        match self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None }) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    pub(super) fn broken(&self, reason: &str) -> Error {
        Error::Device(format!("{}: {reason}; nothing of the result can be trusted", self.name))
    }
}
