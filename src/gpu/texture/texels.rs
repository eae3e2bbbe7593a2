//! The two ends of an enlargement on the device: textures or buffers of a host.

use wgpu::{BufferUsages, TextureUsages};

use super::{BufferSlice, Depth, Gpu, TextureFormat, TextureView};
use crate::error::{Error, Result};
use crate::pixels::Edge;

/// One end of an enlargement on the device, a texture or a buffer of a host's.
///
/// A texture is a view of all of a two-dimensional one of one sample a pixel. An input needs the usage `TEXTURE_BINDING`, an
/// output `RENDER_ATTACHMENT`. A buffer ([`Texels::in_buffer`]) needs the usage `STORAGE`.
#[derive(Clone, Copy, Debug)]
pub struct Texels<'a> {
    place: Place<'a>,
    format: TextureFormat,
    size: [usize; 2],
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Texture(&'a TextureView),
    Buffer { slice: BufferSlice<'a>, bytes_per_row: usize },
}

impl<'a> From<&'a TextureView> for Texels<'a> {
    /// A view in the texture's own format.
    fn from(view: &'a TextureView) -> Self {
        let size = view.texture().size();
        Self {
            place: Place::Texture(view),
            format: view.texture().format(),
            size: [size.width as usize, size.height as usize],
        }
    }
}

impl<'a> Texels<'a> {
    /// Texels of a format in a buffer: `size` are its columns and rows, top to bottom, each `bytes_per_row` bytes after the one
    /// before. As any binding, the slice begins at a multiple of the device's `min_storage_buffer_offset_alignment`; rows are
    /// multiples of 4 bytes. Bytes between rows are left alone. Buffers hold what networks see, encoded: formats in sRGB and
    /// those without are the same here.
    ///
    /// Two slices of one buffer cannot be the two ends of one enlargement: wgpu lets a buffer be written, or read.
    pub fn in_buffer(
        slice: BufferSlice<'a>,
        format: TextureFormat,
        size: [usize; 2],
        bytes_per_row: usize,
    ) -> Self {
        Self { place: Place::Buffer { slice, bytes_per_row }, format, size }
    }

    /// The same for a view in another of the texture's formats: of `Rgba8Unorm` in `Rgba8UnormSrgb`, for example.
    #[must_use]
    pub fn viewed_as(self, format: TextureFormat) -> Self {
        Self { format, ..self }
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        self.size
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
                "expected texels of Rgba8Unorm, Bgra8Unorm (sRGB or not), Rgba16Float or Rgba32Float, found {:?}",
                self.format
            ))),
        }
    }

    /// What shaders read from, or compute into.
    pub(super) fn resource(&self) -> wgpu::BindingResource<'a> {
        match self.place {
            Place::Texture(view) => wgpu::BindingResource::TextureView(view),
            Place::Buffer { slice, .. } => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: slice.buffer(),
                offset: slice.offset(),
                size: wgpu::BufferSize::new(self.bytes() as u64),
            }),
        }
    }

    /// What is rendered to: none of a buffer.
    pub(super) fn attachment(&self) -> Option<wgpu::RenderPassColorAttachment<'a>> {
        let Place::Texture(view) = self.place else { return None };
        let ops = wgpu::Operations {
            load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
            store: wgpu::StoreOp::Store,
        };
        Some(wgpu::RenderPassColorAttachment { view, depth_slice: None, resolve_target: None, ops })
    }

    fn layout(&self) -> Layout {
        let bytes_per_row = match self.place {
            Place::Texture(_) => None,
            Place::Buffer { bytes_per_row, .. } => Some(bytes_per_row as u32), // at most a binding's size
        };
        Layout { format: self.format, bytes_per_row }
    }

    /// Bytes of a row's texels.
    fn row(&self) -> usize {
        self.size[0].saturating_mul(self.format.block_copy_size(None).unwrap_or(0) as usize)
    }

    /// Bytes from a buffer's first texel to the end of its last.
    fn bytes(&self) -> usize {
        match self.place {
            Place::Texture(_) => 0,
            Place::Buffer { bytes_per_row, .. } => {
                (self.size[1].saturating_sub(1)).saturating_mul(bytes_per_row).saturating_add(self.row())
            }
        }
    }

    fn check(&self, gpu: &Gpu, end: &str, usage: TextureUsages) -> Result<()> {
        self.depth()?;
        match self.place {
            Place::Texture(view) => check_texture(view, end, usage),
            Place::Buffer { slice, bytes_per_row } => self.check_buffer(gpu, end, slice, bytes_per_row),
        }
    }

    fn check_buffer(&self, gpu: &Gpu, end: &str, slice: BufferSlice<'_>, bytes_per_row: usize) -> Result<()> {
        let limits = gpu.device.limits();
        let alignment = u64::from(limits.min_storage_buffer_offset_alignment);
        let (row, bytes, [width, height]) = (self.row(), self.bytes(), self.size);
        let what = || format!("the {end} buffer");
        let usage = slice.buffer().usage();
        if !usage.contains(BufferUsages::STORAGE) {
            let reason = format!("{}: expected the usage STORAGE, found {usage:?}", what());
            return Err(Error::Unsupported(reason));
        }
        if !slice.offset().is_multiple_of(alignment) {
            return Err(Error::Unsupported(format!(
                "{}: expected a slice that begins at a multiple of {alignment} bytes, found {}",
                what(),
                slice.offset()
            )));
        }
        if width == 0 || height == 0 {
            return Err(Error::shape(what(), format!("expected at least one texel, found {width}x{height}")));
        }
        if bytes_per_row < row || !bytes_per_row.is_multiple_of(4) {
            return Err(Error::shape(
                what(),
                format!("expected rows of at least {row} bytes, a multiple of 4, found {bytes_per_row}"),
            ));
        }
        if slice.size() < bytes as u64 {
            let found = slice.size();
            return Err(Error::shape(
                what(),
                format!("expected at least {bytes} bytes for {width}x{height} texels, found {found}"),
            ));
        }
        if bytes as u64 > limits.max_storage_buffer_binding_size {
            return Err(Error::Limits(format!(
                "{}: expected at most {} bytes, which this device binds at once, found {bytes}",
                what(),
                limits.max_storage_buffer_binding_size
            )));
        }
        Ok(())
    }
}

