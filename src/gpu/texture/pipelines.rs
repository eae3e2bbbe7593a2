//! The shaders between a host's texels and the pictures' words, for ends of one size and format.

use super::texels::{Ends, Layout};
use super::{Depth, Gpu, TextureFormat};
use crate::pixels::Edge;

/// Pixels along a side of a workgroup of the shaders.
pub(super) const SIDE: u32 = 8;

/// A shader's text, behind that of what it shares with others.
macro_rules! shader {
    ($($file:literal),*) => { concat!($(include_str!(concat!("../../../shaders/texture/", $file, ".wgsl"))),*) };
}

#[derive(Debug)]
pub(super) struct Pipelines {
    pub(super) load: wgpu::ComputePipeline,
    pub(super) check: wgpu::ComputePipeline,
    pub(super) store: Store,
    /// What the shaders are told.
    pub(super) params: wgpu::Buffer,
}

#[derive(Debug)]
pub(super) enum Store {
    Texture(wgpu::RenderPipeline),
    Buffer(wgpu::ComputePipeline),
}

impl Pipelines {
    pub(super) fn new(gpu: &Gpu, ends: &Ends, depths: [Depth; 2]) -> Self {
        let [wide_input, wide_output] = depths.map(|depth| on(depth == Depth::Sixteen));
        let [input, output] = ends.layouts;
        let load = match input.bytes_per_row {
            None => shader!("params", "input_texture", "load"),
            Some(_) => shader!("params", "input_buffer", "load"),
        };
        let mut loads = vec![
            ("WIDE", wide_input),
            ("ENCODED", on(input.is_decoded())),
            ("MIRRORED", on(ends.edge == Edge::Mirrored)),
        ];
        let store = match (input.bytes_per_row, output.bytes_per_row) {
            (None, None) => shader!("params", "input_texture", "store", "output_texture"),
            (None, Some(_)) => shader!("params", "input_texture", "store", "output_buffer"),
            (Some(_), None) => shader!("params", "input_buffer", "store", "output_texture"),
            (Some(_), Some(_)) => shader!("params", "input_buffer", "store", "output_buffer"),
        };
        let mut stores = vec![
            ("WIDE", wide_output),
            ("DECODED", on(output.is_decoded())),
            ("OPAQUE", on(ends.opaque)),
            ("HALF", on(output.format == TextureFormat::Rgba16Float)),
        ];
        if input.bytes_per_row.is_some() {
            loads.push(("INPUT_FORMAT", code(&input)));
            stores.push(("INPUT_FORMAT", code(&input)));
        }
        if output.bytes_per_row.is_some() {
            stores.push(("OUTPUT_FORMAT", code(&output)));
        }
        Self {
            load: compute(gpu, "load", load, &loads),
            check: compute(gpu, "check", shader!("params", "check"), &[("WIDE", wide_output)]),
            store: match output.bytes_per_row {
                None => Store::Texture(render(gpu, store, &stores, output.format)),
                Some(_) => Store::Buffer(compute(gpu, "store", store, &stores)),
            },
            params: params(gpu, ends),
        }
    }
}

fn on(switch: bool) -> f64 {
    f64::from(u8::from(switch))
}

/// What the shaders call a format in a buffer.
fn code(layout: &Layout) -> f64 {
    match layout.format.remove_srgb_suffix() {
        TextureFormat::Bgra8Unorm => 1.0,
        TextureFormat::Rgba16Float => 2.0,
        TextureFormat::Rgba32Float => 3.0,
        _ => 0.0,
    }
}

/// `TextureParams` of the shaders.
fn params(gpu: &Gpu, ends: &Ends) -> wgpu::Buffer {
    let [[width, height], [extended_width, extended_height]] =
        [ends.size, ends.extended].map(|size| size.map(|side| side as u32));
    let [input_stride, output_stride] = ends.layouts.map(|layout| layout.bytes_per_row.unwrap_or(0) / 4);
    let scale = ends.scale as u32;
    let words = [width, height, extended_width, extended_height, scale, input_stride, output_stride, 0];
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
