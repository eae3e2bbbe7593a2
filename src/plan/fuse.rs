//! Which nodes run together: a convolution takes along the activation and the residual add that follow it.

use crate::graph::{Activation, BinaryKind, Graph, Op, Value};
use crate::kernel::epilogue::Residual;

/// Nodes that one dispatch computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The node that reads the inputs: a convolution, or any node on its own.
    pub root: Value,
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
        let mut group = Group { root, activation: None, residual: None };
        let mut end = root;
        if matches!(node.op, Op::Conv2d(_) | Op::MaskedConv2d(_)) {
            while let Some(next) = followers[end.index()] {
                if taken[next.index()] || !group.take(graph, end, next) {
                    break;
                }
                taken[next.index()] = true;
                end = next;
            }
        }
        groups[end.index()] = Some(group);
    }
    groups
}

/// The node that alone reads a value, if there is one and the value is not wanted otherwise.
fn sole_followers(graph: &Graph, keep: &[Value]) -> Vec<Option<Value>> {
    let uses = graph.uses();
    let mut followers = vec![None; graph.nodes().len()];
    for (user, node) in graph.values() {
        for input in &node.inputs {
            if uses[input.index()] == 1 && !keep.contains(input) {
                followers[input.index()] = Some(user);
            }
        }
    }
    followers
}

impl Group {
    /// Takes `next`, which follows `end`, along if a convolution's epilogue can compute it.
    fn take(&mut self, graph: &Graph, end: Value, next: Value) -> bool {
        let node = graph.node(next);
        match &node.op {
            Op::Activation(Activation::Prelu { .. }) => false,
            Op::Activation(_) if self.activation.is_none() => {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Conv2d};
    use crate::tensor::{Parameter, Shape};

    fn conv() -> Conv2d {
        Conv2d::same(Parameter::new([3, 3, 1, 1], vec![0.0; 9]), None)
    }

    #[test]
    fn a_residual_block_is_two_dispatches() {
        let (mut b, x) = Builder::new("block", Shape::new(1, 3, 4, 4), 1.0);
        let first = b.conv2d("first", x, conv()).unwrap();
        let relu = b.relu("relu", first).unwrap();
        let second = b.conv2d("second", relu, conv()).unwrap();
        let sum = b.add("sum", second, x).unwrap();
        let groups = fuse(&b.finish(sum), &[]);
        let made: Vec<usize> =
            groups.iter().enumerate().filter(|(_, g)| g.is_some()).map(|(i, _)| i).collect();
        assert_eq!(made, [0, relu.index(), sum.index()]);
        assert_eq!(groups[sum.index()].as_ref().unwrap().residual, Some((x, Residual::After)));
    }

    #[test]
    fn of_two_convolutions_added_one_takes_the_other_as_residual() {
        let (mut b, x) = Builder::new("sum", Shape::new(1, 3, 4, 4), 1.0);
        let left = b.conv2d("left", x, conv()).unwrap();
        let right = b.conv2d("right", x, conv()).unwrap();
        let sum = b.add("sum", left, right).unwrap();
        let relu = b.relu("relu", sum).unwrap();
        let groups = fuse(&b.finish(relu), &[]);
        let group = groups[relu.index()].as_ref().unwrap();
        assert_eq!((group.root, group.residual), (left, Some((right, Residual::Before))));
        assert!(groups[right.index()].is_some());
    }

    #[test]
    fn a_kept_value_is_made() {
        let (mut b, x) = Builder::new("kept", Shape::new(1, 3, 4, 4), 1.0);
        let sum = b.conv2d("conv", x, conv()).unwrap();
        let relu = b.relu("relu", sum).unwrap();
        assert!(fuse(&b.finish(relu), &[sum])[sum.index()].is_some());
    }
}
