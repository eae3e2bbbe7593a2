//! Device time by step, from timestamp queries.

use std::time::Duration;

use super::Gpu;
use super::session::Session;
use crate::error::{Error, Result};

/// Steps of one query set: two timestamps each, and WebGPU allows 4096.
const STEPS_A_SET: usize = 2048;

impl Gpu {
    /// Whether [`Session::profile`] works.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device has no timestamp queries.
    pub fn can_time_steps(&self) -> Result<()> {
        if self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(());
        }
        let reason = "the device has no timestamp queries, so steps cannot be timed";
        Err(Error::Unsupported(format!("{}: {reason}", self.name)))
    }
}

impl Session {
    /// Runs on such inputs as [`Session::submit`] takes and tells each step's time on the device: a pass a step, so what wgpu and the driver do in
    /// between is left out. Sums are a little above those of a run.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device has no timestamp queries, [`Error::Device`] if it is lost.
    pub fn profile(&mut self, picture: Option<&[u32]>, given: &[&[f32]]) -> Result<Vec<Duration>> {
        let gpu = self.gpu.clone();
        gpu.can_time_steps()?;
        let steps = self.commands.len();
        let bytes = 16 * steps as u64;
        let inputs = picture.into_iter().chain(given.iter().map(|values| bytemuck::cast_slice(values)));
        let inputs: Vec<&[u32]> = inputs.collect();
        self.check_inputs(&inputs)?;
        let readback = self.queue.behind_all(&gpu, || {
            for (port, words) in self.commands.inputs().zip(&inputs) {
                gpu.queue.write_buffer(self.commands.slot(port.slot), 0, bytemuck::cast_slice(words));
            }
            let [resolved, readback] = [
                wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            ]
            .map(|usage| {
                let label = Some("sparsr.timing");
                let descriptor =
                    wgpu::BufferDescriptor { label, size: bytes, usage, mapped_at_creation: false };
                gpu.device.create_buffer(&descriptor)
            });
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let counts = (0..steps).step_by(STEPS_A_SET).map(|start| STEPS_A_SET.min(steps - start));
            let set = |steps| {
                gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("sparsr.timing"),
                    ty: wgpu::QueryType::Timestamp,
                    count: 2 * steps as u32,
                })
            };
            let sets: Vec<(usize, wgpu::QuerySet)> = counts.map(|steps| (steps, set(steps))).collect();
            self.commands.encode_apart(&mut encoder, |at| {
                let query = 2 * (at % STEPS_A_SET) as u32;
                let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
                    query_set: &sets[at / STEPS_A_SET].1,
                    beginning_of_pass_write_index: Some(query),
                    end_of_pass_write_index: Some(query + 1),
                });
                wgpu::ComputePassDescriptor { label: None, timestamp_writes }
            });
            for (at, (steps, set)) in sets.iter().enumerate() {
                let offset = (16 * STEPS_A_SET * at) as u64;
                encoder.resolve_query_set(set, 0..2 * *steps as u32, &resolved, offset);
            }
            encoder.copy_buffer_to_buffer(&resolved, 0, &readback, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
            readback
        })?;
        let stamps: Vec<u64> = self.gpu.map(&readback, bytes)?;
        let period = f64::from(gpu.queue.get_timestamp_period());
        let ticks = stamps.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]));
        Ok(ticks.map(|ticks| Duration::from_nanos((ticks as f64 * period) as u64)).collect())
    }
}
