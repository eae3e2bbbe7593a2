//! Convolutions by cooperative matrices, on devices that have them.
//!
//! Their factors are rounded to f16. Here weights and inputs are such numbers already, so that products are exact and
//! the tolerance is that of sums in f32.

use half::f16;
use sparsr::Gpu;
use sparsr::low_level::graph::{Activation, Conv2d, MaskedConv2d};
use sparsr::low_level::plan::{Algorithm, Limits, Options, Plan, Sparsity, Units};
use sparsr::low_level::tensor::{Parameter, Shape, Tensor};

use super::conv::{self, CONV2D, EPILOGUES, Input, MASKED, TOLERANCE};
use crate::support::case::{Case, chosen};
use crate::support::seeded::{conv as convolution, noise, parameter, seed, weighted};
use crate::support::{adapter, compare};

/// The device; `None`, said aloud, if it has no matrices.
fn gpu(test: &str) -> Option<Gpu> {
    let gpu = adapter::gpu(test)?;
    if gpu.limits().cooperative_side.is_none() {
        crate::support::skip::told(format_args!("{test}, since {} has no cooperative matrices", gpu.name()));
        return None;
    }
    Some(gpu)
}

fn rounded(numbers: &[f32]) -> Vec<f32> {
    numbers.iter().map(|number| f16::from_f32(*number).to_f32()).collect()
}

fn rounded_parameter(parameter: Parameter) -> Parameter {
    Parameter::new(parameter.dims().to_vec(), rounded(parameter.values()))
}

fn rounded_tensor(tensor: &Tensor) -> Tensor {
    Tensor::new(tensor.shape(), rounded(tensor.values()))
}

/// The device as it is, with the memory that every device has and with less, and with subgroups of other widths than
/// plans are made for.
fn devices(gpu: &Gpu) -> Vec<(&'static str, Limits)> {
    let limits = *gpu.limits();
    let lanes = |lanes: u32| Limits { subgroup_lanes: Some(lanes), ..limits };
    let own = limits.subgroup_lanes.expect("matrices belong to subgroups");
    vec![
        ("", limits),
        ("16 KiB, ", Limits { workgroup_bytes: 16 << 10, ..limits }),
        ("10 KiB, ", Limits { workgroup_bytes: 10 << 10, ..limits }),
        ("wider subgroups, ", lanes(own / 2)),
        ("narrower subgroups, ", lanes(own * 2)),
    ]
}

fn ways() -> Vec<(&'static str, Options)> {
    let way = |sparsity, units| Options {
        sparsity,
        units,
        algorithm: Algorithm::Cooperative,
        ..Options::default()
    };
    vec![
        ("dense, ", way(Sparsity::Dense, Units::Mixed)),
        ("auto, ", way(Sparsity::Auto, Units::Mixed)),
        ("sparse, ", way(Sparsity::Sparse, Units::Mixed)),
        ("tiles, ", way(Sparsity::Sparse, Units::Tiles)),
        ("pixels, ", way(Sparsity::Sparse, Units::Pixels)),
    ]
}

/// How many of the plan's dispatches are by matrices.
fn by_matrices(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| step.dispatch.kernel.name.contains("cooperative")).count()
}

/// Runs a case in every way on two of the devices; how many of its plans had a dispatch by matrices.
fn check(at: usize, case: &Case, gpu: &Gpu) -> Result<usize, String> {
    let trials = case.trials_with(rounded_tensor(&noise(case.input.shape(), seed(&case.name) + 1)))?;
    let (mut pool, mut seen) = (case.pool(gpu), Vec::new());
    let devices = devices(gpu);
    for (device, limits) in [devices[0], devices[1 + at % (devices.len() - 1)]] {
        for (way, options) in ways() {
            let options = Options { keep: case.keep.clone(), ..options };
            let plan = Plan::new(&case.graph, &options, &limits).map_err(|error| error.to_string())?;
            let listing = plan.to_string();
            if by_matrices(&plan) > 0 && !seen.contains(&listing) {
                seen.push(listing);
                case.check_trials(&mut pool, &plan, &trials)
                    .map_err(|reason| format!("{device}{way}{reason}"))?;
            }
        }
    }
    Ok(seen.len())
}

