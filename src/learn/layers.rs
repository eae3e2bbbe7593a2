//! The weights that pictures meet: normalised, merged, times what they are multiplied by.

use crate::error::Result;
use crate::graph::{Graph, Node, Op, ParameterId, Value};
use crate::models::Model;
use crate::tensor::Parameter;

/// A convolution of pictures.
#[derive(Debug)]
pub(super) struct Layer<'m> {
    /// Its node in the unfolded graph.
    pub(super) value: Value,
    pub(super) name: &'m str,
    /// The weight among the network's numbers.
    pub(super) id: ParameterId,
    pub(super) weight: &'m Parameter,
    /// The axis of its filters: 0, but for transposed convolutions.
    axis: usize,
}

/// All convolutions in order, each as often as it is used.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the network takes no picture of its smallest size.
pub(super) fn layers(model: &Model) -> Result<Vec<Layer<'_>>> {
    let (net, unfolded) = (model.net(), model.net().unfolded());
    let folded = net.graph(unfolded.node(unfolded.input()).shape)?;
    let mut layers = Vec::new();
    for ((value, own), (_, node)) in computed(unfolded).zip(computed(&folded)) {
        let axis = match node.op {
            Op::Conv2d(_) | Op::MaskedConv2d(_) => 0,
            Op::ConvTranspose2d(_) => 1,
            _ => continue,
        };
        let weight = node.inputs[node.op.operator().activations(node.inputs.len())];
        let Some((id, _)) = folded.parameter(weight) else { continue }; // fixed numbers
        layers.push(Layer { value, name: &own.name, id, weight: net.numbers().get(id), axis });
    }
    Ok(layers)
}

/// The nodes that pictures go through. Folding keeps all, in order.
fn computed(graph: &Graph) -> impl Iterator<Item = (Value, &Node)> {
    let weights = graph.weights();
    graph.values().filter(move |(value, _)| !weights[value.index()])
}

impl Layer<'_> {
    /// The L1 norm of each filter.
    pub(super) fn norms(&self) -> Vec<f64> {
        let (dims, axis) = (self.weight.dims(), self.axis);
        let within: usize = dims[axis + 1..].iter().product();
        let mut norms = vec![0.0; dims[axis]];
        for (at, number) in self.weight.values().iter().enumerate() {
            norms[at / within % dims[axis]] += f64::from(number.abs());
        }
        norms
    }
}

/// Numbers as shares of their mean; zeros if that is zero.
pub(super) fn shares(numbers: &[f64]) -> Vec<f64> {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    numbers.iter().map(|number| if mean > 0.0 { number / mean } else { 0.0 }).collect()
}
