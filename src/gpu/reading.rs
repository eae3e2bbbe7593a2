//! Waiting for a device, and what comes back from it.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::Gpu;
use crate::error::{Error, Result};

/// How long nothing is asked of a device that others use too. To wait inside of it would let them wait as well.
const PAUSE: Duration = Duration::from_micros(200);

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
        self.await_answer(&mapped)?;
        let view = buffer.get_mapped_range(..bytes).map_err(|error| self.broken(&error.to_string()))?;
        let read = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        Ok(read)
    }

    /// Waits for a buffer that was asked for.
    fn await_answer(&self, mapped: &Receiver<Result<(), wgpu::BufferAsyncError>>) -> Result<()> {
        loop {
            self.look()?;
            match mapped.try_recv() {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => return Err(self.broken(&format!("the result could not be read: {error}"))),
                Err(TryRecvError::Disconnected) => return Err(self.broken("the result never came")),
                Err(TryRecvError::Empty) => self.rest(None)?,
            }
        }
    }

    /// Lets the device say what it has done. Does not wait.
    pub(super) fn look(&self) -> Result<()> {
        self.polled(wgpu::PollType::Poll)
    }

    /// Waits until a submission is done, or all of them; where others use the device too, for a moment. Never with a time limit
    /// of wgpu's: where two threads ask one device, the one whose time is up may meet an assertion (wgpu-core 30.0.1).
    pub(super) fn rest(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        if self.is_shared {
            thread::sleep(PAUSE);
            return self.look();
        }
        self.polled(wgpu::PollType::Wait { submission_index, timeout: None })
    }

    /// Waits for all that was submitted.
    pub(super) fn wait(&self) -> Result<()> {
        let (done, is_done) = channel();
        // The receiver lives until the end of this function, so sending cannot fail before it.
        self.queue.on_submitted_work_done(move || drop(done.send(Ok(()))));
        self.await_answer(&is_done)
    }

    fn polled(&self, how: wgpu::PollType) -> Result<()> {
        match self.device.poll(how) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    pub(super) fn broken(&self, reason: &str) -> Error {
        Error::Device(format!("{}: {reason}; nothing of the result can be trusted", self.name))
    }
}