/// Checks every case; each must have been computed by matrices.
fn check_all(test: &str, cases: impl IntoIterator<Item = Case>) {
    let Some(gpu) = gpu(test) else { return };
    let (mut failures, mut plans) = (Vec::new(), 0);
    for (at, case) in cases.into_iter().enumerate().filter(|(_, case)| chosen(&case.name)) {
        let input = rounded_tensor(&case.input);
        let case = case.on(input);
        match check(at, &case, &gpu) {
            Ok(0) => failures.push(format!("{}: no dispatch by matrices", case.name)),
            Ok(more) => plans += more,
            Err(reason) => failures.push(format!("{}: {reason}", case.name)),
        }
    }
    println!("{test}: {plans} plans");
    assert!(failures.is_empty(), "{} cases failed\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Larger than a workgroup's tile, wider than one makes, of more channels than are staged at once.
#[rustfmt::skip]
const LARGE: &[(Input, usize, usize, usize, usize, usize, bool)] = &[
    ([1, 64, 37, 41],  64, 3, 1, 1, 1, true),
    ([2, 80, 19, 35],  72, 3, 1, 1, 1, true),
    ([1, 36, 21, 23], 132, 3, 1, 1, 1, false),
    ([1, 33, 35, 18],  20, 5, 1, 2, 1, true),
    ([2, 72, 19, 35],  80, 1, 1, 0, 1, true),
    ([1, 16,  9, 11],  16, 7, 1, 3, 1, true),
];

#[test]
fn conv2d_by_matrices() {
    let keeps_size = |row: &&(Input, usize, usize, usize, usize, usize, bool)| {
        let ([_, _, h, w], _, k, stride, padding, groups, _) = **row;
        stride == 1 && groups == 1 && 2 * padding + 1 == k && h * w > 1
    };
    let rows = CONV2D.iter().chain(LARGE).filter(keeps_size);
    check_all("conv2d_by_matrices", rows.map(|row| conv::conv2d_case(row, rounded_parameter)));
}

#[test]
fn matrices_take_along_what_follows() {
    let mut cases = Vec::new();
    for (kind, activation, residual) in EPILOGUES {
        for (input, kernel) in [([1, 12, 13, 3], 1), ([2, 20, 13, 19], 3)] {
            let name = format!("conv2d {kernel}x{kernel} {kind}, {input:?}");
            let then = activation.map(|activation| activation(input[1]));
            if kernel == 1 && matches!(then, Some((Activation::Prelu, _))) {
                continue; // slopes lie behind the bias, which has no buffer of its own there: f32 kernels do it
            }
            cases.push(conv::epilogue_case(name, (input, kernel, 1), then, residual, rounded_parameter));
        }
    }
    check_all("matrices_take_along_what_follows", cases);
}

#[test]
fn masked_conv2d_by_matrices() {
    let cases = MASKED.iter().filter(|([_, _, h, w], ..)| h * w > 1);
    check_all("masked_conv2d_by_matrices", cases.map(|row| conv::masked_case(row, rounded_parameter)));
}

/// Pointwise convolutions of two to four values, summed; under a mask or not.
fn sum_case(input: Input, terms: usize, out: usize, masked: bool) -> Case {
    let name = format!("{terms} pointwise convolutions of {input:?} → {out}, masked {masked}");
    let weight = |term| {
        let weight = parameter([out, input[1], 1, 1], seed(&name) + term as u64);
        (rounded_parameter(weight), parameter([out], seed(&name) + 100 + term as u64))
    };
    Case::new(name.clone(), conv::shape(input), TOLERANCE, |b, x| {
        let mask = b.constant("mask", conv::mask(input, "some"))?;
        let (relu, twice) = (b.relu("relu", x)?, b.add("twice", x, x)?);
        let mut sum = None;
        for (at, value) in [x, relu, twice, x].into_iter().take(terms).enumerate() {
            let (weight, bias) = weight(at);
            let weights = weighted(b, &format!("term{at}"), &weight, Some(&bias))?;
            let op = MaskedConv2d { kernel: 1, dense_inputs: 5, dense_outputs: out };
            let term = match masked {
                true => b.masked_conv2d("term", value, mask, weights, op)?,
                false => b.conv2d("term", value, weights, Conv2d::same(1))?,
            };
            sum = Some(match sum {
                None => term,
                Some(sum) => b.add("sum", sum, term)?,
            });
        }
        Ok(sum.expect("a term"))
    })
}

#[test]
fn sums_of_pointwise_convolutions_by_matrices() {
    let cases =
        [([1, 12, 13, 7], 2, 9), ([2, 20, 17, 9], 3, 12), ([1, 64, 24, 25], 4, 64), ([1, 36, 9, 9], 4, 68)];
    let cases = cases
        .into_iter()
        .flat_map(|(input, terms, out)| [false, true].map(|masked| sum_case(input, terms, out, masked)));
    check_all("sums_of_pointwise_convolutions_by_matrices", cases);
}

fn wide(kernel: usize) -> Case {
    let name = format!("conv2d {kernel}x{kernel} of what is not rounded");
    Case::new(name, Shape::new(1, 64, 24, 25), 1e-5, |b, x| convolution(b, "conv", x, 64, kernel))
}

/// What the device makes of an input by matrices.
fn run(gpu: &Gpu, case: &Case, input: &Tensor) -> Tensor {
    let options = Options { algorithm: Algorithm::Cooperative, ..Options::default() };
    let plan = case.plan_with(gpu, &options);
    assert_eq!(by_matrices(&plan), 1);
    case.pool(gpu).session(&plan).unwrap().run_tensor(input).unwrap()
}

#[test]
fn rounded_factors_cost_a_thousandth() {
    let Some(gpu) = gpu("rounded_factors_cost_a_thousandth") else { return };
    for kernel in [1, 3] {
        let case = wide(kernel);
        let [trial, _] = case.trials().unwrap();
        let found = run(&gpu, &case, &case.input);
        let error = compare::close(&found, &trial.expected[0], 1e-3).unwrap();
        println!("{}: {error:.1e} of the largest", case.name);
        assert!(error > 1e-5, "{}: {error:.1e}, so nothing was rounded", case.name);
    }
}

#[test]
fn what_f16_cannot_hold_is_not_finite() {
    let Some(gpu) = gpu("what_f16_cannot_hold_is_not_finite") else { return };
    for kernel in [1, 3] {
        let case = wide(kernel);
        let shape = case.input.shape();
        let input = Tensor::from_fn(shape, |_, c, y, x| if (c, y, x) == (9, 7, 11) { 7e4 } else { 0.5 });
        let found = run(&gpu, &case, &input);
        let near = |y: usize, x: usize| y.abs_diff(7) <= kernel / 2 && x.abs_diff(11) <= kernel / 2;
        for c in 0..shape.channels {
            for (at, value) in found.plane(0, c).iter().enumerate() {
                let (y, x) = (at / shape.width, at % shape.width);
                assert_eq!(
                    value.is_finite(),
                    !near(y, x),
                    "{}: channel {c}, x {x}, y {y}: {value}",
                    case.name
                );
            }
        }
    }
}
