//! Device time by step, from timestamp queries.

use std::time::Duration;

use super::session::Session;
use crate::error::{Error, Result};
use crate::pixels::Pixels;

/// Steps of one query set: two timestamps each, and WebGPU allows 4096.
const STEPS_A_SET: usize = 2048;

impl Session {
    /// Runs on a picture and tells each step's time on the device: a pass a step, so what wgpu and the driver do in
    /// between is left out. Sums are a little above those of a run.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device has no timestamp queries, [`Error::Device`] if it is lost.
    ///
    /// # Panics
    /// As [`Session::run_pixels`].
    pub fn profile(&mut self, picture: &Pixels) -> Result<Vec<Duration>> {
        let gpu = self.gpu.clone();
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::Unsupported(format!(
                "{}: the device has no timestamp queries, so steps cannot be timed",
                gpu.name
            )));
        }
        let bytes = 16 * self.steps.len() as u64;
        let picture = self.words(picture);
        let readback = gpu.guarded(|| {
            gpu.queue.write_buffer(self.slot(self.input.slot), 0, bytemuck::cast_slice(&picture));
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
            for (at, steps) in self.steps.chunks(STEPS_A_SET).enumerate() {
                let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("sparsr.timing"),
                    ty: wgpu::QueryType::Timestamp,
                    count: 2 * steps.len() as u32,
                });
                for (step, query) in steps.iter().zip((0..).step_by(2)) {
                    step.fill_zeros(&mut encoder);
                    let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
                        query_set: &set,
                        beginning_of_pass_write_index: Some(query),
                        end_of_pass_write_index: Some(query + 1),
                    });
                    let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                    step.encode(&mut encoder.begin_compute_pass(&descriptor));
                }
                let offset = (16 * STEPS_A_SET * at) as u64;
                encoder.resolve_query_set(&set, 0..2 * steps.len() as u32, &resolved, offset);
            }
            encoder.copy_buffer_to_buffer(&resolved, 0, &readback, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
            readback
        })?;
        let stamps: Vec<u64> = self.map(&readback, bytes)?;
        let period = f64::from(gpu.queue.get_timestamp_period());
        let ticks = stamps.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]));
        Ok(ticks.map(|ticks| Duration::from_nanos((ticks as f64 * period) as u64)).collect())
    }
}
