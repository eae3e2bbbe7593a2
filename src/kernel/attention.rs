//! Host half of `shaders/attention.wgsl`.

use super::{Dispatch, Kernel, Specialization};
use crate::tensor::Shape;

/// The shader.
pub static KERNEL: Kernel = Kernel {
    constants: &[("DEPTH", 10), ("THREADS", 16), ("BLOCK", 32), ("QUERIES", 4)],
    ..kernel!("attention", AttentionParams)
};

params! {
    /// Twin of the shader's parameters.
    pub struct AttentionParams {
        width: u32,
        height: u32,
        set_width: u32,
        set_height: u32,
        sets_a_row: u32,
        lead_x: u32,
        lead_y: u32,
        blocks: u32,
        first: u32,
        end: u32,
        columns: u32,
        heads: u32,
        scale: f32,
    }
}

/// Channels of a head, at most: a thread holds them twice in registers, a workgroup 32 times in its memory.
pub const DEPTH: usize = 64;

/// Threads of a workgroup, at most, and lanes of a subgroup where they are not known.
const THREADS: usize = 64;
const LANES: usize = 32;

/// Multiply-adds of one dispatch, where it can be cut: what slow devices do within a fraction of a second.
pub(super) const MACS: u64 = 1 << 34;

/// Which pixels attend to each other.
#[derive(Clone, Copy, Debug)]
pub enum Sets {
    /// Windows of `size` that begin at `shift` and multiples of `size` from there, before the picture too.
    Windows {
        /// Rows and columns.
        size: [usize; 2],
        /// Where one begins, from the corner.
        shift: [usize; 2],
    },
    /// Runs of so many pixels in raster order.
    Runs {
        /// How many.
        length: usize,
    },
}

/// Attention of every head.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// The shape of what is made, a third of the input's channels.
    pub output: Shape,
    /// How many attend side by side.
    pub heads: usize,
    /// What the products are multiplied by.
    pub scale: f32,
    /// Which pixels attend to each other.
    pub sets: Sets,
}

/// Sets in a grid, those at its edges cut.
pub(super) struct Grid {
    /// Of the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) set_width: usize,
    pub(super) set_height: usize,
    /// Columns and rows that the first set would have before the picture.
    pub(super) lead_x: usize,
    pub(super) lead_y: usize,
}

impl Grid {
    pub(super) fn sets_a_row(&self) -> usize {
        (self.width + self.lead_x).div_ceil(self.set_width)
    }

    pub(super) fn sets(&self) -> usize {
        self.sets_a_row() * (self.height + self.lead_y).div_ceil(self.set_height)
    }

    /// Of a set that no edge cuts.
    pub(super) fn tokens(&self) -> usize {
        self.set_width.min(self.width) * self.set_height.min(self.height)
    }
}

impl Attention {
    pub(super) fn depth(&self) -> usize {
        self.output.channels / self.heads
    }

    pub(super) fn grid(&self) -> Grid {
        let Shape { width, height, .. } = self.output;
        match self.sets {
            Sets::Windows { size: [set_height, set_width], shift: [from_y, from_x] } => {
                let (lead_x, lead_y) = ((set_width - from_x) % set_width, (set_height - from_y) % set_height);
                Grid { width, height, set_width, set_height, lead_x, lead_y }
            }
            Sets::Runs { length } => {
                let width = width * height;
                Grid { width, height: 1, set_width: length, set_height: 1, lead_x: 0, lead_y: 0 }
            }
        }
    }

    /// Queries a thread, since each load of a key serves them all, and threads a workgroup: as many queries as
    /// registers hold, but no fewer threads than a subgroup has lanes.
    fn tile(&self, tokens: usize, lanes: usize) -> [usize; 2] {
        let most = (64 / self.depth().next_multiple_of(4)).clamp(1, 4);
        let queries = most.min(tokens.div_ceil(lanes));
        let threads = tokens.div_ceil(queries).next_multiple_of(lanes);
        [queries, threads.min(THREADS)]
    }

    /// Threads of a workgroup of which each makes one token.
    pub(super) fn threads(&self) -> usize {
        self.grid().tokens().next_multiple_of(LANES).min(THREADS)
    }

    /// One dispatch, or several that each make a part. `workgroups` is how many an axis takes, `lanes` the width of
    /// every subgroup, if it is known.
    ///
    /// Bindings: input, bias (or any buffer), output.
    pub fn dispatches(&self, workgroups: u32, lanes: Option<u32>) -> Vec<Dispatch> {
        let lanes = lanes.map_or(LANES, |lanes| lanes as usize).min(THREADS);
        let [queries, threads] = self.tile(self.grid().tokens(), lanes);
        let mut specialization = self.specialization(threads);
        specialization.constants.push(("QUERIES", queries as u32));
        self.launches(&KERNEL, &specialization, queries * threads, 2, workgroups)
    }

    /// Launches of a kernel whose workgroups make so many tokens of one set each; `macs` is what it does for a channel of
    /// a pair of tokens.
    pub(super) fn launches(
        &self,
        kernel: &'static Kernel,
        specialization: &Specialization,
        tokens: usize,
        macs: usize,
        workgroups: u32,
    ) -> Vec<Dispatch> {
        let grid = self.grid();
        let blocks = grid.tokens().div_ceil(tokens);
        let all = grid.sets() * blocks;
        let planes = self.output.batch * self.heads;
        let macs: u64 =
            [macs, tokens, grid.tokens(), self.depth(), planes].map(|n| n as u64).iter().product();
        let most = (MACS / macs).clamp(1, all as u64) as usize;
        (0..all)
            .step_by(most)
            .map(|first| {
                let end = (first + most).min(all);
                let rows = (end - first).div_ceil(workgroups as usize);
                let columns = (end - first).div_ceil(rows);
                let params = AttentionParams {
                    width: grid.width as u32,
                    height: grid.height as u32,
                    set_width: grid.set_width as u32,
                    set_height: grid.set_height as u32,
                    sets_a_row: grid.sets_a_row() as u32,
                    lead_x: grid.lead_x as u32,
                    lead_y: grid.lead_y as u32,
                    blocks: blocks as u32,
                    first: first as u32,
                    end: end as u32,
                    columns: columns as u32,
                    heads: self.heads as u32,
                    scale: self.scale,
                };
                let counts = [columns as u32, rows as u32, planes as u32];
                kernel.dispatch(specialization.clone(), &params, counts)
            })
            .collect()
    }

    /// That of every kernel of attention.
    pub(super) fn specialization(&self, threads: usize) -> Specialization {
        let block = if self.depth() > 32 { 16 } else { 32 };
        let biased = matches!(self.sets, Sets::Windows { .. });
        let constants = vec![("DEPTH", self.depth() as u32), ("THREADS", threads as u32), ("BLOCK", block)];
        Specialization::new(constants, vec![("BIASED", u32::from(biased))])
    }
}
