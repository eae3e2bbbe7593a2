//! Which values lie in memory, and which are made on the way to others.

use super::expression::{is_expression, takes_expressions};
use super::vectors::LANES;
use crate::graph::{Axes, Graph, Node, Op, TrainingOperation, Value};

/// The most values that an expression reads: each of them is held until then.
const MOST_READ: usize = 8;

/// How the values of a graph come about.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Whether the value is made with its one reader.
    with_reader: Vec<bool>,
    /// Reads to come, by nodes, by the caller who keeps it, by the graph's output.
    uses: Vec<usize>,
}

impl Order {
    pub(super) fn new(graph: &Graph, keep: &[Value]) -> Self {
        Self::in_stages(graph, keep, &vec![(); graph.nodes().len()])
    }

    /// In a graph that is gone through several times: of every value in which stage it is made.
    pub(super) fn in_stages<T: PartialEq>(graph: &Graph, keep: &[Value], stages: &[T]) -> Self {
        let mut uses = graph.uses();
        keep.iter().for_each(|value| uses[value.index()] += 1);
        for (value, node) in graph.values().rev() {
            // Parameters are read as weights where they are, and what nobody needs reads nothing.
            let unread = uses[value.index()] == 0;
            for (at, input) in node.inputs.iter().enumerate() {
                if unread || !is_value(graph, node, at) {
                    uses[input.index()] -= 1;
                }
            }
        }
        let needed: Vec<bool> = uses.iter().map(|uses| *uses > 0).collect();
        let mut with_reader = made_by_part(graph, &mut uses);
        let mut reads = vec![0; uses.len()];
        for (value, node) in graph.values().filter(|(value, _)| needed[value.index()]) {
            reads[value.index()] = values(graph, node).count();
            for (at, input) in values(graph, node).enumerate() {
                let more = reads[input.index()].saturating_sub(1);
                let joins = uses[input.index()] == 1
                    && stages[input.index()] == stages[value.index()]
                    && joins(graph.node(input), node, at)
                    && reads[value.index()] + more <= MOST_READ;
                if joins || with_reader[input.index()] {
                    with_reader[input.index()] = true;
                    reads[value.index()] += more;
                }
            }
        }
        Self { with_reader, uses }
    }

    /// Whether the value is made with its one reader.
    pub(super) fn is_with_reader(&self, value: Value) -> bool {
        self.with_reader[value.index()]
    }

    /// Whether anybody reads it.
    pub(super) fn is_needed(&self, value: Value) -> bool {
        self.uses[value.index()] > 0
    }

    /// Whether it is made for itself.
    pub(super) fn is_made(&self, value: Value) -> bool {
        self.is_needed(value) && !self.is_with_reader(value)
    }

    /// What is read when the value is made, each as often as it is read.
    pub(super) fn reads(&self, graph: &Graph, value: Value) -> Vec<Value> {
        let node = graph.node(value);
        let through = |input: Value| match self.is_with_reader(input) {
            true => self.reads(graph, input),
            false => vec![input],
        };
        values(graph, node).flat_map(through).collect()
    }

    /// Notes that the value was read; says whether it was for the last time.
    pub(super) fn is_last_read(&mut self, value: Value) -> bool {
        self.uses[value.index()] -= 1;
        self.uses[value.index()] == 0
    }

    /// The most numbers that the values in memory have at once.
    pub(super) fn largest_len(mut self, graph: &Graph) -> usize {
        let (mut held, mut largest) = (0, 0);
        for (value, node) in graph.values() {
            if !self.is_made(value) {
                continue;
            }
            held += node.shape.len();
            largest = largest.max(held);
            for read in self.reads(graph, value) {
                if self.is_last_read(read) {
                    held -= graph.node(read).shape.len();
                }
            }
        }
        largest
    }
}

/// The convolutions that are made by part: all that read one take some of its channels, by whole vectors. What such a
/// convolution reads is then read as often as it has readers, and itself it is not.
fn made_by_part(graph: &Graph, uses: &mut [usize]) -> Vec<bool> {
    let mut parts = vec![0; uses.len()];
    for (_, node) in graph.values().filter(|(value, _)| uses[value.index()] > 0) {
        if matches!(&node.op, Op::Slice(op) if op.channels.is_multiple_of(LANES)) {
            parts[node.inputs[0].index()] += 1;
        }
    }
    let mut by_part = vec![false; uses.len()];
    for (value, node) in graph.values().filter(|(value, _)| parts[value.index()] > 0) {
        let takes_parts = match &node.op {
            Op::Conv2d(op) => op.groups == 1 && !matches!(graph.node(node.inputs[0]).op, Op::Concat(_)),
            _ => false,
        };
        if takes_parts && uses[value.index()] == parts[value.index()] {
            by_part[value.index()] = true;
            let more = std::mem::take(&mut uses[value.index()]) - 1;
            values(graph, node).for_each(|read| uses[read.index()] += more);
        }
    }
    by_part
}

