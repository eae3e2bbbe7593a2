//! What a spatial mask leaves to do: its lists, made on the device once for all convolutions under it, and the
//! workgroups of every dispatch that depends on them.

use super::Lowering;
use crate::graph::Value;
use crate::kernel::mask_arguments::{ARGUMENT_WORDS, Condition, Over, Request};
use crate::kernel::{mask_arguments, mask_compact};
use crate::plan::choices::Costs;
use crate::plan::{Buffer, Constant, Indirect, Slot, Sparsity, Step, Units};
use crate::tensor::Shape;

/// Pixels of a tile.
const TILE: f32 = 16.0;

/// What sparse work costs, so that the device can compare it with dense work.
struct Weighed {
    /// Fewest active pixels of a tile that is computed as one: below it its pixels one by one cost less.
    fewest: u32,
    /// What a stray pixel costs, in tiles.
    stray: f32,
    /// Share of the dense cost, a tile each, below which sparse dispatches run under [`Sparsity::Auto`].
    break_even: f32,
}

impl Weighed {
    /// Tiles, and pixels where a tile has too few.
    fn mixed(costs: Costs) -> Self {
        let Costs { dense, tile: Some(tile), pixels } = costs else { return Self::pixels(costs) };
        let stray = pixels / TILE / tile;
        Self { fewest: stray.recip().ceil().clamp(1.0, TILE) as u32, stray, break_even: dense / tile }
    }

    /// Every tile as one.
    fn tiles(costs: Costs) -> Self {
        Self { fewest: 1, stray: 1.0, break_even: costs.tile.map_or(1.0, |tile| costs.dense / tile) }
    }

    /// Pixel by pixel: no tile is listed.
    fn pixels(costs: Costs) -> Self {
        Self { fewest: 17, stray: 1.0 / TILE, break_even: costs.dense / costs.pixels }
    }
}

/// The lists of one mask.
#[derive(Debug)]
pub(super) struct Lists {
    pub tiles: Buffer,
    strays: Buffer,
    actives: Buffer,
    arguments: Slot,
    requests: Vec<Request>,
    /// The step that answers the requests, and its constant that holds them.
    step: usize,
    constant: usize,
    condition: Condition,
}

impl Lists {
    /// Where the answer will be.
    pub(super) fn request(&mut self, request: Request) -> Indirect {
        self.requests.push(request);
        Indirect { slot: self.arguments, entry: self.requests.len() as u32 - 1 }
    }

    /// A list of pixels.
    pub(super) fn of(&self, over: Over) -> Buffer {
        if over == Over::Strays { self.strays } else { self.actives }
    }
}

impl Lowering<'_> {
    /// The lists of `mask`; the first time this is asked, the steps that make them.
    pub(super) fn lists(&mut self, mask: Value) -> &mut Lists {
        if !self.lists.contains_key(&mask) {
            let lists = self.make_lists(mask);
            self.lists.insert(mask, lists);
        }
        self.lists.get_mut(&mask).expect("just made")
    }

    fn make_lists(&mut self, mask: Value) -> Lists {
        let (buffer, node) = (self.buffers[mask.index()], self.graph.node(mask));
        let (shape, label) = (node.shape, node.name.clone());
        let grid = (shape.batch * shape.height.div_ceil(4) * shape.width.div_ceil(4)) as f32;
        let costs = self.costs(mask);
        let costs = match self.options.units {
            Units::Tiles => Weighed::tiles(costs),
            Units::Mixed => Weighed::mixed(costs),
            Units::Pixels | Units::Workgroups => Weighed::pixels(costs),
        };
        let below = if self.options.sparsity == Sparsity::Auto { costs.break_even * grid } else { f32::MAX };
        let condition = Condition { stray_cost: costs.stray, sparse_below: below };
        let slots = mask_compact::list_words(shape).map(|words| self.slot(4 * words as u64));
        let [tiles, strays, actives] = slots.map(Buffer::Slot);
        self.steps.push(Step {
            dispatch: mask_compact::dispatch(shape, costs.fewest),
            bindings: vec![buffer, tiles, strays, actives],
            outputs: 3,
            zeroed: true,
            indirect: None,
            label: label.clone(),
            shape,
        });
        let constant = self.constants.len();
        let requests = self.constant(Constant::Words([].into())); // until they are known
        let arguments = self.slot(0);
        let step = self.steps.len();
        let bindings = vec![tiles, strays, actives, requests];
        self.write(
            mask_arguments::dispatch(0, condition),
            bindings,
            arguments,
            &label,
            Shape::new(1, 1, 1, 1),
        );
        Lists { tiles, strays, actives, arguments, requests: vec![], step, constant, condition }
    }

    /// Now that all requests are known: the constants that hold them, and room for the answers.
    pub(super) fn answer_requests(&mut self) {
        for lists in self.lists.values() {
            let words = lists.requests.iter().flat_map(Request::words).collect();
            self.constants[lists.constant] = Constant::Words(words);
            self.slots[lists.arguments.0 as usize] = (4 * ARGUMENT_WORDS * lists.requests.len()) as u64;
            self.steps[lists.step].dispatch = mask_arguments::dispatch(lists.requests.len(), lists.condition);
        }
    }

    /// Makes a step's workgroups depend on a mask. `first`, `capacity` and `per_workgroup` count entries of the
    /// list that it goes over.
    pub(super) fn depend(
        &mut self,
        step: usize,
        mask: Value,
        over: Over,
        [first, capacity, per_workgroup]: [usize; 3],
    ) {
        let workgroups = self.steps[step].dispatch.workgroups;
        let request = Request { over, first, capacity, per_workgroup, workgroups };
        self.steps[step].indirect = Some(self.lists(mask).request(request));
    }
}
