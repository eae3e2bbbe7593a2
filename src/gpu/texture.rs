//! Textures and buffers in and out: a network recorded into a host's commands, so that nothing goes through the host.
//!
//! ```text
//!   texels ─► load ─► the plan's steps ─► check ─► store ─► texels
//!               │                           │
//!               └───────── proof ◄──────────┘─► read when the host has submitted the commands
//! ```

mod pipelines;
mod texels;
mod ticket;

use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use pipelines::{Pipelines, SIDE, Store};
pub(crate) use texels::Ends;
pub use texels::Texels;
use ticket::Readbacks;
pub use ticket::Ticket;
pub use wgpu::{BufferSlice, CommandEncoder, TextureFormat, TextureView};

use super::pace::OWN;
use super::{Gpu, Session};
use crate::error::{Error, Result};
use crate::pixels::Depth;

/// Bytes of the proof: pixels that were written from finite numbers, and pixels of the input that were not finite.
const PROOF_BYTES: u64 = 8;

/// What may take longer is not tried in one submission.
const LONGEST_TRIAL: Duration = OWN.saturating_mul(4);

/// A network for texels of one size and format, on a device.
#[derive(Debug)]
pub(crate) struct TextureSession {
    session: Session,
    ends: Ends,
    pipelines: Pipelines,
    proof: wgpu::Buffer,
    /// What a picture takes.
    time: Duration,
    readbacks: Arc<Readbacks>,
}

impl TextureSession {
    /// `session` runs a plan of the size and depths of `ends`.
    pub(crate) fn new(session: Session, ends: Ends, depths: [Depth; 2]) -> Result<Self> {
        let gpu = session.gpu.clone();
        gpu.guarded(|| {
            let usage =
                wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            Self {
                session,
                ends,
                pipelines: Pipelines::new(&gpu, &ends, depths),
                proof: buffer(&gpu, usage),
                time: Duration::ZERO,
                readbacks: Arc::default(),
            }
        })
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends
    }

    /// Runs on zeros, and waits. Drivers compile as late as they can, so a first run tells nothing; a second one is an upper
    /// bound, in submissions that are surely short enough; and what is not too long by that is timed in one submission.
    pub(crate) fn warm_up(&mut self) -> Result<()> {
        let words: Vec<Vec<u32>> = self.session.commands.inputs().map(|port| vec![0; port.words()]).collect();
        for _ in 0..2 {
            self.session.submit(words.first().map(Vec::as_slice), &[])?;
            self.session.collect()?;
        }
        self.time = self.session.time();
        for _ in 0..2 {
            if self.time < LONGEST_TRIAL {
                self.time = self.time.min(self.trial()?);
            }
        }
        Ok(())
    }

