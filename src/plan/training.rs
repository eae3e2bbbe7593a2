//! Plans of training: a graph and its gradients, over parameters that stay on the device and are moved there.
//!
//! ```text
//!   gather:  parameters ─► forward, backward ─► sums        once a part of a batch
//!   update:  sums ─► norm ─► factor ─► parameters, moments, averages
//! ```
//!
//! Parameters are stored as activations are, each in a piece of one array; gradients, moments and averages lie in the
//! same places of theirs. A weight is brought into a kernel's order by `arrange` in every run, by a table that says for
//! each number where it comes from: what packs a network's weights for inference packs numbers that tell their place.

use std::collections::BTreeMap;

use super::lower::OfTraining;
use super::{Buffer, Form, Limits, Options, Piece, Plan, Port, Slot, Step, fuse, halves, lower, slots};
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, ParameterId, Parameters, StandIns, Value, WeightOperation};
use crate::kernel::update::{BLOCK_BYTES, HEAD};
use crate::kernel::{gradient_clip, gradient_norm, sum, update};
use crate::tensor::{Parameter, Shape, Tensor, pack, packed_len, unpack};

/// Numbers beside the gradients that an objective may have: its loss, and what is watched.
pub const WATCHED: usize = 64;

/// One number.
const NUMBER: Shape = Shape::new(1, 1, 1, 1);

/// What stays on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Array {
    /// The parameters.
    Parameters,
    /// Gradients, summed over the parts of a batch.
    Sums,
    /// Their running means.
    First,
    /// Those of their squares.
    Second,
    /// The parameters' averages.
    Averages,
    /// Losses and watched numbers, summed, a block each.
    Watched,
    /// What an update leaves for the next one.
    Control,
}

/// Where each parameter's numbers lie in an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    shapes: Vec<Shape>,
    /// The first block of each.
    blocks: Vec<usize>,
    /// How many blocks there are.
    end: usize,
}

/// What becomes of a graph's outputs.
#[derive(Clone, Copy, Debug)]
pub enum Ends<'a> {
    /// The host reads them.
    Read,
    /// The first `own` are added to what is watched; the others are gradients of these parameters and added to the sums.
    Gathered {
        /// How many are watched.
        own: usize,
        /// The parameters.
        trained: &'a [ParameterId],
    },
}

impl Places {
    /// For these parameters.
    pub fn of(parameters: &Parameters) -> Self {
        let ids = (0..parameters.len() as u32).map(ParameterId);
        let shapes: Vec<Shape> = ids.map(|id| shape_of(parameters.get(id))).collect();
        let mut end = 0;
        let mut block = |shape: &Shape| {
            let first = end;
            end += (4 * packed_len(*shape)).div_ceil(BLOCK_BYTES);
            first
        };
        let blocks = shapes.iter().map(&mut block).collect();
        Self { shapes, blocks, end: end.max(1) }
    }

    /// Elements of four numbers in an array.
    fn elements(&self) -> usize {
        self.end * BLOCK_BYTES / 16
    }

    /// Numbers in an array.
    pub fn len(&self) -> usize {
        4 * self.elements()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Bytes of every array.
    fn residents(&self) -> Vec<u64> {
        let all = (16 * self.elements()) as u64;
        vec![all, all, all, all, all, (WATCHED * BLOCK_BYTES) as u64, BLOCK_BYTES as u64]
    }

    /// A parameter's part of an array.
    fn piece(&self, array: Array, id: ParameterId) -> Buffer {
        let offset = (self.blocks[id.index()] * BLOCK_BYTES) as u64;
        let bytes = 4 * packed_len(self.shapes[id.index()]) as u64;
        Buffer::Resident(Piece { array: array as u32, offset, bytes })
    }

    fn whole(&self, array: Array) -> Buffer {
        Buffer::Resident(Piece { array: array as u32, offset: 0, bytes: self.residents()[array as usize] })
    }

    /// An array of numbers by their parameters, N, C, H, W each.
    pub fn pack<'a>(&self, numbers: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut packed = vec![0.0; self.len()];
        for ((numbers, shape), block) in numbers.into_iter().zip(&self.shapes).zip(&self.blocks) {
            let own = pack(&Tensor::new(*shape, numbers.to_vec()));
            packed[block * BLOCK_BYTES / 4..][..own.len()].copy_from_slice(&own);
        }
        packed
    }

