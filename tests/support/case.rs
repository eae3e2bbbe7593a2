//! A case is data: a name, a graph, its numbers, what goes in. One `check` holds the CPU engine and the device against
//! the oracle, the CPU engine once a picture and the device in every way to run the case:
//!
//! - with every slot poisoned by NaN before the first run, so that what is read before it is written shows;
//! - in slots that other plans' runs have left, larger ones among them;
//! - on the picture, on another, on the first again, so that what a run leaves behind shows;
//! - with the device's subgroup kernels and without them, where the two plans differ;
//! - by lists of what is not zero, where weights have many zeros;
//! - with its values stored as f16 too, where the device can;
//! - with the lanes past the last channel in view: the layout says that they hold zero.

use std::collections::BTreeSet;
use std::sync::Arc;

use half::f16;
use sparsr::low_level::gpu::{Pool, Session};
use sparsr::low_level::graph::{Builder, Graph, Op, Parameters, Slice, Value};
use sparsr::low_level::plan::{
    Algorithm, Candidate, Choices, Options, Plan, Sparsity, Storage, Units, Zeros,
};
use sparsr::low_level::tensor::{Shape, Tensor};
use sparsr::low_level::{cpu, oracle};
use sparsr::{Feature, Gpu};

use super::{adapter, compare, seeded};

/// The variable that holds a part of the names of the cases to run.
const FILTER: &str = "SPARSR_CASE";

/// What storing values as f16 may cost, as a share of the largest magnitude: each is rounded by 2⁻¹² to 2⁻¹¹ of itself,
/// and a few in a row are.
const F16: f32 = 2e-3;

/// Multiply-adds above which the oracle takes too long for a test. In the few cases that have more, such as attention of
/// 4087 pixels in runs, the CPU engine stands for the oracle, which smaller cases hold against it.
const TOO_MANY: u64 = 200_000_000;

/// One graph, its numbers and what goes in.
#[derive(Debug)]
pub struct Case {
    /// What it is, and what it is found by.
    pub name: String,
    pub graph: Graph,
    pub parameters: Parameters,
    pub input: Tensor,
    /// Values that are compared besides the output.
    pub keep: Vec<Value>,
    /// Largest error, as a share of the largest magnitude of the expected value.
    pub tolerance: f32,
}

/// A picture and what the oracle makes of it: the output, then the kept values.
#[derive(Debug)]
pub struct Trial {
    pub picture: Tensor,
    pub expected: Vec<Tensor>,
}

impl Case {
    /// A case on noise; `build` makes the output from the picture.
    pub fn new(
        name: impl Into<String>,
        input: Shape,
        tolerance: f32,
        build: impl FnOnce(&mut Builder, Value) -> sparsr::Result<Value>,
    ) -> Self {
        let name = name.into();
        let (mut b, x) = Builder::new(name.clone(), input, 1.0);
        let output = build(&mut b, x).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (graph, parameters) = b.finish(output).unwrap();
        let input = seeded::noise(input, seeded::seed(&name));
        Self { name, graph, parameters, input, keep: vec![], tolerance }
    }

    /// The case with another picture.
    #[must_use]
    pub fn on(self, input: Tensor) -> Self {
        Self { input, ..self }
    }

    /// Compares one more value, which then may be neither fused away nor overwritten.
    #[must_use]
    pub fn keeping(mut self, node: &str) -> Self {
        self.keep.push(self.graph.find(node).expect("a node of the case's graph"));
        self
    }

    /// Compares every value that the graph makes.
    #[must_use]
    pub fn keeping_all(mut self) -> Self {
        self.keep = self.graph.values().map(|(value, _)| value).collect();
        self
    }

    /// The plan for a device.
    pub fn plan(&self, gpu: &Gpu) -> Plan {
        self.plan_with(gpu, &Options::default())
    }

