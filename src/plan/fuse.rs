//! Which nodes run together: a convolution takes along the activation and the residual add that follow it, a
//! product the residual add.

use crate::graph::{BinaryKind, Graph, Op, Value};
use crate::kernel::conv2d_gather::INPUTS;
use crate::kernel::epilogue::Residual;
use crate::tensor::Shape;

/// Nodes that one dispatch computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The node that reads the inputs: a convolution, a product, or any node on its own.
    pub root: Value,
    /// The node whose value it makes.
    pub end: Value,
    /// More pointwise convolutions, under the same mask if there is one, whose results are added to its sum.
    pub terms: Vec<Value>,
    /// The activation that it takes along.
    pub activation: Option<Value>,
    /// The value that it adds, and when.
    pub residual: Option<(Value, Residual)>,
}

/// For every node the group that ends in it, and so makes its value; `None` for nodes inside a group.
pub(super) fn fuse(graph: &Graph, keep: &[Value]) -> Vec<Option<Group>> {
    let followers = sole_followers(graph, keep);
    let mut groups: Vec<Option<Group>> = vec![None; graph.nodes().len()];
    let mut taken = vec![false; graph.nodes().len()];
    for (root, node) in graph.values() {
        if taken[root.index()] {
            continue;
        }
        let mut group = Group { root, end: root, terms: vec![], activation: None, residual: None };
        if takes_along(&node.op) {
            while let Some(next) = followers[group.end.index()] {
                if taken[next.index()] || !group.take(graph, next) {
                    break;
                }
                taken[next.index()] = true;
            }
        }
        let end = group.end.index();
        groups[end] = Some(group);
    }
    for end in 0..groups.len() {
        if let Some(mut group) = groups[end].take() {
            group.absorb(graph, &followers, &mut groups);
            groups[end] = Some(group);
        }
    }
    groups
}

fn takes_along(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::MaskedConv2d(_)) || is_product(op)
}

fn is_product(op: &Op) -> bool {
    matches!(op, Op::Binary(binary) if binary.kind == BinaryKind::Multiply)
}

/// The node that alone reads a value, if there is one and the value is not wanted otherwise.
fn sole_followers(graph: &Graph, keep: &[Value]) -> Vec<Option<Value>> {
    let uses = graph.uses();
    let mut followers = vec![None; graph.nodes().len()];
    for (user, node) in graph.values() {
        let activations = node.op.operator().activations(node.inputs.len());
        for input in &node.inputs[..activations] {
            if uses[input.index()] == 1 && !keep.contains(input) {
                followers[input.index()] = Some(user);
            }
        }
    }
    followers
}

impl Group {
    /// Takes `next`, which follows the group's end, along if the root's kernel can compute it on the way.
    fn take(&mut self, graph: &Graph, next: Value) -> bool {
        let (node, end) = (graph.node(next), self.end);
        let taken = match &node.op {
            Op::Activation(_) if self.activation.is_none() && !is_product(&graph.node(self.root).op) => {
                self.activation = Some(next);
                if let Some((_, when)) = &mut self.residual {
                    *when = Residual::Before;
                }
                true
            }
            Op::Binary(add) if add.kind == BinaryKind::Add && self.residual.is_none() => {
                let other = if node.inputs[0] == end { node.inputs[1] } else { node.inputs[0] };
                let whole = graph.node(other).shape == node.shape && graph.node(end).shape == node.shape;
                if whole {
                    self.residual = Some((other, Residual::After));
                }
                whole
            }
            _ => false,
        };
        if taken {
            self.end = next;
        }
        taken
    }

    /// Takes the group that makes the residual along, if that is a pointwise convolution as this one is and
    /// nobody else reads it: their sums are one product over more input channels.
    fn absorb(&mut self, graph: &Graph, followers: &[Option<Value>], groups: &mut [Option<Self>]) {
        let Some((value, when)) = self.residual else { return };
        let Some(other) = &groups[value.index()] else { return };
        let own = pointwise(graph, self.root);
        let in_the_sum = when == Residual::Before || self.activation.is_none();
        if !in_the_sum
            || other.activation.is_some()
            || followers[value.index()].is_none()
            || own.is_none()
            || pointwise(graph, other.root) != own
            || self.terms.len() + other.terms.len() + 2 > INPUTS
        {
            return;
        }
        let other = groups[value.index()].take().expect("looked at above");
        self.terms.splice(0..0, other.terms.into_iter().chain([other.root]));
        self.residual = other.residual.map(|(value, _)| (value, when));
    }
}

