//! From classes to groups: what stands in the same places, and what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ties::Ties;
use super::{Channels, Fixed, Group, Member, Place, Role};
use crate::graph::{BinaryKind, Graph, Node, Op, ParameterId, Value, WeightOperation};

/// Where a class lies along an axis of a parameter.
struct Spot {
    parameter: ParameterId,
    axis: usize,
    indices: Vec<usize>,
}

/// A computed convolution, and the roots of the classes that it reads and makes.
struct Convolution<'g> {
    value: Value,
    node: &'g Node,
    reads: Vec<usize>,
    makes: Vec<usize>,
}

/// The groups of a graph's classes.
pub(super) fn of(graph: &Graph, mut ties: Ties) -> Channels {
    let convolutions = convolutions(graph, &mut ties);
    let made: BTreeSet<usize> = convolutions.iter().flat_map(|conv| conv.makes.iter().copied()).collect();
    let mut spots = spots(graph, &mut ties);
    spots.retain(|root, _| made.contains(root) && ties.classes.why(*root).is_none());

    let roles = roles(graph, &gates(graph, &ties.vanishes));
    let mut places: HashMap<Vec<(ParameterId, usize, usize)>, usize> = HashMap::new();
    let (mut groups, mut members) = (Vec::<Group>::new(), HashMap::new());
    for (root, spots) in spots {
        let key = spots.iter().map(|spot| (spot.parameter, spot.axis, spot.indices.len())).collect();
        let group = *places.entry(key).or_insert_with(|| {
            groups.push(Group::begun(root, &spots, &convolutions, &roles));
            groups.len() - 1
        });
        let own = &mut groups[group];
        members.insert(root, Member { group, channel: own.channels });
        own.channels += 1;
        own.places.iter_mut().zip(spots).for_each(|(place, spot)| place.indices.push(spot.indices));
    }
    let of_axis = |axis: &[usize], ties: &mut Ties| {
        axis.iter().map(|class| members.get(&ties.classes.root(*class)).copied()).collect()
    };
    let axes = ties.axes.clone();
    let members = axes.iter().map(|[rows, columns]| [of_axis(rows, &mut ties), of_axis(columns, &mut ties)]);
    let members = members.collect();
    let fixed = fixed(&convolutions, &mut ties);
    let mut channels = Channels { groups, fixed, members };
    channels.name_parts();
    channels
}

/// The convolutions that pictures go through and that make channels, in order: neither depthwise ones nor gates.
fn convolutions<'g>(graph: &'g Graph, ties: &mut Ties) -> Vec<Convolution<'g>> {
    let (weights, gates) = (graph.weights(), gates(graph, &ties.vanishes));
    let mut found = Vec::new();
    for (value, node) in graph.values().filter(|(value, _)| !weights[value.index()]) {
        let mixes = match &node.op {
            Op::Conv2d(conv) => !conv.is_depthwise(graph.node(node.inputs[1]).shape),
            op => matches!(op, Op::ConvTranspose2d(_)),
        };
        if mixes {
            let mut roots = |value: Value| {
                let axis = ties.axes[value.index()][1].clone();
                axis.iter().map(|class| ties.classes.root(*class)).collect::<Vec<_>>()
            };
            let makes = if gates[value.index()] { Vec::new() } else { roots(value) };
            found.push(Convolution { value, node, reads: roots(node.inputs[0]), makes });
        }
    }
    found
}

/// Of every value whether it is but a factor of what others make, as attention is: it need not be zero for that to be.
fn gates(graph: &Graph, vanishes: &[bool]) -> Vec<bool> {
    let mut used = graph.uses(); // less those as factors
    let mut gates = vec![false; used.len()];
    for (value, node) in graph.values().rev() {
        gates[value.index()] = used[value.index()] == 0;
        let factor = match (&node.op, &*node.inputs) {
            (Op::Binary(op), [a, b])
                if op.kind == BinaryKind::Multiply && a != b && !gates[value.index()] =>
            {
                Some(if vanishes[a.index()] { *b } else { *a })
            }
            _ => None,
        };
        let passes = matches!(node.op, Op::Activation(_) | Op::Binary(_) | Op::Resize(_) | Op::ResizeTo(_));
        for input in &node.inputs {
            used[input.index()] -= usize::from(gates[value.index()] && passes || factor == Some(*input));
        }
    }
    gates
}

/// Where each class lies in parameters, by its root.
fn spots(graph: &Graph, ties: &mut Ties) -> BTreeMap<usize, Vec<Spot>> {
    let mut spots: BTreeMap<usize, Vec<Spot>> = BTreeMap::new();
    for (value, node) in graph.values() {
        let Op::Parameter(parameter) = &node.op else { continue };
        for axis in 0..2 {
            let classes = ties.axes[value.index()][axis].clone();
            for (index, class) in classes.iter().enumerate() {
                let found = spots.entry(ties.classes.root(*class)).or_default();
                match found.last_mut() {
                    Some(spot) if spot.parameter == parameter.id && spot.axis == axis => {
                        spot.indices.push(index)
                    }
                    _ => found.push(Spot { parameter: parameter.id, axis, indices: vec![index] }),
                }
            }
        }
    }
    spots
}

