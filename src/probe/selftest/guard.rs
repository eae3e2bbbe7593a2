//! What stands before the first use of a tier on a device: one of the network's own convolutions, alone on a small
//! picture.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use super::{Outcome, between_copies, cases, outcome, row, spoil, tiers, twice};
use crate::cpu;
use crate::device::{Feature, Tier};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Verdict};
use crate::graph::{Activation, Builder, Graph, Node, Op, Parameters, Value};
use crate::kernel::{Dispatch, Kernel, Specialization};
use crate::plan::{Form, Options, Plan};
use crate::tensor::{Shape, Tensor};

/// The picture's sides, which no workgroup's or tile's divide.
const SIDES: [usize; 2] = [7, 13];

/// Convolutions that are looked at, at most, for one that needs no pipelines but the plan's.
const LOOKED_AT: usize = 12;

type Pipelines<'a> = HashSet<(&'static Kernel, &'a Specialization)>;

/// Whether a device may run a plan of `graph`: every tier that it uses has given its known answer. The first time that
/// one does not, a warning says so. `Some` is a feature that is to be masked off, and planned without.
///
/// # Errors
/// [`Error::Device`] if what every device runs is wrong, [`Error::OutOfMemory`].
pub(crate) fn check(
    gpu: &Gpu,
    graph: &Graph,
    parameters: &Parameters,
    options: &Options,
    plan: &Plan,
) -> Result<Option<Feature>> {
    for tier in tiers(plan) {
        let probe = || probe(gpu, tier, graph, parameters, options, plan);
        let (Err(found), new) = gpu.verdict(tier, probe)? else { continue };
        let device = gpu.identity();
        let Tier::Needs(feature) = tier else {
            return Err(Error::Device(format!(
                "{device}: its self-test failed: {found}; update the driver, or choose the CPU; `sparsr doctor` tells \
                 more"
            )));
        };
        if new {
            tracing::warn!("{device}: does without {feature}, whose self-test failed: {found}");
        }
        return Ok(Some(feature));
    }
    Ok(None)
}

/// Makes the tier's pipelines that the plan needs, all at once, and runs its cases until one is wrong.
fn probe(
    gpu: &Gpu,
    tier: Tier,
    graph: &Graph,
    parameters: &Parameters,
    options: &Options,
    plan: &Plan,
) -> Result<Verdict> {
    let own = plan.steps.iter().map(|step| &step.dispatch);
    let own: Vec<&Dispatch> = own.filter(|dispatch| dispatch.tier() == tier).collect();
    match gpu.make_pipelines(&own) {
        Ok(()) => {}
        Err(Error::OutOfMemory(reason)) => return Err(Error::OutOfMemory(reason)),
        Err(error) => return Ok(Err(error.to_string())),
    }
    let choice = Choice { gpu, tier, graph, options, plan, made: pipelines(plan) };
    let tolerance = row(tier).map_or(super::TOLERANCE, |row| row.tolerance);
    let begin = Instant::now();
    for (case, plan) in choice.cases() {
        tracing::debug!(%tier, case = case.name(), elapsed = ?begin.elapsed(), "self-test");
        let mut expected = cpu::run(&case, parameters, &noise(&case))?;
        if gpu.is_spoilt(tier) {
            spoil(&mut expected);
        }
        let found = match twice(&mut Pool::new(gpu, parameters), &plan, &noise(&case)) {
            Err(Error::OutOfMemory(reason)) => return Err(Error::OutOfMemory(reason)),
            runs => outcome(runs, &expected, tolerance),
        };
        match found {
            Outcome::Right { .. } => {}
            Outcome::Wrong { reason, .. } => return Ok(Err(format!("{}: {reason}", case.name()))),
            Outcome::Failed(reason) => return Ok(Err(reason)),
        }
    }
    tracing::debug!(%tier, elapsed = ?begin.elapsed(), "self-test passed");
    Ok(Ok(()))
}

/// What a tier's cases are chosen from.
struct Choice<'a> {
    gpu: &'a Gpu,
    tier: Tier,
    graph: &'a Graph,
    options: &'a Options,
    plan: &'a Plan,
    made: Pipelines<'a>,
}

