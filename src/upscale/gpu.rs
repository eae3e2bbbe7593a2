//! [`Upscaler`]s on a GPU, and textures and buffers that never leave it.

use std::sync::Weak;
use std::time::Duration;

use super::{Options, Upscaler, admitted};
use crate::device::Precision;
use crate::error::{Error, Result};
use crate::gpu::{CommandEncoder, Ends, Gpu, Recording, Texels, TextureSession, Ticket};
use crate::job::engine::{Engine, GpuEngine};
use crate::job::stream::Known;
use crate::models::Model;
use crate::pixels::Depth;
use crate::plan::{Storage, Zeros};
use crate::probe::precision;

/// Sizes and formats of textures that stay prepared.
const PREPARED: usize = 4;

/// Where an upscaler runs, and how it stores numbers there.
#[derive(Debug)]
pub(super) struct OnGpu {
    /// One at least; textures are the first one's.
    gpus: Vec<Gpu>,
    storage: Storage,
    /// What textures use: buffers of its own, since a host submits when it likes.
    textures: Option<Textures>,
}

#[derive(Debug)]
struct Textures {
    engine: GpuEngine,
    /// The one used last is the last.
    sessions: Vec<TextureSession>,
    /// The picture in parts that is on its way, if it still is: until its ticket has told, the slots are its own.
    in_parts: Weak<()>,
}

/// A picture that goes from texture to texture in several submissions, one part after the other. Until its ticket has told,
/// or it and its ticket are dropped, no other picture may be recorded.
#[derive(Debug)]
pub struct Parts(Recording);

impl Parts {
    /// Whether all parts are recorded.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// What becomes of alpha from texture to texture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextureAlpha {
    /// The input's, enlarged bilinearly.
    #[default]
    Enlarged,
    /// 1 everywhere.
    Opaque,
}

impl OnGpu {
    /// Whether another model's numbers are stored so, in plans for the present one's.
    pub(super) fn stores(&self, model: &Model, present: &Model, options: &Options) -> Result<bool> {
        let [present, zeros] = [present, model].map(|model| Zeros::of(model.net().numbers()));
        Ok(present == zeros && self.storage == storage(&self.gpus, model, options)?)
    }

    /// Another upscaler on the same devices.
    pub(super) fn upscaler(&self, model: &Model, options: &Options) -> Result<Upscaler> {
        Upscaler::on_gpus(&self.gpus, model, options.clone())
    }

    /// What was prepared for textures is for another model.
    pub(super) fn forget_textures(&mut self) {
        self.textures = None;
    }

    /// One for each GPU, and the memory that it may take.
    fn engines(&self, options: &Options) -> impl Iterator<Item = (GpuEngine, u64)> {
        self.gpus.iter().map(|gpu| {
            let memory = options.memory.unwrap_or_else(|| gpu.memory());
            let engine = GpuEngine::new(gpu, options.sparsity, memory)
                .with_choices(options.choices.clone())
                .keeping(self.storage.clone(), options.precision == Precision::Auto);
            (engine, memory)
        })
    }

    /// A session for such textures; a new one has run, so that its pace is known.
    fn session(
        &mut self,
        (model, known): (&Model, &mut Known),
        options: &Options,
        ends: Ends,
        depths: [Depth; 2],
    ) -> Result<&mut TextureSession> {
        if self.textures.is_none() {
            let (mut engine, _) = self.engines(options).next().expect("there is a GPU");
            engine.begin(model.net().numbers());
            self.textures = Some(Textures { engine, sessions: Vec::new(), in_parts: Weak::new() });
        }
        let Some(Textures { engine, sessions, .. }) = &mut self.textures else { unreachable!("made above") };
        match sessions.iter().position(|session| session.ends() == ends) {
            Some(at) => {
                let found = sessions.remove(at);
                sessions.push(found);
            }
            None => {
                let phase = known.phase(model, None, ends.extended)?;
                let mut session = TextureSession::new(engine.session(&phase, depths)?, ends, depths)?;
                session.warm_up()?;
                if sessions.len() == PREPARED {
                    sessions.remove(0);
                }
                sessions.push(session);
            }
        }
        let last = sessions.len() - 1;
        Ok(&mut sessions[last])
    }
}