/// What computed convolutions make that stays.
fn fixed(convolutions: &[Convolution<'_>], ties: &mut Ties) -> Vec<Fixed> {
    let mut fixed: Vec<Fixed> = Vec::new();
    for Convolution { node, makes, .. } in convolutions {
        for why in makes.iter().filter_map(|root| ties.classes.why(*root).cloned()) {
            match fixed.last_mut() {
                Some(last) if last.name == node.name && last.why == why => last.channels += 1,
                _ => fixed.push(Fixed { name: node.name.clone(), channels: 1, why }),
            }
        }
    }
    fixed
}

impl Group {
    /// Of no channels yet, with the places of the class of `root`.
    fn begun(
        root: usize,
        spots: &[Spot],
        convolutions: &[Convolution<'_>],
        roles: &HashMap<ParameterId, Use>,
    ) -> Self {
        let those = |has: fn(&Convolution<'_>, &usize) -> bool| {
            let found = convolutions.iter().filter(|conv| has(conv, &root));
            found.map(|conv| conv.value).collect::<Vec<_>>()
        };
        let place = |spot: &Spot| Place {
            parameter: spot.parameter,
            axis: spot.axis,
            indices: Vec::new(),
            role: roles.get(&spot.parameter).map_or(Role::Factors, |used| used.role(spot.axis)),
        };
        let maker = convolutions.iter().find(|conv| conv.makes.contains(&root));
        Self {
            name: maker.map(|conv| conv.node.name.clone()).unwrap_or_default(),
            channels: 0,
            places: spots.iter().map(place).collect(),
            made_by: those(|conv, root| conv.makes.contains(root)),
            read_by: those(|conv, root| conv.reads.contains(root)),
        }
    }
}

impl Channels {
    /// Puts the range behind the name of a group whose first convolution makes others too.
    fn name_parts(&mut self) {
        for (number, group) in self.groups.iter_mut().enumerate() {
            let Some(first) = group.made_by.first() else { continue };
            let is_own = |member: &Option<Member>| member.is_some_and(|member| member.group == number);
            let made = &self.members[first.index()][1];
            if let (Some(start), Some(last)) = (made.iter().position(is_own), made.iter().rposition(is_own))
                && !made.iter().all(is_own)
            {
                group.name += &format!("[{start}..{}]", last + 1);
            }
        }
    }
}

/// What is made of a parameter.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// A convolution's weight, outputs first.
    Weight,
    /// One with its inputs first.
    Transposed,
    Depthwise,
    Magnitude,
    Bias,
    /// A weight of what is but a factor.
    Gate,
    Factor,
}

impl Use {
    fn role(self, axis: usize) -> Role {
        match (self, axis) {
            (Self::Weight, 0) | (Self::Transposed, 1) => Role::Filters,
            (Self::Weight | Self::Transposed, _) | (Self::Gate, 1) => Role::Inputs,
            (Self::Depthwise, _) => Role::Depthwise,
            (Self::Magnitude, _) => Role::Magnitudes,
            (Self::Bias, _) => Role::Biases,
            (Self::Gate | Self::Factor, _) => Role::Factors,
        }
    }
}

/// What each parameter is used as: of several uses the first one, weights before biases.
fn roles(graph: &Graph, gates: &[bool]) -> HashMap<ParameterId, Use> {
    let weights = graph.weights();
    let mut roles = HashMap::new();
    for (value, node) in graph.values().filter(|(value, _)| !weights[value.index()]) {
        for (at, input) in node.inputs.iter().enumerate().filter(|(_, input)| weights[input.index()]) {
            let used = match (&node.op, at) {
                (Op::Conv2d(_), 1) if gates[value.index()] => Use::Gate,
                (Op::Conv2d(_), 2) if gates[value.index()] => Use::Factor,
                (Op::Conv2d(conv), 1) if conv.is_depthwise(graph.node(*input).shape) => Use::Depthwise,
                (Op::Conv2d(_), 1) => Use::Weight,
                (Op::ConvTranspose2d(_), 1) => Use::Transposed,
                (Op::Conv2d(_) | Op::ConvTranspose2d(_), 2) => Use::Bias,
                (Op::Binary(op), _) if [BinaryKind::Add, BinaryKind::Subtract].contains(&op.kind) => {
                    Use::Bias
                }
                _ => Use::Factor,
            };
            trace(graph, *input, used, &mut roles);
        }
    }
    roles
}

/// Follows a value of weights to the parameters that it is made of.
fn trace(graph: &Graph, value: Value, used: Use, roles: &mut HashMap<ParameterId, Use>) {
    let node = graph.node(value);
    if let Op::Parameter(parameter) = &node.op {
        roles.entry(parameter.id).or_insert(used);
    }
    for (at, input) in node.inputs.iter().enumerate() {
        let used = match (&node.op, at) {
            (Op::Weight(WeightOperation::Norm), 1) => Use::Magnitude,
            (Op::Binary(op), 1) if op.kind == BinaryKind::Multiply => Use::Factor,
            _ => used,
        };
        trace(graph, *input, used, roles);
    }
}