    /// What [`Places::pack`] packed.
    pub fn unpack(&self, packed: &[f32]) -> Vec<Vec<f32>> {
        let one = |(shape, block): (&Shape, &usize)| {
            unpack(*shape, &packed[block * BLOCK_BYTES / 4..][..packed_len(*shape)]).into_values()
        };
        self.shapes.iter().zip(&self.blocks).map(one).collect()
    }
}

impl Plan {
    /// Plans a graph that need not be folded: that of a network in training, and its gradients. Its parameters lie at
    /// these places of [`Array::Parameters`]. Of the options algorithm, choices and storage are taken.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with a node that has no kernel; [`Error::Limits`] as [`Plan::new`].
    pub fn training(
        graph: &Graph,
        places: &Places,
        ends: Ends<'_>,
        options: &Options,
        limits: &Limits,
    ) -> Result<Self> {
        check(graph)?;
        let StandIns { graph, sources, parameters } = graph.with_stand_ins();
        lower::check(&graph)?;
        let outputs = graph.outputs().iter().map(|output| output.value);
        let (graph, renamed) =
            graph.split_concats(&outputs.chain(sources.iter().copied()).collect::<Vec<_>>());
        let sources: Vec<Value> = sources.iter().map(|value| renamed[value.index()]).collect();
        let parameters: BTreeMap<Value, ParameterId> =
            parameters.iter().map(|(value, id)| (renamed[value.index()], *id)).collect();
        let keep: Vec<Value> = graph.outputs().iter().map(|output| output.value).collect();
        let Options { algorithm, choices, storage, .. } = options.clone();
        let options = Options { keep, algorithm, choices, storage, ..Options::default() };
        let groups = fuse::fuse(&graph, &[&*options.keep, &sources].concat());
        let exact = halves::exact_in_training(&graph, parameters.keys().copied());
        let training = OfTraining { weights: &sources, exact: &exact };
        let (mut plan, buffers) = lower::lower(&graph, &groups, &options, limits, Some(&training));
        plan.kept.remove(0); // the output
        let shape = |value: &Value| graph.node(*value).shape;
        let sources: Vec<(Buffer, Shape)> =
            sources.iter().map(|value| (buffers[value.index()], shape(value))).collect();
        plan.arrange(&sources)?;
        if let Ends::Gathered { own, trained } = ends {
            plan.gather(places, own, trained)?;
        }
        let ids: Vec<Option<ParameterId>> =
            graph.given().map(|value| parameters.get(&value).copied()).collect();
        plan.keep_parameters(&ids, places);
        plan.residents = places.residents();
        slots::assign(&mut plan);
        plan.check(limits)?;
        Ok(plan)
    }

    /// Adds the outputs to what is gathered: with the sum that makes one, where nothing else wants it.
    fn gather(&mut self, places: &Places, own: usize, trained: &[ParameterId]) -> Result<()> {
        if own > WATCHED {
            return Err(Error::Unsupported(format!(
                "an objective of at most {WATCHED} numbers, found {own}"
            )));
        }
        let outputs: Vec<Port> = self.outputs().copied().collect();
        let wanted = |slot: Slot| outputs.iter().filter(|port| port.slot == slot).count();
        for (at, port) in outputs.iter().enumerate() {
            let Some(gradient) = at.checked_sub(own) else {
                let offset = (at * BLOCK_BYTES) as u64;
                let to = Buffer::Resident(Piece { array: Array::Watched as u32, offset, bytes: 16 });
                self.accumulate(port.slot, to, NUMBER);
                continue;
            };
            let (to, made) = (places.piece(Array::Sums, trained[gradient]), Buffer::Slot(port.slot));
            let readers = self.steps.iter().filter(|step| step.bindings.contains(&made)).count();
            let makes = |step: &&mut Step| step.dispatch.kernel == &sum::KERNEL && step.bindings[1] == made;
            match self.steps.iter_mut().find(makes) {
                Some(step) if readers == 1 && wanted(port.slot) == 1 => {
                    step.bindings[1] = to;
                    step.dispatch = sum::added(step.dispatch.clone());
                }
                _ => self.accumulate(port.slot, to, port.shape),
            }
        }
        self.kept.clear();
        Ok(())
    }

