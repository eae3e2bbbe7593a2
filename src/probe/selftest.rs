//! Known answers: whether a device, its driver and the kernels of each [`Tier`] compute what they should.
//!
//! - [`run`] goes through all cases of a tier: small awkward shapes, every kind of kernel that networks spend their
//!   time in. `sparsr doctor` prints what it finds.
//! - `check` guards a tier before its first use on a device. Its case is a convolution of the network that is about to
//!   run, so that the pipelines that it makes are those that the network needs anyway.
//!
//! Answers are the CPU engine's, whose own are numbers that are worked out here. Every case runs with its memory
//! poisoned, and twice, so that what is read before it is written, and what a run leaves behind, shows.

mod cases;
mod guard;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cpu;
use crate::device::{Feature, Tier};
use crate::error::Result;
use crate::gpu::{Gpu, Pool};
use crate::graph::{Builder, Graph, Op, Parameters, Slice, Value};
use crate::plan::{Algorithm, Limits, Options, Plan, Storage};
use crate::tensor::Tensor;

pub(crate) use guard::check;

/// How far an answer may be off, as a share of the largest magnitude: sums of a thousand products in any order, and
/// Winograd's transforms, in f32.
const TOLERANCE: f32 = 1e-4;

/// A tier that a device runs, and how its plans are asked for.
struct Row {
    tier: Tier,
    /// What the plan is asked for besides what the case asks for.
    options: fn(Options) -> Options,
    /// Whether the case stands [`between_copies`].
    inside: bool,
    tolerance: f32,
}

/// How far an answer may be off where numbers are rounded to f16, by 2⁻¹² to 2⁻¹¹ of themselves, a few times in a row.
const ROUNDED: f32 = 4e-3;

/// What [`run`] and `check` know of the tiers. A tier without a row is one that no plan uses.
const ROWS: &[Row] = &[
    Row { tier: Tier::Portable, options: |options| options, inside: false, tolerance: TOLERANCE },
    Row {
        tier: Tier::Needs(Feature::Subgroups),
        options: |options| options,
        inside: false,
        tolerance: TOLERANCE,
    },
    Row {
        tier: Tier::Needs(Feature::F16),
        options: |options| Options { storage: Storage::F16(Arc::default()), ..options },
        inside: true,
        tolerance: ROUNDED,
    },
    Row {
        tier: Tier::Needs(Feature::CooperativeMatrices),
        options: |options| Options { algorithm: Algorithm::Cooperative, ..options },
        inside: true,
        tolerance: ROUNDED,
    },
];

/// The same graph with its input and its output copied: what the host reads and writes is f32, and so nothing would be
/// f16 in a graph of one operator.
fn between_copies(graph: &Graph) -> Result<Graph> {
    let copy = |b: &mut Builder, name: &str, value| {
        let op = Slice { start: 0, channels: b.shape(value).channels };
        b.append(name, Op::Slice(op), &[value])
    };
    let (mut b, x) = Builder::new(graph.name(), graph.node(graph.input()).shape, graph.range());
    let mut values = vec![copy(&mut b, "copy of the input", x)?];
    for node in graph.nodes().iter().skip(1) {
        let inputs: Vec<Value> = node.inputs.iter().map(|input| values[input.index()]).collect();
        values.push(b.append(&node.name, node.op.clone(), &inputs)?);
    }
    let output = copy(&mut b, "copy of the output", values[graph.output().index()])?;
    Ok(b.finish(output)?.0)
}

fn row(tier: Tier) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.tier == tier)
}

