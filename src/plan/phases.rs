//! A graph cut where it looks at the whole picture, so that pictures that are too large for one piece pass tile by
//! tile: at its global pools, and where a small value is resized to the picture's size.
//!
//! ```text
//!   phase 0:  picture            ─► a, b, Σ a        every tile, then the sums are merged into a mean
//!   phase 1:  a, b, mean         ─► c, d, Σ c        every tile again, from what the store holds
//!   phase 2:  picture, c, d, mean ─► picture
//! ```
//!
//! A value belongs to the phase that follows the last cut before it. Later phases read it from a store, or, if
//! it costs next to nothing, make it again. Each phase is a graph of its own with the receptive field
//! of its own, which is smaller than the network's: less is computed twice than if tiles went through at once.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::graph::{GlobalPool, Graph, Input, Node, Op, Output, ReceptiveField, ResizeKind, Value};
use crate::tensor::Shape;

/// Multiply-adds a pixel up to which a value is made again rather than stored: what 64 bytes cost, generously.
const NEXT_TO_NOTHING: u64 = 256;

/// One pass over all tiles.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What it computes. The output is the picture in the last phase, else the first kept value.
    pub graph: Graph,
    /// Whether it reads the picture.
    pub reads_picture: bool,
    /// Whether its output is the picture.
    pub makes_picture: bool,
    /// What each of [`Graph::given`] stands for.
    pub given: Vec<Given>,
    /// What becomes of the values in [`Phase::keep`].
    pub kept: Vec<Kept>,
    /// The values of `graph` that are read besides the picture.
    pub keep: Vec<Value>,
}

/// A value that a phase does not compute, named as in the whole graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a given value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The store: the window's part of it.
    Stored,
    /// Sums: a number a channel.
    Pooled,
    /// The store: a smaller value, of which the window's part is made.
    Resized {
        /// The smaller value.
        small: Value,
        /// How.
        kind: ResizeKind,
    },
}

/// A value that outlives its phase, named as in the whole graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The value.
    pub value: Value,
    /// Its pixels to the picture's, along a side, as a fraction; rounded down where a side is no multiple.
    pub scale: [usize; 2],
    /// The last phase that reads it from the store, if one does.
    pub stored_for: Option<usize>,
    /// The global pools of it.
    pub pools: Vec<(Value, GlobalPool)>,
    /// Whether it is a spatial mask.
    pub mask: bool,
}

impl Phase {
    /// The whole graph as one phase.
    pub fn whole(graph: Graph) -> Self {
        let keep: Vec<Value> = graph.masks().collect();
        let kept = keep.iter().map(|value| Kept::new(&graph, *value, [1, 1])).collect();
        Self { reads_picture: true, makes_picture: true, given: vec![], kept, keep, graph }
    }

    /// The phases of a graph; one, if it is cut nowhere. The choice depends on the network alone, not on the
    /// picture's size.
    pub fn all(graph: Graph) -> Vec<Self> {
        if !graph.nodes().iter().any(is_cut) {
            return vec![Self::whole(graph)];
        }
        let graph = graph.split_concats(&[]).0;
        let cut = Cut::new(&graph);
        (0..cut.wanted.len()).map(|phase| cut.phase(phase)).collect()
    }

    /// The same phase for windows of another size. The parameters are the same ones.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if a node does not take such a size.
    pub fn resized(&self, height: usize, width: usize) -> Result<Self> {
        let picture = self.graph.node(self.graph.input()).shape;
        let given = self.given.iter().zip(self.graph.given()).map(|(given, value)| {
            let shape = self.graph.node(value).shape;
            if given.origin == Origin::Pooled {
                return shape;
            }
            shape.with_size(shape.height * height / picture.height, shape.width * width / picture.width)
        });
        let inputs: Vec<Shape> = std::iter::once(picture.with_size(height, width)).chain(given).collect();
        let graph = self.graph.resized(&inputs)?;
        let (given, kept, keep) = (self.given.clone(), self.kept.clone(), self.keep.clone());
        Ok(Self { graph, given, kept, keep, ..*self })
    }

    /// What its windows must hold around the pixels that are kept. `None` if only the whole picture will do.
    pub fn receptive_field(&self) -> Option<ReceptiveField> {
        self.graph.receptive_field(&self.keep)
    }
}

/// The first node of a network's phases that keeps it from passing tile by tile, if one does.
pub fn uncut(phases: &[Phase]) -> Option<&Node> {
    let phase = phases.iter().find(|phase| phase.receptive_field().is_none())?;
    let nodes = phase.graph.nodes();
    let everything = |node: &&Node| {
        let operator = node.op.operator();
        (0..operator.activations(node.inputs.len())).any(|input| operator.input_region(input, 0..1).is_none())
    };
    // Without one it is a size that does not follow the picture's.
    nodes.iter().find(everything).or(nodes.last())
}

impl Kept {
    fn new(graph: &Graph, value: Value, scale: [usize; 2]) -> Self {
        let mask = matches!(graph.node(value).op, Op::SpatialMask(_));
        Self { value, scale, stored_for: None, pools: vec![], mask }
    }
}

/// Where a graph is cut.
struct Cut<'a> {
    graph: &'a Graph,
    /// See [`Graph::scales`].
    scales: Vec<Option<[usize; 2]>>,
    /// Of every node the phase that computes it first.
    level: Vec<usize>,
    /// Of every phase what it is run for, and what it is given.
    wanted: Vec<BTreeSet<Value>>,
    given: Vec<BTreeSet<Value>>,
}

