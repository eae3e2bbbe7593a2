//! The shaders and their host halves: which kernels there are, how each is specialised and launched.
//!
//! A kernel is one WGSL file under `shaders/` and one file of the same name here, which holds its
//! parameters' twin and a function `dispatch` that returns a [`Dispatch`]: plain data, no device.
//!
//! Bindings follow one rule, in group 0: parameters, inputs, weights, output. Nobody writes a layout:
//! [`reflect`] reads it off the shader.

#[macro_use]
mod params;

pub mod activation;
pub mod activation_gradient;
pub mod arrange;
pub mod attention;
pub mod attention_gradient_keys;
pub mod attention_gradient_queries;
pub mod attention_table_gradient;
pub mod average_pool;
pub mod binary;
pub mod blur;
pub mod canvas;
pub mod channel_attention;
pub mod concat;
pub mod conv2d_compact;
pub mod conv2d_cooperative;
pub mod conv2d_depthwise;
pub mod conv2d_direct;
pub mod conv2d_gather;
pub mod conv2d_gather_cooperative;
pub mod conv2d_gather_subgroup;
pub mod conv2d_gather_tiled;
pub mod conv2d_pruned;
pub mod conv2d_tiled;
pub mod conv2d_weight_gradient;
pub mod conv2d_weight_gradient_direct;
pub mod conv_transpose2d;
pub mod cooperative;
pub mod epilogue;
pub mod fold;
pub mod global_pool;
pub mod gradient_clip;
pub mod gradient_norm;
pub mod layer_norm;
pub mod layer_norm_gradient;
pub mod loss;
pub mod loss_gradient;
pub mod mask_arguments;
pub mod mask_compact;
pub mod max_pool;
pub mod max_pool_gradient;
pub mod peak_cooperative;
pub mod peak_cooperative_16;
pub mod peak_cooperative_8;
pub mod peak_copy;
pub mod peak_multiply_add;
pub mod peak_multiply_add_f16;
pub mod pixel_load;
pub mod pixel_shuffle;
pub mod pixel_store;
pub mod pixel_unshuffle;
mod pixels;
pub mod product;
pub mod resize_bicubic;
pub mod resize_bilinear;
pub mod resize_gradient;
pub mod resize_nearest;
pub mod resize_nearest_to;
pub mod slice;
mod source;
pub mod sparsestmax;
pub mod sparsestmax_gradient;
pub mod spatial_mask;
pub mod sum;
pub mod unfold;
pub mod update;
pub mod weight_norm;
pub mod winograd;
pub mod winograd_input;
pub mod winograd_multiply_subgroup;
pub mod winograd_multiply_tiled;
pub mod winograd_output;
pub mod winograd_weight;

use std::fmt;
use std::hash::{Hash, Hasher};

pub use params::Field;
pub use pixels::{Channels, Pixels};
pub use source::{BindingKind, reflect};

use crate::device::{Feature, Tier};
use crate::tensor::{Shape, channel_groups};

/// Every kernel. `tests/shaders.rs` holds it against the folder.
pub static ALL: &[&Kernel] = &[
    &activation::KERNEL,
    &activation_gradient::KERNEL,
    &arrange::KERNEL,
    &attention::KERNEL,
    &attention_gradient_keys::KERNEL,
    &attention_gradient_queries::KERNEL,
    &attention_table_gradient::KERNEL,
    &average_pool::KERNEL,
    &binary::KERNEL,
    &blur::KERNEL,
    &canvas::KERNEL,
    &channel_attention::KERNEL,
    &concat::KERNEL,
    &conv2d_compact::KERNEL,
    &conv2d_cooperative::KERNEL,
    &conv2d_depthwise::KERNEL,
    &conv2d_direct::KERNEL,
    &conv2d_gather_cooperative::KERNEL,
    &conv2d_gather_subgroup::KERNEL,
    &conv2d_gather_tiled::KERNEL,
    &conv2d_pruned::KERNEL,
    &conv2d_tiled::KERNEL,
    &conv2d_weight_gradient::KERNEL,
    &conv2d_weight_gradient_direct::KERNEL,
    &conv_transpose2d::KERNEL,
    &fold::KERNEL,
    &global_pool::KERNEL,
    &gradient_clip::KERNEL,
    &gradient_norm::KERNEL,
    &layer_norm::KERNEL,
    &layer_norm_gradient::KERNEL,
    &loss::KERNEL,
    &loss_gradient::KERNEL,
    &mask_arguments::KERNEL,
    &mask_compact::KERNEL,
    &max_pool::KERNEL,
    &max_pool_gradient::KERNEL,
    &peak_cooperative_16::KERNEL,
    &peak_cooperative_8::KERNEL,
    &peak_copy::KERNEL,
    &peak_multiply_add::KERNEL,
    &peak_multiply_add_f16::KERNEL,
    &pixel_load::KERNEL,
    &pixel_shuffle::KERNEL,
    &pixel_store::KERNEL,
    &pixel_unshuffle::KERNEL,
    &resize_bicubic::KERNEL,
    &resize_bilinear::KERNEL,
    &resize_gradient::KERNEL,
    &resize_nearest::KERNEL,
    &resize_nearest_to::KERNEL,
    &slice::KERNEL,
    &sparsestmax::KERNEL,
    &sparsestmax_gradient::KERNEL,
    &spatial_mask::KERNEL,
    &sum::KERNEL,
    &unfold::KERNEL,
    &update::KERNEL,
    &weight_norm::KERNEL,
    &winograd_input::KERNEL,
    &winograd_multiply_subgroup::KERNEL,
    &winograd_multiply_tiled::KERNEL,
    &winograd_output::KERNEL,
    &winograd_weight::KERNEL,
];