/// What a node reads as values, in order: all but the parameters that are its weights.
fn values<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = Value> + 'a {
    let of = |at: &usize| is_value(graph, node, *at);
    (0..node.inputs.len()).filter(of).map(|at| node.inputs[at])
}

/// Whether an input is read as a value. Weights are where they are computed, and what is done to weights reads all as
/// values.
fn is_value(graph: &Graph, node: &Node, at: usize) -> bool {
    let activations = node.op.operator().activations(node.inputs.len());
    matches!(node.op, Op::Weight(_)) || at < activations || graph.parameter(node.inputs[at]).is_none()
}

/// Whether `node` is made in the course of what `reader` makes of it, its input `at`. Either the reader goes through it
/// number by number, or adds up the channels, or it is a convolution, which takes what would be concatenated side by
/// side.
fn joins(node: &Node, reader: &Node, at: usize) -> bool {
    match (&node.op, &reader.op) {
        (Op::Concat(_), Op::Conv2d(op)) => at == 0 && op.groups == 1,
        (op, Op::Training(TrainingOperation::Sum(Axes::CHANNELS))) => is_expression(op),
        (op, reading) => {
            at < 2 && takes_expressions(reading) && is_expression(op) && node.shape == reader.shape
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::parameter;
    use crate::graph::{Builder, Conv2d};
    use crate::tensor::Shape;

    #[test]
    fn what_is_read_once_is_made_with_its_reader_unless_it_is_kept() {
        let (mut b, x) = Builder::new("chain", Shape::new(1, 4, 3, 3), 1.0);
        let conv = |b: &mut Builder, name: &str, x, inputs| {
            let weight = b.parameter(format!("{name}.weight"), &parameter([4, inputs, 3, 3], 1)).unwrap();
            b.conv2d(name, x, weight, Conv2d::same(3)).unwrap()
        };
        let convolved = conv(&mut b, "convolved", x, 4);
        let relu = b.relu("relu", convolved).unwrap();
        let sum = b.add("sum", relu, x).unwrap();
        let both = b.concat("both", &[sum, x]).unwrap();
        let output = conv(&mut b, "output", both, 8);
        let (graph, _) = b.finish(output).unwrap();
        let made = |keep: &[Value]| {
            let order = Order::new(&graph, keep);
            let made = [convolved, relu, sum, both, output].into_iter().filter(|value| order.is_made(*value));
            (made.collect::<Vec<_>>(), order.reads(&graph, output), order.reads(&graph, sum))
        };
        assert_eq!(made(&[]), (vec![sum, output], vec![sum, x], vec![x, x]));
        assert_eq!(made(&[relu]), (vec![relu, sum, output], vec![sum, x], vec![relu, x]));
        assert_eq!(made(&[both]).0, [sum, both, output]);
    }

    #[test]
    fn what_nobody_needs_makes_nothing_with_it() {
        let (mut b, x) = Builder::new("dead", Shape::new(1, 4, 3, 3), 1.0);
        let sum = b.add("sum", x, x).unwrap();
        b.add("unneeded", x, sum).unwrap();
        let weight = b.parameter("weight", &parameter([4, 4, 3, 3], 1)).unwrap();
        let output = b.conv2d("output", sum, weight, Conv2d::same(3)).unwrap();
        let order = Order::new(&b.finish(output).unwrap().0, &[]);
        assert!(order.is_made(sum) && order.is_made(output));
    }

    #[test]
    fn a_convolution_is_made_by_part_if_all_that_read_it_take_whole_vectors_of_its_channels() {
        for (channels, by_part) in [([16, 32], true), ([16, 8], false)] {
            let (mut b, x) = Builder::new("parts", Shape::new(1, 4, 3, 3), 1.0);
            let weight = b.parameter("weight", &parameter([64, 4, 1, 1], 1)).unwrap();
            let conv = b.conv2d("conv", x, weight, Conv2d::same(1)).unwrap();
            let parts = channels.map(|channels| b.slice("part", conv, 8, channels).unwrap());
            let output = b.concat("output", &parts).unwrap();
            let (graph, _) = b.finish(output).unwrap();
            let mut order = Order::new(&graph, &[]);
            assert_eq!(order.is_made(conv), !by_part);
            assert!(Order::new(&graph, &[conv]).is_made(conv), "what is kept is made");
            let read = if by_part { x } else { conv };
            assert!(parts.iter().all(|part| order.reads(&graph, *part) == [read]));
            assert_eq!([order.is_last_read(read), order.is_last_read(read)], [false, true]);
        }
    }

    #[test]
    fn an_expression_reads_no_more_than_so_many_values() {
        let (mut b, x) = Builder::new("sums", Shape::new(1, 1, 1, 1), 1.0);
        let mut sum = x;
        for _ in 0..3 * MOST_READ {
            sum = b.add("sum", sum, x).unwrap();
        }
        let (graph, _) = b.finish(sum).unwrap();
        let order = Order::new(&graph, &[]);
        let most = graph.values().map(|(value, _)| order.reads(&graph, value).len()).max();
        assert_eq!(most, Some(MOST_READ));
    }
}