    /// The same with what the caller chooses; `keep` is the case's.
    pub fn plan_with(&self, gpu: &Gpu, options: &Options) -> Plan {
        let options = Options { keep: self.keep.clone(), ..options.clone() };
        Plan::new(&self.graph, &options, gpu.limits())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Every way to run it, against the oracle.
    pub fn check(&self, gpu: &Gpu) -> Result<(), String> {
        let mut seen = Vec::new();
        let (mut pool, trials) = (self.pool(gpu), self.trials()?);
        let mut in_f16 = None;
        if gpu.limits().f16 {
            let case = self.in_f16();
            in_f16 = Some((case.pool(gpu), case.trials()?, case));
        }
        for (lanes, gpu) in
            [("", gpu.clone()), ("without subgroups, ", gpu.clone().without(Feature::Subgroups))]
        {
            for (way, options) in ways().into_iter().chain(self.ways_by_lists()) {
                let plan = self.plan_with(&gpu, &options);
                let listing = plan.to_string();
                if !seen.contains(&listing) {
                    seen.push(listing);
                    self.check_trials(&mut pool, &plan, &trials)
                        .map_err(|reason| format!("{lanes}{way}{reason}"))?;
                }
            }
            if let Some((pool, trials, case)) = &mut in_f16 {
                case.check_f16(&gpu, pool, trials, &mut seen)
                    .map_err(|reason| format!("{lanes}in f16, {reason}"))?;
            }
        }
        Ok(())
    }

    /// Where the case's sessions take their buffers from: slots that another run has left are there already.
    pub fn pool(&self, gpu: &Gpu) -> Pool {
        let mut pool = Pool::new(gpu, &self.parameters);
        leave_slots(gpu, &mut pool);
        pool
    }

    /// Every way that has kernels of its own, with all values but the ends stored as f16.
    fn check_f16(
        &self,
        gpu: &Gpu,
        pool: &mut Pool,
        trials: &[Trial; 2],
        seen: &mut Vec<String>,
    ) -> Result<(), String> {
        let is_masked = self.graph.nodes().iter().any(|node| matches!(node.op, Op::MaskedConv2d(_)));
        let large = Arc::new(self.large());
        for (way, options) in ways_in_f16(is_masked).chain(self.ways_by_lists()) {
            let options = Options { storage: Storage::F16(large.clone()), ..options };
            let plan = self.plan_with(gpu, &options);
            let listing = plan.to_string();
            if !seen.contains(&listing) {
                seen.push(listing);
                self.check_trials(pool, &plan, trials).map_err(|reason| format!("{way}{reason}"))?;
            }
        }
        Ok(())
    }

    /// By lists of what is not zero in the weights, where that is little.
    pub fn ways_by_lists(&self) -> Vec<(String, Options)> {
        let zeros = Arc::new(Zeros::of(&self.parameters));
        let is_listed =
            |candidate: &Candidate| matches!(candidate, Candidate::Pruned(_)) && !zeros.is_empty();
        let way = |candidate| {
            let choices = Some(Arc::new(Choices::only(candidate)));
            let options =
                Options { choices, zeros: zeros.clone(), sparsity: Sparsity::Dense, ..Options::default() };
            (format!("{candidate}, "), options)
        };
        Candidate::all().filter(is_listed).map(way).collect()
    }

    /// The nodes whose values no f16 can hold.
    fn large(&self) -> BTreeSet<String> {
        let inputs = [self.input.clone(), self.other()];
        let traces =
            inputs.map(|input| cpu::run_traced(&self.graph, &self.parameters, &input).expect("it runs"));
        let values = traces.iter().flat_map(|trace| self.graph.nodes().iter().zip(trace));
        let is_large = |tensor: &Tensor| tensor.values().iter().any(|value| value.abs() > 65504.0);
        values.filter(|(_, tensor)| is_large(tensor)).map(|(node, _)| node.name.clone()).collect()
    }

    /// Another picture.
    fn other(&self) -> Tensor {
        in_f16(&seeded::noise(self.input.shape(), seeded::seed(&self.name) + 1))
    }

    /// The same between two copies, so that what it reads and what it makes are not the ends, which are f32; and with
    /// what that costs.
    fn in_f16(&self) -> Self {
        let copy = |b: &mut Builder, name: &str, value| {
            let op = Slice { start: 0, channels: b.shape(value).channels };
            b.append(name, Op::Slice(op), &[value]).unwrap_or_else(|error| panic!("{error}"))
        };
        let (mut b, x) = Builder::new(&self.name, self.input.shape(), self.graph.range());
        let mut values = vec![copy(&mut b, "in", x)];
        for node in self.graph.nodes().iter().skip(1) {
            let inputs: Vec<Value> = node.inputs.iter().map(|input| values[input.index()]).collect();
            let value = match &node.op {
                Op::Parameter(op) => b.parameter(&node.name, self.parameters.get(op.id)),
                op => b.append(&node.name, op.clone(), &inputs),
            };
            values.push(value.unwrap_or_else(|error| panic!("{error}")));
        }
        let output = copy(&mut b, "out", values[self.graph.output().index()]);
        let (graph, parameters) = b.finish(output).unwrap();
        let (name, input, keep) = (self.name.clone(), in_f16(&self.input), vec![]);
        Self { name, graph, parameters, input, keep, tolerance: self.tolerance + F16 }
    }

    /// One plan of the case's graph, against the oracle.
    pub fn check_plan(&self, pool: &mut Pool, plan: &Plan) -> Result<(), String> {
        self.check_trials(pool, plan, &self.trials()?)
    }

    /// The same with trials that serve several plans.
    pub fn check_trials(&self, pool: &mut Pool, plan: &Plan, trials: &[Trial; 2]) -> Result<(), String> {
        let mut session = pool.session(&with_all_lanes(plan)).map_err(|error| error.to_string())?;
        session.poison();
        let [first, second] = trials;
        for (when, trial) in
            [("on the picture", first), ("on another", second), ("on the picture again", first)]
        {
            let found = run(&mut session, &trial.picture).map_err(|error| error.to_string())?;
            self.compare(&found, &trial.expected).map_err(|reason| format!("{when}, {reason}"))?;
        }
        pool.take_back(session);
        Ok(())
    }

    /// The case's picture and another, and what the oracle makes of them; the CPU engine is held against it here.
    pub fn trials(&self) -> Result<[Trial; 2], String> {
        self.trials_with(self.other())
    }

    /// The same with a picture to go between.
    pub fn trials_with(&self, other: Tensor) -> Result<[Trial; 2], String> {
        Ok([self.trial(self.input.clone())?, self.trial(other)?])
    }

    fn trial(&self, picture: Tensor) -> Result<Trial, String> {
        let (output, kept) = cpu::run_keeping(&self.graph, &self.parameters, &picture, &self.keep)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let by_cpu = [vec![output], kept].concat();
        if self.graph.macs().total() > TOO_MANY {
            return Ok(Trial { picture, expected: by_cpu });
        }
        let made = oracle::run(&self.graph, &self.parameters, &[&picture])
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let expected: Vec<Tensor> = self.compared().map(|value| made[value.index()].to_tensor()).collect();
        self.compare(&by_cpu, &expected).map_err(|reason| format!("by the CPU engine, {reason}"))?;
        Ok(Trial { picture, expected })
    }

    /// The output, then the kept values.
    fn compared(&self) -> impl Iterator<Item = Value> {
        [self.graph.output()].into_iter().chain(self.keep.iter().copied())
    }

    fn compare(&self, found: &[Tensor], expected: &[Tensor]) -> Result<(), String> {
        for ((value, found), expected) in self.compared().zip(found).zip(expected) {
            let shape = expected.shape();
            live(found, shape)
                .and_then(|found| compare::close(&found, expected, self.tolerance))
                .map_err(|reason| format!("{} {shape} {reason}", self.graph.node(value).name))?;
        }
        Ok(())
    }
}

/// Runs what leaves slots behind that are larger than most cases', with numbers in them.
fn leave_slots(gpu: &Gpu, pool: &mut Pool) {
    let (mut b, x) = Builder::new("earlier", Shape::new(1, 8, 48, 48), 1.0);
    let mut values = vec![x];
    for at in 0..4 {
        values.push(b.relu(format!("relu{at}"), values[at]).expect("a ReLU takes any value"));
    }
    let (graph, _) = b.finish(values[4]).unwrap();
    let plan = Plan::new(&graph, &Options { keep: values, ..Options::default() }, gpu.limits());
    let mut session = pool.session(&plan.expect("it fits")).expect("a device");
    session.run_tensor(&seeded::noise(graph.node(graph.input()).shape, 1)).expect("it runs");
    pool.take_back(session);
}

/// Every lowering that a plan can be asked for.
fn ways() -> Vec<(String, Options)> {
    let mut ways = vec![(String::new(), Options::default())];
    for algorithm in [Algorithm::Direct, Algorithm::Winograd] {
        for sparsity in [Sparsity::Dense, Sparsity::Auto] {
            let options = Options { sparsity, algorithm, ..Options::default() };
            ways.push((format!("{sparsity:?} {algorithm:?}, "), options));
        }
        for units in [Units::Mixed, Units::Tiles, Units::Pixels, Units::Workgroups] {
            let options = Options { sparsity: Sparsity::Sparse, units, algorithm, ..Options::default() };
            ways.push((format!("Sparse {units:?} {algorithm:?}, "), options));
        }
    }
    ways
}

/// Whether [`FILTER`] leaves a case in.
pub fn chosen(name: &str) -> bool {
    name.contains(&std::env::var(FILTER).unwrap_or_default())
}

/// Those whose kernels store values in ways of their own.
fn ways_in_f16(is_masked: bool) -> impl Iterator<Item = (String, Options)> {
    let ways = [
        (Algorithm::Auto, Sparsity::Auto, Units::Mixed),
        (Algorithm::Direct, Sparsity::Auto, Units::Tiles),
        (Algorithm::Direct, Sparsity::Sparse, Units::Workgroups),
        (Algorithm::Winograd, Sparsity::Sparse, Units::Mixed),
    ];
    ways.into_iter().take(if is_masked { 4 } else { 1 }).map(|(algorithm, sparsity, units)| {
        let way = format!("{sparsity:?} {units:?} {algorithm:?}, ");
        (way, Options { sparsity, units, algorithm, ..Options::default() })
    })
}

/// The same numbers, rounded to what f16 can tell apart.
fn in_f16(tensor: &Tensor) -> Tensor {
    let rounded = tensor.values().iter().map(|value| f16::from_f32(*value).to_f32());
    Tensor::new(tensor.shape(), rounded.collect())
}

/// Checks the cases whose name holds what [`FILTER`] says, and prints each that fails with the command that
/// runs it alone.
#[track_caller]
pub fn check_all(test: &str, cases: impl IntoIterator<Item = Case>) {
    let Some(gpu) = adapter::gpu(test) else { return };
    let chosen: Vec<Case> = cases.into_iter().filter(|case| chosen(&case.name)).collect();
    let failures: Vec<String> = chosen.iter().filter_map(|case| failure(case, test, &gpu)).collect();
    println!("{test}: {} cases", chosen.len());
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}",
        failures.len(),
        chosen.len(),
        failures.join("\n\n")
    );
}