fn check_texture(view: &TextureView, end: &str, usage: TextureUsages) -> Result<()> {
    let texture = view.texture();
    let found = [
        (texture.dimension() == wgpu::TextureDimension::D2, "two dimensions"),
        (texture.sample_count() == 1, "one sample a pixel"),
        (texture.usage().contains(usage), "its usage"),
    ];
    match found.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
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

/// How an end's texels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: TextureFormat,
    /// None: in a texture.
    pub(super) bytes_per_row: Option<u32>,
}

impl Layout {
    /// Whether who reads such texels finds linear light, and who writes them is to give it.
    pub(super) fn is_decoded(&self) -> bool {
        self.bytes_per_row.is_none() && self.format.is_srgb()
    }
}

/// What ends an enlargement is for; others need pipelines of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The input's columns and rows, and those that the network takes.
    pub(crate) size: [usize; 2],
    pub(crate) extended: [usize; 2],
    pub(crate) scale: usize,
    pub(crate) edge: Edge,
    pub(super) layouts: [Layout; 2],
    /// Whether alpha is 1, not the input's.
    pub(crate) opaque: bool,
}

impl Ends {
    /// Ends that a device can read and write.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for others, [`Error::Shape`] if a buffer does not hold what is said, [`Error::Limits`] if it is too
    /// large.
    pub(crate) fn check(gpu: &Gpu, [input, output]: [&Texels<'_>; 2]) -> Result<()> {
        input.check(gpu, "input", TextureUsages::TEXTURE_BINDING)?;
        output.check(gpu, "output", TextureUsages::RENDER_ATTACHMENT)?;
        if let (Place::Buffer { slice: a, .. }, Place::Buffer { slice: b, .. }) = (input.place, output.place)
            && a.buffer() == b.buffer()
        {
            let reason = "expected an output in another buffer than the input, found the same one";
            return Err(Error::Unsupported(reason.into()));
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Shape`] if the output is not `scale` times as large as the input.
    pub(crate) fn new(
        [input, output]: [&Texels<'_>; 2],
        (extended, scale, edge): ([usize; 2], usize, Edge),
        opaque: bool,
    ) -> Result<Self> {
        let (size, found) = (input.size(), output.size());
        let expected = size.map(|side| scale * side);
        if found != expected {
            let [[w, h], [found_w, found_h]] = [expected, found];
            let reason =
                format!("expected {w}x{h} pixels, {scale} times the input's, found {found_w}x{found_h}");
            return Err(Error::shape("the output", reason));
        }
        Ok(Self { size, extended, scale, edge, layouts: [input.layout(), output.layout()], opaque })
    }

    pub(super) fn output_size(&self) -> [usize; 2] {
        self.size.map(|side| self.scale * side)
    }
}
