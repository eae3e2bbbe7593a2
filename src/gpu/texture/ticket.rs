//! What a host hears of a picture that was recorded into its commands.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};

use super::Gpu;
use crate::error::Result;

/// Buffers in which proofs come back, for the next picture.
#[derive(Debug, Default)]
pub(super) struct Readbacks(pub(super) Mutex<Vec<wgpu::Buffer>>);

/// Tells, once the host has submitted what was recorded and the device is done, whether the picture can be trusted.
#[derive(Debug)]
pub struct Ticket {
    pub(super) gpu: Gpu,
    pub(super) readback: wgpu::Buffer,
    pub(super) mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
    pub(super) readbacks: Arc<Readbacks>,
    pub(super) pixels: u32,
    pub(super) told: Option<Result<(), String>>,
    pub(super) held: Option<Arc<()>>,
}

impl Ticket {
    /// Whether the device is done; then every pixel was written from finite numbers. Does not wait.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost, the commands were dropped, or the picture is not to be trusted.
    pub fn poll(&mut self) -> Result<bool> {
        if self.told.is_none() {
            self.gpu.look()?;
            match self.mapped.try_recv() {
                Err(TryRecvError::Empty) => return Ok(false),
                Ok(Ok(())) => self.told = Some(self.read()?),
                Ok(Err(error)) => self.told = Some(Err(format!("the proof could not be read: {error}"))),
                Err(TryRecvError::Disconnected) => {
                    self.told = Some(Err("the commands were never submitted".into()));
                }
            }
        }
        self.held = None;
        match &self.told {
            Some(Err(reason)) => Err(self.gpu.broken(reason)),
            _ => Ok(true),
        }
    }

    /// Waits for the device; only after the host has submitted the commands.
    ///
    /// # Errors
    /// As [`Ticket::poll`].
    pub fn wait(&mut self) -> Result<()> {
        while !self.poll()? {
            self.gpu.rest(None)?;
        }
        Ok(())
    }

    fn read(&self) -> Result<Result<(), String>> {
        let view = self.readback.get_mapped_range(..);
        let view = view.map_err(|error| self.gpu.broken(&error.to_string()))?;
        let [written, wrong]: [u32; 2] = *bytemuck::from_bytes(&view);
        drop(view);
        self.readback.unmap();
        let mut idle = self.readbacks.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.readback.clone());
        let pixels = self.pixels;
        Ok(match (wrong, written) {
            (0, written) if written == pixels => Ok(()),
            (0, _) => {
                Err(format!("{} of {pixels} pixels were never written, or are not finite", pixels - written))
            }
            _ => Err(format!("{wrong} pixels of the input are not finite numbers")),
        })
    }
}
