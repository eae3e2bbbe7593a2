//! The kernels of gradients that are made of no other operator, on awkward shapes, against the oracle: of poisoned memory,
//! twice with the same bits, lanes past the last channel in view.

use sparsr::Gpu;
use sparsr::low_level::gpu::Session;
use sparsr::low_level::graph::{
    Among, Attention, Builder, Graph, Input, MaxPool, Op, Operator, Parameters, ResizeKind, TrainingOperation,
};
use sparsr::low_level::oracle;
use sparsr::low_level::plan::{Ends, Limits, Options, Places, Plan};
use sparsr::low_level::tensor::{Shape, Tensor, pack, unpack};

use super::support::{adapter, compare, seeded};

/// Sums of up to thousands of products.
const TOLERANCE: f32 = 1e-5;

/// One operator and what goes in.
struct Case {
    name: String,
    graph: Graph,
    inputs: Vec<Tensor>,
    tolerance: f32,
}

impl Case {
    fn new(op: TrainingOperation, inputs: Vec<Tensor>) -> Self {
        let shapes: Vec<String> = inputs.iter().map(|input| input.shape().to_string()).collect();
        let name = format!("{op:?} of {}", shapes.join(", "));
        let (mut b, first) = Builder::new(&name, inputs[0].shape(), 1.0);
        let mut values = vec![first];
        for input in &inputs[1..] {
            values.push(b.append("input", Op::Input(Input { shape: input.shape() }), &[]).unwrap());
        }
        let output =
            b.append("operator", Op::Training(op), &values).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, graph: b.finish(output).unwrap().0, inputs, tolerance: TOLERANCE }
    }

    /// On noise.
    fn noise(op: TrainingOperation, shapes: &[Shape]) -> Self {
        let noise = shapes.iter().zip(1..).map(|(shape, seed)| seeded::noise(*shape, seed));
        Self::new(op, noise.collect())
    }

    /// The same on other numbers of one input.
    fn with(mut self, what: &str, input: usize, change: impl FnOnce(&mut Tensor)) -> Self {
        change(&mut self.inputs[input]);
        Self { name: format!("{}, {what}", self.name), ..self }
    }

    fn plan(&self, limits: &Limits) -> Plan {
        Plan::training(&self.graph, &Places::of(&Parameters::new()), Ends::Read, &Options::default(), limits)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn check(&self, gpu: &Gpu) -> Result<(), String> {
        self.check_plan(gpu, &self.plan(gpu.limits()))
    }

    fn check_plan(&self, gpu: &Gpu, plan: &Plan) -> Result<(), String> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let values = oracle::run(&self.graph, &Parameters::new(), &inputs).unwrap();
        let expected = values.last().expect("the operator").to_tensor();
        let mut session = Session::new(gpu, plan, &Parameters::new()).unwrap();
        let given: Vec<Vec<f32>> = self.inputs.iter().map(pack).collect();
        let others: Vec<&[f32]> = given[1..].iter().map(Vec::as_slice).collect();
        let mut run = || {
            session.poison();
            session.submit(Some(bytemuck::cast_slice(&given[0])), &others).unwrap();
            session.collect().unwrap().remove(0)
        };
        let found = run();
        if found != run() {
            return Err("other bits the second time".into());
        }
        let (shape, packed) = (expected.shape(), bytemuck::cast_slice(&found));
        let all = Shape { channels: shape.channels.next_multiple_of(4), ..shape };
        let lanes = unpack(all, packed);
        let mut past = (0..shape.batch).flat_map(|n| (shape.channels..all.channels).map(move |c| [n, c]));
        if let Some([n, c]) = past.find(|[n, c]| lanes.plane(*n, *c).iter().any(|lane| *lane != 0.0)) {
            return Err(format!("picture {n}: the lane past the last channel, {c}, is not zero"));
        }
        compare::close(&unpack(shape, packed), &expected, self.tolerance).map(|_| ())
    }
}

#[track_caller]
fn check_all(test: &str, cases: impl IntoIterator<Item = Case>) {
    let Some(gpu) = adapter::gpu(test) else { return };
    let asked = std::env::var("SPARSR_CASE").unwrap_or_default();
    let chosen: Vec<Case> = cases.into_iter().filter(|case| case.name.contains(&asked)).collect();
    let wrong = |case: &Case| Some(format!("{}: {}", case.name, case.check(&gpu).err()?));
    let failures: Vec<String> = chosen.iter().filter_map(wrong).collect();
    println!("{test}: {} cases", chosen.len());
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}",
        failures.len(),
        chosen.len(),
        failures.join("\n\n")
    );
}

