//! Textures in and out: a network recorded into a host's commands, so that nothing goes through the host.
//!
//! ```text
//!   texture ─► load ─► the plan's steps ─► check ─► store ─► texture
//!                │                           │
//!                └───────── proof ◄──────────┘─► read when the host has submitted the commands
//! ```

mod ticket;

use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use ticket::Readbacks;
pub use ticket::Ticket;
pub use wgpu::{CommandEncoder, TextureFormat, TextureView};

use super::pace::OWN;
use super::{Gpu, Session};
use crate::error::{Error, Result};
use crate::pixels::{Depth, Edge};

/// Pixels along a side of a workgroup of the shaders.
const SIDE: u32 = 8;

/// Bytes of the proof: pixels that were written from finite numbers, and pixels of the input that were not finite.
const PROOF_BYTES: u64 = 8;

/// What may take longer is not tried in one submission.
const LONGEST_TRIAL: Duration = OWN.saturating_mul(4);

/// One end of an enlargement on the device: a view of all of a two-dimensional texture of one sample a pixel. An input needs
/// the usage `TEXTURE_BINDING`, an output `RENDER_ATTACHMENT`.
#[derive(Clone, Copy, Debug)]
pub struct Texels<'a> {
    view: &'a TextureView,
    format: TextureFormat,
}

impl<'a> From<&'a TextureView> for Texels<'a> {
    /// A view in the texture's own format.
    fn from(view: &'a TextureView) -> Self {
        Self { view, format: view.texture().format() }
    }
}

impl Texels<'_> {
    /// The same for a view in another of the texture's formats: of `Rgba8Unorm` in `Rgba8UnormSrgb`, for example.
    #[must_use]
    pub fn viewed_as(self, format: TextureFormat) -> Self {
        Self { format, ..self }
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        let size = self.view.texture().size();
        [size.width as usize, size.height as usize]
    }

    /// The bits of a sample on the way through the network: 8 for formats of 8 bits, 16 for floating point.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for formats that are not known.
    pub fn depth(&self) -> Result<Depth> {
        match self.format.remove_srgb_suffix() {
            TextureFormat::Rgba8Unorm | TextureFormat::Bgra8Unorm => Ok(Depth::Eight),
            TextureFormat::Rgba16Float | TextureFormat::Rgba32Float => Ok(Depth::Sixteen),
            _ => Err(Error::Unsupported(format!(
                "expected a texture of Rgba8Unorm, Bgra8Unorm (sRGB or not), Rgba16Float or Rgba32Float, found {:?}",
                self.format
            ))),
        }
    }

    fn check(&self, end: &str, usage: wgpu::TextureUsages) -> Result<()> {
        let texture = self.view.texture();
        let found = [
            (texture.dimension() == wgpu::TextureDimension::D2, "two dimensions"),
            (texture.sample_count() == 1, "one sample a pixel"),
            (texture.usage().contains(usage), "its usage"),
        ];
        match found.iter().find(|(holds, _)| !holds) {
            None => self.depth().map(drop),
            Some((_, "its usage")) => Err(Error::Unsupported(format!(
                "the {end} texture: expected the usage {usage:?}, found {:?}",
                texture.usage()
            ))),
            Some((_, what)) => Err(Error::Unsupported(format!(
                "the {end} texture: expected {what}, found {:?} with {} samples",
                texture.dimension(),
                texture.sample_count()
            ))),
        }
    }
}

/// What textures an enlargement is for; another one needs pipelines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The input's columns and rows, and those that the network takes.
    pub(crate) size: [usize; 2],
    pub(crate) extended: [usize; 2],
    pub(crate) scale: usize,
    pub(crate) edge: Edge,
    formats: [TextureFormat; 2],
    /// Whether alpha is 1, not the input's.
    pub(crate) opaque: bool,
}

impl Ends {
    /// # Errors
    /// [`Error::Unsupported`] for a texture that cannot be read or rendered to, [`Error::Shape`] if the output is not `scale`
    /// times as large as the input.
    pub(crate) fn new(
        input: &Texels<'_>,
        output: &Texels<'_>,
        (extended, scale, edge): ([usize; 2], usize, Edge),
        opaque: bool,
    ) -> Result<Self> {
        input.check("input", wgpu::TextureUsages::TEXTURE_BINDING)?;
        output.check("output", wgpu::TextureUsages::RENDER_ATTACHMENT)?;
        let (size, found) = (input.size(), output.size());
        let expected = size.map(|side| scale * side);
        if found != expected {
            let [[w, h], [found_w, found_h]] = [expected, found];
            let reason =
                format!("expected {w}x{h} pixels, {scale} times the input's, found {found_w}x{found_h}");
            return Err(Error::shape("the output texture", reason));
        }
        Ok(Self { size, extended, scale, edge, formats: [input.format, output.format], opaque })
    }

    fn output_size(&self) -> [usize; 2] {
        self.size.map(|side| self.scale * side)
    }
}

/// A network for textures of one size and format, on a device.
#[derive(Debug)]
pub(crate) struct TextureSession {
    session: Session,
    ends: Ends,
    load: wgpu::ComputePipeline,
    check: wgpu::ComputePipeline,
    store: wgpu::RenderPipeline,
    /// What the shaders are told, one after the other.
    params: wgpu::Buffer,
    proof: wgpu::Buffer,
    /// What a picture takes.
    time: Duration,
    readbacks: Arc<Readbacks>,
}

