//! Where a run's time went: the plan's steps by the node that they compute, beside the work that it needed.
//!
//! A step is named after one node; the others that it computes are found here. A node that no step is named
//! after is part of another: an activation or a sum of the node before it, any other of the node that reads it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::device::{Peak, Precision};
use crate::graph::{Graph, Kind, Node, Op, Value};
use crate::job::engine::StepTime;
use crate::pixels::Depth;

/// Where the time of one run on a GPU went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// A row a part of the network, those that took longest first.
    pub rows: Vec<ProfileRow>,
    /// The share of the dense network's multiply-adds that masks and channel partitions leave, 0 … 1.
    pub macs_kept: f64,
    /// How many pixels were computed for each that was kept: 1 in one piece, more where tiles overlap. Times count
    /// all of them; multiply-adds and bytes are those of the picture in one piece.
    pub recomputed: f64,
    /// What the device can do at best, by the clock of the times; `None` where that could not be measured.
    pub peak: Option<Peak>,
    /// How the device kept numbers.
    pub precision: Precision,
}

/// What one part of the network took, and what it needed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProfileRow {
    /// The part, by the checkpoint's path; the picture's way in is `input`, its way out `output`.
    pub name: String,
    /// The device's time.
    pub time: Duration,
    /// The plan's dispatches, those for which the device found nothing to do included.
    pub dispatches: usize,
    /// The kernels with their times, those that took longest first.
    pub kernels: Vec<(&'static str, Duration)>,
    /// Multiply-adds that the operators need at the masks' densities, however the kernels compute them.
    pub macs: f64,
    /// Bytes that must be moved: what the part reads and what others read of it, each value once and whole, and
    /// its weights; counted as f32, so that figures of f16 stand beside those of f32.
    pub bytes: u64,
}

impl Profile {
    pub(super) fn new(
        graph: &Graph,
        depth: Depth,
        steps: &[StepTime],
        densities: &[(Value, f64)],
        recomputed: f64,
        (peak, precision): (Option<Peak>, Precision),
    ) -> Self {
        let mut rows: Vec<ProfileRow> = Vec::new();
        let mut row_of: HashMap<&str, usize> = HashMap::new();
        for StepTime { node: name, kernel, time } in steps {
            let at = *row_of.entry(name).or_insert(rows.len());
            if at == rows.len() {
                rows.push(ProfileRow { name: name.clone(), ..ProfileRow::default() });
            }
            rows[at].add(1, kernel, *time);
        }
        let owners = owners(graph, &row_of);
        for (node, owner) in graph.nodes().iter().zip(&owners) {
            if let Some(owner) = owner {
                rows[*owner].macs += graph.macs_needed(node, densities);
            }
        }
        let ends = ["input", "output"].map(|name| row_of[name]);
        for (row, bytes) in rows.iter_mut().zip(traffic(graph, depth, &owners, ends)) {
            row.bytes = bytes;
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.time));
        Self { rows, macs_kept: graph.macs_kept(densities), recomputed, peak, precision }
    }

    /// All rows together.
    pub fn total(&self) -> ProfileRow {
        let mut total = ProfileRow { name: "total".into(), ..ProfileRow::default() };
        for row in &self.rows {
            total.dispatches += row.dispatches;
            total.macs += row.macs;
            total.bytes += row.bytes;
            row.kernels.iter().for_each(|(kernel, time)| total.add(0, kernel, *time));
        }
        total
    }
}

/// How near something came to the device's peak, as shares of the peak's rates. The greater one is its place under the
/// roofline: 1 would be as fast as any kernel can be that computes and moves what was counted.
///
/// More than 1 is possible: Winograd's algorithm makes do with fewer multiply-adds than are counted, what stays in
/// caches moves faster than memory does, and of values under a mask less is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Roofline {
    /// Multiply-adds a second, of the peak's in f32.
    pub multiply_adds: f64,
    /// Bytes a second, of the peak's.
    pub bytes: f64,
}

impl ProfileRow {
    /// How near the row came to a peak; `None` for what took no time.
    pub fn roofline(&self, peak: &Peak) -> Option<Roofline> {
        let seconds = self.time.as_secs_f64();
        (seconds > 0.0).then(|| Roofline {
            multiply_adds: self.macs / seconds / peak.multiply_adds_per_second,
            bytes: self.bytes as f64 / seconds / peak.bytes_per_second,
        })
    }

    fn add(&mut self, dispatches: usize, kernel: &'static str, time: Duration) {
        self.dispatches += dispatches;
        self.time += time;
        match self.kernels.iter_mut().find(|(name, _)| *name == kernel) {
            Some((_, sum)) => *sum += time,
            None => self.kernels.push((kernel, time)),
        }
        self.kernels.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    }
}

/// The row that each node is part of.
fn owners(graph: &Graph, row_of: &HashMap<&str, usize>) -> Vec<Option<usize>> {
    let mut owners: Vec<Option<usize>> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let follows = node.op.operator().kind() == Kind::Pointwise;
        let computed = node.inputs.iter().filter(|input| !matches!(graph.node(**input).op, Op::Parameter(_)));
        let before = computed.max().filter(|_| follows);
        let own = row_of.get(node.name.as_str()).copied();
        owners.push(own.or_else(|| before.and_then(|input| owners[input.index()])));
    }
    for (reader, node) in graph.values().rev() {
        for input in &node.inputs {
            owners[input.index()] = owners[input.index()].or(owners[reader.index()]);
        }
    }
    owners
}

/// The bytes that each row must move; the rows of `ends` also move the picture.
fn traffic(graph: &Graph, depth: Depth, owners: &[Option<usize>], ends: [usize; 2]) -> Vec<u64> {
    let mut readers: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); graph.nodes().len()];
    readers[graph.output().index()].insert(ends[1]);
    for (node, owner) in graph.nodes().iter().zip(owners) {
        node.inputs.iter().for_each(|input| readers[input.index()].extend(owner));
    }
    let rows = 1 + owners.iter().flatten().chain(&ends).max().expect("an end has a row");
    let mut numbers = vec![0; rows];
    for ((node, owner), mut readers) in graph.nodes().iter().zip(owners).zip(readers) {
        let Some(owner) = owner.filter(|_| !matches!(node.op, Op::Parameter(_))) else { continue };
        numbers[owner] += weights(graph, node);
        readers.remove(&owner);
        let movers = readers.iter().chain((!readers.is_empty()).then_some(&owner));
        movers.for_each(|row| numbers[*row] += node.shape.len());
    }
    for (end, value) in ends.into_iter().zip([graph.input(), graph.output()]) {
        numbers[end] += depth.words() * graph.node(value).shape.pixels();
    }
    numbers.into_iter().map(|numbers| 4 * numbers as u64).collect()
}

/// How many weights a node reads.
fn weights(graph: &Graph, node: &Node) -> usize {
    let weights = &node.inputs[node.op.operator().activations(node.inputs.len())..];
    weights.iter().map(|weight| graph.node(*weight).shape.len()).sum()
}
