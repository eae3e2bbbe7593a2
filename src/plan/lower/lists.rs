//! What a spatial mask leaves to do: its lists, made on the device once for all convolutions under it, and the
//! workgroups of every dispatch that depends on them.

use super::Lowering;
use super::draft::Draft;
use crate::graph::{Node, Value};
use crate::kernel::mask_arguments::{ARGUMENT_WORDS, Condition, Over, Request};
use crate::kernel::{mask_arguments, mask_compact};
use crate::plan::choices::Costs;
use crate::plan::{Buffer, Constant, Indirect, Options, Slot, Sparsity, Step, Units};
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
    fn by(units: Units, costs: Costs) -> Self {
        match units {
            Units::Tiles => Self::tiles(costs),
            Units::Mixed => Self::mixed(costs),
            Units::Pixels | Units::Workgroups => Self::pixels(costs),
        }
    }

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
    /// The steps that make the lists of a mask. Under `auto` sparse dispatches run below the break-even.
    fn new(draft: &mut Draft, mask: &Node, buffer: Buffer, costs: &Weighed, auto: bool) -> Self {
        let shape = mask.shape;
        let grid = (shape.batch * shape.height.div_ceil(4) * shape.width.div_ceil(4)) as f32;
        let below = if auto { costs.break_even * grid } else { f32::MAX };
        let condition = Condition { stray_cost: costs.stray, sparse_below: below };
        let slots = mask_compact::list_words(shape).map(|words| draft.slot(4 * words as u64));
        let [tiles, strays, actives] = slots.map(Buffer::Slot);
        let compact = mask_compact::dispatch(shape, costs.fewest);
        let step = Step::new(compact, vec![buffer, tiles, strays, actives], &mask.name, shape);
        draft.steps.push(Step { outputs: 3, zeroed: true, ..step });
        let constant = draft.constants.len();
        let requests = draft.constant(Constant::Words([].into())); // until they are known
        let (arguments, step) = (draft.slot(0), draft.steps.len());
        let bindings = vec![tiles, strays, actives, requests];
        let dispatch = mask_arguments::dispatch(0, condition);
        draft.write(dispatch, bindings, arguments, &mask.name, Shape::new(1, 1, 1, 1));
        Self { tiles, strays, actives, arguments, requests: vec![], step, constant, condition }
    }

    /// Where the answer will be.
    fn request(&mut self, request: Request) -> Indirect {
        self.requests.push(request);
        Indirect { slot: self.arguments, entry: self.requests.len() as u32 - 1 }
    }

    /// A list of pixels.
    pub(super) fn of(&self, over: Over) -> Buffer {
        if over == Over::Strays { self.strays } else { self.actives }
    }

    /// Now that all requests are known: the constant that holds them, and room for the answers.
    pub(super) fn answer(&self, draft: &mut Draft) {
        let words = self.requests.iter().flat_map(Request::words).collect();
        draft.constants[self.constant] = Constant::Words(words);
        draft.slots[self.arguments.0 as usize] = (4 * ARGUMENT_WORDS * self.requests.len()) as u64;
        draft.steps[self.step].dispatch = mask_arguments::dispatch(self.requests.len(), self.condition);
    }
}

impl Lowering<'_> {
    /// The lists of `mask`; the first time this is asked, the steps that make them.
    pub(super) fn lists(&mut self, mask: Value) -> &mut Lists {
        self.lists.entry(mask).or_insert_with(|| {
            let Options { units, sparsity, .. } = *self.choice.options;
            let costs = Weighed::by(units, self.choice.costs(self.graph, mask));
            let (node, buffer) = (self.graph.node(mask), self.buffers[mask.index()]);
            Lists::new(&mut self.draft, node, buffer, &costs, sparsity == Sparsity::Auto)
        })
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
        let workgroups = self.draft.steps[step].dispatch.workgroups;
        let request = Request { over, first, capacity, per_workgroup, workgroups };
        self.draft.steps[step].indirect = Some(self.lists(mask).request(request));
    }
}
