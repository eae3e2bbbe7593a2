//! Attention in windows, in runs and among channels, and layer normalisation.

use sparsr::low_level::cpu;
use sparsr::low_level::graph::{Among, Attention, ChannelAttention, LayerNorm, Op, Value};
use sparsr::low_level::plan::{Limits, Options, Plan};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};
use sparsr::{Error, Result};

use crate::support::adapter;
use crate::support::case::{Case, check_all};
use crate::support::seeded::{noise, numbers, parameter, seed};

/// Sums of up to thousands of exponentials.
const TOLERANCE: f32 = 1e-5;

/// Heads, and the channels of each: those of SwinIR, its light form, HAT, ESRT; and what is smaller than a group.
const HEADS: [[usize; 2]; 6] = [[6, 4], [6, 10], [6, 30], [8, 18], [1, 3], [2, 1]];

const fn windows(size: usize, shift: usize) -> Among {
    Among::squares(size, shift)
}

/// Attention within a picture of `[pictures, height, width]`.
fn attention(among: Among, [heads, depth]: [usize; 2], [n, height, width]: [usize; 3]) -> Case {
    let shape = Shape::new(n, 3 * heads * depth, height, width);
    let (kind, scale) = (kind(&among), (depth as f32).powf(-0.5));
    let name = format!("attention {kind}, {heads} heads of {depth}, {n}x{height}x{width}");
    let op = Attention { heads, scale, among };
    Case::new(name, shape, TOLERANCE, |b, x| {
        let mut inputs = vec![x];
        if let Among::Windows { size, .. } = op.among {
            let offsets = (2 * size[0] - 1) * (2 * size[1] - 1);
            let table = Parameter::new([offsets, heads], numbers(7, offsets * heads));
            inputs.push(b.parameter("attention.bias", &table)?);
        }
        b.append("attention", Op::Attention(op), &inputs)
    })
}

fn kind(among: &Among) -> String {
    match among {
        Among::Windows { size, shift } => format!("windows {size:?} from {shift:?}"),
        Among::Runs { count } => format!("{count} runs"),
    }
}

/// The case on numbers `factor` times as large.
fn larger(case: Case, what: &str, factor: impl Fn(usize) -> f32) -> Case {
    let plain = noise(case.input.shape(), seed(&case.name));
    let input = Tensor::from_fn(plain.shape(), |n, c, y, x| {
        factor(c) * plain.plane(n, c)[y * plain.shape().width + x]
    });
    let name = format!("{}, {what}", case.name);
    Case { name, ..case }.on(input)
}

#[test]
fn attention_in_windows() {
    let mut cases = Vec::new();
    for [height, width] in [[8, 8], [16, 24], [24, 40]] {
        for heads in HEADS {
            for shift in [0, 4] {
                cases.push(attention(windows(8, shift), heads, [1, height, width]));
            }
        }
    }
    // Pictures smaller than a window, and sides that are no multiples of it.
    for [height, width] in [[1, 1], [1, 9], [2, 3], [3, 2], [5, 7], [13, 6], [17, 33]] {
        for (size, shift) in [(4, 0), (4, 2), (4, 3), (7, 0), (7, 3), (16, 8), (1, 0), (8, 4)] {
            cases.push(attention(windows(size, shift), [6, 10], [1, height, width]));
        }
    }
    // Windows with sides of their own: DAT's, and what is cut along one axis alone.
    for (size, shift) in
        [([8, 32], [0, 0]), ([32, 8], [16, 4]), ([2, 5], [1, 2]), ([5, 2], [0, 1]), ([1, 9], [0, 4])]
    {
        for [height, width] in [[32, 32], [7, 12], [40, 11], [3, 3]] {
            cases.push(attention(Among::Windows { size, shift }, [3, 10], [1, height, width]));
        }
    }
    cases.push(attention(windows(7, 3), [2, 3], [2, 10, 9]));
    cases.push(attention(windows(16, 8), [3, 30], [2, 32, 40]));
    cases.push(attention(windows(8, 4), [1, 64], [1, 9, 11]));
    cases.push(attention(windows(1, 0), [1, 1], [1, 270, 250])); // more windows than an axis takes
    check_all("attention_in_windows", cases);
}

/// DAT's heads, light and large; heads narrower and wider than a group, one head; a picture of one pixel, and one of many.
#[test]
fn attention_among_channels() {
    let mut cases = Vec::new();
    for [heads, depth] in [[6, 10], [6, 30], [1, 3], [2, 1], [3, 4], [5, 2], [1, 18]] {
        for [height, width] in [[1, 1], [3, 5], [17, 12], [70, 61]] {
            let shape = Shape::new(1, 3 * heads * depth, height, width);
            let name = format!("{heads} heads of {depth} among channels, {height}x{width}");
            let case = Case::new(name, shape, TOLERANCE, |b, x| {
                let width = heads * depth;
                let part = |at: usize| (format!("part{at}"), at * width);
                let parts: Vec<Value> =
                    (0..3).map(part).map(|(name, at)| b.slice(name, x, at, width)).collect::<Result<_>>()?;
                let temperature = Parameter::new(
                    [heads, 1, 1],
                    numbers(3, heads).iter().map(|t| 4.0 * t).collect::<Vec<_>>(),
                );
                let temperature = b.parameter("temperature", &temperature)?;
                let op = Op::ChannelAttention(ChannelAttention { heads });
                b.append("attention", op, &[parts[0], parts[1], parts[2], temperature])
            });
            // A query of zeros has no direction, and keys of none.
            let empty = |c: usize| if c == 0 || c == heads * depth + 1 { 0.0 } else { 1.0 };
            cases.push(if height == 3 { larger(case, "two of zeros", empty) } else { case });
        }
    }
    check_all("attention_among_channels", cases);
}

