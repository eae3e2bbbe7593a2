//! What pruning adds to a loss, as nodes of the graph whose weights are inputs, so that any schedule moves them.
//!
//! - The pull towards zero, growing L2 (Wang et al., *Neural Pruning via Growing Regularization*, ICLR 2021, section 3.1):
//!   `½ Σ pull[o] · ‖p[o]‖²`, whose gradient is `pull[o] · p[o]`, as the authors add it to Adam's.
//! - Sparsity structure alignment (Zhang et al., *Aligned Structured Sparsity Learning*, NeurIPS 2021, section 3.3):
//!   `−1/n² · Σ_{l, m} ⟨S_l, S_m⟩ = −‖Σ_l S_l‖² / n²`, with `S_l = σ(γ_l − t_l)` of the n layers whose filters go
//!   together; t_l is the magnitude of one filter of the layer, through which the gradient goes too.

use crate::error::{Error, Result};
use crate::graph::{Activation, Axes, BinaryKind, Builder, Graph, Input, Op, TrainingOperation, Value};
use crate::learn::Objective;
use crate::tensor::Shape;

/// The parameters that a training of pruning pulls and aligns, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Parameters that are pulled towards zero, each with the axis of its filters in N×C×H×W: 0, or 1 of a number a channel.
    pub pulled: Vec<(String, usize)>,
    /// Magnitudes, `[filters, 1, 1, 1]`, of layers whose filters go together, group by group.
    pub aligned: Vec<Vec<String>>,
}

impl Terms {
    /// An objective's loss with the pulls and the alignment. Outputs are `loss`, `pixels` (the loss as it was) and, where
    /// there is something to align, `alignment`.
    ///
    /// Inputs behind those of the objective are `<parameter>.pull`, a number a filter in the shape of the parameter's
    /// filters, and `<magnitude>.threshold`, 1 for the filter whose magnitude is the threshold and 0 for the others.
    ///
    /// # Errors
    /// [`Error::Shape`] with a parameter that the objective does not have.
    pub fn added_to(&self, objective: &Objective) -> Result<Objective> {
        let graph = objective.forward();
        let mut b = Builder::behind(graph);
        let pixels = graph.output();
        let mut loss = pixels;
        for (name, axis) in &self.pulled {
            let term = pull(&mut b, graph, name, *axis)?;
            loss = b.add("loss", loss, term)?;
        }
        let aligned = self.aligned.iter().map(|group| alignment(&mut b, graph, group));
        let aligned: Vec<Value> = aligned.collect::<Result<_>>()?;
        let mut outputs = vec![("pixels", pixels)];
        if let Some(all) = sum_of(&mut b, "alignment", aligned)? {
            loss = b.add("loss", loss, all)?;
            outputs.push(("alignment", all));
        }
        outputs.insert(0, ("loss", loss));
        Objective::new(b.finish_all(outputs)?.0)
    }
}

fn input(b: &mut Builder, name: String, shape: Shape) -> Result<Value> {
    b.append(name, Op::Input(Input { shape }), &[])
}

fn sum(b: &mut Builder, name: String, x: Value, axes: Axes) -> Result<Value> {
    b.append(name, Op::Training(TrainingOperation::Sum(axes)), &[x])
}

fn sum_of(b: &mut Builder, name: &str, values: Vec<Value>) -> Result<Option<Value>> {
    let mut values = values.into_iter();
    let Some(mut sum) = values.next() else { return Ok(None) };
    for value in values {
        sum = b.add(name, sum, value)?;
    }
    Ok(Some(sum))
}

fn parameter(graph: &Graph, name: &str) -> Result<Value> {
    let found = graph.find(name).filter(|value| matches!(graph.node(*value).op, Op::Parameter(_)));
    found.ok_or_else(|| Error::shape(graph.name(), format!("expected a parameter {name}, found none")))
}

/// `½ Σ pull[o] · ‖p[o]‖²`
fn pull(b: &mut Builder, graph: &Graph, name: &str, axis: usize) -> Result<Value> {
    let parameter = parameter(graph, name)?;
    let own = |part: &str| format!("{name}.{part}");
    let mut squares = b.multiply(own("squared"), parameter, parameter)?;
    if axis == 0 {
        let within = Axes { batch: false, channels: true, pixels: true };
        squares = sum(b, own("squared.sum"), squares, within)?;
    }
    let pull = input(b, own("pull"), b.shape(squares))?;
    let pulled = b.multiply(own("pulled"), squares, pull)?;
    let pulled = sum(b, own("pulled.sum"), pulled, Axes::ALL)?;
    let half = b.number(own("pulled.factor"), 0.5)?;
    b.multiply(own("pulled.half"), pulled, half)
}

/// `−‖Σ_l S_l‖² / n²`
fn alignment(b: &mut Builder, graph: &Graph, magnitudes: &[String]) -> Result<Value> {
    let mut gates = Vec::with_capacity(magnitudes.len());
    for name in magnitudes {
        let magnitude = parameter(graph, name)?;
        let own = |part: &str| format!("{name}.{part}");
        let chosen = input(b, own("threshold"), b.shape(magnitude))?;
        let chosen = b.multiply(own("chosen"), magnitude, chosen)?;
        let threshold = sum(b, own("chosen.sum"), chosen, Axes::ALL)?;
        let shape = b.shape(magnitude);
        let threshold =
            b.append(own("chosen.all"), Op::Training(TrainingOperation::Broadcast { shape }), &[threshold])?;
        let above = b.binary(own("above"), BinaryKind::Subtract, magnitude, threshold)?;
        gates.push(b.activation(own("gate"), above, Activation::Sigmoid)?);
    }
    let layers = gates.len();
    let all = sum_of(b, "gates", gates)?
        .ok_or_else(|| Error::Unsupported("alignment: expected at least one layer, found none".into()))?;
    let squares = b.multiply("gates.squared", all, all)?;
    let sum = sum(b, "gates.sum".into(), squares, Axes::ALL)?;
    let share = b.number("gates.share", -1.0 / (layers * layers) as f32)?;
    b.multiply("gates.aligned", sum, share)
}