    /// The time of a run in one submission.
    fn trial(&self) -> Result<Duration> {
        let gpu = &self.session.gpu;
        let begun = Instant::now();
        self.session.queue.behind_all(gpu, || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            self.session.commands.encode(&mut encoder, 0..self.session.commands.len());
            gpu.queue.submit([encoder.finish()]);
        })?;
        gpu.wait()?;
        Ok(begun.elapsed())
    }

    /// What a picture takes.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// In how many submissions a picture should go, so that each is short enough for every driver.
    pub(crate) fn parts(&self) -> usize {
        self.time().div_duration_f64(OWN).ceil().clamp(1.0, self.session.commands.len() as f64) as usize
    }

    /// Records the next part; behind the last one there is a ticket.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the parts are of a picture between other ends.
    pub(crate) fn record(
        &self,
        recording: &mut Recording,
        encoder: &mut CommandEncoder,
        [input, output]: [&Texels<'_>; 2],
    ) -> Result<Option<Ticket>> {
        if recording.ends != self.ends {
            let reason = "expected ends as those that the parts were begun with, found others";
            return Err(Error::Unsupported(reason.into()));
        }
        let Recording { next, parts, .. } = *recording;
        let steps = self.session.commands.len();
        let range = next * steps / parts..(next + 1) * steps / parts;
        let gpu = &self.session.gpu;
        let ticket = gpu.guarded(|| {
            if next == 0 {
                self.load(encoder, input);
            }
            self.session.commands.encode(encoder, range);
            (next + 1 == parts).then(|| self.store(encoder, [input, output]))
        })?;
        recording.next += 1;
        // The slots are this picture's until its last part has run.
        Ok(ticket.map(|ticket| Ticket { held: recording.held.take(), ..ticket }))
    }

    fn load(&self, encoder: &mut CommandEncoder, input: &Texels<'_>) {
        encoder.clear_buffer(&self.proof, 0, None);
        let Some(port) = self.session.commands.picture else { return };
        let words = self.session.commands.slot(port.slot).as_entire_binding();
        self.compute(
            encoder,
            &self.pipelines.load,
            [(1, input.resource()), (2, words), (3, self.proof.as_entire_binding())],
            self.ends.extended,
        );
    }

    fn store(&self, encoder: &mut CommandEncoder, [input, output]: [&Texels<'_>; 2]) -> Ticket {
        let words = self.session.commands.slot(self.session.commands.output.slot).as_entire_binding();
        let size = self.ends.output_size();
        let proof = self.proof.as_entire_binding();
        self.compute(encoder, &self.pipelines.check, [(2, words.clone()), (3, proof)], size);
        match &self.pipelines.store {
            Store::Buffer(pipeline) => {
                let bound = [(1, input.resource()), (2, words), (3, output.resource())];
                self.compute(encoder, pipeline, bound, size);
            }
            Store::Texture(pipeline) => {
                let layout = pipeline.get_bind_group_layout(0);
                let bound = self.bind(&layout, [(1, input.resource()), (2, words)]);
                let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                    label: Some("sparsr.store"),
                    color_attachments: &[output.attachment()],
                    ..Default::default()
                });
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &bound, &[]);
                pass.draw(0..3, 0..1);
            }
        }
        self.ticket(encoder)
    }

    /// Records a shader with a thread for each of so many pixels.
    fn compute<const N: usize>(
        &self,
        encoder: &mut CommandEncoder,
        pipeline: &wgpu::ComputePipeline,
        resources: [(u32, wgpu::BindingResource<'_>); N],
        size: [usize; 2],
    ) {
        let bound = self.bind(&pipeline.get_bind_group_layout(0), resources);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bound, &[]);
        let [width, height] = size.map(|side| (side as u32).div_ceil(SIDE));
        pass.dispatch_workgroups(width, height, 1);
    }

    /// Has the proof read when the commands are submitted and done.
    fn ticket(&self, encoder: &mut CommandEncoder) -> Ticket {
        let gpu = &self.session.gpu;
        let idle = self.readbacks.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let readback = idle.unwrap_or_else(|| buffer(gpu, usage));
        encoder.copy_buffer_to_buffer(&self.proof, 0, &readback, 0, PROOF_BYTES);
        let (sender, mapped) = channel();
        // If nobody listens any more, nobody needs the answer.
        encoder.map_buffer_on_submit(&readback, wgpu::MapMode::Read, .., move |result| {
            drop(sender.send(result))
        });
        let [width, height] = self.ends.output_size();
        let (gpu, readbacks) = (gpu.clone(), self.readbacks.clone());
        Ticket { gpu, readback, mapped, readbacks, pixels: (width * height) as u32, told: None, held: None }
    }

    /// These, behind what the shaders are told.
    fn bind<const N: usize>(
        &self,
        layout: &wgpu::BindGroupLayout,
        resources: [(u32, wgpu::BindingResource<'_>); N],
    ) -> wgpu::BindGroup {
        let told = (0, self.pipelines.params.as_entire_binding());
        let entries = std::iter::once(told).chain(resources);
        let entries: Vec<_> =
            entries.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some("sparsr.texture"), layout, entries: &entries };
        self.session.gpu.device.create_bind_group(&descriptor)
    }
}

/// A picture that is being recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    ends: Ends,
    next: usize,
    parts: usize,
    /// Of a picture in several parts: kept until the last of them has run.
    held: Option<Arc<()>>,
}

impl Recording {
    /// In so many parts.
    pub(crate) fn new(ends: Ends, parts: usize) -> Self {
        Self { ends, next: 0, parts, held: (parts > 1).then(Arc::default) }
    }

    /// Whether it is one part.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts == 1
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next == self.parts
    }

    /// Gone when the slots may be another picture's.
    pub(crate) fn holds(&self) -> Weak<()> {
        self.held.as_ref().map(Arc::downgrade).unwrap_or_default()
    }
}

fn buffer(gpu: &Gpu, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let label = Some("sparsr.proof");
    let descriptor = wgpu::BufferDescriptor { label, size: PROOF_BYTES, usage, mapped_at_creation: false };
    gpu.device.create_buffer(&descriptor)
}