    fn accumulate(&mut self, from: Slot, to: Buffer, shape: Shape) {
        let dispatch = sum::added(sum::over_pictures(shape, 1));
        self.steps.push(Step::new(dispatch, vec![Buffer::Slot(from), to], "gather", shape));
    }

    /// Inputs that are parameters are not written by the host.
    fn keep_parameters(&mut self, ids: &[Option<ParameterId>], places: &Places) {
        let mut ids = ids.iter();
        let mut resident = BTreeMap::new();
        self.given.retain(|port| match ids.next().copied().flatten() {
            Some(id) => {
                resident.insert(port.slot, places.piece(Array::Parameters, id));
                false
            }
            None => true,
        });
        for buffer in self.steps.iter_mut().flat_map(|step| &mut step.bindings) {
            if let Buffer::Slot(slot) = buffer
                && let Some(piece) = resident.get(slot)
            {
                *buffer = *piece;
            }
        }
    }

    /// Moves the parameters by what was gathered. Its input are an update's settings
    /// ([`Settings::pack`](crate::kernel::update::Settings::pack)), a piece a parameter; its output is what
    /// `shaders/gradient_clip.wgsl` says, for so many watched numbers. Gradients were gathered `scale` times as large.
    ///
    /// # Errors
    /// [`Error::Limits`] if the parameters together are more than the device binds.
    pub fn update(places: &Places, watched: usize, scale: f32, limits: &Limits) -> Result<Self> {
        let mut draft = lower::Draft::default();
        let settings = Shape::new(1, 4 * (HEAD + places.shapes.len()), 1, 1);
        let given = Port { slot: draft.value_slot(settings), shape: settings, form: Form::Tensor };
        let pieces: Vec<u32> = (0..places.shapes.len() as u32)
            .zip(places.blocks.iter().skip(1).chain([&places.end]).zip(&places.blocks))
            .flat_map(|(piece, (end, first))| std::iter::repeat_n(piece, end - first))
            .collect();
        let pieces = draft.words(if pieces.is_empty() { vec![0] } else { pieces });
        let (elements, settings) = (places.elements(), Buffer::Slot(given.slot));
        let partials = gradient_norm::partials(elements);
        let sums = places.whole(Array::Sums);
        let squares = Shape::new(1, partials, 1, 1);
        let read = vec![sums, pieces, settings];
        let squares = draft.step(gradient_norm::dispatch(elements), read, "norm", squares);
        let numbers = Shape::new(1, 4 * (1 + watched), 1, 1);
        let [watched_sums, control] = [Array::Watched, Array::Control].map(|array| places.whole(array));
        let read = vec![squares, settings, watched_sums, control];
        let output = draft.value_slot(numbers);
        draft
            .write(gradient_clip::dispatch(partials, watched, scale), read, output, "clip", numbers)
            .outputs = 3;
        let arrays = [Array::Parameters, Array::First, Array::Second, Array::Averages];
        let bindings = [[pieces, settings, control, sums], arrays.map(|array| places.whole(array))];
        let shape = Shape::new(1, 4, 1, elements);
        let step = Step::new(update::dispatch(elements), bindings.concat(), "update", shape);
        draft.steps.push(Step { outputs: 5, ..step });
        let lower::Draft { steps, slots, constants, parameters } = draft;
        let output = Port { slot: output, shape: numbers, form: Form::Tensor };
        let mut plan = Self {
            name: "update".into(),
            steps,
            slots,
            constants,
            parameters,
            residents: places.residents(),
            picture: None,
            given: vec![given],
            output,
            kept: vec![],
        };
        slots::assign(&mut plan);
        plan.check(limits)?;
        Ok(plan)
    }
}

/// Whether every node has a kernel.
fn check(graph: &Graph) -> Result<()> {
    for node in graph.nodes() {
        let known = match &node.op {
            Op::MaskedConv2d(_) => false,
            Op::Weight(op) => !matches!(op, WeightOperation::ChannelOrder { .. } | WeightOperation::Reorder),
            _ => true,
        };
        if !known {
            let op = node.op.operator().name();
            return Err(Error::Unsupported(format!(
                "{}: {op} has no kernel for training; train on the CPU",
                node.name
            )));
        }
    }
    Ok(())
}

fn shape_of(numbers: &Parameter) -> Shape {
    match *numbers.dims() {
        [batch, channels, height, width] => Shape::new(batch, channels, height, width),
        _ => unreachable!("four axes"),
    }
}