impl Upscaler {
    /// Runs on a GPU. Where [`Precision::F16`] is asked for or may be chosen, the network is tried on a small picture.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if the device cannot serve a choice;
    /// [`Error::Weights`](crate::Error::Weights) for a network that changes colours, unless [`Options::unusual`] allows it.
    pub fn new(gpu: &Gpu, model: &Model, options: Options) -> Result<Self> {
        Self::on_gpus(std::slice::from_ref(gpu), model, options)
    }

    /// Runs on several GPUs, and on the CPU engine too if [`Options::cpu_takes_part`]. They share the tiles of a picture, each as many
    /// as it is fast; one that fails is done without. They store numbers in the same way and use kernels of the same tiers,
    /// so that no seam shows; the last digits may still be each device's own. A picture that is too small to be shared, or that
    /// is not to be cut, is the first one's, and so are textures.
    ///
    /// # Errors
    /// As [`Upscaler::new`]; [`Error::Unsupported`] if there is no GPU, and for [`Precision::F16`] with the CPU engine.
    pub fn on_gpus(gpus: &[Gpu], model: &Model, options: Options) -> Result<Self> {
        if gpus.is_empty() {
            return Err(Error::Unsupported("expected at least one GPU, found none".into()));
        }
        let model = &admitted(model, &options)?;
        let storage = storage(gpus, model, &options)?;
        let on_gpu = OnGpu { gpus: gpus.to_vec(), storage, textures: None };
        let engines =
            on_gpu.engines(&options).map(|(engine, memory)| (Box::new(engine) as Box<dyn Engine>, memory));
        let engines = engines.collect();
        let upscaler = Self { gpu: Some(on_gpu), ..Self::on(engines, model, options) };
        upscaler.with_rungs(|model, options| Self::on_gpus(gpus, model, options))
    }