impl<'a> Cut<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut level: Vec<usize> = Vec::with_capacity(graph.nodes().len());
        for node in graph.nodes() {
            let before = node.inputs.iter().map(|input| level[input.index()]).max().unwrap_or(0);
            level.push(before + usize::from(is_cut(node)));
        }
        let phases = 1 + level[graph.output().index()];
        let none = vec![BTreeSet::new(); phases];
        // Without scales only the whole picture will do, and no phase is run.
        let scales = graph.scales().unwrap_or_else(|| vec![None; level.len()]);
        let mut cut = Self { graph, scales, level, wanted: none.clone(), given: none };
        cut.wanted[phases - 1].insert(graph.output());
        for mask in graph.masks().filter(|mask| cut.level[mask.index()] < phases) {
            cut.wanted[cut.level[mask.index()]].insert(mask);
        }
        // Backwards, since what a phase is given an earlier one must make.
        for phase in (0..phases).rev() {
            let (_, given) = cut.walk(phase);
            for value in &given {
                let made = cut.origin(*value).1;
                cut.wanted[cut.level[made.index()]].insert(made);
            }
            cut.given[phase] = given;
        }
        cut
    }

    /// The nodes that a phase computes, and the values where it stops.
    fn walk(&self, phase: usize) -> (BTreeSet<Value>, BTreeSet<Value>) {
        let (mut computed, mut given) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<Value> = self.wanted[phase].iter().copied().collect();
        while let Some(value) = open.pop() {
            if computed.contains(&value) || given.contains(&value) {
                continue;
            }
            let node = self.graph.node(value);
            let earlier = self.level[value.index()] < phase && !self.is_made_again(value);
            if is_cut(node) || earlier {
                given.insert(value);
            } else {
                computed.insert(value);
                open.extend(&node.inputs);
            }
        }
        (computed, given)
    }

    /// Whether a phase makes a value of an earlier one again: a pool's few numbers, and what is close to the picture.
    fn is_made_again(&self, value: Value) -> bool {
        let picture = self.graph.node(self.graph.input()).shape;
        let (mut seen, mut open, mut macs) = (BTreeSet::new(), vec![value], 0);
        while let Some(value) = open.pop() {
            let node = self.graph.node(value);
            if !seen.insert(value) || is_cut(node) {
                continue;
            }
            macs += self.graph.node_macs(node).total();
            open.extend(&node.inputs);
        }
        let everywhere = self.graph.node(value).shape.pixels() == 1 && picture.pixels() > 1;
        everywhere || self.level[value.index()] == 0 && macs <= NEXT_TO_NOTHING * picture.pixels() as u64
    }

    fn phase(&self, phase: usize) -> Phase {
        let (computed, _) = self.walk(phase);
        let input = self.graph.input();
        let mut graph = Graph { nodes: Vec::new(), ..self.graph.clone() };
        let mut renamed: Vec<Option<Value>> = vec![None; self.graph.nodes().len()];
        let mut given = Vec::new();
        for (value, node) in self.graph.values() {
            let node = if value == input || computed.contains(&value) {
                let inputs = node.inputs.iter().map(|input| renamed[input.index()].expect("computed before"));
                Node { inputs: inputs.collect(), ..node.clone() }
            } else if self.given[phase].contains(&value) {
                given.push(Given { value, origin: self.origin(value).0 });
                Node { op: Op::Input(Input { shape: node.shape }), inputs: vec![], ..node.clone() }
            } else {
                continue;
            };
            renamed[value.index()] = Some(Value::at(graph.nodes.len()));
            graph.nodes.push(node);
        }
        let makes_picture = phase + 1 == self.wanted.len();
        let picture = makes_picture.then_some(self.graph.output());
        let others = self.wanted[phase].iter().copied().filter(|value| picture != Some(*value));
        let kept: Vec<Kept> = others.map(|value| self.kept(value)).collect();
        let keep: Vec<Value> =
            kept.iter().map(|kept| renamed[kept.value.index()].expect("wanted, so computed")).collect();
        let output = picture.and_then(|output| renamed[output.index()]).unwrap_or_else(|| keep[0]);
        graph.outputs = vec![Output { name: "output".into(), value: output }];
        let reads_picture = computed.contains(&input);
        Phase { graph, reads_picture, makes_picture, given, kept, keep }
    }

    fn kept(&self, value: Value) -> Kept {
        let is_read = |given: &Value| {
            let (origin, made) = self.origin(*given);
            made == value && origin != Origin::Pooled
        };
        let stored_for = (0..self.given.len()).rev().find(|phase| self.given[*phase].iter().any(is_read));
        let pools = self.graph.values().filter_map(|(pool, node)| match &node.op {
            Op::GlobalPool(op) if node.inputs[0] == value => Some((pool, op.clone())),
            _ => None,
        });
        let scale = self.scales[value.index()].unwrap_or([1, 1]);
        Kept { stored_for, pools: pools.collect(), ..Kept::new(self.graph, value, scale) }
    }

    /// Where a phase that is given a value has it from, and the value that an earlier one must make for it.
    fn origin(&self, value: Value) -> (Origin, Value) {
        let node = self.graph.node(value);
        match &node.op {
            Op::GlobalPool(_) => (Origin::Pooled, node.inputs[0]),
            Op::ResizeTo(op) => {
                let small = node.inputs[0];
                (Origin::Resized { small, kind: op.kind }, small)
            }
            _ => (Origin::Stored, value),
        }
    }
}

/// Whether a node looks at the whole picture, in a way that several passes over tiles can serve.
fn is_cut(node: &Node) -> bool {
    matches!(node.op, Op::GlobalPool(_) | Op::ResizeTo(_))
}