#[test]
fn max_pool() {
    let mut cases = Vec::new();
    for ([size, stride], [channels, height, width]) in [
        ([2, 2], [3, 6, 8]),
        ([2, 2], [17, 7, 5]),
        ([3, 1], [5, 3, 4]),
        ([3, 2], [1, 8, 9]),
        ([7, 3], [12, 25, 71]),
        ([2, 3], [4, 11, 8]),
        ([1, 1], [2, 3, 3]),
        ([1, 1], [1, 1, 1]),
    ] {
        let input = Shape::new(2, channels, height, width);
        let op = MaxPool { size, stride };
        let made = op.infer(&[input]).unwrap();
        let case = || Case::noise(TrainingOperation::MaxPoolGradient(op.clone()), &[input, made]);
        let few = |x: &mut Tensor| x.values_mut().iter_mut().for_each(|x| *x = (*x * 3.0).round());
        cases.push(case());
        cases.push(case().with("ties and what is no number", 0, |x| {
            few(x);
            let second = input.len() / 2; // picture: two in its first block, of which the first has it
            x.values_mut()[second..].iter_mut().take(2).for_each(|x| *x = f32::NAN);
            x.values_mut()[input.len() / 3] = f32::NAN;
        }));
        cases.push(case().with("all the lowest", 0, |x| x.values_mut().fill(f32::NEG_INFINITY)));
    }
    check_all("adjoints::max_pool", cases);
}

#[test]
fn blur() {
    let mut cases = Vec::new();
    for [channels, height, width] in [[1, 3, 3], [3, 4, 3], [6, 3, 70], [4, 5, 4], [3, 17, 32], [17, 9, 7]] {
        let shape = Shape::new(2, channels, height, width);
        cases.push(Case::noise(TrainingOperation::Blur, &[shape]));
        cases.push(Case::noise(TrainingOperation::BlurGradient, &[shape]));
    }
    check_all("adjoints::blur", cases);
}

#[test]
fn resize() {
    let kinds = [ResizeKind::Nearest, ResizeKind::Bilinear, ResizeKind::BilinearCorners, ResizeKind::Bicubic];
    let mut cases = Vec::new();
    for (channels, [height, width], [new_height, new_width]) in [
        (3, [5, 4], [10, 8]),
        (17, [3, 7], [9, 21]),
        (1, [1, 1], [4, 4]),
        (1, [1, 1], [1, 1]),
        (5, [7, 8], [3, 5]),
        (2, [2, 9], [31, 1]),
        (4, [5, 5], [5, 5]),
        (1, [1, 2], [41, 82]),
        (6, [35, 41], [17, 90]),
        (2, [67, 3], [1, 300]),
    ] {
        for kind in kinds {
            let g = Shape::new(2, channels, new_height, new_width);
            cases.push(Case::noise(TrainingOperation::ResizeGradient { kind, height, width }, &[g]));
        }
    }
    check_all("adjoints::resize", cases);
}

/// As the forward pass rounds ⌊p · (old / new)⌋, which is 0 and not 1 for pixel 41 of 82 made of 2.
#[test]
fn nearest_of_all_sides() {
    let mut cases = Vec::new();
    for side in 1..=24 {
        for new in [1, 7, 10, 25, 46, 82, 94, 111] {
            let op = TrainingOperation::ResizeGradient { kind: ResizeKind::Nearest, height: 1, width: side };
            cases.push(Case::noise(op, &[Shape::new(1, 1, 1, new)]));
        }
    }
    check_all("adjoints::nearest_of_all_sides", cases);
}

#[test]
fn layer_norm() {
    let mut cases = Vec::new();
    for channels in [1, 3, 5, 60, 180] {
        for [n, height, width] in [[1, 1, 1], [1, 1, 9], [2, 7, 5], [2, 33, 35]] {
            let shape = Shape::new(n, channels, height, width);
            let weight = Shape::new(1, channels, 1, 1);
            for epsilon in [1e-5, 0.5] {
                let op = TrainingOperation::LayerNormGradient { epsilon };
                let case = || Case::noise(op.clone(), &[shape, shape, weight]);
                cases.push(case());
                // Where channels are much alike, what their mean was rounded by is much of what is left.
                cases.push(Case {
                    tolerance: 1e-4,
                    ..case().with("far from zero", 0, |x| {
                        x.values_mut().iter_mut().for_each(|x| *x = 3.0 * *x + 20.0);
                    })
                });
            }
        }
    }
    check_all("adjoints::layer_norm", cases);
}