/// A graph, what goes in, and how it is planned.
#[derive(Debug)]
struct Case {
    name: &'static str,
    graph: Graph,
    parameters: Parameters,
    input: Tensor,
    options: Options,
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was tested.
    pub name: String,
    /// What was found.
    pub outcome: Outcome,
    /// What it took, pipelines included.
    pub time: Duration,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The expected answer, at most so far off.
    Right {
        /// The largest difference, as a share of the largest magnitude.
        apart: f32,
        /// The largest that is allowed.
        tolerance: f32,
    },
    /// Another one.
    Wrong {
        /// The largest difference, as a share of the largest magnitude; infinite for what is no number.
        apart: f32,
        /// The largest that is allowed.
        tolerance: f32,
        /// What was expected and what was found.
        reason: String,
    },
    /// None: an error.
    Failed(String),
}

/// Why a device does not run a tier, if it does not.
pub fn absent(limits: &Limits, tier: Tier) -> Option<String> {
    let Tier::Needs(feature) = tier else { return None };
    (!limits.has(feature)).then(|| "the device has none".into())
}

/// The device with a tier and those that it may build on, and without the others.
pub fn up_to(gpu: &Gpu, tier: Tier) -> Gpu {
    let beyond = Feature::ALL.into_iter().filter(|feature| Tier::Needs(*feature) > tier);
    beyond.fold(gpu.clone(), Gpu::without)
}

/// Every case whose plan uses kernels of the tier, on a device that has it.
///
/// # Errors
/// [`Error::Limits`](crate::Error::Limits) if the device is too small to plan for.
pub fn run(gpu: &Gpu, tier: Tier) -> Result<Vec<Report>> {
    let gpu = up_to(gpu, tier);
    let Some(row) = row(tier).filter(|_| absent(gpu.limits(), tier).is_none()) else { return Ok(vec![]) };
    let mut reports = Vec::new();
    for case in cases::all()? {
        let graph = if row.inside { between_copies(&case.graph)? } else { case.graph };
        let plan = Plan::new(&graph, &(row.options)(case.options.clone()), gpu.limits())?;
        if !tiers(&plan).contains(&tier) {
            continue;
        }
        let start = Instant::now();
        let mut expected = cpu::run(&graph, &case.parameters, &case.input)?;
        if gpu.is_spoilt(tier) {
            spoil(&mut expected);
        }
        let runs = twice(&mut Pool::new(&gpu, &case.parameters), &plan, &case.input);
        let outcome = outcome(runs, &expected, row.tolerance);
        reports.push(Report { name: case.name.into(), outcome, time: start.elapsed() });
    }
    Ok(reports)
}

/// The CPU engine against numbers that are worked out here.
///
/// # Errors
/// None: what the cases are made of fits together.
pub fn run_cpu() -> Result<Vec<Report>> {
    let report = |(case, expected): (Case, Tensor)| {
        let start = Instant::now();
        let found = cpu::run(&case.graph, &case.parameters, &case.input)?;
        let outcome = compare(&found, &expected, 0.0);
        Ok(Report { name: case.name.into(), outcome, time: start.elapsed() })
    };
    cases::of_whole_numbers()?.into_iter().map(report).collect()
}

/// The tiers of a plan's kernels, each after those that it may build on.
fn tiers(plan: &Plan) -> Vec<Tier> {
    let of = |tier: &Tier| plan.steps.iter().any(|step| step.dispatch.tier() == *tier);
    Tier::all().filter(of).collect()
}

/// Two runs in poisoned memory.
fn twice(pool: &mut Pool, plan: &Plan, input: &Tensor) -> Result<[Tensor; 2]> {
    let mut session = pool.session(plan)?;
    session.poison();
    let runs = [session.run_tensor(input)?, session.run_tensor(input)?];
    pool.take_back(session);
    Ok(runs)
}

