//! Pipelines by kernel and specialisation, made once a device.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::Gpu;
use crate::error::Result;
use crate::kernel::{BindingKind, Dispatch, Kernel, Specialization, reflect};

/// What has been made so far, each under a lock of its own: different ones are made at once, and none twice.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    made: Mutex<HashMap<Key, Place>>,
}

type Key = (&'static Kernel, Specialization);
type Place = Arc<Mutex<Option<Arc<Pipeline>>>>;

/// A pipeline and what its bindings are.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Pipelines {
    fn place(&self, dispatch: &Dispatch) -> Place {
        let key = (dispatch.kernel, dispatch.specialization.clone());
        locked(&self.made).entry(key).or_default().clone()
    }
}

impl Gpu {
    /// Makes the pipelines of dispatches that are not there yet.
    pub(crate) fn make_pipelines(&self, dispatches: &[&Dispatch]) -> Result<()> {
        self.pipelines(dispatches).map(drop)
    }

    /// The pipelines of dispatches. Those that are not there yet are made on all threads.
    pub(super) fn pipelines(&self, dispatches: &[&Dispatch]) -> Result<Vec<Arc<Pipeline>>> {
        let mut seen = HashSet::new();
        let mut distinct = dispatches.to_vec();
        distinct.retain(|dispatch| seen.insert((dispatch.kernel, &dispatch.specialization)));
        distinct.par_iter().with_max_len(1).try_for_each(|dispatch| self.pipeline(dispatch).map(drop))?;
        dispatches.iter().map(|dispatch| self.pipeline(dispatch)).collect()
    }

    fn pipeline(&self, dispatch: &Dispatch) -> Result<Arc<Pipeline>> {
        let place = self.pipelines.place(dispatch);
        let mut made = locked(&place);
        if let Some(pipeline) = &*made {
            return Ok(pipeline.clone());
        }
        let cache = self.cache.as_deref().map(|cache| &cache.cache);
        let pipeline = Arc::new(self.guarded(|| compile(&self.device, dispatch, cache))?);
        Ok(made.insert(pipeline).clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn compile(device: &wgpu::Device, dispatch: &Dispatch, cache: Option<&wgpu::PipelineCache>) -> Pipeline {
    let Specialization { constants, overrides, halves } = &dispatch.specialization;
    let label = Some(dispatch.kernel.name);
    let wgsl = dispatch.kernel.wgsl(constants, halves);
    let entries: Vec<wgpu::BindGroupLayoutEntry> =
        reflect(&wgsl).into_iter().zip(0..).map(|(kind, binding)| entry(binding, kind, dispatch)).collect();
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let wgsl =
        if cfg!(target_arch = "wasm32") { dispatch.kernel.wgsl_in_browsers(constants, halves) } else { wgsl };
    let source = wgpu::ShaderSource::Wgsl(wgsl.into());
    let module = unbounded_loops(device, wgpu::ShaderModuleDescriptor { label, source });
    let overrides: Vec<(&str, f64)> =
        overrides.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
    let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &overrides,
            // Kernels write workgroup memory before they read it.
            zero_initialize_workgroup_memory: false,
        },
        cache,
    });
    Pipeline { compute, layout }
}

/// A module whose loops carry no guard against running for ever; every other check stays.
///
/// The guard is a second way out of each loop, and drivers then leave loops over register arrays rolled up:
/// without it a convolution that hands weights round takes a seventh of the time on llvmpipe (Mesa 22.3.6),
/// `conv2d_tiled` less than half.
#[expect(unsafe_code, reason = "wgpu offers this choice as unsafe only")]
fn unbounded_loops(
    device: &wgpu::Device,
    descriptor: wgpu::ShaderModuleDescriptor<'_>,
) -> wgpu::ShaderModule {
    let checks =
        wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
    // SAFETY: without the guard a loop that never ends is undefined behaviour. The shaders are all ours, and
    // each of their loops counts up to a bound, or halves down to zero, that its body does not change.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}

fn entry(binding: u32, kind: BindingKind, dispatch: &Dispatch) -> wgpu::BindGroupLayoutEntry {
    let uniform = kind == BindingKind::Uniform;
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match kind {
                BindingKind::Uniform => wgpu::BufferBindingType::Uniform,
                BindingKind::Read => wgpu::BufferBindingType::Storage { read_only: true },
                BindingKind::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: uniform,
            min_binding_size: if uniform {
                wgpu::BufferSize::new(dispatch.params.len() as u64)
            } else {
                None
            },
        },
        count: None,
    }
}