/// What two pointwise convolutions must have in common to be one product: input shape and mask.
fn pointwise(graph: &Graph, root: Value) -> Option<(Shape, Option<Value>)> {
    let node = graph.node(root);
    let (fits, mask) = match &node.op {
        Op::Conv2d(op) => (op.is_pointwise(), None),
        Op::MaskedConv2d(op) => {
            (op.kernel == 1 && op.dense_outputs == node.shape.channels, Some(node.inputs[1]))
        }
        _ => (false, None),
    };
    fits.then(|| (graph.node(node.inputs[0]).shape, mask))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Conv2d};
    use crate::tensor::Parameter;

    /// A convolution of three channels.
    fn conv(b: &mut Builder, name: &str, x: Value, kernel: usize) -> Value {
        let numbers = Parameter::new([3, 3, kernel, kernel], vec![0.0; 9 * kernel * kernel]);
        let weight = b.parameter(format!("{name}.weight"), &numbers).unwrap();
        b.conv2d(name, x, weight, Conv2d::same(kernel)).unwrap()
    }

    /// The groups of what is computed: parameters are not.
    fn groups(b: Builder, output: Value, keep: &[Value]) -> Vec<Option<Group>> {
        let (graph, _) = b.finish(output).unwrap();
        let groups = fuse(&graph, keep).into_iter().zip(graph.nodes());
        groups.map(|(group, node)| group.filter(|_| !matches!(node.op, Op::Parameter(_)))).collect()
    }

    #[test]
    fn a_residual_block_is_two_dispatches() {
        let (mut b, x) = Builder::new("block", Shape::new(1, 3, 4, 4), 1.0);
        let first = conv(&mut b, "first", x, 1);
        let relu = b.relu("relu", first).unwrap();
        let second = conv(&mut b, "second", relu, 1);
        let sum = b.add("sum", second, x).unwrap();
        let groups = groups(b, sum, &[]);
        let made: Vec<usize> =
            groups.iter().enumerate().filter(|(_, g)| g.is_some()).map(|(i, _)| i).collect();
        assert_eq!(made, [0, relu.index(), sum.index()]);
        assert_eq!(groups[sum.index()].as_ref().unwrap().residual, Some((x, Residual::After)));
    }

    #[test]
    fn of_two_convolutions_added_one_takes_the_other_as_residual() {
        let (mut b, x) = Builder::new("sum", Shape::new(1, 3, 4, 4), 1.0);
        let left = conv(&mut b, "left", x, 3);
        let right = conv(&mut b, "right", x, 3);
        let sum = b.add("sum", left, right).unwrap();
        let relu = b.relu("relu", sum).unwrap();
        let groups = groups(b, relu, &[]);
        let group = groups[relu.index()].as_ref().unwrap();
        assert_eq!((group.root, group.residual), (left, Some((right, Residual::Before))));
        assert!(groups[right.index()].is_some());
    }

    #[test]
    fn pointwise_convolutions_added_are_one_product() {
        let (mut b, x) = Builder::new("sum", Shape::new(1, 3, 4, 4), 1.0);
        let terms = [1, 2, 3].map(|_| conv(&mut b, "term", x, 1));
        let sum = b.add("sum", terms[1], terms[0]).unwrap();
        let sum = b.add("sum", terms[2], sum).unwrap();
        let y = b.add("residual", sum, x).unwrap();
        let groups = groups(b, y, &[]);
        let made: Vec<&Group> = groups.iter().flatten().collect();
        assert_eq!(made.len(), 3, "the input, the product, and the residual that it cannot take: {made:?}");
        assert_eq!(made[1].terms.len() + 1, 3);
    }

    #[test]
    fn a_kept_value_is_made() {
        let (mut b, x) = Builder::new("kept", Shape::new(1, 3, 4, 4), 1.0);
        let sum = conv(&mut b, "conv", x, 1);
        let relu = b.relu("relu", sum).unwrap();
        assert!(groups(b, relu, &[sum])[sum.index()].is_some());
    }
}