fn failure(case: &Case, test: &str, gpu: &Gpu) -> Option<String> {
    let reason = case.check(gpu).err()?;
    let name = &case.name;
    Some(format!("{name}: {reason}\n  {FILTER}='{name}' cargo test --release {test}"))
}

/// The plan with outputs read as whole groups of four channels.
fn with_all_lanes(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for port in plan.kept.iter_mut().chain([&mut plan.output]) {
        port.shape.channels = port.shape.channels.next_multiple_of(4);
    }
    plan
}

fn run(session: &mut Session, input: &Tensor) -> sparsr::Result<Vec<Tensor>> {
    let output = session.run_tensor(input)?;
    Ok([vec![output], session.kept()].concat())
}

/// The channels that `shape` has of whole groups of four, whose other lanes must be zero.
fn live(found: &Tensor, shape: Shape) -> Result<Tensor, String> {
    let all = found.shape().channels;
    let mut values = Vec::with_capacity(shape.len());
    for (at, plane) in found.values().chunks(shape.pixels()).enumerate() {
        if at % all < shape.channels {
            values.extend_from_slice(plane);
        } else if let Some(value) = plane.iter().find(|value| **value != 0.0) {
            return Err(format!("the lane past the last channel, {}, holds {value} and not zero", at % all));
        }
    }
    Ok(Tensor::new(shape, values))
}