#[test]
fn attention_in_runs() {
    let mut cases = Vec::new();
    for heads in HEADS {
        for [height, width] in [[1, 1], [1, 3], [1, 4], [3, 3], [7, 9], [19, 23]] {
            cases.push(attention(Among::Runs { count: 4 }, heads, [1, height, width]));
        }
    }
    for (count, [n, height, width]) in
        [(1, [1, 37, 29]), (3, [2, 13, 17]), (4, [2, 61, 67]), (7, [1, 5, 5]), (usize::MAX, [1, 5, 5])]
    {
        cases.push(attention(Among::Runs { count }, [8, 18], [n, height, width]));
    }
    cases.push(attention(Among::Runs { count: 2 }, [3, 50], [1, 11, 13]));
    check_all("attention_in_runs", cases);
}

/// Scores of hundreds: exponentials of the scores themselves would be infinite. Both engines sum scores in f32, and
/// their roundings are the weights' relative errors.
#[test]
fn attention_with_large_scores() {
    let cases = [
        (windows(8, 4), [6, 10], [1, 16, 24]),
        (Among::Runs { count: 4 }, [6, 10], [1, 16, 24]),
        (Among::Runs { count: 4 }, [8, 18], [1, 31, 33]),
    ]
    .map(|(among, [heads, depth], picture)| {
        let case = attention(among, [heads, depth], picture);
        larger(case, "queries and keys of 30", |c| if c < 2 * heads * depth { 30.0 } else { 1.0 })
    });
    check_all("attention_with_large_scores", cases.map(|case| Case { tolerance: 3e-4, ..case }));
}

/// A number that is none reaches whoever sees its pixel, and nobody else.
#[test]
fn attention_to_what_is_not_a_number() {
    let mut cases = Vec::new();
    for among in [windows(4, 2), Among::Runs { count: 4 }] {
        for (part, channel) in [("query", 1), ("key", 8), ("value", 16)] {
            let case = attention(among.clone(), [2, 3], [2, 7, 9]);
            let mut input = noise(case.input.shape(), 5);
            let shape = input.shape();
            input.values_mut()[(shape.channels + channel) * shape.pixels() + 31] = f32::NAN;
            let name = format!("{}, a {part} that is no number", case.name);
            cases.push(Case { name, ..case }.on(input));
        }
    }
    check_all("attention_to_what_is_not_a_number", cases);
}

#[test]
fn layer_norm() {
    let mut cases = Vec::new();
    for channels in [1, 3, 5, 60, 180] {
        for [n, height, width] in [[1, 1, 1], [1, 1, 9], [2, 7, 5], [1, 33, 35]] {
            let shape = Shape::new(n, channels, height, width);
            let case = |name: String| {
                Case::new(name, shape, TOLERANCE, |b, x| {
                    let weight = b.parameter("norm.weight", &parameter([channels], 1))?;
                    let bias = b.parameter("norm.bias", &parameter([channels], 2))?;
                    b.append("norm", Op::LayerNorm(LayerNorm { epsilon: 1e-5 }), &[x, weight, bias])
                })
            };
            let far = noise(shape, 3).values().iter().map(|x| 3.0 * x + 20.0).collect();
            cases.push(case(format!("layer_norm {shape}")));
            cases.push(case(format!("layer_norm {shape}, far from zero")).on(Tensor::new(shape, far)));
        }
    }
    check_all("layer_norm", cases);
}

#[test]
fn heads_that_are_too_deep_are_refused() {
    let case = attention(Among::Runs { count: 4 }, [2, 65], [1, 3, 3]);
    let error = Plan::new(&case.graph, &Options::default(), &Limits::PORTABLE).unwrap_err();
    let said = "attention: heads of 65 channels, and on the GPU they have at most 64; choose the CPU";
    assert!(matches!(error, Error::Unsupported(_)));
    assert_eq!(error.to_string(), said);
    assert!(cpu::run(&case.graph, &case.parameters, &case.input).is_ok());
}

/// What would take a slow device long is more than one dispatch.
#[test]
fn long_runs_are_cut_into_dispatches() {
    let counted = |height, width| {
        let case = attention(Among::Runs { count: 4 }, [8, 18], [1, height, width]);
        let plan = Plan::new(&case.graph, &Options::default(), &Limits::PORTABLE).unwrap();
        plan.steps.len()
    };
    assert_eq!(counted(64, 64), 1);
    assert!(counted(256, 256) > 1);
}

/// Of a plan with one dispatch, its two halves.
#[test]
fn attention_in_two_dispatches() {
    let Some(gpu) = adapter::gpu("attention_in_two_dispatches") else { return };
    let case = attention(windows(4, 2), [2, 3], [2, 17, 23]);
    let mut plan = case.plan(&gpu);
    let whole = plan.steps.pop().unwrap();
    let blocks = whole.dispatch.workgroups[0];
    for [first, end] in [[0, 7], [7, blocks]] {
        let mut part = whole.clone();
        for (name, number) in [("first", first), ("end", end)] {
            let (_, at) = part.dispatch.kernel.params.1.iter().find(|field| field.0 == name).unwrap();
            part.dispatch.params[*at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        part.dispatch.workgroups[0] = end - first;
        plan.steps.push(part);
    }
    assert_eq!(case.check_plan(&mut case.pool(&gpu), &plan), Ok(()));
}