#[test]
fn sparsestmax() {
    let radius = Shape::new(1, 1, 1, 1);
    let mut cases = Vec::new();
    for channels in [1, 2, 3, 5, 8, 16] {
        for [n, height, width] in [[1, 1, 1], [2, 3, 35]] {
            let shape = Shape::new(n, channels, height, width);
            for size in [0.0, 0.1, 0.35, 0.5, 0.7, 0.8, 0.9, 1.0] {
                let case = Case::noise(TrainingOperation::Sparsestmax, &[shape, radius]);
                cases.push(case.with(&format!("radius {size}"), 1, |radius| radius.values_mut()[0] = size));
            }
        }
        // Where three options are left, at least, in some pixel: of fewer nothing goes back but what is rounded.
        let shape = Shape::new(2, channels, 3, 35);
        for size in [0.0, 0.1, 0.35, 0.5, 0.7].into_iter().take(if channels > 2 { 5 } else { 1 }) {
            let case = Case::noise(TrainingOperation::SparsestmaxGradient, &[shape, radius, shape]);
            let case = case.with(&format!("radius {size}"), 1, |radius| radius.values_mut()[0] = size);
            cases.push(Case { tolerance: 1e-4, ..case });
        }
    }
    check_all("adjoints::sparsestmax", cases);
}

/// Heads, and the channels of each: those of SwinIR, its light form, HAT, ESRT; and what is smaller than a group.
const HEADS: [[usize; 2]; 6] = [[6, 4], [6, 10], [6, 30], [8, 18], [1, 3], [2, 1]];

const fn windows(size: usize, shift: usize) -> Among {
    Among::squares(size, shift)
}

/// Both gradients of attention in a picture of `[pictures, height, width]`.
fn attention(among: Among, [heads, depth]: [usize; 2], [n, height, width]: [usize; 3]) -> Vec<Case> {
    let output = Shape::new(n, heads * depth, height, width);
    let mut shapes = vec![output.with_channels(3 * heads * depth), output];
    let op = Attention { heads, scale: (depth as f32).powf(-0.5), among };
    let mut cases = Vec::new();
    if let Among::Windows { size, .. } = op.among {
        shapes.push(Shape::new((2 * size[0] - 1) * (2 * size[1] - 1), heads, 1, 1));
        cases.push(Case::noise(TrainingOperation::AttentionTableGradient(op.clone()), &shapes));
    }
    cases.push(Case::noise(TrainingOperation::AttentionGradient(op), &shapes));
    cases
}

#[test]
fn attention_in_windows() {
    let mut cases = Vec::new();
    for heads in HEADS {
        cases.extend(attention(windows(8, 0), heads, [1, 16, 8]));
        cases.extend(attention(windows(8, 4), heads, [2, 13, 17]));
    }
    // Pictures smaller than a window, and sides that are no multiples of it.
    for [height, width] in [[1, 1], [1, 9], [2, 3], [13, 6], [17, 33]] {
        for (size, shift) in [(4, 0), (4, 2), (4, 3), (7, 3), (16, 8), (17, 5), (24, 0), (1, 0)] {
            cases.extend(attention(windows(size, shift), [3, 5], [1, height, width]));
        }
    }
    cases.extend(attention(windows(16, 8), [3, 30], [2, 24, 32]));
    cases.extend(attention(windows(8, 4), [1, 64], [1, 9, 11]));
    cases.extend(attention(windows(2, 1), [2, 3], [2, 41, 43])); // several sets a part
    cases.extend(attention(windows(1, 0), [1, 1], [1, 270, 250])); // more windows than an axis takes
    check_all("adjoints::attention_in_windows", cases);
}

#[test]
fn attention_in_runs() {
    let mut cases = Vec::new();
    for heads in HEADS {
        for [height, width] in [[1, 1], [1, 3], [7, 9], [19, 23]] {
            cases.extend(attention(Among::Runs { count: 4 }, heads, [1, height, width]));
        }
    }
    for (count, [n, height, width]) in
        [(1, [1, 21, 19]), (3, [2, 13, 17]), (7, [1, 5, 5]), (usize::MAX, [1, 5, 5])]
    {
        cases.extend(attention(Among::Runs { count }, [8, 18], [n, height, width]));
    }
    cases.extend(attention(Among::Runs { count: 2 }, [3, 50], [1, 11, 13]));
    check_all("adjoints::attention_in_runs", cases);
}