impl TextureSession {
    /// `session` runs a plan of the size and depths of `ends`.
    pub(crate) fn new(session: Session, ends: Ends, depths: [Depth; 2]) -> Result<Self> {
        let gpu = session.gpu.clone();
        let wide = depths.map(|depth| f64::from(u8::from(depth == Depth::Sixteen)));
        let is_srgb = ends.formats.map(|format| f64::from(u8::from(format.is_srgb())));
        let mirrored = f64::from(u8::from(ends.edge == Edge::Mirrored));
        let opaque = f64::from(u8::from(ends.opaque));
        gpu.guarded(|| {
            let load = compute(
                &gpu,
                "load",
                include_str!("../../shaders/texture/load.wgsl"),
                &[("WIDE", wide[0]), ("ENCODED", is_srgb[0]), ("MIRRORED", mirrored)],
            );
            let check = compute(
                &gpu,
                "check",
                include_str!("../../shaders/texture/check.wgsl"),
                &[("WIDE", wide[1])],
            );
            let store = render(
                &gpu,
                include_str!("../../shaders/texture/store.wgsl"),
                &[
                    ("WIDE", wide[1]),
                    ("DECODED", is_srgb[1]),
                    ("OPAQUE", opaque),
                    ("HALF", f64::from(u8::from(ends.formats[1] == TextureFormat::Rgba16Float))),
                    ("SCALE", ends.scale as f64),
                ],
                ends.formats[1],
            );
            let params = params(&gpu, &ends);
            let usage =
                wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let proof = buffer(&gpu, usage);
            Self {
                session,
                ends,
                load,
                check,
                store,
                params,
                proof,
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
    /// [`Error::Unsupported`] if the parts are of a picture of other textures.
    pub(crate) fn record(
        &self,
        recording: &mut Recording,
        encoder: &mut CommandEncoder,
        [input, output]: [&Texels<'_>; 2],
    ) -> Result<Option<Ticket>> {
        if recording.ends != self.ends {
            let reason = "expected textures as those that the parts were begun with, found others";
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
        let view = wgpu::BindingResource::TextureView(input.view);
        let proof = self.proof.as_entire_binding();
        let bound = self.bind(&self.load.get_bind_group_layout(0), [self.told(0, 16), view, words, proof]);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.load);
        pass.set_bind_group(0, &bound, &[]);
        let [width, height] = self.ends.extended.map(|side| (side as u32).div_ceil(SIDE));
        pass.dispatch_workgroups(width, height, 1);
    }

    fn store(&self, encoder: &mut CommandEncoder, [input, output]: [&Texels<'_>; 2]) -> Ticket {
        let words = self.session.commands.slot(self.session.commands.output.slot);
        let layout = self.check.get_bind_group_layout(0);
        let resources = [self.told(256, 12), words.as_entire_binding(), self.proof.as_entire_binding()];
        let bound = self.bind(&layout, resources);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.check);
        pass.set_bind_group(0, &bound, &[]);
        let [width, height] = self.ends.output_size().map(|side| (side as u32).div_ceil(SIDE));
        pass.dispatch_workgroups(width, height, 1);
        drop(pass);

        let view = wgpu::BindingResource::TextureView(input.view);
        let layout = self.store.get_bind_group_layout(0);
        let bound = self.bind(&layout, [self.told(512, 4), words.as_entire_binding(), view]);
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("sparsr.store"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: output.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        });
        pass.set_pipeline(&self.store);
        pass.set_bind_group(0, &bound, &[]);
        pass.draw(0..3, 0..1);
        drop(pass);
        self.ticket(encoder)
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

    fn told(&self, offset: u64, bytes: u64) -> wgpu::BindingResource<'_> {
        let (buffer, size) = (&self.params, wgpu::BufferSize::new(bytes));
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
    }

    fn bind<const N: usize>(
        &self,
        layout: &wgpu::BindGroupLayout,
        resources: [wgpu::BindingResource<'_>; N],
    ) -> wgpu::BindGroup {
        let entries = resources.into_iter().zip(0..);
        let entries: Vec<_> =
            entries.map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource }).collect();
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

/// What the three shaders are told, each at a multiple of 256 bytes.
fn params(gpu: &Gpu, ends: &Ends) -> wgpu::Buffer {
    let [[width, height], [extended_width, extended_height]] =
        [ends.size, ends.extended].map(|size| size.map(|side| side as u32));
    let scale = ends.scale as u32;
    let load = [width, height, extended_width, extended_height];
    let check = [scale * width, scale * height, scale * extended_width];
    let store = [scale * extended_width];
    let mut words = [0_u32; 192];
    words[..4].copy_from_slice(&load);
    words[64..67].copy_from_slice(&check);
    words[128..129].copy_from_slice(&store);
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let (label, size) = (Some("sparsr.texture"), size_of_val(&words) as u64);
    let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false };
    let buffer = gpu.device.create_buffer(&descriptor);
    gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
    buffer
}

fn compute(gpu: &Gpu, label: &str, wgsl: &str, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
    let (label, source) = (Some(label), wgpu::ShaderSource::Wgsl(wgsl.into()));
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
    gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
        cache: None,
    })
}

fn render(gpu: &Gpu, wgsl: &str, constants: &[(&str, f64)], format: TextureFormat) -> wgpu::RenderPipeline {
    let (label, source) = (Some("store"), wgpu::ShaderSource::Wgsl(wgsl.into()));
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
    let compilation_options = wgpu::PipelineCompilationOptions { constants, ..Default::default() };
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label,
        layout: None,
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("corner"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        primitive: Default::default(),
        depth_stencil: None,
        multisample: Default::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("main"),
            compilation_options,
            targets: &[Some(format.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