    /// Records the enlargement of a texture, or of texels in a buffer, into a host's commands: `output` is [`Model::scale`]
    /// times as large as `input`. The upscaler's device must be the host's ([`Gpu::from_device`]). Nothing goes through the
    /// host, and nothing is waited for, but that ends of a new size or format are prepared first: kernels are compiled and
    /// run a few times.
    ///
    /// Pictures of 8 bits go as they are, encoded (sRGB); floating point is clamped to 0 … 1 and goes in 16 bits. What the
    /// ticket tells is worth hearing: without its proof a picture may be anything.
    ///
    /// # Errors
    /// [`Error::Limits`] if a picture takes longer than a submission should ([`Upscaler::begin_parts`]), or does not fit into
    /// the memory in one piece; [`Error::Shape`] if the output has another size; [`Error::Unsupported`] for textures and
    /// buffers that cannot be read or written, and on the CPU engine; [`Error::Device`]. Nothing is recorded then.
    pub fn encode<'a>(
        &mut self,
        encoder: &mut CommandEncoder,
        input: impl Into<Texels<'a>>,
        output: impl Into<Texels<'a>>,
    ) -> Result<Ticket> {
        self.check_no_parts()?;
        let (input, output) = (input.into(), output.into());
        let session = self.textures(&input, &output)?;
        if session.parts() > 1 {
            let (seconds, parts) = (session.time().as_secs_f64(), session.parts());
            return Err(Error::Limits(format!(
                "expected a picture that one submission takes, found one of {seconds:.1} s, which drivers may end: record \
                 it in {parts} parts"
            )));
        }
        let ticket = session.record(&mut Recording::new(session.ends(), 1), encoder, [&input, &output])?;
        ticket.ok_or_else(|| Error::Device("nothing was recorded".into()))
    }

    /// Begins a picture that takes too long for one submission, or is to be spread over a host's frames: in so many parts, or
    /// in as many as are needed.
    ///
    /// # Errors
    /// As [`Upscaler::encode`].
    pub fn begin_parts<'a>(
        &mut self,
        input: impl Into<Texels<'a>>,
        output: impl Into<Texels<'a>>,
        count: Option<usize>,
    ) -> Result<Parts> {
        self.check_no_parts()?;
        let (input, output) = (input.into(), output.into());
        let session = self.textures(&input, &output)?;
        let parts = count.unwrap_or_else(|| session.parts()).max(1);
        let recording = Recording::new(session.ends(), parts);
        if let Some(Textures { in_parts, .. }) = self.gpu.as_mut().and_then(|gpu| gpu.textures.as_mut()) {
            *in_parts = recording.holds();
        }
        Ok(Parts(recording))
    }

    /// Records the next part of a picture. Parts are submitted in their order. Behind the last one there is a ticket.
    ///
    /// # Errors
    /// As [`Upscaler::encode`]; [`Error::Unsupported`] if all parts are recorded.
    pub fn encode_part<'a>(
        &mut self,
        parts: &mut Parts,
        encoder: &mut CommandEncoder,
        input: impl Into<Texels<'a>>,
        output: impl Into<Texels<'a>>,
    ) -> Result<Option<Ticket>> {
        let textures = self.gpu.as_ref().and_then(|gpu| gpu.textures.as_ref());
        let is_ours = |in_parts: &Weak<()>| parts.0.holds().ptr_eq(in_parts) || parts.0.is_whole();
        match textures.filter(|textures| is_ours(&textures.in_parts)) {
            _ if parts.is_done() => {
                return Err(Error::Unsupported("all parts of this picture are recorded".into()));
            }
            None => {
                let reason = "these parts were begun with another model: begin the picture anew";
                return Err(Error::Unsupported(reason.into()));
            }
            Some(_) => {}
        }
        let (input, output) = (input.into(), output.into());
        let session = self.textures(&input, &output)?;
        session.record(&mut parts.0, encoder, [&input, &output])
    }

    /// What one picture from texture to texture takes on the device, as it was measured.
    ///
    /// # Errors
    /// As [`Upscaler::encode`].
    pub fn texture_time<'a>(
        &mut self,
        input: impl Into<Texels<'a>>,
        output: impl Into<Texels<'a>>,
    ) -> Result<Duration> {
        Ok(self.textures(&input.into(), &output.into())?.time())
    }

    /// # Errors
    /// [`Error::Unsupported`] while a picture in parts is on its way.
    fn check_no_parts(&self) -> Result<()> {
        let textures = self.gpu.as_ref().and_then(|gpu| gpu.textures.as_ref());
        if textures.is_some_and(|textures| textures.in_parts.strong_count() > 0) {
            let reason = "a picture in parts is on its way: record and submit its parts and wait for its ticket, or drop \
                          both, before another is begun";
            return Err(Error::Unsupported(reason.into()));
        }
        Ok(())
    }

    fn textures(&mut self, input: &Texels<'_>, output: &Texels<'_>) -> Result<&mut TextureSession> {
        let depths = [input.depth()?, output.depth()?];
        let Self { model, options, gpu, known, .. } = self;
        let Some(gpu) = gpu else {
            return Err(Error::Unsupported(
                "textures and buffers need an upscaler on a GPU, found the CPU engine".into(),
            ));
        };
        Ends::check(&gpu.gpus[0], [input, output])?;
        if model.net().facts().border != [0; 2] {
            let reason = "expected a network that takes pictures as they are, found one that takes a border around them: from \
                          texture to texture it cannot go yet; pictures in memory can";
            return Err(Error::Unsupported(format!("{}: {reason}", model.name())));
        }
        let opaque = options.texture_alpha == TextureAlpha::Opaque;
        let network = (model.extended(input.size()), model.scale(), model.edge());
        let ends = Ends::new([input, output], network, opaque)?;
        gpu.session((model, known), options, ends, depths)
    }
}

/// How numbers are stored on all of these: as f16 only if each would, in the same way.
fn storage(gpus: &[Gpu], model: &Model, options: &Options) -> Result<Storage> {
    let asked = match options.precision {
        Precision::F16 if options.cpu_takes_part => return Err(Precision::unsupported("the CPU engine")),
        Precision::Auto if options.cpu_takes_part => Precision::F32,
        asked => asked,
    };
    let mut common: Option<Storage> = None;
    for gpu in gpus {
        let storage = precision::storage(gpu, model, asked)?;
        match &common {
            Some(common) if *common != storage => return Ok(Storage::F32),
            _ => common = Some(storage),
        }
    }
    Ok(common.unwrap_or_default())
}
