//! What a training minimises: a graph that ends in a loss, and the gradients that it asks for.

use crate::error::{Error, Result};
use crate::graph::{Builder, Goal, Graph, Node, Op, TrainingOperation, Value};
use crate::net::Net;
use crate::tensor::Shape;

/// A graph whose first output is the loss, one number, and whose other outputs are numbers or values to watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    forward: Graph,
    /// Forward and backward pass.
    graph: Graph,
    /// The names of the parameters whose gradients are the graph's last outputs.
    trained: Vec<String>,
}

impl Objective {
    /// How far a network's pictures are from their targets: a weighted sum of losses, in the network's own range. Inputs
    /// are low-resolution pictures of `low`'s shape, then the targets, then what a teacher makes of them, if there is one.
    ///
    /// # Errors
    /// [`Error::Shape`] if the network does not take such pictures, or there is no loss; [`Error::Unsupported`] if it
    /// cannot be trained.
    pub fn of_net(net: &Net, low: Shape, goal: impl Into<Goal>) -> Result<Self> {
        let graph = net.unfolded().resized(&[low])?;
        let mut b = Builder::behind(&graph);
        let loss = b.goal("loss", graph.output(), &goal.into())?;
        Self::new(b.finish_all([("loss", loss)])?.0)
    }

    /// Of a graph of one's own. All parameters are trained.
    ///
    /// # Errors
    /// As [`Graph::gradient`].
    pub fn new(forward: Graph) -> Result<Self> {
        let all = parameters(&forward).map(|(_, name)| name.to_owned()).collect::<Vec<_>>();
        Self::training(forward, all)
    }

    /// The same that trains only the parameters whose names are wanted.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if none is.
    pub fn only(self, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let trained: Vec<String> = self.trained.into_iter().filter(|name| wanted(name)).collect();
        if trained.is_empty() {
            return Err(Error::Unsupported(format!(
                "{}: no parameter is left to train",
                self.forward.name()
            )));
        }
        Self::training(self.forward, trained)
    }

    fn training(forward: Graph, trained: Vec<String>) -> Result<Self> {
        let wrt = with_names(&forward, &trained);
        let graph = forward.gradient(forward.output(), &wrt)?;
        let trained = wrt.iter().map(|value| forward.node(*value).name.clone()).collect();
        Ok(Self { forward, graph, trained })
    }

    /// Up to the loss: outputs are the loss and what is watched.
    pub fn forward(&self) -> &Graph {
        &self.forward
    }

    /// Forward and backward pass: behind the outputs of [`Objective::forward`] a gradient for each trained parameter.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// [`Objective::graph`] with gradients that are `scale` times as large.
    pub(super) fn scaled(&self, scale: f32) -> Result<Graph> {
        self.forward.scaled_gradient(self.forward.output(), &with_names(&self.forward, &self.trained), scale)
    }

    /// A scale at which gradients can be stored as f16: L1's are near 1 for each sample, where they are one part of so many.
    /// A power of two, so that nothing is rounded by it.
    pub(super) fn scale_for_f16(&self) -> f32 {
        let samples = |(_, node): (Value, &Node)| match node.op {
            Op::Training(TrainingOperation::Loss(_)) => Some(self.forward.node(node.inputs[0]).shape.len()),
            _ => None,
        };
        let most = self.forward.values().filter_map(samples).max().unwrap_or(1);
        (1_u64 << most.max(1).ilog2()) as f32
    }

    /// The trained parameters, in the order of their gradients.
    pub fn trained(&self) -> &[String] {
        &self.trained
    }
}

/// The parameters of these names, in the graph's order.
fn with_names(graph: &Graph, names: &[String]) -> Vec<Value> {
    let named = parameters(graph).filter(|(_, name)| names.iter().any(|known| known == name));
    named.map(|(value, _)| value).collect()
}

fn parameters(graph: &Graph) -> impl Iterator<Item = (Value, &str)> {
    graph
        .values()
        .filter(|(_, node)| matches!(node.op, Op::Parameter(_)))
        .map(|(v, node)| (v, node.name.as_str()))
}