impl Choice<'_> {
    /// For each of the tier's kernels a convolution that runs it and nothing beyond the tier; of what every device
    /// runs one convolution in all. None that needs pipelines beside the plan's, if there is a choice.
    fn cases(&self) -> Vec<(Graph, Plan)> {
        let steps = || self.plan.steps.iter().filter(|step| step.dispatch.tier() == self.tier);
        if self.tier == Tier::Portable {
            let labels = steps().map(|step| step.label.as_str());
            let alone = tiers(self.plan) == [Tier::Portable];
            return self.best(labels, |_, more| alone || more == 0).into_iter().collect();
        }
        let kernels: BTreeSet<&str> = steps().map(|step| step.dispatch.kernel.name).collect();
        let case = |kernel: &&str| {
            let own = steps().filter(|step| step.dispatch.kernel.name == *kernel);
            let runs = |plan: &Plan, _| plan.steps.iter().any(|step| step.dispatch.kernel.name == *kernel);
            self.best(own.map(|step| step.label.as_str()), runs)
        };
        kernels.iter().filter_map(case).collect()
    }

    /// Whether a convolution is to stand between copies.
    fn is_inside(&self) -> bool {
        row(self.tier).is_some_and(|row| row.inside)
    }

    /// The first of the convolutions with the fewest pipelines beside the plan's.
    fn best<'l>(
        &self,
        labels: impl Iterator<Item = &'l str>,
        suits: impl Fn(&Plan, usize) -> bool,
    ) -> Option<(Graph, Plan)> {
        let mut seen = HashSet::new();
        let labels = labels.filter(|label| seen.insert(*label));
        let values = labels.filter_map(|label| self.graph.find(label));
        let convolutions = values.filter(|value| is_convolution(self.graph.node(*value))).take(LOOKED_AT);
        let mut best: Option<(usize, Graph, Plan)> = None;
        for case in convolutions.flat_map(|value| alone(self.graph, value, self.is_inside())) {
            let options =
                Options { input: Form::Tensor, output: Form::Tensor, keep: vec![], ..self.options.clone() };
            let planned = Plan::new(&case, &options, self.gpu.limits());
            let Ok(plan) = planned else { continue };
            let more = pipelines(&plan).difference(&self.made).count();
            let better = best.as_ref().is_none_or(|(fewest, ..)| more < *fewest);
            if better && tiers(&plan).last() == Some(&self.tier) && suits(&plan, more) {
                best = Some((more, case, plan));
            }
            if more == 0 && best.is_some() {
                break;
            }
        }
        best.map(|(_, case, plan)| (case, plan))
    }
}

fn pipelines(plan: &Plan) -> Pipelines<'_> {
    plan.steps.iter().map(|step| (step.dispatch.kernel, &step.dispatch.specialization)).collect()
}

fn is_convolution(node: &Node) -> bool {
    matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose2d(_))
}

/// A convolution on a small picture: with the activation behind it, if it has one, which it takes along, and without.
fn alone(graph: &Graph, value: Value, inside: bool) -> Vec<Graph> {
    let node = graph.node(value);
    let behind = graph.values().find(|(_, next)| next.inputs.first() == Some(&value));
    let activation = behind.and_then(|(_, next)| match &next.op {
        Op::Activation(op) if *op != Activation::Prelu => Some(op.clone()),
        _ => None,
    });
    let [height, width] = SIDES;
    let input = Shape::new(1, graph.node(node.inputs[0]).shape.channels, height, width);
    let build = |activation: Option<Activation>| {
        let (mut b, x) = Builder::new(node.name.clone(), input, 1.0);
        let mut inputs = vec![x];
        for weight in node.inputs[1..].iter().map(|weight| graph.node(*weight)) {
            inputs.push(b.append(weight.name.clone(), weight.op.clone(), &[])?);
        }
        let mut y = b.append(node.name.clone(), node.op.clone(), &inputs)?;
        if let Some(op) = activation {
            y = b.activation("activation", y, op)?;
        }
        let (graph, _) = b.finish(y)?;
        if inside { between_copies(&graph) } else { Ok(graph) }
    };
    let variants = activation.map(Some).into_iter().chain([None]);
    variants.filter_map(|activation| build(activation).ok()).collect()
}

fn noise(case: &Graph) -> Tensor {
    cases::noise(case.node(case.input()).shape, 1)
}