/// Scores of hundreds: exponentials of the scores themselves would be infinite. They are summed in f32, and their
/// roundings are the shares' relative errors.
#[test]
fn attention_with_large_scores() {
    let mut cases = Vec::new();
    for (among, heads) in
        [(windows(8, 4), [6, 10]), (Among::Runs { count: 4 }, [6, 10]), (Among::Runs { count: 4 }, [8, 18])]
    {
        for case in attention(among, heads, [1, 16, 24]) {
            let [heads, depth] = heads;
            let case = case.with("queries and keys of 30", 0, |x| {
                let pixels = x.shape().pixels();
                let numbers = x.values_mut()[..2 * heads * depth * pixels].iter_mut();
                numbers.for_each(|number| *number *= 30.0);
            });
            cases.push(Case { tolerance: 3e-4, ..case });
        }
    }
    check_all("adjoints::attention_with_large_scores", cases);
}

/// What all queries get of the values' mean is no gradient of a score, however large it is.
#[test]
fn attention_to_values_far_from_zero() {
    let mut cases = Vec::new();
    for among in [windows(8, 4), Among::Runs { count: 3 }] {
        for case in attention(among, [3, 5], [1, 16, 11]) {
            let case = case.with("values around 100", 0, |x| {
                let pixels = x.shape().pixels();
                x.values_mut()[30 * pixels..].iter_mut().for_each(|number| *number += 100.0);
            });
            cases.push(Case { tolerance: 3e-4, ..case });
        }
    }
    check_all("adjoints::attention_to_values_far_from_zero", cases);
}

/// A number that is none reaches whoever sees its pixel, and nobody else.
#[test]
fn attention_to_what_is_not_a_number() {
    let mut cases = Vec::new();
    for among in [windows(4, 2), Among::Runs { count: 4 }] {
        for (what, input, channel) in [("query", 0, 1), ("key", 0, 8), ("value", 0, 16), ("gradient", 1, 4)] {
            for case in attention(among.clone(), [2, 3], [2, 7, 9]) {
                cases.push(case.with(&format!("a {what} that is no number"), input, |x| {
                    let shape = x.shape();
                    x.values_mut()[(shape.channels + channel) * shape.pixels() + 31] = f32::NAN;
                }));
            }
        }
    }
    check_all("adjoints::attention_to_what_is_not_a_number", cases);
}

/// Of a plan whose steps could be one dispatch each, two halves of each.
#[test]
fn attention_in_two_dispatches() {
    let Some(gpu) = adapter::gpu("adjoints::attention_in_two_dispatches") else { return };
    for case in attention(windows(4, 2), [2, 3], [2, 17, 23]) {
        let mut plan = case.plan(gpu.limits());
        let mut halved = 0;
        for whole in std::mem::take(&mut plan.steps) {
            let fields = whole.dispatch.kernel.params.1;
            let Some((_, first)) = fields.iter().find(|field| field.0 == "first") else {
                plan.steps.push(whole);
                continue;
            };
            halved += 1;
            let blocks = whole.dispatch.workgroups[0];
            for [start, end] in [[0, 7], [7, blocks]] {
                let mut part = whole.clone();
                let mut write = |at: usize, number: u32| {
                    part.dispatch.params[at..at + 4].copy_from_slice(&number.to_le_bytes());
                };
                write(*first, start);
                if let Some((_, at)) = fields.iter().find(|field| field.0 == "end") {
                    write(*at, end);
                }
                part.dispatch.workgroups[0] = end - start;
                plan.steps.push(part);
            }
        }
        assert!(halved > 0, "{}", case.name);
        assert_eq!(case.check_plan(&gpu, &plan), Ok(()), "{}", case.name);
    }
}

#[test]
fn heads_that_are_too_deep_are_refused() {
    for case in attention(windows(4, 0), [2, 65], [1, 3, 3]) {
        let error = Plan::training(
            &case.graph,
            &Places::of(&Parameters::new()),
            Ends::Read,
            &Options::default(),
            &Limits::PORTABLE,
        );
        let said = "operator: heads of 65 channels, and on the GPU they have at most 64; choose the CPU";
        assert_eq!(error.unwrap_err().to_string(), said);
    }
}

/// What would take a slow device long is more than one dispatch.
#[test]
fn long_runs_are_cut_into_dispatches() {
    let counted = |height, width| {
        let case = &attention(Among::Runs { count: 4 }, [8, 18], [1, height, width])[0];
        case.plan(&Limits::PORTABLE).steps.len()
    };
    assert_eq!(counted(32, 32), 2);
    assert!(counted(256, 256) > 4);
}
