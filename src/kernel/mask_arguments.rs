//! Host half of `shaders/mask_arguments.wgsl`: the lengths of a mask's lists → the workgroups of the dispatches
//! that depend on them, and whether the sparse or the dense ones run.

use super::{Dispatch, Kernel, Specialization};

/// The shader.
pub static KERNEL: Kernel = kernel!("mask_arguments", MaskArgumentsParams);

params! {
    /// Twin of the shader's parameters.
    pub struct MaskArgumentsParams {
        requests: u32,
        stray_cost: f32,
        sparse_below: f32,
    }
}

/// When the sparse dispatches run: `tiles + stray_cost · strays < sparse_below`.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// What a stray pixel costs, in tiles.
    pub stray_cost: f32,
    /// In tiles.
    pub sparse_below: f32,
}

/// What a dispatch goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the shader explains them")]
pub enum Over {
    Tiles,
    Strays,
    Actives,
    WholeSparse,
    WholeDense,
}

/// One dispatch's question: how many workgroups?
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What it goes over.
    pub over: Over,
    /// The first item of a list that it takes.
    pub first: usize,
    /// How many it takes at most.
    pub capacity: usize,
    /// How many a workgroup takes.
    pub per_workgroup: usize,
    /// The workgroups that it would have without a list.
    pub workgroups: [u32; 3],
}

impl Request {
    /// As the shader reads it.
    pub fn words(&self) -> [u32; 8] {
        let [x, y, z] = self.workgroups;
        let sizes = [self.first, self.capacity, self.per_workgroup].map(|size| size as u32);
        [self.over as u32, sizes[0], sizes[1], sizes[2], x, y, z, 0]
    }
}

/// Words of the answer to one request.
pub const ARGUMENT_WORDS: usize = 3;

/// Bindings: the three lists, requests, arguments.
pub fn dispatch(requests: usize, condition: Condition) -> Dispatch {
    let params = MaskArgumentsParams {
        requests: requests as u32,
        stray_cost: condition.stray_cost,
        sparse_below: condition.sparse_below,
    };
    KERNEL.dispatch(Specialization::default(), &params, [params.requests.div_ceil(64), 1, 1])
}