/// What the runs show: the first that is not right, if one is not.
fn outcome(runs: Result<[Tensor; 2]>, expected: &Tensor, tolerance: f32) -> Outcome {
    let [first, again] = match runs {
        Ok(runs) => runs.map(|found| compare(&found, expected, tolerance)),
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    if matches!(first, Outcome::Right { .. }) { again } else { first }
}

fn compare(found: &Tensor, expected: &Tensor, tolerance: f32) -> Outcome {
    let largest = expected.values().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let largest = if largest > 0.0 { largest } else { 1.0 };
    let share = |(found, expected): (&f32, &f32)| match (found - expected).abs() / largest {
        share if share.is_nan() => f32::INFINITY,
        share => share,
    };
    let pairs = || found.values().iter().zip(expected.values());
    let worst = pairs().enumerate().max_by(|a, b| share(a.1).total_cmp(&share(b.1)));
    let Some((at, pair)) = worst else { return Outcome::Right { apart: 0.0, tolerance } };
    let ((found, expected), apart) = (pair, share(pair));
    if apart <= tolerance {
        return Outcome::Right { apart, tolerance };
    }
    let (wrong, all) = (pairs().filter(|pair| share(*pair) > tolerance).count(), pairs().count());
    let reason = format!("number {at} should be {expected} and is {found}; {wrong} of {all} are wrong");
    Outcome::Wrong { apart, tolerance, reason }
}

/// An answer that no device gives.
fn spoil(expected: &mut Tensor) {
    expected.values_mut().iter_mut().for_each(|value| *value = 1.0 - *value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel;
    use crate::tensor::Shape;

    #[test]
    fn an_answer_is_right_or_told_where_it_is_wrong() {
        let tensor = |values: [f32; 4]| Tensor::new(Shape::new(1, 1, 2, 2), values.to_vec());
        let expected = tensor([1.0, -4.0, 0.0, 2.0]);
        let right = Outcome::Right { apart: 0.125, tolerance: 0.2 };
        assert_eq!(compare(&tensor([1.5, -4.0, 0.0, 2.0]), &expected, 0.2), right);
        let Outcome::Wrong { apart, reason, .. } = compare(&tensor([1.5, -4.0, 0.0, 6.0]), &expected, 0.1)
        else {
            panic!("one number is as far off as the largest is large")
        };
        assert_eq!(apart, 1.0);
        assert_eq!(reason, "number 3 should be 2 and is 6; 2 of 4 are wrong");
        for nothing in [f32::NAN, f32::INFINITY] {
            let found = compare(&tensor([1.0, nothing, 0.0, 2.0]), &expected, 0.1);
            assert!(matches!(found, Outcome::Wrong { apart, .. } if apart.is_infinite()), "{found:?}");
        }
    }

    #[test]
    fn the_cpu_engine_knows_its_answers() {
        for Report { name, outcome, .. } in run_cpu().unwrap() {
            assert_eq!(outcome, Outcome::Right { apart: 0.0, tolerance: 0.0 }, "{name}");
        }
    }

    #[test]
    fn every_tier_that_kernels_need_has_a_row() {
        for kernel in kernel::ALL {
            assert!(row(Tier::of(kernel.needs)).is_some(), "{}", kernel.name);
        }
    }

    #[test]
    fn cases_reach_the_kernels_that_need_something() {
        let eight = Limits { subgroup_lanes: Some(kernel::product::LANES), ..Limits::PORTABLE };
        let most =
            Limits { subgroup_lanes: Some(32), f16: true, cooperative_side: Some(16), ..Limits::PORTABLE };
        let mut met = Vec::new();
        for (limits, row) in [eight, most].iter().flat_map(|limits| ROWS.iter().map(move |row| (limits, row)))
        {
            for case in cases::all().unwrap() {
                let plan = Plan::new(&case.graph, &(row.options)(case.options), limits).unwrap();
                met.extend(plan.steps.iter().map(|step| step.dispatch.kernel.name));
            }
        }
        let in_networks = |kernel: &&&kernel::Kernel| !kernel.name.starts_with("peak_");
        for kernel in kernel::ALL.iter().filter(in_networks).filter(|kernel| !kernel.needs.is_empty()) {
            assert!(met.contains(&kernel.name), "no case runs {}", kernel.name);
        }
        assert!(met.contains(&kernel::conv2d_pruned::KERNEL.name), "no case has lists");
    }
}
