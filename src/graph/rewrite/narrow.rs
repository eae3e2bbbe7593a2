//! The same graph with fewer channels.
//!
//! Parameters and constants lose entries along their first two axes, slices begin where their first channel is then, and
//! all shapes follow. See [`Channels`] for when that is the same function.

use crate::error::Result;
use crate::graph::channels::{Channels, Kept};
use crate::graph::{
    Constant, Graph, Node, Op, ParameterId, ParameterValue, Parameters, Slice, Value, WeightOperation,
};
use crate::tensor::{Parameter, Shape, Tensor};

impl Graph {
    /// The graph of the channels that are `kept`. Its parameters are those of [`Parameters::narrowed`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the channels are another graph's.
    pub fn narrowed(&self, channels: &Channels, kept: &Kept) -> Result<Self> {
        let remains = |value: Value, axis: usize| indices(channels, kept, value, axis);
        let mut new = Self { nodes: Vec::with_capacity(self.nodes.len()), ..self.clone() };
        for (value, node) in self.values() {
            let mut op = node.op.clone();
            match &mut op {
                Op::Parameter(ParameterValue { shape, .. }) => {
                    [shape.batch, shape.channels] = [0, 1].map(|axis| remains(value, axis).len());
                }
                Op::Constant(Constant { numbers }) => {
                    let [rows, columns] = [0, 1].map(|axis| remains(value, axis));
                    let shape = Shape { batch: rows.len(), channels: columns.len(), ..node.shape };
                    let values = chosen(numbers.values(), node.shape, [&rows, &columns]);
                    *numbers = Tensor::new(shape, values).into();
                }
                Op::Slice(Slice { start, channels }) => {
                    let from = remains(node.inputs[0], 1);
                    let below = |end: usize| from.iter().filter(|at| **at < end).count();
                    [*start, *channels] = [below(*start), below(*start + *channels) - below(*start)];
                }
                Op::Conv2d(conv) if conv.is_depthwise(self.node(node.inputs[1]).shape) => {
                    conv.groups = remains(value, 1).len();
                }
                _ => {}
            }
            let read: Vec<Shape> = node.inputs.iter().map(|input| new.nodes[input.index()].shape).collect();
            let shape = op.infer(&node.name, &read)?;
            new.nodes.push(Node { op, shape, ..node.clone() });
        }
        Ok(new)
    }
}

impl Parameters {
    /// The numbers of [`Graph::narrowed`]. Weights under normalisation keep their numbers: where directions lose inputs,
    /// magnitudes become smaller as they do, `g · ‖v'‖ / ‖v‖`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if a parameter has too many axes.
    ///
    /// # Panics
    /// If the parameters are another graph's.
    pub fn narrowed(&self, graph: &Graph, channels: &Channels, kept: &Kept) -> Result<Self> {
        let axes: Vec<(&str, Parameter)> = self.iter().collect();
        let mut numbers: Vec<Parameter> = axes.iter().map(|(_, numbers)| numbers.clone()).collect();
        for (value, node) in graph.values() {
            if let (Op::Weight(WeightOperation::Norm), Some([v, g])) = (&node.op, of_norm(graph, node)) {
                let columns = indices(channels, kept, value, 1);
                numbers[g.index()] = shortened(self.get(v), &axes[g.index()].1, &columns);
            }
        }
        for (value, node) in graph.values() {
            let Op::Parameter(ParameterValue { id, shape }) = &node.op else { continue };
            let remains = [0, 1].map(|axis| indices(channels, kept, value, axis));
            let old = &numbers[id.index()];
            let mut dims = old.dims().to_vec();
            match &mut *dims {
                [columns] => *columns = remains[1].len(),
                [rows, columns, ..] => [*rows, *columns] = [remains[0].len(), remains[1].len()],
                [] => {}
            }
            let values = chosen(old.values(), *shape, [&remains[0], &remains[1]]);
            numbers[id.index()] = Parameter::new(dims, values);
        }
        let mut narrowed = Self::new();
        for ((name, _), numbers) in axes.iter().zip(&numbers) {
            narrowed.add((*name).to_owned(), numbers)?;
        }
        Ok(narrowed)
    }
}

/// What remains along an axis of a value.
fn indices(channels: &Channels, kept: &Kept, value: Value, axis: usize) -> Vec<usize> {
    let members = channels.members(value, axis).iter().enumerate();
    members.filter(|(_, member)| kept.has(**member)).map(|(at, _)| at).collect()
}

/// The numbers of these outputs and inputs.
fn chosen(values: &[f32], shape: Shape, [rows, columns]: [&[usize]; 2]) -> Vec<f32> {
    let pixels = shape.pixels();
    let mut made = Vec::with_capacity(rows.len() * columns.len() * pixels);
    for row in rows {
        for column in columns {
            let start = (row * shape.channels + column) * pixels;
            made.extend_from_slice(&values[start..start + pixels]);
        }
    }
    made
}

/// Directions and magnitudes, if both are parameters.
fn of_norm(graph: &Graph, node: &Node) -> Option<[ParameterId; 2]> {
    let id = |value: &Value| match &graph.node(*value).op {
        Op::Parameter(parameter) => Some(parameter.id),
        _ => None,
    };
    Some([id(node.inputs.first()?)?, id(node.inputs.get(1)?)?])
}

/// Magnitudes for directions of which these inputs remain.
fn shortened(directions: &Parameter, magnitudes: &Parameter, columns: &[usize]) -> Parameter {
    let &[_, inputs, height, width] = directions.dims() else { return magnitudes.clone() };
    let pixels = height * width;
    let length =
        |numbers: &mut dyn Iterator<Item = &f32>| numbers.map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let of_output = |(at, magnitude): (usize, &f32)| {
        let row = &directions.values()[at * inputs * pixels..(at + 1) * inputs * pixels];
        let remains = columns.iter().flat_map(|column| &row[column * pixels..(column + 1) * pixels]);
        let [whole, rest] = [length(&mut row.iter()), length(&mut { remains })];
        if whole == 0.0 { *magnitude } else { (f64::from(*magnitude) * rest / whole) as f32 }
    };
    let values: Vec<f32> = magnitudes.values().iter().enumerate().map(of_output).collect();
    Parameter::new(magnitudes.dims(), values)
}