/// A number that changes when any shader's text does: what was measured with other texts holds no more.
pub fn fingerprint() -> u64 {
    // FNV-1a: the standard library's hashes may change with its version.
    let texts = ALL.iter().flat_map(|kernel| kernel.wgsl(kernel.constants, &[]).into_bytes());
    texts.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One shader.
#[derive(Debug)]
pub struct Kernel {
    /// Its file's name, without the extension.
    pub name: &'static str,
    /// Its text, before imports.
    pub source: &'static str,
    /// The name of its parameters' struct, and the host's fields of it.
    pub params: (&'static str, &'static [Field]),
    /// One choice of every constant that the host puts in front: what a test needs to read the shader.
    pub constants: &'static [(&'static str, u32)],
    /// What it cannot do without.
    pub needs: &'static [Feature],
}

impl Kernel {
    /// The whole WGSL text: constants, imports, the file itself. Bindings called in `halves` are stored as f16.
    pub fn wgsl(&self, constants: &[(&'static str, u32)], halves: &[&str]) -> String {
        source::assemble(self.needs, self.source, constants, halves)
    }

    /// The same text as browsers take it: with the lines in front that they want and naga refuses. Kernels of cooperative
    /// matrices are none for browsers, which have no such thing.
    pub fn wgsl_in_browsers(&self, constants: &[(&'static str, u32)], halves: &[&str]) -> String {
        source::in_browsers(self.needs).to_owned() + &self.wgsl(constants, halves)
    }

    /// Of every binding behind the parameters, in order, its name if it may be stored as f16.
    pub fn stored(&self) -> Vec<Option<&'static str>> {
        source::stored(self.source)
    }

    fn dispatch(
        &'static self,
        specialization: Specialization,
        params: &impl bytemuck::NoUninit,
        workgroups: [u32; 3],
    ) -> Dispatch {
        Dispatch { kernel: self, specialization, params: bytemuck::bytes_of(params).to_vec(), workgroups }
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What makes a pipeline out of a kernel. Two equal ones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Specialization {
    /// Constants put in front of the text: sizes of register arrays, which overrides may not set.
    pub constants: Vec<(&'static str, u32)>,
    /// Values of `override` declarations.
    pub overrides: Vec<(&'static str, u32)>,
    /// Bindings, by their names in the shader, that are stored as f16.
    pub halves: Vec<&'static str>,
}

impl Specialization {
    /// Overrides alone.
    pub fn overrides<const N: usize>(overrides: [(&'static str, u32); N]) -> Self {
        Self::new(vec![], overrides.to_vec())
    }

    /// Constants and overrides.
    pub fn new(constants: Vec<(&'static str, u32)>, overrides: Vec<(&'static str, u32)>) -> Self {
        Self { constants, overrides, halves: vec![] }
    }
}

impl fmt::Display for Specialization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<String> = self
            .constants
            .iter()
            .chain(self.overrides.iter().filter(|(_, value)| *value != 0))
            .map(|(name, value)| format!("{}={value}", name.to_lowercase()))
            .collect();
        if !self.halves.is_empty() {
            all.push(format!("f16={}", self.halves.join(",")));
        }
        f.write_str(&all.join(" "))
    }
}

/// One launch of a kernel, but for its buffers.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Which shader.
    pub kernel: &'static Kernel,
    /// How it is specialised.
    pub specialization: Specialization,
    /// The bytes of its parameters.
    pub params: Vec<u8>,
    /// How many workgroups, by axis.
    pub workgroups: [u32; 3],
}

impl Dispatch {
    /// The kernels that it stands or falls with.
    pub fn tier(&self) -> Tier {
        let stored =
            if self.specialization.halves.is_empty() { Tier::Portable } else { Tier::Needs(Feature::F16) };
        Tier::of(self.kernel.needs).max(stored)
    }
}

/// Workgroups of 32×2 threads, a thread a pixel, over every plane of four channels.
fn planes(output: Shape) -> [u32; 3] {
    let planes = output.batch * channel_groups(output.channels);
    [output.width.div_ceil(32) as u32, output.height.div_ceil(2) as u32, planes as u32]
}

/// Workgroups of 64 threads, a thread an element, in rows where one would be too long.
fn row_of(elements: usize) -> [u32; 3] {
    const LONGEST: usize = 1 << 15;
    let workgroups = elements.div_ceil(64).max(1);
    let rows = workgroups.div_ceil(LONGEST);
    [workgroups.div_ceil(rows) as u32, rows as u32, 1]
}
